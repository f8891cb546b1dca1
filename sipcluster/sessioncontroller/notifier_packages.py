"""
What can be subscribed to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import frozen

from sipcluster.sessioncontroller.acceptance import ALLOW
from sipcluster.sessioncontroller.isessioncontroller import ExtensionDN
from sipcluster.sip.headers import Headers
from sipcluster.sip.message import Request
from sipcluster.sip.parameters import Parameters


@frozen
class Package:
    """
    One event package (RFC 6665).

    @ivar event: its name.
    @ivar contentType: of what NOTIFYs say.
    @ivar body: what is to be said about a DN, given how many NOTIFYs there were.
    @ivar mayWatch: whether one DN may subscribe to another one.
    @ivar most: subscriptions to one DN; the oldest one makes room.
    """

    event: bytes
    contentType: bytes
    body: Callable[[str, int], bytes]
    mayWatch: Callable[[ExtensionDN, ExtensionDN], bool]
    most: int


def itself(watcher: ExtensionDN, dn: ExtensionDN) -> bool:
    """
    A DN may subscribe to itself only.
    """
    return watcher.number == dn.number


def anybody(watcher: ExtensionDN, dn: ExtensionDN) -> bool:
    """
    Each DN of the switch may subscribe.
    """
    return True


class NotServed(Exception):
    """
    A SUBSCRIBE is not taken.
    """

    def __init__(self, status: int, headers: Headers | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers


def nameOf(event: bytes) -> bytes:
    """
    The name of the package in the value of an Event.
    """
    return event.partition(b";")[0].strip().lower()


def wanted(
    request: Request, packages: Mapping[bytes, Package]
) -> tuple[bytes, Package]:
    """
    The Event of a SUBSCRIBE, with nothing but its C{id}, and its package.

    @raise NotServed: it is none that is served, or the sender does not take what a
        NOTIFY would say.
    """
    value = request.headers.first(b"Event") or b""
    name, _, rest = value.partition(b";")
    package = packages.get(name.strip().lower())
    if package is None:
        raise NotServed(489, badEvent(packages))
    if b"Accept" in request.headers:
        kinds = {
            each.partition(b";")[0].strip().lower()
            for each in request.headers.values(b"Accept")
        }
        if kinds and not kinds & {package.contentType, b"application/*", b"*/*"}:
            raise NotServed(406, Headers.of((b"Accept", package.contentType)))
    id_ = Parameters.parse(rest).get(b"id") if rest else None
    return (b"%b;id=%b" % (package.event, id_) if id_ else package.event), package


def badEvent(packages: Mapping[bytes, Package]) -> Headers:
    """
    What there is.
    """
    return Headers.of(
        (b"Allow", ALLOW + b", SUBSCRIBE"), (b"Allow-Events", b", ".join(packages))
    )
