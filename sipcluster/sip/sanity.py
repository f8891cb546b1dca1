"""
What a request or response must fulfil before anyone acts on it (RFC 3261
sections 8.1.1, 8.2 and 16.3, RFC 4475).
"""

from __future__ import annotations

import re

from sipcluster.sip.address import Address
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.headers import (
    BROKEN,
    CALL_ID,
    CONTACT,
    CONTENT_TYPE,
    CSEQ,
    EXPIRES,
    FROM,
    MAX_FORWARDS,
    RECORD_ROUTE,
    ROUTE,
    TO,
    VIA,
    Headers,
)
from sipcluster.sip.message import (
    VERSION,
    Message,
    Request,
    Response,
    contentLength,
)
from sipcluster.sip.uri import SIPURI, OtherURI

#: Must be there, once (RFC 3261 section 8.1.1; a missing Max-Forwards is one of
#: RFC 2543 and let pass).
_ONCE = (FROM, TO, CALL_ID, CSEQ)
_MANDATORY = (VIA, *_ONCE)

#: May be there, once.
_AT_MOST_ONCE = (MAX_FORWARDS, CONTENT_TYPE, EXPIRES)

#: Methods for which an Expires means something.
_EXPIRING = frozenset([b"REGISTER", b"SUBSCRIBE", b"PUBLISH"])

#: Addresses as nearly everyone writes them: nothing can be wrong with these,
#: so that nothing need be built to find out.
_plainAddress = re.compile(
    rb'(?:"[^"\\]*"[ \t]*|[A-Za-z0-9\-.!%*_+`\'~ \t]*)'
    rb"<sips?:(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/%#]+@)?[A-Za-z0-9.\-]+(?::[1-9][0-9]{0,3})?"
    rb"(?:;[A-Za-z0-9\-_.!~*'%+;=]*)?>"
    rb"(?:[ \t]*;[A-Za-z0-9\-_.!~*'%+;=]*)?"
).fullmatch


def checkRequest(request: Request) -> None:
    """
    Refuse a request that nobody should act on.

    Meant for every request once, after matching to a transaction, so that the
    refusal can be sent by it.  Extensions (420), hop counts (483) and who may
    do what are the business of others.

    @raise MalformedMessage: what is wrong first; its C{status} is to be
        answered: 400, 416, 505 or 513.
    """
    if request.version != VERSION and request.version.upper() != VERSION:
        raise MalformedMessage("SIP version", request.version, 505)
    uri = request.requestURI
    if isinstance(uri, SIPURI):
        if uri.headers:
            raise MalformedMessage("headers in the Request-URI", request.uri)
    elif isinstance(uri, OtherURI):
        raise MalformedMessage("scheme of the Request-URI", request.uri, 416)
    headers = request.headers
    keys = headers.keys
    different = set(keys)
    _checkCommon(request, different)
    if BROKEN in different:
        raise MalformedMessage("no header field", headers.lines[keys.index(BROKEN)])
    if len(different) != len(keys):
        for key in _AT_MOST_ONCE:
            if keys.count(key) > 1:
                raise MalformedMessage(f"more than one {key.decode()}")
    if request.cseq.method != request.method:
        raise MalformedMessage("CSeq of another method", request.cseq.method)
    length = contentLength(headers)
    if length is not None and length != len(request.body):
        raise MalformedMessage("shorter than announced")
    # Asking for a value is checking it.
    if MAX_FORWARDS in different:
        request.maxForwards  # noqa: B018
    if EXPIRES in different and request.method in _EXPIRING:
        request.expires  # noqa: B018
    if ROUTE in different:
        request.routes  # noqa: B018


def checkResponse(response: Response) -> None:
    """
    Refuse a response that nobody should act on.

    @raise MalformedMessage: what is wrong first; the response is to be dropped.
    """
    _checkCommon(response, set(response.headers.keys))


def _checkCommon(message: Message, different: set[bytes]) -> None:
    headers = message.headers
    keys = headers.keys
    if not different.issuperset(_MANDATORY):
        missing = next(key for key in _MANDATORY if key not in different)
        raise MalformedMessage(f"no {missing.decode()}")
    if len(different) != len(keys):
        for key in _ONCE:
            if keys.count(key) > 1:
                raise MalformedMessage(f"more than one {key.decode()}")
    # Asking for a value is checking it.
    message.vias  # noqa: B018
    message.callID  # noqa: B018
    message.cseq  # noqa: B018
    for key in (FROM, TO):
        if not _plainAddress(headers.first(key) or b""):
            message.fromAddress if key is FROM else message.toAddress  # noqa: B018
    if CONTACT in different:
        _checkAddresses(headers, CONTACT)
    if RECORD_ROUTE in different:
        _checkAddresses(headers, RECORD_ROUTE)


def _checkAddresses(headers: Headers, key: bytes) -> None:
    """
    Whether all values of a field that is there are addresses.
    """
    if headers.keys.count(key) == 1 and _plainAddress(headers.first(key) or b""):
        return
    for value in headers.values(key):
        if not _plainAddress(value):
            Address.parse(value)
