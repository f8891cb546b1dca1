"""
A member of a pair dies at each turn of a consultation or a transfer, and the other one
goes on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from sipcluster.sessioncontroller.events import CallEvent, Updated
from sipcluster.sessioncontroller.isessioncontroller import Why
from tests.memory import takeover
from tests.memory.controls import WHO
from tests.memory.conversations import Desk, Line, Meeting
from tests.memory.takeover import Cut
from tests.memory.test_calls_takeover import (
    Step,
    TakeoverLives,
    asks,
    call,
    does,
    waits,
)


class KeptLine(Line, takeover.Line):
    """
    A line that is called anew while it rings.
    """


class KeptDesk(Desk):
    """
    A telephone with such lines; as one, where all of it counts.
    """

    lineClass = KeptLine

    def _of(self, name: str) -> list[Any]:
        return [getattr(line, name) for line in self.lines]

    def _first(self, name: str) -> Any:
        return next((found for found in self._of(name) if found), None)

    @property
    def told(self) -> set[bytes]:
        """
        See L{takeover.Line}.
        """
        return set().union(*self._of("told"))

    @property
    def progress(self) -> object:
        """
        See L{takeover.Line}.
        """
        return self._first("progress")

    @property
    def seen(self) -> list[bytes | int]:
        """
        What came, by line.
        """
        return [what for seen in self._of("seen") for what in seen]

    def repeat(self) -> None:
        """
        Each line says again what was not acknowledged.
        """
        for line in self.lines:
            assert isinstance(line, KeptLine)
            line.repeat()

    @property
    def talks(self) -> bool:
        """
        Whether a line does.
        """
        return any(self._of("talks"))

    @property
    def rings(self) -> object:
        """
        What rings.
        """
        return self._first("rings")

    @property
    def _calls(self) -> object:
        return self._first("_calls")

    @property
    def _reinvites(self) -> object:
        return self._first("_reinvites")

    @property
    def early(self) -> bool:
        """
        See L{takeover.Line}.
        """
        return any(self._of("early"))

    @property
    def unacknowledged(self) -> set[object]:
        """
        See L{takeover.Line}.
        """
        return set().union(*self._of("unacknowledged"))


def hears(one: str, other: str, at: int = 0) -> Step:
    """
    Two telephones talk to each other.

    @param at: in which call, by number.
    """

    def check(test: TakeoverLives) -> None:
        assert isinstance(test, TransferLives)
        test.waits(5)
        test.assertTalk(test.known[at], one, other)

    return check


def ends(*letters: str) -> list[Step]:
    """
    Telephones hang up, if they still talk.
    """
    return [does(letter, "hangUp") for letter in letters]


TALKS = [call("A", "1002"), does("B", "answer")]
CONSULTS = [*TALKS, asks("consult", "1002", 0, "1003"), waits(5)]
CONSULTED = [*CONSULTS, does("C", "answer"), hears("B", "C", 1)]
TRANSFERS = asks("completeTransfer", "1002", 0, 1)

#: What happens, by name.
LIVES: dict[str, list[Step]] = {
    "transfer": [*CONSULTED, TRANSFERS, hears("A", "C"), *ends("A")],
    "ringing": [
        *CONSULTS,
        TRANSFERS,
        waits(5),
        does("C", "answer"),
        hears("A", "C"),
        *ends("C"),
    ],
    "ringingInVain": [*CONSULTS, TRANSFERS, waits(5), does("C", "refuse", 486)],
    "busy": [*CONSULTS, does("C", "refuse", 486), waits(31), *ends("A")],
    "reconnect": [
        *CONSULTED,
        asks("reconnect", "1002", 0, 1),
        hears("A", "B"),
        *ends("A"),
    ],
    "alternate": [
        *CONSULTED,
        asks("alternate", "1002", 0, 1),
        hears("A", "B"),
        asks("alternate", "1002", 1, 0),
        hears("B", "C", 1),
        *ends("A", "C"),
    ],
    "mute": [
        *TALKS,
        asks("muteTransfer", "1002", 0, "1003"),
        waits(5),
        does("C", "answer"),
        hears("A", "C"),
        *ends("A"),
    ],
    "singleStep": [
        *TALKS,
        asks("singleStepTransfer", "1002", 0, "1003"),
        waits(5),
        does("C", "answer"),
        hears("A", "C"),
        *ends("A"),
    ],
    "singleStepInVain": [
        *TALKS,
        asks("singleStepTransfer", "1002", 0, "1003"),
        waits(5),
        does("C", "refuse", 486),
    ],
    "heldByTelephone": [
        *TALKS,
        does("B", "hold"),
        call("B", "1003"),
        does("C", "answer"),
        TRANSFERS,
        hears("A", "C"),
        *ends("C"),
    ],
    "callerHangsUp": [*CONSULTED, *ends("A"), waits(5), *ends("C")],
}


class TransferLives(TakeoverLives, Meeting):
    """
    Lives of calls that meet.

    @ivar known: ConnIDs, in the order in which events told of them.
    @cvar lives: what happens, by name.
    """

    lives: ClassVar[dict[str, list[Step]]] = {}

    def setUp(self) -> None:
        super().setUp()
        phones = {"A": self.alice, "B": self.bob, "C": self.carol}
        self.desks = {
            letter: KeptDesk(phone, f"phone{letter}", 4000 + 100 * index)
            for index, (letter, phone) in enumerate(phones.items())
        }
        self.telephones = self.desks  # type: ignore[assignment] # as one
        self.names = {}

    @property
    def known(self) -> list[str]:
        """
        All calls that events told of.
        """
        connIDs: Iterable[str] = (event.party.connID for event in self.sink.events)
        return list(dict.fromkeys(connIDs))

    def told(self, events: list[CallEvent] | None = None) -> list[str]:
        self.names.clear()
        return [
            self.row(event)
            for event in (self.sink.events if events is None else events)
            if not isinstance(event, Updated)
        ]

    def assertReleasedOnce(self) -> None:
        """
        Whoever was told of a call was told its end, once and last, or has left it for
        another one.
        """
        last: dict[tuple[str, str], list[str]] = {}
        for event in self.sink.events:
            key = (event.party.connID, event.party.thisDN)
            last.setdefault(key, []).append(type(event).__name__)
            previous = (event.party.previousConnID, event.party.thisDN)
            if type(event).__name__ == "PartyChanged" and previous in last:
                last.pop(previous)
        for key, names in last.items():
            self.assertEqual(names.count("Released"), 1, key)
            self.assertEqual(names[-1], "Released", key)

    def compare(self, whole: list[str], got: list[str], failures: list[Why]) -> None:
        self.assertTrue(all(went for _, went in self.moved))
        refused = self.failures + [why.why for _, why in self.refused]
        self.assertEqual(refused, failures)
        self.assertEqual(got, whole)

    def does(self, who: str, what: str, *more: object) -> None:
        desk = self.desks[who]
        assert isinstance(desk, KeptDesk)
        if what == "answer" and desk.rings is not None:
            desk.ringing.answer()
        elif what == "refuse" and desk.rings is not None:
            desk.ringing.refuse(*more)  # type: ignore[arg-type]
        elif what in ("hangUp", "hold", "retrieve"):
            for line in desk.lines:
                if line.talks and line._reinvites is None:
                    getattr(line, what)()
                    break

    def ask(self, what: str, dn: str, *more: object) -> None:
        arguments = [self.known[one] if type(one) is int else one for one in more]
        done = getattr(self.control, what)(dn, *arguments, requester=WHO)
        done.addErrback(self.fails)

    def checkEach(self, name: str) -> None:
        """
        Cut one life at each turn.
        """
        steps = self.lives[name]
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


def addLives(cls: type[TransferLives]) -> None:
    """
    Give a class a test for each of its lives.
    """
    for name in cls.lives:
        _add(cls, name)


def _add(cls: type[TransferLives], name: str) -> None:
    def test(self: TransferLives) -> None:
        self.checkEach(name)

    test.__name__ = f"test_{name}"
    test.__qualname__ = f"{cls.__qualname__}.test_{name}"
    test.__doc__ = f"{name}: the other member goes on at each turn."
    setattr(cls, test.__name__, test)


class LifeTests(TransferLives):
    """
    Each life is lived once whole, and then three times for each turn in which the
    first member does something: there it dies.
    """

    lives = LIVES


addLives(LifeTests)
