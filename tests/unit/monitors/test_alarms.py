"""
Tests for L{sipcluster.monitors.alarms} and L{sipcluster.monitors.hook}.
"""

from __future__ import annotations

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipcluster.monitors.alarms import Alarm, AlarmLimits, Alarms, IAlarmHook, Level
from sipcluster.monitors.hook import WAITING, AlarmCommand
from sipcluster.monitors.imonitors import Ended
from sipcluster.testing.clock import runFor
from tests.unit.monitors.things import FakeCommands, World, numbersLogged


@implementer(IAlarmHook)
@define(eq=False)
class Hook:
    """
    Writes down what it is told.
    """

    told: list[str] = field(factory=list)

    def alarm(self, alarm: Alarm) -> None:
        state = "raised" if alarm.cleared is None else "cleared"
        self.told.append(f"{state} {alarm.key}")


class AlarmsTests(SynchronousTestCase):
    """
    L{Alarms} are raised and cleared.
    """

    def setUp(self) -> None:
        self.world = World()
        self.alarms = self.world.alarms
        self.hook = Hook()
        self.alarms.hook = self.hook
        self.addCleanup(self.alarms.stop)

    def test_raisedAndCleared(self) -> None:
        """
        An alarm is active until it is cleared, then it is history.
        """
        self.assertTrue(verifyObject(IAlarmHook, self.hook))
        self.alarms.raiseAlarm("a", "00-04200", "it broke", Level.CRITICAL)
        (alarm,) = self.alarms.active()
        self.assertEqual(
            alarm.plain(),
            {
                "key": "a",
                "number": "00-04200",
                "text": "it broke",
                "level": "critical",
                "since": 1000000.0,
                "count": 1,
                "cleared": None,
                "ending": "",
            },
        )
        self.world.clock.advance(5)
        self.assertTrue(self.alarms.clearAlarm("a", "it is whole"))
        self.assertEqual(self.alarms.active(), ())
        (alarm,) = self.alarms.history()
        self.assertEqual((alarm.cleared, alarm.ending), (1000005.0, "it is whole"))
        self.assertEqual(self.hook.told, ["raised a", "cleared a"])
        self.assertFalse(self.alarms.clearAlarm("a"))
        self.assertEqual(self.hook.told, ["raised a", "cleared a"])

    def test_raisedAgain(self) -> None:
        """
        One that is active is counted and brought up to date; nobody is told twice.
        """
        for text in ("first", "second"):
            self.alarms.raiseAlarm("a", "00-1", text)
        (alarm,) = self.alarms.active()
        self.assertEqual((alarm.count, alarm.text, alarm.since), (2, "second", 1e6))
        self.assertEqual(self.hook.told, ["raised a"])

    def test_clearedByTime(self) -> None:
        """
        One that no event clears is cleared when none has come for a time.
        """
        self.alarms.raiseAlarm("a", "00-1", "x", clearAfter=10)
        runFor(self.world.clock, 9)
        self.alarms.raiseAlarm("a", "00-1", "x", clearAfter=10)
        runFor(self.world.clock, 9)
        self.assertEqual(self.world.active, ["a"])
        runFor(self.world.clock, 1)
        self.assertEqual(self.world.active, [])
        self.assertEqual(self.alarms.history()[0].ending, "nothing of it for 10 s")

    def test_bounded(self) -> None:
        """
        Neither many alarms nor long texts need much memory.
        """
        alarms = Alarms(self.world.clock, lambda: 0.0, limits=AlarmLimits(3, 2))
        for index in range(10):
            alarms.raiseAlarm(f"{index}" + "k" * 1000, "00-1", "t" * 100000)
        self.assertEqual(len(alarms.active()), 3)
        self.assertEqual(alarms.counts["tooMany"], 7)
        for alarm in alarms.active():
            self.assertEqual((len(alarm.key), len(alarm.text)), (100, 500))
            alarms.clearAlarm(alarm.key)
        self.assertEqual(len(alarms.history()), 2)
        # A long key is found by the whole of it.
        alarms.raiseAlarm("q" * 1000, "00-1", "t")
        self.assertTrue(alarms.clearAlarm("q" * 1000))

    def test_hookThatRaises(self) -> None:
        """
        A hook that raises is counted, and changes nothing.
        """

        @implementer(IAlarmHook)
        class Broken:
            def alarm(self, alarm: Alarm) -> None:
                raise ValueError("no")

        self.alarms.hook = Broken()
        self.alarms.raiseAlarm("a", "00-1", "x")
        self.assertEqual(self.world.active, ["a"])
        self.assertEqual(self.alarms.counts["hookFailed"], 1)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_stop(self) -> None:
        """
        Nothing is left behind.
        """
        self.alarms.raiseAlarm("a", "00-1", "x", clearAfter=10)
        self.alarms.stop()
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_explained(self) -> None:
        """
        People get those that are active and those that are over.
        """
        self.alarms.raiseAlarm("a", "00-1", "x")
        self.alarms.raiseAlarm("b", "00-1", "x")
        self.alarms.clearAlarm("a")
        told = self.alarms.explained()
        self.assertEqual((told["raised"], told["cleared"]), (2, 1))
        self.assertEqual([one["key"] for one in told["active"]], ["b"])  # type: ignore[attr-defined]
        self.assertEqual([one["key"] for one in told["history"]], ["a"])  # type: ignore[attr-defined]


