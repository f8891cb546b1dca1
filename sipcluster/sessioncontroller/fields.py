"""
Which header fields go from one leg to the other, and what ours say.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.events import Fields
from sipcluster.sip.headers import Headers
from sipcluster.sip.message import Message

#: Methods that the node takes, in the order in which Allow lists them.
METHODS = (
    b"INVITE",
    b"ACK",
    b"CANCEL",
    b"BYE",
    b"PRACK",
    b"OPTIONS",
    b"UPDATE",
    b"INFO",
    b"MESSAGE",
    b"REFER",
)
ALLOW = b", ".join(METHODS)

#: Those that are not passed on: whether the other far end takes them does not count.
_TAKEN_HERE = frozenset([b"REFER"])

#: Extensions that may stand in Require.
EXTENSIONS = frozenset([b"timer", b"100rel", b"replaces", b"tdialog", b"norefersub"])

_OFFERED = frozenset(
    [
        b"subject",
        b"priority",
        b"alert-info",
        b"call-info",
        b"organization",
        b"user-to-user",
        b"history-info",
        b"diversion",
        b"reason",
        b"in-reply-to",
    ]
)
_RELAYED = frozenset(
    (
        b"content-type content-disposition content-encoding content-language "
        b"info-package recv-info warning retry-after accept"
    ).split()
)
_PASSED = _OFFERED | {b"warning", b"retry-after", b"accept"}

#: What the cluster says to itself.
_OURS = b"x-sipcluster-"


def _select(message: Message, names: frozenset[bytes]) -> Fields:
    headers = message.headers
    found = []
    for index, key in enumerate(headers.keys):
        if key in names or (key[:2] == b"x-" and not key.startswith(_OURS)):
            found.append(index)
    if not found:
        return ()
    lines = headers.lines
    return tuple(
        (lines[index].partition(b":")[0].rstrip(), _value(headers, index))
        for index in found
    )


def _value(headers: Headers, index: int) -> bytes:
    value = headers.lines[index].partition(b":")[2].strip()
    return b" ".join(value.split()) if b"\n" in value else value


def sessionFields(message: Message) -> Fields:
    """
    What an INVITE, an UPDATE or an answer to one takes along to the other leg.
    """
    return _select(message, _PASSED)


def relayedFields(message: Message) -> Fields:
    """
    What an INFO or a MESSAGE, or an answer to one, takes along.
    """
    return _select(message, _RELAYED)


def optionTags(message: Message, name: bytes) -> list[bytes]:
    """
    The option tags in Supported, Require or Proxy-Require, in lower case.
    """
    headers = message.headers
    if name not in headers:
        return []
    return [tag.lower() for tag in headers.values(name)]


def commonMethods(message: Message) -> bytes:
    """
    What the far end allows and we do too, as the value of an Allow; empty when
    the far end did not say.
    """
    headers = message.headers
    if b"Allow" not in headers:
        return b""
    theirs = b",".join(headers.all(b"Allow"))
    common = _common.get(theirs)
    if common is None:
        words = {word.strip() for word in theirs.split(b",")} | _TAKEN_HERE
        common = b", ".join(method for method in METHODS if method in words)
        if len(_common) < _MOST_COMMON and len(theirs) < _LONGEST_ALLOW:
            _common[theirs] = common
    return common


#: What L{commonMethods} found for each Allow: a kind of phone always says the
#: same.  Peers choose them, so both their number and their length are bounded.
_common: dict[bytes, bytes] = {}
_MOST_COMMON = 500
_LONGEST_ALLOW = 300
