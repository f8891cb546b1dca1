"""
From bytes to messages: streams and datagrams (RFC 3261 section 18.3).
"""

from __future__ import annotations

from attrs import frozen

from sipcluster.sip.errors import MalformedMessage, MessageTooLarge
from sipcluster.sip.headers import CONTENT_TYPE
from sipcluster.sip.message import (
    LIMITS,
    Limits,
    Request,
    Response,
    contentLength,
    parseHead,
    parseMessage,
)


@frozen
class Frame:
    """
    One message of a stream.
    """

    message: Request | Response


@frozen
class KeepAlive:
    """
    Line ends between messages (RFC 5626 section 3.5.1).

    @ivar ping: true for two of them, to be answered with one; false for one,
        which is such an answer or means nothing.
    """

    ping: bool


_PING = KeepAlive(True)
_PONG = KeepAlive(False)


class StreamFramer:
    """
    Cuts a stream into messages.

    Give it bytes with L{receive}, then take events with L{nextEvent} until
    there is none.  After an error the stream cannot be read on: message
    boundaries are lost.
    """

    __slots__ = ("_buffer", "_limit", "_limits", "_looked", "_pending", "_sawLineEnd")

    def __init__(self, limit: int = 65536, limits: Limits = LIMITS) -> None:
        """
        @param limit: bytes of one message, and of what is kept of one that is
            not whole yet.
        """
        self._buffer = bytearray()
        self._limit = limit
        self._limits = limits
        self._looked = 0
        self._pending: tuple[Request | Response, int, int] | None = None
        self._sawLineEnd = False

    @property
    def buffered(self) -> int:
        """
        Bytes received and not given out yet.
        """
        return len(self._buffer)

    def receive(self, data: bytes) -> None:
        """
        Take bytes off the stream.
        """
        self._buffer += data

    def nextEvent(self) -> Frame | KeepAlive | None:
        """
        The next message, in order, or line ends between messages.

        @return: L{None} when more bytes are wanted.

        @raise MalformedMessage: the stream cannot be read on; its C{request}
            can be answered if there is one.
        """
        buffer = self._buffer
        if self._pending is None:
            if not buffer:
                return None
            if buffer[0] in b"\r\n" and not self._looked:
                return self._lineEnds()
            end = buffer.find(b"\r\n\r\n", max(0, self._looked - 3))
            if end < 0:
                if len(buffer) > self._limit:
                    raise MessageTooLarge(
                        "header section too large", bytes(buffer[:80])
                    )
                self._looked = len(buffer)
                return None
            self._sawLineEnd = False
            self._pending = self._head(end)
        message, start, total = self._pending
        if len(buffer) < total:
            return None
        raw = bytes(buffer) if len(buffer) == total else bytes(buffer[:total])
        del buffer[:total]
        self._looked = 0
        self._pending = None
        message.body = raw[start:]
        message._raw = raw
        return Frame(message)

    def _lineEnds(self) -> KeepAlive | None:
        buffer = self._buffer
        rest = buffer.lstrip(b"\r\n")
        count = len(buffer) - len(rest)
        if buffer[count - 1] == 13:
            if rest:
                raise MalformedMessage("stray carriage return", b"\r")
            count -= 1  # perhaps the first half of one more
        ends = buffer[:count].count(b"\n")
        del buffer[:count]
        if not ends:
            return None
        if ends > 1 or self._sawLineEnd:
            self._sawLineEnd = False
            return _PING
        self._sawLineEnd = True
        return _PONG

    def _head(self, end: int) -> tuple[Request | Response, int, int]:
        """
        Read the head of the message in front.

        @return: the message, where its body starts and where it ends.
        """
        if end > self._limit:
            raise MessageTooLarge("header section too large", bytes(self._buffer[:80]))
        message = parseHead(bytes(self._buffer[:end]), self._limits)
        try:
            length = contentLength(message.headers)
            if length is None:
                if CONTENT_TYPE in message.headers.keys:
                    raise MalformedMessage("no Content-Length on a stream")
                length = 0
            total = end + 4 + length
            if total > self._limit:
                raise MessageTooLarge("message too large")
        except MalformedMessage as e:
            if isinstance(message, Request):
                e.request = message
            raise
        return message, end + 4, total


def parseDatagram(
    data: bytes, limits: Limits = LIMITS
) -> Request | Response | KeepAlive | None:
    """
    Read a datagram.

    A request that is shorter than it announces is given nevertheless, for
    C{checkRequest} to refuse: it wants an answer.

    @return: L{None} for an empty datagram or one without sense that keeps a
        NAT binding open (only line ends, blanks or NULs); L{KeepAlive} for two
        line ends.

    @raise MalformedMessage: it is no message, or a response that cannot be
        used; to be dropped, unless its C{request} can be answered.
    """
    first = data[:1]
    if first in b"\r\n\0 ":  # the empty one included
        if not data.strip(b"\r\n\0 \t"):
            return _PING if data == b"\r\n\r\n" else None
        data = data.lstrip(b"\r\n")
    return parseMessage(data, limits, lenient=True)
