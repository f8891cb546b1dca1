"""
What a REFER wants (RFC 3515): the one with whom its sender talks is to be connected to
somebody else.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from sipcluster.sessioncontroller.events import CallEvent
from sipcluster.sessioncontroller.replaces import DialogID, readReplaces
from sipcluster.sip.address import Address
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.grammar import unescape
from sipcluster.sip.message import Request
from sipcluster.sip.uri import SIPURI, TelURI


@frozen
class Refer:
    """
    What one REFER wants.

    @ivar user: the number to be called.
    @ivar host: where that is; C{""}: here.
    @ivar replaces: the call of its sender to which the other one is to come; L{None}:
        somebody is to be called.
    @ivar silent: its sender does not want to know what becomes of it (RFC 4488).
    """

    user: str
    host: str = ""
    replaces: DialogID | None = None
    silent: bool = False


@frozen
class ReferAsked(CallEvent):
    """
    The party wants the other one to be connected to somebody else.
    """

    published: ClassVar[bool] = False

    refer: Refer


def readRefer(request: Request) -> Refer:
    """
    Read a REFER.

    @raise MalformedMessage: it wants nothing, more than one thing, or something that
        nobody can do; with the status for that.
    """
    headers = request.headers
    values = headers.values(b"Refer-To")
    if len(values) != 1:
        raise MalformedMessage("not one Refer-To")
    uri = Address.parse(values[0]).uri
    silent = (headers.first(b"Refer-Sub") or b"").partition(b";")[0].strip().lower()
    noWord = silent == b"false"
    if isinstance(uri, TelURI):
        return Refer(uri.digits.decode("utf-8", "replace"), silent=noWord)
    if not isinstance(uri, SIPURI):
        raise MalformedMessage("scheme", status=416)
    method = uri.parameters.get(b"method")
    if method is not None and method.upper() != b"INVITE":
        raise MalformedMessage("method", status=603)
    return Refer(
        uri.userText.decode("utf-8", "replace"),
        uri.bareHost,
        _replacesIn(uri.headers),
        noWord,
    )


def _replacesIn(headers: bytes) -> DialogID | None:
    """
    The Replaces in what follows the question mark of a URI; other header fields do
    not count.
    """
    found = None
    for piece in headers.split(b"&") if headers else ():
        name, _, value = piece.partition(b"=")
        if unescape(name).strip().lower() == b"replaces":
            if found is not None:
                raise MalformedMessage("more than one Replaces")
            found = readReplaces(unescape(value))
    return found
