"""
The data of a leg: what all its parts work on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipcluster.sessioncontroller.attempt import Attempt
from sipcluster.sessioncontroller.events import Fields
from sipcluster.sessioncontroller.imedia import MediaRequest
from sipcluster.sessioncontroller.incoming_invite import IncomingInvite
from sipcluster.sessioncontroller.isessioncontroller import DTMFMethod
from sipcluster.sessioncontroller.leg_inputs import LegInputs
from sipcluster.sessioncontroller.leg_states import legMachine
from sipcluster.sessioncontroller.outgoing_invite import OutgoingInvite
from sipcluster.sessioncontroller.session_description import SessionOrigin
from sipcluster.sessioncontroller.values import RelayingValue
from sipcluster.sip.machine import stateName
from sipcluster.sip.message import Response
from sipcluster.sip.server_transaction import ServerTransaction

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.call import Call
    from sipcluster.sessioncontroller.isessioncontroller import (
        Destination,
        ProxyAddress,
    )
    from sipcluster.sessioncontroller.leg import Leg
    from sipcluster.sessioncontroller.leg_refers import Referral
    from sipcluster.sessioncontroller.party import Party
    from sipcluster.sessioncontroller.session_refresh import Refresh
    from sipcluster.sessioncontroller.useragent import UserAgent
    from sipcluster.sip.dialog import Dialog, DialogSet
    from sipcluster.sip.timers import Timer

#: A change of the session under way: what our far end asks, or what we ask it.
Change = IncomingInvite | ServerTransaction | OutgoingInvite | Attempt


class LegData:
    """
    The data of a leg.

    @ivar ua: what all legs share.
    @ivar call: L{None} once the leg is gone.
    @ivar party: the DN on this side.
    @ivar id: the user part of our Contact.
    @ivar incoming: whether the far end sent the INVITE.
    @ivar machine: takes the inputs.
    @ivar localTag: ours; legs are found by it.
    @ivar dialog: the confirmed one, else the early one that counts, or L{None}.
    @ivar forks: the early dialogs of our INVITE.
    @ivar caller: From of our INVITE, without a tag.
    @ivar invite: the INVITE that makes this leg, whoever sent it.
    @ivar change: the change of the session that is under way, or L{None}.
    @ivar origin: of the SDP that we send.
    @ivar received: the last SDP of the far end that tells what it would like.
    @ivar offered: the SDP in our far end's change, until it is answered.
    @ivar allow: common methods, as the value of an Allow; empty when the far
        end did not say.
    @ivar held: the far end listens to nobody: it holds by itself.
    @ivar heldAnswer: body, fork and fields of the other side's answer, which has to
        wait until our far end has acknowledged a reliable 1xx.
    @ivar holding: the DN on this side holds the other one by request.
    @ivar muted: the last offer or answer that the far end was sent says less than
        the other side would like, because somebody holds by request: what the far
        end answers does not tell what it would like itself.
    @ivar refresh: who refreshes the session; L{None}: nobody.
    @ivar refreshing: the change that is under way is a refresh of our own, of which the
        call knows nothing.
    @ivar dtmfMethod: how the far end is sent digits.
    @ivar proxy: the SIP Proxy in between.
    @ivar secure: a SIPS leg.
    @ivar mediaFork: which fork's early media the far end hears; L{None} when it
        hears none.
    @ivar withdrawn: our far end gave a change up that is still under way on the
        other leg.
    @ivar reason: for the BYE that has to wait.
    @ivar peer: the leg whose far end this one's talks to, or is to; L{None}: none.
    @ivar joined: they know of each other.
    @ivar media: what a media server is to give the far end; L{None}: nothing.  Of a
        leg to a media server, what that was asked for.
    @ivar server: the name of the media server that the far end is; C{""}: it is none.
    @ivar relays: requests that go through, of our far end, that are not answered.
    @ivar relaying: those of the other one, by the serial that they have there.
    @ivar repeats: serials of those that our far end has sent to another process, by
        branch and CSeq number.
    @ivar unanswered: what another process has sent our far end of the other one.
    @ivar acked: the last re-INVITE of ours whose 2xx was acknowledged: its CSeq number,
        until when that 2xx may come again, and whether the ACK answers its offer.
    @ivar pracked: the number of the last reliable 1xx of each fork, by its tag.
    @ivar pracks: PRACKs that are not answered.
    @ivar repracked: those whose PRACK another process has sent, or may have.
    @ivar referral: what the far end has asked for by REFER; L{None}: nothing.
    @ivar answered: the last answer to a request of the far end inside the dialog that
        is no INVITE and does something.
    """

    __slots__ = (
        "__weakref__",
        "_expiring",
        "_ringing",
        "_serial",
        "_until",
        "acked",
        "allow",
        "answered",
        "call",
        "callID",
        "caller",
        "change",
        "destination",
        "dialog",
        "dtmfMethod",
        "earlyMedia",
        "forks",
        "held",
        "heldAnswer",
        "holding",
        "id",
        "incoming",
        "invite",
        "joined",
        "localTag",
        "machine",
        "maxForwards",
        "media",
        "mediaFork",
        "muted",
        "offerFields",
        "offered",
        "origin",
        "party",
        "peer",
        "pracked",
        "pracks",
        "proxy",
        "reason",
        "received",
        "referral",
        "refresh",
        "refreshing",
        "relaying",
        "relays",
        "repeats",
        "repracked",
        "secure",
        "server",
        "ua",
        "unanswered",
        "withdrawn",
    )

    def __init__(
        self,
        ua: UserAgent,
        call: Call,
        party: Party,
        incoming: bool,
        legID: bytes,
        callID: bytes,
        localTag: bytes,
        origin: SessionOrigin,
        state: str = "Null",
    ) -> None:
        self.ua = ua
        self.call: Call | None = call
        self.party = party
        self.id = legID
        self.incoming = incoming
        self.callID = callID
        self.localTag = localTag
        self.origin = origin
        self.dialog: Dialog | None = None
        self.forks: DialogSet | None = None
        self.invite: IncomingInvite | OutgoingInvite | None = None
        self.change: Change | None = None
        self.destination: Destination | None = None
        self.maxForwards = 70
        self.earlyMedia: dict[bytes, bytes] | None = None
        self.mediaFork: bytes | None = None
        self.received = b""
        self.offered = b""
        self.offerFields: Fields = ()
        self.allow = b""
        self.held = False
        self.heldAnswer: tuple[bytes, bytes, Fields] | None = None
        self.holding = False
        self.refresh: Refresh | None = None
        self.referral: Referral | None = None
        self.muted = False
        self.refreshing = False
        self.dtmfMethod = DTMFMethod.INFO
        self.proxy: ProxyAddress | None = None
        self.secure = False
        self.caller = b""
        self.reason = b""
        self.withdrawn = False
        self.peer: Leg | None = None
        self.joined = True
        self.media: MediaRequest | None = None
        self.server = ""
        self.answered: Response | None = None
        self.pracked: dict[bytes, int] | None = None
        self.repracked: dict[bytes, int] | None = None
        self.pracks = 0
        self.acked: tuple[int, float, bool] | None = None
        self.relays: dict[int, ServerTransaction] | None = None
        self.relaying: dict[int, Attempt] | None = None
        self.repeats: dict[tuple[bytes, int], int] | None = None
        self.unanswered: dict[int, RelayingValue] | None = None
        self._serial = 0
        self._until = 0.0
        self._ringing: Timer | None = None
        self._expiring: Timer | None = None
        self.machine: LegInputs = legMachine(self, state)
        ua.legs[localTag] = self  # type: ignore[assignment] # as above

    @property
    def state(self) -> str:
        """
        The name of the leg's state.
        """
        return stateName(self.machine)
