"""
Tests for sipcluster.sessioncontroller.dtmf and dtmf_events.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipcluster.sessioncontroller.dtmf import MOST, RELAY, DigitSender, InfoDigits
from sipcluster.sessioncontroller.dtmf_events import EventDigits
from sipcluster.sessioncontroller.idigits import IDigitSender, IDigitTarget
from sipcluster.sessioncontroller.isessioncontroller import (
    CallRefused,
    DTMFMethod,
    Why,
)
from sipcluster.sip.imedia import IMediaPort, IMediaPorts
from sipcluster.testing.clock import runFor

SENT = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.21\r\ns=-\r\nc=IN IP4 203.0.113.7\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
)
TAKES = (
    b"v=0\r\no=bob 1 2 IN IP4 8.8.8.8\r\ns=-\r\nc=IN IP4 8.8.8.8\r\nt=0 0\r\n"
    b"m=audio 6000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)


@implementer(IDigitTarget)
@define(eq=False)
class Target:
    """
    A far end that the test plays.

    @ivar statuses: answers to requests, 200 when there are none.
    @ivar answers: answers to offers; L{TAKES} when there are none.
    """

    clock: Clock
    dtmfMethod: DTMFMethod = DTMFMethod.INFO
    sent: bytes = SENT
    received: bytes = b""
    other: Target | None = None
    statuses: list[int] = field(factory=list)
    answers: list[bytes | CallRefused] = field(factory=list)
    requests: list[tuple[float, bytes, bytes, bytes]] = field(factory=list)
    offers: list[bytes] = field(factory=list)

    def request(self, method: bytes, contentType: bytes, body: bytes) -> Deferred[int]:
        """
        See L{IDigitTarget}.
        """
        self.requests.append((self.clock.seconds(), method, contentType, body))
        return succeed(self.statuses.pop(0) if self.statuses else 200)

    def offer(self, body: bytes) -> Deferred[bytes]:
        """
        See L{IDigitTarget}.
        """
        self.offers.append(body)
        answer = self.answers.pop(0) if self.answers else TAKES
        made: Deferred[bytes] = Deferred()
        if isinstance(answer, CallRefused):
            made.errback(answer)
        else:
            made.callback(answer)
        return made


@implementer(IMediaPorts, IMediaPort)
@define(eq=False)
class Ports:
    """
    RTP ports that send nothing.

    @ivar sent: when what went where.
    """

    clock: Clock
    none: bool = False
    host: str = "192.0.2.21"
    port: int = 30000
    received: Callable[[bytes, tuple[str, int]], None] | None = None
    isOpen: bool = False
    sent: list[tuple[float, bytes, str, int]] = field(factory=list)

    def open(self, received: Callable[[bytes, tuple[str, int]], None]) -> IMediaPort:
        """
        See L{IMediaPorts}.
        """
        if self.none:
            raise OSError("none")
        self.received = received
        self.isOpen = True
        return self

    def send(self, data: bytes, host: str, port: int) -> None:
        """
        See L{IMediaPort}.
        """
        assert self.isOpen
        self.sent.append((self.clock.seconds(), data, host, port))

    def close(self) -> None:
        """
        See L{IMediaPort}.
        """
        self.isOpen = False


def digitsOf(packets: Sequence[bytes]) -> str:
    """
    What a receiver understands of RTP packets (RFC 4733 section 2.5.2): a new
    event where the timestamp is a new one.
    """
    seen: dict[int, str] = {}
    for data in packets:
        if data[1] & 0x7F != 101:
            continue
        stamp = int.from_bytes(data[4:8], "big")
        seen.setdefault(stamp, "0123456789*#ABCD"[data[12]])
    return "".join(seen.values())


class DigitsTestCase(SynchronousTestCase):
    """
    One sender, one far end.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.target = Target(self.clock)
        self.ports = Ports(self.clock)
        self.sender = DigitSender(
            {
                DTMFMethod.INFO: InfoDigits(self.clock),
                DTMFMethod.RFC4733: EventDigits(
                    self.clock, self.ports, lambda size: b"\x07" * size
                ),
            }
        )

    def assertRefused(self, made: Deferred[None], why: Why) -> None:
        """
        It was refused.
        """
        refused = self.failureResultOf(made, CallRefused).value
        assert isinstance(refused, CallRefused)
        self.assertIs(refused.why, why)


class DigitSenderTests(DigitsTestCase):
    """
    What all ways have in common.
    """

    def test_provides(self) -> None:
        """
        The seams are provided.
        """
        verifyObject(IDigitSender, self.sender)
        verifyObject(IDigitTarget, self.target)
        verifyObject(IMediaPorts, self.ports)
        verifyObject(IMediaPort, self.ports)

    def test_noDigits(self) -> None:
        """
        What is no digit is refused, and so are none and too many.
        """
        for digits in ("", "12x", "1 2", "1,2", "\u0661", "1\n", "1" * (MOST + 1)):
            made = self.sender.send(self.target, digits)
            self.assertRefused(made, Why.BAD_VALUE)
        self.assertEqual(self.target.requests, [])

    def test_unsupported(self) -> None:
        """
        A way that this node does not have is refused.
        """
        sender = DigitSender({})
        self.assertRefused(sender.send(self.target, "1"), Why.UNSUPPORTED)


