"""
Two members of a pair and their monitors, on one clock: who serves when nothing is
heard, when ports cannot be opened, when interfaces fail.  Rows H04 to H16.
"""

from __future__ import annotations

from typing import Any, cast

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app.monitoring import watchPair
from sipcluster.app.pair import PairProcess
from sipcluster.app.runtime import NodeRuntime
from sipcluster.app.settings import Monitoring, Node, Pair, Proxy, Trunk
from sipcluster.ha.arbiters.lock_file import LockFileArbiter
from sipcluster.ha.ireplica import ILinkTaker
from sipcluster.monitors.alarms import Alarms
from sipcluster.monitors.imonitors import NIC
from sipcluster.monitors.monitors import Monitors
from sipcluster.net.ha_link import HALinkFactory, redial
from sipcluster.sip.isip import Target
from sipcluster.testing.arbiters import Disk, MemoryLockFiles
from sipcluster.testing.clock import runFor
from sipcluster.testing.network import MemoryNetwork
from sipcluster.testing.simulation.processes import ProcessEndpoint
from sipcluster.testing.sip_peer import SIPPeer, peerAt
from tests.memory.nodes import (
    NODE,
    OTHER_NODE,
    PROXY1,
    THEN,
    TRUNK,
    configuration,
)
from tests.unit.monitors.things import FakeCommands, FakeNICs

#: The port of the HA link.
LINK = 3010

#: What C{oos-check} of 5 seconds makes of C{sip-pass-check}.
PERIOD = 10.0

VIP = "192.0.2.99"


class _Listens(Service):
    """
    Waits for the other member.
    """

    def __init__(self, sockets: Any, factory: HALinkFactory) -> None:
        self._sockets, self._factory = sockets, factory
        self._port: Any = None

    def startService(self) -> None:
        super().startService()
        listening = self._sockets.listen(NODE, LINK, self._factory, None)
        listening.addCallback(lambda port: setattr(self, "_port", port))

    def stopService(self) -> Any:
        super().stopService()
        return self._port.stopListening()


class Members(SynchronousTestCase):
    """
    C{node1a} and C{node1b}, with a trunk that is asked each five seconds, and
    nobody else in the world.

    @ivar refused: the ports that cannot be opened, C{MEMBER NAME}.
    """

    monitoring = Monitoring(sipPassCheck=True)

    def setUp(self) -> None:
        self.clock = Clock()
        self.network = MemoryNetwork(self.clock, 0.001)
        self.disk = Disk()
        self.refused: set[str] = set()
        plain = configuration()
        self.configuration = evolve(
            plain,
            dns=tuple(
                evolve(dn, oosCheck=5.0) if isinstance(dn, Trunk) else dn
                for dn in plain.dns
            ),
            applications=(
                Node(name="node1a", sipAddress=NODE, monitors=self.monitoring),
                Node(name="node1b", sipAddress=OTHER_NODE, monitors=self.monitoring),
                Pair(name="node1", members=("node1a", "node1b")),
                Proxy(name="proxy1", sipAddress=PROXY1),
            ),
        )
        self.members: dict[str, PairProcess] = {}
        self.monitors: dict[str, Monitors] = {}
        self.alarms: dict[str, Alarms] = {}
        self.nics: dict[str, FakeNICs] = {}
        self.commands: dict[str, FakeCommands] = {}
        self.links: list[Any] = []
        self.begin()

    def begin(self) -> None:
        """
        Start both.
        """
        for name, host in (("node1a", NODE), ("node1b", OTHER_NODE)):
            self.start(name, host)
        self.run_(3.0)

    def start(self, name: str, host: str) -> None:
        """
        Start a member.
        """
        transport = self.network.host(host)

        def link(taker: ILinkTaker) -> Any:
            factory = HALinkFactory(taker, "")
            if name == "node1a":
                return _Listens(transport.sockets, factory)
            endpoint = ProcessEndpoint(transport.sockets, NODE, LINK, 2.0)
            return redial(self.clock, cast(Any, endpoint), factory, lambda: 0.5)

        member = self.members[name] = PairProcess(
            NodeRuntime(
                name=name,
                configuration=self.configuration,
                clock=self.clock,
                wallTime=lambda: THEN + self.clock.seconds(),
                entropy=self.network.entropy,
                transport=transport,
            ),
            LockFileArbiter(MemoryLockFiles(self.disk), self.clock, name),
            link,
            preferred=name == "node1a",
        )
        self.alarms[name] = Alarms(self.clock, lambda: THEN + self.clock.seconds())
        nics = self.nics[name] = FakeNICs({host: NIC("eth0")})
        commands = self.commands[name] = FakeCommands()
        commands.effects = {
            "up": lambda: nics.found.update({VIP: NIC("eth0")}),
            "down": lambda: nics.found.pop(VIP, None),
        }
        monitors = self.monitors[name] = watchPair(
            member, self.alarms[name], nics, commands
        )
        assert monitors.ports is not None
        for port in ("UDP", "TCP"):
            monitors.ports.add(port, lambda port=port: self.opens(name, port), True)  # type: ignore[misc]
        monitors.start()
        member.startService()
        self.successResultOf(member.load())
        self.successResultOf(monitors.ports.open())

    def opens(self, name: str, port: str) -> Deferred[object]:
        """
        Open a port.
        """
        if f"{name} {port}" in self.refused:
            error = OSError(98, "Address already in use")
            return fail(CannotListenError("192.0.2.0", 5060, error))
        return succeed(object())

    def run_(self, seconds: float) -> None:
        runFor(self.clock, seconds)

    @property
    def primary(self) -> str:
        """
        Who serves; C{""}: nobody.
        """
        serving = [name for name, one in self.members.items() if one.life is not None]
        self.assertLessEqual(len(serving), 1)
        return serving[0] if serving else ""

    def keys(self, name: str) -> list[str]:
        """
        The active alarms of a member.
        """
        return [alarm.key for alarm in self.alarms[name].active()]

    def roles(self, seconds: float) -> list[tuple[str, float]]:
        """
        Let time pass.

        @return: who served for how long, to a tenth of a second; who has not ended
            is left out.
        """
        found: list[tuple[str, float]] = []
        now, since = self.primary, self.clock.seconds()
        for _ in range(int(seconds * 20)):
            self.run_(0.05)
            if self.primary != now:
                if now:
                    found.append((now, round(self.clock.seconds() - since, 1)))
                now, since = self.primary, self.clock.seconds()
        return found


