"""
The location service as those see it who only want to know: who is registered, who
no longer is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import Interface, implementer

from sipcluster.cluster.icluster import (
    Change,
    IClusterStore,
    IReplica,
    IReplicaListener,
)
from sipcluster.cluster.leases import LeaseBuckets
from sipcluster.cluster.replica import Replica
from sipcluster.ha.ikeeping import UNKEPT, IKeeper, IKept
from sipcluster.registrar.index import BindingIndex
from sipcluster.registrar.iregistrar import Binding
from sipcluster.registrar.records import PREFIX, BadRecord, decode, encode, keyOf

log = Logger()

#: Seconds after the cluster store is heard again in which nobody is given up: the
#: SIP Proxies still write down who has registered meanwhile.
SETTLE = 5.0


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[bytes])


class IBindingObserver(Interface):
    """
    Is told whose first binding came and whose last one went.  Must not raise.
    """

    def bound(aor: bytes) -> None:
        """
        An address-of-record has a binding, and had none.
        """

    def unbound(aor: bytes, why: str) -> None:
        """
        An address-of-record has no binding any more.
        """


@implementer(IReplicaListener, IKept)
class RegistrationView:
    """
    All bindings of the cluster, read only.  One entry is kept for each
    address-of-record: a process that takes over while the cluster store is away
    knows all of them; when the store is heard, what it does not know is gone.

    While the cluster store is not heard, and for L{SETTLE} seconds after, what was
    known last holds: telephones go on registering, and only this process does not
    hear of it.

    @ivar unreadable: records in the store that could not be read.
    """

    def __init__(
        self,
        replica: IReplica,
        clock: IReactorTime,
        wallTime: Callable[[], float],
        observer: IBindingObserver,
        keeper: IKeeper = UNKEPT,
    ) -> None:
        self.unreadable = 0
        self._replica = replica
        self._clock = clock
        self._wallTime = wallTime
        self._observer = observer
        self._index = BindingIndex(wallTime)
        self._names: dict[bytes, tuple[bytes, bytes]] = {}
        self._bound: set[bytes] = set()
        self._suspects: dict[bytes, None] = {}
        # Keys of what was restored, and has not been seen in the store.
        self._believed: dict[bytes, None] = {}
        self._touch = keeper.keep(self)
        self._trustedFrom = 0.0
        self._era = replica.era
        self._sweeping: IDelayedCall | None = None
        replica.addListener(self)

    def start(self, patience: float = 30.0) -> Deferred[None]:
        """
        Begin to follow the cluster store.

        @return: see L{IReplica.start}.
        """
        if self._sweeping is None:
            self._sweeping = self._clock.callLater(1.0, self._sweep)
        return self._replica.start(patience)

    def stop(self) -> None:
        """
        Follow no more.
        """
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        self._replica.stop()

    @property
    def count(self) -> int:
        """
        How many bindings there are.
        """
        return self._index.count

    @property
    def degraded(self) -> bool:
        """
        Whether the cluster store is not heard.
        """
        return self._replica.degraded

    def bindings(self, aor: bytes) -> Sequence[Binding]:
        """
        The live bindings of an address-of-record, best first.
        """
        return self._index.bindings(aor)

    def allBindings(self) -> Iterator[Binding]:
        """
        Every live binding, in no order.
        """
        return self._index.all()

    def isBound(self, aor: bytes) -> bool:
        """
        Whether an address-of-record has a binding, as far as the observer was
        told.
        """
        return aor in self._bound

    # What the store tells

    def replicaChanged(self, changes: Sequence[Change]) -> None:
        """
        See L{IReplicaListener}.
        """
        if self._replica.degraded or self._replica.era != self._era:
            self._era = self._replica.era
            self._trustedFrom = self._clock.seconds() + SETTLE
        # A telephone may leave one contact and take another in one change.
        touched: dict[bytes, None] = {}
        for change in changes:
            aor = self._take(change)
            if aor is not None:
                touched[aor] = None
        for aor in touched:
            self._look(aor, "unregistered")
            self._touch(_entryKey(aor))

    def _take(self, change: Change) -> bytes | None:
        """
        @return: the address-of-record that it concerns, or L{None}.
        """
        self._believed.pop(change.key, None)
        if change.value is None:
            return self._forget(change.key)
        try:
            binding = decode(change.value)
        except BadRecord as e:
            self.unreadable += 1
            log.warn("record at {key} cannot be read: {why}", key=change.key, why=e)
            return None
        if keyOf(binding) != change.key:
            self.unreadable += 1
            log.warn("record at {key} belongs elsewhere", key=change.key)
            return None
        self._know(binding)
        return binding.aor

    def _know(self, binding: Binding) -> bytes:
        key = keyOf(binding)
        self._names[key] = (binding.aor, binding.identity)
        self._index.put(binding)
        return key

    def _forget(self, key: bytes) -> bytes | None:
        """
        @return: the address-of-record that it concerns, or L{None}.
        """
        name = self._names.pop(key, None)
        if name is None:
            return None
        self._index.remove(*name)
        return name[0]

    def _look(self, aor: bytes, why: str) -> None:
        live = bool(self._index.bindings(aor))
        if live is (aor in self._bound):
            return
        if live:
            self._bound.add(aor)
            self._tell(lambda: self._observer.bound(aor), aor)
        elif self._trusts():
            self._bound.discard(aor)
            self._tell(lambda: self._observer.unbound(aor, why), aor)
        else:
            self._suspects[aor] = None

    def _tell(self, tell: Callable[[], None], aor: bytes) -> None:
        try:
            tell()
        except Exception:
            log.failure("binding of {aor}", aor=aor)

    # Time

    def _trusts(self) -> bool:
        return not self._replica.degraded and self._clock.seconds() >= self._trustedFrom

    def _sweep(self) -> None:
        self._sweeping = self._clock.callLater(1.0, self._sweep)
        if self._replica.degraded:
            self._trustedFrom = self._clock.seconds() + SETTLE
        if not self._trusts():
            return
        suspects, self._suspects = self._suspects, {}
        believed, self._believed = self._believed, {}
        for key in believed:
            aor = self._forget(key)
            if aor is not None:
                suspects[aor] = None
        for aor in suspects:
            self._look(aor, "no longer registered")
            self._touch(_entryKey(aor))
        for binding in self._index.expired():
            self._names.pop(keyOf(binding), None)
            self._look(binding.aor, "registration expired")
            self._touch(_entryKey(binding.aor))

    # What outlives this process

    kind = "contact"

    def keys(self) -> Iterable[str]:
        """
        See L{IKept}: the addresses-of-record that are bound, as far as the observer
        was told.
        """
        return [_entryKey(aor) for aor in self._bound]

    def entry(self, key: str) -> bytes | None:
        """
        See L{IKept}.
        """
        aor = key.encode("latin-1")
        if aor not in self._bound:
            return None
        # Expired ones, too: they end when the store says so, or can be heard.
        found = self._index.known(aor)
        return _encoder.encode([encode(binding) for binding in found])

    def restore(self, key: str, value: bytes, age: float) -> None:
        """
        See L{IKept}.  The observer knows of it.
        """
        bindings = [decode(record) for record in _decoder.decode(value)]
        aor = key.encode("latin-1")
        if any(binding.aor != aor for binding in bindings):
            raise BadRecord(f"bindings of another one than {key}")
        self._bound.add(aor)
        if not bindings:
            self._suspects[aor] = None
        for binding in bindings:
            self._believed[self._know(binding)] = None

    def restored(self) -> None:
        """
        See L{IKept}.
        """

    def comparable(self, value: bytes) -> object:
        """
        See L{IKept}: they expire by the time of day.
        """
        return value


def _entryKey(aor: bytes) -> str:
    return aor.decode("latin-1")


def registrationView(
    store: IClusterStore,
    clock: IReactorTime,
    wallTime: Callable[[], float],
    name: str,
    observer: IBindingObserver,
    keeper: IKeeper = UNKEPT,
) -> RegistrationView:
    """
    Make the view of the location service of one process that writes nothing.

    @param name: of this process; unlike that of any other.
    """
    leases = LeaseBuckets(store, clock)
    replica = Replica(store, PREFIX, clock, name.encode("utf-8"), leases=leases)
    return RegistrationView(replica, clock, wallTime, observer, keeper)
