"""
SIP messages (RFC 3261 section 7): immutable, and bytes until someone asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeVar

from attrs import frozen

from sipcluster.sip.address import Address
from sipcluster.sip.cseq import CSeq
from sipcluster.sip.errors import MalformedMessage, MessageTooLarge
from sipcluster.sip.grammar import MAX_UNSIGNED, clampedNumber, isToken, number
from sipcluster.sip.headers import (
    CALL_ID,
    CONTACT,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    CSEQ,
    EXPIRES,
    FROM,
    MAX_FORWARDS,
    RECORD_ROUTE,
    ROUTE,
    SESSION_ID,
    TO,
    VIA,
    Headers,
)
from sipcluster.sip.parameters import splitOutsideQuotes
from sipcluster.sip.status import reasonPhrase
from sipcluster.sip.uri import URI, parseURI
from sipcluster.sip.via import Via

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

_isUUID = re.compile(rb"[0-9a-fA-F]{32}").fullmatch
_statusLine = re.compile(rb"SIP/2\.0 +([1-6][0-9][0-9])(?: +(.*))?", re.I).fullmatch
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
    vias: int = 70


LIMITS = Limits()

_M = TypeVar("_M", bound="Message")


class Message:
    """
    What L{Request} and L{Response} have in common.

    Attributes that read a header raise L{MalformedMessage} when it is bad, or
    missing where RFC 3261 section 8.1.1 makes it mandatory; a value once read
    is kept.

    @ivar headers: the header section.
    @ivar body: the body, empty when there is none.
    """

    __slots__ = ("_raw", "body", "headers")

    headers: Headers
    body: bytes
    _raw: bytes | None

    def _firstLine(self) -> bytes:
        raise NotImplementedError

    def render(self) -> bytes:
        """
        Write it: what was received when nothing was changed, otherwise the
        lines with what was changed, and a Content-Length where none is.
        """
        raw = self._raw
        if raw is None:
            headers = self.headers
            lines = [self._firstLine(), *headers.lines]
            if CONTENT_LENGTH not in headers.keys:
                lines.append(b"Content-Length: %d" % len(self.body))
            lines += (b"", self.body)
            raw = self._raw = b"\r\n".join(lines)
        return raw

    def _mandatory(self, key: bytes) -> bytes:
        value = self.headers.first(key)
        if not value:
            raise MalformedMessage(f"no {key.decode()}")
        return value

    @property
    def via(self) -> Via:
        """
        The top Via.
        """
        parsed = self.headers.parsed
        via: Via | None = parsed.get(VIA)
        if via is None:
            value = self._mandatory(VIA)
            if b"," in value:
                value = next((v for v in splitOutsideQuotes(value, b",") if v), b"")
            via = parsed[VIA] = Via.parse(value)
        return via

    @property
    def vias(self) -> tuple[Via, ...]:
        """
        All Via values, top first.
        """
        parsed = self.headers.parsed
        vias: tuple[Via, ...] | None = parsed.get(b"via*")
        if vias is None:
            values = self.headers.values(VIA)
            if len(values) > LIMITS.vias:
                raise MalformedMessage("too many Via values")
            if not values:
                raise MalformedMessage("no via")
            vias = parsed[b"via*"] = tuple(map(Via.parse, values))
        return vias

    @property
    def branch(self) -> bytes:
        """
        The branch of the top Via; empty when it has none.
        """
        return self.via.branch

    @property
    def callID(self) -> bytes:
        """
        Call-ID.
        """
        parsed = self.headers.parsed
        value: bytes | None = parsed.get(CALL_ID)
        if value is None:
            value = parsed[CALL_ID] = self._mandatory(CALL_ID)
        return value

    @property
    def cseq(self) -> CSeq:
        """
        CSeq.
        """
        parsed = self.headers.parsed
        cseq: CSeq | None = parsed.get(CSEQ)
        if cseq is None:
            cseq = parsed[CSEQ] = CSeq.parse(self._mandatory(CSEQ))
        return cseq

    @property
    def fromTag(self) -> bytes:
        """
        The tag of From; empty when it has none.
        """
        parsed = self.headers.parsed
        tag: bytes | None = parsed.get(b"from;tag")
        if tag is None:
            tag = parsed[b"from;tag"] = self._tag(FROM)
        return tag

    @property
    def toTag(self) -> bytes:
        """
        The tag of To; empty when it has none.
        """
        parsed = self.headers.parsed
        tag: bytes | None = parsed.get(b"to;tag")
        if tag is None:
            tag = parsed[b"to;tag"] = self._tag(TO)
        return tag

    def _tag(self, key: bytes) -> bytes:
        value = self._mandatory(key)
        tail = value.rpartition(b";tag=")[2]
        if tail is value or tail == value:
            if b"tag" not in value.lower():
                return b""
        elif isToken(tail):
            return tail
        return self._address(key).tag

    def _address(self, key: bytes) -> Address:
        parsed = self.headers.parsed
        address: Address | None = parsed.get(key)
        if address is None:
            address = parsed[key] = Address.parse(self._mandatory(key))
        return address

    @property
    def fromAddress(self) -> Address:
        """
        From.
        """
        return self._address(FROM)

    @property
    def toAddress(self) -> Address:
        """
        To.
        """
        return self._address(TO)

    def _addresses(self, key: bytes) -> tuple[Address, ...]:
        headers = self.headers
        addresses: tuple[Address, ...] | None = headers.parsed.get(key)
        if addresses is None:
            addresses = tuple(map(Address.parse, headers.values(key)))
            headers.parsed[key] = addresses
        return addresses

    @property
    def contacts(self) -> tuple[Address, ...]:
        """
        All Contact values; C{*} is the address C{STAR}.
        """
        return self._addresses(CONTACT)

    @property
    def routes(self) -> tuple[Address, ...]:
        """
        All Route values, nearest first.
        """
        return self._addresses(ROUTE)

    @property
    def recordRoutes(self) -> tuple[Address, ...]:
        """
        All Record-Route values, top first.
        """
        return self._addresses(RECORD_ROUTE)

    @property
    def maxForwards(self) -> int | None:
        """
        Max-Forwards, 0 to 255; L{None} when there is none.
        """
        value = self.headers.first(MAX_FORWARDS)
        return None if value is None else number(value, "Max-Forwards", 255)

    @property
    def expires(self) -> int | None:
        """
        Expires in seconds; L{None} when there is none.
        """
        value = self.headers.first(EXPIRES)
        return None if value is None else clampedNumber(value, "Expires", MAX_UNSIGNED)

    @property
    def contentType(self) -> bytes:
        """
        Type and subtype of Content-Type in lower case, without parameters;
        empty when there is none.
        """
        value = self.headers.first(CONTENT_TYPE) or b""
        return b"".join(value.partition(b";")[0].lower().split())

    @property
    def sessionID(self) -> bytes:
        """
        The sender's UUID from Session-ID, 32 hexadecimal digits in lower case;
        empty when there is none (RFC 7989).
        """
        value = (self.headers.first(SESSION_ID) or b"").partition(b";")[0].strip()
        return value.lower() if _isUUID(value) else b""


def _withLength(headers: Headers, body: bytes) -> Headers:
    """
    Make Content-Length say how long the body is.
    """
    length = b"%d" % len(body)
    if headers.all(CONTENT_LENGTH) == [length]:
        return headers
    return headers.replace(b"Content-Length", length)


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
        """
        self.method = method
        self.uri = uri
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
            new.uri = uri
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
        """
        self.status = status
        self.reason = reason
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
            new.reason = reason
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
_COPIED = frozenset([VIA, b"via*", FROM, b"from;tag", CALL_ID, CSEQ])


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
    if len(data) > limits.message:
        raise MessageTooLarge("message too large")
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if not data.endswith(b"\r\n"):
            raise MalformedMessage("no end of the header section", data)
        data += b"\r\n"  # some leave out the empty line when there is no body
        end = len(data) - 4
    message = parseHead(data[:end], limits)
    start = end + 4
    try:
        length = contentLength(message.headers)
        if length is not None and length > len(data) - start:
            raise MalformedMessage("shorter than announced")
    except MalformedMessage as e:
        if isinstance(message, Response):
            raise
        message.body = data[start:]
        if not lenient:
            e.request = message
            raise
        length = None
    if length is not None and length < len(data) - start:
        data = data[: start + length]
    message.body = data[start:]
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
    if head.count(b"\n") != len(lines) - 1 or head.count(b"\r") != len(lines) - 1:
        raise MalformedMessage("stray carriage return or line feed", head)
    if len(lines) > limits.lines:
        raise MessageTooLarge("too many header lines")
    if len(head) > limits.line and max(map(len, lines)) > limits.line:
        raise MessageTooLarge("header line too long")
    first = lines.pop(0)
    message: Request | Response
    if first[:4] == b"SIP/" or first[:4].upper() == b"SIP/":
        match = _statusLine(first)
        if match is None:
            raise MalformedMessage("bad status line", first)
        message = Response.__new__(Response)
        message.status = int(match[1])
        message.reason = match[2] or b""
    else:
        message = _requestLine(first)
    message.headers = Headers.fromLines(lines)
    if message.headers.keys.count(VIA) > limits.vias:
        raise MessageTooLarge("too many Via fields")
    message._raw = None
    message.body = b""
    return message


def _requestLine(line: bytes) -> Request:
    """
    Read a request line.  What stands between method and version is taken for
    the Request-URI even when it holds blanks: it is refused when it is asked
    for, and the request can be answered 400.
    """
    method, _, rest = line.partition(b" ")
    uri, _, version = rest.rstrip().rpartition(b" ")
    if not isToken(method) or not uri or not _isVersion(version):
        raise MalformedMessage("bad request line", line)
    request = Request.__new__(Request)
    request.method = method
    request.uri = uri
    request.version = version
    request._requestURI = None
    return request


def contentLength(headers: Headers) -> int | None:
    """
    The Content-Length.

    @return: L{None} when there is none.

    @raise MalformedMessage: it is no number, or there are several that differ.
    """
    keys = headers.keys
    if CONTENT_LENGTH not in keys:
        return None
    values = headers.all(CONTENT_LENGTH)
    if len(values) > 1 and len(set(values)) > 1:
        raise MalformedMessage("several Content-Length", b", ".join(values))
    return number(values[0], "Content-Length", MAX_UNSIGNED)
