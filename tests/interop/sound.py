"""
What telephones say to each other: tones made, and tones found again.
"""

from __future__ import annotations

import contextlib
import math
import socket
import struct
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import define

from tests.interop.namespaces import Namespace

#: Samples a second of all sound here: G.711 knows no other.
RATE = 8000

_IPV4 = 0x0800
_OUTGOING = 4
_UDP = 17


def writeTone(file: Path, frequency: int, seconds: int = 60) -> None:
    """
    Write a WAV file with one tone.

    @param frequency: whole hertz, so that every second is the same.
    """
    second = b"".join(
        struct.pack("<h", int(8000 * math.sin(2 * math.pi * frequency * n / RATE)))
        for n in range(RATE)
    )
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        for _ in range(seconds):
            out.writeframes(second)


def readSamples(file: Path) -> tuple[int, ...]:
    """
    The samples of a WAV file that may still be written to: what its header says
    of their number is not true before the end.
    """
    raw = file.read_bytes()[44:]
    count = len(raw) // 2
    return struct.unpack(f"<{count}h", raw[: 2 * count])


def share(samples: Sequence[int], frequency: float) -> float:
    """
    How much of a sound is one tone: 0 nothing, 1 all of it (Goertzel).
    """
    power = sum(sample * sample for sample in samples)
    if not power:
        return 0.0
    turn = 2 * math.cos(2 * math.pi * frequency / RATE)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + turn * last - before
    energy = last * last + before * before - turn * last * before
    return 2 * energy / (len(samples) * power)


def level(samples: Sequence[int], frequency: float) -> float:
    """
    How loud a tone is in a sound: its amplitude.
    """
    power = sum(sample * sample for sample in samples)
    part = max(0.0, share(samples, frequency))
    return math.sqrt(2 * part * power / len(samples)) if power else 0.0


def _muLaw(byte: int) -> int:
    """
    One byte of G.711 mu-law as a linear sample.
    """
    byte = ~byte & 0xFF
    size = ((((byte & 0x0F) << 3) + 0x84) << (byte >> 4 & 7)) - 0x84
    return -size if byte & 0x80 else size


_MU_LAW = tuple(_muLaw(byte) for byte in range(256))


@define
class Ear:
    """
    Listens to the RTP that arrives at a telephone, on the wire before it.
    """

    address: str
    _wire: socket.socket

    @classmethod
    @contextlib.contextmanager
    def at(cls, namespace: Namespace, address: str) -> Iterator[Ear]:
        """
        Listen in a telephone's namespace for as long as the block runs.
        """
        with namespace.entered():
            wire = socket.socket(
                socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_IPV4)
            )
        with wire:
            wire.setblocking(False)
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            yield cls(address, wire)

    def heard(self) -> list[int]:
        """
        The samples of all PCMU packets that arrived since it was asked last.
        """
        found: list[int] = []
        while True:
            try:
                packet, (_, _, direction, *_) = self._wire.recvfrom(65536)
            except BlockingIOError:
                return found
            start = (packet[0] & 15) * 4
            if direction == _OUTGOING or packet[9] != _UDP:
                continue
            if socket.inet_ntoa(packet[16:20]) != self.address:
                continue
            rtp = packet[start + 8 :]
            if len(rtp) > 12 and rtp[0] == 0x80 and rtp[1] & 0x7F == 0:
                found.extend(_MU_LAW[byte] for byte in rtp[12:])
