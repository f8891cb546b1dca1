"""
Each operation on calls, with each message that the node sends for it failing in each
way in which it can: the request is answered once, all parties' events are legal, and
when everybody has hung up nothing is left.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from traceback import format_exc

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sessioncontroller.irouting import Treatment, TreatmentType
from sipcluster.sessioncontroller.isupervision import Monitoring
from sipcluster.sip.message import Message, Request
from sipcluster.testing.sip_peer import SIPPeer
from tests.memory.conversations import NUMBERS, Line, replacing
from tests.memory.model_world import World
from tests.memory.models import DONE, REFUSED
from tests.memory.nodes import DOMAIN

A, B, C, D = (NUMBERS[letter] for letter in "ABCD")

#: What the far end does instead of what it is to do: answers with a status; once, or
#: each time; says nothing at all; hangs up; or somebody else does at that moment.
FAILURES = (
    "486",
    "491",
    "500",
    "503",
    "491 always",
    "481",
    "silent",
    "hangs up",
    "first caller hangs up",
    "asking one hangs up",
    "all hang up",
    "dies",
)

MUSIC = Treatment(TreatmentType.MUSIC)

Act = Callable[["Stage"], None]


class Stage(World):
    """
    Where an operation fails.

    @ivar failAt: the number of the message that fails; 0: none.
    @ivar how: how it does.
    @ivar sent: what the node has sent since the operation began.
    """

    settings = {"noAnswerTimeout": 20}
    armed = False
    failAt = 0
    how = ""

    def setUp(self) -> None:
        super().setUp()
        self.sent: list[bytes] = []
        self.lost: set[tuple[bytes, int]] = set()
        self.refusedIDs: set[tuple[bytes, int]] = set()
        self.number = 0

    # What goes wrong

    def takes(self, address: str, peer: SIPPeer, message: Message) -> None:
        if isinstance(message, Request):
            key = (message.callID, message.cseq.number)
            if key in self.lost:
                return
            if key in self.refusedIDs:
                if message.method == b"CANCEL":
                    peer.respond(message, 481)
                elif message.method != b"ACK":
                    peer.respond(message, int(self.how.split()[0]))
                return
            if self.armed and message.method not in (b"ACK", b"CANCEL"):
                self.sent.append(message.method)
                always = self.how.endswith("always")
                again = always and self.failed == (message.callID, message.method)
                if len(self.sent) == self.failAt or again:
                    self.failed = (message.callID, message.method)
                    if self.fails_(address, peer, message):
                        return
        super().takes(address, peer, message)

    failed: tuple[bytes, bytes] = (b"", b"")

    def fails_(self, address: str, peer: SIPPeer, request: Request) -> bool:
        """
        A message is not answered as it should be.

        @return: whether that is all that is done with it.
        """
        key = (request.callID, request.cseq.number)
        how = self.how
        if how == "silent":
            self.lost.add(key)
            return True
        if how == "dies":
            for server in (self.media1, self.media2):
                if server.owns(request):
                    server.die()
            return False
        if how == "hangs up":
            return self._hangsUp(address, peer, request)
        if how == "first caller hangs up":
            self._leave("A")
            return False
        if how == "asking one hangs up":
            self._leave("B")
            return False
        if how == "all hang up":
            self._leave("ABCD")
            return False
        self.refusedIDs.add(key)
        peer.respond(request, int(how.split()[0]))
        return True

    def _hangsUp(self, address: str, peer: SIPPeer, request: Request) -> bool:
        for server in (self.media1, self.media2):
            if server.owns(request):
                server.reached(address, peer)
                server.received(request)
                for session in server.live:
                    if session.phone.dialog is not None and (
                        session.phone.dialog.callID == request.callID
                    ):
                        server.hangUp(session)
                return True
        for line in self.allLines:
            if line.has(request.callID) and line.talks:
                line.hangUp()
                self.refusedIDs.add((request.callID, request.cseq.number))
                peer.respond(request, 481)
                return True
        return False

    @property
    def allLines(self) -> list[Line]:
        """
        All lines of all telephones.
        """
        return [line for desk in self.desks.values() for line in desk.lines]

    def _leave(self, letters: str) -> None:
        for letter in letters:
            for line in self.desks[letter].lines:
                if line.talks and line.phone.dialog is not None:
                    line.hangUp()
                elif line._calls is not None:
                    line.giveUp()

    # What is done

    def call(self, letter: str, to: str) -> None:
        """
        Somebody calls, and the other one answers if it is a telephone.
        """
        self.desks[letter].call(to)
        self.settle()
        self.people()

    def people(self) -> None:
        """
        Whoever rings is answered.
        """
        for line in self.allLines:
            if line.rings is not None:
                line.answer()
        self.settle()

    def want(self, what: str, dn: str, *more: object) -> None:
        """
        A program asks for something.
        """
        self.number += 1
        arguments = [self.known[one] if type(one) is int else one for one in more]
        self.ask(what, dn, *arguments, self.number)
        self.settle()

    def wanted(self, what: str, dn: str, *more: object) -> None:
        """
        The same, and whoever rings then is answered.
        """
        self.want(what, dn, *more)
        self.waits(1)
        self.people()
        self.waits(1)

    def at(self, letter: str, connID: int) -> Line:
        """
        The line of somebody in a call.
        """
        return self.line(letter, self.known[connID])


def talk(s: Stage) -> None:
    "Alice talks to Bob."
    s.call("A", B)


def held(s: Stage) -> None:
    "Bob holds Alice."
    talk(s)
    s.wanted("hold", B, 0)


def consulting(s: Stage) -> None:
    "Bob consults Carol, who rings."
    talk(s)
    s.want("consult", B, 0, C)
    s.waits(1)


def consulted(s: Stage) -> None:
    "Carol has answered."
    consulting(s)
    s.people()
    s.waits(1)


def conference(s: Stage) -> None:
    "All three are in one call."
    consulted(s)
    s.wanted("completeConference", B, 0, 1)


def queued(s: Stage) -> None:
    "Alice waits at a routing point."
    s.desks["A"].call("5000")
    s.settle()


def entertained(s: Stage) -> None:
    "She hears music."
    queued(s)
    s.wanted("applyTreatment", "5000", 0, MUSIC)


def ringing(s: Stage) -> None:
    "Alice calls Bob."
    s.desks["A"].call(B)
    s.settle()


def calledTwo(s: Stage) -> None:
    "Bob talks to Carol, while his telephone holds Alice."
    talk(s)
    s.at("B", 0).hold()
    s.settle()
    s.call("B", C)


def asks(what: str, dn: str, *more: object) -> Act:
    """
    A program asks for something, and people answer.
    """
    return lambda s: s.wanted(what, dn, *more)


def observes(s: Stage) -> None:
    "Carol listens to Bob."
    s.want("observe", s.known[0], Monitoring(C, B))
    s.waits(1)
    s.people()
    s.waits(1)


def supervised(s: Stage) -> None:
    "She does already."
    talk(s)
    observes(s)


def refers(s: Stage) -> None:
    "Bob's telephone sends Alice on."
    s.at("B", 0).refer(f"<sip:{C}@{DOMAIN}>".encode())
    s.settle()
    s.people()


def refersToCall(s: Stage) -> None:
    "It connects its two calls."
    s.at("B", 0).refer(replacing(s.at("B", 1)).encode())
    s.settle()


def leaves(s: Stage) -> None:
    "Carol hangs up."
    s.at("C", 0).hangUp()
    s.settle()


#: What is there before, and what is done, by name.
OPERATIONS: dict[str, tuple[Act, Act]] = {
    "makeCall": (lambda s: None, asks("makeCall", B, C)),
    "answer": (ringing, asks("answer", B, 0)),
    "redirect": (ringing, asks("redirect", B, 0, C)),
    "hold": (talk, asks("hold", B, 0)),
    "retrieve": (held, asks("retrieve", B, 0)),
    "release": (talk, asks("release", B, 0)),
    "consult": (talk, asks("consult", B, 0, C)),
    "completeTransfer": (consulted, asks("completeTransfer", B, 0, 1)),
    "completeRinging": (consulting, asks("completeTransfer", B, 0, 1)),
    "muteTransfer": (talk, asks("muteTransfer", B, 0, C)),
    "singleStepTransfer": (talk, asks("singleStepTransfer", B, 0, C)),
    "alternate": (consulted, asks("alternate", B, 0, 1)),
    "reconnect": (consulted, asks("reconnect", B, 0, 1)),
    "completeConference": (consulted, asks("completeConference", B, 0, 1)),
    "singleStepConference": (talk, asks("singleStepConference", B, 0, C)),
    "deleteFromConference": (conference, asks("deleteFromConference", B, 0, C)),
    "leaveConference": (conference, leaves),
    "clear": (conference, asks("clear", B, 0)),
    "mute": (talk, asks("mute", B, 0, True)),
    "muteInConference": (conference, asks("mute", B, 0, True)),
    "listen": (conference, asks("listenDisconnect", B, 0, C)),
    "holdInConference": (conference, asks("hold", B, 0)),
    "observe": (talk, observes),
    "observerLeaves": (supervised, leaves),
    "releaseSupervised": (supervised, asks("release", B, 0)),
    "transferSupervised": (supervised, asks("singleStepTransfer", B, 0, D)),
    "refer": (talk, refers),
    "referToCall": (calledTwo, refersToCall),
    "route": (queued, asks("route", "5000", 0, B)),
    "routeFromMusic": (entertained, asks("route", "5000", 0, B)),
    "music": (
        queued,
        asks("applyTreatment", "5000", 0, Treatment(TreatmentType.MUSIC)),
    ),
    "transferToPoint": (talk, asks("singleStepTransfer", B, 0, "5000")),
}


#: Of how many ways to fail each message is given one: all of them take minutes, and
#: C{bin/fuzz steps} does that.
THINNED = 1 if os.environ.get("STEPS") == "all" else 3


class StepTests(SynchronousTestCase):
    """
    The matrix.
    """

    def fails_(self, name: str) -> None:
        """
        One operation fails at each of its messages, in each way.
        """
        whole = self.run_(name, 0, "")
        wrong = []
        for at in range(1, len(whole) + 1):
            for index, how in enumerate(FAILURES):
                if (at + index) % THINNED:
                    continue
                where = f"{name}, {how} at {at} of {len(whole)}: {whole[at - 1]!r}"
                try:
                    self.run_(name, at, how)
                except Exception:
                    wrong.append(f"{where}\n{format_exc(limit=-3)}")
        self.assertEqual(wrong, [], f"{len(wrong)} of them\n" + "\n".join(wrong))

    def run_(self, name: str, at: int, how: str) -> list[bytes]:
        """
        @return: what the node has sent for the operation.
        """
        before, does = OPERATIONS[name]
        stage = Stage()
        stage.setUp()
        try:
            before(stage)
            stage.settle()
            stage.armed, stage.failAt, stage.how = True, at, how
            does(stage)
            sent = list(stage.sent)
            stage.armed = how.endswith("always")
            for _ in range(14):
                stage.run_(3.5)
                stage.settle()
                stage.people()
            stage.armed = False
            stage.states_()
            stage._leave("ABCD")
            stage.settle()
            stage.run_(40)
            stage.settle()
            stage._leave("ABCD")
            stage.finish()
            if b"BYE" not in sent[at - 1 : at]:
                stage.assertNoMedia()  # else it has refused to end
            for number in stage.asked:
                self.assertIn(stage.outcome(number), (DONE, REFUSED))
            self.assertEqual(stage.controller.ua.parties, {})
            return sent
        finally:
            stage.close()


def _add(name: str) -> None:
    def test(self: StepTests) -> None:
        self.fails_(name)

    test.__name__ = f"test_{name}"
    test.__qualname__ = f"StepTests.test_{name}"
    test.__doc__ = f"{name}: each message for it fails, and nothing is left."
    setattr(StepTests, test.__name__, test)


for _name in OPERATIONS:
    _add(_name)
