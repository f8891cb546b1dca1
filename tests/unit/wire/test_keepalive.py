"""
Tests for L{sipcluster.wire.keepalive}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.testing.clock import runFor
from sipcluster.wire.keepalive import KeepAlive


class KeepAliveTests(SynchronousTestCase):
    """
    L{KeepAlive} polls when it is quiet, and gives up when nobody answers.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.said: list[tuple[float, str]] = []
        self.watch = KeepAlive(
            self.clock, 10, lambda: self.note("poll"), lambda: self.note("dead")
        )

    def note(self, what: str) -> None:
        """
        Write down what it did, and when.
        """
        self.said.append((self.clock.seconds(), what))

    def test_silence(self) -> None:
        """
        Nothing heard: a poll after the interval, dead after as long again, and
        then nothing more.
        """
        self.watch.start()
        runFor(self.clock, 100)
        self.assertEqual(self.said, [(10, "poll"), (20, "dead")])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_answer(self) -> None:
        """
        Something heard after the poll: it waits again from then on.
        """
        self.watch.start()
        runFor(self.clock, 12)
        self.watch.heard()
        runFor(self.clock, 9.5)
        self.assertEqual(self.said, [(10, "poll")])
        runFor(self.clock, 1)
        self.assertEqual(self.said, [(10, "poll"), (22, "poll")])
        runFor(self.clock, 10)
        self.assertEqual(self.said[2:], [(32, "dead")])

    def test_talk(self) -> None:
        """
        While something is heard often enough, it says nothing, and one timer is
        all there is.
        """
        self.watch.start()
        for _ in range(30):
            runFor(self.clock, 5)
            self.watch.heard()
            self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.assertEqual(self.said, [])
        runFor(self.clock, 10)
        self.assertEqual(self.said, [(160, "poll")])

    def test_stop(self) -> None:
        """
        Stopped, it is quiet and leaves no timer; stopping twice is nothing.
        """
        self.watch.start()
        self.watch.stop()
        self.watch.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        runFor(self.clock, 100)
        self.assertEqual(self.said, [])

    def test_off(self) -> None:
        """
        An interval of 0 watches nothing.
        """
        self.watch.start(0)
        self.assertEqual(self.watch.interval, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_agreed(self) -> None:
        """
        Another interval counts from when it is begun with.
        """
        self.watch.start()
        runFor(self.clock, 9)
        self.watch.start(3)
        runFor(self.clock, 20)
        self.assertEqual(self.said, [(12, "poll"), (15, "dead")])

    def test_stoppedByThePoll(self) -> None:
        """
        A poll that finds the connection gone may stop it.
        """
        watch = KeepAlive(self.clock, 1, lambda: watch.stop(), lambda: self.fail())
        watch.start()
        runFor(self.clock, 10)
        self.assertEqual(self.clock.getDelayedCalls(), [])
