"""
A call as a value: everything that another Session Controller needs in order to
go on with it.

The live objects (L{Call<sipcluster.sessioncontroller.call.Call>}, its legs and
parties) write themselves into these and are made from these again.  The HA link
carries them, C{status} prints them, tests compare them.

A field that is as it usually is, is not carried.  What another version does not know
it leaves out, what it does not get is as usual: so each new field has a default that
says that there is nothing of it.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sipcluster.sessioncontroller.events import CallType, Cause, Fields, Role
from sipcluster.sessioncontroller.imedia import MediaRequest
from sipcluster.sessioncontroller.isessioncontroller import Destination, DTMFMethod
from sipcluster.sessioncontroller.queue_values import QueueValue, readQueue
from sipcluster.sessioncontroller.session_refresh import Refresh
from sipcluster.sessioncontroller.standing import Standing
from sipcluster.sip.adoption import InviteClientValue, InviteServerValue
from sipcluster.sip.dialog import Dialog
from sipcluster.sip.isip import Target
from sipcluster.sip.reliable_provisional import ReliableValue
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import asKVList


class PartyValue(Struct, frozen=True, omit_defaults=True, gc=False):
    """
    One DN in a call.

    @ivar state: name of the state of the party's machine (ECMA-269).
    @ivar internal: it is a DN of this switch.
    @ivar answered: it has been connected.
    @ivar otherDN: the one it talks to, as events name it; C{""} with an
        C{otherRole} of L{None} in values of older form.
    @ivar previousConnID: as in L{PartyView
        <sipcluster.sessioncontroller.events.PartyView>}, like what follows.
    @ivar callType: L{None}: that of the call.
    @ivar standing: L{None}: as usual.
    """

    dn: str
    role: Role
    internal: bool
    state: str
    answered: bool = False
    otherDN: str = ""
    otherRole: Role | None = None
    previousConnID: str = ""
    thisQueue: str = ""
    conference: bool = False
    callType: CallType | None = None
    standing: Standing | None = None
    hidden: bool = False


class OutgoingInviteValue(Struct, frozen=True, omit_defaults=True, gc=False):
    """
    An INVITE of ours that is under way, or was answered within the last 64*T1.

    @ivar tried: names of the SIP Proxies that it was sent through.
    @ivar winner: To tag of the first 2xx; C{b""}: there is none.
    @ivar acknowledged: that one was acknowledged.
    @ivar own: the node itself wants the change, not the other far end.
    """

    transaction: InviteClientValue
    tried: tuple[str, ...]
    winner: bytes = b""
    acknowledged: bool = False
    own: bool = False


class AcknowledgedValue(Struct, frozen=True, omit_defaults=True, gc=False):
    """
    A re-INVITE of ours whose 2xx was acknowledged.

    @ivar number: its CSeq number.
    @ivar left: seconds in which the far end may send its 2xx again.
    @ivar answers: the ACK has the last SDP that was sent, as the answer to the far
        end's offer.
    """

    number: int
    left: float
    answers: bool = False


class RelayedValue(Struct, frozen=True, omit_defaults=True, gc=False):
    """
    A request of the far end that goes through, INFO or MESSAGE, and is not answered.

    @ivar serial: it has this one on the other leg, too.
    @ivar branch: of its top Via.
    @ivar number: its CSeq number.
    """

    serial: int
    branch: bytes
    number: int


class RelayingValue(Struct, frozen=True, omit_defaults=True, gc=False):
    """
    Such a request of the other far end, as it was sent to this one.

    @ivar request: our Via on top.
    """

    serial: int
    request: bytes
    target: Target


class ReferralValue(Struct, frozen=True, omit_defaults=True, gc=False):
    """
    What a far end has asked for by REFER, and is told about.

    @ivar number: the CSeq number of the REFER.
    @ivar status: how far it is.
    @ivar silent: the far end does not want to know.
    @ivar last: there will be nothing more to tell; it may have been told.
    @ivar dialog: in which NOTIFYs are sent; L{None}: that of the leg.
    """

    number: int
    status: int = 100
    silent: bool = False
    last: bool = False
    dialog: Dialog | None = None


class LegValue(Struct, frozen=True, omit_defaults=True, gc=False):
    """
    One UA side of a call.

    @ivar id: the user part of its Contact.
    @ivar incoming: whether the far end sent the INVITE.
    @ivar state: name of the state of the leg's machine.
    @ivar party: index of its party in L{CallValue.parties}.
    @ivar localTag: our tag; also before there is a dialog.
    @ivar dialog: the dialog; L{None} while there is none.
    @ivar early: early dialogs of a forked INVITE besides.
    @ivar invited: the INVITE of the far end that makes this leg, until we have
        answered it and that is acknowledged.
    @ivar inviting: our INVITE that makes it, as long as its transaction lives.
    @ivar asked: a re-INVITE of the far end, like C{invited}.
    @ivar asking: a re-INVITE of ours, like C{inviting}.
    @ivar relayed: requests of the far end that go through and are not answered.
    @ivar relaying: those of the other one.
    @ivar acked: the last re-INVITE of ours that was acknowledged, if there was one.
    @ivar offered: the SDP in the far end's change that is not answered yet.
    @ivar destination: where our INVITE went, while it is not answered.
    @ivar earlyMedia: the SDP of 1xx, by fork, in the order in which they came.
    @ivar mediaFork: whose early media the far end hears; L{None}: nobody's.
    @ivar ringing: seconds until our INVITE or re-INVITE is given up; 0: never.
    @ivar muted: the last offer or answer that the far end was sent says less than
        the other side would like.
    @ivar withdrawn: the far end gave a change up that is still under way on the
        other leg.
    @ivar reason: for the BYE that has to wait.
    @ivar loose: it is neither the caller's leg nor the called side's any more.
    @ivar originAddress: address in the origin lines that we send; C{b""}: our own.
    @ivar originID: session id of the SDP that we send (RFC 8866 section 5.2).
    @ivar originVersion: its version in the last SDP sent.
    @ivar sent: the last SDP sent, without its origin line.
    @ivar received: the last SDP received.
    @ivar allow: the methods that the far end takes, as it said; may be empty.
    @ivar held: the far end listens to nobody.
    @ivar proxy: name of the SIP Proxy in between.
    @ivar secure: all hops use TLS: a SIPS call.
    @ivar refresh: who refreshes the session; L{None}: nobody.
    @ivar expiring: seconds in which that must be; 0: never.
    @ivar answered: our last answer to a request of the far end that is no INVITE and
        does something; C{b""}: there is none.
    @ivar holding: its DN holds the other one by request.
    @ivar dtmfMethod: how the far end is sent digits.
    @ivar role: 1: it is the caller's leg, 2: that of the called side; 0: which of them
        follows from the role of its party.
    @ivar peer: index in L{CallValue.legs} of the one that it is connected to; -1: the
        caller's and the called side's are, if they are there; -2: none.
    @ivar joined: its far end and that of its peer know of each other; of a leg to a
        media server, that it knows what it is to do, too.
    @ivar media: what a media server is to give the far end, or is asked for.
    @ivar refreshing: C{asking} is a refresh of our own: the call knows nothing of it.
    @ivar reliable: our reliable 1xx, while our INVITE is not answered; L{None}: there
        was none.
    @ivar held200: body, fork and fields of an answer that waits for their PRACK.
    @ivar pracked: the number of the last reliable 1xx of each fork, by its tag.
    @ivar referral: what the far end has asked for by REFER; L{None}: nothing.
    @ivar server: the name of the media server that the far end is; its C{party} means
        nothing then.
    """

    id: bytes
    incoming: bool
    state: str
    party: int
    callID: bytes
    localTag: bytes
    dialog: Dialog | None
    early: tuple[Dialog, ...] = ()
    originID: int = 0
    originVersion: int = 0
    sent: bytes = b""
    received: bytes = b""
    allow: bytes = b""
    held: bool = False
    proxy: str = ""
    secure: bool = False
    holding: bool = False
    refresh: Refresh | None = None
    dtmfMethod: DTMFMethod = DTMFMethod.INFO
    invited: InviteServerValue | None = None
    inviting: OutgoingInviteValue | None = None
    asked: InviteServerValue | None = None
    asking: OutgoingInviteValue | None = None
    offered: bytes = b""
    destination: Destination | None = None
    earlyMedia: tuple[tuple[bytes, bytes], ...] = ()
    mediaFork: bytes | None = None
    ringing: float = 0.0
    muted: bool = False
    withdrawn: bool = False
    reason: bytes = b""
    loose: bool = False
    originAddress: bytes = b""
    expiring: float = 0.0
    answered: bytes = b""
    acked: AcknowledgedValue | None = None
    relayed: tuple[RelayedValue, ...] = ()
    relaying: tuple[RelayingValue, ...] = ()
    role: int = 0
    peer: int = -1
    joined: bool = True
    media: MediaRequest | None = None
    server: str = ""
    pracked: tuple[tuple[bytes, int], ...] = ()
    reliable: ReliableValue | None = None
    refreshing: bool = False
    held200: tuple[bytes, bytes, Fields] | None = None
    referral: ReferralValue | None = None


class AskedValue(Struct, frozen=True, omit_defaults=True, gc=False):
    """
    Where somebody wants to call: L{Asked
    <sipcluster.sessioncontroller.isessioncontroller.Asked>} with the numbers of its
    DNs.
    """

    user: str
    host: str
    caller: str
    redirected: bool = False
    forwarder: str = ""


class MakingValue(Struct, frozen=True, omit_defaults=True, gc=False):
    """
    What a call knows until it is answered.

    @ivar asked: what the caller wants.
    @ivar led: what has led, or is to lead, to the destination that is called.
    @ivar caller: From of the called side, without a tag.
    @ivar fields: header fields of the caller that go along.
    @ivar tried: numbers that were called.
    @ivar made: legs that were made.
    @ivar routing: the dial plan is being asked.
    @ivar instead: it is asked where the call goes that this destination did not
        take, for this reason.
    @ivar cause: that reason.
    @ivar requester: whom the event that tells of the caller's wish answers, while it
        was not told.
    """

    asked: AskedValue
    led: AskedValue | None
    caller: bytes
    fields: Fields = ()
    tried: tuple[str, ...] = ()
    made: int = 0
    routing: bool = False
    instead: Destination | None = None
    cause: Cause | None = None
    requester: Requester | None = None


class UndertakingValue(Struct, frozen=True, omit_defaults=True, gc=False):
    """
    Something that a call was asked, and that is not done yet.

    @ivar kind: make, answer, talk, redirect, hold, retrieve, digits, consult, transfer,
        mute, alternate; connect: what is left to do for a call that was made by request
        when it is answered; align: who is connected to whom has changed, and not all
        far ends know it.
    @ivar party: index of the asking party in L{CallValue.parties}; -1: there is none.
    @ivar left: seconds that it may still take; 0: it waits for its turn.
    @ivar where: where a call is to be redirected to, or another one is to go.
    @ivar userData: what is to be attached to that one.
    @ivar conference: that one is to become a conference.
    @ivar other: the ConnID of another call that has a part in it.
    """

    kind: str
    party: int
    requester: Requester | None = None
    left: float = 0.0
    where: AskedValue | None = None
    userData: tuple[tuple[str, Any], ...] = ()
    conference: bool = False
    other: str = ""


class CallValue(Struct, frozen=True, omit_defaults=True, gc=False):
    """
    One call.

    @ivar connID: 16 hex digits.
    @ivar callUUID: 32 hex digits, the Session-ID of every leg (RFC 7989).
    @ivar ani: number of the caller.
    @ivar dnis: number that was dialled.
    @ivar created: seconds since 1970.
    @ivar redirections: 3xx answers followed so far.
    @ivar callID: the number that the node gave it.
    @ivar undertakings: what it was asked and has not done.
    @ivar making: L{None} once it is answered, or has failed.
    @ivar heard: what the caller's telephone has taken of the called side's media,
        where the call was made by request.
    @ivar busy: seconds until a caller is hung up on whose call leads nowhere; 0: none
        is.
    @ivar queue: what it knows of the routing point at which it waits, or from which it
        is on its way; L{None}: there is none.
    @ivar userData: pairs attached to the call, in order, keys may repeat.
    @ivar consults: the ConnID of the call about which it is; C{""}: it is no
        consultation.
    @ivar conference: the consultation is to become a conference, not a transfer.
    @ivar heldFor: that call was held for it.
    @ivar leaving: index in C{legs} of the one whose party leaves the call as soon as
        the one answers who is called instead; -1: there is none.
    """

    connID: str
    callUUID: str
    callType: CallType
    ani: str
    dnis: str
    created: float
    parties: tuple[PartyValue, ...]
    legs: tuple[LegValue, ...]
    redirections: int = 0
    userData: tuple[tuple[str, Any], ...] = ()
    callID: int = 0
    undertakings: tuple[UndertakingValue, ...] = ()
    making: MakingValue | None = None
    heard: bytes = b""
    busy: float = 0.0
    queue: QueueValue | None = None
    consults: str = ""
    conference: bool = False
    heldFor: bool = False
    leaving: int = -1


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[CallValue] | None = None


def encodeCall(value: CallValue) -> bytes:
    """
    Write a call down.
    """
    return _encoder.encode(value)


def decodeCall(data: bytes) -> CallValue:
    """
    Read what L{encodeCall} wrote; fields that are not known are left out.

    @raise ValueError: it is no call.
    """
    global _decoder
    if _decoder is None:
        _decoder = msgspec.msgpack.Decoder(CallValue)
    value = _decoder.decode(data)
    # Lists in lists were decoded as Python lists.
    if any(one.userData for one in value.undertakings):
        undertakings = tuple(
            replace(one, userData=asKVList(one.userData)) for one in value.undertakings
        )
        value = replace(value, undertakings=undertakings)
    if value.queue is not None:
        value = replace(value, queue=readQueue(value.queue))
    if not value.userData:
        return value
    return replace(value, userData=asKVList(value.userData))
