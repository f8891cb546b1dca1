"""
Bindings in memory, found by address-of-record and by flow.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter

from sipcluster.registrar.iregistrar import (
    MAXIMUM_BINDINGS,
    All,
    Binding,
    TooManyBindings,
    _All,
)

#: Names a binding: address-of-record and L{Binding.identity}.
Name = tuple[bytes, bytes]

_newestFirst = attrgetter("q", "updatedAt", "expiresAt")


class BindingIndex:
    """
    All bindings that this process knows.

    @ivar wallTime: seconds since the epoch.
    """

    def __init__(self, wallTime: Callable[[], float]) -> None:
        self.wallTime = wallTime
        self._byAOR: dict[bytes, dict[bytes, Binding]] = {}
        self._byFlow: dict[tuple[str, bytes], dict[Name, None]] = {}
        # At least one element for each binding, no later than its end; what is
        # left behind by removed ones is cleared away by _push.
        self._ends: list[tuple[float, bytes, bytes]] = []
        self.count = 0

    def bindings(self, aor: bytes) -> Sequence[Binding]:
        """
        The live bindings of an address-of-record, best first.
        """
        found = self._byAOR.get(aor)
        if not found:
            return ()
        now = self.wallTime()
        live = [binding for binding in found.values() if binding.expiresAt > now]
        if len(live) > 1:
            live.sort(key=_newestFirst, reverse=True)
        return live

    def get(self, aor: bytes, identity: bytes) -> Binding | None:
        """
        One binding, expired or not.
        """
        return self._byAOR.get(aor, {}).get(identity)

    def known(self, aor: bytes) -> Sequence[Binding]:
        """
        The bindings of an address-of-record, expired or not, in the order in which
        they came.
        """
        return tuple(self._byAOR.get(aor, {}).values())

    def all(self) -> Iterator[Binding]:
        """
        Every live binding.
        """
        now = self.wallTime()
        for found in list(self._byAOR.values()):
            for binding in list(found.values()):
                if binding.expiresAt > now:
                    yield binding

    def put(self, binding: Binding) -> None:
        """
        Add a binding, or replace the one of the same identity.
        """
        aor, identity = binding.aor, binding.identity
        found = self._byAOR.setdefault(aor, {})
        old = found.get(identity)
        if old is None:
            self.count += 1
        else:
            self._leaveFlow(old)
        found[identity] = binding
        if old is None or binding.expiresAt < old.expiresAt:
            self._push(binding)
        if binding.flow:
            key = (binding.proxy, binding.flow)
            self._byFlow.setdefault(key, {})[aor, identity] = None

    def _push(self, binding: Binding) -> None:
        heapq.heappush(self._ends, (binding.expiresAt, binding.aor, binding.identity))
        if len(self._ends) > 2 * self.count + 1000:
            self._ends = [
                (each.expiresAt, each.aor, each.identity)
                for found in self._byAOR.values()
                for each in found.values()
            ]
            heapq.heapify(self._ends)

    def remove(self, aor: bytes, identity: bytes) -> Binding | None:
        """
        Remove a binding.

        @return: what was removed, or L{None}.
        """
        found = self._byAOR.get(aor)
        binding = None if found is None else found.pop(identity, None)
        if found is None or binding is None:
            return None
        if not found:
            del self._byAOR[aor]
        self.count -= 1
        self._leaveFlow(binding)
        return binding

    def _leaveFlow(self, binding: Binding) -> None:
        if not binding.flow:
            return
        key = (binding.proxy, binding.flow)
        names = self._byFlow.get(key)
        if names is not None:
            names.pop((binding.aor, binding.identity), None)
            if not names:
                del self._byFlow[key]

    def onFlow(self, proxy: str, flow: bytes) -> list[Binding]:
        """
        The bindings that are reached over one flow.
        """
        names = self._byFlow.get((proxy, flow), ())
        return [self._byAOR[aor][identity] for aor, identity in names]

    def expired(self) -> list[Binding]:
        """
        Take out what has ended.

        @return: the bindings that were dropped.
        """
        now = self.wallTime()
        dropped = []
        ends = self._ends
        while ends and ends[0][0] <= now:
            _, aor, identity = heapq.heappop(ends)
            binding = self.get(aor, identity)
            if binding is None:
                continue
            if binding.expiresAt > now:
                heapq.heappush(ends, (binding.expiresAt, aor, identity))
            else:
                self.remove(aor, identity)
                dropped.append(binding)
        return dropped

    def plan(
        self,
        aor: bytes,
        changes: Sequence[Binding],
        removed: Sequence[bytes] | All,
    ) -> list[Binding]:
        """
        Check an update before any of it is made.

        @return: the bindings to remove, those left out that a change replaces
            anyway.

        @raise ValueError: a change is of another address-of-record.

        @raise TooManyBindings: more would be left than allowed.
        """
        for change in changes:
            if change.aor != aor:
                raise ValueError(f"a binding of {change.aor!r} in {aor!r}")
        found = self._byAOR.get(aor, {})
        kept = {change.identity for change in changes}
        goes = [
            binding
            for identity, binding in found.items()
            if identity not in kept
            and (isinstance(removed, _All) or binding.contact in removed)
        ]
        now = self.wallTime()
        left = {
            identity for identity, binding in found.items() if binding.expiresAt > now
        }
        left -= {binding.identity for binding in goes}
        if len(left | kept) > max(MAXIMUM_BINDINGS, len(left)):
            raise TooManyBindings(f"more than {MAXIMUM_BINDINGS} bindings")
        return goes
