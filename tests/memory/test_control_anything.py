"""
Whatever is asked of a call, and whatever its far ends do, in whatever order, nothing
breaks and nothing is left.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from sipcluster.sessioncontroller.isessioncontroller import CallRefused, ICallControl
from sipcluster.sip.sdp import directionOf
from sipcluster.testing.sip_peer import sdp
from sipcluster.wire.correlation import Requester
from tests.memory.test_calls_anything import AnythingTests

ANYTHING: tuple[str, ...] = ("answer", "hold", "retrieve", "redirect", "data", "digits")
ANYTHING += ("make", "make", "release", "clear")

#: How a phone answers an offer.
MIRROR = {
    b"": "",
    b"sendrecv": "",
    b"inactive": "inactive",
    b"sendonly": "recvonly",
    b"recvonly": "sendonly",
}

#: What makes sense in which state.
LIKELY = {
    "Alerting": ("answer", "answer", "redirect", "data"),
    "Connected": ("hold", "hold", "data", "digits"),
    "Hold": ("retrieve", "retrieve", "retrieve", "hold"),
}


class ControlledAnythingTests(AnythingTests):
    """
    As L{AnythingTests}, and a T-Library client that asks for anything.

    @ivar asked: what was asked, and what has come of it.
    """

    runs = 120

    def setUp(self) -> None:
        super().setUp()
        self.asked: list[tuple[str, Deferred[Any], list[object]]] = []

    @property
    def control(self) -> ICallControl:
        """
        What can be asked.
        """
        return self.node.controller

    def oneRun(self) -> None:
        """
        One more thing that may happen at each step.
        """
        self.asked.clear()
        super().oneRun()
        for what, _, results in self.asked:
            self.assertEqual(len(results), 1, what)
            (result,) = results
            self.assertTrue(result is True or isinstance(result, CallRefused), result)
        self.assertEqual(self.node.controller.ua.parties, {})

    def answerSomething(self) -> None:
        """
        More often than not, the phones behave.
        """
        chance = self.chance
        if not self.requests or chance.random() < 0.4:
            super().answerSomething()
            return
        peer, request = self.requests[-1]
        if request.method == b"ACK":
            self.requests.pop()
            return
        if request.method == b"INVITE" and request.toTag:
            direction = directionOf(request.body) if request.body else b""
            body = sdp("x", chance.choice((4000, 4000, 4002)), MIRROR[direction])
        else:
            body = sdp() if request.method == b"INVITE" else b""
        status = 200 if request.toTag or chance.random() < 0.4 else 180
        contact = [(b"Contact", b"<sip:1002@198.51.100.2>")]
        tag = request.toTag or b"sofa"
        peer.respond(request, status, tag, contact, body if status == 200 else b"")
        if status == 200:
            self.requests.pop()

    def wait(self) -> None:
        """
        Half of the times that time would pass, something is asked.
        """
        if self.chance.random() < 0.3:
            super().wait()
        else:
            self.askControl()

    def repeat(self) -> None:
        """
        As often as something is sent again, something is asked.
        """
        if self.chance.random() < 0.2:
            super().repeat()
        for _ in range(self.chance.randrange(3)):
            self.askControl()

    def askControl(self) -> None:
        """
        Ask for something.
        """
        chance, control = self.chance, self.control
        calls = list(self.node.controller.calls)
        connID = chance.choice(calls) if calls else "0" * 16
        dn, state = chance.choice(("1001", "1002", "1003")), ""
        parties = control.partiesIn(connID)
        if parties and chance.random() < 0.9:
            party = chance.choice(parties)
            dn, state = party.view.thisDN, party.state
        who = Requester("any", len(self.asked) + 1)
        what = chance.choice(LIKELY.get(state, ANYTHING))
        if chance.random() < 0.2:
            what = chance.choice(ANYTHING)
        if what == "make":
            done: Deferred[Any] = control.makeCall(
                dn, chance.choice(("1002", "1003", "7777")), requester=who
            )
        elif what == "redirect":
            done = control.redirect(dn, connID, chance.choice(("1003", "7")), who)
        elif what == "data":
            done = control.changeUserData(dn, connID, (("k", "v"),), requester=who)
        elif what == "digits":
            done = control.sendDTMF(dn, connID, "12", who)
        elif what in ("release", "clear") and chance.random() < 0.7:
            return
        else:
            done = getattr(control, what)(dn, connID, who)
        results: list[object] = []
        done.addCallbacks(
            lambda _: results.append(True), lambda f: results.append(f.value)
        )
        self.asked.append((what, done, results))

    def assertLegal(self, seed: int) -> None:
        """
        The events of each party are in a legal order, and no request was answered by
        two events.
        """
        answers = [e.requester for e in self.sink.events if e.requester is not None]
        self.assertEqual(len(answers), len(set(answers)), seed)
        self.sink.events[:] = [
            event
            for event in self.sink.events
            if type(event).__name__ not in ("UserDataChanged", "DTMFSent")
        ]
        super().assertLegal(seed)


del AnythingTests
