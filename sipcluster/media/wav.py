"""
WAV files: read what is one or two channels of PCM or G.711, write G.711 and PCM.
"""

from __future__ import annotations

import struct
import sys
from array import array

from attrs import frozen

from sipcluster.media.g711 import decoded
from sipcluster.media.imedia import RATE, Codec, NoSuchAudio

#: Numbers of the formats.
PCM, A_LAW, U_LAW, EXTENSIBLE = 1, 6, 7, 0xFFFE

#: The format of each law.
FORMATS = {Codec.PCMA: A_LAW, Codec.PCMU: U_LAW}

#: Bytes of a file at most: an hour of PCM.
MOST = 60 * 60 * RATE * 2

_chunk = struct.Struct("<4sI")
_format = struct.Struct("<HHIIHH")


@frozen
class WAV:
    """
    What is in a file.

    @ivar body: its data.
    @ivar kind: number of its format.
    @ivar rate: samples a second: 8000, or some times that.
    """

    body: bytes
    kind: int
    channels: int
    rate: int
    bits: int

    @property
    def _block(self) -> int:
        # Bytes that make one sample of ours.
        return self.channels * self.rate // RATE * self.bits // 8

    @property
    def codec(self) -> Codec | None:
        """
        The law that it is written in, one byte a sample of ours; L{None}: it is not.
        """
        if self._block != 1 or self.kind == PCM:
            return None
        return Codec.PCMA if self.kind == A_LAW else Codec.PCMU

    @property
    def length(self) -> int:
        """
        Samples, at 8000 a second.
        """
        return len(self.body) // self._block

    def samples(self, start: int, count: int) -> array[int]:
        """
        Some of them, one channel, at 8000 a second.
        """
        block = self._block
        body = self.body[start * block : min(start + count, self.length) * block]
        if self.kind == A_LAW:
            samples = decoded(body, Codec.PCMA)
        elif self.kind == U_LAW:
            samples = decoded(body, Codec.PCMU)
        elif self.bits == 8:
            samples = array("h", [byte - 128 << 8 for byte in body])
        else:
            samples = array("h", body)
            if sys.byteorder == "big":
                samples.byteswap()
        # Means of neighbours: plain, and good enough for the telephone's band.
        step = self.channels * self.rate // RATE
        if step > 1:
            columns = [samples[n::step] for n in range(step)]
            rows = zip(*columns, strict=True)
            samples = array("h", [sum(row) // step for row in rows])
        return samples


def parse(data: bytes) -> WAV:
    """
    Look into a file.

    @raise NoSuchAudio: it is no WAV file, or one of a kind that we cannot read.
    """
    if len(data) > MOST:
        raise NoSuchAudio("the file is too long")
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise NoSuchAudio("no WAV file")
    position = 12
    form: tuple[int, int, int, int] | None = None
    while position + 8 <= len(data):
        name, length = _chunk.unpack_from(data, position)
        position += 8
        body = data[position : position + length]
        if name == b"fmt ":
            form = _formOf(body)
        elif name == b"data":
            if form is None:
                raise NoSuchAudio("no format before the data")
            return WAV(body, *form)
        position += length + (length & 1)
    raise NoSuchAudio("no data in the file")


def read(data: bytes) -> array[int]:
    """
    All samples of a file, at 8000 a second, one channel.

    @raise NoSuchAudio: it is no WAV file, or one of a kind that we cannot read.
    """
    found = parse(data)
    return found.samples(0, found.length)


def _formOf(body: bytes) -> tuple[int, int, int, int]:
    if len(body) < _format.size:
        raise NoSuchAudio("the format is cut")
    kind, channels, rate, _, _, bits = _format.unpack_from(body)
    if kind == EXTENSIBLE and len(body) >= 26:
        (kind,) = struct.unpack_from("<H", body, 24)
    if not 1 <= channels <= 2:
        raise NoSuchAudio(f"{channels} channels")
    if rate not in (RATE, 2 * RATE, 4 * RATE, 6 * RATE):
        raise NoSuchAudio(f"{rate} samples a second")
    if (kind, bits) not in ((PCM, 16), (PCM, 8), (U_LAW, 8), (A_LAW, 8)):
        raise NoSuchAudio(f"format {kind} with {bits} bits")
    return kind, channels, rate, bits


def header(kind: int, channels: int, samples: int) -> bytes:
    """
    What stands before the data of a file.

    @param kind: L{PCM}, L{A_LAW} or L{U_LAW}.
    @param samples: of each channel.
    """
    width = 2 if kind == PCM else 1
    block = channels * width
    length = samples * block
    form = _format.pack(kind, channels, RATE, RATE * block, block, 8 * width)
    fact = b""
    if kind != PCM:
        form += struct.pack("<H", 0)
        fact = _chunk.pack(b"fact", 4) + struct.pack("<I", samples)
    body = (
        b"WAVE"
        + _chunk.pack(b"fmt ", len(form))
        + form
        + fact
        + _chunk.pack(b"data", length)
    )
    return _chunk.pack(b"RIFF", len(body) + length + (length & 1)) + body


def write(samples: array[int]) -> bytes:
    """
    A file of PCM, one channel.
    """
    if sys.byteorder == "big":
        samples = samples[:]
        samples.byteswap()
    return header(PCM, 1, len(samples)) + samples.tobytes()
