"""
A media server on a network in memory, with an engine that has no media, and who calls
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from attrs import evolve
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipcluster.media.agent import AgentSettings, MediaAgent
from sipcluster.msml.reading import parseMSML
from sipcluster.msml.values import CONTENT_TYPE, Event, Result
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import ILocator, Target
from sipcluster.sip.message import Request, Response
from sipcluster.sip.uri import SIPURI
from sipcluster.sipproxy.destinations import literalTarget
from sipcluster.testing.clock import runFor
from sipcluster.testing.media_engine import FakeEngine, FakeSession
from sipcluster.testing.network import MemoryNetwork
from sipcluster.testing.sip_peer import Phone, SIPPeer, peerAt, sdp

MEDIA = "192.0.2.31"
PROXY = "192.0.2.11"
STRANGER = "203.0.113.66"


@implementer(ILocator)
class Addresses:
    """
    Finds addresses, and no names.
    """

    def locate(self, uri: SIPURI) -> Deferred[Sequence[Target]]:
        """
        See L{ILocator}.
        """
        target = literalTarget(uri)
        if target is None:
            return fail(LookupError("no names here"))
        return succeed([target])

    def markFailed(self, target: Target) -> None:
        """
        See L{ILocator}.
        """

    def markWorking(self, target: Target) -> None:
        """
        See L{ILocator}.
        """


class MediaAgentTestCase(SynchronousTestCase):
    """
    One media server; the test plays the SIP Proxy and the nodes behind it.

    @ivar node: a node that calls it.
    """

    #: Changes of the media server's settings.
    settings: ClassVar[dict[str, Any]] = {}

    def setUp(self) -> None:
        self.clock = Clock()
        self.network = MemoryNetwork(self.clock)
        self.engine = FakeEngine()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        settings = AgentSettings(MEDIA.encode(), 5060, self.folder, (PROXY,))
        transport = self.network.host(MEDIA)
        self.agent = MediaAgent(
            self.clock,
            transport,
            Addresses(),
            Identifiers(self.network.entropy),
            self.engine,
            evolve(settings, **self.settings),
        )
        transport.receiver = self.agent.layer
        target = Target("UDP", MEDIA, 5060)
        self.peer: SIPPeer = peerAt(self.network, self.clock, PROXY, target)
        self.node = self.caller("1001")
        self.addCleanup(self.assertNothingLeft)

    def caller(self, number: str) -> Phone:
        """
        Somebody who calls the media server.
        """
        return Phone(self.peer, number, MEDIA, source="192.0.2.21", proxy=PROXY)

    def assertNothingLeft(self) -> None:
        """
        When all is over, no session and no timer is left.
        """
        stopped = self.agent.stop()
        for _ in range(80):
            self.answerAll()
            runFor(self.clock, 1.0)
        self.successResultOf(stopped)
        self.assertEqual(self.engine.live, [])
        self.assertEqual(self.agent.timers.pending, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def answerAll(self) -> None:
        """
        Answer all requests that have come 200.
        """
        self.peer._pump()
        inbox, self.peer.inbox = self.peer.inbox, []
        for message in inbox:
            if isinstance(message, Request) and message.method != b"ACK":
                self.peer.respond(message, 200)

    @property
    def media(self) -> FakeSession:
        """
        What the engine was asked last.
        """
        return self.engine.sessions[-1]

    def invite(
        self, uri: str, phone: Phone | None = None, body: bytes | None = None
    ) -> Request:
        """
        Send an INVITE.

        @param uri: without scheme and host: C{annc@;play=...}.
        """
        phone = phone or self.node
        user, _, rest = uri.partition("@")
        return self.inviteURI(f"sip:{user}@{MEDIA}:5060{rest}", phone, body)

    def inviteURI(
        self, uri: str, phone: Phone | None = None, body: bytes | None = None
    ) -> Request:
        """
        Send an INVITE.
        """
        phone = phone or self.node
        phone.dialog = None
        offer = sdp("node") if body is None else body
        request = phone.build(b"INVITE", "media", uri=uri.encode(), body=offer)
        phone.invite = request
        self.peer.send(request)
        return request

    def call(
        self, uri: str, phone: Phone | None = None, body: bytes | None = None
    ) -> Response:
        """
        Have a session.
        """
        phone = phone or self.node
        request = self.invite(uri, phone, body)
        response = phone.accepted(self.peer.expectResponse(200, request))
        phone.acknowledge()
        self.peer._pump()
        return response

    def refusal(self, uri: str, status: int, **more: Any) -> Response:
        """
        Send an INVITE that is refused.
        """
        request = self.invite(uri, **more)
        response = self.peer.expectResponse(status, request)
        self.node.acknowledgeRefusal(response, request)
        return response

    # MSML

    def tell(self, inside: str, phone: Phone | None = None) -> Result:
        """
        Have something done by MSML.

        @param inside: what stands in the document; C{$conn} is the connection.
        """
        phone = phone or self.node
        assert phone.dialog is not None
        text = inside.replace("$conn", f"conn:{phone.dialog.remoteTag.decode()}")
        body = f'<msml version="1.1">{text}</msml>'.encode()
        request = phone.within(b"INFO", body=body, contentType=CONTENT_TYPE)
        response = self.peer.expectResponse(200, request)
        self.assertEqual(response.headers.first(b"Content-Type"), CONTENT_TYPE)
        result = parseMSML(response.body)
        assert isinstance(result, Result)
        return result

    def told(self) -> Event:
        """
        Take the INFO with an event.
        """
        request = self.peer.expectRequest(b"INFO")
        self.peer.respond(request, 200)
        event = parseMSML(request.body)
        assert isinstance(event, Event)
        return event
