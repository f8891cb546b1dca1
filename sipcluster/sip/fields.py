"""
What requests and responses have in common: header values, read when asked for.
"""

from __future__ import annotations

import re

from sipcluster.sip.address import Address
from sipcluster.sip.cseq import CSeq
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.grammar import MAX_UNSIGNED, clampedNumber, isToken, number
from sipcluster.sip.headers import (
    CALL_ID,
    CONTACT,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    CSEQ,
    EXPIRES,
    FROM,
    FROM_TAG,
    MAX_FORWARDS,
    RECORD_ROUTE,
    ROUTE,
    SESSION_ID,
    TO,
    TO_TAG,
    VIA,
    VIAS,
    Headers,
    elementsOf,
)
from sipcluster.sip.via import Via

_isUUID = re.compile(rb"[0-9a-fA-F]{32}").fullmatch

#: Via values of one message (a bound of our own).
MOST_VIAS = 70


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
                value = next(iter(elementsOf(value)), b"")
            via = parsed[VIA] = Via.parse(value)
        return via

    @property
    def vias(self) -> tuple[Via, ...]:
        """
        All Via values, top first.
        """
        headers = self.headers
        parsed = headers.parsed
        vias: tuple[Via, ...] | None = parsed.get(VIAS)
        if vias is None:
            keys = headers.keys
            if keys.count(VIA) == 1 and b"," not in headers.lines[keys.index(VIA)]:
                vias = parsed[VIAS] = (self.via,)
                return vias
            values = headers.values(VIA)
            if len(values) > MOST_VIAS:
                raise MalformedMessage("too many Via values")
            if not values:
                raise MalformedMessage("no via")
            top = self.via
            vias = (top, *map(Via.parse, values[1:])) if len(values) > 1 else (top,)
            parsed[VIAS] = vias
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
        tag: bytes | None = parsed.get(FROM_TAG)
        if tag is None:
            tag = parsed[FROM_TAG] = self._tag(FROM)
        return tag

    @property
    def toTag(self) -> bytes:
        """
        The tag of To; empty when it has none.
        """
        parsed = self.headers.parsed
        tag: bytes | None = parsed.get(TO_TAG)
        if tag is None:
            tag = parsed[TO_TAG] = self._tag(TO)
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
