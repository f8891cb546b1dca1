"""
What a change costs on the HA link, and how much later what waits for it is sent:
C{python -m tests.bench.bench_ha}.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.task import Clock, react

from sipcluster.ha.journal import Journal
from sipcluster.ha.replica import Replica
from sipcluster.ha.sending import sender
from sipcluster.ha.wire import Want, decode
from sipcluster.net.ha_link import dialHALink, listenHALink
from sipcluster.testing.pki import PKI
from tests.unit.ha.members import Alone, Member

#: Entries, changes, and bytes of each.
ENTRIES, CHANGES, SIZE = 2000, 51_000, 1000


def costs(batch: int) -> tuple[float, float]:
    """
    Microseconds of the processor a change at the sender and at the receiver.

    @param batch: changes in one turn of the reactor.
    """
    clock = Clock()
    member = Member(clock, "b")
    journal = Journal(clock, Alone())
    frames: list[bytes] = []
    journal.becamePrimary(1)
    core = sender(journal, frames.append)

    class Linked:
        changed = staticmethod(core.changed)

    linked: Any = Linked()
    journal._link = linked
    core.machine.wanted(Want(1, 0, 0))
    clock.advance(0)
    values = [bytes([number % 256]) * SIZE for number in range(256)]
    started = time.process_time()
    for number in range(CHANGES):
        journal.change("call", str(number % ENTRIES), values[number % 256])
        if number % batch == batch - 1:
            clock.advance(0)
            core.under.clear()
            core.size = 0
    sent = time.process_time() - started
    core.stop()
    receiving: Any = member.links.connectionMade(_Nowhere())  # type: ignore[arg-type]  # is enough
    member.journal.epoch = 1
    receiving.receiver.ask(1)
    messages = [frame[4:] for frame in frames]
    started = time.process_time()
    for payload in messages:
        message: Any = decode(payload)
        if hasattr(message, "entries"):
            receiving._checkOrder(message)
        receiving.receiver.received(message)
        receiving.receiver.acknowledge()
    taken = time.process_time() - started
    assert member.journal.position == CHANGES, member.journal.position
    return sent / CHANGES * 1e6, taken / CHANGES * 1e6


class _Nowhere:
    peer = "nowhere"

    def write(self, data: bytes) -> None:
        "Nobody reads it."


@inlineCallbacks
def delays(reactor: Any) -> Any:
    """
    Seconds from a change to what waits for it, over TLS on the loopback interface;
    and those until a new backup with nothing is in sync.
    """
    with tempfile.TemporaryDirectory() as directory:
        pki = PKI(directory)
        a, b = Member(reactor, "a"), Member(reactor, "b")
        one, two = (
            pki.contexts(name, clients="required") for name in ("a.test", "b.test")
        )
    a.journal.becamePrimary(1)
    for number in range(ENTRIES):
        a.change(str(number), bytes(SIZE))
    port = yield listenHALink(
        reactor,
        TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"),
        a.links,
        one,
        "b.test",
    )
    dialer = dialHALink(
        reactor,
        TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port),
        b.links,
        two,
        "a.test",
        lambda: 0.5,
    )
    started = time.perf_counter()
    dialer.startService()
    while not a.journal.inSync:
        yield _turn(reactor)
    snapshot = time.perf_counter() - started
    found = []
    for number in range(3000):
        done: Deferred[None] = Deferred()
        began = time.perf_counter()
        a.change(str(number % ENTRIES), bytes(SIZE))
        a.journal.then(lambda done=done: done.callback(None))  # type: ignore[misc]  # no type of a default
        yield done
        found.append(time.perf_counter() - began)
        yield _turn(reactor)
    a.journal.stop()
    b.journal.stop()
    yield dialer.stopService()
    yield port.stopListening()
    return found, snapshot


def _turn(reactor: Any) -> Deferred[None]:
    done: Deferred[None] = Deferred()
    reactor.callLater(0, done.callback, None)
    return done


@inlineCallbacks
def main(reactor: Any) -> Any:
    """
    Measure and print.
    """
    write = sys.stdout.write
    for batch in (1, 10, 30):
        sent, taken = min(costs(batch) for _ in range(3))
        write(
            f"{batch:3} changes a turn: sender {sent:.1f} us, receiver {taken:.1f} us "
            f"a change of {SIZE} bytes\n"
        )
    replica = Replica(Clock())
    started = time.process_time()
    for number in range(CHANGES):
        replica.put("call", str(number % ENTRIES), bytes(SIZE))
    per = (time.process_time() - started) / CHANGES * 1e6
    write(f"of it, entry and digest: {per:.1f} us\n")
    found, snapshot = yield delays(reactor)
    found.sort()
    write(
        f"from a change to its send, TLS, both members in one process: median "
        f"{statistics.median(found) * 1e6:.0f} us, 99 % "
        f"{found[len(found) * 99 // 100] * 1e6:.0f} us\n"
        f"snapshot of {ENTRIES} entries, with connecting: {snapshot * 1e3:.0f} ms\n"
    )


if __name__ == "__main__":
    react(main)
