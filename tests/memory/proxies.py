"""
SIP Proxies between scripted nodes and phones, on one clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipcluster.app.proxy import ProxyMember, makeProxy
from sipcluster.app.runtime import ProxyRuntime
from sipcluster.app.settings import Application, Configuration, Node, Proxy, Switch
from sipcluster.registrar.iregistrar import IRegistrationStore
from sipcluster.registrar.memory import MemoryRegistrationStore
from sipcluster.sip.isip import IFlow, ILocator, IMessageReceiver, Target
from sipcluster.sip.message import Request, Response, makeResponse, parseMessage
from sipcluster.sip.uri import SIPURI
from sipcluster.testing.clock import runFor
from sipcluster.testing.network import MemoryNetwork, MemoryTransport

DOMAIN = "example.com"
PROXY1, PROXY2 = "192.0.2.11", "192.0.2.12"
NODE1, NODE2 = "192.0.2.21", "192.0.2.22"
ALICE, BOB, CAROL = "198.51.100.1", "198.51.100.2", "198.51.100.3"


def lines(*text: str) -> bytes:
    """
    A message of its lines, without a body.
    """
    return "\r\n".join([*text, "Content-Length: 0", "", ""]).encode()


@implementer(IMessageReceiver)
class Peer:
    """
    A host whose every message the test writes and reads.

    @ivar received: what came and was not looked at yet, with its flow.
    @ivar answers: called for each request; says which it has dealt with.
    """

    def __init__(self, network: MemoryNetwork, host: str, tls: int = 0) -> None:
        self.host = host
        self.network = network
        self.received: list[tuple[Any, IFlow]] = []
        self.answers: list[Callable[[Request, IFlow], bool]] = []
        self.transport: MemoryTransport = network.host(host, self, tls=tls)

    def messageReceived(self, message: Request | Response, flow: IFlow) -> None:
        """
        Keep a message.
        """
        if isinstance(message, Request):
            for answer in self.answers:
                if answer(message, flow):
                    return
        self.received.append((message, flow))

    def flowFailed(self, flow: IFlow, why: str) -> None:
        """
        Not of interest.
        """

    def flow(
        self, transportName: str = "UDP", to: str = PROXY1, port: int = 0
    ) -> IFlow:
        """
        A flow to a proxy.
        """
        port = port or (5061 if transportName == "TLS" else 5060)
        return self.transport.flowTo(Target(transportName, to, port))

    def send(self, data: bytes, flow: IFlow | None = None) -> None:
        """
        Send a message, to the first proxy over UDP unless told otherwise.
        """
        (flow or self.flow()).send(data)

    def take(self, what: bytes | int) -> Any:
        """
        The first message of a method or status that was not taken yet; others
        before it stay.
        """
        for index, (message, _) in enumerate(self.received):
            mark = message.method if isinstance(message, Request) else message.status
            if mark == what:
                del self.received[index]
                return message
        raise AssertionError(f"{self.host}: no {what!r} in {self.names()}")

    def names(self) -> list[bytes | int]:
        """
        What was received and not taken yet.
        """
        return [
            m.method if isinstance(m, Request) else m.status for m, _ in self.received
        ]

    def respond(
        self,
        request: Request,
        status: int,
        *headers: tuple[bytes, bytes],
        flow: IFlow | None = None,
        tag: bytes = b"",
        body: bytes = b"",
    ) -> None:
        """
        Answer a request to whom it came from.
        """
        tag = tag or self.host.encode().replace(b".", b"-")
        if status == 100:
            tag = b""
        response = makeResponse(request, status, toTag=tag, headers=headers, body=body)
        out = flow or self.transport.responseFlow(request.via, self.flow())
        out.send(response.render())


def answersOptions(
    peer: Peer, role: bytes | None = None
) -> Callable[[Request, IFlow], bool]:
    """
    Answer probes as a node does.
    """

    def answer(request: Request, flow: IFlow) -> bool:
        if request.method != b"OPTIONS":
            return False
        extra = () if role is None else ((b"X-SIPCluster-Role", role),)
        peer.respond(request, 200, *extra, flow=flow)
        return True

    return answer


def grantsRegister(peer: Peer, seconds: int = 600) -> Callable[[Request, IFlow], bool]:
    """
    Grant every REGISTER as a node does.
    """

    def answer(request: Request, flow: IFlow) -> bool:
        if request.method != b"REGISTER":
            return False
        contacts = []
        for contact in request.contacts:
            asked = contact.expires if contact.expires is not None else request.expires
            granted = seconds if asked is None else min(asked, seconds)
            value = contact.uri.render()
            if granted and value != b"*":
                contacts.append((b"Contact", b"<%b>;expires=%d" % (value, granted)))
        peer.respond(request, 200, *contacts, flow=flow)
        return True

    return answer


@implementer(ILocator)
class Names:
    """
    A locator with a table; a name that is not in it never gets an answer.
    """

    def __init__(self) -> None:
        self.table: dict[bytes, list[Target]] = {}
        self.waiting: list[Deferred[Any]] = []
        self.failed: list[Target] = []
        self.worked: list[Target] = []

    def markFailed(self, target: Target) -> None:
        """
        See L{ILocator}.
        """
        self.failed.append(target)

    def markWorking(self, target: Target) -> None:
        """
        See L{ILocator}.
        """
        self.worked.append(target)

    def locate(self, uri: SIPURI) -> Deferred[Any]:
        """
        See L{ILocator}.
        """
        made: Deferred[Any] = Deferred()
        if uri.host in self.table:
            made.callback(self.table[uri.host])
        else:
            self.waiting.append(made)
        return made


class ProxyTestCase(SynchronousTestCase):
    """
    Two proxies, two scripted nodes, one location service.

    @cvar settings: further options of the proxies.
    @cvar tls: their TLS port, 0 for none.
    @cvar proxyNames: what they are called.
    """

    settings: dict[str, Any] = {}
    tls = 0
    proxyNames = ("proxy1", "proxy2")

    def setUp(self) -> None:
        self.clock = Clock()
        self.network = MemoryNetwork(self.clock)
        self.names = Names()
        self.transports: list[MemoryTransport] = []
        self.configuration = Configuration(
            Switch(name="switch", domain=DOMAIN),
            applications=(
                *self.nodes(),
                Proxy(
                    name=self.proxyNames[0],
                    sipAddress=PROXY1,
                    sipTLSPort=self.tls,
                    **self.settings,
                ),
                Proxy(
                    name=self.proxyNames[1],
                    sipAddress=PROXY2,
                    sipTLSPort=self.tls,
                    **self.settings,
                ),
            ),
        )
        self.store = MemoryRegistrationStore(self.wallTime)
        self.node1 = self.node(NODE1)
        self.node2 = self.node(NODE2)
        self.proxy1 = self.proxy(self.proxyNames[0], PROXY1)
        self.proxy2 = self.proxy(self.proxyNames[1], PROXY2)
        self.sequence = 0
        runFor(self.clock, 0.1)

    def nodes(self) -> tuple[Application, ...]:
        """
        The nodes of the configuration, and their pairs.
        """
        return (
            Node(name="node1", sipAddress=NODE1),
            Node(name="node2", sipAddress=NODE2),
        )

    def wallTime(self) -> float:
        """
        Seconds since 1970 of the people in this test.
        """
        return 1_700_000_000.0 + self.clock.seconds()

    def node(self, host: str) -> Peer:
        """
        A node that answers probes and grants registrations.
        """
        peer = self.phone(host)
        peer.answers += [answersOptions(peer), grantsRegister(peer)]
        return peer

    def proxy(
        self, name: str, host: str, store: IRegistrationStore | None = None
    ) -> ProxyMember:
        """
        Start a proxy.
        """
        transport = self.network.host(host, tls=self.tls)
        self.transports.append(transport)
        member = makeProxy(
            ProxyRuntime(
                name=name,
                configuration=self.configuration,
                clock=self.clock,
                wallTime=self.wallTime,
                entropy=self.network.entropy,
                transport=transport,
                locator=self.names,
            ),
            store or self.store,
        )
        member.startService()
        self.successResultOf(member.load())
        return member

    def phone(self, host: str, tls: int = 0) -> Peer:
        """
        A phone.
        """
        peer = Peer(self.network, host, tls)
        self.transports.append(peer.transport)
        return peer

    def settle(self, seconds: float = 0.01) -> None:
        """
        Let everything arrive.
        """
        runFor(self.clock, seconds)

    def assertAllGone(self) -> None:
        """
        After the longest timers nothing is left of any transaction, and when
        the proxies have stopped no call waits on the clock.
        """
        runFor(self.clock, 64 * 0.5 + 10)
        for member in (self.proxy1, self.proxy2):
            member.nodes.stop()
            member.proxies.stop()
        runFor(self.clock, 40)
        for member in (self.proxy1, self.proxy2):
            status = member.layer.status()
            counts = ["inviteClient", "inviteServer", "noninviteClient"]
            counts += ["noninviteServer", "waiting", "timers"]
            self.assertEqual({k: status[k] for k in counts}, dict.fromkeys(counts, 0))
            self.assertEqual(member.status()["waitingForMembers"], 0)
            self.successResultOf(member.stopService())
        for transport in self.transports:
            transport.stop()
        self.settle(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    # Messages

    def request(
        self,
        method: str,
        uri: str,
        host: str,
        *more: str,
        branch: str = "",
        transport: str = "UDP",
        caller: str = "alice",
        to: str = "",
        callID: str = "call",
        cseq: int = 1,
        toTag: str = "",
        fromTag: str = "f",
    ) -> bytes:
        """
        A request as a phone sends it.
        """
        self.sequence += 1
        branch = branch or f"z9hG4bKtest{self.sequence}"
        tag = f";tag={toTag}" if toTag else ""
        return lines(
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/{transport} {host};branch={branch}",
            f"From: <sip:{caller}@{DOMAIN}>;tag={fromTag}",
            f"To: <{to or uri}>{tag}",
            f"Call-ID: {callID}",
            f"CSeq: {cseq} {method}",
            *(
                more
                if any(m.startswith("Max-F") for m in more)
                else ("Max-Forwards: 70", *more)
            ),
        )

    def invite(self, uri: str, host: str, *more: str, **how: Any) -> bytes:
        """
        An INVITE.
        """
        contact = f"Contact: <sip:alice@{host}>"
        return self.request("INVITE", uri, host, contact, *more, **how)

    def fromNode(
        self, method: str, uri: str, *more: str, node: str = "node1", **how: Any
    ) -> bytes:
        """
        A request as a node sends it, by way of the first proxy.
        """
        host = f"{node}.{DOMAIN}"
        extra = [f"Contact: <sip:leg@{host}>"] if method == "INVITE" else []
        route = (
            []
            if any(m.startswith("Route") for m in more)
            else [f"Route: <sip:{PROXY1}:5060;lr>"]
        )
        return self.request(method, uri, host, *extra, *route, *more, **how)

    def register(
        self,
        peer: Peer,
        user: str,
        contact: str = "",
        *more: str,
        flow: IFlow | None = None,
        expires: str = "600",
        cseq: int = 1,
    ) -> Response:
        """
        Register a phone; its 200.
        """
        flow = flow or peer.flow()
        contact = contact or f"<sip:{user}@{peer.host}:5060>"
        data = self.request(
            "REGISTER",
            f"sip:{DOMAIN}",
            peer.host,
            f"Contact: {contact}",
            f"Expires: {expires}",
            *more,
            transport=flow.transportName,
            caller=user,
            to=f"sip:{user}@{DOMAIN}",
            callID=f"reg-{user}-{peer.host}",
            cseq=cseq,
        )
        peer.send(data, flow)
        self.settle()
        response = peer.take(200)
        assert isinstance(response, Response)
        return response

    def parsed(self, data: bytes) -> Request:
        """
        A request read.
        """
        message = parseMessage(data)
        assert isinstance(message, Request)
        return message
