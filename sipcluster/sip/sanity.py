"""
What a request or response must fulfil before anyone acts on it (RFC 3261
sections 8.1.1, 8.2 and 16.3, RFC 4475).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from sipcluster.sip.address import Address
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.fields import MOST_VIAS
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

#: Header fields as nearly everyone writes them: nothing can be wrong with these,
#: so that nothing need be built to find out.  What a peer can make long is matched
#: without a second try: else thousands of blanks would take a second.
_plainAddress = re.compile(
    rb'[ \t]*+(?:"[^"\\]*+"[ \t]*+|[A-Za-z0-9\-.!%*_+`\'~ \t]*+)'
    rb"<sips?:(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/%#]+@)?[A-Za-z0-9.\-]+"
    rb"(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}))?"
    rb"(?:;[A-Za-z0-9\-_.!~*'%+;=]*)?>"
    rb"(?:[ \t]*;[A-Za-z0-9\-_.!~*'%+;=]*)?[ \t]*"
).fullmatch
_VIA = (
    rb"[ \t]*SIP/2\.0/[A-Z]+ (?:[A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\])"
    rb"(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}))?(?:;[A-Za-z0-9\-_.!~*'%+;=:\[\]]*)?[ \t]*"
)
#: Some peers send the Vias of all hops in one line.
_VIAS_IN_A_LINE = 6
_plainVia = re.compile(
    _VIA + rb"(?:," + _VIA + rb"){0,%d}" % (_VIAS_IN_A_LINE - 1)
).fullmatch

#: Lines found plain of late: all messages of a dialog have the same From, To and
#: Contact, and a response the Via of its request.
_known: set[bytes] = set()

#: How many are kept, and how long one may be: peers choose them.
_MOST_KNOWN = 8192
_MOST_KNOWN_LENGTH = 256

#: What tells a message to its transaction and dialog, and how it looks plain.
_MATCHED = {VIA: _plainVia, FROM: _plainAddress, TO: _plainAddress}

#: That, and what tells where further requests go.
_ALL = _MATCHED | {CONTACT: _plainAddress, RECORD_ROUTE: _plainAddress}


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
    _checkCommon(request, different, _ALL)
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
    Refuse a response that nobody should act on: one that cannot be told to its
    transaction and dialog.

    The transaction layer does, with every response, before a TU sees it.  Whoever
    needs its Contact or Record-Route finds out when it reads them, and can then
    say so at once to who waits for an answer; a proxy passes them on.

    @raise MalformedMessage: what is wrong first; the response is to be dropped.
    """
    _checkCommon(response, set(response.headers.keys), _MATCHED)


def _checkCommon(
    message: Message,
    different: set[bytes],
    fields: Mapping[bytes, Callable[[bytes, int], object]],
) -> None:
    """
    What holds for requests and responses.

    @param different: the keys of the message's fields, each once.
    @param fields: the keys of those whose values are looked at; each with what
        matches a line of it, from a position on, that needs no closer look.
    """
    headers = message.headers
    keys = headers.keys
    if not different.issuperset(_MANDATORY):
        missing = next(key for key in _MANDATORY if key not in different)
        raise MalformedMessage(f"no {missing.decode()}")
    if len(different) != len(keys):
        for key in _ONCE:
            if keys.count(key) > 1:
                raise MalformedMessage(f"more than one {key.decode()}")
        if keys.count(VIA) > MOST_VIAS // _VIAS_IN_A_LINE:
            message.vias  # noqa: B018 # counts them
    # Asking for a value is checking it.
    message.callID  # noqa: B018
    message.cseq  # noqa: B018
    read: list[bytes] = []  # keys of which every value was
    for line, key in zip(headers.lines, keys, strict=True):
        plain = fields.get(key)
        if plain is None or line in _known:
            continue
        if plain(line, line.find(b":") + 1):
            if len(line) <= _MOST_KNOWN_LENGTH:
                if len(_known) >= _MOST_KNOWN:
                    _known.clear()
                _known.add(line)
            continue
        if key in read:
            continue
        read.append(key)
        if key is VIA:
            message.vias  # noqa: B018
        elif key is FROM:
            message.fromAddress  # noqa: B018
        elif key is TO:
            message.toAddress  # noqa: B018
        else:
            for value in headers.values(key):
                Address.parse(value)
