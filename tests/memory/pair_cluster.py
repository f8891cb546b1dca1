"""
A whole cluster of one pair: two SIP Proxies, two processes that stand for one node,
and telephones that repeat what is lost, all on one clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app.pair import PairProcess
from sipcluster.app.proxy import ProxyMember, makeProxy
from sipcluster.app.runtime import NodeRuntime, ProxyRuntime
from sipcluster.app.settings import Node, Pair, Proxy
from sipcluster.ha.arbiters.lock_file import LockFileArbiter
from sipcluster.ha.ireplica import ILinkTaker
from sipcluster.net.ha_link import HALinkFactory, redial
from sipcluster.registrar.memory import MemoryRegistrationStore
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import IFlow, ILocator, Target
from sipcluster.sip.message import Message, Request, Response
from sipcluster.testing.arbiters import Disk, MemoryLockFiles
from sipcluster.testing.clock import runFor
from sipcluster.testing.network import MemoryNetwork
from sipcluster.testing.simulation.processes import ProcessEndpoint
from sipcluster.testing.sip_peer import Phone, SIPPeer
from tests.memory.nodes import (
    DOMAIN,
    NODE,
    OTHER_NODE,
    PROXY1,
    PROXY2,
    THEN,
    configuration,
)
from tests.memory.takeover import Line, MortalClock

#: The port of the HA link.
LINK = 3010


class ProcessClock(MortalClock):
    """
    The clock of a process that may be gone while connections of it are not.
    """

    def callLater(
        self,
        delay: float,
        callable: Callable[..., Any],
        *args: object,
        **kwargs: object,
    ) -> IDelayedCall:
        """
        Make a call unless the process has died.
        """
        later = super().callLater(delay, callable, *args, **kwargs)
        if self.dead:
            self.die()
        return later


class LivePeer(SIPPeer):
    """
    A telephone's transport that repeats its last answer when it is asked again, its
    2xx until they are acknowledged, and its ACK of a 2xx.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._answers: dict[tuple[bytes, bytes], Response] = {}
        self._acks: dict[tuple[bytes, int], Request] = {}
        self._accepted: dict[tuple[bytes, int], tuple[Request, Response]] = {}

    def send(self, message: Message | bytes) -> None:
        """
        Send a message, and remember it.
        """
        super().send(message)
        if isinstance(message, Request) and message.method == b"ACK":
            self._acks[message.callID, message.cseq.number] = message

    def _again(self, request: Request, response: Response) -> None:
        flow = self._transport.responseFlow(request.via, self._toTarget())
        flow.send(response.render())

    def respond(self, request: Request, *arguments: Any, **more: Any) -> Response:
        """
        Answer, and remember it.
        """
        response = super().respond(request, *arguments, **more)
        self._answers[request.branch, request.method] = response
        if request.method == b"INVITE" and 200 <= response.status < 300:
            self._accepted[request.callID, request.cseq.number] = request, response
        return response

    def repeat(self) -> None:
        """
        Send each 2xx once more that is not acknowledged.
        """
        for request, response in self._accepted.values():
            self._again(request, response)

    def messageReceived(self, message: Request | Response, flow: IFlow) -> None:
        """
        Take a message that was not seen before.
        """
        if isinstance(message, Request):
            if message.method == b"ACK":
                self._accepted.pop((message.callID, message.cseq.number), None)
            last = self._answers.get((message.branch, message.method))
            if last is not None:
                self._again(message, last)
                return
        elif message.cseq.method == b"INVITE" and 200 <= message.status < 300:
            ack = self._acks.get((message.callID, message.cseq.number))
            if ack is not None:
                self.send(ack)
                return
        super().messageReceived(message, flow)


class _Listens(Service):
    """
    Waits for the other member.
    """

    def __init__(self, sockets: Any, host: str, factory: HALinkFactory) -> None:
        self._sockets, self._host, self._factory = sockets, host, factory
        self._port: Any = None

    def startService(self) -> None:
        """
        See C{IService}.
        """
        super().startService()
        listening = self._sockets.listen(self._host, LINK, self._factory, None)
        listening.addCallback(lambda port: setattr(self, "_port", port))

    def stopService(self) -> Any:
        """
        See C{IService}.
        """
        super().stopService()
        return self._port.stopListening()


