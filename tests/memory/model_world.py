"""
A node, or a pair of them, with four telephones and two media servers, in which the
operations of L{tests.memory.models} are done with real messages.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sipcluster.app.node import NodeMember
from sipcluster.app.settings import Extension, Node
from sipcluster.sessioncontroller.events import CallEvent
from sipcluster.sessioncontroller.isessioncontroller import CallRefused, RoutingPointDN
from sipcluster.sip.message import Request
from sipcluster.sip.sdp import directionOf
from sipcluster.wire.correlation import Requester
from tests.memory.conversations import NUMBERS, Line
from tests.memory.models import DONE, LEGAL, REFUSED, WAITS
from tests.memory.nodes import NODE
from tests.memory.routing import Clients
from tests.memory.takeover import Cut
from tests.memory.test_conferences_takeover import ConferenceLives
from tests.memory.test_transfers_takeover import KeptDesk, KeptLine

#: Who takes part.
LETTERS = "ABCD"

_LETTER_OF = {number: letter for letter, number in NUMBERS.items()}


class ModelLine(KeptLine):
    """
    A line that remembers that it holds, whatever the other side says.
    """

    def _answerTo(self, invite: Request) -> bytes:
        theirs = directionOf(invite.body) if invite.body else b"sendrecv"
        sends = theirs in (b"sendrecv", b"recvonly")
        hears = theirs in (b"sendrecv", b"sendonly") and self.direction == "sendrecv"
        return self.description(_DIRECTIONS[sends, hears])


_DIRECTIONS = {
    (True, True): "sendrecv",
    (True, False): "sendonly",
    (False, True): "recvonly",
    (False, False): "inactive",
}


class ModelDesk(KeptDesk):
    """
    A telephone with such lines.
    """

    lineClass = ModelLine


class World(ConferenceLives):
    """
    Telephones A to D, all of whose calls are at one pair.

    @ivar asked: what was asked, by number, as often as it was.
    @ivar silent: what no event need answer.
    """

    settings = {"noAnswerTimeout": 100_000}

    def runTest(self) -> None:
        """
        It is no test of its own.
        """

    def __init__(self) -> None:
        super().__init__("runTest")
        self.hanging, self.failures, self.failedIn = [], [], []

    def setUp(self) -> None:
        self._installObserver()
        self.asked: dict[int, list[Any]] = {}
        self.silent: set[int] = set()
        super().setUp()
        dave = self.phone(NUMBERS["D"], "198.51.100.4")
        phones = (self.alice, self.bob, self.carol, dave)
        for index, (letter, phone) in enumerate(zip(LETTERS, phones, strict=True)):
            self.desks[letter] = ModelDesk(phone, f"phone{letter}", 4000 + 100 * index)

    def close(self) -> None:
        """
        Nothing is left.
        """
        try:
            while self._cleanups:
                function, arguments, named = self._cleanups.pop()
                function(*arguments, **named)
        finally:
            self.flushLoggedErrors()
            self._removeObserver()

    def makeNode(self, name: str, address: str) -> NodeMember:
        number = NUMBERS["D"]
        dave = Extension(number=number, password=f"secret-{number}")
        configuration = self.configuration
        if dave not in configuration.dns:
            self.configuration = evolve(
                configuration,
                dns=(*configuration.dns, dave),
                applications=tuple(
                    evolve(one, maxCalls=40) if isinstance(one, Node) else one
                    for one in configuration.applications
                ),
            )
        return super().makeNode(name, address)

    def finishNode(self, node: NodeMember) -> None:
        super().finishNode(node)
        node.controller.ua.routing.clients = Clients("5000")
        directory = node.controller._authenticator.directory
        point = directory._dns["5000"]
        assert isinstance(point, RoutingPointDN)
        directory._dns["5000"] = evolve(point, routerTimeout=1e6)

    # What is done

    def ask(self, what: str, dn: str, *more: object) -> None:
        *arguments, number = more
        assert isinstance(number, int)
        results: list[object] = []
        if what == "observe":
            self.silent.add(number)
        self.asked.setdefault(number, []).append(results)
        method = getattr(self.controller, what)
        done: Deferred[Any] = method(
            dn, *arguments, requester=Requester("model", number)
        )
        done.addCallbacks(
            lambda _: results.append(DONE), partial(self._notDone, results)
        )

    def _notDone(self, results: list[object], failure: Failure) -> None:
        failure.trap(CallRefused)
        results.append(REFUSED)

    def letter(self, dn: str) -> str:
        """
        Whose number that is.
        """
        return _LETTER_OF[dn]

    def lineIn(self, dn: str, connID: str) -> Line:
        """
        The line with which a DN is in a call, or rings for it.
        """
        letter = self.letter(dn)
        return self.line(letter, connID)

    def dieIn(self, turns: int, cut: Cut) -> None:
        """
        The primary dies so many turns of its reactor later, unless it has died.
        """
        if self.alive == NODE:
            self.cutAt, self.cut = self.turns + turns, cut

    def doNotDie(self) -> None:
        """
        It was not to be.
        """
        if self.alive == NODE:
            self.cutAt = 0

    def moveNow(self) -> None:
        """
        The primary dies between two things.
        """
        if self.alive == NODE:
            self.cutAt = 0
            self.takeOver()

    # What has come of it

    def outcome(self, number: int) -> str:
        """
        What has become of a request.
        """
        wanted = Requester("model", number)
        told = sum(event.requester == wanted for event in self.sink.events)
        refused = sum(who == wanted for who, _ in self.refused)
        results = self.asked[number][-1]
        if told > 1 or refused > 1 or len(results) > 1 or (told and refused):
            return f"answered more than once: {told} {refused} {results}"
        if told or (results == [DONE] and number in self.silent):
            return DONE
        if refused or results == [REFUSED]:
            return REFUSED
        return WAITS if not results else "done, and nobody was told"

    def states_(self) -> dict[tuple[str, str], str]:
        """
        The states of all parties, by ConnID and DN, as events tell them.

        @raise AssertionError: a sequence of events is not legal.
        """
        live: dict[tuple[str, str], str] = {}
        for event in self.sink.events:
            self._follow(live, event)
        return live

    def _follow(self, live: dict[tuple[str, str], str], event: CallEvent) -> None:
        view, name = event.party, type(event).__name__
        key = (view.connID, view.thisDN)
        came = (view.previousConnID, view.thisDN)
        if name == "PartyChanged" and came in live and key not in live:
            live[key] = live.pop(came)
        state = live.get(key)
        row = LEGAL[state]
        if name not in row:
            raise AssertionError(f"{name} of {key} in state {state}")
        new = row[name]
        if new is None:
            del live[key]
        elif new:
            live[key] = new

    def assertReleasedOnce(self) -> None:
        """
        All whom events told of calls were told that they are over.
        """
        self.assertEqual(self.states_(), {})

    def really(self) -> dict[tuple[str, str], str]:
        """
        The same, as the node has them.
        """
        return {
            (connID, party.view.thisDN): party.state
            for connID in self.controller.calls
            for party in self.controller.partiesIn(connID)
        }
