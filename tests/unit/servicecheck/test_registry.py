"""
L{sipcluster.servicecheck.registry}.
"""

from __future__ import annotations

from attrs import define, field
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.test.proto_helpers import EventLoggingObserver
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipcluster.servicecheck.checked import HISTORY
from sipcluster.servicecheck.iservicecheck import (
    IPrimaryObserver,
    IServiceObserver,
    IServiceRegistry,
    Member,
    PeerRole,
    ProbeTimes,
)
from sipcluster.servicecheck.probe import IProbeOwner
from sipcluster.servicecheck.registry import ServiceRegistry
from sipcluster.sip.isip import Target
from sipcluster.testing.clock import runFor
from tests.unit.servicecheck.test_probe import Asker


def member(name: str, pair: str = "") -> Member:
    """
    A member of that name.
    """
    return Member(name, Target("UDP", "192.0.2.1", 5060), pair or name)


@implementer(IServiceObserver)
@define
class Observer:
    """
    Notes what it is told.
    """

    told: list[tuple[str, ...]] = field(factory=list)

    def memberInService(self, member: Member) -> None:
        """
        See L{IServiceObserver}.
        """
        self.told.append((member.name, "in"))

    def memberOutOfService(self, member: Member, why: str) -> None:
        """
        See L{IServiceObserver}.
        """
        self.told.append((member.name, "out", why))


@implementer(IPrimaryObserver)
@define
class PrimaryObserver:
    """
    Notes who serves.
    """

    told: list[tuple[str, Member | None]] = field(factory=list)

    def primaryChanged(self, pair: str, member: Member | None) -> None:
        """
        See L{IPrimaryObserver}.
        """
        self.told.append((pair, member))


