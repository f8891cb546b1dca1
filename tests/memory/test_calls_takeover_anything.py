"""
Whatever people and programs do with a call, a member of a pair may die at any moment,
and nobody notices.
"""

from __future__ import annotations

import random
from traceback import format_exc

from tests.memory.takeover import Cut
from tests.memory.test_calls_takeover import Step, TakeoverLives, asks, does, waits


def _digits(test: TakeoverLives) -> None:
    """
    Digits are sent to the end: what waits for its turn behind them has its turn
    sooner when they are not gone on with.
    """
    test.asks("sendDTMF", "1001", "12")
    test.waits(4)


#: What may happen to a call that has begun; what is not possible then is left out.
ANYTHING: list[Step] = [
    *[does("B", "answer")] * 4,
    does("C", "answer"),
    does("B", "refuse", 486),
    does("C", "refuse", 480),
    does("B", "deflect", "1003"),
    *[does("B", "earlyMedia")] * 2,
    does("B", "fork"),
    does("A", "giveUp"),
    *[does(who, what) for who in "AB" for what in ("hold", "retrieve", "hangUp")],
    *[asks(what, dn) for dn in ("1001", "1002") for what in ("hold", "retrieve")],
    asks("answer", "1002"),
    asks("redirect", "1002", "1003"),
    asks("release", "1002"),
    _digits,
    does("A", "sends", "UPDATE"),
    does("B", "sends", "INFO"),
    does("B", "ask"),
    *[waits(seconds) for seconds in (1, 1, 5, 5, 20, 70)],
]
BEGINNINGS = [
    [does("A", "call", "1002")],
    [asks("makeCall", "1001", "1002")],
    [does("A", "byHand"), asks("makeCall", "1001", "1002"), does("A", "answer")],
    [does("A", "call", "1002"), does("B", "answer")],
    [asks("makeCall", "1001", "1002"), does("B", "answer"), waits(3)],
    [does("A", "call", "1002"), does("B", "answer"), asks("hold", "1001"), waits(3)],
]
#: However far it came, it ends.
END = [
    *[does(who, what) for who in "ABC" for what in ("hangUp", "giveUp")],
    waits(100),
]

#: Steps between beginning and end.
STEPS = 9


class AnyTakeoverTests(TakeoverLives):
    """
    A seed chooses what happens, and when the first member dies.
    """

    runs = 150

    def test_anything(self) -> None:
        """
        The events are those of the same life without a death; each party of a call
        that was made anew, or that ended with the member, is released once; nothing
        is left.
        """
        for seed in range(self.runs):
            try:
                self.oneRun(random.Random(seed))
            except Exception as e:
                raise AssertionError(f"seed {seed}\n{format_exc()}") from e

    def oneRun(self, chance: random.Random) -> None:
        """
        One life, whole and cut.
        """
        steps = [
            *chance.choice(BEGINNINGS),
            *chance.choices(ANYTHING, k=chance.randrange(STEPS)),
            *END,
        ]
        self.begin(0, Cut.SENT)
        whole = self.lead(steps)
        turns, failures, rang = self.turns, self.failures, self.rang
        quiet = chance.random() < 0.3
        at = chance.randrange(1, len(steps)) if quiet else 0
        self.begin(
            0 if quiet else chance.randrange(1, turns + 1),
            Cut.SENT if quiet else chance.choice(list(Cut)),
        )
        if quiet:
            steps[at:at] = [lambda test: test.takeOver()]
        got = self.lead(steps)
        self.compare(whole, got, failures)
        self.assertLessEqual(rang, self.rang)
