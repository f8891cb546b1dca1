"""
A node with T-Library ports between telephones that behave as such and T-Library
clients, on one clock; and the player of scenarios.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from zope.interface import implementer

from sipcluster.app.node import NodeMember, makeNode
from sipcluster.app.runtime import NodeRuntime
from sipcluster.testing.telephone import Telephone, settle
from sipcluster.tlib import messages
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import Message
from sipcluster.tserver.call_events import Abandoned, CallEvents, timeOf
from sipcluster.tserver.call_requests import CallRequests
from sipcluster.tserver.itserver import ClientView, IEventPublisher
from sipcluster.tserver.outgoing import Outgoing
from sipcluster.wire.correlation import Requester
from tests.memory.nodes import DOMAIN, THEN, TRUNK, NodeTestCase
from tests.scenarios.compare import Comparison, Got
from tests.scenarios.table import NUMBERS, Scenario, Step, number

#: What the driver asks when a step asks for a request: the attributes besides
#: ThisDN and ConnID, from what follows the letter in the step.
_REQUESTS: dict[str, Callable[..., dict[str, Any]]] = {
    "RequestMakeCall": lambda other, *data: {
        "otherDN": number(other),
        **({"userData": data[0]} if data and isinstance(data[0], tuple) else {}),
    },
    "RequestRedirectCall": lambda other: {"otherDN": number(other)},
    "RequestAttachUserData": lambda data: {"userData": data},
    "RequestUpdateUserData": lambda data: {"userData": data},
    "RequestDeletePair": lambda key: {"dataKey": key},
    "RequestSendDTMF": lambda digits: {"dtmfDigits": digits},
}


class Client:
    """
    A T-Library client.

    @ivar got: the events that came, in order, and were not looked at.
    """

    def __init__(self, name: str, dns: Sequence[str]) -> None:
        self.view = ClientView(name, name)
        self.dns = set(dns)
        self.got: list[Got] = []

    def take(self) -> list[Got]:
        """
        What has come since the last time.
        """
        got, self.got = self.got, []
        return got


@implementer(IEventPublisher)
class Port:
    """
    A T-Library port without a wire.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self.clients: dict[str, Client] = {}
        self._seconds = seconds

    def publish(
        self, dn: str, event: Message | Outgoing, requester: Requester | None = None
    ) -> None:
        message = event.message if isinstance(event, Outgoing) else event
        for client in self.clients.values():
            asked = requester is not None and requester.client == client.view.id
            if dn in client.dns or asked:
                reference = requester.reference if requester and asked else 0
                client.got.append(Got(message, reference, self._seconds()))

    def publishToAll(self, event: Message | Outgoing) -> None:
        raise NotImplementedError

    def answer(self, requester: Requester, event: Message | Outgoing) -> None:
        message = event.message if isinstance(event, Outgoing) else event
        client = self.clients[requester.client]
        client.got.append(Got(message, requester.reference, self._seconds()))

    def refuse(self, requester: Requester, code: TErrorCode, text: str = "") -> None:
        self.answer(
            requester,
            messages.EventError(
                time=timeOf(self._seconds()),
                errorCode=code,
                errorMessage=text or code.text,
            ),
        )

    def watched(self, dn: str) -> bool:
        return any(dn in client.dns for client in self.clients.values())


