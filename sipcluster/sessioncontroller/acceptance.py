"""
Whether a request is one that the node can understand (RFC 3261 section 8.2).
"""

from __future__ import annotations

from attrs import frozen

from sipcluster.sessioncontroller.fields import EXTENSIONS, optionTags
from sipcluster.sessioncontroller.session_description import (
    SDP,
    isSessionDescription,
)
from sipcluster.sip.headers import Headers
from sipcluster.sip.message import Request
from sipcluster.sip.session_timer import IntervalTooSmall, agreedAsUAS

#: What Allow says outside of a dialog.
ALLOW = b"INVITE, ACK, CANCEL, BYE, PRACK, OPTIONS, REGISTER, UPDATE, INFO, REFER"

_NONE = Headers()
_ALLOW = Headers.of((b"Allow", ALLOW))

#: Methods with an event package, none of which is served (RFC 6665).
_EVENTS = frozenset([b"SUBSCRIBE", b"NOTIFY", b"PUBLISH"])

#: Methods that are known and not served, or not here.
_KNOWN = frozenset([b"REFER", b"PRACK", b"MESSAGE", b"INFO", b"UPDATE", b"REGISTER"])


@frozen
class Unacceptable:
    """
    How to refuse a request that cannot be understood.
    """

    status: int
    headers: Headers = _NONE
    reason: bytes = b""


def wrongMethod(method: bytes) -> Unacceptable:
    """
    How to refuse a method that is not served.
    """
    if method == b"BYE":
        return Unacceptable(481)
    if method in _EVENTS:
        return Unacceptable(489, _ALLOW)
    return Unacceptable(405 if method in _KNOWN else 501, _ALLOW)


def checkExtensions(request: Request) -> Unacceptable | None:
    """
    Whether all that the request requires is known (section 8.2.2.3).

    @raise MalformedMessage: the Require cannot be read.
    """
    if b"Require" not in request.headers:
        return None
    missing = [tag for tag in optionTags(request, b"Require") if tag not in EXTENSIONS]
    if not missing:
        return None
    return Unacceptable(420, Headers.of((b"Unsupported", b", ".join(missing))))


_ACCEPT = Headers.of((b"Accept", SDP))
_NO_ENCODING = Headers.of((b"Accept-Encoding", b"identity"))
_WARNING = Headers.of((b"Warning", b'399 sipcluster "no session description"'))


def checkSession(request: Request) -> Unacceptable | None:
    """
    Whether the body of an INVITE or UPDATE is SDP (section 8.2.3), and whether
    the far end takes SDP in return (section 21.4.7).
    """
    headers = request.headers
    if request.body:
        encoding = headers.first(b"Content-Encoding")
        if encoding and encoding.lower() != b"identity":
            return Unacceptable(415, _NO_ENCODING)
        if request.contentType != SDP:
            if not _isOptional(headers):
                return Unacceptable(415, _ACCEPT)
        elif not isSessionDescription(request.body):
            return Unacceptable(488, _WARNING)
    accept = headers.first(b"Accept") if b"Accept" in headers else None
    if accept:
        kinds = {
            value.partition(b";")[0].strip().lower()
            for value in headers.values(b"Accept")
        }
        if not kinds & {SDP, b"application/*", b"*/*"}:
            return Unacceptable(406, _ACCEPT)
    return None


def checkTimer(request: Request, shortest: int) -> Unacceptable | None:
    """
    Whether an INVITE asks for refreshes that come too often (RFC 4028 section 8.1).

    @param shortest: the least interval, in seconds.

    @raise MalformedMessage: the interval cannot be read.
    """
    try:
        agreedAsUAS(request, 0, shortest)
    except IntervalTooSmall as e:
        return Unacceptable(422, Headers.of((b"Min-SE", b"%d" % e.minimum)))
    return None


def _isOptional(headers: Headers) -> bool:
    """
    Whether the body may be left unread (section 20.11).
    """
    disposition = headers.first(b"Content-Disposition") or b""
    return b"handling=optional" in disposition.lower().replace(b" ", b"")
