"""
The URIs of media servers (RFC 4240): what they are to do, in the Request-URI.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.imedia import MediaKind, MediaRequest
from sipcluster.sip.grammar import escapeUser
from sipcluster.sip.uri import SIPURI, parseURI

__all__ = ("escapeValue", "serviceURI")

#: What may stand in the value of a URI parameter as it is (RFC 3261 section 25.1).
_PLAIN = frozenset(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.!~*'()[]/:&+$"
)


def escapeValue(value: str) -> bytes:
    """
    A value of a URI parameter.
    """
    return b"".join(
        b"%c" % byte if byte in _PLAIN else b"%%%02X" % byte
        for byte in value.encode("utf-8")
    )


def serviceURI(request: MediaRequest, contact: bytes, byMSML: bool) -> bytes:
    """
    The Request-URI with which a media server is invited.

    @param contact: where it is: a SIP URI, whose user does not count.
    @param byMSML: what is to be done is told by MSML afterwards.
    """
    user, parameters = _service(request, byMSML)
    uri = parseURI(contact)
    assert isinstance(uri, SIPURI)
    port = b":%d" % uri.port if uri.port else b""
    own = b"".join(b";%b=%b" % pair for pair in parameters)
    return b"%b:%b@%b%b%b%b" % (
        uri.scheme,
        user,
        uri.host,
        port,
        uri.parameters.render(),
        own,
    )


def _service(
    request: MediaRequest, byMSML: bool
) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """
    The user of the URI, and its parameters.
    """
    if request.kind is MediaKind.CONFERENCE:
        member = [(b"member", escapeValue(request.member))] if request.member else []
        return b"conf=" + escapeUser(request.name.encode()), member
    if request.kind is MediaKind.APPLICATION:
        return b"dialog", [(b"voicexml", escapeValue(request.application))]
    if byMSML:
        return b"msml", []
    play = request.play[0] if request.play else "silence:"
    repeat = b"%d" % request.repeat if request.repeat else b"forever"
    return b"annc", [(b"play", escapeValue(play)), (b"repeat", repeat)]
