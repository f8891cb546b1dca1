"""
URIs of SIP messages (RFC 3261 section 19.1, RFC 3966).
"""

from __future__ import annotations

import re
from functools import lru_cache

from attrs import evolve, field, frozen

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.grammar import HOST, portNumber, unescape
from sipcluster.sip.parameters import NONE, Parameters

# The user part is read liberally: UTF-8 and characters that should have been
# escaped are kept, only what would end a URI elsewhere is refused.
_sipURI = re.compile(
    rb"([sS][iI][pP][sS]?):"
    rb'(?:([^\x00-\x20\x7f@:<>"]*)(?::([^\x00-\x20\x7f@<>"]*))?@)?'
    rb"(" + HOST + rb")(?::([0-9]*))?"
    rb'((?:;[^\x00-\x20\x7f@?<>"]*)?)'
    rb'(?:\?([^\x00-\x20\x7f@<>"]*))?'
).fullmatch
_otherURI = re.compile(rb'([A-Za-z][A-Za-z0-9+.\-]*):([^\x00-\x20\x7f<>"]+)').fullmatch

#: Parameters that make two URIs different even when only one has them.
_DECISIVE = (b"user", b"ttl", b"method", b"maddr", b"transport")


@frozen
class SIPURI:
    """
    A C{sip:} or C{sips:} URI.

    @ivar scheme: C{b"sip"} or C{b"sips"}.
    @ivar host: as spelled; an IPv6 address has its brackets.
    @ivar user: as spelled, escapes included; empty when there is none.
    @ivar port: 0 when none is given.
    @ivar headers: what follows the question mark, as spelled.
    """

    scheme: bytes
    host: bytes
    user: bytes = b""
    port: int = 0
    parameters: Parameters = NONE
    headers: bytes = b""
    password: bytes = field(default=b"", repr=False)

    @property
    def secure(self) -> bool:
        """
        Whether this is a C{sips:} URI.
        """
        return self.scheme == b"sips"

    @property
    def transport(self) -> str:
        """
        The C{transport} parameter in capitals; empty when there is none.
        """
        return self.parameters.text(b"transport").decode("ascii", "replace").upper()

    @property
    def bareHost(self) -> str:
        """
        The host in lower case and without brackets, for sockets and names.
        """
        return self.host.strip(b"[]").lower().decode("ascii")

    @property
    def userText(self) -> bytes:
        """
        The user part without escapes.
        """
        return unescape(self.user)

    def hostPort(self, default: int = 0) -> bytes:
        """
        C{host:port}.

        @param default: the port when none is given; 0 leaves it out.
        """
        port = self.port or default
        return b"%b:%d" % (self.host, port) if port else self.host

    def aor(self) -> bytes:
        """
        The canonical address-of-record (RFC 3261 section 10.3 step 5):
        C{sip:user@host}, user without escapes, host in lower case.
        """
        if not self.user:
            return b"sip:" + self.host.lower()
        return b"sip:%b@%b" % (unescape(self.user), self.host.lower())

    def with_(self, name: bytes, value: bytes | None) -> SIPURI:
        """
        The same URI with a parameter set; L{None} makes a flag.
        """
        return evolve(self, parameters=self.parameters.with_(name, value))

    def without(self, name: bytes) -> SIPURI:
        """
        The same URI without a parameter.
        """
        return evolve(self, parameters=self.parameters.without(name))

    def asRequestURI(self) -> SIPURI:
        """
        The same URI without what must not be in a Request-URI: headers and a
        method (section 19.1.1).
        """
        if not self.headers and b"method" not in self.parameters:
            return self
        return evolve(self, parameters=self.parameters.without(b"method"), headers=b"")

    def equivalent(self, other: URI) -> bool:
        """
        Compare as RFC 3261 section 19.1.4 wants.
        """
        if not isinstance(other, SIPURI):
            return False
        if (
            self.scheme != other.scheme
            or self.port != other.port
            or self.host.lower() != other.host.lower()
            or unescape(self.user) != unescape(other.user)
            or unescape(self.password) != unescape(other.password)
        ):
            return False
        mine, theirs = _comparable(self.parameters), _comparable(other.parameters)
        for name in mine.keys() & theirs.keys():
            if mine[name] != theirs[name]:
                return False
        if any((name in mine) != (name in theirs) for name in _DECISIVE):
            return False
        return _headers(self.headers) == _headers(other.headers)

    def render(self) -> bytes:
        """
        Write it.
        """
        parts = [self.scheme, b":"]
        if self.user or self.password:
            parts.append(self.user)
            if self.password:
                parts += (b":", self.password)
            parts.append(b"@")
        parts.append(self.host)
        if self.port:
            parts.append(b":%d" % self.port)
        parts.append(self.parameters.render())
        if self.headers:
            parts += (b"?", self.headers)
        return b"".join(parts)


