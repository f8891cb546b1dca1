"""
L{sipcluster.servicecheck.devices}.
"""

from __future__ import annotations

from attrs import define, field
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipcluster.ha.ikeeping import IKept
from sipcluster.servicecheck.devices import (
    PATIENCE,
    Device,
    DeviceWatch,
)
from sipcluster.servicecheck.iservicecheck import (
    IAnswerTaker,
    IAsker,
    IDeviceObserver,
    IQuestion,
    Member,
    PeerRole,
)
from sipcluster.servicecheck.probe import IProbeOwner
from sipcluster.testing.clock import runFor
from tests.unit.kept import Lives

PHONE = Device("1001", b"sip:1001@lab.example", True, 10.0, 5.0)
DESK = Device("1002", b"sip:desk@198.51.100.3", False)
QUIET = Device("1003", b"sip:1003@lab.example", True)
TRUNK = Device("9", b"sip:203.0.113.9", False, 20.0)


@implementer(IAsker, IQuestion)
@define
class Asker:
    """
    Asks nobody; the test answers.

    @ivar asked: when who was asked, and how long they may take.
    @ivar takers: of the last question to each.
    @ivar abandoned: how many questions were given up.
    """

    clock: Clock
    asked: list[tuple[str, bytes, float]] = field(factory=list)
    takers: dict[str, IAnswerTaker] = field(factory=dict)
    abandoned: int = 0

    def ask(self, member: Member, seconds: float, taker: IAnswerTaker) -> IQuestion:
        """
        See L{IAsker}.
        """
        self.asked.append((member.name, member.uri, seconds))
        self.takers[member.name] = taker
        return self

    def abandon(self) -> None:
        """
        See L{IQuestion}.
        """
        self.abandoned += 1


@implementer(IDeviceObserver)
class Observer:
    """
    Notes what it is told.
    """

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.broken = False

    def deviceInService(self, dn: str) -> None:
        """
        See L{IDeviceObserver}.
        """
        if self.broken:
            raise ValueError("broken")
        self.told.append((dn, ""))

    def deviceOutOfService(self, dn: str, why: str) -> None:
        """
        See L{IDeviceObserver}.
        """
        self.told.append((dn, why))