class SIPPassTests(Members):
    """
    C{sip-pass-check}: rows H04 to H08.
    """

    def peer(self, host: str, address: str = TRUNK) -> SIPPeer:
        """
        Somebody who sends SIP to a member.
        """
        return peerAt(self.network, self.clock, address, Target("UDP", host, 5060))

    def test_nobodyHearsAnything(self) -> None:
        """
        When nothing reaches either member, the role goes to and fro: the time
        doubles with each double switchover, up to four times.
        """
        self.assertEqual(self.primary, "node1a")
        _, *found = self.roles(260)
        wanted = [
            ("node1b", PERIOD),
            ("node1a", 2 * PERIOD),
            ("node1b", 2 * PERIOD),
            *[("node1a", 4 * PERIOD), ("node1b", 4 * PERIOD)] * 2,
        ]
        self.assertEqual(found[: len(wanted)], wanted)

    def test_whoHearsSIPKeepsTheRole(self) -> None:
        """
        A member that SIP reaches keeps the role, whatever its trunk does.
        """
        peer = self.peer(NODE)
        for _ in range(60):
            request = (
                f"OPTIONS sip:{NODE} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {TRUNK};branch=z9hG4bK{self.clock.seconds()}\r\n"
                f"From: <sip:x@{TRUNK}>;tag=1\r\nTo: <sip:{NODE}>\r\n"
                f"Call-ID: {self.clock.seconds()}\r\nCSeq: 1 OPTIONS\r\n"
                "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            )
            peer.send(request.encode())
            self.run_(5)
        self.assertEqual(self.primary, "node1a")
        self.assertEqual(self.keys("node1a"), [])

    def test_noOtherMember(self) -> None:
        """
        A member that hears nothing, not even of the other member, gives the role
        up; when nobody takes it, it has it again and keeps it: to serve is better
        than that nobody does.
        """
        self.successResultOf(self.stopped("node1b"))
        ((name, _),) = self.roles(300)
        self.assertEqual((name, self.primary), ("node1a", "node1a"))
        lives = self.members["node1a"].counts["lives"]
        self.run_(300)
        self.assertEqual(self.primary, "node1a")
        self.assertEqual(self.members["node1a"].counts["lives"], lives)
        self.assertIn("sip-pass-check", self.keys("node1a"))
        status = self.monitors["node1a"].status()
        self.assertEqual(status["service"], "SERVICE_UNAVAILABLE")

    def stopped(self, name: str) -> Deferred[None]:
        """
        Stop a member.
        """
        done = self.members[name].stopService()
        self.run_(5)
        return done


class PortTests(Members):
    """
    Ports that cannot be opened: row H10, C{backup-sip-port-check}.
    """

    monitoring = Monitoring()

    def begin(self) -> None:
        self.refused = {"node1a UDP", "node1a TCP"}
        super().begin()

    def test_whoHasItsPortsServes(self) -> None:
        """
        Who cannot open its ports leaves the role to the other, and stays; when it
        can, it is fit, and the role stays where it is.
        """
        self.assertEqual(self.primary, "node1b")
        self.assertEqual(self.keys("node1a"), ["port UDP", "port TCP"])
        status = self.monitors["node1a"].status()
        self.assertEqual(status["service"], "SERVICE_UNAVAILABLE")
        self.refused.clear()
        self.run_(6)
        status = self.monitors["node1a"].status()
        self.assertEqual(status["service"], "SERVICE_RUNNING")
        self.assertEqual(self.primary, "node1b")

    def test_neitherCan(self) -> None:
        """
        When neither can, the first one that can serves.
        """
        self.refused |= {"node1b UDP", "node1b TCP"}
        ports = self.monitors["node1b"].ports
        assert ports is not None
        ports.add("TLS", lambda: fail(OSError("no")), True)
        for port in ports._ports:  # as if they had been lost
            port.isOpen, port.why = False, "lost"
            ports._try(port, lambda _: None)
        self.run_(10)
        self.assertEqual(self.primary, "")
        self.refused -= {"node1a UDP"}
        self.run_(6)
        self.assertEqual(self.primary, "node1a")


class NICTests(Members):
    """
    Interfaces and the virtual IP address: rows H13 to H15.
    """

    monitoring = Monitoring(
        sipNICMonitoring=True,
        tlibNICMonitoring=True,
        sipIPTakeoverMonitoring=True,
        sipVirtualAddress=VIP,
        vipUpCommand=("up",),
        vipDownCommand=("down",),
    )

    def holders(self) -> list[str]:
        """
        Who has the virtual IP address.
        """
        return [name for name, nics in self.nics.items() if VIP in nics.found]

    def test_interfaceFails(self) -> None:
        """
        When the interface of the primary fails, the other one serves within a
        second, and has the virtual IP address; when that of the other fails too,
        it goes on.
        """
        self.assertEqual(self.primary, "node1a")
        self.assertEqual(self.holders(), ["node1a"])
        nics = self.nics["node1a"]
        nics.found[NODE] = NIC("eth0", "has no carrier")
        nics.tell()
        self.run_(1.0)
        self.assertEqual(self.primary, "node1b")
        self.assertEqual(self.holders(), ["node1b"])
        self.assertEqual(
            set(self.keys("node1a")), {"sip-nic-monitoring", "tlib-nic-monitoring"}
        )
        others = self.nics["node1b"]
        others.found[OTHER_NODE] = NIC("eth0", "is down")
        others.tell()
        self.run_(10.0)
        self.assertEqual(self.primary, "node1b")
        nics.found[NODE] = NIC("eth0")
        nics.tell()
        self.run_(4.0)
        self.assertEqual(self.primary, "node1a")
        self.assertEqual(self.holders(), ["node1a"])

    def test_interfaceFailsWithTheLink(self) -> None:
        """
        When the link to the other member goes with the interface of SIP, the
        primary does not know how the other one is, and leaves the role to it all
        the same: no telephone reaches it.
        """
        nics = self.nics["node1a"]
        self.network.partition(NODE)
        self.run_(5.0)
        self.assertEqual(self.primary, "node1a")
        del nics.found[NODE]
        nics.tell()
        self.run_(1.0)
        self.assertEqual(self.primary, "node1b")
        self.run_(30.0)
        self.assertEqual(self.primary, "node1b")

    def test_linkFailsAfterTheInterfaces(self) -> None:
        """
        Two members without interfaces leave the role where it is while they hear
        of each other, and nowhere when they do not; the first one that works again
        has it.
        """
        for name, host in (("node1a", NODE), ("node1b", OTHER_NODE)):
            self.nics[name].found[host] = NIC("eth0", "has no carrier")
            self.nics[name].tell()
        self.run_(10.0)
        self.assertNotEqual(self.primary, "")
        self.network.partition(NODE)
        self.run_(10.0)
        self.assertEqual(self.primary, "")
        self.nics["node1b"].found[OTHER_NODE] = NIC("eth0")
        self.run_(4.0)
        self.assertEqual(self.primary, "node1b")

    def test_arbiterAndStandby(self) -> None:
        """
        A backup that is gone is an alarm of the primary.
        """
        self.assertEqual(self.keys("node1a"), [])
        done = self.members["node1b"].stopService()
        self.run_(20)
        self.successResultOf(done)
        self.assertEqual(self.keys("node1a"), ["hot-standby"])