def _comparable(parameters: Parameters) -> dict[bytes, bytes]:
    return {
        unescape(name): unescape(value).lower()
        for name, value in reversed([*parameters])
    }


def _headers(headers: bytes) -> list[tuple[bytes, bytes]]:
    pairs = []
    for piece in headers.split(b"&"):
        name, _, value = piece.partition(b"=")
        pairs.append((unescape(name).lower(), unescape(value)))
    return sorted(pairs)


@frozen
class TelURI:
    """
    A C{tel:} URI (RFC 3966).

    @ivar number: as spelled, visual separators included.
    """

    number: bytes
    parameters: Parameters = NONE

    scheme = b"tel"
    secure = False

    @property
    def digits(self) -> bytes:
        """
        The number without visual separators.
        """
        return self.number.translate(None, b"-.()")

    def equivalent(self, other: URI) -> bool:
        """
        Compare as RFC 3966 section 4 wants.
        """
        return (
            isinstance(other, TelURI)
            and self.digits.lower() == other.digits.lower()
            and _comparable(self.parameters) == _comparable(other.parameters)
        )

    def render(self) -> bytes:
        """
        Write it.
        """
        return b"tel:" + self.number + self.parameters.render()


@frozen
class OtherURI:
    """
    A URI of a scheme that is not read here, or the C{*} of a Contact.

    @ivar scheme: in lower case; empty for the C{*}.
    """

    scheme: bytes
    rest: bytes

    secure = False

    def equivalent(self, other: URI) -> bool:
        """
        Equal byte for byte.
        """
        return self == other

    def render(self) -> bytes:
        """
        Write it.
        """
        return self.scheme + b":" + self.rest if self.scheme else self.rest


URI = SIPURI | TelURI | OtherURI


#: How many URIs are remembered, and how long one may be for that.
_REMEMBERED = 4096
_REMEMBERED_LENGTH = 160


def parseURI(value: bytes) -> URI:
    """
    Read a URI of any scheme, without angle brackets.

    @raise MalformedMessage: it is none.
    """
    # The same phones and proxies are named in message after message.
    return _remembered(value) if len(value) <= _REMEMBERED_LENGTH else _parse(value)


def _parse(value: bytes) -> URI:
    match = _sipURI(value)
    if match is not None:
        scheme, user, password, host, port, parameters, headers = match.groups()
        return SIPURI(
            scheme.lower(),
            host,
            user or b"",
            portNumber(port) if port else 0,
            Parameters.parse(parameters) if parameters else NONE,
            headers or b"",
            password or b"",
        )
    match = _otherURI(value)
    if match is None:
        raise MalformedMessage("not a URI", value)
    scheme, rest = match.groups()
    scheme = scheme.lower()
    if scheme in (b"sip", b"sips"):
        raise MalformedMessage("bad SIP URI", value)
    if scheme == b"tel":
        number, semicolon, parameters = rest.partition(b";")
        if not number:
            raise MalformedMessage("tel URI without a number", value)
        return TelURI(number, Parameters.parse(semicolon + parameters))
    return OtherURI(scheme, rest)


_remembered = lru_cache(maxsize=_REMEMBERED)(_parse)