class ServiceRegistryTests(SynchronousTestCase):
    """
    L{ServiceRegistry} knows who serves.
    """

    def make(self, *members: Member) -> ServiceRegistry:
        """
        A registry of some members, started.
        """
        self.clock = Clock()
        self.asker = Asker(self.clock)
        registry = ServiceRegistry(
            self.clock,
            self.asker,
            members,
            ProbeTimes(5.0, 3.0),
            lambda: 0.0,
            lambda: 1000.0 + self.clock.seconds(),
        )
        verifyObject(IServiceRegistry, registry)
        verifyObject(IProbeOwner, registry)
        registry.start()
        self.addCleanup(registry.stop)
        return registry

    def says(self, index: int, role: PeerRole | str) -> None:
        """
        Give the answer of the member with this index to its last question.
        """
        taker = self.asker.takers[index]
        if isinstance(role, str):
            taker.dead(role)
        else:
            taker.alive(role)

    def test_unknownAtFirst(self) -> None:
        """
        Before anybody has answered all may be tried; then only those that did.
        """
        registry = self.make(member("node1"), member("node2"))
        self.assertEqual(registry.pairs(), ("node1", "node2"))
        self.assertFalse(registry.inService("node1"))
        self.says(1, PeerRole())
        self.assertEqual(registry.pairs(), ("node2",))
        self.assertTrue(registry.inService("node2"))
        self.says(0, PeerRole())
        self.assertEqual(registry.pairs(), ("node1", "node2"))

    def test_outOfService(self) -> None:
        """
        One that does not answer has no primary, and is not tried.
        """
        registry = self.make(member("node1"), member("node2"))
        self.says(0, "refused")
        self.assertIsNone(registry.primary("node1"))
        self.assertEqual(registry.pairs(), ("node2",))
        self.says(1, "refused")
        self.assertEqual(registry.pairs(), ())
        self.assertIsNone(registry.primary("nobody"))

    def test_primaryOfAPair(self) -> None:
        """
        The member that says it is primary serves.
        """
        a, b = member("a", "pair1"), member("b", "pair1")
        registry = self.make(a, b)
        self.says(0, PeerRole(False, 1, "pair1"))
        self.says(1, PeerRole(True, 1, "pair1"))
        self.assertEqual(registry.primary("pair1"), b)
        self.assertEqual(registry.pairs(), ("pair1",))

    def test_onlyTried(self) -> None:
        """
        Of one that has not been heard of, and is tried, the log does not say that
        it is primary.
        """
        seen = EventLoggingObserver()
        globalLogPublisher.addObserver(seen)
        self.addCleanup(globalLogPublisher.removeObserver, seen)
        self.make(member("a", "pair1"), member("b", "pair1"))
        self.says(0, "refused")
        self.says(1, "refused")
        told = [event["number"] for event in seen if "number" in event]
        self.assertEqual(told, ["00-53302"])

    def test_highestEpochWins(self) -> None:
        """
        Of two that say they are primary the one with the higher epoch serves,
        and one that woke up with an old epoch never does again.
        """
        a, b = member("a", "pair1"), member("b", "pair1")
        registry = self.make(a, b)
        self.says(0, PeerRole(True, 1))
        self.assertEqual(registry.primary("pair1"), a)
        self.says(1, PeerRole(True, 2))
        self.assertEqual(registry.primary("pair1"), b)
        registry.memberFailed("b", "reset")
        self.assertIsNone(registry.primary("pair1"))
        runFor(self.clock, 5.0)
        again = max(
            index for index, (_, name) in enumerate(self.asker.asked) if name == "a"
        )
        self.says(again, PeerRole(True, 3))
        self.assertEqual(registry.primary("pair1"), a)

    def test_told(self) -> None:
        """
        A member that says it is primary is believed at once, unless there was one in
        a higher epoch; who serves is told once.
        """
        a, b = member("a", "pair1"), member("b", "pair1")
        registry = self.make(a, b)
        observer = PrimaryObserver()
        verifyObject(IPrimaryObserver, observer)
        registry.observePrimaries(observer)
        self.says(0, PeerRole(True, 7, "pair1"))
        self.says(1, PeerRole(False, 7, "pair1"))
        self.assertTrue(registry.told("b", PeerRole(True, 8, "pair1")))
        self.assertTrue(registry.told("b", PeerRole(True, 8, "pair1")))
        self.assertFalse(registry.told("a", PeerRole(True, 7, "pair1")))
        self.assertFalse(registry.told("a", PeerRole(True, 9, "pair2")))
        self.assertFalse(registry.told("nobody", PeerRole(True, 9, "pair1")))
        self.assertEqual(observer.told, [("pair1", b)])
        self.assertEqual(registry.refused, 2)
        self.assertEqual(registry.epoch("pair1"), 8)
        self.assertTrue(registry.superseded("a"))
        self.assertFalse(registry.superseded("b"))
        self.assertTrue(registry.told("a", PeerRole(False, 8, "pair1")))
        self.assertFalse(registry.superseded("a"))
        self.assertTrue(registry.told("b", PeerRole(False, 8, "pair1")))
        self.assertTrue(registry.told("a", PeerRole(True, 9, "pair1")))
        self.assertEqual(observer.told[1:], [("pair1", None), ("pair1", a)])
        self.assertEqual(registry.roleOf("a"), PeerRole(True, 9, "pair1"))

    def test_toldBySomebodyElse(self) -> None:
        """
        A member that is said to serve is asked at once; if it knows nothing of it,
        somebody else has said so, and who served before serves again.
        """
        a, b = member("a", "pair1"), member("b", "pair1")
        registry = self.make(a, b)
        self.says(0, PeerRole(True, 7, "pair1"))
        self.says(1, PeerRole(False, 7, "pair1"))
        for _ in range(2):
            asked = len(self.asker.takers)
            self.assertTrue(registry.told("b", PeerRole(True, 10**18, "pair1")))
            self.assertTrue(registry.told("b", PeerRole(True, 10**18, "pair1")))
            self.assertEqual(len(self.asker.takers), asked + 1)
            self.says(-1, PeerRole(False, 7, "pair1"))
            self.assertEqual(registry.primary("pair1"), a)
            self.assertEqual(registry.epoch("pair1"), 7)
        self.assertEqual(registry.refused, 2)
        # What it says itself holds, also when it serves no more by then.
        self.assertTrue(registry.told("b", PeerRole(True, 8, "pair1")))
        self.says(-1, PeerRole(False, 9, "pair1"))
        self.assertEqual(registry.epoch("pair1"), 8)
        self.assertIsNone(registry.primary("pair1"))

    def test_toldBeforeItAsks(self) -> None:
        """
        A process that does not ask hears what is said; of whom nothing is known is
        tried while nobody serves.
        """
        a, b = member("a", "pair1"), member("b", "pair1")
        registry = self.make(a, b)
        registry.stop()
        self.assertIsNone(registry.roleOf("b"))
        self.assertTrue(registry.told("b", PeerRole(True, 8, "pair1")))
        self.assertEqual(registry.primary("pair1"), b)
        self.assertTrue(registry.told("b", PeerRole(False, 8, "pair1")))
        self.assertEqual(registry.primary("pair1"), a)
        self.assertTrue(registry.told("a", PeerRole(False, 0, "pair1")))
        self.assertIsNone(registry.primary("pair1"))

    def test_standby(self) -> None:
        """
        A name under which two serve has a standby.
        """
        registry = self.make(member("a", "p"), member("b", "p"), member("c"))
        self.assertTrue(registry.hasStandby("p"))
        self.assertFalse(registry.hasStandby("c"))
        self.assertFalse(registry.hasStandby("nobody"))
        registry.doubt("nobody")
        self.assertFalse(registry.superseded("nobody"))

    def test_observersAreTold(self) -> None:
        """
        Each change is told once, with its reason.
        """
        registry = self.make(member("node1"))
        observer = Observer()
        verifyObject(IServiceObserver, observer)
        registry.observe(observer)
        self.says(0, PeerRole())
        registry.memberFailed("node1", "reset")
        registry.memberFailed("node1", "reset")
        registry.memberFailed("nobody", "reset")
        self.assertEqual(observer.told, [("node1", "in"), ("node1", "out", "reset")])

    def test_status(self) -> None:
        """
        The status has the history with its reasons, bounded, and how long a
        silent end may go unnoticed.
        """
        registry = self.make(member("node1"))
        for _ in range(HISTORY):
            self.says(-1, PeerRole())
            registry.memberFailed("node1", "reset")
            runFor(self.clock, 1.0)
        status = registry.status()
        self.assertEqual(status["worstDetection"], 7.0)
        peers = status["peers"]
        assert isinstance(peers, dict)
        history = peers["node1"]["history"]
        self.assertEqual(len(history), HISTORY)
        self.assertEqual(history[-1]["state"], "out of service")
        self.assertEqual(history[-1]["why"], "reset")
        self.assertEqual(registry.states(), {"node1": "out of service"})
        registry.times = ProbeTimes(0.0)
        self.assertIsNone(registry.status()["worstDetection"])

    def test_newTimesHold(self) -> None:
        """
        Other times hold from the next question on.
        """
        registry = self.make(member("node1"))
        registry.times = ProbeTimes(1.0)
        self.says(0, PeerRole())
        runFor(self.clock, 1.0)
        self.assertEqual(len(self.asker.asked), 2)

    def test_stop(self) -> None:
        """
        After C{stop} nobody is asked, no timer runs, what was found stays, and
        failures are no longer heard.
        """
        registry = self.make(member("node1"))
        self.says(0, PeerRole())
        registry.stop()
        registry.start()
        registry.memberFailed("node1", "reset")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertTrue(registry.inService("node1"))


class ProbeTimesTests(SynchronousTestCase):
    """
    L{ProbeTimes} fits together.
    """

    def test_patience(self) -> None:
        """
        Who asks often gives up sooner, but not before the question was asked
        twice; what the end of a silent peer costs at worst is the sum.
        """
        for check, timeout, worst in (
            (5.0, 2.0, 7.0),
            (1.5, 1.5, 3.0),
            (0.5, 1.1, 1.6),
            (0.0, 2.0, None),
        ):
            times = ProbeTimes.of(check, 3.0)
            self.assertEqual((times.timeout, times.force), (timeout, 3.0))
            self.assertEqual(times.worstDetection, worst)
