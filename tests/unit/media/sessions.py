"""
Engines that reach each other in memory, for tests.
"""

from __future__ import annotations

import math
import random
from array import array
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.media.arithmetic import IArithmetic
from sipcluster.media.audio import Audio, AudioLibrary, linear
from sipcluster.media.engine import MediaEngine
from sipcluster.media.g711 import LINEAR
from sipcluster.media.imedia import Codec, Ended
from sipcluster.media.packets import parse
from sipcluster.media.ports import PortPairs
from sipcluster.media.rtp_session import RTPSession
from sipcluster.media.tones import sines
from sipcluster.testing.clock import runFor
from sipcluster.testing.datagrams import MemoryDatagrams

#: What a telephone offers that has a-law only, and no events.
PLAIN = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 8\r\n"
)


def tone(frequency: int, seconds: float = 1.0, level: float = -10.0) -> Audio:
    """
    A sine without end; C{seconds} must be whole turns of it.
    """
    return linear(sines((frequency,), seconds, level), endless=True)


def power(samples: array[int], frequency: int) -> float:
    """
    The mean square of one frequency.
    """
    step = 2 * math.pi * frequency / 8000
    real = sum(s * math.cos(step * n) for n, s in enumerate(samples))
    imaginary = sum(s * math.sin(step * n) for n, s in enumerate(samples))
    return 2 * (real * real + imaginary * imaginary) / max(1, len(samples)) ** 2


def meanSquare(samples: array[int]) -> float:
    """
    The mean square of all.
    """
    return sum(s * s for s in samples) / max(1, len(samples))


class Ear:
    """
    Keeps what a session's far end is sent, by listening at its receiver.
    """

    def __init__(self, session: RTPSession) -> None:
        self.samples = array("h")
        self.packets: list[tuple[int, int, bytes]] = []
        received = session.receiver.received

        def listening(data: bytes, origin: tuple[str, int], now: float) -> str:
            packet = parse(data)
            if packet is None:
                return received(data, origin, now)
            self.packets.append((packet.kind, packet.timestamp, packet.payload))
            if packet.kind in (0, 8):
                table = LINEAR[Codec(packet.kind)]
                self.samples.extend(table[byte] for byte in packet.payload)
            return received(data, origin, now)

        self._session = session
        session.receiver = Listened(session.receiver, listening)  # type: ignore[assignment]


class Listened:
    """
    A receiver somebody listens at.
    """

    def __init__(self, receiver: Any, received: Any) -> None:
        self._receiver = receiver
        self.received = received

    def __getattr__(self, name: str) -> Any:
        return getattr(self._receiver, name)


class Studio:
    """
    A media server's engine and a telephone's, on one clock and one network.
    """

    def __init__(
        self,
        arithmetic: IArithmetic | None = None,
        folder: Path | None = None,
        most: int = 1000,
        members: int = 64,
    ) -> None:
        self.clock = Clock()
        self.until = 0.0
        self.network: dict[str, MemoryDatagrams] = {}
        self.chance = random.Random(7)
        self.server = self._engine("192.0.2.1", arithmetic, folder, most, members)
        self.phones = self._engine("192.0.2.2", arithmetic, folder, most, members)

    def _engine(
        self,
        host: str,
        arithmetic: IArithmetic | None,
        folder: Path | None,
        most: int,
        members: int,
    ) -> MediaEngine:
        return MediaEngine(
            self.clock,
            PortPairs(MemoryDatagrams(host, self.network), self.clock, 30000, 31999),
            AudioLibrary(folder),
            self.chance.randbytes,
            most=most,
            arithmetic=arithmetic,
            members=members,
        )

    def call(self, strip: bytes = b"") -> tuple[RTPSession, RTPSession]:
        """
        The two ends of one stream: the telephone's and the server's.

        @param strip: a part of the telephone's offer that is left out.
        """
        phone = self.phones.session()
        server = self.server.session(phone.offer().replace(strip, b""))
        phone.accepted(server.answered)
        return phone, server

    def run(self, seconds: float) -> None:
        """
        Let time go on, so that what falls due at the end does.
        """
        self.until += seconds
        runFor(self.clock, self.until + 0.001 - self.clock.seconds())

    def end(self) -> None:
        """
        Stop both.
        """
        self.server.stop()
        self.phones.stop()


class SessionCase(SynchronousTestCase):
    """
    One telephone and the server's session with it.
    """

    offered = b""

    def setUp(self) -> None:
        self.studio = Studio()
        self.addCleanup(self.studio.end)
        self.phone, self.server = self.studio.call(self.offered)
        self.ear = Ear(self.phone)
        self.ended: list[Ended] = []
        self.digits: list[str] = []

    def reported(self, session: RTPSession, name: str) -> float:
        return float(str(session.status()[name]))
