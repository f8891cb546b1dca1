"""
Tests for sipcluster.sessioncontroller.sinks.
"""

from __future__ import annotations

from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.test.proto_helpers import EventLoggingObserver
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from sipcluster.sessioncontroller.events import (
    Alerting,
    Answered,
    CallEvent,
    CallType,
    Cause,
    Failed,
    Held,
    Offered,
    PartyView,
    Released,
    Role,
)
from sipcluster.sessioncontroller.isessioncontroller import IEventSink
from sipcluster.sessioncontroller.sinks import Distribution, LogSink, RecordingSink


def view(dn: str, role: Role) -> PartyView:
    """
    A party of one call.
    """
    other = Role.DESTINATION if role is Role.ORIGINATION else Role.ORIGINATION
    return PartyView(
        "1" * 16, "2" * 32, CallType.INTERNAL, dn, role, True, "x", other, "1", "2"
    )


ALICE = view("1001", Role.ORIGINATION)
BOB = view("1002", Role.DESTINATION)


class LogSinkTests(TestCase):
    """
    Events in the log.
    """

    def setUp(self) -> None:
        self.seen = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        self.sink = LogSink()
        verifyObject(IEventSink, self.sink)

    def levels(self, *events: CallEvent) -> list[LogLevel]:
        """
        The levels at which events are written.
        """
        for event in events:
            self.sink.eventHappened(event)
        return [entry["log_level"] for entry in self.seen]

    def test_lifeOfACall(self) -> None:
        """
        The beginning, the answer and the end of a call are information, each
        once; the rest is for debugging.
        """
        info, debug = LogLevel.info, LogLevel.debug
        levels = self.levels(
            Offered(ALICE, 0.0),
            Alerting(BOB, 0.0),
            Answered(BOB, 0.0),
            Answered(ALICE, 0.0),
            Held(BOB, 0.0),
            Released(BOB, 0.0, Cause.OK),
            Released(ALICE, 0.0, Cause.OK),
        )
        self.assertEqual(levels, [info, debug, info, debug, debug, debug, info])

    def test_keys(self) -> None:
        """
        A record has the ids of the call, its numbers and the cause.
        """
        self.levels(Failed(ALICE, 0.0, Cause.BUSY, 486))
        (entry,) = self.seen
        self.assertEqual(entry["connID"], "1" * 16)
        self.assertEqual(entry["callUUID"], "2" * 32)
        self.assertEqual((entry["thisDN"], entry["otherDN"]), ("1001", "x"))
        self.assertEqual((entry["event"], entry["cause"]), ("Failed", "Busy"))
        self.assertEqual(
            formatEvent(entry), f"Failed 1001 with x in call {'1' * 16}: Busy, 486"
        )


class DistributionTests(SynchronousTestCase):
    """
    Events to several sinks.
    """

    def test_inOrder(self) -> None:
        """
        Every sink gets every event, in order, whatever another one does.
        """

        class Bad(RecordingSink):
            def eventHappened(self, event: CallEvent) -> None:
                raise ValueError("bad sink")

        one, other = RecordingSink(), RecordingSink()
        events = [Offered(ALICE, 0.0), Alerting(BOB, 0.0)]
        distribution = Distribution([one, Bad(), other])
        for event in events:
            distribution.publish(event)
        self.assertEqual(one.events, events)
        self.assertEqual(other.events, events)
        self.assertEqual(one.of("1002"), ["Alerting"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)