class InfoDigitsTests(DigitsTestCase):
    """
    Digits by INFO.
    """

    def test_inOrder(self) -> None:
        """
        One request a digit, each when the tone of the last one is over.
        """
        made = self.sender.send(self.target, "1a#")
        self.assertEqual(len(self.target.requests), 1)
        runFor(self.clock, 1)
        self.successResultOf(made)
        self.assertEqual(
            [(m, t, b) for _, m, t, b in self.target.requests],
            [
                (b"INFO", RELAY, b"Signal=%b\r\nDuration=160\r\n" % digit)
                for digit in (b"1", b"A", b"#")
            ],
        )
        times = [when for when, *_ in self.target.requests]
        for earlier, later in itertools.pairwise(times):
            self.assertGreaterEqual(later - earlier, 0.239)
        self.assertLess(times[-1], 0.6)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_refused(self) -> None:
        """
        What the telephone answers says why it does not work; nothing more is
        sent.
        """
        for status, why in (
            (415, Why.UNSUPPORTED),
            (405, Why.UNSUPPORTED),
            (501, Why.UNSUPPORTED),
            (408, Why.TIMEOUT),
            (481, Why.DISCONNECTED),
            (500, Why.FAILED),
        ):
            self.target.statuses = [status]
            self.assertRefused(self.sender.send(self.target, "12"), why)
        self.assertEqual(len(self.target.requests), 6)

    def test_cancelled(self) -> None:
        """
        Nothing is sent any more when nobody waits.
        """
        made = self.sender.send(self.target, "123")
        made.addErrback(lambda failure: None)
        made.cancel()
        runFor(self.clock, 1)
        self.assertEqual(len(self.target.requests), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class EventDigitsTests(DigitsTestCase):
    """
    Digits as telephone events.
    """

    def setUp(self) -> None:
        super().setUp()
        self.target.dtmfMethod = DTMFMethod.RFC4733
        self.addCleanup(self.assertClosed)

    def assertClosed(self) -> None:
        """
        The port is given back, and no timer runs.
        """
        self.assertFalse(self.ports.isOpen)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def packets(self) -> list[bytes]:
        """
        What was sent.
        """
        return [data for _, data, _, _ in self.ports.sent]

    def test_sent(self) -> None:
        """
        The device is offered our port, gets the digits, and is offered what it
        had before.
        """
        made = self.sender.send(self.target, "19#d")
        (offer,) = self.target.offers
        self.assertIn(b"m=audio 30000 RTP/AVP 8 101\r\n", offer)
        self.assertIn(b"c=IN IP4 192.0.2.21\r\n", offer)
        self.assertIn(b"a=rtpmap:101 telephone-event/8000\r\n", offer)
        runFor(self.clock, 1.5)
        self.successResultOf(made)
        self.assertEqual(digitsOf(self.packets()), "19#D")
        self.assertEqual({to[2:] for to in self.ports.sent}, {("8.8.8.8", 6000)})
        self.assertEqual(self.target.offers[1:], [SENT])
        first, last = self.ports.sent[0][0], self.ports.sent[-1][0]
        self.assertAlmostEqual(last - first, 4 * 0.24 + 0.18, places=2)

    def test_takesNone(self) -> None:
        """
        A device that takes no telephone events has its session back.
        """
        self.target.answers = [SENT, TAKES]
        made = self.sender.send(self.target, "1")
        self.assertRefused(made, Why.UNSUPPORTED)
        self.assertEqual(self.target.offers[1:], [SENT])
        self.assertEqual(self.ports.sent, [])

    def test_badAnswer(self) -> None:
        """
        An answer that cannot be read, or names no address, is none.
        """
        for answer in (
            b"v=0\r\nm=audio x",
            TAKES.replace(b"8.8.8.8", b"host.example"),
            TAKES.replace(b"m=audio 6000", b"m=audio 0"),
        ):
            self.target.answers = [answer]
            self.assertRefused(self.sender.send(self.target, "1"), Why.UNSUPPORTED)

    def test_noSession(self) -> None:
        """
        Where the session has no plain audio nothing is offered.
        """
        for sent in (b"", SENT.replace(b"RTP/AVP", b"RTP/SAVP"), b"v=0\r\nm=x"):
            self.target.sent = sent
            self.assertRefused(self.sender.send(self.target, "1"), Why.UNSUPPORTED)
        self.assertEqual(self.target.offers, [])

    def test_refused(self) -> None:
        """
        A device that refuses the offer has kept its session.
        """
        self.target.answers = [CallRefused(Why.REJECTED)]
        self.assertRefused(self.sender.send(self.target, "1"), Why.REJECTED)
        self.assertEqual(len(self.target.offers), 1)

    def test_noPort(self) -> None:
        """
        Without a port nothing is offered.
        """
        self.ports.none = True
        self.assertRefused(self.sender.send(self.target, "1"), Why.LIMIT)
        self.assertEqual(self.target.offers, [])

    def test_returns(self) -> None:
        """
        The old session is offered again when it is refused; when the call has
        ended it is not.
        """
        self.target.answers = [TAKES, CallRefused(Why.REJECTED), TAKES]
        made = self.sender.send(self.target, "1")
        runFor(self.clock, 1)
        self.assertNoResult(made)
        self.assertEqual(len(self.target.offers), 2)
        runFor(self.clock, 2)
        self.successResultOf(made)
        self.assertEqual(self.target.offers[1:], [SENT, SENT])
        self.target.offers.clear()
        self.target.answers = [TAKES, CallRefused(Why.DISCONNECTED)]
        made = self.sender.send(self.target, "1")
        runFor(self.clock, 3)
        self.successResultOf(made)
        self.assertEqual(len(self.target.offers), 2)

    def test_cannotReturn(self) -> None:
        """
        It is not offered for ever.
        """
        self.target.answers = [TAKES, *[CallRefused(Why.REJECTED)] * 5]
        made = self.sender.send(self.target, "1")
        runFor(self.clock, 30)
        self.successResultOf(made)
        self.assertEqual(len(self.target.offers), 4)

    def test_cancelled(self) -> None:
        """
        When nobody waits any more the old session is offered at once, if there is
        still a call.
        """
        made = self.sender.send(self.target, "123")
        runFor(self.clock, 0.1)
        made.addErrback(lambda failure: None)
        made.cancel()
        self.assertEqual(len(self.target.offers), 1)
        self.clock.advance(0)
        self.assertEqual(self.target.offers[1:], [SENT])

    def test_behindNAT(self) -> None:
        """
        A device with a private address is sent its digits where its RTP comes
        from, if any comes.
        """
        rtp = b"\x80" + bytes(11)
        inside = TAKES.replace(b"8.8.8.8", b"10.0.0.5")
        self.target.answers = [inside]
        made = self.sender.send(self.target, "1")
        assert self.ports.received is not None
        self.ports.received(b"\x80", ("198.51.100.9", 1))
        self.ports.received(bytes(12), ("198.51.100.9", 1))
        self.ports.received(rtp, ("198.51.100.3", 7000))
        self.ports.received(rtp, ("198.51.100.9", 1))
        runFor(self.clock, 1)
        self.successResultOf(made)
        self.assertEqual({to[2:] for to in self.ports.sent}, {("198.51.100.3", 7000)})
        self.ports.sent.clear()
        self.target.answers = [inside]
        made = self.sender.send(self.target, "1")
        runFor(self.clock, 1)
        self.successResultOf(made)
        self.assertEqual({to[2:] for to in self.ports.sent}, {("10.0.0.5", 6000)})

    def test_strangers(self) -> None:
        """
        A device with an address of its own is sent its digits there, whoever else
        sends RTP.
        """
        made = self.sender.send(self.target, "1")
        assert self.ports.received is not None
        self.ports.received(b"\x80" + bytes(11), ("198.51.100.9", 1))
        runFor(self.clock, 1)
        self.successResultOf(made)
        self.assertEqual({to[2:] for to in self.ports.sent}, {("8.8.8.8", 6000)})

    def test_otherIsSilent(self) -> None:
        """
        The other telephone does not speak while the digits are sent.
        """
        other = self.target.other = Target(self.clock)
        made = self.sender.send(self.target, "1")
        (offer,) = other.offers
        self.assertIn(b"m=audio 4000 RTP/AVP 8\r\n", offer)
        self.assertIn(b"a=inactive\r\n", offer)
        runFor(self.clock, 1)
        self.successResultOf(made)
        self.assertEqual(other.offers[1:], [SENT])
        self.assertEqual(self.target.offers[1:], [SENT])

    def test_otherIsNotSilent(self) -> None:
        """
        When the other telephone does not want that, the digits are sent all the
        same; when the call has ended they are not.
        """
        other = self.target.other = Target(self.clock)
        other.answers = [CallRefused(Why.REJECTED)]
        made = self.sender.send(self.target, "1")
        runFor(self.clock, 1)
        self.successResultOf(made)
        self.assertEqual(len(other.offers), 1)
        self.assertEqual(digitsOf([data for _, data, _, _ in self.ports.sent]), "1")
        self.ports.sent.clear()
        other.answers = [CallRefused(Why.DISCONNECTED)]
        self.assertRefused(self.sender.send(self.target, "1"), Why.DISCONNECTED)
        self.assertEqual(self.ports.sent, [])

    def test_cancelledInSilence(self) -> None:
        """
        When nobody waits any more both have their sessions back.
        """
        other = self.target.other = Target(self.clock)
        made = self.sender.send(self.target, "123")
        runFor(self.clock, 0.1)
        made.addErrback(lambda failure: None)
        made.cancel()
        runFor(self.clock, 0.1)
        self.assertEqual(other.offers[1:], [SENT])
        self.assertEqual(self.target.offers[1:], [SENT])
