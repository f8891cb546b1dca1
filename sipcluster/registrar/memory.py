"""
A location service in one process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from sipcluster.registrar.index import BindingIndex
from sipcluster.registrar.iregistrar import (
    All,
    Binding,
    IRegistrationStore,
    TooManyBindings,
)


@implementer(IRegistrationStore)
class MemoryRegistrationStore:
    """
    Keeps bindings for as long as the process lives.

    @ivar degraded: never: there is no one else to hear.
    """

    degraded = False

    def __init__(
        self, wallTime: Callable[[], float], clock: IReactorTime | None = None
    ) -> None:
        """
        @param wallTime: seconds since the epoch.
        @param clock: drops expired bindings once a second while there are
            bindings; without it they go when next something is changed.
        """
        self._index = BindingIndex(wallTime)
        self._clock = clock
        self._sweeping: IDelayedCall | None = None

    @property
    def count(self) -> int:
        """
        How many bindings there are.
        """
        return self._index.count

    def bindings(self, aor: bytes) -> Sequence[Binding]:
        """
        Look up an address-of-record.
        """
        return self._index.bindings(aor)

    def allBindings(self) -> Iterator[Binding]:
        """
        Every live binding, in no order.
        """
        return self._index.all()

    def update(
        self,
        aor: bytes,
        changes: Sequence[Binding],
        removed: Sequence[bytes] | All = (),
    ) -> Deferred[None]:
        """
        Change the bindings of one address-of-record.

        @return: has fired already.
        """
        self._index.expired()
        try:
            goes = self._index.plan(aor, changes, removed)
        except TooManyBindings as e:
            return fail(e)
        for binding in goes:
            self._index.remove(aor, binding.identity)
        for change in changes:
            self._index.put(change)
        self._sweepLater()
        return succeed(None)

    def flowGone(self, proxy: str, flow: bytes) -> int:
        """
        Remove the bindings on a closed flow.
        """
        gone = self._index.onFlow(proxy, flow)
        for binding in gone:
            self._index.remove(binding.aor, binding.identity)
        return len(gone)

    def _sweepLater(self) -> None:
        if self._clock is not None and self._sweeping is None and self.count:
            self._sweeping = self._clock.callLater(1.0, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        self._index.expired()
        self._sweepLater()

    def stop(self) -> None:
        """
        Sweep no more.
        """
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
