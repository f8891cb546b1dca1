"""
Whatever is asked of calls that meet, and whatever telephones do meanwhile, in whatever
order: nothing breaks, who is connected hears the other one, and nothing is left.
"""

from __future__ import annotations

import random
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred

from sipcluster.app.node import NodeMember
from sipcluster.app.settings import Node
from sipcluster.sessioncontroller.isessioncontroller import CallRefused
from sipcluster.sip.message import Message
from sipcluster.sip.sdp import directionOf
from sipcluster.wire.correlation import Requester
from tests.memory.conversations import NUMBERS, Conversation, Line
from tests.memory.nodes import PROXY1, PROXY2

#: Calls at one time.
MOST_CALLS = 5

#: What is asked, as often as it stands here.
WISHES = (
    *("consult",) * 5,
    *("completeTransfer",) * 4,
    *("alternate",) * 3,
    *("reconnect",) * 2,
    *("muteTransfer",) * 2,
    *("singleStepTransfer",) * 2,
    *("hold", "retrieve", "retrieve", "makeCall", "answer", "redirect", "release"),
)


class AnythingTests(Conversation):
    """
    Runs by chance, each of which is told by its seed.
    """

    settings = {"noAnswerTimeout": 60}
    runs = 60
    steps = 40

    #: What is dialled.
    numbers: tuple[str, ...] = ("1001", "1002", "1003")

    def makeNode(self, name: str, address: str) -> NodeMember:
        self.configuration = evolve(
            self.configuration,
            applications=tuple(
                evolve(one, maxCalls=2 * MOST_CALLS) if isinstance(one, Node) else one
                for one in self.configuration.applications
            ),
        )
        return super().makeNode(name, address)

    def setUp(self) -> None:
        super().setUp()
        self.asked: list[tuple[str, Deferred[Any], list[object]]] = []

    def test_anything(self) -> None:
        """
        Many runs.
        """
        for seed in range(self.runs):
            try:
                self.oneRun(seed)
            except Exception as e:
                raise AssertionError(f"seed {seed}: {e!r}") from e

    def oneRun(self, seed: int) -> None:
        """
        One run.
        """
        self.chance = chance = random.Random(seed)
        stubborn = not seed % 5
        self.refusals = (491, 488) if stubborn else (491, 491, 500)
        self.asked.clear()
        self.names.clear()
        self.sink.events.clear()
        self.looked = 0
        for desk in self.desks.values():
            desk.lines.clear()
            desk.refuses = 0
        self.talk("A", "B")
        for _ in range(self.steps):
            chance.choice((self.wish, self.wish, self.person, self.person, self.time))()
            for _ in range(chance.choice((0, 1, 3, 10, 40))):
                self.deliver()
        self.settle()
        for line in self.lines:
            line.refusesChanges.clear()
        self.pass_(30)
        if not stubborn:  # else who holds may hear that
            for call in self.controller.calls.values():
                self.assertMedia(call)
        self.end()
        for what, _, results in self.asked:
            self.assertEqual(len(results), 1, what)
            (result,) = results
            self.assertTrue(result is True or isinstance(result, CallRefused), result)
        self.assertEqual(self.controller.ua.parties, {})
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertLegal()

    def end(self) -> None:
        """
        Everybody hangs up, and nothing is left.
        """
        for line in self.lines:
            if line.talks:
                line.hangUp()
            elif line.rings is not None:
                line.refuse(486)
            elif line._calls is not None:
                line.giveUp()
            self.settle()
        self.run_(130)
        self.settle()
        self.run_(40)
        self.settle()
        status = self.node.status()
        for name in ("calls", "dialogs", "transactions", "timers", "attempts"):
            self.assertEqual(status[name], 0, name)

    def assertMedia(self, call: Any) -> None:
        """
        Two who are connected hear each other, or do not if one of them holds.
        """
        legs = [leg for leg in call.telephones if leg.party.live]
        if len(legs) != 2 or any(leg.state != "Confirmed" for leg in legs):
            return
        one, other = legs
        self.assertIs(one.peer, other)
        lines = [self.lineOf(leg.callID) for leg in legs]
        states = [leg.party.state for leg in legs]
        if any(line.direction != directionOf(line.said).decode() for line in lines):
            return  # it was told that it cannot hold, and has said before that it does
        for this, that in (lines, lines[::-1]):
            if states == ["Connected", "Connected"]:
                self.assertEqual(this.direction, "sendrecv")
                self.assertEqual((this.hears, this.speaksTo), (that.port, that.port))
            elif any(leg.holding for leg in legs):
                self.assertEqual((this.hears, this.speaksTo), (0, 0))

    def assertLegal(self) -> None:
        """
        Each party's events begin once and end once, and requests are answered once.
        """
        answers = [e.requester for e in self.sink.events if e.requester is not None]
        self.assertEqual(len(answers), len(set(answers)))
        live: set[tuple[str, str]] = set()
        for event in self.sink.events:
            view, name = event.party, type(event).__name__
            key = (view.connID, view.thisDN)
            if name == "PartyChanged" and view.previousConnID:
                came = (view.previousConnID, view.thisDN)
                if came in live:
                    live.remove(came)
                    self.assertNotIn(key, live)
                    live.add(key)
            if name in ("Offered", "Alerting"):
                self.assertNotIn(key, live, f"{name} {key}")
                live.add(key)
            self.assertIn(key, live, f"{name} {key}")
            if name == "Released":
                live.remove(key)
        self.assertEqual(live, set())

    # What happens

    @property
    def lines(self) -> list[Line]:
        """
        All lines.
        """
        return [line for desk in self.desks.values() for line in desk.lines]

    def lineOf(self, callID: bytes) -> Line:
        """
        The line that has a call.
        """
        (line,) = (line for line in self.lines if line.has(callID))
        return line

    def deliver(self) -> None:
        """
        One message arrives at its telephone.
        """
        self.pump()
        peers = [(PROXY1, self.peer), (PROXY2, self.peer2)]
        for address, peer in peers:
            if peer.inbox:
                message: Message = peer.inbox.pop(0)
                for desk in self.desks.values():
                    if desk.owns(message):
                        desk.reached(address, peer)
                        desk.received(message)
                        return

    def time(self) -> None:
        """
        Time passes.
        """
        self.run_(self.chance.choice((0.1, 1.0, 3.0)))

    def person(self) -> None:
        """
        Somebody does something at a telephone.
        """
        chance = self.chance
        line = chance.choice(self.lines)
        what = chance.random()
        if line.rings is not None:
            if what < 0.8:
                line.answer()
            else:
                line.refuse(486)
        elif line.talks and line._reinvites is None and what < 0.5:
            if what < 0.1:
                line.hangUp()
            elif what < 0.3:
                line.refusesChanges.append(chance.choice(self.refusals))
            elif line.direction == "sendrecv":
                line.hold()
            else:
                line.retrieve()
        elif what < 0.6 and len(self.controller.calls) < MOST_CALLS:
            letter = chance.choice("ABC")
            self.desks[letter].call(chance.choice((*self.numbers, "77")))
        elif what < 0.7:
            self.desks[chance.choice("ABC")].refuses = 486

    def wish(self) -> None:
        """
        Somebody asks for something.
        """
        chance, control = self.chance, self.controller
        who = Requester("any", len(self.asked) + 1)
        dn = NUMBERS[chance.choice("ABC")]
        to = NUMBERS[chance.choice("ABC")] if chance.random() < 0.9 else "77"
        what = chance.choice(WISHES)
        held = [one.view.connID for one in control.partiesOf(dn) if one.state == "Hold"]
        other = [
            one.view.connID for one in control.partiesOf(dn) if one.state != "Hold"
        ]
        calls = list(control.calls) or ["0" * 16]
        done: Deferred[Any]
        if what == "makeCall":
            done = control.makeCall(dn, to, requester=who)
        elif what in ("completeTransfer", "alternate", "reconnect"):
            one = chance.choice(held or calls)
            two = chance.choice(other or calls)
            done = getattr(control, what)(dn, one, two, who)
        elif what in ("consult", "muteTransfer", "singleStepTransfer", "redirect"):
            one = chance.choice(other or calls)
            done = getattr(control, what)(dn, one, to, requester=who)
        else:
            one = chance.choice((held if what == "retrieve" else other) or calls)
            done = getattr(control, what)(dn, one, who)
        results: list[object] = []
        done.addCallbacks(
            lambda _: results.append(True), lambda f: results.append(f.value)
        )
        self.asked.append((what, done, results))
