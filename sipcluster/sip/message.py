"""
SIP messages (RFC 3261 section 7): immutable, and bytes until someone asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from attrs import frozen

from sipcluster.sip.errors import MalformedMessage, MessageTooLarge
from sipcluster.sip.fields import MOST_VIAS, Message
from sipcluster.sip.grammar import MAX_UNSIGNED, isToken, number
from sipcluster.sip.headers import (
    CALL_ID,
    CONTENT_LENGTH,
    CSEQ,
    FROM,
    FROM_TAG,
    RECORD_ROUTE,
    TO,
    VIA,
    VIAS,
    Headers,
)
from sipcluster.sip.status import reasonPhrase
from sipcluster.sip.uri import URI, parseURI

__all__ = [
    "Headers",
    "Limits",
    "Message",
    "Request",
    "Response",
    "makeResponse",
    "parseMessage",
]

VERSION = b"SIP/2.0"

#: Methods whose requests may make a dialog.
DIALOG_MAKING = frozenset([b"INVITE", b"SUBSCRIBE", b"REFER"])

_isStatusLine = re.compile(rb"SIP/2\.0 +([1-6][0-9][0-9])(?: +(.*))?", re.I).fullmatch
_isVersion = re.compile(rb"SIP/[0-9]+\.[0-9]+", re.I).fullmatch


@frozen
class Limits:
    """
    Bounds on one message.

    @ivar message: bytes of the whole.
    @ivar lines: header fields and their continuations.
    @ivar line: bytes of one line.
    @ivar vias: Via values.
    """

    message: int = 65535
    lines: int = 256
    line: int = 8192
    vias: int = MOST_VIAS


LIMITS = Limits()


def _withLength(headers: Headers, body: bytes) -> Headers:
    """
    Make Content-Length say how long the body is.
    """
    length = b"%d" % len(body)
    if headers.all(CONTENT_LENGTH) == [length]:
        return headers
    return headers.replace(b"Content-Length", length)


def _noLineEnd(value: bytes) -> bytes:
    """
    What goes into a first line must not end it.
    """
    if b"\n" in value or b"\r" in value:
        raise ValueError(f"{value!r} cannot stand in the first line")
    return value


class Request(Message):
    """
    A request.

    @ivar method: as spelled; methods are compared with case.
    @ivar uri: the Request-URI as spelled.
    @ivar version: as spelled; a peer's may be none that is known.
    """

    __slots__ = ("_requestURI", "method", "uri", "version")

    def __init__(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers,
        body: bytes = b"",
        version: bytes = VERSION,
    ) -> None:
        """
        @param headers: a Content-Length in it is made to fit the body.

        @raise ValueError: the Request-URI holds a line end.
        """
        self.method = method
        self.uri = _noLineEnd(uri)
        self.headers = _withLength(headers, body)
        self.body = body
        self.version = version
        self._raw = None
        self._requestURI: URI | None = None

    def _firstLine(self) -> bytes:
        return b"%b %b %b" % (self.method, self.uri, self.version)

    @property
    def requestURI(self) -> URI:
        """
        The Request-URI, of whatever scheme.

        @raise MalformedMessage: it is no URI.
        """
        uri = self._requestURI
        if uri is None:
            uri = self._requestURI = parseURI(self.uri)
        return uri

    def replacing(
        self,
        uri: bytes | None = None,
        headers: Headers | None = None,
        body: bytes | None = None,
    ) -> Request:
        """
        The same request with another Request-URI, header section or body.
        Content-Length follows the body.

        @raise ValueError: the Request-URI holds a line end.
        """
        new = Request.__new__(Request)
        new.method = self.method
        new.version = self.version
        new._raw = None
        new.headers = self.headers if headers is None else headers
        new.body = self.body
        if uri is None or uri == self.uri:
            new.uri = self.uri
            new._requestURI = self._requestURI
        else:
            new.uri = _noLineEnd(uri)
            new._requestURI = None
        if body is not None:
            new.body = body
            new.headers = _withLength(new.headers, body)
        return new

    def __repr__(self) -> str:
        return f"<Request {self.method!r} {self.uri!r}>"


class Response(Message):
    """
    A response.

    @ivar status: 100 to 699.
    @ivar reason: the phrase; may be empty.
    """

    __slots__ = ("reason", "status")

    def __init__(
        self, status: int, reason: bytes, headers: Headers, body: bytes = b""
    ) -> None:
        """
        @param headers: a Content-Length in it is made to fit the body.

        @raise ValueError: the phrase holds a line end.
        """
        self.status = status
        self.reason = _noLineEnd(reason)
        self.headers = _withLength(headers, body)
        self.body = body
        self._raw = None

    def _firstLine(self) -> bytes:
        return b"SIP/2.0 %d %b" % (self.status, self.reason)

    def replacing(
        self,
        headers: Headers | None = None,
        body: bytes | None = None,
        status: int | None = None,
        reason: bytes | None = None,
    ) -> Response:
        """
        The same response with another header section, body, code or phrase.
        Content-Length follows the body.  A new code without a phrase gets its
        usual one.

        @raise ValueError: the phrase holds a line end.
        """
        new = Response.__new__(Response)
        new.status = self.status
        new.reason = self.reason
        new._raw = None
        new.headers = self.headers if headers is None else headers
        new.body = self.body
        if status is not None:
            new.status = status
            new.reason = reasonPhrase(status)
        if reason is not None:
            new.reason = _noLineEnd(reason)
        if body is not None:
            new.body = body
            new.headers = _withLength(new.headers, body)
        return new

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.reason!r}>"


def makeResponse(
    request: Request,
    status: int,
    reason: bytes = b"",
    toTag: bytes = b"",
    headers: Headers | Iterable[tuple[bytes, bytes]] = (),
    body: bytes = b"",
    contentType: bytes = b"",
) -> Response:
    """
    Answer a request (RFC 3261 sections 8.2.6 and 12.1.1).

    Via, From, To, Call-ID and CSeq are the request's, byte for byte;
    Record-Route too where the response may make a dialog, Timestamp in a 100.

    @param reason: the phrase; the usual one when empty.
    @param toTag: put on To when it has none yet; empty puts none.
    @param headers: further fields, below those.
    """
    wanted = {VIA, FROM, TO, CALL_ID, CSEQ}
    if 100 < status < 300 and request.method in DIALOG_MAKING:
        wanted.add(RECORD_ROUTE)
    elif status == 100:
        wanted.add(b"timestamp")
    lines: list[bytes] = []
    keys: list[bytes] = []
    theirs = request.headers
    for line, key in zip(theirs.lines, theirs.keys, strict=True):
        if key in wanted:
            if key is not VIA and key is not RECORD_ROUTE:
                wanted.discard(key)  # a second one is a fault and not repeated
                if key is TO and toTag and not request.toTag:
                    line = b"%b;tag=%b" % (line.rstrip(), toTag)
            lines.append(line)
            keys.append(key)
    parsed: dict[bytes, Any] = {
        key: value for key, value in theirs.parsed.items() if key in _COPIED
    }
    made = Headers(lines, keys, parsed)
    if isinstance(headers, Headers):
        made = Headers(lines + headers.lines, keys + headers.keys, parsed)
    else:
        made = made.extended(headers)
    if body and contentType:
        made = made.replace(b"Content-Type", contentType)
    made = made.replace(b"Content-Length", b"%d" % len(body))
    return Response(status, reason or reasonPhrase(status), made, body)


#: Parsed values that a response has in common with its request.
_COPIED = frozenset([VIA, VIAS, FROM, FROM_TAG, CALL_ID, CSEQ])


def parseMessage(
    data: bytes, limits: Limits = LIMITS, lenient: bool = False
) -> Request | Response:
    """
    Read one whole message.

    The body is what Content-Length says, and what follows it is left out;
    without a Content-Length the body is all the rest.  An empty line that is
    missing at the very end is put there.

    @param lenient: give a request whose body is shorter than announced or
        whose Content-Length is no number, with all of the rest as its body, so
        that it can be refused by C{checkRequest}.

    @raise MalformedMessage: first line, header section or length are not
        those of a message.  No header is looked into.
    """
    size = len(data)
    if size > limits.message:
        raise MessageTooLarge("message too large")
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if not data.endswith(b"\r\n"):
            raise MalformedMessage("no end of the header section", data)
        data += b"\r\n"  # some leave out the empty line when there is no body
        size += 2
        end = size - 4
    message = parseHead(data[:end], limits)
    end += 4
    try:
        length = contentLength(message.headers)
        if length is not None and length != size - end:
            if length > size - end:
                raise MalformedMessage("shorter than announced")
            data = data[: end + length]
    except MalformedMessage as e:
        if isinstance(message, Response):
            raise
        if not lenient:
            message.body = data[end:]
            e.request = message
            raise
    message.body = data[end:]
    message._raw = data
    return message


def parseHead(head: bytes, limits: Limits = LIMITS) -> Request | Response:
    """
    Read first line and header section.

    @param head: without the empty line and the line end before it.

    @return: a message without its body.

    @raise MalformedMessage: it is none.
    """
    lines = head.split(b"\r\n")
    ends = len(lines) - 1
    if head.count(b"\n") != ends or head.count(b"\r") != ends:
        raise MalformedMessage("stray carriage return or line feed", head)
    if ends > limits.lines:
        raise MessageTooLarge("too many header lines")
    if len(head) > limits.line and max(map(len, lines)) > limits.line:
        raise MessageTooLarge("header line too long")
    first = lines.pop(0)
    message: Request | Response
    if first[:4] == b"SIP/" or first[:4].upper() == b"SIP/":
        message = Response.__new__(Response)
        message.status, message.reason = _statusLine(first)
    else:
        message = Request.__new__(Request)
        message.method, message.uri, message.version = _requestLine(first)
        message._requestURI = None
    headers = message.headers = Headers.fromLines(lines)
    if ends > limits.vias and headers.keys.count(VIA) > limits.vias:
        raise MessageTooLarge("too many Via fields")
    message.body = b""
    message._raw = None
    return message


def _requestLine(line: bytes) -> tuple[bytes, bytes, bytes]:
    """
    Read a request line.  What stands between method and version is taken for
    the Request-URI even when it holds blanks: it is refused when it is asked
    for, and the request can be answered 400.
    """
    parts = line.split(b" ")
    if len(parts) == 3:
        method, uri, version = parts
    else:
        method, _, rest = line.partition(b" ")
        uri, _, version = rest.rstrip().rpartition(b" ")
    if not uri or not isToken(method):
        raise MalformedMessage("bad request line", line)
    if version != VERSION and not _isVersion(version):
        raise MalformedMessage("bad request line", line)
    return method, uri, version


def _statusLine(line: bytes) -> tuple[int, bytes]:
    match = _isStatusLine(line)
    if match is None:
        raise MalformedMessage("bad status line", line)
    status, reason = match.groups()
    return int(status), reason or b""


def contentLength(headers: Headers) -> int | None:
    """
    The Content-Length.

    @return: L{None} when there is none.

    @raise MalformedMessage: it is no number, or there are several that differ.
    """
    length: int | None = headers.parsed.get(CONTENT_LENGTH)
    if length is None:
        value = headers.first(CONTENT_LENGTH)
        if value is None:
            return None
        if headers.keys.count(CONTENT_LENGTH) > 1:
            values = headers.all(CONTENT_LENGTH)
            if len(set(values)) > 1:
                raise MalformedMessage("several Content-Length", b", ".join(values))
        length = number(value, "Content-Length", MAX_UNSIGNED)
        headers.parsed[CONTENT_LENGTH] = length
    return length
