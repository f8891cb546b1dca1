"""
The part of a call that makes it: where it goes, whom it rings, who answers.
"""

from __future__ import annotations

from itertools import pairwise

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipcluster.sessioncontroller.call_base import CallBase
from sipcluster.sessioncontroller.diversion import diverted, isDiverted, uriOf
from sipcluster.sessioncontroller.events import (
    Alerting,
    Answered,
    CallType,
    Cause,
    Failed,
    Fields,
    Offered,
    Progressed,
    Refused,
    Released,
    Role,
    ThirdParty,
)
from sipcluster.sessioncontroller.identity import believed
from sipcluster.sessioncontroller.isessioncontroller import (
    Asked,
    Destination,
    Refusal,
)
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.session_description import talking
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.uri import SIPURI, parseURI

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


class Making(CallBase):
    """
    What a call does until it is answered or refused.
    """

    __slots__ = ()

    def begin(self, leg: Leg, asked: Asked, caller: bytes, fields: Fields = ()) -> None:
        """
        Go to work on the caller's wish.

        @param asked: where it wants to call.
        @param caller: the From of the called side, without a tag.
        @param fields: what it is told besides of the caller.
        """
        self._asked = asked
        self._from = caller
        self._fields = fields
        leg.machine.arrive()

    def _offered(self, leg: Leg, event: Offered) -> None:
        assert self._asked is not None
        fields = believed(event.fields, self._asked.caller)
        self._fields = (*fields, *self._fields)
        self._seek(leg, event, self._asked)

    def _seek(self, leg: Leg, offer: Offered, asked: Asked) -> None:
        """
        Find out where the caller's wish leads.
        """
        self._offer = offer
        self._route(asked)
        # A dial plan that takes its time: what type of call it is, is not known.
        self._tellOffered(leg)

    def _tellOffered(self, leg: Leg | None) -> None:
        """
        Tell that the caller wants a call, if that was not told.
        """
        offer, self._offer = self._offer, None
        if offer is not None and leg is not None:
            party = leg.party
            party.machine.initiated(evolve(offer, party=party.view))

    def _route(self, asked: Asked) -> None:
        self._led = asked
        self._instead = None
        self._follow(self._plan.route(asked))

    def _follow(self, routing: Deferred[Destination | Refusal]) -> None:
        """
        Wait for the dial plan.
        """
        self._routing = routing
        routing.addCallback(self._routed)
        routing.addErrback(self._routeFailed)

    def _routeFailed(self, failure: Failure) -> None:
        if failure.check(CancelledError):  # type: ignore[no-untyped-call]
            return  # the caller has gone meanwhile
        self._ua.touch()
        self._routing = None
        self._tellOffered(self._first)
        log.failure("dial plan", failure=failure)
        self._refuse(500, Cause.FAILED)

    def _routed(self, found: Destination | Refusal) -> None:
        self._ua.touch()
        self._routing = None
        first = self._first
        if first is not None and found.callType is not CallType.UNKNOWN:
            first.party.isOf(self._typeOf(first, found))
        self._tellOffered(first)
        if first is None:
            # The caller has gone meanwhile.
            if not self.legs:
                self._end()
        elif isinstance(found, Refusal):
            self._refuse(found.status, found.cause)
        elif (
            self._made >= self._ua.limits.legs
            or found.dn in self._tried
            or (len(self.parties) > 2 and self._hasTelephone(found.dn))
        ):
            self._refuse(480, Cause.UNREACHABLE)
        else:
            self._tried.add(found.dn)
            self._place(first, found)

    def _hasTelephone(self, dn: str) -> bool:
        """
        Whether the telephone of a DN is in the call.
        """
        party = self.partyOf(dn)
        return party is not None and self.legOf(party) is not None

    def _typeOf(self, first: Leg, found: Destination | Refusal) -> CallType:
        """
        Of what type a call is that goes to a destination.  Once it was answered it
        stays of its type, wherever it goes.
        """
        if first.party.answered:
            return first.party.view.callType
        return CallType.CONSULT if self.consults else found.callType

    def _place(
        self,
        first: Leg,
        found: Destination,
        third: ThirdParty | None = None,
        why: Cause = Cause.OK,
    ) -> Party:
        """
        Send the call to its destination: ring it for a far end that calls, or that
        has been answered already.

        @param third: who has brought that about.
        @param why: in what way.

        @return: the one that is called.
        """
        self.callType = self._typeOf(first, found)
        party = self.addParty(
            found.dn,
            Role.DESTINATION,
            found.callType is not CallType.OUTBOUND,
            first.party,
        )
        first.party.meet(party)
        if found.forwardedBy:
            self._noteForwarding(found)
        second = self.addLeg(party, False)
        second.proxy = self._ua.home(found.dn) or first.proxy
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
        party.machine.alerted(
            Alerting(party.view, self._ua.wallTime(), third=third, why=why)
        )
        offer = first.received
        if first.party.answered and not first.held:
            # It may have answered somebody who held, and is gone.
            offer = talking(offer)
        second.machine.place(offer)
        return party

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
        goesOn = self._first is not None and leg is self._second
        forward = None
        if goesOn and not event.contacts and leg.destination is not None:
            assert self._led is not None
            forward = self._plan.instead(self._led, leg.destination, event.cause)
        self._clear(leg.party, event.cause if forward is None else Cause.FORWARDED)
        if not goesOn:
            return
        self.loosen(leg)
        if forward is not None:
            assert leg.destination is not None
            self._instead = (leg.destination, event.cause)
            self._follow(forward)
            return
        if event.contacts and self._redirect(event.contacts, leg.party.view.thisDN):
            return
        status = event.status
        if status < 400:
            status = 480
        translated = TRANSLATED.get(status, status)
        reason = event.reason if translated == event.status else b""
        self._refuse(translated, event.cause, reason, event.fields)

    def _redirect(self, contacts: tuple[bytes, ...], by: str) -> bool:
        """
        Go on to the first contact that the dial plan may allow.

        @param by: the DN that wants that.

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
                self.divertedBy(by, asked.user, Cause.REDIRECTED)
                self._route(asked)
                return True
        return False

    def divertedBy(self, by: str, to: str, cause: Cause) -> None:
        """
        The call does not go, or no longer, to whom it was meant for: who is called
        instead is told so, once.
        """
        domain = self._ua.domain
        uri = uriOf(by, domain)
        if not isDiverted(self._fields, uri):
            self._fields = diverted(self._fields, uri, uriOf(to, domain), cause)

    def _noteForwarding(self, found: Destination) -> None:
        """
        Call forwarding has led here.
        """
        instead = self._instead
        chain = (*found.forwardedBy, found.dn)
        for by, to in pairwise(chain):
            cause = Cause.FORWARDED
            if instead is not None and instead[0].dn == by:
                cause = instead[1]
            self.divertedBy(by, to, cause)

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
