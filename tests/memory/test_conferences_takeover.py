"""
A member of a pair dies at each turn in which a call gets more parties or less, and the
other one goes on.
"""

from __future__ import annotations

from sipcluster.app.node import NodeMember
from sipcluster.sessioncontroller.isupervision import Monitoring, MonitorScope
from sipcluster.sip.message import Message
from sipcluster.testing.media_server import ScriptedMediaServer, ScriptedMediaService
from sipcluster.testing.sip_peer import SIPPeer
from tests.memory.conferring import Mixed
from tests.memory.controls import WHO
from tests.memory.nodes import PROXY1
from tests.memory.takeover import Cut
from tests.memory.test_calls_takeover import Step, TakeoverLives, asks, does, waits
from tests.memory.test_transfers_takeover import (
    CONSULTED,
    TALKS,
    TransferLives,
    ends,
    hears,
)


def mixes(*letters: str) -> Step:
    """
    Telephones are mixed, and no others.
    """

    def check(test: TakeoverLives) -> None:
        assert isinstance(test, ConferenceLives)
        test.waits(5)
        test.assertMixed(test.known[0], *letters)

    return check


def observes(scope: MonitorScope) -> Step:
    """
    Carol supervises Bob.
    """
    return asks("observe", "1002", Monitoring("1003", "1002", scope=scope))


CONFERS = [*CONSULTED, asks("completeConference", "1002", 0, 1), mixes("A", "B", "C")]
ADDS = [
    *TALKS,
    asks("singleStepConference", "1002", 0, "1003"),
    waits(5),
]
OBSERVES = [
    *TALKS,
    observes(MonitorScope.CALL),
    waits(5),
    does("C", "answer"),
    mixes("A", "B", "C"),
]

#: What happens, by name.
LIVES: dict[str, list[Step]] = {
    "conference": [*CONFERS, *ends("C"), hears("A", "B"), *ends("A")],
    "makerLeaves": [*CONFERS, *ends("B"), hears("A", "C"), *ends("C")],
    "deleted": [
        *CONFERS,
        asks("deleteFromConference", "1002", 0, "1003"),
        hears("A", "B"),
        *ends("A"),
    ],
    "cleared": [*CONFERS, asks("clear", "1002", 0)],
    "singleStep": [*ADDS, does("C", "answer"), mixes("A", "B", "C"), *ends("C", "A")],
    "singleStepInVain": [*ADDS, does("C", "refuse", 486), hears("A", "B"), *ends("A")],
    "muted": [
        *CONFERS,
        asks("mute", "1001", 0, True),
        waits(5),
        asks("mute", "1001", 0, False),
        mixes("A", "B", "C"),
        *ends("C", "A"),
    ],
    "mutedInTwo": [
        *TALKS,
        asks("mute", "1002", 0, True),
        waits(5),
        asks("mute", "1002", 0, False),
        hears("A", "B"),
        *ends("A"),
    ],
    "supervised": [*OBSERVES, *ends("C"), hears("A", "B"), *ends("B")],
    "agentLeaves": [*OBSERVES, *ends("B")],
    "supervisorAnswersByRequest": [
        *TALKS,
        observes(MonitorScope.CALL),
        waits(5),
        asks("answer", "1003", 0),
        mixes("A", "B", "C"),
        *ends("B"),
    ],
    "music": [
        *TALKS,
        asks("hold", "1002", 0),
        waits(5),
        asks("retrieve", "1002", 0),
        hears("A", "B"),
        *ends("A"),
    ],
    "musicAtTelephone": [
        *TALKS,
        does("B", "hold"),
        waits(5),
        does("B", "retrieve"),
        hears("A", "B"),
        *ends("B"),
    ],
}


class ConferenceLives(TransferLives, Mixed):
    """
    Lives of calls of more than two.
    """

    def setUp(self) -> None:
        self.service = ScriptedMediaService("media1.example", "media2.example")
        super().setUp()
        self.media1 = ScriptedMediaServer(self.peer, "media1.example", PROXY1)
        self.media2 = ScriptedMediaServer(self.peer, "media2.example", PROXY1, 40000)

    def finishNode(self, node: NodeMember) -> None:
        super().finishNode(node)
        node.controller.ua.media = self.service
        if "usic" in self._testMethodName:
            node.controller.ua.music = lambda dn: "file:music/on_hold"

    def takes(self, address: str, peer: SIPPeer, message: Message) -> None:
        for server in (self.media1, self.media2):
            if server.owns(message):
                server.reached(address, peer)
                server.received(message)
                return
        super().takes(address, peer, message)

    def ask(self, what: str, dn: str, *more: object) -> None:
        if what == "observe":
            (monitoring,) = more
            assert isinstance(monitoring, Monitoring)
            done = self.controller.observe(self.known[0], monitoring, WHO)
            done.addErrback(self.fails)
        else:
            super().ask(what, dn, *more)

    def lead(self, steps: list[Step]) -> list[str]:
        told = super().lead(steps)
        self.assertNoMedia()
        return told


class LifeTests(ConferenceLives):
    """
    Each life is lived once whole, and then three times for each turn in which the
    first member does something: there it dies.
    """

    def checkEach(self, name: str) -> None:
        """
        Cut one life at each turn.
        """
        steps = LIVES[name]
        self.hanging, self.failures, self.failedIn = [], [], []
        whole = self.lead(steps)
        self.assertEqual(self.hanging, [])
        turns, failures = self.turns, self.failures
        self.assertTrue(turns)
        wrong = []
        for cutAt in range(1, turns + 1):
            for cut in Cut:
                try:
                    self.begin(cutAt, cut)
                    got = self.lead(steps)
                    self.compare(whole, got, failures)
                    self.assertAnswered()
                except Exception as e:
                    wrong.append(f"{name}, turn {cutAt} of {turns}, {cut.value}: {e!r}")
        self.assertEqual(wrong, [])


def _add(name: str) -> None:
    def test(self: LifeTests) -> None:
        self.checkEach(name)

    test.__name__ = f"test_{name}"
    test.__qualname__ = f"LifeTests.test_{name}"
    test.__doc__ = f"{name}: the other member goes on at each turn."
    setattr(LifeTests, test.__name__, test)


for _name in LIVES:
    _add(_name)
