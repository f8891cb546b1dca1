"""
A member of a pair dies at each turn of a call's life, and the other one goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from traceback import format_exc

from twisted.python.failure import Failure

from sipcluster.sessioncontroller.isessioncontroller import (
    CallRefused,
    DNFeatures,
    ForwardMode,
    Why,
)
from sipcluster.testing.sip_peer import sdp
from sipcluster.testing.telephone import Telephone
from tests.memory.controls import WHO
from tests.memory.nodes import DOMAIN
from tests.memory.takeover import Cut, TakeoverTestCase

#: One thing that people, programs or time do.
Step = Callable[["TakeoverLives"], object]


def call(who: str, number: str) -> Step:
    """
    Somebody dials.
    """
    return lambda test: test.telephones[who].call(number)


def does(who: str, what: str, *more: object) -> Step:
    """
    Somebody does something at the telephone, if it can still be done.
    """
    return lambda test: test.does(who, what, *more)


def asks(what: str, dn: str, *more: object) -> Step:
    """
    A program asks for something.
    """
    return lambda test: test.asks(what, dn, *more)


def waits(seconds: float) -> Step:
    """
    Time passes.
    """
    return lambda test: test.waits(seconds)


RINGS = [call("A", "1002")]
TALKS = [*RINGS, does("B", "answer")]
MAKES = [asks("makeCall", "1001", "1002")]
ENDS = [does("A", "hangUp")]

#: What happens, by name.
LIVES: dict[str, list[Step]] = {
    "callerEnds": [*TALKS, *ENDS],
    "calledEnds": [*TALKS, does("B", "hangUp")],
    "slowly": [*RINGS, waits(20), does("B", "answer"), waits(40), *ENDS],
    "lateOffer": [
        does("A", "call", "1002", "", False),
        does("B", "answer"),
        does("A", "ask"),
        *ENDS,
    ],
    "lateOfferWhileHeld": [
        *TALKS,
        asks("hold", "1002"),
        waits(5),
        does("A", "ask"),
        does("B", "hangUp"),
    ],
    "refused": [*RINGS, does("B", "refuse", 486)],
    "cancelled": [*RINGS, does("A", "giveUp")],
    "notAnswered": [*RINGS, waits(60)],
    "earlyMedia": [*RINGS, does("B", "earlyMedia"), does("B", "answer"), *ENDS],
    "reliably": [
        does("A", "insists"),
        *RINGS,
        waits(1),
        does("B", "ringReliably", 70),
        waits(2),
        does("B", "ringReliably", 71),
        waits(2),
        does("B", "answer"),
        waits(1),
        *ENDS,
    ],
    "reliablyAtOnce": [
        does("A", "insists"),
        *RINGS,
        does("B", "ringReliably", 70),
        does("B", "answer"),
        waits(5),
        *ENDS,
    ],
    "forkAnswers": [
        *RINGS,
        does("B", "fork"),
        does("B", "earlyMedia"),
        does("B", "forkAnswers"),
        does("B", "hangUp"),
    ],
    "forkRings": [*RINGS, does("B", "fork"), does("B", "answer"), *ENDS],
    "redirected": [*RINGS, does("B", "deflect", "1003"), does("C", "answer"), *ENDS],
    "redirectedInVain": [*RINGS, does("B", "deflect", "1003"), does("A", "giveUp")],
    "redirectedInCircle": [
        *RINGS,
        does("B", "deflect", "1003"),
        does("C", "deflect", "1002"),
    ],
    "forwardedOnBusy": [
        does("B", "forwards", ForwardMode.ON_BUSY, "1003"),
        *RINGS,
        does("B", "refuse", 486),
        does("C", "answer"),
        *ENDS,
    ],
    "forwardedOnNoAnswer": [
        does("B", "forwards", ForwardMode.ON_NO_ANSWER, "1003"),
        *RINGS,
        waits(65),
        does("C", "answer"),
        *ENDS,
    ],
    "heldByTelephone": [*TALKS, does("A", "hold"), does("A", "retrieve"), *ENDS],
    "heldByCalled": [*TALKS, does("B", "hold"), does("B", "retrieve"), *ENDS],
    "held": [
        *TALKS,
        asks("hold", "1001"),
        waits(5),
        asks("retrieve", "1001"),
        waits(5),
        *ENDS,
    ],
    "heldAndEnded": [*TALKS, asks("hold", "1002"), waits(5), does("B", "hangUp")],
    "made": [*MAKES, does("B", "answer"), waits(5), *ENDS],
    "madeByHand": [
        does("A", "byHand"),
        *MAKES,
        does("A", "answer"),
        does("B", "answer"),
        waits(5),
        does("B", "hangUp"),
    ],
    "madeEarlyMedia": [
        *MAKES,
        does("B", "earlyMedia"),
        waits(5),
        does("B", "answer"),
        waits(5),
        *ENDS,
    ],
    "madeBusy": [*MAKES, does("B", "refuse", 486), waits(31)],
    "madeInVain": [*MAKES, does("A", "hangUp")],
    "answeredByRequest": [*RINGS, asks("answer", "1002"), *ENDS],
    "redirectedByRequest": [
        *RINGS,
        asks("redirect", "1002", "1003"),
        does("C", "answer"),
        *ENDS,
    ],
    "neverAcknowledged": [
        *RINGS,
        does("A", "acknowledgeNothing"),
        does("B", "answer"),
        waits(40),
    ],
    "asked": [*TALKS, does("A", "sends", "UPDATE"), does("B", "sends", "INFO"), *ENDS],
    "messages": [
        *TALKS,
        does("A", "sends", "INFO"),
        does("B", "sends", "MESSAGE"),
        does("A", "sends", "MESSAGE"),
        *ENDS,
    ],
    "digits": [*TALKS, asks("sendDTMF", "1001", "12"), waits(3), *ENDS],
    "madeAndHeld": [
        *MAKES,
        does("B", "answer"),
        waits(5),
        asks("hold", "1001"),
        waits(5),
        asks("retrieve", "1001"),
        waits(5),
        *ENDS,
    ],
    "retrievedAtTelephone": [
        *TALKS,
        does("A", "hold"),
        asks("retrieve", "1001"),
        waits(12),
        does("A", "retrieve"),
        *ENDS,
    ],
    "releasedByRequest": [*TALKS, asks("release", "1001")],
    "rejectedByRequest": [*RINGS, asks("release", "1002")],
}


class TakeoverLives(TakeoverTestCase):
    """
    Lives of calls, and what is the same whether a member dies or not.

    @ivar hanging: what telephones still wait for at the end.
    @ivar rang: what the caller has heard of the called telephone.
    @ivar heard: how many INFO and MESSAGE requests each telephone was sent.
    @ivar failures: why what programs asked was refused.
    @ivar failedIn: the turns in which that was.
    """

    hanging: list[str]
    heard: list[int]
    failures: list[Why]
    failedIn: list[int]
    rang: set[bytes | int]

    def lead(self, steps: list[Step]) -> list[str]:
        """
        Live one life.

        @return: the events.
        """
        for step in steps:
            step(self)
            self.settle()
        self.finish()
        self.heard = [len(each.told) for each in self.telephones.values()]
        self.rang = {what for what in self.telephones["A"].seen if what in (180, 183)}
        for letter, telephone in self.telephones.items():
            self.assertFalse(telephone.talks, letter)
            for waits in ("_calls", "_reinvites", "rings"):
                if getattr(telephone, waits) is not None:
                    self.hanging.append(f"{letter} {waits}")
            if telephone.early:
                self.hanging.append(f"{letter} BYE before ACK")
            if telephone.progress is not None:
                self.hanging.append(f"{letter} PRACK")
            if telephone.unacknowledged:
                self.hanging.append(f"{letter} ACK")
        return self.told()

    def begin(self, cutAt: int, cut: Cut) -> None:
        """
        Begin anew.
        """
        self.cutAt, self.cut = cutAt, cut
        self.hanging, self.failures, self.failedIn = [], [], []
        self.setUp()

    def assertAnswered(self) -> None:
        """
        Nobody waits for anything.
        """
        self.assertEqual(self.hanging, [])

    def compare(self, whole: list[str], got: list[str], failures: list[Why]) -> None:
        """
        The events are those of the life without a death.
        """
        self.assertTrue(all(went for _, went in self.moved))
        if self.failures + [why.why for _, why in self.refused] != failures:
            # Nobody knows how many digits were sent.
            ((who, refused),) = self.refused
            self.assertEqual((who, refused.why), (WHO, Why.FAILED))
            sent = [event for event in whole if "DTMFSent" in event]
            self.assertTrue(sent or Why.DISCONNECTED in failures)
            whole, got = (
                [event for event in events if "DTMFSent" not in event]
                for events in (whole, got)
            )
        self.assertEqual(got, whole)

    # Steps

    def does(self, who: str, what: str, *more: object) -> None:
        """
        See L{does}.
        """
        telephone = self.telephones[who]
        if not self.can(telephone, what):
            return
        if what == "byHand":
            telephone.autoAnswer = False
        elif what == "forwards":
            mode, to = more
            assert isinstance(mode, ForwardMode) and isinstance(to, str)
            features = DNFeatures(forwardMode=mode, forwardTo=to)
            self.switchedOn[telephone.phone.number] = features
        elif what == "acknowledgeNothing":
            self.unacknowledged = True
        elif what == "insists":
            telephone.phone.always = ((b"Require", b"100rel"),)
        elif what == "sends":
            telephone.phone.within(str(more[0]).encode())
        elif what == "earlyMedia":
            assert telephone.rings is not None
            telephone.phone.answer(telephone.rings, 183, sdp("early", 6000))
        elif what == "fork":
            assert telephone.rings is not None
            self.desk = self.phone("1002", "198.51.100.4")
            self.desk.answer(telephone.rings, 180)
        elif what == "forkAnswers":
            telephone.phone.dialog = self.desk.dialog
            telephone.answer()
        elif what == "deflect":
            uri = f"<sip:{more[0]}@{DOMAIN}>".encode()
            telephone.refuse(302, [(b"Contact", uri)])
        else:
            getattr(telephone, what)(*more)

    def can(self, telephone: Telephone, what: str) -> bool:
        """
        Whether something can be done at a telephone now.
        """
        if what in ("call", "byHand", "acknowledgeNothing", "forwards", "insists"):
            return True
        if what == "giveUp":
            return telephone._calls is not None
        if what in ("hold", "retrieve", "hangUp", "ask", "sends"):
            return telephone.talks and telephone._reinvites is None
        return telephone.rings is not None

    def asks(self, what: str, dn: str, *more: object) -> None:
        """
        See L{asks}.
        """
        self.undone.append(partial(self.askAgain, what, dn, *more))
        self.ask(what, dn, *more)
        if not self.keeper.pending:
            # It was refused, and nothing has changed: a turn of its own.
            self.undone.clear()
            self.failedIn = [-1 for _ in self.failedIn]

    def askAgain(self, what: str, dn: str, *more: object) -> None:
        """
        A program sends its request again when it was lost.
        """
        if self.cut is Cut.UNSAVED:
            self.ask(what, dn, *more)

    def ask(self, what: str, dn: str, *more: object) -> None:
        """
        Ask whoever lives.
        """
        arguments: tuple[object, ...] = (dn, *more)
        if what != "makeCall":
            if not self.node.controller.calls:
                return
            arguments = (dn, self.connID, *more)
        done = getattr(self.control, what)(*arguments, requester=WHO)
        done.addErrback(self.fails)

    def fails(self, failure: Failure) -> None:
        """
        A program is told that something was not done.
        """
        assert isinstance(failure.value, CallRefused)
        self.failures.append(failure.value.why)
        self.failedIn.append(self.turns)

    def takeOver(self) -> None:
        if self.cutAt and self.cut is Cut.UNSAVED:
            while self.failedIn and self.failedIn[-1] == self.turns - 1:
                del self.failedIn[-1], self.failures[-1]  # nobody was told
        super().takeOver()

    def waits(self, seconds: float) -> None:
        """
        See L{waits}.
        """
        for _ in range(int(seconds * 2)):
            self.run_(0.5)
            for telephone in self.telephones.values():
                telephone.repeat()
            self.settle()


class LifeTests(TakeoverLives):
    """
    Each life of a call is lived once whole, and then three times for each turn in
    which the first member does something: there it dies.
    """

    def checkEach(self, name: str) -> None:
        """
        Cut one life at each turn.
        """
        steps = LIVES[name]
        self.hanging, self.failures, self.failedIn = [], [], []
        whole = self.lead(steps)
        self.assertEqual(self.hanging, [])
        turns, failures, rang = self.turns, self.failures, self.rang
        heard = self.heard
        self.assertTrue(turns)
        for cutAt in range(1, turns + 1):
            for cut in Cut:
                try:
                    self.begin(cutAt, cut)
                    got = self.lead(steps)
                    self.compare(whole, got, failures)
                    self.assertLessEqual(rang, self.rang)
                    if name != "digits":
                        self.assertEqual(self.heard, heard)
                    self.assertAnswered()
                except Exception as e:
                    where = f"{name}, turn {cutAt} of {turns}, {cut.value}"
                    raise AssertionError(f"{where}\n{format_exc()}") from e


def _add(name: str) -> None:
    def test(self: LifeTests) -> None:
        self.checkEach(name)

    test.__name__ = f"test_{name}"
    test.__qualname__ = f"LifeTests.test_{name}"
    test.__doc__ = f"{name}: the other member goes on at each turn."
    setattr(LifeTests, test.__name__, test)


for _name in LIVES:
    _add(_name)
