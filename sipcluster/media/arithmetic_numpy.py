"""
The arithmetic of samples with numpy; see L{sipcluster.media.arithmetic}.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from zope.interface import implementer

from sipcluster.media.arithmetic import IArithmetic, IBank, Listener, Row
from sipcluster.media.g711 import ENCODED, LINEAR
from sipcluster.media.imedia import RATE, Codec

_LINEAR = {codec: np.array(table, np.int32) for codec, table in LINEAR.items()}
_ENCODED = {codec: np.frombuffer(table, np.uint8) for codec, table in ENCODED.items()}


@implementer(IBank)
class NumpyBank:
    """
    Products with sines and cosines.
    """

    def __init__(self, frequencies: Sequence[int], size: int) -> None:
        turns = np.outer(np.array(frequencies) / RATE, np.arange(size))
        angles = 2 * np.pi * turns
        self._waves = np.concatenate([np.cos(angles), np.sin(angles)])
        self._count = len(frequencies)
        self._size = size
        self._scale = 2 / size**2
        self._waiting: Any = np.zeros(0, np.int32)

    def feed(self, samples: Any) -> list[tuple[list[float], float]]:
        """
        See L{IBank}.
        """
        found = []
        waiting = np.concatenate([self._waiting, samples])
        size, count = self._size, self._count
        while len(waiting) >= size:
            block = waiting[:size].astype(np.float64)
            parts = self._waves @ block
            powers = (parts[:count] ** 2 + parts[count:] ** 2) * self._scale
            found.append((powers.tolist(), float(block @ block) / size))
            waiting = waiting[size:]
        self._waiting = waiting
        return found


@implementer(IArithmetic)
class NumpyArithmetic:
    """
    See L{IArithmetic}.
    """

    name = "numpy"

    def samples(self, frame: bytes, codec: Codec) -> Any:
        """
        See L{IArithmetic}.
        """
        return _LINEAR[codec][np.frombuffer(frame, np.uint8)]

    def energy(self, samples: Any) -> float:
        """
        See L{IArithmetic}.
        """
        exact = samples.astype(np.int64)
        return float(exact @ exact) / max(1, len(samples))

    def mix(self, rows: Sequence[Row], listeners: Sequence[Listener]) -> list[bytes]:
        """
        See L{IArithmetic}.
        """
        codec = rows[0].codec
        length = len(rows[0].frame)
        if all(row.codec is codec for row in rows):
            data = np.frombuffer(b"".join([row.frame for row in rows]), np.uint8)
            samples = _LINEAR[codec][data].reshape(len(rows), length)
        else:
            samples = np.stack([self.samples(row.frame, row.codec) for row in rows])
        public = [number for number, row in enumerate(rows) if row.public]
        total = samples.sum(axis=0) if len(public) == len(rows) else None
        if total is None:
            total = samples[public].sum(axis=0)
        found = [b""] * len(listeners)
        everything: dict[Codec, bytes] = {}
        alone: dict[Codec, list[int]] = {}
        for number, one in enumerate(listeners):
            if one.own < 0 and not one.extra:
                frame = everything.get(one.codec)
                if frame is None:
                    frame = everything[one.codec] = self._encode(total, one.codec)
                found[number] = frame
            elif one.extra:
                heard = total + samples[list(one.extra)].sum(axis=0)
                if one.own >= 0:
                    heard = heard - samples[one.own]
                found[number] = self._encode(heard, one.codec)
            else:
                alone.setdefault(one.codec, []).append(number)
        for codec, numbers in alone.items():
            own = samples[[listeners[number].own for number in numbers]]
            frames = self._encode(total - own, codec)
            for place, number in enumerate(numbers):
                found[number] = frames[place * length : (place + 1) * length]
        return found

    def _encode(self, samples: Any, codec: Codec) -> bytes:
        clipped = np.clip(samples, -32768, 32767).astype(np.int16)
        encoded: bytes = _ENCODED[codec][clipped.view(np.uint16)].tobytes()
        return encoded

    def bank(self, frequencies: Sequence[int], size: int) -> NumpyBank:
        """
        See L{IArithmetic}.
        """
        return NumpyBank(frequencies, size)
