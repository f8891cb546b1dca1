"""
A call: its legs, its parties, and what passes between them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from sipcluster.sessioncontroller.events import (
    Acknowledged,
    Alerting,
    Answered,
    CallEvent,
    CallType,
    Cause,
    Failed,
    Fields,
    Held,
    ModificationAnswered,
    ModificationAsked,
    ModificationWithdrawn,
    Offered,
    PartyView,
    Progressed,
    Refused,
    RelayAnswered,
    Relayed,
    Released,
    Retrieved,
    Role,
    Updated,
)
from sipcluster.sessioncontroller.fields import ALLOW
from sipcluster.sessioncontroller.isessioncontroller import (
    Asked,
    Destination,
    Refusal,
)
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.session_description import SessionOrigin, holds
from sipcluster.sessioncontroller.values import CallValue
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.uri import SIPURI, parseURI

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.isessioncontroller import IDialPlan
    from sipcluster.sessioncontroller.useragent import UserAgent

log = Logger()

#: What a caller is answered instead of what the called side answered: the
#: challenge, the route, the loop or the overload of that leg is not the
#: caller's business, and a 503 would take this node out of service at a SIP
#: Proxy (RFC 3261 section 16.7 step 6).
TRANSLATED = {
    401: 403,
    407: 403,
    408: 408,
    481: 480,
    482: 480,
    483: 480,
    491: 480,
    503: 500,
}


class Call:
    """
    Two legs and their parties, under one ConnID and CallUUID.

    @ivar legs: live legs, the caller's first.
    @ivar parties: all there have been, the caller's first.
    @ivar sessionID: the CallUUID, for messages.
    """

    __slots__ = (
        "__weakref__",
        "_asked",
        "_ended",
        "_fields",
        "_first",
        "_from",
        "_made",
        "_plan",
        "_publish",
        "_routing",
        "_second",
        "_tried",
        "_ua",
        "ani",
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
        self.callType = CallType.UNKNOWN
        self.legs: list[Leg] = []
        self.parties: list[Party] = []
        self.userData: tuple[tuple[str, str], ...] = ()
        self.redirections = 0
        self._made = 0
        self._fields: Fields = ()
        self._asked: Asked | None = None
        self._from = b""
        self._tried: set[str] = set()
        self._first: Leg | None = None
        self._second: Leg | None = None
        self._routing: Deferred[Any] | None = None

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
        )
        party = Party(view, self._publish, state)
        self.parties.append(party)
        return party

    def addLeg(
        self,
        party: Party,
        incoming: bool,
        callID: bytes = b"",
        localTag: bytes = b"",
        legID: bytes = b"",
        origin: SessionOrigin | None = None,
        state: str = "Null",
    ) -> Leg:
        """
        Make a leg; what is left out is made new.
        """
        ua = self._ua
        identifiers = ua.identifiers
        tag = localTag or identifiers.tag()
        if origin is None:
            origin = SessionOrigin(ua.origin, int(tag[:13], 16))
        leg = Leg(
            ua,
            self,
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
        if incoming:
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

    def allowFor(self, leg: Leg) -> bytes:
        """
        The methods that can be passed on to the far end of the other leg.
        """
        other = self.other(leg)
        return ALLOW if other is None else other.allow or ALLOW

    # What legs tell

    def legEvent(self, leg: Leg, event: CallEvent) -> None:
        """
        Something happened on a leg.
        """
        _HANDLERS[type(event)](self, leg, event)

    def legEnded(self, leg: Leg) -> None:
        """
        A leg is gone: its last word.
        """
        if leg in self.legs:
            self.legs.remove(leg)
        if leg is self._first:
            self._first = None
        elif leg is self._second:
            self._second = None
        if not self.legs and self._routing is None:
            self._end()

    def _end(self) -> None:
        """
        Let go of everything that points back here.
        """
        for party in self.parties:
            party.forget()
        self._ended(self)

    # Making the call

    def begin(self, leg: Leg, asked: Asked, caller: bytes) -> None:
        """
        Go to work on the caller's wish.

        @param asked: where it wants to call.
        @param caller: the From of the called side, without a tag.
        """
        self._asked = asked
        self._from = caller
        leg.machine.arrive()

    def _offered(self, leg: Leg, event: Offered) -> None:
        self._fields = event.fields
        leg.party.machine.initiated(event)
        assert self._asked is not None
        self._route(self._asked)

    def _route(self, asked: Asked) -> None:
        routing = self._routing = self._plan.route(asked)
        routing.addCallback(self._routed)
        routing.addErrback(self._routeFailed)

    def _routeFailed(self, failure: Any) -> None:
        self._routing = None
        log.failure("dial plan", failure=failure)
        self._refuse(500, Cause.FAILED)

    def _routed(self, found: Destination | Refusal) -> None:
        self._routing = None
        first = self._first
        if first is None:
            # The caller has gone meanwhile.
            if not self.legs:
                self._end()
        elif isinstance(found, Refusal):
            self._refuse(found.status, found.cause)
        elif self._made >= self._ua.limits.legs or found.dn in self._tried:
            self._refuse(480, Cause.UNREACHABLE)
        else:
            self._tried.add(found.dn)
            self._place(first, found)

    def _place(self, first: Leg, found: Destination) -> None:
        """
        Send the call to its destination.
        """
        self.callType = found.callType
        party = self.addParty(
            found.dn,
            Role.DESTINATION,
            found.callType is not CallType.OUTBOUND,
            first.party,
        )
        first.party.meet(party)
        second = self.addLeg(party, False)
        second.proxy = first.proxy
        second.allow = b""
        second.aim(
            self._secured(found, first.secure),
            self._from,
            max(first.maxForwards - 1, 0),
            self._fields,
        )
        log.info(
            "call {connID} has legs {callID} and {otherCallID}",
            connID=self.connID,
            callUUID=self.callUUID,
            callID=first.callID.decode("utf-8", "replace"),
            otherCallID=second.callID.decode("utf-8", "replace"),
            dn=found.dn,
        )
        party.machine.alerted(Alerting(party.view, self._ua.wallTime()))
        second.machine.place(first.received)

    def _secured(self, found: Destination, secure: bool) -> Destination:
        if not secure or not found.uri.startswith(b"sip:"):
            return found
        return evolve(
            found,
            uri=b"sips:" + found.uri.removeprefix(b"sip:"),
            to=b"sips:" + found.to.removeprefix(b"sip:"),
        )

    def _progressed(self, leg: Leg, event: Progressed) -> None:
        leg.party.machine.progressed(event)
        other = self.other(leg)
        if other is not None:
            other.machine.progress(event)

    def _answered(self, leg: Leg, event: Answered) -> None:
        leg.party.machine.connected(event)
        other = self.other(leg)
        if other is None:
            # The caller went in the same moment.
            leg.machine.release(Cause.ABANDONED, b"")
            return
        other.machine.answer(event)
        party = other.party
        party.machine.connected(Answered(party.view, self._ua.wallTime()))

    def _refused(self, leg: Leg, event: Refused) -> None:
        """
        The called side does not take the call: go where it says, or tell the
        caller.
        """
        leg.party.machine.cleared(
            Released(leg.party.view, self._ua.wallTime(), event.cause)
        )
        if self._first is None or leg is not self._second:
            return
        self._second = None
        if event.contacts and self._redirect(event.contacts):
            return
        status = event.status
        if status < 400:
            status = 480
        translated = TRANSLATED.get(status, status)
        reason = event.reason if translated == event.status else b""
        self._refuse(translated, event.cause, reason, event.fields)

    def _redirect(self, contacts: tuple[bytes, ...]) -> bool:
        """
        Go on to the first contact that the dial plan may allow.

        @return: whether there is one.
        """
        if self.redirections >= self._ua.limits.redirections or self._asked is None:
            self._ua.count("redirectionsRefused")
            return False
        for contact in contacts:
            try:
                uri = parseURI(contact)
            except MalformedMessage:
                continue
            if isinstance(uri, SIPURI) and uri.user:
                self.redirections += 1
                asked = Asked(
                    uri.userText.decode("utf-8", "replace"),
                    uri.bareHost,
                    self._asked.caller,
                    True,
                )
                log.info(
                    "call {connID} is redirected to {user}",
                    connID=self.connID,
                    user=asked.user,
                )
                self._route(asked)
                return True
        return False

    def _refuse(
        self, status: int, cause: Cause, reason: bytes = b"", fields: Fields = ()
    ) -> None:
        """
        The caller cannot have its call.
        """
        first = self._first
        if first is None:
            return
        party = first.party
        now = self._ua.wallTime()
        party.machine.failed(Failed(party.view, now, cause, status))
        party.machine.cleared(Released(party.view, now, cause))
        first.machine.refuse(status, reason, fields)

    # A call that is up

    def _acknowledged(self, leg: Leg, event: Acknowledged) -> None:
        other = self.other(leg)
        if other is not None:
            other.machine.acknowledge(event)
        self._noteHold(leg)

    def _modificationAsked(self, leg: Leg, event: ModificationAsked) -> None:
        other = self.other(leg)
        if other is not None:
            other.machine.modify(event)
        else:
            leg.machine.modificationAnswered(
                ModificationAnswered(event.party, event.time, 491)
            )

    def _modificationAnswered(self, leg: Leg, event: ModificationAnswered) -> None:
        other = self.other(leg)
        if other is not None:
            other.machine.modificationAnswered(event)
            if event.status < 300:
                self._noteHold(other)

    def _modificationWithdrawn(self, leg: Leg, event: ModificationWithdrawn) -> None:
        other = self.other(leg)
        if other is not None:
            other.machine.withdrawModification()

    def _noteHold(self, leg: Leg) -> None:
        """
        The session description of a far end may have changed.
        """
        held = holds(leg.received)
        party, now = leg.party, self._ua.wallTime()
        if held == leg.held:
            party.machine.updated(Updated(party.view, now))
            return
        leg.held = held
        if held:
            party.machine.held(Held(party.view, now))
        else:
            party.machine.retrieved(Retrieved(party.view, now))

    def _relayed(self, leg: Leg, event: Relayed) -> None:
        other = self.other(leg)
        if other is not None:
            other.machine.relay(event)
        else:
            leg.machine.relayAnswered(
                RelayAnswered(event.party, event.time, event.serial, 480)
            )

    def _relayAnswered(self, leg: Leg, event: RelayAnswered) -> None:
        other = self.other(leg)
        if other is not None:
            other.machine.relayAnswered(event)

    # The end

    def _released(self, leg: Leg, event: Released) -> None:
        """
        One side is out: so is the other.
        """
        leg.party.machine.cleared(event)
        self.release(event.cause, event.reason)

    def release(self, cause: Cause, reason: bytes = b"") -> None:
        """
        End the call on all legs.
        """
        if self._routing is not None:
            routing, self._routing = self._routing, None
            routing.addErrback(lambda failure: None)
            routing.cancel()
        now = self._ua.wallTime()
        for party in self.parties:
            party.machine.cleared(
                Released(party.view, now, cause, party.answered, reason)
            )
        for leg in list(self.legs):
            leg.machine.release(cause, reason)

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

    # Writing down

    def value(self) -> CallValue:
        """
        Write the call down.
        """
        parties = self.parties
        return CallValue(
            connID=self.connID,
            callUUID=self.callUUID,
            callType=self.callType,
            ani=self.ani,
            dnis=self.dnis,
            created=self.created,
            parties=tuple(party.value() for party in parties),
            legs=tuple(leg.value(parties.index(leg.party)) for leg in self.legs),
            redirections=self.redirections,
            userData=self.userData,
        )


_HANDLERS: dict[type[CallEvent], Callable[[Call, Leg, Any], None]] = {
    Offered: Call._offered,
    Progressed: Call._progressed,
    Answered: Call._answered,
    Refused: Call._refused,
    Acknowledged: Call._acknowledged,
    ModificationAsked: Call._modificationAsked,
    ModificationAnswered: Call._modificationAnswered,
    ModificationWithdrawn: Call._modificationWithdrawn,
    Relayed: Call._relayed,
    RelayAnswered: Call._relayAnswered,
    Released: Call._released,
}
