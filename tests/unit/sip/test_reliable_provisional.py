"""
Tests for sipcluster.sip.reliable_provisional.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip import reliable_provisional
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.headers import Headers
from sipcluster.sip.message import Request, Response
from sipcluster.sip.reliable_provisional import (
    MAX_WAITING,
    Acknowledged,
    ReliableResponses,
    requires,
    responseNumber,
    supports,
)
from sipcluster.sip.timers import TimerQueue, TimerValues
from sipcluster.testing.clock import runFor
from sipcluster.testing.machines import unanswered


def progress(
    status: int = 180, body: bytes = b"", *fields: tuple[bytes, bytes]
) -> Response:
    """
    A 1xx.
    """
    headers = Headers.of((b"Call-ID", b"x"), (b"CSeq", b"7 INVITE"), *fields)
    return Response(status, b"", headers, body)


class ReadingTests(SynchronousTestCase):
    """
    What messages say.
    """

    def test_options(self) -> None:
        """
        The option tag may stand among others, in any case.
        """
        for name, wanted in ((b"Require", (True, True)), (b"k", (False, True))):
            message = progress(180, b"", (name, b"timer, 100REL"))
            self.assertEqual((requires(message), supports(message)), wanted)
        self.assertFalse(supports(progress()))

    def test_numbers(self) -> None:
        """
        Only a 1xx that requires it has a number; one that is none is malformed.
        """
        needed = (b"Require", b"100rel")
        for status, fields, number in (
            (180, [needed, (b"RSeq", b"12")], 12),
            (180, [(b"RSeq", b"12")], 0),
            (180, [needed], 0),
            (100, [needed, (b"RSeq", b"12")], 0),
            (200, [needed, (b"RSeq", b"12")], 0),
            (183, [needed, (b"RSeq", b"9" * 30)], 2**32 - 1),
        ):
            self.assertEqual(responseNumber(progress(status, b"", *fields)), number)
        wrong = progress(180, b"", needed, (b"RSeq", b"x"))
        self.assertRaises(MalformedMessage, responseNumber, wrong)

    @given(st.binary(max_size=40))
    def test_anything(self, value: bytes) -> None:
        """
        Whatever a RAck is, it is read, or malformed.
        """
        line = b" ".join(value.split()) or b"x"
        try:
            request = Request(b"PRACK", b"sip:x@y", Headers.of((b"RAck", line)))
            read = Acknowledged.of(request)
        except (MalformedMessage, ValueError):
            return
        again = Request(b"PRACK", b"sip:x@y", Headers.of((b"RAck", read.render())))
        self.assertEqual(Acknowledged.of(again), read)


class SendingTests(SynchronousTestCase):
    """
    L{ReliableResponses}: sending them until they are acknowledged.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.sent: list[tuple[float, int, bytes]] = []
        self.lost = 0
        self.reliable = self.make()

    def make(self) -> ReliableResponses:
        """
        Those of one INVITE.
        """
        return ReliableResponses(
            TimerQueue(self.clock), TimerValues(), self.send, self.lose, 41
        )

    def send(self, response: Response) -> None:
        """
        One leaves.
        """
        number = response.headers.first(b"RSeq") or b""
        self.sent.append((self.clock.seconds(), response.status, number))

    def lose(self) -> None:
        """
        Nobody acknowledges it.
        """
        self.lost += 1

    def received(self, number: int) -> bool:
        """
        A PRACK comes.
        """
        return self.reliable.received(Acknowledged(number, 7))

    def test_everythingIsAnsweredInEveryState(self) -> None:
        """
        No input is ever an unexpected transition.
        """
        machine = reliable_provisional._machine
        inputs = set(machine.__automat_automaton__.inputAlphabet())
        self.assertEqual(unanswered(machine, inputs), set())

    def test_lost(self) -> None:
        """
        One that is never acknowledged is sent with gaps that double, for 64*T1.
        """
        self.reliable.send(progress())
        runFor(self.clock, 100)
        self.assertEqual(
            [time for time, _, _ in self.sent], [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
        )
        self.assertEqual({number for _, _, number in self.sent}, {b"42"})
        self.assertEqual(self.lost, 1)
        self.assertFalse(self.received(42))
        self.reliable.send(progress())
        self.assertEqual(len(self.sent), 7)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_inTurn(self) -> None:
        """
        The next one is sent when the last one is acknowledged; not too many wait.
        """
        for status in range(180, 182 + MAX_WAITING):
            self.reliable.send(progress(status))
        self.assertFalse(self.received(41))
        self.assertFalse(self.reliable.received(Acknowledged(42, 8)))
        number = 42
        while self.received(number):
            number += 1
        self.assertEqual(number, 43 + MAX_WAITING)
        self.assertEqual(
            [status for _, status, _ in self.sent],
            list(range(180, 181 + MAX_WAITING)),
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_described(self) -> None:
        """
        Whether there is a description that is not acknowledged is known.
        """
        self.assertFalse(self.reliable.described)
        self.reliable.send(progress(183, b"sdp"))
        self.assertTrue(self.reliable.describing)
        self.received(42)
        self.assertFalse(self.reliable.describing)
        self.assertTrue(self.reliable.described)

    def test_takenOver(self) -> None:
        """
        Another process goes on with the same numbers, for as long as is left.
        """
        self.reliable.send(progress(183, b"sdp"))
        self.reliable.send(progress(180))
        runFor(self.clock, 20)
        value = self.reliable.value()
        self.assertEqual((value.number, value.described), (42, True))
        self.assertEqual(value.left, 12.0)
        self.reliable.stop()
        self.sent.clear()
        self.reliable = self.make()
        self.reliable.adopt(value)
        self.assertEqual(self.sent, [(20.0, 183, b"42")])
        self.assertTrue(self.reliable.describing)
        self.assertEqual(self.reliable.value().response, value.response)
        self.assertTrue(self.received(42))
        self.assertEqual(self.sent[1:], [(20.0, 180, b"43")])
        value = self.reliable.value()
        self.reliable.stop()
        self.reliable = self.make()
        self.reliable.adopt(value)
        runFor(self.clock, 40)
        self.assertEqual(self.lost, 1)

    def test_failing(self) -> None:
        """
        When telling fails, that is logged.
        """
        self.reliable = ReliableResponses(
            TimerQueue(self.clock), TimerValues(), self.send, self.fails, 41
        )
        self.reliable.send(progress())
        runFor(self.clock, 40)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def fails(self) -> None:
        """
        A bug.
        """
        raise ZeroDivisionError
