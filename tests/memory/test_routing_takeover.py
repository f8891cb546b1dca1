"""
A member of a pair dies at each turn of what happens at a routing point, and the other
one goes on.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from sipcluster.app.node import NodeMember
from sipcluster.sessioncontroller.irouting import (
    RouteType,
    Treatment,
    TreatmentType,
)
from sipcluster.sessioncontroller.isessioncontroller import RoutingPointDN
from sipcluster.testing.media_server import (
    ScriptedMediaServer,
    ScriptedMediaService,
)
from sipcluster.testing.sip_peer import SIPPeer
from sipcluster.wire.kvlist import KVValue
from tests.memory.nodes import PROXY1
from tests.memory.routing import Clients
from tests.memory.takeover import Cut
from tests.memory.test_calls_takeover import (
    Step,
    TakeoverLives,
    asks,
    call,
    does,
    waits,
)
from tests.memory.test_transfers_takeover import TransferLives, ends, hears


def says(**words: object) -> Step:
    """
    The media server says something; without words, it hangs up.
    """

    def act(test: TakeoverLives) -> None:
        assert isinstance(test, RoutingLives)
        live = test.server.live
        if live and words:
            test.assertTrue(live[0].told, "nobody has said what it is to do")
            test.server.say(live[0], **words)
        elif live:
            test.server.hangUp(live[0])

    return act


def routes(to: str, *more: Any, at: int = 0) -> list[Step]:
    """
    Somebody says where a call goes.
    """
    return [asks("route", "5000", at, to, *more), waits(1)]


def gives(kind: TreatmentType, *parameters: tuple[str, KVValue], at: int = 0) -> Step:
    """
    The caller is given something.
    """
    return asks("applyTreatment", "5000", at, Treatment(kind, parameters))


QUEUED = [call("A", "5000"), waits(1)]
TALKS = [call("A", "1002"), does("B", "answer")]
MUSIC = [*QUEUED, gives(TreatmentType.MUSIC), waits(2)]
BOB = [*routes("1002"), does("B", "answer"), waits(3), hears("A", "B")]
CAROL = [*routes("1003"), does("C", "answer"), waits(3), hears("A", "C")]
SHORT = (RouteType.UNKNOWN, (), (("NO_ANSWER_TIMEOUT", 5),))

PREDICTS = [asks("makePredictiveCall", "5000", "1003"), waits(1)]
DETECT = (("call_answer_type_recognition", "positive_am_detection"),)
LISTENS = [asks("makePredictiveCall", "5000", "1003", 0.0, (), DETECT), waits(1)]
SENT = [
    *routes("1002"),
    does("B", "answer"),
    waits(5),
    hears("B", "C"),
    *ends("B"),
]

#: What happens, by name.
LIVES: dict[str, list[Step]] = {
    "abandoned": [*QUEUED, does("A", "giveUp")],
    "routed": [*QUEUED, *BOB, *ends("A")],
    "abandonedRinging": [*QUEUED, *routes("1002"), does("A", "giveUp")],
    "busy": [*QUEUED, *routes("1002"), does("B", "refuse", 486), *CAROL, *ends("A")],
    "recalled": [*QUEUED, *routes("1003", *SHORT), waits(6), *BOB, *ends("B")],
    "byDefault": [*QUEUED, waits(11), does("C", "answer"), waits(1), *ends("A")],
    "rejected": [*QUEUED, asks("route", "5000", 0, "", RouteType.REJECT)],
    "otherPoint": [
        *QUEUED,
        *routes("5001"),
        asks("route", "5001", 0, "1002"),
        does("B", "answer"),
        hears("A", "B"),
        *ends("A"),
    ],
    "music": [*MUSIC, *BOB, *ends("A")],
    "musicAbandoned": [*MUSIC, *ends("A")],
    "musicBusy": [
        *MUSIC,
        *routes("1002"),
        does("B", "refuse", 486),
        *CAROL,
        *ends("C"),
    ],
    "musicEnded": [
        *QUEUED,
        gives(TreatmentType.MUSIC, ("DURATION", 5)),
        waits(6),
        *BOB,
        *ends("A"),
    ],
    "ringBack": [*QUEUED, gives(TreatmentType.RING_BACK), waits(2), *BOB, *ends("A")],
    "announcement": [
        *QUEUED,
        gives(TreatmentType.PLAY_ANNOUNCEMENT, ("PROMPT", "1")),
        waits(2),
        says(),
        *BOB,
        *ends("A"),
    ],
    "digits": [
        *QUEUED,
        gives(TreatmentType.COLLECT_DIGITS, ("MAX_DIGITS", 4)),
        waits(2),
        says(reason="digits", digits="1234"),
        waits(1),
        *BOB,
        *ends("A"),
    ],
    "cancelled": [*MUSIC, gives(TreatmentType.CANCEL_CALL)],
    "singleStep": [
        *TALKS,
        asks("singleStepTransfer", "1002", 0, "5000"),
        waits(2),
        gives(TreatmentType.MUSIC),
        waits(2),
        *CAROL,
        *ends("A"),
    ],
    "consultation": [
        *TALKS,
        asks("consult", "1002", 0, "5000"),
        waits(3),
        gives(TreatmentType.MUSIC, at=1),
        waits(6),
        asks("completeTransfer", "1002", 0, 1),
        waits(2),
        *CAROL,
        *ends("A"),
    ],
    "predictive": [*PREDICTS, does("C", "answer"), waits(1), *SENT],
    "predictiveBusy": [*PREDICTS, does("C", "refuse", 486)],
    "predictiveAbandoned": [*PREDICTS, does("C", "answer"), waits(1), *ends("C")],
    "predictiveHuman": [
        *LISTENS,
        does("C", "answer"),
        waits(2),
        says(reason="human"),
        waits(1),
        *SENT,
    ],
    "predictiveFax": [*LISTENS, does("C", "answer"), waits(2), says(reason="fax")],
    "predictiveNothing": [*LISTENS, does("C", "answer"), waits(7), *SENT],
    "mute": [
        *TALKS,
        asks("muteTransfer", "1002", 0, "5000"),
        waits(3),
        *CAROL,
        *ends("A"),
    ],
}


class RoutingLives(TransferLives):
    """
    Lives of calls at a routing point.

    @ivar server: gives callers what they are to have.
    """

    def setUp(self) -> None:
        self.service = ScriptedMediaService("media.example")
        super().setUp()
        self.server = ScriptedMediaServer(self.peer, "media.example", PROXY1)

    def finishNode(self, node: NodeMember) -> None:
        super().finishNode(node)
        ua = node.controller.ua
        ua.media = self.service
        ua.routing.clients = Clients("5000", "5001")
        dns = node.controller._authenticator.directory._dns
        dns["5000"] = evolve(RoutingPointDN("5000"), defaults=("1003",))
        dns["5001"] = RoutingPointDN("5001")

    def does(self, who: str, what: str, *more: object) -> None:
        if what == "giveUp":
            for line in self.desks[who].lines:
                if line._calls is not None:
                    line.giveUp()
        else:
            super().does(who, what, *more)

    def takes(self, address: str, peer: SIPPeer, message: Any) -> None:
        if self.server.owns(message):
            self.server.reached(address, peer)
            self.server.received(message)
        else:
            super().takes(address, peer, message)

    def lead(self, steps: list[Step]) -> list[str]:
        told = super().lead(steps)
        if self.server.live:
            self.hanging.append("a session at the media server")
        return told

    def assertReleasedOnce(self) -> None:
        """
        The last word of a routing point may be that the call has left it.
        """
        events, self.sink.events = self.sink.events, []
        self.sink.events = [
            event for event in events if not event.party.thisDN.startswith("5")
        ]
        super().assertReleasedOnce()
        self.sink.events = events
        last = {}
        for event in events:
            if event.party.thisDN.startswith("5"):
                last[event.party.connID, event.party.thisDN] = type(event).__name__
                if type(event).__name__ == "PartyChanged":
                    last.pop((event.party.previousConnID, event.party.thisDN), None)
        self.assertLessEqual(set(last.values()), {"Released", "Diverted"})


class LifeTests(RoutingLives):
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
