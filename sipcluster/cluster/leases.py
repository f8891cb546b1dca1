"""
Leases shared by the keys that end at about the same time.
"""

from __future__ import annotations

import math

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipcluster.cluster.icluster import IClusterStore, Lease

log = Logger()

#: Seconds that one lease stands for, at least.
SLOT = 30.0

#: A key may outlive its time by this part of it: slots get wider with it, so
#: that a process needs few leases for any mixture of times.
WASTE = 1 / 30


@define
class _Bucket:
    """
    @ivar endsAt: the lease lives at least until then, in seconds of the clock.
    @ivar waiting: who wants it, while it is being granted.
    """

    endsAt: float
    lease: int = 0
    waiting: list[Deferred[int]] = field(factory=list)


class LeaseBuckets:
    """
    One lease for a slot of time, instead of one for a key.

    A lease is granted for all of its slot at once and never kept alive: keys
    must outlive the process that wrote them, and then go in their own time.
    """

    def __init__(self, store: IClusterStore, clock: IReactorTime) -> None:
        self._store = store
        self._clock = clock
        self._buckets: dict[tuple[float, int], _Bucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def leaseFor(self, seconds: float) -> Deferred[int]:
        """
        Find or make a lease that lives at least C{seconds} from now.

        @return: its id.  Fails as
            L{IClusterStore.leaseGrant<sipcluster.cluster.icluster.IClusterStore>}
            does; the next call asks again.
        """
        now = self._clock.seconds()
        width = SLOT
        while width < seconds * WASTE:
            width *= 2
        slot = math.floor((now + seconds) / width) + 1
        result: Deferred[int] = Deferred()
        bucket = self._buckets.get((width, slot))
        if bucket is None:
            self._forgetEnded(now)
            bucket = _Bucket(slot * width)
            self._buckets[width, slot] = bucket
            bucket.waiting.append(result)
            self._grant((width, slot), bucket, bucket.endsAt - now)
        elif bucket.lease:
            result.callback(bucket.lease)
        else:
            bucket.waiting.append(result)
        return result

    def _grant(self, name: tuple[float, int], bucket: _Bucket, seconds: float) -> None:
        def granted(lease: Lease) -> None:
            bucket.lease = lease.id
            waiting, bucket.waiting = bucket.waiting, []
            for each in waiting:
                each.callback(lease.id)

        def failed(failure: Failure) -> None:
            self._buckets.pop(name, None)
            waiting, bucket.waiting = bucket.waiting, []
            for each in waiting:
                each.errback(failure)

        self._store.leaseGrant(seconds).addCallbacks(granted, failed).addErrback(
            lambda f: log.failure("handing out a lease", f)
        )

    def _forgetEnded(self, now: float) -> None:
        ended = [name for name, bucket in self._buckets.items() if bucket.endsAt <= now]
        for name in ended:
            bucket = self._buckets[name]
            if bucket.lease:
                del self._buckets[name]

    def forget(self, lease: int) -> None:
        """
        The store does not know this lease any more: use it for nothing else.
        """
        for name, bucket in list(self._buckets.items()):
            if bucket.lease == lease:
                del self._buckets[name]
