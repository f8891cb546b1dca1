"""
Byte classes and small tests of RFC 3261 section 25.1.
"""

from __future__ import annotations

import re

from sipcluster.sip.errors import MalformedMessage

#: A C{token}: method, header name, parameter name, transport, ...
TOKEN = rb"[A-Za-z0-9\-.!%*_+`'~]+"

#: A C{host}, read liberally: underscores occur, and IPv6 references with too
#: many colons (RFC 5118 section 4.10).
HOST = rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._\-]+)"

#: Greatest number of a 32-bit field such as C{delta-seconds}.
MAX_UNSIGNED = 2**32 - 1

_isToken = re.compile(TOKEN).fullmatch
_isHost = re.compile(HOST).fullmatch
_hostPort = re.compile(rb"(" + HOST + rb")(?:[ \t]*:[ \t]*([0-9]*))?").fullmatch
_escape = re.compile(rb"%([0-9A-Fa-f]{2})")
_quotedPair = re.compile(rb"\\(.)", re.DOTALL)
_needsQuotedPair = re.compile(rb'(["\\])')
#: What C{user} may hold unescaped: C{unreserved} and C{user-unreserved}.
_notUser = re.compile(rb"[^A-Za-z0-9\-_.!~*'()&=+$,;?/]")
_octets = {f"{n:02x}".encode(): bytes([n]) for n in range(256)}


def isToken(value: bytes) -> bool:
    """
    Whether C{value} is a C{token}.
    """
    return _isToken(value) is not None


def isHost(value: bytes) -> bool:
    """
    Whether C{value} may stand where a host name or an address is wanted.
    """
    return _isHost(value) is not None


def hostPort(value: bytes) -> tuple[bytes, int]:
    """
    Read C{host [":" port]}.

    @return: the host as spelled, and the port, 0 when none is given.

    @raise MalformedMessage: it is something else.
    """
    match = _hostPort(value)
    if match is None:
        raise MalformedMessage("bad host or port", value)
    host, port = match.groups()
    return host, portNumber(port) if port else 0


def portNumber(value: bytes) -> int:
    """
    Read a port.

    @raise MalformedMessage: it is not in 1 to 65535.
    """
    port = number(value, "port", 65535)
    if port == 0:
        raise MalformedMessage("port 0", value)
    return port


def number(value: bytes, what: str, limit: int) -> int:
    """
    Read C{1*DIGIT}.

    @param what: names the number in the error.
    @param limit: the greatest allowed.

    @raise MalformedMessage: not digits, or too large.
    """
    if not value.isdigit():
        raise MalformedMessage(f"{what} is not a number", value)
    if len(value) > 20:
        # Measured, not converted: conversion takes the square of their number.
        value = value.lstrip(b"0") or b"0"
        if len(value) > 20:
            raise MalformedMessage(f"{what} is too large", value)
    result = int(value)
    if result > limit:
        raise MalformedMessage(f"{what} is too large", value)
    return result


def clampedNumber(value: bytes, what: str, limit: int) -> int:
    """
    Read C{1*DIGIT}, taking C{limit} for whatever is greater.

    @raise MalformedMessage: not digits.
    """
    if not value.isdigit():
        raise MalformedMessage(f"{what} is not a number", value)
    if len(value) > 20:
        value = value.lstrip(b"0") or b"0"
    return limit if len(value) > 20 else min(int(value), limit)


def unfold(value: bytes) -> bytes:
    """
    Make one line of a folded header value (RFC 3261 section 7.3.1).
    """
    parts = (part.strip(b" \t") for part in value.split(b"\r\n"))
    return b" ".join(filter(None, parts))


def unescape(value: bytes) -> bytes:
    """
    Replace each C{%HH} by its octet; anything else stays, stray C{%} included.
    """
    if b"%" not in value:
        return value
    return _escape.sub(lambda match: _octets[match[1].lower()], value)


def escapeUser(value: bytes) -> bytes:
    """
    Make a C{user} part of a URI from any bytes.
    """
    return _notUser.sub(lambda match: b"%%%02X" % match[0][0], value)


def quote(value: bytes) -> bytes:
    """
    Make a C{quoted-string}.
    """
    return b'"' + _needsQuotedPair.sub(rb"\\\1", value) + b'"'


def unquote(value: bytes) -> bytes:
    """
    Take a C{quoted-string} out of its quotes; anything else stays as it is.
    """
    if len(value) < 2 or value[:1] != b'"' or value[-1:] != b'"':
        return value
    value = value[1:-1]
    return _quotedPair.sub(rb"\1", value) if b"\\" in value else value
