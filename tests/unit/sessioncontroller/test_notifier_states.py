"""
Tests for sipcluster.sessioncontroller.notifier_states.
"""

from __future__ import annotations

import gc
import weakref

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sessioncontroller.notifier_states import (
    SubscriptionCore,
    _machine,
    subscriptionMachine,
    subscriptionState,
)
from sipcluster.sip.timers import TimerQueue, TimerSet
from sipcluster.testing.machines import inputs, unanswered


class SubscriptionStatesTests(SynchronousTestCase):
    """
    Every input has an answer in every state.
    """

    def test_everyInputInEveryState(self) -> None:
        """
        Nothing that can happen to a subscription is unexpected.
        """
        self.assertEqual(unanswered(_machine, inputs(_machine)), set())

    def test_wayThrough(self) -> None:
        """
        It notifies when it is made, rests, is active, and ends once, whatever
        comes afterwards.
        """
        clock = Clock()
        sent: list[bytes] = []
        ended: list[bool] = []
        machine = subscriptionMachine(
            SubscriptionCore(
                TimerSet(TimerQueue(clock)), sent.append, lambda: ended.append(True)
            )
        )
        states = [subscriptionState(machine)]
        for happens in (
            machine.subscribed,
            machine.confirmed,
            lambda: clock.advance(2),
            machine.changed,
            lambda: machine.end(b"timeout"),
            machine.confirmed,
            lambda: machine.end(b"timeout"),
            machine.subscribed,
            machine.changed,
            machine.rested,
            machine.failed,
        ):
            happens()
            states.append(subscriptionState(machine))
        self.assertEqual(
            states[:7],
            [
                "Active",
                "Notifying",
                "Resting",
                "Active",
                "Notifying",
                "Ending",
                "Terminated",
            ],
        )
        self.assertEqual(set(states[7:]), {"Terminated"})
        self.assertEqual(sent, [b"", b"", b"timeout"])
        self.assertEqual(ended, [True])
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_holdsNobody(self) -> None:
        """
        However it ends, whoever has it is not held by it afterwards.
        """

        class Owner:
            def __init__(self) -> None:
                timers = TimerSet(TimerQueue(Clock()))
                core = SubscriptionCore(timers, self.notify, self.gone)
                self.machine = subscriptionMachine(core)

            def notify(self, reason: bytes) -> None:
                "It is told."

            def gone(self) -> None:
                "It is gone."

        gc.disable()
        self.addCleanup(gc.enable)
        for ways in (
            ("end",),
            ("subscribed", "failed"),
            ("subscribed", "confirmed", "end"),
            ("subscribed", "end", "confirmed"),
            ("subscribed", "end", "failed"),
        ):
            owner = Owner()
            for way in ways:
                arguments = (b"timeout",) if way == "end" else ()
                getattr(owner.machine, way)(*arguments)
            self.assertEqual(subscriptionState(owner.machine), "Terminated")
            left = weakref.ref(owner)
            del owner
            self.assertIsNone(left(), ways)
