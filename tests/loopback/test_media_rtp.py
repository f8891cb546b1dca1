"""
L{sipcluster.media} with L{sipcluster.net.rtp} on the loopback interface.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SkipTest, TestCase
from zope.interface.verify import verifyObject

from sipcluster.media.audio import AudioLibrary
from sipcluster.media.engine import MediaEngine
from sipcluster.media.imedia import FRAME, Ended, IDatagrams
from sipcluster.media.ports import PortPairs
from sipcluster.media.rtp_session import RTPSession
from sipcluster.net.rtp import Datagrams
from sipcluster.sip.imedia import IMediaPort
from tests.unit.media.sessions import Ear, meanSquare, power, tone


def turn() -> Deferred[None]:
    """
    One turn of the reactor, in which what has arrived is read.
    """
    clock: Any = reactor
    return deferLater(clock, 0)


class DatagramsTests(TestCase):
    """
    UDP sockets.
    """

    timeout = 10

    @inlineCallbacks
    def test_toAndFro(self) -> Any:
        """
        What one sends another receives, with where it came from; then nothing is left
        of them.
        """
        datagrams = Datagrams(reactor, "127.0.0.1")
        verifyObject(IDatagrams, datagrams)
        arrived: Deferred[tuple[bytes, tuple[str, int]]] = Deferred()
        one = datagrams.bind(0, lambda data, origin: None)
        verifyObject(IMediaPort, one)
        two = datagrams.bind(0, lambda data, origin: arrived.callback((data, origin)))
        self.assertRaises(OSError, datagrams.bind, one.port, lambda data, origin: None)
        one.send(b"audio", "127.0.0.1", two.port)
        self.assertEqual((yield arrived), (b"audio", ("127.0.0.1", one.port)))
        for each in (one, two, one):
            each.close()
        one.send(b"audio", "127.0.0.1", two.port)
        self.assertEqual((datagrams.open, datagrams.lost), (0, 0))

    def test_cannotBeSent(self) -> None:
        """
        What cannot be sent is lost, and counted.
        """
        datagrams = Datagrams(reactor, "127.0.0.1")
        one = datagrams.bind(0, lambda data, origin: None)
        self.addCleanup(one.close)
        for host, port in (("2001:db8::1", 4000), ("127.0.0.1", 70000), ("", 0)):
            one.send(b"audio", host, port)
        one.send(bytes(100000), "127.0.0.1", 9)
        self.assertEqual(datagrams.lost, 4)

    @inlineCallbacks
    def test_receiverFails(self) -> Any:
        """
        What the taker of datagrams raises is logged, and more are taken.
        """
        datagrams = Datagrams(reactor, "127.0.0.1")
        got: list[bytes] = []

        def take(data: bytes, origin: tuple[str, int]) -> None:
            got.append(data)
            raise ZeroDivisionError

        one = datagrams.bind(0, take)
        self.addCleanup(one.close)
        for data in (b"1", b"2"):
            one.send(data, "127.0.0.1", one.port)
        while len(got) < 2:
            yield turn()
        self.assertEqual(got, [b"1", b"2"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_version6(self) -> None:
        """
        Addresses may be of version 6.
        """
        try:
            one = Datagrams(reactor, "::1").bind(0, lambda data, origin: None)
        except OSError as e:
            raise SkipTest(str(e)) from e
        self.assertEqual(one.host, "::1")
        one.close()


class EngineTests(TestCase):
    """
    Engines with real sockets.  Time is the test's, so that a busy machine leaves no
    frame out.
    """

    timeout = 30

    def setUp(self) -> None:
        self.clock = Clock()
        self.server = self._engine()
        self.phones = self._engine()

    def _engine(self) -> MediaEngine:
        engine = MediaEngine(
            self.clock,
            PortPairs(Datagrams(reactor, "127.0.0.1"), self.clock),
            AudioLibrary(),
            os.urandom,
        )
        self.addCleanup(engine.stop)
        return engine

    @inlineCallbacks
    def _pass(self, seconds: float) -> Any:
        for _ in range(round(seconds / FRAME)):
            self.clock.advance(FRAME)
            yield turn()

    def _call(self) -> tuple[RTPSession, RTPSession, Ear]:
        phone = self.phones.session()
        server = self.server.session(phone.offer())
        phone.accepted(server.answered)
        return phone, server, Ear(phone)

    @inlineCallbacks
    def test_tone(self) -> Any:
        """
        A tone goes out and arrives with its level, digits come back, and the end is
        told.
        """
        phone, server, ear = self._call()
        digits: list[str] = []
        server.collect(digits.append)
        ended: list[Ended] = []
        server.play([tone(400)], ended.append, longest=1.0)
        phone.dial("42#", 0.06, 0.06)
        yield self._pass(1.1)
        self.assertEqual(ended, [Ended.LIMIT])
        self.assertEqual("".join(digits), "42#")
        heard = ear.samples[800:7200]
        self.assertLess(abs(power(heard, 400) / meanSquare(heard) - 1), 0.02)
        self.assertLess(abs(power(heard, 400) / 4985**2 - 1), 0.05)
        self.assertEqual(phone.status()["lost"], 0)

    @inlineCallbacks
    def test_three(self) -> Any:
        """
        Each of three hears exactly the two others.
        """
        ends = [self._call() for _ in range(3)]
        frequencies = (400, 500, 700)
        for (phone, server, _), frequency in zip(ends, frequencies, strict=True):
            phone.play([tone(frequency)])
            server.join("c")
        yield self._pass(1.2)
        for number, (_, _, ear) in enumerate(ends):
            heard = ear.samples[-6400:]
            for other, frequency in enumerate(frequencies):
                level = power(heard, frequency) / 4985**2
                if other == number:
                    self.assertLess(level, 0.001)
                else:
                    self.assertLess(abs(level - 1), 0.1)

    @inlineCallbacks
    def test_thirtyTwo(self) -> Any:
        """
        Of 32 in a conference two talk: they hear each other, and all others hear both.
        """
        ends = [self._call() for _ in range(32)]
        for number, frequency in ((3, 400), (20, 700)):
            ends[number][0].play([tone(frequency)])
        for _, server, _ in ends:
            server.join("c")
        yield self._pass(1.5)
        for number, (_, _, ear) in enumerate(ends):
            heard = ear.samples[-6400:]
            for talker, frequency in ((3, 400), (20, 700)):
                level = power(heard, frequency) / 4985**2
                if number == talker:
                    self.assertLess(level, 0.001)
                else:
                    self.assertLess(abs(level - 1), 0.1, number)
