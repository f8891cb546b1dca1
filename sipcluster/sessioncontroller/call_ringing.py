"""
The part of a call that is asked something while it rings: to have the telephone
answer, and to ring elsewhere.
"""

from __future__ import annotations

from typing import TypeVar

from attrs import evolve
from twisted.internet.defer import Deferred

from sipcluster.sessioncontroller.call_asked import AskedOf
from sipcluster.sessioncontroller.events import (
    Answered,
    Cause,
    Progressed,
    RelayAnswered,
    Relayed,
)
from sipcluster.sessioncontroller.isessioncontroller import (
    Asked,
    CallRefused,
    ExtensionDN,
    Refusal,
    Why,
)
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.undertakings import Undertaking, withoutFrames
from sipcluster.wire.correlation import Requester

T = TypeVar("T")

#: Why a telephone or a destination cannot be had; others are L{Why.FAILED}.
REFUSALS = {
    Cause.BUSY: Why.BUSY,
    Cause.REJECTED: Why.REJECTED,
    Cause.REDIRECTED: Why.REJECTED,
    Cause.FORBIDDEN: Why.REJECTED,
    Cause.NO_ANSWER: Why.NO_ANSWER,
    Cause.UNREACHABLE: Why.OUT_OF_SERVICE,
    Cause.LOST: Why.TIMEOUT,
    Cause.INVALID_NUMBER: Why.INVALID_DESTINATION,
    Cause.OVERLOAD: Why.LIMIT,
}