class TelephonyTestCase(NodeTestCase):
    """
    Plays scenarios.

    @ivar scenario: the one that the test method plays.
    @ivar telephones: by the letters of the tables.
    """

    scenario: Scenario | None = None

    def setUp(self) -> None:
        self.scenario = _SCENARIOS.get(
            f"{type(self).__module__}.{self._testMethodName}"
        )
        if self.scenario is not None:
            self.settings = dict(self.scenario.settings)
        super().setUp()
        far = self.phone(NUMBERS["O"], TRUNK)
        far.password = b""
        phones = {"A": self.alice, "B": self.bob, "C": self.carol, "O": far}
        self.telephones = {
            letter: Telephone(phone, f"phone{letter}", 4000 + 2 * index)
            for index, (letter, phone) in enumerate(phones.items())
        }
        self.comparison = Comparison()
        self.reference = 0
        self.clients = {
            letter: self.makeClient(letter, [NUMBERS[letter]]) for letter in "ABC"
        }
        self.everything = self.makeClient("all", [NUMBERS[one] for one in "ABC"])

    def now(self) -> float:
        """
        What the wall clock says.
        """
        return THEN + self.clock.seconds()

    def makeClient(self, name: str, dns: Sequence[str]) -> Client:
        """
        A client that has registered DNs.
        """
        client = self.port.clients[name] = Client(name, dns)
        return client

    def makeNode(self, name: str, address: str) -> NodeMember:
        self.port = Port(self.now)
        runtime = NodeRuntime(
            name=name,
            configuration=self.configuration,
            clock=self.clock,
            wallTime=self.now,
            entropy=self.network.entropy,
            transport=self.network.host(address),
        )
        abandoned = Abandoned(self.configuration.clusterNodes.eventAbandoned)
        node = makeNode(runtime, [self.sink, CallEvents([self.port], abandoned)])
        self.requests = CallRequests(node.controller, self.port)
        node.startService()
        return node

    def request(self, client: Client, message: Message) -> int:
        """
        Send a request.

        @return: its ReferenceID.
        """
        self.reference += 1
        asker = Requester(client.view.id, self.reference)
        self.requests.requested(message, asker, client.view)
        return self.reference

    # Playing

    def settle(self) -> None:
        """
        Let all that is under way arrive, and the telephones do what it wants.
        """
        settle([self.peer, self.peer2], list(self.telephones.values()))

    def play(self, scenario: Scenario) -> None:
        """
        Do what the steps say, and compare after each one what all clients got.
        """
        for step in scenario.steps:
            reference = self.perform(step)
            self.compare(step, reference)
        for telephone in self.telephones.values():
            self.assertFalse(telephone.talks)
        self.assertNoCall()

    def perform(self, step: Step) -> int:
        """
        @return: the ReferenceID, when the step is a request.
        """
        what, letter, *more = step.do
        reference = 0
        if what.startswith("Request"):
            reference = self._request(what, letter, more)
        else:
            self._act(what, self.telephones[letter], more)
        self.settle()
        return reference

    def _request(self, what: str, letter: str, more: Sequence[Any]) -> int:
        attributes: dict[str, Any] = {"thisDN": number(letter)}
        if what == "RequestMakeCall":
            if len(more) > 1 and isinstance(more[1], int):
                self.telephones[letter].refuses = more[1]
        else:
            attributes["connID"] = self.comparison.calls["c1"]["connID"]
        if what in _REQUESTS:
            attributes.update(_REQUESTS[what](*more))
        kind = getattr(messages, what)
        return self.request(self.clients[letter], kind(**attributes))

    def _act(self, what: str, telephone: Telephone, more: Sequence[Any]) -> None:
        if what == "call":
            outside = telephone is self.telephones["O"]
            telephone.call(number(more[0]), DOMAIN if outside else "")
        elif what == "refuse":
            telephone.refuse(more[0])
        elif what == "deflect":
            uri = f"<sip:{number(more[0])}@{DOMAIN}>".encode()
            telephone.refuse(302, [(b"Contact", uri)])
        elif what == "noAnswer":
            self.run_(self.configuration.clusterNodes.noAnswerTimeout)
        else:
            getattr(telephone, what)()

    def compare(self, step: Step, reference: int) -> None:
        """
        Compare what has come with the rows of a step.
        """
        all_ = self.everything.take()
        wrong = self.comparison.differences(step.rows, all_)
        wrong += [
            f"reference {one.reference} of {one}" for one in all_ if one.reference
        ]
        asking = step.do[1] if reference else ""
        for letter, client in self.clients.items():
            got = client.take()
            if letter == asking and step.error:
                self.assertError(step, got, reference)
                continue
            rows = [row for row in step.rows if row.this == letter]
            for text in self.comparison.differences(rows, got):
                wrong.append(f"client of {letter}: {text}")
            wanted = [
                reference if row.answers and letter == asking else 0 for row in rows
            ]
            found = [one.reference for one in got]
            if found != wanted:
                wrong.append(f"client of {letter}: references {found}, want {wanted}")
        if wrong:
            self.fail(f"{step.what}:\n" + "\n".join(wrong))

    def assertError(self, step: Step, got: Sequence[Got], reference: int) -> None:
        """
        The request of a step was refused, and nothing else came of it.
        """
        found = [
            (one.name, TErrorCode(one.attributes["errorCode"]).name, one.reference)
            for one in got
            if "errorCode" in one.attributes
        ]
        self.assertEqual(found, [("EventError", step.error, reference)], step.what)
        self.assertEqual(len(got), 1, step.what)


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
