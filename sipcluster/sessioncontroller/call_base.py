"""
What all parts of a call work on: its legs and parties, its ids, and its end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from sipcluster.sessioncontroller.events import (
    CallEvent,
    CallType,
    Cause,
    Fields,
    Offered,
    PartyView,
    Released,
    Role,
)
from sipcluster.sessioncontroller.fields import ALLOW
from sipcluster.sessioncontroller.isessioncontroller import Asked
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.session_description import SessionOrigin
from sipcluster.sessioncontroller.undertakings import Undertakings
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.call import Call
    from sipcluster.sessioncontroller.isessioncontroller import (
        Destination,
        IDialPlan,
    )
    from sipcluster.sessioncontroller.useragent import UserAgent
    from sipcluster.sip.timers import Timer

log = Logger()


class CallBase:
    """
    Two legs and their parties, under one ConnID and CallUUID.

    @ivar legs: live legs, the caller's first.
    @ivar parties: all there have been, the caller's first.
    @ivar sessionID: the CallUUID, for messages.
    """

    __slots__ = (
        "__weakref__",
        "_asked",
        "_busy",
        "_ended",
        "_fields",
        "_first",
        "_from",
        "_instead",
        "_led",
        "_made",
        "_offer",
        "_plan",
        "_publish",
        "_routing",
        "_second",
        "_tried",
        "_ua",
        "_work",
        "ani",
        "callID",
        "callType",
        "callUUID",
        "connID",
        "created",
        "dnis",
        "legs",
        "parties",
        "redirections",
        "sessionID",
        "userData",
    )

    def __init__(
        self,
        ua: UserAgent,
        plan: IDialPlan,
        publish: Callable[[CallEvent], None],
        ended: Callable[[Call], None],
        connID: str,
        callUUID: str,
        ani: str,
        dnis: str,
        created: float,
        callID: int = 0,
    ) -> None:
        self._ua = ua
        self._plan = plan
        self._publish = publish
        self._ended = ended
        self.connID = connID
        self.callUUID = callUUID
        self.sessionID = callUUID.encode()
        self.ani = ani
        self.dnis = dnis
        self.created = created
        self.callID = callID
        self.callType = CallType.UNKNOWN
        self.legs: list[Leg] = []
        self.parties: list[Party] = []
        self.userData: KVList = ()
        self.redirections = 0
        self._made = 0
        self._fields: Fields = ()
        self._asked: Asked | None = None
        self._offer: Offered | None = None
        self._from = b""
        self._tried: set[str] = set()
        self._first: Leg | None = None
        self._second: Leg | None = None
        self._routing: Deferred[Any] | None = None
        self._led: Asked | None = None
        self._instead: tuple[Destination, Cause] | None = None
        self._busy: Timer | None = None
        self._work: Undertakings | None = None
        ua.touch()

    @property
    def agent(self) -> UserAgent:
        """
        What it was given to work with.
        """
        return self._ua

    def touch(self) -> None:
        """
        It may have changed.
        """
        self._ua.touch()

    @property
    def told(self) -> bool:
        """
        Whether anybody knows of it: a telephone that was called, or who takes its
        events.
        """
        return (
            len(self.parties) > 1
            or any(party.state != "Null" for party in self.parties)
            or any(not leg.incoming for leg in self.legs)
        )

    # Parts

    def addParty(
        self,
        dn: str,
        role: Role,
        internal: bool,
        other: Party | None = None,
        state: str = "Null",
    ) -> Party:
        """
        Make a party.

        @param other: the one it talks to; L{None} while only its number is
            known.
        """
        if other is not None:
            otherDN, otherRole = other.view.thisDN, other.view.thisRole
        elif role is Role.ORIGINATION:
            otherDN, otherRole = self.dnis, Role.DESTINATION
        else:
            otherDN, otherRole = "", Role.UNKNOWN
        view = PartyView(
            self.connID,
            self.callUUID,
            self.callType,
            dn,
            role,
            internal,
            otherDN,
            otherRole,
            self.ani,
            self.dnis,
            self.callID,
            self.userData,
        )
        party = Party(view, self._publish, state)
        self.parties.append(party)
        if internal:
            self._ua.parties.setdefault(dn, {})[party] = None
        return party

    def partyOf(self, dn: str) -> Party | None:
        """
        The live party that is a DN of this switch, or L{None}.
        """
        for party in self.parties:
            view = party.view
            if view.thisDN == dn and view.internal and party.live:
                return party
        return None

    def addLeg(
        self,
        party: Party,
        incoming: bool,
        callID: bytes = b"",
        localTag: bytes = b"",
        legID: bytes = b"",
        origin: SessionOrigin | None = None,
        state: str = "Null",
        calling: bool | None = None,
    ) -> Leg:
        """
        Make a leg; what is left out is made new.

        @param calling: it is the caller's; L{None}: if its far end sent the INVITE.
        """
        ua = self._ua
        identifiers = ua.identifiers
        tag = localTag or identifiers.tag()
        if origin is None:
            origin = SessionOrigin(ua.origin, int(tag[:13], 16))
        leg = Leg(
            ua,
            self,  # type: ignore[arg-type] # every call is a Call
            party,
            incoming,
            legID or tag,
            callID or identifiers.callID(),
            tag,
            origin,
            state,
        )
        self._made += 1
        self.legs.append(leg)
        if incoming if calling is None else calling:
            self._first = leg
        else:
            self._second = leg
        return leg

    def other(self, leg: Leg) -> Leg | None:
        """
        The leg that a leg talks to, or L{None}.
        """
        if leg is self._first:
            return self._second
        return self._first if leg is self._second else None

    def isLoose(self, leg: Leg) -> bool:
        """
        Whether a leg is neither the caller's nor the called side's any more.
        """
        return leg is not self._first and leg is not self._second

    def loosen(self, leg: Leg) -> None:
        """
        Let a leg be so.
        """
        if leg is self._first:
            self._first = None
        elif leg is self._second:
            self._second = None

    def isOwn(self, leg: Leg) -> bool:
        """
        Whether the re-INVITE that is under way on a leg is the node's own.
        """
        return self._work is not None and leg in self._work.modifications

    def allowFor(self, leg: Leg) -> bytes:
        """
        The methods that can be passed on to the far end of the other leg.
        """
        other = self.other(leg)
        return ALLOW if other is None else other.allow or ALLOW

    # The end

    def legEnded(self, leg: Leg) -> None:
        """
        A leg is gone: its last word.
        """
        if leg in self.legs:
            self.legs.remove(leg)
        self.loosen(leg)
        self.endIfEmpty()

    def endIfEmpty(self) -> None:
        """
        Without legs, and when none is to come, it is over.
        """
        if not self.legs and self._routing is None:
            self._end()

    def _end(self) -> None:
        """
        Let go of everything that points back here.
        """
        self._letGo()
        index = self._ua.parties
        for party in self.parties:
            party.forget()
            found = index.get(party.view.thisDN)
            if found is not None and found.pop(party, found) is None and not found:
                del index[party.view.thisDN]
        self._ended(self)  # type: ignore[arg-type] # as above

    def release(
        self,
        cause: Cause,
        reason: bytes = b"",
        by: Party | None = None,
        requester: Requester | None = None,
    ) -> None:
        """
        End the call on all legs.

        @param cause: C{OK} and C{ABANDONED} are the same: who rings still sees the
            call abandoned, all others see it end in order.
        @param by: the party that ends it, which is told first.
        @param requester: who asked for that.
        """
        self._ua.touch()
        if self._routing is not None:
            routing, self._routing = self._routing, None
            routing.cancel()
        if by is not None:
            self._clear(by, cause, reason, requester)
        for party in self.parties:
            self._clear(party, cause, reason)
        for leg in list(self.legs):
            leg.machine.release(cause, reason)
        self._letGo()

    def _letGo(self) -> None:
        """
        Nothing more will come of what was asked of this call.
        """
        busy, self._busy = self._busy, None
        if busy is not None:
            busy.cancel()
        work = self._work
        if work is not None:
            work.end()

    @property
    def work(self) -> Undertakings:
        """
        What the call has been asked and has not done yet.
        """
        if self._work is None:
            self._work = Undertakings(self._ua)
        return self._work

    def _clear(
        self,
        party: Party,
        cause: Cause,
        reason: bytes = b"",
        requester: Requester | None = None,
    ) -> None:
        """
        Take a party out.
        """
        if cause in (Cause.OK, Cause.ABANDONED):
            cause = Cause.ABANDONED if party.state == "Alerting" else Cause.OK
        party.machine.cleared(
            Released(
                party.view,
                self._ua.wallTime(),
                cause,
                party.answered,
                reason,
                requester=requester,
            )
        )
        if self._work is not None:
            self._work.gone(party)

    def breakDown(self) -> None:
        """
        Something is wrong with this call that should not be: end it as far as
        that is possible, and disturb no other.
        """
        self._ua.count("callsBroken")
        for leg in list(self.legs):
            try:
                leg.machine.release(Cause.FAILED, b"")
            except Exception:
                log.failure("leg of call {connID}", connID=self.connID)
                leg.finish()
        self.release(Cause.FAILED)
