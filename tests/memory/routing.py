"""
A node with a routing point and somebody who says where its calls go, between scripted
phones.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve
from zope.interface import implementer

from sipcluster.sessioncontroller.events import CallEvent
from sipcluster.sessioncontroller.irouting import (
    IRouting,
    IRoutingClients,
    RouteType,
)
from sipcluster.sessioncontroller.isessioncontroller import RoutingPointDN
from sipcluster.sip.message import Request
from sipcluster.testing.sip_peer import Phone, sdp
from tests.memory.controls import WHO, ControlTestCase
from tests.memory.nodes import TRUNK


@implementer(IRoutingClients)
class Clients:
    """
    Say where calls go, as the test does.

    @ivar there: numbers of the routing points that have one.
    """

    def __init__(self, *there: str) -> None:
        self.there = set(there)

    def routed(self, dn: str) -> bool:
        """
        See L{IRoutingClients}.
        """
        return dn in self.there


class RoutingTestCase(ControlTestCase):
    """
    The routing point 5000, another one, 5001, and a routing client of both.

    @ivar clients: who says where calls go.
    @ivar points: what is set at routing points.
    """

    points: dict[str, dict[str, Any]] = {}

    def setUp(self) -> None:
        super().setUp()
        self.clients = Clients("5000", "5001")
        routing = self.node.controller.ua.routing
        routing.clients = self.clients
        directory = self.node.controller._authenticator.directory
        for number in ("5000", "5001"):
            point = RoutingPointDN(number)
            directory._dns[number] = evolve(point, **self.points.get(number, {}))

    @property
    def routing(self) -> IRouting:
        """
        What can be asked about calls at routing points.
        """
        return self.node.controller

    def short(self, event: CallEvent) -> str:
        """
        One event in a few letters; the third party, where there is one, with an arrow.
        """
        word = super().short(event)
        return word if event.third is None else f"{word} -> {event.third.dn}"

    # Steps

    def queued(self) -> str:
        """
        Alice calls the routing point.

        @return: the ConnID.
        """
        self.alice.request(b"INVITE", "5000", body=sdp())
        self.peer.expectResponse(180)
        self.assertEqual(
            self.news(), ["Offered 1001", "Queued 5000", "RouteRequested 5000"]
        )
        return self.connID

    def queuedFromTrunk(self) -> str:
        """
        Somebody from outside does.
        """
        far = self.far = self.phone("0301234", TRUNK)
        far.password = b""
        request = far.build(b"INVITE", body=sdp("far"))
        uri = b"sip:5000@lab.example"
        request = request.replacing(
            uri=uri, headers=request.headers.replace(b"To", b"<%b>" % uri)
        )
        far.invite = request
        self.peer.send(request)
        self.peer.expectResponse(180)
        return self.connID

    def routed(self, destination: str = "1002", **more: Any) -> Request:
        """
        Somebody says where the call goes.

        @return: the INVITE there.
        """
        self.done = self.routing.route(
            "5000", self.connID, destination, requester=WHO, **more
        )
        return self.peer.expectRequest(b"INVITE")

    def routeType(self, kind: RouteType, destination: str = "") -> None:
        """
        Somebody says what becomes of the call.
        """
        self.done = self.routing.route(
            "5000", self.connID, destination, kind, requester=WHO
        )

    def talks(self, invite: Request) -> None:
        """
        Bob answers, and Alice hears of it.
        """
        self.bob.answer(invite, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.peer.expectNothing()

    def point(self, number: str = "5000", **settings: Any) -> None:
        """
        Set something at a routing point.
        """
        directory = self.node.controller._authenticator.directory
        directory._dns[number] = evolve(directory._dns[number], **settings)

    def rings(self, invite: Request, phone: Phone | None = None) -> None:
        """
        A telephone rings; the caller has heard that before.
        """
        (phone or self.bob).answer(invite, 180)
        self.pump()
        self.peer.inbox = [
            one for one in self.peer.inbox if getattr(one, "status", 0) != 180
        ]

    def giveUp(self) -> None:
        """
        Alice does.
        """
        self.alice.cancel(self.alice.invite)
        self.peer.expectResponse(200)
        self.assertRefusedLater(487)
        self.assertNoCall()

    def assertRefusedLater(self, status: int) -> None:
        """
        Alice is refused, and others may be told something, too.
        """
        assert self.alice.invite is not None
        self.alice.acknowledgeRefusal(
            self.peer.expectResponse(status), self.alice.invite
        )

    def ringsInVain(self, invite: Request, phone: Phone | None = None) -> None:
        """
        Nobody answers a telephone for ten seconds.
        """
        self.rings(invite, phone)
        self.run_(10)
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.peer.respond(invite, 487)
        self.peer.expectRequest(b"ACK")
