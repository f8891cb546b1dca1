"""
Chance that is the same in every run with the same seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

_MASK = (1 << 64) - 1


class Chance:
    """
    The generator SplitMix64: small, and not changed by a version of Python.
    """

    def __init__(self, seed: int, name: str = "") -> None:
        """
        @param name: what it decides; each name has its own sequence, so that one
            more number drawn for one thing changes nothing else.
        """
        self._seed = seed
        self._name = name
        text = f"{seed} {name}".encode()
        self._state = int.from_bytes(blake2b(text, digest_size=8).digest(), "big")

    def fork(self, name: str) -> Chance:
        """
        Chance for something else, whatever was drawn here.
        """
        return Chance(self._seed, f"{self._name}/{name}")

    def draw(self) -> int:
        """
        64 bits.
        """
        self._state = z = (self._state + 0x9E3779B97F4A7C15) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def random(self) -> float:
        """
        A number from 0 up to 1.
        """
        return (self.draw() >> 11) / (1 << 53)

    def below(self, limit: int) -> int:
        """
        A whole number from 0 up to C{limit}.
        """
        return self.draw() % limit

    def between(self, low: float, high: float) -> float:
        """
        A number from C{low} up to C{high}.
        """
        return low + (high - low) * self.random()

    def happens(self, probability: float) -> bool:
        """
        Whether something happens.
        """
        return self.random() < probability

    def choose(self, choices: Sequence[T]) -> T:
        """
        One of several.
        """
        return choices[self.below(len(choices))]

    def entropy(self, size: int) -> bytes:
        """
        So many bytes, as C{os.urandom} gives them.
        """
        words = (self.draw().to_bytes(8, "big") for _ in range((size + 7) // 8))
        return b"".join(words)[:size]
