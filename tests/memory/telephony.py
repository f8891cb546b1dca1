"""
A node with T-Library ports between telephones that behave as such and T-Library
clients, on one clock; and the player of scenarios.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from attrs import evolve

from sipcluster.app.node import NodeMember
from sipcluster.app.settings import Node, TLibApplication
from sipcluster.testing.telephone import Telephone, settle
from sipcluster.testing.tlib_peer import TLibPeer
from sipcluster.tlib import messages
from sipcluster.tlib.messages import Message
from sipcluster.tserver.itserver import IConnectionTaker
from tests.memory.nodes import DOMAIN, PROXY1, PROXY2, THEN, TRUNK, NodeTestCase
from tests.scenarios.compare import Got
from tests.scenarios.playing import Play
from tests.scenarios.table import NUMBERS, Scenario, Step, number

#: Those who ask, and those who only see: name, password, role.
DESKTOP = TLibApplication(name="desktop", password="secret-desktop")
MONITOR = TLibApplication(name="monitor", password="secret-monitor", role="monitor")


class Client(TLibPeer):
    """
    A T-Library client that notes when events came.
    """

    def __init__(
        self,
        server: IConnectionTaker,
        now: Callable[[], float],
        application: TLibApplication,
    ) -> None:
        super().__init__(server, application.name, application.password)
        self._now = now
        self._times: list[float] = []
        self._taken = 0
        self._position = 0

    def dataReceived(self, data: bytes) -> None:
        """
        Take bytes of the server.
        """
        super().dataReceived(data)
        self._times += [self._now()] * (len(self.all) - len(self._times))

    def take(self) -> list[Got]:
        """
        What has come since the last time.

        @raise AssertionError: a position was left out, or came twice.
        """
        start, self._taken = self._taken, len(self.all)
        self.envelopes.clear()
        got = []
        for envelope, time in zip(self.all[start:], self._times[start:], strict=True):
            if envelope.position:
                assert envelope.position == self._position + 1, envelope
                self._position = envelope.position
            if not isinstance(envelope.message, messages.LinkPoll):
                got.append(Got(envelope.message, envelope.reference, time))
        return got


class TelephonyTestCase(NodeTestCase):
    """
    Plays scenarios.

    @ivar scenario: the one that the test method plays.
    @ivar telephones: by the letters of the tables.
    """

    scenario: Scenario | None = None

    #: The port at which the clients are that ask.
    portName = "TCport"

    #: The DNs that have a client of their own.
    letters = "ABC"

    def setUp(self) -> None:
        self.scenario = _SCENARIOS.get(
            f"{type(self).__module__}.{self._testMethodName}"
        )
        if self.scenario is not None:
            self.settings = {**self.settings, **dict(self.scenario.settings)}
        super().setUp()
        self.addCleanup(self.leave)
        far = self.phone(NUMBERS["O"], TRUNK)
        far.password = b""
        phones = {"A": self.alice, "B": self.bob, "C": self.carol, "O": far}
        self.telephones = {
            letter: Telephone(phone, f"phone{letter}", 4000 + 2 * index)
            for index, (letter, phone) in enumerate(phones.items())
        }
        # Those who ask, one for each DN, and one at each port that sees all.
        own = self.node.cti.ports[self.portName][0]
        self.clients = {
            letter: self.makeClient(own, [NUMBERS[letter]]) for letter in self.letters
        }
        dns = [NUMBERS[letter] for letter in self.letters]
        #: The ids of the calls that the tables name.
        self.named: dict[str, dict[str, Any]] = {}
        self.witnesses = {
            name: self.makeClient(server, dns, MONITOR)
            for name, (server, _) in self.node.cti.ports.items()
        }

    def makeNode(self, name: str, address: str) -> NodeMember:
        self.configuration = evolve(
            self.configuration,
            tlibApplications=(DESKTOP, MONITOR),
            applications=tuple(
                evolve(one, geoLocation="dc1") if isinstance(one, Node) else one
                for one in self.configuration.applications
            ),
        )
        return super().makeNode(name, address)

    def now(self) -> float:
        """
        What the wall clock says.
        """
        return THEN + self.clock.seconds()

    def leave(self) -> None:
        """
        All clients go.
        """
        for client in (*self.clients.values(), *self.witnesses.values()):
            client.leave()

    def makeClient(
        self,
        server: IConnectionTaker,
        dns: Sequence[str],
        application: TLibApplication = DESKTOP,
    ) -> Client:
        """
        A client that has registered DNs.
        """
        client = Client(server, self.now, application)
        client.connect()
        if dns:
            client.register(*dns)
        client.take()
        return client

    # Playing

    def settle(self) -> None:
        """
        Let all that is under way arrive, and the telephones do what it wants.
        """
        peers = {PROXY1: self.peer, PROXY2: self.peer2}
        settle(peers, list(self.telephones.values()))

    def play(self, scenario: Scenario) -> None:
        """
        Do what the steps say, and compare after each one what all clients got.
        """
        play = Play(scenario, self.portName)
        self.named = play.comparison.calls
        for step in scenario.steps:
            reference = self.perform(step, play.request(step))
            witnesses = {name: one.take() for name, one in self.witnesses.items()}
            clients = {letter: one.take() for letter, one in self.clients.items()}
            wrong = play.wrong(step, play.rows(step), reference, witnesses, clients)
            if wrong:
                self.fail(f"{step.what}:\n" + "\n".join(wrong))
        for telephone in self.telephones.values():
            self.assertFalse(telephone.talks)
        self.assertNoCall()

    def perform(self, step: Step, request: Message | None) -> int:
        """
        Do what a step says.

        @return: the ReferenceID of the request; 0: there is none.
        """
        what, letter, *more = step.do
        reference = 0
        if request is None:
            self._act(what, letter, more)
        else:
            if what == "RequestMakeCall" and isinstance(more[-1], int):
                self.telephones[letter].refuses = more[-1]
            if what == "RequestRouteCall" and isinstance(more[-1], int):
                self.telephones[more[0]].refuses = more[-1]
            reference = self.clients[letter].request(request)
        self.settle()
        if what == "RequestSendDTMF":
            for _ in range(20):
                self.run_(0.1)  # they are sent one after another
                self.settle()
        if what == "RequestMakeCall" and self.telephones[letter].rings is not None:
            self.telephones[letter].answer()  # it does not do so by itself
            self.settle()
        return reference

    def _act(self, what: str, letter: str, more: Sequence[Any]) -> None:
        telephone = self.telephones[letter]
        if what == "call":
            telephone.call(number(more[0]), DOMAIN if letter == "O" else "")
        elif what == "refuse":
            telephone.refuse(more[0])
        elif what == "deflect":
            uri = f"<sip:{number(more[0])}@{DOMAIN}>".encode()
            telephone.refuse(302, [(b"Contact", uri)])
        elif what == "wait":
            self.run_(more[0])
        elif what == "leave":
            self.clients.pop(letter).leave()
        elif what == "register":
            self.node.cti.controller.deviceInService(number(letter))
        elif what in ("unregister", "expire"):
            self.node.cti.controller.deviceOutOfService(number(letter), what)
        elif what == "noAnswer":
            self.run_(self.configuration.clusterNodes.noAnswerTimeout)
        else:
            getattr(telephone, what)()


#: The scenarios of test methods, by module and method.
_SCENARIOS: dict[str, Scenario] = {}

T = TypeVar("T", bound=type[TelephonyTestCase])


def plays(*scenarios: Scenario) -> Callable[[T], T]:
    """
    Give a class a test for each scenario.
    """

    def add(cls: T) -> T:
        for scenario in scenarios:

            def test(self: TelephonyTestCase) -> None:
                assert self.scenario is not None
                self.play(self.scenario)

            name = f"test_{scenario.name}"
            test.__name__ = name
            test.__qualname__ = f"{cls.__qualname__}.{name}"
            test.__doc__ = f"{scenario.title}."
            setattr(cls, name, test)
            _SCENARIOS[f"{cls.__module__}.{name}"] = scenario
        return cls

    return add
