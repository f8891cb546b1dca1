"""
Answers of the name servers, kept for as long as they may be.
"""

from __future__ import annotations

from typing import Any

from attrs import define, frozen
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.names import client, dns, hosts
from twisted.names.error import (
    AuthoritativeDomainError,
    DNSNameError,
    DomainError,
)
from twisted.python.failure import Failure


class NoAnswer(Exception):
    """
    The name servers did not answer, or not with anything of use.
    """


@frozen
class Naming:
    """
    How name servers are asked.

    @ivar timeouts: seconds to wait for each try of one query.
    @ivar negative: seconds to remember that there is no such record, where the
        zone does not say.
    @ivar silence: seconds to remember that no server answered.
    @ivar longest: seconds after which any answer is asked for again.
    @ivar stale: seconds for which an old answer is used when no server answers
        (RFC 8767).
    @ivar entries: answers remembered.
    """

    timeouts: tuple[int, ...] = (1, 1)
    negative: float = 30.0
    silence: float = 5.0
    longest: float = 3600.0
    stale: float = 86400.0
    entries: int = 4096


@define
class _Entry:
    """
    One answer.

    @ivar records: the records' payloads; empty when there are none.
    @ivar until: when to ask again.
    @ivar silent: no server answered, and there was no older answer.
    @ivar learned: when the records came.
    """

    records: tuple[Any, ...]
    until: float
    silent: bool
    learned: float


class Names:
    """
    Asks a resolver, once at a time for each name, and remembers what it said.
    """

    def __init__(
        self, reactor: Any, resolver: Any = None, naming: Naming | None = None
    ) -> None:
        """
        @param resolver: a C{twisted.names} resolver; left out, one is made that
            reads C{/etc/resolv.conf} and C{/etc/hosts}, when first needed.
        """
        self._clock = reactor
        self._resolver = resolver
        self._own: client.Resolver | None = None
        self._hosts: hosts.Resolver | None = None
        self.naming = naming or Naming()
        self._entries: dict[tuple[str, int], _Entry] = {}
        self._waiting: dict[tuple[str, int], list[Deferred[tuple[Any, ...]]]] = {}
        self.asked = 0
        self.unanswered = 0

    def ask(self, name: str, kind: int) -> Deferred[tuple[Any, ...]]:
        """
        Look up one kind of record.

        @param kind: C{dns.A}, C{dns.AAAA}, C{dns.SRV} or C{dns.NAPTR}.

        @return: fires with the records' payloads, none being no error; at once
            where they are known.  Fails with L{NoAnswer}.  Cancelling one look-up
            leaves others for the same name alone.
        """
        key = (name, kind)
        entry = self._entries.get(key)
        if entry is not None and entry.until > self._clock.seconds():
            if entry.silent:
                return _fail(name)
            return succeed(entry.records)
        waiting = self._waiting.get(key)
        mine: Deferred[tuple[Any, ...]] = Deferred(lambda d: self._forget(key, d))
        if waiting is not None:
            waiting.append(mine)
            return mine
        self._waiting[key] = [mine]
        self.asked += 1
        maybeDeferred(self._lookUp, name, kind).addCallbacks(
            lambda answer: self._answered(key, *answer),
            lambda failure: self._failed(key, failure),
        )
        return mine

    def _forget(self, key: tuple[str, int], d: Deferred[tuple[Any, ...]]) -> None:
        waiting = self._waiting.get(key, [])
        if d in waiting:
            waiting.remove(d)

    def _lookUp(self, name: str, kind: int) -> Deferred[Any]:
        method = {
            dns.A: "lookupAddress",
            dns.AAAA: "lookupIPV6Address",
            dns.SRV: "lookupService",
            dns.NAPTR: "lookupNamingAuthorityPointer",
        }[kind]
        if self._resolver is None:
            self._own = client.Resolver(
                "/etc/resolv.conf", None, self.naming.timeouts, self._clock
            )
            self._hosts = hosts.Resolver()
            self._resolver = self._own
        resolver = self._resolver
        timeouts = self.naming.timeouts
        if self._hosts is None or kind not in (dns.A, dns.AAAA):
            found: Deferred[Any] = getattr(resolver, method)(name, timeouts)
            return found
        found = getattr(self._hosts, method)(name)
        return found.addErrback(lambda _: getattr(resolver, method)(name, timeouts))

    def _answered(
        self, key: tuple[str, int], answers: Any, authority: Any, additional: Any
    ) -> None:
        records = [each for each in answers if each.type == key[1]]
        if records:
            seconds = min(each.ttl for each in records)
        else:
            seconds = self._negative(authority)
        self._learn(key, tuple(each.payload for each in records), seconds)

    def _failed(self, key: tuple[str, int], failure: Failure) -> None:
        if _definite(failure):
            # What was raised carries the whole answer.
            answer = getattr(failure.value, "args", None) or (None,)
            authority = getattr(answer[0], "authority", ())
            self._learn(key, (), self._negative(authority))
            return
        self.unanswered += 1
        now = self._clock.seconds()
        old = self._entries.get(key)
        again = now + self.naming.silence
        if (
            old is not None
            and not old.silent
            and (old.learned + self.naming.stale > now)
        ):
            old.until = again
            self._tell(key, old)
        else:
            self._enter(key, _Entry((), again, True, now))

    def _negative(self, authority: Any) -> float:
        """
        How long there is nothing (RFC 2308 section 5).
        """
        for each in authority:
            if each.type == dns.SOA:
                return float(min(each.ttl, each.payload.minimum, 300))
        return self.naming.negative

    def _learn(
        self, key: tuple[str, int], records: tuple[Any, ...], seconds: float
    ) -> None:
        now = self._clock.seconds()
        until = now + min(float(seconds), self.naming.longest)
        self._enter(key, _Entry(records, until, False, now))

    def _enter(self, key: tuple[str, int], entry: _Entry) -> None:
        entries = self._entries
        entries.pop(key, None)
        if len(entries) >= self.naming.entries:
            del entries[next(iter(entries))]
        entries[key] = entry
        self._tell(key, entry)

    def _tell(self, key: tuple[str, int], entry: _Entry) -> None:
        for each in self._waiting.pop(key, []):
            if entry.silent:
                each.errback(NoAnswer(f"no name server answers for {key[0]}"))
            else:
                each.callback(entry.records)

    def stop(self) -> None:
        """
        Stop watching C{/etc/resolv.conf}.
        """
        call = getattr(self._own, "_parseCall", None)
        if call is not None and call.active():
            call.cancel()

    def status(self) -> dict[str, object]:
        """
        Plain values for people and for checks.
        """
        return {
            "names": len(self._entries),
            "asked": self.asked,
            "unanswered": self.unanswered,
            "waiting": len(self._waiting),
        }


def _definite(failure: Failure) -> bool:
    """
    Whether a server said that there is no such name, and not that it failed.
    """
    return bool(failure.check(DNSNameError, AuthoritativeDomainError)) or (
        type(failure.value) is DomainError
    )


def _fail(name: str) -> Deferred[Any]:
    made: Deferred[Any] = Deferred()
    made.errback(NoAnswer(f"no name server answers for {name}"))
    return made
