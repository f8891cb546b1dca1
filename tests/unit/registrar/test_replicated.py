"""
The location service that proxies share, over an embedded store in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.cluster.embedded_store import EmbeddedStore, memoryEngine
from sipcluster.cluster.icluster import Change, Put, QueueFull, StoreAway
from sipcluster.registrar.iregistrar import ALL, Binding
from sipcluster.registrar.records import PREFIX, decode, encode, keyOf
from sipcluster.registrar.replicated import (
    ReplicatedRegistrationStore,
    replicatedRegistrations,
)
from sipcluster.testing.clock import runFor
from sipcluster.testing.registration_contract import (
    AOR,
    EPOCH,
    RegistrationStoreContract,
    binding,
)


class ReplicatedRegistrationStoreTests(RegistrationStoreContract, SynchronousTestCase):
    """
    L{ReplicatedRegistrationStore} keeps registrations.
    """

    def makeStore(self) -> ReplicatedRegistrationStore:
        """
        @return: a store on the test's clock, loaded.
        """
        self.engine = engine = memoryEngine(self.clock)
        cluster = EmbeddedStore(engine, self.clock, delay=0.002)
        store = replicatedRegistrations(cluster, self.clock, self.wallTime, "proxy1")
        started = store.start()
        runFor(self.clock, 0.1)
        self.successResultOf(started)
        return store

    def tearDown(self) -> None:
        """
        Close the database.
        """
        self.store.stop()
        self.engine.close()

    def test_stopsCleanly(self) -> None:
        """
        A store that is stopped leaves no timer behind but the engine's.
        """
        self.update(binding())
        self.store.stop()
        self.engine.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class TwoProxiesTests(SynchronousTestCase):
    """
    Two proxies on one cluster store, which each can be cut off from.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.engine = memoryEngine(self.clock)
        self.addCleanup(self.engine.close)
        self.ways: list[EmbeddedStore] = []
        self.stores: list[ReplicatedRegistrationStore] = []
        for name in ("proxy1", "proxy2"):
            self.join(name)
        self.one, self.two = self.stores

    def join(self, name: str) -> ReplicatedRegistrationStore:
        """
        Start a proxy's location service, and wait for it.
        """
        way = EmbeddedStore(self.engine, self.clock, delay=0.002)
        store = replicatedRegistrations(way, self.clock, self.wallTime, name)
        self.ways.append(way)
        self.stores.append(store)
        started = store.start()
        runFor(self.clock, 0.1)
        self.successResultOf(started)
        self.addCleanup(store.stop)
        return store

    def wallTime(self) -> float:
        """
        Seconds since the epoch.
        """
        return EPOCH + self.clock.seconds()

    def update(
        self,
        store: ReplicatedRegistrationStore,
        *changes: Binding,
        removed: Any = (),
    ) -> list[object]:
        """
        Update one proxy's store; time does not pass.
        """
        fired: list[object] = []
        store.update(AOR, changes, removed).addBoth(fired.append)
        return fired

    def contacts(self, store: ReplicatedRegistrationStore) -> Sequence[bytes]:
        """
        Whom one proxy knows.
        """
        return [each.contact for each in store.bindings(AOR)]

    def stored(self) -> dict[bytes, Binding]:
        """
        What is in the cluster store.
        """
        snapshot = self.successResultOf(
            EmbeddedStore(self.engine, self.clock).snapshot(PREFIX + b"sip:")
        )
        return {entry.key: decode(entry.value) for entry in snapshot.entries}

    def puts(self) -> int:
        """
        How often the store's records were written by the two.
        """
        return sum(store.writer.writes for store in self.stores)  # type: ignore[attr-defined]

    def test_eachSeesTheOthers(self) -> None:
        """
        What is registered at one proxy is known at the other within 0.2
        seconds, and so is its removal.
        """
        self.update(self.one, binding(b"a"))
        runFor(self.clock, 0.2)
        self.assertEqual(self.contacts(self.two), [b"sip:bob@a"])
        self.update(self.two, binding(b"b"), removed=ALL)
        runFor(self.clock, 0.2)
        self.assertEqual(self.contacts(self.one), [b"sip:bob@b"])

    def test_burstIsSeenInTime(self) -> None:
        """
        A thousand registrations at once reach the other proxy within 0.2
        seconds, in few transactions.
        """
        for number in range(1000):
            aor = b"sip:%d@example.com" % number
            self.one.update(aor, [binding(b"a", aor=aor)])
        runFor(self.clock, 0.2)
        self.assertEqual(self.two.count, 1000)
        self.assertLessEqual(self.one.writer.transactions, 15)  # type: ignore[attr-defined]

    def test_newcomerHasAll(self) -> None:
        """
        A proxy that starts knows all bindings before it says that it has
        started.
        """
        self.update(self.one, binding(b"a"), binding(b"b"))
        runFor(self.clock, 0.2)
        self.assertEqual(len(self.contacts(self.join("proxy3"))), 2)

    def test_outlivesItsProxy(self) -> None:
        """
        A binding outlives the proxy that wrote it, until its own end; then the
        cluster store has dropped it too.
        """
        self.update(self.one, binding(b"a", 120.0))
        runFor(self.clock, 0.2)
        self.one.stop()
        self.ways[0].away = True
        runFor(self.clock, 119.0)
        self.assertEqual(self.contacts(self.two), [b"sip:bob@a"])
        runFor(self.clock, 1.0)
        self.assertEqual(self.contacts(self.two), [])
        runFor(self.clock, 40.0)
        self.assertEqual(self.stored(), {})

    def test_fewLeases(self) -> None:
        """
        Registrations of any length share a few leases.
        """
        for number in range(500):
            aor = b"sip:%d@example.com" % number
            self.one.update(aor, [binding(b"a", 60.0 + 7 * number, aor=aor)])
            runFor(self.clock, 0.1)
        self.assertLess(len(self.engine.leaseIDs()), 120)

    # Refreshes

    def test_refreshIsHeldBack(self) -> None:
        """
        A refresh that changes nothing but the end is not written until half of
        the stored time is gone; then the last one is, so that no proxy loses
        the binding.
        """
        self.update(self.one, binding(b"a", 60.0))
        runFor(self.clock, 0.2)
        before = self.puts()
        for seconds in (10, 20):
            runFor(self.clock, 10.0)
            fired = self.update(
                self.one,
                binding(
                    b"a",
                    seconds + 60.0,
                    cseq=1826 + seconds,
                    updatedAt=EPOCH + seconds,
                ),
            )
            self.assertEqual(fired, [None])
        self.assertEqual(self.puts(), before)
        runFor(self.clock, 12.0)
        self.assertEqual(self.puts(), before + 1)
        runFor(self.clock, 45.0)
        self.assertEqual(self.contacts(self.two), [b"sip:bob@a"])
        runFor(self.clock, 5.0)
        self.assertEqual(self.contacts(self.two), [])

    def test_lateRefreshIsWrittenAtOnce(self) -> None:
        """
        A refresh after half of the time is written at once.
        """
        self.update(self.one, binding(b"a", 60.0))
        runFor(self.clock, 31.0)
        before = self.puts()
        self.update(self.one, binding(b"a", 91.0, updatedAt=EPOCH + 31))
        runFor(self.clock, 0.2)
        self.assertEqual(self.puts(), before + 1)

    def test_changeIsWrittenAtOnce(self) -> None:
        """
        A refresh that changes anything else is written at once.
        """
        self.update(self.one, binding(b"a", 60.0))
        runFor(self.clock, 1.0)
        self.update(self.one, binding(b"a", 61.0, q=0.5))
        runFor(self.clock, 0.2)
        self.assertEqual(self.two.bindings(AOR)[0].q, 0.5)

    def test_refreshThroughTheOther(self) -> None:
        """
        A binding refreshed through another proxy belongs to that one, and what
        the first held back is not written over it.
        """
        self.update(self.one, binding(b"a", 60.0, proxy="proxy1"))
        runFor(self.clock, 5.0)
        self.update(self.one, binding(b"a", 65.0, proxy="proxy1", cseq=1827))
        runFor(self.clock, 5.0)
        self.update(self.two, binding(b"a", 70.0, proxy="proxy2", cseq=1828))
        runFor(self.clock, 40.0)
        for store in self.stores:
            self.assertEqual(store.bindings(AOR)[0].proxy, "proxy2")
        self.assertEqual([b.proxy for b in self.stored().values()], ["proxy2"])

    def test_earlierRefreshDoesNotWin(self) -> None:
        """
        When another proxy writes an earlier refresh after our later one, ours
        is written again before the record ends.
        """
        self.update(self.one, binding(b"a", 60.0))
        runFor(self.clock, 1.0)
        self.update(self.two, binding(b"a", 70.0, cseq=1827, updatedAt=EPOCH + 1))
        self.update(self.one, binding(b"a", 80.0, cseq=1828, updatedAt=EPOCH + 1.5))
        runFor(self.clock, 75.0)
        self.assertEqual(self.contacts(self.one), [b"sip:bob@a"])
        self.assertEqual(self.contacts(self.two), [b"sip:bob@a"])

    # Without the store

    def test_storeAway(self) -> None:
        """
        While the store is away registrations go on at this proxy: the caller
        hears of it after a second, and when the store is back it and the other
        proxy get what was written.
        """
        self.ways[0].away = True
        runFor(self.clock, 3.0)
        self.assertTrue(self.one.degraded)
        fired = self.update(self.one, binding(b"a"))
        self.assertEqual(self.contacts(self.one), [b"sip:bob@a"])
        runFor(self.clock, 0.9)
        self.assertEqual(fired, [])
        runFor(self.clock, 0.2)
        (failure,) = fired
        assert isinstance(failure, Failure)
        failure.trap(StoreAway)
        self.assertEqual(self.contacts(self.two), [])
        self.ways[0].away = False
        runFor(self.clock, 5.0)
        self.assertEqual(self.contacts(self.two), [b"sip:bob@a"])
        self.assertEqual(self.contacts(self.one), [b"sip:bob@a"])
        self.assertFalse(self.one.degraded)

    def test_newerElsewhere(self) -> None:
        """
        What waited for the store is not written over what the device did
        meanwhile through another proxy.
        """
        self.ways[0].away = True
        runFor(self.clock, 1.0)
        self.update(self.one, binding(b"a", 300.0, proxy="proxy1"))
        runFor(self.clock, 1.5)
        self.update(
            self.two,
            binding(b"a", 300.0, proxy="proxy2", cseq=1830, updatedAt=EPOCH + 3),
        )
        runFor(self.clock, 0.2)
        # The watch is back before the writer tries again.
        self.one.writer._pause = 2.0  # type: ignore[attr-defined]
        self.ways[0].away = False
        runFor(self.clock, 10.0)
        for store in self.stores:
            self.assertEqual(store.bindings(AOR)[0].proxy, "proxy2")

    def test_missedChanges(self) -> None:
        """
        What happened while a proxy was cut off it learns when it is back: what
        came, and what went.
        """
        self.update(self.two, binding(b"a"))
        runFor(self.clock, 0.2)
        self.ways[0].away = True
        self.update(self.two, binding(b"b"), removed=ALL)
        runFor(self.clock, 1.0)
        self.assertEqual(self.contacts(self.one), [b"sip:bob@a"])
        self.ways[0].away = False
        runFor(self.clock, 5.0)
        self.assertEqual(self.contacts(self.one), [b"sip:bob@b"])

    def test_missedMoreThanIsRemembered(self) -> None:
        """
        The same when the store has forgotten the history since.
        """
        self.update(self.two, binding(b"a"))
        runFor(self.clock, 0.2)
        self.ways[0].away = True
        self.update(self.two, binding(b"b"), removed=ALL)
        runFor(self.clock, 1.0)
        self.engine.compact(self.engine.revision)
        self.ways[0].away = False
        runFor(self.clock, 5.0)
        self.assertEqual(self.contacts(self.one), [b"sip:bob@b"])

    # What others wrote

    def test_garbage(self) -> None:
        """
        A record that cannot be read, or stands at the wrong key, is counted
        and left aside.
        """
        key = keyOf(binding(b"a"))
        way = EmbeddedStore(self.engine, self.clock)
        way.txn([], [Put(key, b"\xc1"), Put(PREFIX + b"x/1", encode(binding()))])
        runFor(self.clock, 0.2)
        self.assertEqual((self.contacts(self.one), self.one.unreadable), ([], 2))

    def test_expiredRecord(self) -> None:
        """
        A record that has ended already is left aside.
        """
        way = EmbeddedStore(self.engine, self.clock)
        old = binding(b"a", -1.0)
        way.txn([], [Put(keyOf(old), encode(old))])
        runFor(self.clock, 0.2)
        self.assertEqual(self.one.count, 0)

    # Rare things

    def test_noRoomInTheQueue(self) -> None:
        """
        A write for which the queue has no room is told so, and tried again
        later; so is a removal.
        """
        self.update(self.one, binding(b"old"))
        runFor(self.clock, 0.2)
        writer = self.one.writer
        writer._limit = 0  # type: ignore[attr-defined]
        for fired in (
            self.update(self.one, binding(b"a")),
            self.update(self.one, removed=[b"sip:bob@old"]),
        ):
            (failure,) = fired
            assert isinstance(failure, Failure)
            failure.trap(QueueFull)
        self.assertEqual(self.contacts(self.one), [b"sip:bob@a"])
        writer._limit = 100  # type: ignore[attr-defined]
        runFor(self.clock, 7.0)
        self.assertEqual(self.contacts(self.one), [b"sip:bob@a"])
        self.assertEqual(self.contacts(self.two), [b"sip:bob@a"])

    def test_writtenByBothAtOnce(self) -> None:
        """
        When two proxies write one binding at the same time, both end with what
        the store has.
        """
        for round in range(20):
            for store, wait in ((self.one, 0.001 * round), (self.two, 0.0)):
                self.update(
                    store,
                    binding(b"a", proxy=store.name, cseq=1826 + round, q=0.01 * round),
                )
                runFor(self.clock, wait)
            runFor(self.clock, 0.3)
            (record,) = self.stored().values()
            for store in self.stores:
                self.assertEqual(list(store.bindings(AOR)), [record])

    def test_toldBeforeAnswered(self) -> None:
        """
        What another proxy writes right after us counts, even when we hear of it
        before we hear that our own write is done.
        """
        self.ways[0].delay = 0.02
        self.update(self.one, binding(b"a", proxy="proxy1"))
        runFor(self.clock, 0.1)
        writing = self.one.writer.put
        held: list[tuple[Deferred[int], int]] = []

        def slow(*arguments: Any, **more: Any) -> Deferred[int]:
            result: Deferred[int] = Deferred()
            writing(*arguments, **more).addCallback(
                lambda revision: held.append((result, revision))
            )
            return result

        self.patch(self.one.writer, "put", slow)
        self.update(self.one, binding(b"a", proxy="proxy1", cseq=1900, q=0.1))
        runFor(self.clock, 0.2)
        self.update(self.two, binding(b"a", proxy="proxy2", cseq=1901, q=0.2))
        runFor(self.clock, 0.2)
        for result, revision in held:
            result.callback(revision)
        runFor(self.clock, 0.2)
        self.assertEqual(self.one.bindings(AOR)[0].proxy, "proxy2")

    def test_removedElsewhereMeanwhile(self) -> None:
        """
        A deletion by another that is older than our own write does not count.
        """
        self.update(self.one, binding(b"a"))
        runFor(self.clock, 0.2)
        self.one.replicaChanged([Change(keyOf(binding(b"a")), None, 0, 1)])
        self.assertEqual(self.contacts(self.one), [b"sip:bob@a"])

    def test_anotherStore(self) -> None:
        """
        When the store has lost everything, each proxy writes its own bindings
        again, so that nobody needs to register again.
        """
        self.update(self.one, binding(b"a", proxy="proxy1"))
        self.update(self.two, binding(b"b", proxy="proxy2", q=0.5))
        runFor(self.clock, 0.2)
        self.engine.close()
        self.engine = memoryEngine(self.clock)
        self.addCleanup(self.engine.close)
        for way in self.ways:
            way.away = True
            way._engine = self.engine
            way.away = False
        runFor(self.clock, 5.0)
        for store in self.stores:
            self.assertEqual(
                self.contacts(store), [b"sip:bob@a", b"sip:bob@b"], store.name
            )
        self.assertEqual(len(self.stored()), 2)

    def test_nothingIsRemembered(self) -> None:
        """
        When all bindings have ended, nothing is kept of them.
        """
        for number in range(50):
            aor = b"sip:%d@example.com" % number
            self.one.update(aor, [binding(b"a", 60.0, aor=aor)])
            if number % 2:
                self.one.update(aor, [], ALL)
        runFor(self.clock, 120.0)
        for store in self.stores:
            self.assertEqual((store.count, store._known), (0, {}))