class AlarmCommandTests(SynchronousTestCase):
    """
    A command for each alarm.
    """

    def setUp(self) -> None:
        self.world = World()
        self.alarms = self.world.alarms
        self.commands = FakeCommands()
        self.hook = AlarmCommand(self.commands, ("/bin/tell", "-v"), "node1a", 3.0)
        self.alarms.hook = self.hook
        self.numbers = numbersLogged(self)

    def test_environmentAndArguments(self) -> None:
        """
        The command gets the alarm in its environment, and in its arguments.
        """
        self.alarms.raiseAlarm("a b", "00-04200", "it\0broke\nall", Level.CRITICAL)
        command, environment, seconds = self.commands.began[0]
        self.assertEqual(command, ("/bin/tell", "-v", "raised", "a b", "it broke all"))
        self.assertEqual(seconds, 3.0)
        self.assertEqual(
            environment,
            {
                "SIPCLUSTER_APPLICATION": "node1a",
                "SIPCLUSTER_ALARM_STATE": "raised",
                "SIPCLUSTER_ALARM_KEY": "a b",
                "SIPCLUSTER_ALARM_NUMBER": "00-04200",
                "SIPCLUSTER_ALARM_LEVEL": "critical",
                "SIPCLUSTER_ALARM_TEXT": "it broke all",
                "SIPCLUSTER_ALARM_TIME": "1970-01-12T13:46:40Z",
                "SIPCLUSTER_ALARM_SINCE": "1970-01-12T13:46:40Z",
                "SIPCLUSTER_ALARM_COUNT": "1",
            },
        )
        self.world.clock.advance(61)
        self.alarms.clearAlarm("a b", "whole")
        _, environment, _ = self.commands.began[1]
        self.assertEqual(environment["SIPCLUSTER_ALARM_STATE"], "cleared")
        self.assertEqual(environment["SIPCLUSTER_ALARM_TEXT"], "whole")
        self.assertEqual(environment["SIPCLUSTER_ALARM_TIME"], "1970-01-12T13:47:41Z")
        self.assertEqual(environment["SIPCLUSTER_ALARM_SINCE"], "1970-01-12T13:46:40Z")

    def test_oneAtATimeInOrder(self) -> None:
        """
        The next command begins when the one before has ended.
        """
        self.commands.ends = None
        for key in "abc":
            self.alarms.raiseAlarm(key, "00-1", "x")
        self.assertEqual(len(self.commands.began), 1)
        self.commands.waiting[0].callback(Ended())
        self.assertEqual(len(self.commands.began), 2)
        self.commands.waiting[1].callback(Ended())
        self.commands.waiting[2].callback(Ended())
        keys = [command[3] for command, _, _ in self.commands.began]
        self.assertEqual(keys, ["a", "b", "c"])
        self.alarms.raiseAlarm("d", "00-1", "x")
        self.assertEqual(len(self.commands.began), 4)

    def test_bounded(self) -> None:
        """
        Of too many that wait the oldest are left out, counted, and logged once.
        """
        self.commands.ends = None
        for index in range(WAITING + 11):
            self.alarms.raiseAlarm(f"{index}", "00-1", "x")
        self.assertEqual(self.hook.counts["leftOut"], 10)
        self.assertEqual(self.numbers.count("00-53173"), 1)
        self.commands.ends = Ended()
        self.commands.waiting[0].callback(Ended())
        self.assertEqual(self.commands.began[1][0][3], "11")
        self.assertEqual(len(self.commands.began), WAITING + 1)

    def test_commandThatFails(self) -> None:
        """
        A command that fails is counted and logged with what it said.
        """
        self.commands.ends = Ended("ended with status 3", "no mail here")
        self.alarms.raiseAlarm("a", "00-1", "x")
        self.assertEqual(self.hook.counts, {"run": 1, "failed": 1, "leftOut": 0})
        self.assertIn("00-53173", self.numbers)

    def test_stop(self) -> None:
        """
        What runs is killed, and nothing more begins.
        """
        self.commands.ends = None
        self.alarms.raiseAlarm("a", "00-1", "x")
        self.alarms.raiseAlarm("b", "00-1", "x")
        self.hook.stop()
        self.alarms.raiseAlarm("c", "00-1", "x")
        self.assertEqual(self.commands.cancelled, 1)
        self.assertEqual(len(self.commands.began), 1)