class Ringing(AskedOf):
    """
    What a call does when it rings and is asked something.
    """

    __slots__ = ()

    def _alerted(self, party: Party) -> Leg:
        """
        The leg on which a party rings.

        @raise CallRefused: it does not ring.
        """
        leg = self._second
        if leg is None or leg.party is not party or party.state != "Alerting":
            raise CallRefused(Why.WRONG_STATE, "it does not ring")
        return leg

    # Answer

    def answerParty(self, party: Party, requester: Requester | None) -> Deferred[None]:
        """
        Have a ringing telephone answer, by C{NOTIFY} with C{Event: talk}: as soon
        as it has said that it rings, since before there is no dialog.

        @raise CallRefused: it does not ring.
        """
        return self.askToTalk("answer", self._alerted(party), requester)

    def askToTalk(
        self, kind: str, leg: Leg, requester: Requester | None, seconds: float = 0.0
    ) -> Deferred[None]:
        """
        Ask a telephone to talk, and wait until it does.

        @param kind: C{"answer"} or C{"talk"}.
        @param seconds: that it may take; 0: what is usual.

        @raise CallRefused: it is being asked already.
        """
        work = self.work
        if work.of(kind) is not None:
            raise CallRefused(Why.WRONG_STATE, "it is being asked already")
        asked = Undertaking(kind, leg.party, requester)
        work.begin(asked)
        asked.done = work.waiting(asked)
        within = seconds or self._ua.limits.answerWithin
        timer = asked.timer = self._ua.timers.after(
            within, work.refuse, asked, Why.TIMEOUT
        )

        def over(result: T) -> T:
            timer.cancel()
            work.over(asked)
            return result

        done: Deferred[None] = asked.done.addBoth(over)
        self._talk(leg, kind)
        return done

    def talks(self, kind: str, leg: Leg) -> Undertaking | None:
        """
        A telephone talks now, whoever wanted it: who asked for that is told.

        @return: what was asked; L{None} when nobody did.
        """
        asked = None if self._work is None else self._work.of(kind)
        return asked if asked is not None and asked.party is leg.party else None

    def _talk(self, leg: Leg, kind: str = "answer") -> None:
        """
        Send the NOTIFY if it is wanted and can be sent.
        """
        work = self._work
        asked = None if work is None else work.of(kind)
        if (
            work is None
            or asked is None
            or asked.sent
            or asked.party is not leg.party
            or leg.dialog is None
        ):
            return
        asked.sent = True
        self.tellDevice(leg, b"NOTIFY", _talkFields(leg)).addCallbacks(
            self._talked, lambda _: None, (asked,)
        )

    def _talked(self, status: int, asked: Undertaking) -> None:
        """
        The telephone has answered the NOTIFY.
        """
        work = self._work
        if work is None or status < 300:
            return
        if status == 408:
            work.refuse(asked, Why.TIMEOUT)
        else:
            work.refuse(
                asked,
                Why.UNSUPPORTED,
                f"the telephone cannot be asked to talk: it answered {status}",
            )

    def tellDevice(
        self,
        leg: Leg,
        method: bytes,
        fields: tuple[tuple[bytes, bytes], ...],
        body: bytes = b"",
    ) -> Deferred[int]:
        """
        Send a request of our own inside a dialog.

        @return: fires with the status of the answer, 408 when there is none; fails
            with L{CallRefused} when the leg or the call has ended.
        """
        serial, answered = self.work.relay(leg)
        leg.machine.relay(
            Relayed(leg.party.view, self._ua.wallTime(), serial, method, body, fields)
        )
        return answered

    def _relayAnswered(self, leg: Leg, event: RelayAnswered) -> None:
        if event.serial >= 0:
            other = self.other(leg)
            if other is not None:
                other.machine.relayAnswered(event)
        elif self._work is not None:
            self._work.relayAnswered(event.serial, self._statusOf(leg, event))

    def _statusOf(self, leg: Leg, event: RelayAnswered) -> int:
        """
        What was answered; a media server that has understood, and will not do it, says
        so in the body.
        """
        status = event.status
        if leg.server and event.body and status < 300:
            kind = dict(event.fields).get(b"Content-Type", b"")
            result = self._ua.media.result(b"INFO", kind, event.body)
            if result is not None and result.reason == "failed":
                return 488
        return status

    def _progressed(self, leg: Leg, event: Progressed) -> None:
        super()._progressed(leg, event)
        if self._work is not None:
            self._talk(leg)

    def _answered(self, leg: Leg, event: Answered) -> None:
        asked = self.talks("answer", leg)
        if asked is None:
            super()._answered(leg, event)
            return
        super()._answered(leg, evolve(event, requester=asked.requester))
        asked.isDone()

    # Redirect

    def redirectParty(
        self,
        party: Party,
        destination: str,
        forwarder: ExtensionDN | None,
        requester: Requester | None,
    ) -> Deferred[None]:
        """
        Let a call ring elsewhere, where the dial plan lets the redirecting DN call.

        @raise CallRefused: it does not ring.
        """
        leg = self._alerted(party)
        assert self._asked is not None
        where = Asked(
            destination,
            self._ua.domain.decode(),
            self._asked.caller,
            True,
            forwarder,
        )
        return self.ringElsewhere(leg, where, requester)

    def ringElsewhere(
        self, leg: Leg, where: Asked, requester: Requester | None
    ) -> Deferred[None]:
        """
        Take a call from a telephone and give it to another one.
        """
        asked = Undertaking("redirect", leg.party, requester, where=where)
        work = self.work
        work.begin(asked)

        def over(result: T) -> T:
            work.over(asked)
            return withoutFrames(result)

        return Deferred.fromCoroutine(self._ringElsewhere(leg, asked, where)).addBoth(
            over
        )

    async def _ringElsewhere(self, leg: Leg, asked: Undertaking, where: Asked) -> None:
        found = await self.work.until(asked, self._plan.route(where))
        party, first = asked.party, self._first
        if first is None or self._alerted(party) is not leg:
            raise CallRefused(Why.DISCONNECTED)
        if isinstance(found, Refusal):
            raise CallRefused(REFUSALS.get(found.cause, Why.INVALID_DESTINATION))
        caller = first.party.view
        if found.dn == party.view.thisDN:
            raise CallRefused(Why.INVALID_DESTINATION, "it rings there")
        if caller.internal and found.dn == caller.thisDN:
            raise CallRefused(Why.INVALID_DESTINATION, "that one calls")
        if self.partyOf(found.dn) is not None:
            raise CallRefused(Why.INVALID_DESTINATION, "it is in the call")
        if self._made >= self._ua.limits.legs:
            raise CallRefused(Why.LIMIT, "the call went through too many telephones")
        self.loosen(leg)
        self._led = where
        self._tried.add(found.dn)
        self.divertedBy(party.view.thisDN, where.user, Cause.REDIRECTED)
        self._clear(party, Cause.REDIRECTED, b"", asked.requester)
        leg.machine.release(Cause.REDIRECTED, b"")
        self._place(first, found)


def _talkFields(leg: Leg) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"Contact", leg.contact),
        (b"Event", b"talk"),
        (b"Subscription-State", b"active"),
    )
