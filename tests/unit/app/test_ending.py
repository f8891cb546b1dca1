"""
Tests for L{sipcluster.app.ending}.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ReactorNotRunning
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app.ending import Ending, EndOfInput, bounded, heedOnce


class StoppableReactor(Clock):
    """
    A clock that can be stopped.

    @ivar stopped: how often it was.
    """

    stopped = 0

    def callWhenRunning(self, call: Any, *args: Any) -> None:
        """
        It always runs.
        """
        call(*args)

    def stop(self) -> None:
        """
        Once, as a reactor.
        """
        self.stopped += 1
        if self.stopped > 1:
            raise ReactorNotRunning


class HeedOnceTests(SynchronousTestCase):
    """
    L{heedOnce}.
    """

    def test_secondSignal(self) -> None:
        """
        Only the first SIGTERM reaches the reactor.
        """
        heeded: list[int] = []

        class Reactor:
            def sigTerm(self, number: int, frame: object = None) -> None:
                heeded.append(number)

        reactor: Any = Reactor()
        heedOnce(reactor)
        reactor.sigTerm(15, None)
        reactor.sigTerm(15)
        self.assertEqual(heeded, [15])


class EndingTests(SynchronousTestCase):
    """
    L{Ending} says why, once, and sets the exit status.
    """

    def setUp(self) -> None:
        """
        Catch what leaves the process.
        """
        self.err = io.StringIO()
        self.left: list[int] = []
        self.patch(sys, "__stderr__", self.err)
        self.patch(os, "_exit", self.left.append)
        self.reactor = StoppableReactor()
        self.atExit: list[Any] = []
        self.ending = Ending(self.reactor, self.atExit.append)

    def test_once(self) -> None:
        """
        The first reason is the one that is told.
        """
        self.ending("no port")
        self.ending("no store")
        self.assertEqual(self.err.getvalue(), "sipcluster: no port\n")
        self.assertEqual(self.reactor.stopped, 1)
        for call in self.atExit:
            call()
        self.assertEqual(self.left, [1])

    def test_goodEnd(self) -> None:
        """
        Without a reason the exit status is left alone.
        """
        self.ending.leave()
        self.assertEqual(self.left, [])

    def test_withoutStandardError(self) -> None:
        """
        A daemon has no standard error; the log has the reason.
        """
        self.patch(sys, "__stderr__", None)
        self.ending("no port")
        self.assertEqual(self.reactor.stopped, 1)


class BoundedTests(SynchronousTestCase):
    """
    L{bounded} waits, but not for ever, and never fails.
    """

    def setUp(self) -> None:
        """
        A clock.
        """
        self.clock = Clock()

    def test_done(self) -> None:
        """
        It fires when the call has ended, and leaves no timer.
        """
        ended: Deferred[None] = Deferred()
        result = bounded(self.clock, 2, lambda: ended)
        self.assertNoResult(result)
        ended.callback(None)
        self.assertIsNone(self.successResultOf(result))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_late(self) -> None:
        """
        After its time it fires without the call, which may end later.
        """
        ended: Deferred[None] = Deferred()
        result = bounded(self.clock, 2, lambda: ended)
        self.clock.advance(2)
        self.assertIsNone(self.successResultOf(result))
        ended.callback(None)

    def test_failure(self) -> None:
        """
        A failure is logged.
        """
        result = bounded(self.clock, 2, lambda: fail(ValueError("oops")))
        self.assertIsNone(self.successResultOf(result))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)


class EndOfInputTests(SynchronousTestCase):
    """
    L{EndOfInput} ends the process with whoever started it.
    """

    def test_stops(self) -> None:
        """
        The end of standard input stops the reactor, which may be stopping.
        """
        reactor = StoppableReactor()
        for _ in range(2):
            EndOfInput(reactor).connectionLost()
        self.assertEqual(reactor.stopped, 2)
