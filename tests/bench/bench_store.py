"""
What the cluster store costs: the embedded provider and etcd in the same run.

Each server is a process of its own; the client is this one::

    python -m tests.bench.bench_store [--seconds 3]

Prints a table; nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater, react
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.cluster.icluster import (
    Change,
    Get,
    IReplicaListener,
    IWatcher,
    Put,
    StoreAway,
)
from sipcluster.cluster.writer import CoalescingWriter
from sipcluster.net.etcd import EtcdStore
from sipcluster.registrar.records import PREFIX
from sipcluster.registrar.replicated import replicatedRegistrations
from sipcluster.testing.registration_contract import binding
from sipcluster.testing.stores import ETCD, EtcdServer

VALUE = os.urandom(300)

Row = tuple[str, str]


def percentiles(times: list[float]) -> str:
    """
    p50 and p99 of some seconds, in milliseconds.
    """
    ordered = sorted(times)
    p50 = ordered[len(ordered) // 2] * 1000
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000
    return f"{p50:7.2f} / {p99:7.2f} ms"


class _Serving(ProcessProtocol):
    def __init__(self) -> None:
        self.port: Deferred[int] = Deferred()
        self.ended: Deferred[None] = Deferred()
        self._line = b""

    def outReceived(self, data: bytes) -> None:
        self._line += data
        if b"\n" in self._line and not self.port.called:
            self.port.callback(int(self._line.split(b"\n")[0]))

    def errReceived(self, data: bytes) -> None:
        sys.stderr.write(data.decode("utf-8", "replace"))

    def processEnded(self, reason: Failure = Failure(ProcessDone(0))) -> None:  # noqa: B008
        self.ended.callback(None)


@implementer(IWatcher)
class _Notified:
    """
    Tells when it is told.
    """

    def __init__(self) -> None:
        self.opened: Deferred[None] = Deferred()
        self.heard: Deferred[None] | None = None

    def changed(self, revision: int, changes: Sequence[Change]) -> None:
        if not self.opened.called:
            self.opened.callback(None)
        heard, self.heard = self.heard, None
        if heard is not None:
            heard.callback(None)

    def lost(self, why: str, compacted: bool) -> None:
        raise RuntimeError(why)


@implementer(IReplicaListener)
class _Arrivals:
    """
    How long registrations were on their way to a replica.
    """

    def __init__(self) -> None:
        self.lags: list[float] = []
        self.made: dict[bytes, float] = {}

    def replicaChanged(self, changes: Sequence[Change]) -> None:
        now = time.perf_counter()
        for change in changes:
            aor = change.key[len(PREFIX) :].rpartition(b"/")[0]
            if aor in self.made:
                self.lags.append(now - self.made.pop(aor))


class EmbeddedServer:
    """
    The embedded provider in a process of its own.
    """

    def __init__(self, reactor: Any, path: str, synchronous: str) -> None:
        self._reactor = reactor
        self._arguments = [sys.executable, "-m", "tests.bench.bench_store", "--serve"]
        self._arguments += [path, "--synchronous", synchronous]
        self._process = _Serving()
        self.url = ""
        self.transport: Any = None

    async def start(self) -> None:
        """
        Start it and wait until it listens.
        """
        self.transport = self._reactor.spawnProcess(
            self._process, sys.executable, self._arguments, env=dict(os.environ)
        )
        self.url = f"http://127.0.0.1:{await self._process.port}"

    async def stop(self) -> None:
        """
        Kill it.
        """
        self.transport.signalProcess("KILL")
        await self._process.ended


def cpuSeconds(pid: int) -> float:
    """
    What a process has used.
    """
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def serve(path: str, synchronous: str) -> None:
    """
    Be the embedded provider; print its port.
    """
    from twisted.internet import reactor as _reactor

    from sipcluster.cluster.embedded import EmbeddedEngine
    from sipcluster.cluster.keyspace import Keyspace
    from sipcluster.net.store_http import StoreResource, StoreSite

    reactor: Any = _reactor
    engine = EmbeddedEngine(
        Keyspace(path, synchronous=synchronous),
        reactor,
        lambda: int.from_bytes(os.urandom(8), "big") >> 1,
    )
    site = StoreSite(StoreResource(engine, reactor), reactor)
    port = reactor.listenTCP(0, site, interface="127.0.0.1")
    sys.stdout.write(f"{port.getHost().port}\n")
    sys.stdout.flush()
    reactor.run()


async def during(
    reactor: Any, seconds: float, one: Callable[[int], Awaitable[Any]]
) -> list[float]:
    """
    Do something again and again, one at a time.

    @return: how long each took.
    """
    times = []
    end = reactor.seconds() + seconds
    number = 0
    while reactor.seconds() < end:
        start = time.perf_counter()
        await one(number)
        times.append(time.perf_counter() - start)
        number += 1
    return times


async def measure(reactor: Any, url: str, pid: int, seconds: float) -> list[Row]:
    """
    All figures of one store.
    """
    rows: list[Row] = []
    store = EtcdStore(reactor, [url], 5.0)
    other = EtcdStore(reactor, [url], 5.0)

    async def put(number: int) -> None:
        await store.txn([], [Put(b"/bench/put/%d" % (number % 1000), VALUE)])

    await during(reactor, 0.3, put)
    rows.append(
        ("put, one at a time", percentiles(await during(reactor, seconds, put)))
    )

    watcher = _Notified()
    watch = other.watch(b"/bench/notify/", 1, watcher)
    await watcher.opened

    async def notify(number: int) -> None:
        heard = watcher.heard = Deferred()
        stored = store.txn([], [Put(b"/bench/notify/a", VALUE)])
        await heard
        await stored

    rows.append(
        ("put to notified", percentiles(await during(reactor, seconds, notify)))
    )
    watch.stop()

    end = reactor.seconds() + seconds
    done = 0

    async def loop(worker: int) -> None:
        nonlocal done
        number = 0
        while reactor.seconds() < end:
            await store.txn(
                [], [Put(b"/bench/many/%d/%d" % (worker, number % 20), VALUE)]
            )
            number += 1
            done += 1

    start = time.perf_counter()
    await gatherResults([Deferred.fromCoroutine(loop(n)) for n in range(16)])
    rows.append(
        ("puts, 16 under way", f"{done / (time.perf_counter() - start):9.0f} /s")
    )

    writer = CoalescingWriter(store, reactor, limit=100_000)
    start = time.perf_counter()
    busy = cpuSeconds(pid)
    count = 20_000
    await gatherResults(
        [writer.put(b"/bench/write/%d" % number, VALUE) for number in range(count)]
    )
    elapsed = time.perf_counter() - start
    rows.append(("coalesced writes", f"{count / elapsed:9.0f} /s"))
    rows.append(
        ("  CPU of the store", f"{(cpuSeconds(pid) - busy) / count * 1e6:9.0f} us each")
    )

    start = time.perf_counter()
    snapshot = await other.snapshot(b"/bench/write/")
    elapsed = time.perf_counter() - start
    rows.append(
        (f"snapshot of {len(snapshot.entries)}", f"{elapsed * 1000:9.0f} ms"),
    )
    rows += await expiry(reactor, store)
    rows += await registrations(reactor, store, other, pid, seconds)
    for each in (store, other):
        await each.close()
    return rows


async def expiry(reactor: Any, store: EtcdStore) -> list[Row]:
    """
    A lease with 20 000 keys runs out while others write.
    """
    lease = await store.leaseGrant(3)
    keys = [b"/bench/leased/%d" % number for number in range(20_000)]
    for start in range(0, len(keys), 100):
        batch = [Put(key, VALUE, lease.id) for key in keys[start : start + 100]]
        await store.txn([], batch)
        await store.leaseKeepAlive(lease.id)
    last = time.perf_counter()

    async def put(number: int) -> None:
        await store.txn([], [Put(b"/bench/put/a", VALUE)])

    times: list[float] = []
    while (await store.txn([], [Get(keys[-1])])).gets[0] is not None:
        times += await during(reactor, 0.05, put)
    ended = time.perf_counter() - last - lease.ttl
    return [
        ("20 000 keys expire: late", f"{ended * 1000:9.0f} ms"),
        ("  longest put meanwhile", f"{max(times) * 1000:9.1f} ms"),
    ]


async def registrations(
    reactor: Any, store: EtcdStore, other: EtcdStore, pid: int, seconds: float
) -> list[Row]:
    """
    Two proxies; one takes 500 registrations a second.
    """
    one = replicatedRegistrations(store, reactor, time.time, "proxy1")
    two = replicatedRegistrations(other, reactor, time.time, "proxy2")
    await gatherResults([one.start(), two.start()])
    await deferLater(reactor, 0.2)
    stored: list[float] = []
    arrivals = _Arrivals()
    two.replica.addListener(arrivals)
    busy = cpuSeconds(pid)
    number = 0
    end = reactor.seconds() + seconds
    begun = reactor.seconds()
    while reactor.seconds() < end:
        due = int((reactor.seconds() - begun) * 500)
        while number < due:
            aor = b"sip:%d@example.com" % number
            arrivals.made[aor] = start = time.perf_counter()
            one.update(
                aor, [binding(aor=aor, expiresAt=time.time() + 600)]
            ).addCallbacks(
                lambda _, start=start: stored.append(time.perf_counter() - start),
                lambda failure: failure.trap(StoreAway),
            )
            number += 1
        await deferLater(reactor, 0.002)
    await deferLater(reactor, 0.5)
    used = cpuSeconds(pid) - busy
    one.stop()
    two.stop()
    return [
        ("500 registrations/s: stored", percentiles(stored)),
        ("  seen by the other proxy", percentiles(arrivals.lags)),
        ("  CPU of the store", f"{used / (seconds + 0.5) * 100:9.1f} %"),
        ("  lost", f"{number - len(arrivals.lags):9d}"),
    ]


async def _main(reactor: Any, seconds: float) -> None:
    columns: list[tuple[str, list[Row]]] = []
    with tempfile.TemporaryDirectory() as folder:
        for synchronous in ("NORMAL", "FULL"):
            server = EmbeddedServer(
                reactor, os.path.join(folder, synchronous), synchronous
            )
            await server.start()
            name = f"embedded, {synchronous}"
            columns.append(
                (
                    name,
                    await measure(reactor, server.url, server.transport.pid, seconds),
                )
            )
            await server.stop()
        if ETCD is not None:
            etcd = EtcdServer(reactor, os.path.join(folder, "etcd"))
            await etcd.start()
            columns.append(
                ("etcd", await measure(reactor, etcd.url, etcd.transport.pid, seconds))
            )
            await etcd.stop()
    write = sys.stdout.write
    write(f"{'':30}" + "".join(f"{name:>24}" for name, _ in columns) + "\n")
    for index, (what, _) in enumerate(columns[0][1]):
        write(f"{what:30}" + "".join(f"{rows[index][1]:>24}" for _, rows in columns))
        write("\n")


def main(reactor: Any, *arguments: str) -> Any:
    """
    Measure.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args(arguments)
    return Deferred.fromCoroutine(_main(reactor, options.seconds))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], sys.argv[4])
    else:
        react(main, sys.argv[1:])
