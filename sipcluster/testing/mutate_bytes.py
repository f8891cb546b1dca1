"""
Ways to spoil bytes, whatever they mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random


class ByteMutator:
    """
    Changes bytes at one place.
    """

    def __init__(self, random: Random, tokens: Sequence[bytes], longest: int) -> None:
        """
        @param random: chooses everything.
        @param tokens: what is put in.
        @param longest: bytes that are changed at one time, at most.
        """
        self._random = random
        self._tokens = tokens
        self._longest = longest

    def _span(self, data: bytes) -> tuple[int, int]:
        start = self._random.randint(0, len(data))
        return start, min(len(data), start + self._random.randint(1, self._longest))

    def _flip(self, data: bytes) -> bytes:
        if not data:
            return data
        at = self._random.randrange(len(data))
        octet = data[at] ^ (1 << self._random.randrange(8))
        return data[:at] + bytes([octet]) + data[at + 1 :]

    def _insert(self, data: bytes) -> bytes:
        at = self._random.randint(0, len(data))
        return data[:at] + self._random.choice(self._tokens) + data[at:]

    def _replace(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + self._random.choice(self._tokens) + data[end:]

    def _delete(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + data[end:]

    def _cut(self, data: bytes) -> bytes:
        return data[: self._random.randint(0, len(data))]