class DeviceWatchTests(SynchronousTestCase):
    """
    What registrations and OPTIONS say is put together.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.asker = Asker(self.clock)
        self.observer = Observer()
        self.watch = DeviceWatch(
            self.clock, [PHONE, DESK, QUIET, TRUNK], self.asker, lambda: 0.5
        )
        self.watch.observe(self.observer)
        self.addCleanup(self.assertStops)

    def assertStops(self) -> None:
        """
        A watch that is stopped leaves nothing behind and tells nothing.
        """
        self.watch.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        told = len(self.observer.told)
        self.watch.registered("1003")
        self.assertEqual(len(self.observer.told), told)

    def start(self) -> None:
        """
        Begin, and forget what was told of it.
        """
        self.watch.start()
        self.observer.told.clear()

    def test_provides(self) -> None:
        """
        The seams are provided.
        """
        verifyObject(IProbeOwner, self.watch)
        verifyObject(IDeviceObserver, self.observer)
        verifyObject(IAsker, self.asker)

    def test_start(self) -> None:
        """
        Those that are always at one place are in service, telephones that
        register are not.
        """
        self.assertFalse(self.watch.inService("1002"))
        self.watch.start()
        self.assertEqual(self.observer.told, [("1002", ""), ("9", "")])
        self.assertTrue(self.watch.inService("1002"))
        self.assertFalse(self.watch.inService("1001"))
        self.assertEqual(self.watch.why("1001"), "not registered")
        self.assertEqual(self.watch.why("1002"), "")
        self.assertFalse(self.watch.inService("7777"))
        self.assertEqual(self.watch.why("7777"), "no such DN")
        self.assertEqual(
            self.watch.status(),
            {"devices": 4, "inService": 2, "asked": 1, "unanswered": 0},
        )

    def test_registers(self) -> None:
        """
        A telephone is in service from its first binding to its last.
        """
        self.start()
        self.watch.registered("1003")
        self.watch.registered("1003")
        self.watch.unregistered("1003", "unregistered")
        self.watch.unregistered("1003", "unregistered")
        self.assertEqual(self.observer.told, [("1003", ""), ("1003", "unregistered")])
        self.assertEqual(self.asker.asked, [])

    def test_beforeStart(self) -> None:
        """
        What registrations say before it begins is told when it does.
        """
        self.watch.registered("1001")
        self.assertEqual(self.observer.told, [])
        self.watch.start()
        self.assertIn(("1001", ""), self.observer.told)

    def test_strangers(self) -> None:
        """
        Registrations of others, and of those that need none, change nothing.
        """
        self.start()
        self.watch.registered("7777")
        self.watch.unregistered("7777", "")
        self.watch.registered("1002")
        self.watch.unregistered("1002", "expired")
        self.assertEqual(self.observer.told, [])

    def test_asked(self) -> None:
        """
        A telephone with oos-check is asked while it is registered, not all at
        the same moment; it may take as long as oos-force says.
        """
        self.start()
        self.watch.registered("1001")
        self.assertEqual(self.asker.asked, [])
        runFor(self.clock, 5.1)
        self.assertEqual(self.asker.asked, [("1001", PHONE.uri, 5.0)])
        self.asker.takers["1001"].alive(PeerRole())
        runFor(self.clock, 5.1)
        self.assertEqual(len([a for a in self.asker.asked if a[0] == "1001"]), 2)
        self.watch.unregistered("1001", "expired")
        self.assertEqual(self.asker.abandoned, 1)
        asked = len(self.asker.asked)
        self.asker.takers["1001"].dead("too late")
        runFor(self.clock, 9.0)
        self.assertEqual(
            len([a for a in self.asker.asked[asked:] if a[0] == "1001"]), 0
        )
        self.assertEqual(self.observer.told, [("1001", ""), ("1001", "expired")])

    def test_doesNotAnswer(self) -> None:
        """
        One that leaves a question unanswered is out of service, is asked on, and
        is in service again when it answers.
        """
        self.start()
        self.watch.registered("1001")
        runFor(self.clock, 5.1)
        self.asker.takers["1001"].dead("no answer in 5 s")
        self.assertEqual(
            self.observer.told, [("1001", ""), ("1001", "OPTIONS: no answer in 5 s")]
        )
        self.assertTrue(self.watch.leavesUnanswered("1001"))
        self.assertEqual(self.watch.why("1001"), "OPTIONS: no answer in 5 s")
        self.assertEqual(self.watch.status()["unanswered"], 1)
        self.watch.registered("1001")
        self.assertFalse(self.watch.inService("1001"))
        runFor(self.clock, 10.1)
        self.asker.takers["1001"].alive(PeerRole())
        self.assertEqual(self.observer.told[2:], [("1001", "")])
        self.assertFalse(self.watch.leavesUnanswered("1001"))

    def test_registersAnew(self) -> None:
        """
        One that did not answer is in service when it registers anew.
        """
        self.start()
        self.watch.registered("1001")
        runFor(self.clock, 5.1)
        self.asker.takers["1001"].dead("no answer")
        self.watch.unregistered("1001", "expired")
        self.assertFalse(self.watch.leavesUnanswered("1001"))
        self.assertEqual(len(self.observer.told), 2)
        self.watch.registered("1001")
        self.assertEqual(self.observer.told[2:], [("1001", "")])

    def test_trunk(self) -> None:
        """
        A trunk is in service until it leaves a question unanswered; without
        oos-force it has the time of a request.
        """
        self.start()
        runFor(self.clock, 10.1)
        self.assertEqual(self.asker.asked, [("9", TRUNK.uri, PATIENCE)])
        self.asker.takers["9"].dead("answers 503")
        self.assertEqual(self.observer.told, [("9", "OPTIONS: answers 503")])

    def test_brokenObserver(self) -> None:
        """
        An observer that raises is logged, and the others are told all the same.
        """
        other = Observer()
        self.watch.observe(other)
        self.observer.broken = True
        self.watch.start()
        self.assertEqual(len(other.told), 2)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)


class KeptTests(SynchronousTestCase):
    """
    What another process knows that takes over.

    @ivar bound: the DNs that are registered as far as that one sees.
    """

    devices: tuple[Device, ...] = (PHONE, DESK, QUIET, TRUNK)

    def setUp(self) -> None:
        self.clock = Clock()
        self.observer = Observer()
        self.lives = Lives(self, self.clock)
        self.bound = {"1001", "1003"}
        self.watch = self.make()
        self.watch.start()
        self.observer.told.clear()

    def make(self) -> DeviceWatch:
        """
        Make a watch.
        """
        self.asker = Asker(self.clock)
        watch = DeviceWatch(
            self.clock,
            self.devices,
            self.asker,
            lambda: 0.5,
            (self.observer,),
            self.lives.keeper,
        )
        watch.isBound = self.bound.__contains__
        return watch

    def move(self) -> list[tuple[str, str]]:
        """
        The process dies, and another one goes on.

        @return: what that tells.
        """
        self.lives.die()
        self.watch.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.lives.next()
        self.observer.told.clear()
        self.watch = self.make()
        self.addCleanup(self.watch.stop)
        self.lives.begin()
        self.watch.start()
        self.lives.check()
        return self.observer.told

    def test_provides(self) -> None:
        """
        It is kept.
        """
        verifyObject(IKept, self.watch)

    def test_nothingTwice(self) -> None:
        """
        What was told is not told again, and devices are asked on.
        """
        self.watch.registered("1001")
        self.watch.registered("1003")
        self.watch.unregistered("1003", "expired")
        self.assertEqual(self.move(), [])
        self.assertTrue(self.watch.inService("1001"))
        self.assertEqual(self.watch.why("1003"), "expired")
        self.assertEqual(self.watch.status()["inService"], 3)
        self.watch.registered("1001")
        self.assertEqual(self.observer.told, [])
        runFor(self.clock, 10.1)
        self.assertEqual({each[0] for each in self.asker.asked}, {"1001", "9"})

    def test_silentOnes(self) -> None:
        """
        One that did not answer is out of service there, too, and back when it
        answers.
        """
        self.watch.registered("1001")
        runFor(self.clock, 5.1)
        self.asker.takers["1001"].dead("no answer")
        self.assertEqual(self.move(), [])
        self.assertTrue(self.watch.leavesUnanswered("1001"))
        self.assertEqual(self.watch.why("1001"), "OPTIONS: no answer")
        runFor(self.clock, 5.1)
        self.asker.takers["1001"].dead("no answer")
        self.assertEqual(self.observer.told, [])
        runFor(self.clock, 10.1)
        self.asker.takers["1001"].alive(PeerRole())
        self.assertEqual(self.observer.told, [("1001", "")])

    def test_goneMeanwhile(self) -> None:
        """
        A DN that whoever tells of registrations knows nothing of is out of service.
        """
        self.watch.registered("1001")
        self.bound.discard("1001")
        self.assertEqual(self.move(), [("1001", "no longer registered")])

    def test_otherSettings(self) -> None:
        """
        A DN that has a place of its own now is in service without registering, one
        that is not asked any more is not out of service for that, and one that is
        not of the switch any more is forgotten.
        """
        self.watch.registered("1003")
        runFor(self.clock, 10.1)
        self.asker.takers["9"].dead("no answer")
        self.devices = (
            Device("1001", b"sip:desk@198.51.100.4", False),
            Device("9", b"sip:203.0.113.9", False),
        )
        self.assertEqual(self.move(), [("1001", ""), ("9", "")])
        self.assertEqual(set(self.lives.journal.snapshot("device")), {"1001", "9"})

    def test_beforeItBegins(self) -> None:
        """
        What happened in a process that had not begun to tell is told by the next.
        """
        self.move()
        self.lives.die()
        self.watch.stop()
        self.lives.next()
        self.watch = self.make()
        self.lives.begin()
        self.watch.registered("1003")
        self.assertEqual(self.move(), [("1003", "")])

    def test_garbage(self) -> None:
        """
        An entry that cannot be read is lost, and nothing else.
        """
        self.watch.registered("1001")
        self.lives.check()
        self.lives.journal.change("device", "1003", b"\x01")
        self.lives.keeper.end()
        self.watch.stop()
        self.lives.next()
        self.watch = self.make()
        self.assertEqual(self.lives.begin().failed, 1)
        self.assertEqual(len(self.flushLoggedErrors()), 1)
        self.assertTrue(self.watch.inService("1001"))
