"""
The part of a call that changes its session of its own, and keeps the far ends from
undoing that: hold and retrieve by request (RFC 3264 section 8.4).

While a DN holds by request, all that the far ends tell each other of their sessions
goes through as before, refreshes too, but says that nobody hears anybody.  What each
of them would like is remembered, and said when the DN is back.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from sipcluster.sessioncontroller.call_ringing import Ringing
from sipcluster.sessioncontroller.events import (
    Acknowledged,
    Held,
    ModificationAnswered,
    ModificationAsked,
    RelayAnswered,
    Retrieved,
    Updated,
)
from sipcluster.sessioncontroller.isessioncontroller import CallRefused, Why
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.outgoing_invite import OutgoingInvite
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.session_description import (
    differ,
    holds,
    nothingYet,
    silent,
    talking,
)
from sipcluster.sessioncontroller.session_refresh import again
from sipcluster.sessioncontroller.undertakings import Undertaking
from sipcluster.wire.correlation import Requester

log = Logger()

T = TypeVar("T")

#: What says that the far end is about to change the session itself, or is still
#: at it: come again later.
_LATER = (491, 500)

#: What says that the far end has no such dialog any more: the leg ends.
_GONE = (408, 481)


#: States of a leg whose far end is called, and can be told nothing of a session: it is
#: connected when it answers.
RINGING = ("Calling", "Early")


class Sessions(Ringing):
    """
    What a call does about its session.
    """

    __slots__ = ()

    def masks(self, leg: Leg) -> bool:
        """
        Whether a far end and the one that it talks to are not to hear each other:
        one of the two holds by request.
        """
        peer = leg.peer
        return leg.holding or (peer is not None and peer.holding)

    def unpair(self, leg: Leg) -> None:
        """
        Let a leg have no peer.  Nothing comes of what passes between the two.
        """
        peer = leg.peer
        super().unpair(leg)
        if peer is not None:
            for one in (leg, peer):
                if one.change is not None or one.relays:
                    self._part(one)

    def _part(self, leg: Leg) -> None:
        """
        Whatever a far end wants of one that it does not talk to any more is refused;
        whatever that one wanted of it is taken back.
        """
        view, now, change = leg.party.view, self._ua.wallTime(), leg.change
        if isinstance(change, OutgoingInvite):
            if self._work is not None and leg in self._work.modifications:
                pass
            elif change.winner is not None and change.pending:
                # It has made an offer that is still to be answered.
                answer = nothingYet(leg.received, self._ua.origin)
                leg.machine.acknowledge(Acknowledged(view, now, answer))
            else:
                leg.machine.withdrawModification()
        elif change is not None and not getattr(change, "final", 0):
            leg.machine.modificationAnswered(ModificationAnswered(view, now, 491))
        for serial in list(leg.relays or ()):
            leg.machine.relayAnswered(RelayAnswered(view, now, serial, 480))

    def limits(self, leg: Leg) -> bool:
        """
        Whether a far end is told less than the one that it talks to says of its
        session, for another reason.
        """
        return False

    def limited(self, leg: Leg, body: bytes) -> bytes:
        """
        What it is told then.
        """
        return body

    def shown(self, leg: Leg, body: bytes) -> tuple[bytes, bool]:
        """
        What a far end is told of what the one that it talks to says of its session.

        @return: and whether that is less.
        """
        if self.masks(leg):
            return silent(body), True
        if self.limits(leg):
            return self.limited(leg, body), True
        return body, False

    # What the far ends want

    def _modificationAsked(self, leg: Leg, event: ModificationAsked) -> None:
        other, work = self.other(leg), self._work
        if other is None or (work is not None and _isBusy(work.current, other, work)):
            leg.machine.modificationAnswered(
                ModificationAnswered(event.party, event.time, 491)
            )
            return
        body, less = self.shown(other, event.body)
        if less:
            event = evolve(event, body=body, masked=True)
        other.machine.modify(event)

    def _modificationAnswered(self, leg: Leg, event: ModificationAnswered) -> None:
        if self._work is not None:
            asked = self._work.modifications.pop(leg, None)
            if asked is not None:
                asked.callback(event)
                return
        other = self.other(leg)
        if other is not None:
            body, less = self.shown(other, event.body)
            if less:
                event = evolve(event, body=body, masked=True)
            other.machine.modificationAnswered(event)
            if event.status < 300:
                self._noteHold(other)

    def _acknowledged(self, leg: Leg, event: Acknowledged) -> None:
        other = self.other(leg)
        if other is not None:
            if leg.muted:
                event = evolve(event, body=self.shown(other, event.body)[0])
            other.machine.acknowledge(event)
        if not leg.muted:
            self._noteHold(leg)

    def legConfirmed(self, leg: object) -> None:
        """
        A far end has our 2xx: its session may be changed.
        """
        if self._work is not None:
            self._work.confirmed(leg)

    def _noteHold(self, leg: Leg) -> None:
        """
        What a far end would like may have changed.
        """
        leg.held = holds(leg.received)
        holding = leg.held or leg.holding
        party, now = leg.party, self._ua.wallTime()
        if holding == (party.state == "Hold"):
            party.machine.updated(Updated(party.view, now))
        elif holding:
            party.machine.held(Held(party.view, now))
        else:
            asked = self.talks("talk", leg)
            requester = None if asked is None else asked.requester
            party.machine.retrieved(Retrieved(party.view, now, requester=requester))
            if asked is not None:
                asked.isDone()

    # What we want

    async def renegotiate(
        self, leg: Leg, offer: Callable[[], bytes], masked: bool
    ) -> bytes:
        """
        Send a re-INVITE of our own, and again when it meets one of the far end
        (RFC 3261 section 14.1).

        @param offer: asked for each re-INVITE.
        @param masked: what is answered does not tell what the far end would like.

        @return: its answer.

        @raise CallRefused: it does not want that, or the call has ended.
        """
        work = self.work
        current = work.current
        while True:
            if current is not None:
                await work.confirmation(current, leg)
            if work.ended or leg.call is None or current is None:
                raise CallRefused(Why.DISCONNECTED)
            answered = work.modification(leg)
            leg.machine.modify(
                ModificationAsked(
                    leg.party.view,
                    self._ua.wallTime(),
                    b"INVITE",
                    offer(),
                    again(leg.refresh),
                    masked,
                )
            )
            answer = await answered
            if answer.status < 300:
                return answer.body
            if answer.status in _GONE:
                raise CallRefused(Why.DISCONNECTED)
            if current.tooLate:
                raise CallRefused(Why.TIMEOUT)
            if answer.status not in _LATER:
                raise CallRefused(
                    Why.REJECTED, f"the telephone answered {answer.status}"
                )
            await work.after(current, self._untilAgain(leg))

    def _untilAgain(self, leg: Leg) -> float:
        """
        Seconds until a re-INVITE is tried again, by chance: from 2.1 to 4 where
        the Call-ID is ours, else up to 2.
        """
        chance = int(self._ua.identifiers.tag()[:4], 16)
        if leg.incoming:
            return (chance % 191 + 10) / 100
        return (chance % 191 + 210) / 100

    def _inTurn(
        self,
        undertaking: Undertaking,
        act: Callable[[], Coroutine[Deferred[Any], Any, T]],
        seconds: float = 0.0,
    ) -> Deferred[T]:
        """
        Change the session when nobody else does.

        @param seconds: that it may take; 0: what is usual.

        @raise CallRefused: it was asked too much.
        """
        work = self.work

        def tooLate() -> None:
            for leg in list(work.modifications):
                leg.machine.withdrawModification()

        within = seconds or self._ua.limits.changeWithin
        return work.inTurn(undertaking, within, act, tooLate)

    # Hold and retrieve

    def holdFor(self, party: Party, requester: Requester | None) -> Deferred[None]:
        """
        Let a party hold the other one.

        @raise CallRefused: it does not talk.
        """
        self._talkingLegs(party, "Connected")
        asked = Undertaking("hold", party, requester)
        return self._inTurn(asked, lambda: self._hold(asked))

    def retrieveFor(self, party: Party, requester: Requester | None) -> Deferred[None]:
        """
        Let a party be back.  Where its telephone itself holds, it is asked to talk.

        @raise CallRefused: it does not hold.
        """
        leg, _ = self._talkingLegs(party, "Hold")
        if not leg.holding:
            return self.askToTalk("talk", leg, requester)
        asked = Undertaking("retrieve", party, requester)
        return self._inTurn(asked, lambda: self._retrieve(asked))

    def _talkingLegs(self, party: Party, state: str) -> tuple[Leg, Leg]:
        """
        The leg of a party and the other one.

        @raise CallRefused: the party is not in this state, or alone.
        """
        leg = self.legOf(party)
        if leg is not None and party.state == state:
            other = leg.peer
            if other is None or other.server:
                others = self.othersThan(party)
                other = others[0] if len(others) == 1 else None
            if other is not None:
                return leg, other
        raise CallRefused(Why.WRONG_STATE)

    async def _hold(self, asked: Undertaking) -> None:
        party = asked.party
        leg, other = self._talkingLegs(party, "Connected")
        leg.holding = True
        if not other.holding and other.state not in RINGING:
            try:
                await self.renegotiate(other, lambda: silent(leg.received), True)
            except CallRefused:
                leg.holding = False
                raise
            try:
                await self.renegotiate(leg, lambda: silent(other.received), True)
            except CallRefused as e:
                if self.work.ended or e.why is Why.DISCONNECTED:
                    raise
                # The other side neither sends nor plays anything: it is held.
                log.info("{dn} holds, {why}", dn=party.view.thisDN, why=e.text)
        party.machine.held(
            Held(party.view, self._ua.wallTime(), requester=asked.requester)
        )

    async def _retrieve(self, asked: Undertaking) -> None:
        party = asked.party
        leg, other = self._talkingLegs(party, "Hold")
        if not other.holding and other.state not in RINGING:
            await self._reconnect(leg, other)
        leg.holding = False
        if leg.held:
            raise CallRefused(Why.REJECTED, "the telephone itself holds")
        party.machine.retrieved(
            Retrieved(party.view, self._ua.wallTime(), requester=asked.requester)
        )

    async def _reconnect(self, leg: Leg, other: Leg) -> None:
        """
        Let two far ends hear each other again, as each of them would like.
        """
        offered = b""

        def offer() -> bytes:
            nonlocal offered
            offered = self.limited(leg, wanted(other, other))
            return offered

        less, lessThere = self.limits(leg), self.limits(other)
        await self.renegotiate(leg, offer, less)
        if not less:
            leg.held = holds(leg.received)
        try:
            answer = await self.renegotiate(
                other, lambda: self.limited(other, wanted(leg, other)), lessThere
            )
        except CallRefused:
            if not self.work.ended:
                await self._attempt(leg, lambda: silent(other.received), True)
            raise
        if differ(answer, offered) and not lessThere:
            await self._attempt(leg, lambda: answer, less)
            if not less:
                leg.held = holds(leg.received)

    async def _attempt(
        self, leg: Leg, offer: Callable[[], bytes], masked: bool
    ) -> None:
        """
        Try to bring a far end to a session; it may refuse.
        """
        try:
            await self.renegotiate(leg, offer, masked)
        except CallRefused as e:
            if self.work.ended:
                raise
            log.warn("{dn}: {why}", dn=leg.party.view.thisDN, why=e.text)


def wanted(leg: Leg, other: Leg) -> bytes:
    """
    What another far end is offered of this one, when it has answered: less than it
    would like only if one of the two holds by itself now.  What it has answered may
    have been less because the other one held then.
    """
    held = leg.held or other.held
    return leg.received if held else talking(leg.received)


def _isBusy(current: Undertaking | None, leg: Leg, work: Any) -> bool:
    """
    Whether we are changing the session of a leg ourselves.
    """
    return leg in work.modifications or (current is not None and current.quiet)
