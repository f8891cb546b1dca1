"""
Mutated sessions at a T-Library port, and what must hold whatever clients send.

The campaign is C{bin/fuzz tlib}; the same seed gives the same sessions.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections import Counter
from collections.abc import Collection, Sequence
from random import Random
from typing import Any, cast

from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogBeginner, globalLogPublisher
from zope.interface import implementer

from sipcluster.testing.clock import runFor
from sipcluster.testing.mutate_tlib import DNS
from sipcluster.testing.tlib_peer import Addresses, TLibPeer
from sipcluster.testing.tlib_wild import PASSWORD, Wild, Wrong, check
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    MESSAGES,
    EventACK,
    EventDialing,
    EventRinging,
    EventServerInfo,
    LinkClosing,
    LinkPollAnswer,
    Message,
    RequestQueryServer,
    isRequest,
)
from sipcluster.tserver.connection import Connection
from sipcluster.tserver.itserver import ClientView, IRequests, ITrace, Receiver
from sipcluster.tserver.limits import Application, Limits
from sipcluster.tserver.server import TServer
from sipcluster.tserver.session import Session
from sipcluster.wire.correlation import Requester

#: DNs that the witness watches.
WATCHED = DNS[:3]

#: Small, so that a short campaign comes to most of them.
LIMITS = Limits(
    halfOpen=6,
    sessions=12,
    pending=20,
    answers=50,
    journalMessages=2000,
    unsent=10_000,
    registrations=8,
    keepAlive=10,
)

#: Clients that send anything.
MANY = 6


@implementer(IRequests)
class Telephones:
    """
    Answers requests: now, later, too late, never, twice, or by a refusal.
    """

    numbers: Collection[int] = frozenset(
        number for number in MESSAGES if 8 <= number < 48 and isRequest(number)
    )

    def __init__(self, clock: Clock, random: Random) -> None:
        self.server: TServer | None = None
        self._clock = clock
        self._random = random

    def requested(
        self, request: Message, requester: Requester, client: ClientView
    ) -> None:
        """
        See L{IRequests}.
        """
        random, server = self._random, self.server
        assert server is not None
        chance = random.random()
        dn = getattr(request, "thisDN", None) or DNS[0]
        if chance < 0.3:
            self._publish(dn, requester)
        elif chance < 0.6:
            delay = random.choice((0, 1, 20, 40))
            self._clock.callLater(delay, self._publish, dn, requester)
        elif chance < 0.8:
            server.refuse(requester, random.choice(tuple(TErrorCode)))
        elif chance < 0.9:
            server.answer(requester, EventACK(time=(1, 0), thisDN=dn))
            server.refuse(requester, TErrorCode.INTERNAL_ERROR)

    def _publish(self, dn: str, requester: Requester) -> None:
        assert self.server is not None
        self.server.publish(dn, EventDialing(time=(1, 0), thisDN=dn), requester)


@implementer(ITrace)
class _Counting:
    """
    Counts what the port has taken, by where it came from.
    """

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()

    def messageReceived(self, port: str, sender: Receiver, message: Message) -> None:
        """
        See L{ITrace}.
        """
        self.taken[sender.client.rpartition(" ")[2]] += 1

    def messageSent(
        self, port: str, receivers: Sequence[Receiver], message: Message
    ) -> None:
        """
        See L{ITrace}.
        """


class Witness(TLibPeer):
    """
    A client beside the others, which does everything right.
    """

    def __init__(self, server: TServer, clock: Clock) -> None:
        super().__init__(server, "witness", PASSWORD, "192.0.2.99:1")
        self._clock = clock
        self._owed = False

    def dataReceived(self, data: bytes) -> None:
        """
        Acknowledge in the next turn.
        """
        super().dataReceived(data)
        if not self._owed:
            self._owed = True
            self._clock.callLater(0, self._acknowledge)

    def _acknowledge(self) -> None:
        self._owed = False
        if self.connection is not None:
            self.send(LinkPollAnswer())


class Campaign:
    """
    One port, wild clients, and a witness who must notice nothing of them.
    """

    def __init__(self, seed: int) -> None:
        self.clock = Clock()
        self.random = Random(seed)
        self.trace = _Counting()
        telephones = Telephones(self.clock, self.random)
        applications = ("desktop", "wallboard", "witness")
        self.server = telephones.server = TServer(
            "TCport",
            self.clock,
            lambda: 1_800_000_000 + self.clock.seconds(),
            self.random.randbytes,
            {
                name: Application(name, PASSWORD, mayControl=name != "wallboard")
                for name in applications
            },
            Addresses.of(*DNS),
            [telephones],
            limits=LIMITS,
            trace=self.trace,
        )
        self._errors: set[tuple[str | None, int]] = set()
        self.wild = [
            Wild(self.server, self.random, n, self._errors) for n in range(MANY)
        ]
        self.witness = Witness(self.server, self.clock)
        self.failures: list[str] = []
        self.sent = 0
        self._published = 0
        self._due: list[str] = []
        self._positions = 0
        self._before: Counter[str] = Counter()

    def run(self, messages: int) -> None:
        """
        Send so many.

        @raise Wrong: something does not hold; any other exception is as bad.
        """
        observer = cast(ILogObserver, self._logged)
        globalLogPublisher.addObserver(observer)
        collecting = gc.isenabled()
        gc.collect()
        gc.disable()
        self._before = _kept()
        try:
            self.witness.connect()
            self.witness.register(*WATCHED)
            steps = 0
            while self.sent < messages:
                self._step()
                steps += 1
                self._look()
                if steps % 50 == 0:
                    self._account()
            self._account()
            self._end()
        finally:
            globalLogPublisher.removeObserver(observer)
            if collecting:
                gc.enable()

    def _logged(self, event: LogEvent) -> None:
        if "log_failure" in event:
            self.failures.append(event["log_failure"].getTraceback())

    def _step(self) -> None:
        random = self.random
        one = random.choice(self.wild)
        one.another = random.choice(self.wild).sessionID
        self.sent += one.step()
        for _ in range(200 if random.random() < 0.05 else random.choice((0, 1, 2))):
            self._publish(random.choice(DNS[:6]))
        runFor(self.clock, random.choice((0, 0, 0, 0, 0.1, 0.1, 1, 6)))
        if random.random() < 0.01:
            self.server.linkChanged(random.random() < 0.5, "because")

    def _publish(self, dn: str) -> None:
        self._published += 1
        ani = str(self._published)
        if dn in WATCHED:
            self._due.append(ani)
        data = (("data", "x" * self.random.choice((0, 10, 700))),)
        event = EventRinging(time=self.server.now(), thisDN=dn, ani=ani, userData=data)
        # Without a trace events go another way.
        tracing = self.server.tracing
        tracing.trace = None if self.random.random() < 0.5 else self.trace
        self.server.publish(dn, event)
        tracing.trace = self.trace

    def _look(self) -> None:
        """
        What came to the clients is right.
        """
        for one in self.wild:
            one.look()
        if self.failures:
            raise Wrong(f"a failure in the log: {self.failures[0]}")
        witness = self.witness
        reference = witness.request(RequestQueryServer())
        witness.expect(EventServerInfo, reference=reference)
        rung = []
        for envelope in witness.envelopes:
            message = envelope.message
            check(not isinstance(message, LinkClosing), f"witness is cut: {message}")
            if isinstance(message, EventRinging):
                rung.append(message.ani)
        check(rung == self._due, f"witness got {rung}, published were {self._due}")
        positions = [one.position for one in witness.all if one.position]
        expected = range(self._positions + 1, self._positions + 1 + len(positions))
        check(positions == list(expected), f"positions of the witness: {positions}")
        self._positions += len(positions)
        witness.all.clear()
        witness.clear()
        self._due.clear()

    def _account(self) -> None:
        """
        What the port counts of itself adds up.
        """
        server = self.server
        status: Any = server.status()
        sessions = list(server.sessions.values())
        check(len(sessions) <= LIMITS.sessions, "too many sessions")
        check(status["clients"] + status["away"] == len(sessions), "clients")
        check(status["halfOpen"] <= LIMITS.halfOpen, "too many half-open connections")
        registered = sum(len(one.dns) for one in sessions)
        check(status["registrations"] == registered, f"registrations: {status}")
        watched = {dn for one in sessions for dn in one.dns}
        check(status["watchedDNs"] == len(watched), f"watched DNs: {status}")
        for one in sessions:
            journal = one.stream.journal
            size = sum(entry.size for entry in journal.entries)
            check(journal.size == size, "bytes of a journal")
            span = journal.last + 1 - journal.first
            check(span == len(journal.entries), "positions of a journal")
            check(len(journal.entries) <= LIMITS.journalMessages, "long journal")
            check(len(one.dns) <= LIMITS.registrations, "too many registrations")
            check(len(one.pending) <= LIMITS.pending, "too many requests")
        counts = status["counts"]
        opened = 1 + sum(one.opened for one in self.wild)
        check(counts["connections"] == opened, f"{opened} connections: {counts}")
        least = most = 0
        for client in self.wild:
            for peer, good, bad, whole in client.told():
                taken = self.trace.taken[peer]
                check(taken <= good, f"{taken} of {good} messages taken")
                check(taken == good or not whole, f"{taken} of {good} messages taken")
                most += bad
                least += bad if whole else 0
            most += client.oldBad
        found = counts.get("badMessages", 0)
        check(least <= found <= most, f"{found} bad messages, {least} to {most}")
        errors = sum(n for name, n in counts.items() if name.startswith("error"))
        heard = sum(one.errors for one in self.wild) + len(self._errors)
        # Those that a snapshot left out come again under another position.
        errors += counts.get("repeatedRequests", 0)
        check(heard <= errors, f"{heard} errors came, {errors} are counted")

    def _end(self) -> None:
        """
        All goes back to what it was.
        """
        for _ in range(50):
            for one in self.wild:
                one.calm()
            runFor(self.clock, 1)
            self._look()
        for one in self.wild:
            one.askLast()
        runFor(self.clock, 1)
        self._look()
        for one in self.wild:
            one.answered()
            check(not self._waiting(one.sessionID), "requests are waiting")
            one.drop()
        self._account()
        runFor(self.clock, 200)
        self._look()
        status: Any = self.server.status()
        check(status["clients"] == 1 and not status["away"], f"sessions: {status}")
        check(status["registrations"] == len(WATCHED), f"registrations: {status}")
        check(not status["halfOpen"], f"connections: {status}")
        self.witness.leave()
        runFor(self.clock, 10)
        check(not self.clock.getDelayedCalls(), f"timers: {self.clock.calls}")
        status = self.server.status()
        check(not status["clients"] and not status["registrations"], f"{status}")
        left = _kept() - self._before
        check(not left, f"kept by references in a circle: {left}")

    def _waiting(self, sessionID: str | None) -> int:
        session = self.server.sessions.get(sessionID or "")
        return 0 if session is None else len(session.pending)


def _kept() -> Counter[str]:
    """
    How many sessions and connections of ports there are in memory.
    """
    kinds = (Session, Connection)
    return Counter(type(one).__name__ for one in gc.get_objects() if type(one) in kinds)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    C{bin/fuzz tlib}.

    @return: the exit status: 1 when something did not hold.
    """
    parser = argparse.ArgumentParser(
        prog="fuzz tlib", description="Send mutated sessions to a T-Library port."
    )
    parser.add_argument("--messages", type=int, default=20000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    options = parser.parse_args(arguments)
    campaign = Campaign(options.seed)
    began = time.perf_counter()
    say = sys.stdout.write
    status = 0
    try:
        campaign.run(options.messages)
    except Exception as e:
        status = 1
        say(f"after {campaign.sent} messages: {type(e).__name__}: {e}\n")
        if not isinstance(e, Wrong):
            raise
    finally:
        for what, count in campaign.server.counts.most_common():
            say(f"{count:9} {what}\n")
        seconds = time.perf_counter() - began
        say(f"{campaign.sent:9} messages, seed {options.seed}, {seconds:.1f} s\n")
    return status


if __name__ == "__main__":
    # Else the log keeps what nobody reads yet, and what that refers to.
    unread = cast(ILogObserver, lambda event: None)
    globalLogBeginner.beginLoggingTo([unread], redirectStandardIO=False)
    sys.exit(main())