class PairCluster(SynchronousTestCase):
    """
    C{node1a} and C{node1b} stand for C{node1}; Alice is behind the first SIP Proxy,
    Bob behind the second.

    @ivar members: the processes of the pair by name.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.network = MemoryNetwork(self.clock, 0.001)
        self.store = MemoryRegistrationStore(self.wallTime)
        self.disk = Disk()
        self.configuration = evolve(
            configuration(),
            applications=(
                Node(name="node1a", sipAddress=NODE),
                Node(name="node1b", sipAddress=OTHER_NODE),
                Pair(name="node1", members=("node1a", "node1b")),
                Proxy(name="proxy1", sipAddress=PROXY1),
                Proxy(name="proxy2", sipAddress=PROXY2),
            ),
        )
        self.clocks: dict[str, MortalClock] = {}
        self.files: dict[str, MemoryLockFiles] = {}
        self.members: dict[str, PairProcess] = {}
        for name in ("node1a", "node1b"):
            self.start(name)
        self.proxies = [self.proxy("proxy1", PROXY1), self.proxy("proxy2", PROXY2)]
        self.settle(3.0)
        self.alice = self.phone("1001", "198.51.100.1", PROXY1)
        self.bob = self.phone("1002", "198.51.100.2", PROXY2)
        for line in (self.alice, self.bob):
            line.phone.request(b"REGISTER", fields=[(b"Expires", b"3600")])
            line.phone.peer.expectResponse(200)

    def wallTime(self) -> float:
        """
        Seconds since 1970.
        """
        return THEN + self.clock.seconds()

    def start(self, name: str) -> None:
        """
        Start a member.
        """
        host = NODE if name == "node1a" else OTHER_NODE
        clock = self.clocks[name] = ProcessClock(self.clock)
        transport = self.network.host(host)
        files = self.files[name] = MemoryLockFiles(self.disk)

        def link(taker: ILinkTaker) -> Any:
            factory = HALinkFactory(taker, "")
            if name == "node1a":
                return _Listens(transport.sockets, NODE, factory)
            endpoint = ProcessEndpoint(transport.sockets, NODE, LINK, 2.0)
            return redial(clock, cast(Any, endpoint), factory, lambda: 0.5)

        member = self.members[name] = PairProcess(
            NodeRuntime(
                name=name,
                configuration=self.configuration,
                clock=clock,
                wallTime=self.wallTime,
                entropy=self.network.entropy,
                transport=transport,
            ),
            LockFileArbiter(files, clock, name),
            link,
            preferred=name == "node1a",
        )
        member.startService()
        self.successResultOf(member.load())

    def kill(self, name: str) -> None:
        """
        End a member as by SIGKILL.
        """
        self.network.kill(NODE if name == "node1a" else OTHER_NODE)
        self.clocks[name].die()
        self.disk.died(self.files[name])

    @property
    def primary(self) -> str:
        """
        Who serves; C{""}: nobody.
        """
        serving = [
            name
            for name, member in self.members.items()
            if not self.clocks[name].dead and member.life is not None
        ]
        self.assertLessEqual(len(serving), 1)
        return serving[0] if serving else ""

    def proxy(self, name: str, address: str) -> ProxyMember:
        """
        Start a SIP Proxy.
        """
        proxy = makeProxy(
            ProxyRuntime(
                name=name,
                configuration=self.configuration,
                clock=self.clock,
                wallTime=self.wallTime,
                entropy=self.network.entropy,
                transport=self.network.host(address),
                locator=cast(ILocator, None),
            ),
            self.store,
        )
        proxy.startService()
        self.successResultOf(proxy.load())
        return proxy

    def phone(self, number: str, address: str, proxy: str) -> Line:
        """
        A telephone that talks to one SIP Proxy.
        """
        transport = self.network.host(address)
        peer = LivePeer(
            transport,
            Target("UDP", proxy, 5060),
            Identifiers(self.network.entropy),
            self.settle,
            self.clock.seconds,
        )
        transport.receiver = peer
        secret = f"secret-{number}".encode()
        phone = Phone(peer, number, DOMAIN, secret, address, "")
        return Line(phone, f"phone{number}", 4000)

    def settle(self, seconds: float = 0.05) -> None:
        """
        Let everything arrive.
        """
        runFor(self.clock, seconds)

    def live(self, seconds: float, until: Callable[[], object] = bool) -> float:
        """
        Let the telephones live for some time.

        @param until: ends it sooner.

        @return: how long it took.
        """
        begun = self.clock.seconds()
        ticks = 0
        while self.clock.seconds() < begun + seconds and not until():
            runFor(self.clock, 0.01)
            ticks += 1
            for line in (self.alice, self.bob):
                peer = cast(LivePeer, line.phone.peer)
                if ticks % 50 == 0:
                    peer.repeat()
                inbox, peer.inbox = peer.inbox, []
                for message in inbox:
                    line.received(message)
        return self.clock.seconds() - begun

    def assertNothingLeft(self) -> None:
        """
        All members have nothing left.
        """
        for proxy in self.proxies:
            proxy.nodes.stop()
            proxy.proxies.stop()
        life = self.members[self.primary].life
        assert life is not None
        life.checker.stop()
        self.live(120)
        for member in (life, *self.proxies):
            status = member.status()
            for name in ("transactions", "timers", "calls", "dialogs"):
                self.assertEqual(status[name], 0, (name, status))
