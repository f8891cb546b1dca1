"""
What is done to samples: mixing, levels, and the power of single frequencies.

There are two, with equal results: one of plain Python, and one of numpy
(L{sipcluster.media.arithmetic_numpy}), which has room for some times as many
conferences.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import add, sub
from typing import Any

from attrs import frozen
from zope.interface import Attribute, Interface, implementer

from sipcluster.media.g711 import ENCODED, LINEAR
from sipcluster.media.imedia import RATE, Codec


@frozen
class Row:
    """
    What one member says in one frame.

    @ivar public: all hear it.
    """

    frame: bytes
    codec: Codec
    public: bool = True


@frozen
class Listener:
    """
    What one member hears in one frame.

    @ivar own: the number of its own public row, which it does not hear; -1: none.
    @ivar extra: numbers of rows that are for it alone.
    """

    codec: Codec
    own: int = -1
    extra: tuple[int, ...] = ()


class IBank(Interface):
    """
    Measures some frequencies, block by block.
    """

    def feed(samples: Any) -> list[tuple[list[float], float]]:
        """
        @param samples: of L{IArithmetic.samples}.

        @return: for each block that became full, the mean square of each frequency
            and of everything.
        """


class IArithmetic(Interface):
    """
    What is done to samples.
    """

    name: str = Attribute("For people.")

    def samples(frame: bytes, codec: Codec) -> Any:
        """
        Decode, into something that others of these methods take.
        """

    def energy(samples: Any) -> float:
        """
        The mean square.
        """

    def mix(rows: Sequence[Row], listeners: Sequence[Listener]) -> list[bytes]:
        """
        The frame that each hears: the sum of the public rows without its own, and of
        its extra ones, clipped.

        @param rows: of equal lengths; at least one.
        """

    def bank(frequencies: Sequence[int], size: int) -> IBank:
        """
        @param frequencies: in hertz.
        @param size: samples of a block.
        """


#: Members whose sum is encoded without clipping it before.
_FEW = 4

#: As L{ENCODED}, for their sums.
_WIDE = _FEW * 32768
_ENCODED = {
    codec: bytes(
        table[max(-32768, min(32767, sample))]
        for sample in (*range(_WIDE), *range(-_WIDE, 0))
    )
    for codec, table in ENCODED.items()
}
_LINEAR = {codec: list(table) for codec, table in LINEAR.items()}


def _encode(samples: Sequence[int], codec: Codec, summands: int) -> bytes:
    table = _ENCODED[codec]
    if summands > _FEW:
        return bytes([table[max(-32768, min(32767, sample))] for sample in samples])
    return bytes([table[sample] for sample in samples])


@implementer(IBank)
class PlainBank:
    """
    Goertzel's filters.
    """

    def __init__(self, frequencies: Sequence[int], size: int) -> None:
        self._factors = [2 * math.cos(2 * math.pi * f / RATE) for f in frequencies]
        self._size = size
        self._scale = 2 / size**2
        self._waiting: list[int] = []

    def feed(self, samples: list[int]) -> list[tuple[list[float], float]]:
        """
        See L{IBank}.
        """
        found = []
        waiting = self._waiting + samples
        size = self._size
        while len(waiting) >= size:
            found.append(self._block(waiting[:size]))
            waiting = waiting[size:]
        self._waiting = waiting
        return found

    def _block(self, block: list[int]) -> tuple[list[float], float]:
        powers = []
        for factor in self._factors:
            one = two = 0.0
            for sample in block:
                one, two = sample + factor * one - two, one
            powers.append(self._scale * (one * one + two * two - factor * one * two))
        return powers, sum(map(int.__mul__, block, block)) / self._size


@implementer(IArithmetic)
class PlainArithmetic:
    """
    Plain Python.
    """

    name = "plain"

    def samples(self, frame: bytes, codec: Codec) -> list[int]:
        """
        See L{IArithmetic}.
        """
        return list(map(_LINEAR[codec].__getitem__, frame))

    def energy(self, samples: list[int]) -> float:
        """
        See L{IArithmetic}.
        """
        return sum(map(int.__mul__, samples, samples)) / max(1, len(samples))

    def mix(self, rows: Sequence[Row], listeners: Sequence[Listener]) -> list[bytes]:
        """
        See L{IArithmetic}.
        """
        samples = [self.samples(row.frame, row.codec) for row in rows]
        public = [own for own, row in zip(samples, rows, strict=True) if row.public]
        total = [0] * len(rows[0].frame)
        if len(public) == 2:
            total = list(map(add, *public))
        elif public:
            total = list(map(sum, zip(*public, strict=True)))
        everything: dict[Codec, bytes] = {}
        found = []
        for one in listeners:
            if one.own < 0 and not one.extra:
                frame = everything.get(one.codec)
                if frame is None:
                    frame = everything[one.codec] = _encode(total, one.codec, len(rows))
                found.append(frame)
                continue
            heard = total
            if one.own >= 0:
                heard = list(map(sub, heard, samples[one.own]))
            for number in one.extra:
                heard = list(map(add, heard, samples[number]))
            found.append(_encode(heard, one.codec, len(rows)))
        return found

    def bank(self, frequencies: Sequence[int], size: int) -> PlainBank:
        """
        See L{IArithmetic}.
        """
        return PlainBank(frequencies, size)


def best(name: str = "") -> IArithmetic:
    """
    The one of that name, or the best that is installed.

    @raise ImportError: it is not.
    """
    if name != "plain":
        try:
            from sipcluster.media.arithmetic_numpy import NumpyArithmetic
        except ImportError:
            if name:
                raise
        else:
            return NumpyArithmetic()
    return PlainArithmetic()
