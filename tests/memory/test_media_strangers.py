"""
Far ends that would tell media servers what to do.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.irouting import TreatmentType
from sipcluster.sip.message import Response
from sipcluster.testing.media_server import MediaSession
from tests.memory.conferring import Conferring
from tests.memory.conversations import Line, Meeting
from tests.memory.queues import QueueTestCase

#: It would end a conference, any one.
MSML = b'<msml version="1.1"><destroyconference id="conf:other"/></msml>'


class _Telling(Meeting):
    """
    Sends INFO to media servers.
    """

    def tell(
        self,
        line: Line,
        session: MediaSession,
        kind: bytes,
        body: bytes,
        method: bytes = b"INFO",
    ) -> tuple[int, list[bytes]]:
        """
        A far end sends something.

        @return: the answer, and what the media server got.
        """
        before = len(session.told)
        request = line.phone.within(method, (), body, kind)
        self.settle()
        statuses = [
            message.status
            for _, message in self.peer.received
            if isinstance(message, Response)
            and message.cseq == request.cseq
            and message.callID == request.callID
        ]
        return statuses[-1], session.told[before:]

    def settle(self) -> None:
        """
        Let all that is under way arrive.
        """
        raise NotImplementedError


class ConferenceTests(Conferring, _Telling):
    """
    By telephones in a conference.
    """

    def test_only_digits(self) -> None:
        """
        Digits go through; what would tell the media server what to do is answered
        415, as whatever else it is not for, and counted.
        """
        self.confer("B", self.c1, "C")
        self.settle()
        line = self.line("A", self.c1)
        session = self.sessionOf("A", self.c1)
        for kind in (
            b"application/msml+xml",
            b"Application/MSML+XML;charset=utf-8",
            b"application/mediaservercontrol+xml",
            b"multipart/mixed;boundary=x",
        ):
            self.assertEqual(self.tell(line, session, kind, MSML), (415, []), kind)
        told = self.tell(line, session, b"text/plain", b"hello", b"MESSAGE")
        self.assertEqual(told, (415, []))
        digits = b"Signal=5\r\nDuration=160\r\n"
        told = self.tell(line, session, b"application/dtmf-relay", digits)
        self.assertEqual(told, (200, [digits]))
        self.assertEqual(self.node.controller.ua.counters["notForServers"], 5)
        self.endAll()


class WaitingTests(QueueTestCase, _Telling):
    """
    By who waits at a routing point, from outside.
    """

    def test_only_digits(self) -> None:
        """
        Who hears music from a media server does not tell it what else to do.
        """
        connID = self.dial("O", "5000")
        self.done(self.give(connID, TreatmentType.MUSIC))
        told = self.tell(
            self.line("O", connID), self.session(), b"application/msml+xml", MSML
        )
        self.assertEqual(told, (415, []))
        self.endAll()
