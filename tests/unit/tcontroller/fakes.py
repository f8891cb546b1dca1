"""
What stands in for the neighbours of the T-Controller in its tests.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipcluster.sessioncontroller.events import (
    Alerting,
    Answered,
    CallEvent,
    CallType,
    Cause,
    Failed,
    Offered,
    PartyView,
    Released,
    Role,
)
from sipcluster.sessioncontroller.isessioncontroller import (
    DN,
    ExtensionDN,
    IEventSink,
    RoutingPointDN,
    TrunkDN,
)
from sipcluster.tcontroller.controller import TController
from sipcluster.tcontroller.itcontroller import AgentSettings
from sipcluster.testing.clock import runFor
from sipcluster.tlib.codec import missing
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import Message
from sipcluster.tserver.itserver import ClientView, IEventPublisher
from sipcluster.wire.correlation import Requester

#: The time of day at which tests begin, in seconds since 1970.
NOON = 1_800_000_000.25

#: A desktop, a second one of the same application, and another application.
DESKTOP = ClientView("d1", "desktop")
DESKTOP2 = ClientView("d2", "desktop")
STATISTICS = ClientView("s1", "statistics")

#: All DNs of the switch.
DNS: tuple[DN, ...] = (
    ExtensionDN("1001"),
    ExtensionDN("1002"),
    ExtensionDN("1003"),
    ExtensionDN("1004", contact=b"sip:agent@192.0.2.4"),
    TrunkDN("8000", b"sip:192.0.2.8", "192.0.2.8"),
    RoutingPointDN("5000"),
)

CONN = "006c02462a161006"

VIEW = PartyView(
    CONN,
    "0123456789abcdef0123456789abcdef",
    CallType.INTERNAL,
    "1001",
    Role.DESTINATION,
    True,
    "1002",
    Role.ORIGINATION,
    "1002",
    "1001",
    7,
)


@implementer(IEventPublisher, IEventSink)
class Port:
    """
    A TCport, and what makes T-Events of call events, that keep what they are given.

    @ivar told: in order: the name of an event, its DN and the reference that it
        answers (0: none); an error code as C{"41"}, C{""} and the reference; the
        name of a call event, its DN and 0.
    @ivar events: the T-Events, in order.
    @ivar texts: of the refusals.
    @ivar dns: those that somebody watches; L{None}: all.
    """

    def __init__(self) -> None:
        self.told: list[tuple[str, str, int]] = []
        self.events: list[Any] = []
        self.texts: list[str] = []
        self.dns: set[str] | None = None

    def publish(self, dn: str, event: Any, requester: Requester | None = None) -> None:
        assert event.thisDN == dn, event
        assert missing(event) == (), event
        reference = 0 if requester is None else requester.reference
        self.told.append((type(event).__name__, dn, reference))
        self.events.append(event)

    def publishToAll(self, event: Any) -> None:
        raise NotImplementedError

    def publishTo(self, clients: Iterable[str], event: Any) -> None:
        raise NotImplementedError

    def hasRoom(self, client: str) -> bool:
        raise NotImplementedError

    def answer(self, requester: Requester, event: Any) -> None:
        raise NotImplementedError

    def refuse(self, requester: Requester, code: TErrorCode, text: str = "") -> None:
        self.told.append((str(int(code)), "", requester.reference))
        self.texts.append(text)

    def watched(self, dn: str) -> bool:
        return self.dns is None or dn in self.dns

    def eventHappened(self, event: CallEvent) -> None:
        self.told.append((type(event).__name__, event.party.thisDN, 0))


class TControllerTestCase(SynchronousTestCase):
    """
    Tests of a whole T-Controller between a Session Controller and a TCport that
    are not there.
    """

    settings = AgentSettings()
    owners: tuple[str, ...] = ()

    def setUp(self) -> None:
        self.clock = Clock()
        self.port = Port()
        self.controller = self.make()
        self.reference = 0
        self.waiting: list[tuple[str, bool]] = []
        self.controller.messageWaitingChanged = self._waitingChanged

    def _waitingChanged(self, dn: str, on: bool) -> None:
        self.waiting.append((dn, on))

    def make(self) -> TController:
        """
        Make a T-Controller.
        """
        return TController(
            self.clock,
            lambda: NOON + self.clock.seconds(),
            self.port,
            DNS,
            self.settings,
            self.port,
            self.owners,
        )

    def since(self, begin: int) -> list[str]:
        """
        Names of what was told after so many others; with an asterisk: it answers
        the last request.
        """
        return [
            name + ("*" if reference == self.reference > 0 and name[0] == "E" else "")
            for name, _, reference in self.port.told[begin:]
        ]

    def ask(self, request: Message, client: ClientView = DESKTOP) -> list[str]:
        """
        Let a client ask, and say what is told.
        """
        self.reference += 1
        begin = len(self.port.told)
        requester = Requester(client.id, self.reference)
        assert request.number in self.controller.numbers
        self.controller.requested(request, requester, client)
        return self.since(begin)

    def happen(self, kind: type[CallEvent], dn: str = "1001", **more: Any) -> list[str]:
        """
        Let something happen in a call.
        """
        begin = len(self.port.told)
        view = evolve(
            VIEW,
            thisDN=dn,
            connID=more.pop("connID", CONN),
            previousConnID=more.pop("previousConnID", ""),
        )
        if kind is Released:
            more.setdefault("cause", Cause.OK)
        if kind is Failed:
            more = {"cause": Cause.BUSY, "status": 486, **more}
        self.controller.eventHappened(kind(view, NOON, **more))
        return self.since(begin)

    def talk(self, dn: str = "1001", connID: str = CONN) -> None:
        """
        Let a DN take a call.
        """
        self.happen(Alerting, dn, connID=connID)
        self.happen(Answered, dn, connID=connID)

    def wait(self, seconds: float) -> list[str]:
        """
        Let time go by.
        """
        begin = len(self.port.told)
        self.reference += 1  # nothing that comes now answers a request
        runFor(self.clock, seconds)
        return self.since(begin)

    @property
    def last(self) -> Any:
        """
        The last T-Event.
        """
        return self.port.events[-1]


#: Used by tests that import what they need from here.
__all__ = [
    "CONN",
    "DESKTOP",
    "DESKTOP2",
    "NOON",
    "STATISTICS",
    "Alerting",
    "Answered",
    "Cause",
    "Failed",
    "Offered",
    "Port",
    "Released",
    "TControllerTestCase",
]
