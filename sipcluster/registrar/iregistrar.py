"""
The seam of the location service: who is registered where (RFC 3261 section 10).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from attrs import frozen
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

#: Most bindings that one address-of-record may have.
MAXIMUM_BINDINGS = 10


class _All(enum.Enum):
    ALL = "all"


#: For L{IRegistrationStore.update}: remove every binding there is.
ALL: Final = _All.ALL
All = Literal[_All.ALL]


class TooManyBindings(Exception):
    """
    An update would leave an address-of-record with more bindings than
    L{MAXIMUM_BINDINGS}; nothing is changed.
    """


@frozen
class Binding:
    """
    One contact of one address-of-record.

    @ivar contact: the Contact URI, rendered, without name-addr.
    @ivar aor: canonical address-of-record (section 10.3 step 5).
    @ivar callID: Call-ID of the REGISTER that made or refreshed the binding.
    @ivar cseq: its CSeq number; with the same Call-ID only a higher one may
        change this binding.
    @ivar expiresAt: when the binding ends, in seconds since the epoch: the
        store is shared, so this is the one time that is not of a process's own
        clock.
    @ivar q: preference, 0.0 to 1.0.
    @ivar instance: C{+sip.instance} without its quotes, or C{b""} (RFC 5626).
    @ivar path: Path values, nearest to us first (RFC 3327).
    @ivar proxy: name of the proxy that holds the flow to the device.
    @ivar flow: L{IFlow.token<sipcluster.sip.isip.IFlow>} at that proxy, or
        C{b""} when the device can be reached from any proxy.
    @ivar transport: C{"UDP"}, C{"TCP"} or C{"TLS"}.
    @ivar received: source address of the REGISTER, when it is not what the
        contact says: the device is behind NAT.
    @ivar userAgent: what the device calls itself.
    @ivar contactParameters: Contact parameters not named here, rendered, so
        that they can be given back.
    @ivar regID: C{reg-id} (RFC 5626), or 0.
    @ivar updatedAt: when the REGISTER came, in seconds since the epoch.
    """

    contact: bytes
    aor: bytes
    callID: bytes
    cseq: int
    expiresAt: float
    q: float = 1.0
    instance: bytes = b""
    path: tuple[bytes, ...] = ()
    proxy: str = ""
    flow: bytes = b""
    transport: str = "UDP"
    received: tuple[str, int] | None = None
    userAgent: bytes = b""
    contactParameters: bytes = b""
    regID: int = 0
    updatedAt: float = 0.0

    @property
    def identity(self) -> bytes:
        """
        What makes two bindings of one address-of-record the same one: the
        instance and its C{reg-id}, or without instance the contact.
        """
        if self.instance:
            return b"%s;reg-id=%d" % (self.instance, self.regID)
        return self.contact


class IRegistrationStore(Interface):
    """
    Where a proxy keeps who is registered where.

    Reading never waits: every process has all bindings.  What this process
    changes it sees itself at once.
    """

    count: int = Attribute("Live bindings, roughly: expired ones may linger 1 s.")
    degraded: bool = Attribute("The cluster is not heard: this may be old.")

    def bindings(aor: bytes) -> Sequence[Binding]:
        """
        Look up an address-of-record.

        @param aor: canonical form, as made by section 10.3 step 5.

        @return: the live bindings, highest q first, of equal ones the newest;
            empty when there are none, which is no error.
        """

    def update(
        aor: bytes, changes: Sequence[Binding], removed: Sequence[bytes] | All = ()
    ) -> Deferred[None]:
        """
        Remove bindings, then add others or replace those of the same
        L{Binding.identity}; one change, seen here at once.

        @param removed: contacts as they stand in the stored bindings, or
            L{ALL}; one that is not there is no error.

        @return: fires when the cluster has it too: a 200 to a REGISTER must
            outlive the proxy that sent it.  Fails with
            L{StoreAway<sipcluster.cluster.icluster.StoreAway>} after one
            second without an answer; the change is made here all the same, and
            stays queued for the cluster.  Fails with L{TooManyBindings}, and
            then nothing is changed.
        """

    def flowGone(proxy: str, flow: bytes) -> int:
        """
        A proxy's flow to a device is closed: remove the bindings on it.

        @return: how many there were.
        """

    def allBindings() -> Iterator[Binding]:
        """
        Every live binding, in no order.
        """
