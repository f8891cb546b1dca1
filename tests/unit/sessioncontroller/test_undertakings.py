"""
Tests for L{sipcluster.sessioncontroller.undertakings}.
"""

from __future__ import annotations

from functools import partial
from typing import Any, cast

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sessioncontroller.isessioncontroller import CallRefused, Why
from sipcluster.sessioncontroller.undertakings import (
    MOST,
    Undertaking,
    Undertakings,
)
from sipcluster.sip.timers import TimerQueue


@define(eq=False)
class Agent:
    """
    What a call was given to work with, as far as it matters here.
    """

    timers: TimerQueue

    def touch(self) -> None:
        """
        Something may have changed.
        """


@define(eq=False)
class Caller:
    """
    A leg whose far end has not acknowledged our 2xx.
    """

    state: str = "Accepted"


class UndertakingsTests(SynchronousTestCase):
    """
    What a call was asked and has not done.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        agent = cast(Any, Agent(TimerQueue(self.clock)))
        self.work = Undertakings(agent)
        self.leg = cast(Any, Caller())

    def confirmation(self) -> Deferred[None]:
        """
        Somebody waits until the caller has acknowledged.
        """
        asked = Undertaking("transfer", None)
        return Deferred.fromCoroutine(self.work.confirmation(asked, self.leg))

    def test_tooMuch(self) -> None:
        """
        There is a limit to what may be asked; what the call does because of that has
        its room all the same: far ends are told whom they are to hear.
        """
        for _ in range(MOST):
            self.work.begin(Undertaking("hold", None))
        refused = self.assertRaises(
            CallRefused, self.work.begin, Undertaking("hold", None)
        )
        self.assertIs(refused.why, Why.LIMIT)
        for kind in ("align", "connect", "bring", "mix"):
            self.work.begin(Undertaking(kind, None))

    def test_confirmed(self) -> None:
        """
        All who wait for the caller's ACK go on when it comes.
        """
        waiting = [self.confirmation(), self.confirmation()]
        self.work.confirmed(self.leg)
        self.clock.advance(0.1)
        for one in waiting:
            self.successResultOf(one)

    def test_endsMeanwhile(self) -> None:
        """
        The caller goes while two wait for its ACK, and the first one ends the call
        because of that: both are refused, once.
        """
        first, second = self.confirmation(), self.confirmation()

        def end(failure: object) -> None:
            self.work.end()

        first.addErrback(end)
        self.work.legGone(self.leg)
        self.successResultOf(first)
        self.failureResultOf(second, CallRefused)

    def test_confirmedMeanwhile(self) -> None:
        """
        The same where the ACK has come, and the first one is told so at once.
        """
        asked = Undertaking("talk", None)
        first = self.work.waiting(asked)
        self.work._unconfirmed[first] = self.leg
        second = self.confirmation()
        first.addCallback(lambda _: self.work.end())
        self.work.confirmed(self.leg)
        self.failureResultOf(second, CallRefused)

    def test_resumed(self) -> None:
        """
        What was asked waits until a re-INVITE that another process has sent is
        answered, whoever has its turn first, or until its leg has gone.
        """
        done: list[str] = []

        async def act(name: str) -> None:
            done.append(name)

        other = cast(Any, Caller())
        self.work.resumed(self.leg)
        self.work.resumed(other)
        for name in ("align", "hold"):
            asked = Undertaking(name, None)
            self.work.inTurn(asked, 5.0, partial(act, name), lambda: None)
        self.work.modifications.pop(self.leg).callback(cast(Any, None))
        self.assertEqual(done, [])
        self.work.legGone(other)
        self.assertEqual(done, ["align", "hold"])
        self.assertEqual(self.work.begun, [])
        self.assertEqual(self.work.modifications, {})

    def test_legGone(self) -> None:
        """
        Nobody waits for the answer of a far end that has gone: the call may go on.
        """
        serial, answered = self.work.relay(self.leg)
        other, later = self.work.relay(cast(Any, Caller()))
        self.work.legGone(self.leg)
        self.failureResultOf(answered, CallRefused)
        self.work.relayAnswered(serial, 200)
        self.work.relayAnswered(other, 200)
        self.assertEqual(self.successResultOf(later), 200)
