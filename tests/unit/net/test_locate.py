"""
Tests for L{sipcluster.net.locate} and L{sipcluster.net.names}.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.task import Clock
from twisted.names import dns
from twisted.names.error import DNSNameError, DNSServerError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.net.locate import Locator, LocatorLimits, byWeight
from sipcluster.net.names import Names, Naming, NoAnswer
from sipcluster.sip.errors import LocationFailed
from sipcluster.sip.isip import ILocator, Target
from sipcluster.sip.uri import SIPURI, parseURI
from sipcluster.testing.clock import runFor


class FakeResolver:
    """
    A name server in memory.

    @ivar records: payloads by name and kind.
    @ivar asked: what was asked, in order.
    @ivar silent: names that get no answer; what was asked of them waits here.
    @ivar broken: names for which the server says that it failed.
    """

    ttl = 100

    def __init__(self) -> None:
        self.records: dict[tuple[str, int], list[Any]] = {}
        self.asked: list[tuple[str, int]] = []
        self.silent: dict[str, list[Deferred[Any]]] = {}
        self.broken: set[str] = set()
        self.soa: list[Any] = []

    def add(self, name: str, *payloads: Any) -> None:
        """
        Add records of one kind.
        """
        self.records.setdefault((name, payloads[0].TYPE), []).extend(payloads)

    def _answer(self, name: str, kind: int) -> Deferred[Any]:
        self.asked.append((name, kind))
        if name in self.silent:
            waiting: Deferred[Any] = Deferred()
            self.silent[name].append(waiting)
            return waiting
        if name in self.broken:
            return fail(DNSServerError())
        payloads = self.records.get((name, kind))
        if payloads is None:
            if any(known == name for known, _ in self.records):
                return succeed(([], self.soa, []))
            return fail(DNSNameError(dns.Message()))
        return succeed(
            (
                [
                    dns.RRHeader(name.encode(), kind, dns.IN, self.ttl, each)
                    for each in payloads
                ],
                [],
                [],
            )
        )

    def lookupAddress(self, name: str, timeout: Any) -> Deferred[Any]:
        return self._answer(name, dns.A)

    def lookupIPV6Address(self, name: str, timeout: Any) -> Deferred[Any]:
        return self._answer(name, dns.AAAA)

    def lookupService(self, name: str, timeout: Any) -> Deferred[Any]:
        return self._answer(name, dns.SRV)

    def lookupNamingAuthorityPointer(self, name: str, timeout: Any) -> Deferred[Any]:
        return self._answer(name, dns.NAPTR)


def srv(target: str, port: int = 5060, priority: int = 0, weight: int = 0) -> Any:
    """
    An SRV record.
    """
    return dns.Record_SRV(priority, weight, port, target.encode())


def naptr(order: int, service: str, replacement: str, flags: str = "s") -> Any:
    """
    A NAPTR record.
    """
    return dns.Record_NAPTR(
        order, 10, flags.encode(), service.encode(), b"", replacement.encode()
    )


def uri(text: bytes) -> SIPURI:
    """
    A SIP URI.
    """
    parsed = parseURI(text)
    assert isinstance(parsed, SIPURI)
    return parsed


class LocatorTestCase(SynchronousTestCase):
    """
    A locator over a name server in memory.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.resolver = FakeResolver()
        self.locator = self.make()

    def make(self, **options: Any) -> Locator:
        """
        A locator with other options.
        """
        return Locator(self.clock, self.resolver, Random(1).random, **options)

    def located(self, text: bytes) -> list[tuple[str, str, int, str]]:
        """
        The targets, which must be there at once.
        """
        targets = self.successResultOf(self.locator.locate(uri(text)))
        return [(t.transportName, t.host, t.port, t.serverName) for t in targets]

    def failed(self, text: bytes) -> str:
        """
        Why there is none, which must be told at once.
        """
        looking = self.locator.locate(uri(text))
        return str(self.failureResultOf(looking, LocationFailed).value)


class TargetTests(LocatorTestCase):
    """
    Which transport, port and addresses a URI leads to.
    """

    def test_seam(self) -> None:
        """
        L{Locator} provides L{ILocator}.
        """
        verifyObject(ILocator, self.locator)

    def test_addresses(self) -> None:
        """
        An IP address needs no name server.
        """
        for text, expected in [
            (b"sip:a@192.0.2.1", ("UDP", "192.0.2.1", 5060, "")),
            (b"sip:192.0.2.1:5070", ("UDP", "192.0.2.1", 5070, "")),
            (b"sip:192.0.2.1;transport=tcp", ("TCP", "192.0.2.1", 5060, "")),
            (b"sip:192.0.2.1;transport=UDP", ("UDP", "192.0.2.1", 5060, "")),
            (b"sip:192.0.2.1;transport=tls", ("TLS", "192.0.2.1", 5061, "192.0.2.1")),
            (b"sips:192.0.2.1", ("TLS", "192.0.2.1", 5061, "192.0.2.1")),
            (b"sips:192.0.2.1;transport=tcp", ("TLS", "192.0.2.1", 5061, "192.0.2.1")),
            (b"sip:[2001:db8::0:1]", ("UDP", "2001:db8::1", 5060, "")),
            (b"sip:a@example.com;maddr=192.0.2.9", ("UDP", "192.0.2.9", 5060, "")),
        ]:
            self.assertEqual(self.located(text), [expected], text)
        self.assertEqual(self.resolver.asked, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_impossibleTransports(self) -> None:
        """
        A transport that is not spoken here, or not secure for C{sips}.
        """
        self.assertIn("SCTP", self.failed(b"sip:192.0.2.1;transport=sctp"))
        self.assertIn("UDP", self.failed(b"sips:192.0.2.1;transport=udp"))
        self.locator = self.make(transports=["UDP"])
        self.assertIn("TLS", self.failed(b"sip:example.com;transport=tls"))

    def test_noNames(self) -> None:
        """
        A host that cannot be a name is refused without asking.
        """
        for text in (
            b"sip:" + b"a" * 64 + b".example.com",
            b"sip:" + b"a." * 130 + b"com",
        ):
            self.assertIn("no name", self.failed(text))
        self.assertEqual(self.resolver.asked, [])

    def test_NAPTR(self) -> None:
        """
        The domain's NAPTR records decide the transport, in their order; the
        others follow.
        """
        self.resolver.add(
            "example.com",
            naptr(20, "SIP+D2U", "_sip._udp.example.com"),
            naptr(10, "sips+d2t", "_sips._tcp.example.com"),
            naptr(5, "SIP+D2S", "_sip._sctp.example.com"),
            naptr(6, "E2U+email", "mail.example.com"),
            naptr(30, "SIP+D2T", "direct.example.com", "a"),
            naptr(7, "SIP+D2T", "direct.example.com", "u"),
        )
        self.resolver.add("_sip._udp.example.com", srv("a.example.com", 5070))
        self.resolver.add("_sips._tcp.example.com", srv("b.example.com", 5071))
        self.resolver.add("a.example.com", dns.Record_A("192.0.2.1"))
        self.resolver.add("b.example.com", dns.Record_A("192.0.2.2"))
        self.resolver.add("direct.example.com", dns.Record_A("192.0.2.3"))
        self.assertEqual(
            self.located(b"sip:alice@Example.COM"),
            [
                ("TLS", "192.0.2.2", 5071, "example.com"),
                ("UDP", "192.0.2.1", 5070, ""),
                ("TCP", "192.0.2.3", 5060, ""),
            ],
        )
        self.assertEqual(
            self.located(b"sips:alice@example.com"),
            [("TLS", "192.0.2.2", 5071, "example.com")],
        )

    def test_SRVWithoutNAPTR(self) -> None:
        """
        Without NAPTR records the SRV records of every transport are asked, the
        preferred first.
        """
        self.resolver.add("_sip._udp.example.com", srv("a.example.com", 5070))
        self.resolver.add("_sip._tcp.example.com", srv("a.example.com", 5071))
        self.resolver.add("_sips._tcp.example.com", srv("a.example.com", 5072))
        self.resolver.add(
            "a.example.com", dns.Record_A("192.0.2.1"), dns.Record_A("192.0.2.2")
        )
        self.resolver.add("a.example.com", dns.Record_AAAA("2001:db8::1"))
        self.assertEqual(
            self.located(b"sip:example.com"),
            [
                (name, host, port, "example.com" if name == "TLS" else "")
                for name, port in (("UDP", 5070), ("TCP", 5071), ("TLS", 5072))
                for host in ("192.0.2.1", "192.0.2.2", "2001:db8::1")
            ],
        )
        self.assertEqual(
            [each[:3] for each in self.located(b"sips:example.com")],
            [("TLS", host, 5072) for host in ("192.0.2.1", "192.0.2.2", "2001:db8::1")],
        )

    def test_transportGiven(self) -> None:
        """
        With a transport in the URI only its SRV records are asked.
        """
        self.resolver.add("_sip._tcp.example.com", srv("a.example.com", 5071))
        self.resolver.add("a.example.com", dns.Record_A("192.0.2.1"))
        self.assertEqual(
            self.located(b"sip:example.com;transport=tcp"),
            [("TCP", "192.0.2.1", 5071, "")],
        )
        self.assertEqual(
            self.resolver.asked,
            [
                ("_sip._tcp.example.com", dns.SRV),
                ("a.example.com", dns.A),
                ("a.example.com", dns.AAAA),
            ],
        )

    def test_portGiven(self) -> None:
        """
        With a port in the URI only addresses are asked.
        """
        self.resolver.add("example.com", dns.Record_A("192.0.2.1"))
        self.assertEqual(
            self.located(b"sip:example.com:5080"), [("UDP", "192.0.2.1", 5080, "")]
        )
        self.assertEqual(
            self.located(b"sips:example.com:5081"),
            [("TLS", "192.0.2.1", 5081, "example.com")],
        )
        self.assertEqual({kind for _, kind in self.resolver.asked}, {dns.A, dns.AAAA})

    def test_addressesOnly(self) -> None:
        """
        A domain with neither NAPTR nor SRV is taken for a host.
        """
        self.resolver.add("example.com", dns.Record_A("192.0.2.1"))
        self.assertEqual(
            self.located(b"sip:example.com"), [("UDP", "192.0.2.1", 5060, "")]
        )
        self.assertEqual(
            self.located(b"sip:example.com;transport=tcp"),
            [("TCP", "192.0.2.1", 5060, "")],
        )
        self.assertEqual(
            self.located(b"sips:example.com"),
            [("TLS", "192.0.2.1", 5061, "example.com")],
        )

    def test_nothing(self) -> None:
        """
        A domain that has nothing at all, and one whose SRV record says so.
        """
        self.assertIn("no SIP server", self.failed(b"sip:example.com"))
        self.resolver.add("_sip._udp.none.example.com", srv("."))
        self.assertIn(
            "no SIP server", self.failed(b"sip:none.example.com;transport=udp")
        )

    def test_families(self) -> None:
        """
        Only the address families that are spoken are asked for.
        """
        self.locator = self.make(families=[6])
        self.resolver.add("example.com", dns.Record_A("192.0.2.1"))
        self.resolver.add("example.com", dns.Record_AAAA("2001:db8::1"))
        self.assertEqual(
            self.located(b"sip:example.com:5060"), [("UDP", "2001:db8::1", 5060, "")]
        )

    def test_targetsAreBounded(self) -> None:
        """
        A domain with very many servers gives as many targets as are allowed.
        """
        self.locator = self.make(limits=LocatorLimits(targets=4))
        self.resolver.add(
            "_sip._udp.example.com", *(srv(f"h{n}.example.com") for n in range(50))
        )
        for n in range(50):
            self.resolver.add(f"h{n}.example.com", dns.Record_A(f"192.0.2.{n}"))
        self.assertEqual(len(self.located(b"sip:example.com;transport=udp")), 4)

    def test_failedTargetsGoLast(self) -> None:
        """
        A target that failed is tried last for a while.
        """
        self.resolver.add(
            "example.com", *(dns.Record_A(f"192.0.2.{n}") for n in (1, 2, 3))
        )

        def hosts() -> list[str]:
            return [host for _, host, _, _ in self.located(b"sip:example.com:5060")]

        self.assertEqual(hosts(), ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
        self.locator.markFailed(Target("UDP", "192.0.2.1", 5060))
        self.assertEqual(hosts(), ["192.0.2.2", "192.0.2.3", "192.0.2.1"])
        self.locator.markFailed(Target("UDP", "192.0.2.2", 5060))
        self.assertEqual(hosts(), ["192.0.2.3", "192.0.2.1", "192.0.2.2"])
        self.locator.markWorking(Target("UDP", "192.0.2.2", 5060))
        self.assertEqual(hosts(), ["192.0.2.2", "192.0.2.3", "192.0.2.1"])
        runFor(self.clock, 61)
        self.assertEqual(hosts(), ["192.0.2.1", "192.0.2.2", "192.0.2.3"])

    def test_failuresAreBounded(self) -> None:
        """
        Only so many failures are remembered.
        """
        self.locator = self.make(limits=LocatorLimits(failures=3))
        for port in range(1, 10):
            self.locator.markFailed(Target("UDP", "192.0.2.1", port))
        self.assertEqual(self.locator.status()["failedTargets"], 3)


class SilenceTests(LocatorTestCase):
    """
    Name servers that do not answer.
    """

    def test_patience(self) -> None:
        """
        A look-up without an answer fails in time, while others go on.
        """
        self.resolver.silent["slow.example.com"] = []
        self.resolver.add("example.com", dns.Record_A("192.0.2.1"))
        looking = self.locator.locate(uri(b"sip:slow.example.com"))
        self.assertEqual(
            self.located(b"sip:example.com"), [("UDP", "192.0.2.1", 5060, "")]
        )
        runFor(self.clock, 3.9)
        self.assertNoResult(looking)
        runFor(self.clock, 0.2)
        why = self.failureResultOf(looking, LocationFailed).value
        self.assertIn("no name server answers", str(why))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cancel(self) -> None:
        """
        A look-up may be cancelled; another for the same name, which shares its
        query, goes on.
        """
        self.resolver.silent["example.com"] = []
        first = self.locator.locate(uri(b"sip:example.com:5060"))
        second = self.locator.locate(uri(b"sip:example.com:5060"))
        self.assertEqual(len(self.resolver.asked), 2)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        address = dns.RRHeader(
            b"example.com", dns.A, dns.IN, 100, dns.Record_A("192.0.2.1")
        )
        for waiting in self.resolver.silent["example.com"]:
            waiting.callback(([address], [], []))
        self.assertEqual(
            self.successResultOf(second), (Target("UDP", "192.0.2.1", 5060),)
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_silentAboutNAPTR(self) -> None:
        """
        Some name servers do not answer to kinds they do not know: the look-up
        goes on with the next kind.
        """
        self.resolver.silent["example.com"] = []
        looking = self.locator.locate(uri(b"sip:example.com"))
        self.resolver.add("_sip._udp.example.com", srv("a.example.com"))
        self.resolver.add("a.example.com", dns.Record_A("192.0.2.1"))
        self.resolver.silent.pop("example.com")[0].errback(DeferredTimeout())
        self.assertEqual(
            self.successResultOf(looking), (Target("UDP", "192.0.2.1", 5060),)
        )

    def test_brokenServer(self) -> None:
        """
        A server that fails is not taken for one that says no; for a moment it
        is not asked again.
        """
        self.resolver.broken.add("example.com")
        self.assertIn("no name server", self.failed(b"sip:example.com:5060"))
        asked = len(self.resolver.asked)
        self.assertIn("no name server", self.failed(b"sip:example.com:5060"))
        self.assertEqual(len(self.resolver.asked), asked)
        self.resolver.broken.clear()
        self.resolver.add("example.com", dns.Record_A("192.0.2.1"))
        runFor(self.clock, 6)
        self.assertEqual(len(self.located(b"sip:example.com:5060")), 1)

    def test_oldAnswers(self) -> None:
        """
        When no server answers any more, an old answer is better than none.
        """
        self.resolver.add("example.com", dns.Record_A("192.0.2.1"))
        expected = [("UDP", "192.0.2.1", 5060, "")]
        self.assertEqual(self.located(b"sip:example.com:5060"), expected)
        runFor(self.clock, 101)
        self.resolver.broken.add("example.com")
        self.assertEqual(self.located(b"sip:example.com:5060"), expected)
        runFor(self.clock, 90000)
        self.assertIn("no name server", self.failed(b"sip:example.com:5060"))


class NamesTests(SynchronousTestCase):
    """
    What is remembered, and for how long.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.resolver = FakeResolver()
        self.names = Names(self.clock, self.resolver, Naming(entries=10))

    def test_TTL(self) -> None:
        """
        An answer is used until its records say, and then asked for again.
        """
        self.resolver.add("example.com", dns.Record_A("192.0.2.1"))
        for seconds, asked in ((0, 1), (99, 1), (2, 2)):
            runFor(self.clock, seconds)
            self.successResultOf(self.names.ask("example.com", dns.A))
            self.assertEqual(len(self.resolver.asked), asked)

    def test_TTLZero(self) -> None:
        """
        An answer that may not be kept is asked for each time.
        """
        self.resolver.ttl = 0
        self.resolver.add("example.com", dns.Record_A("192.0.2.1"))
        self.successResultOf(self.names.ask("example.com", dns.A))
        self.successResultOf(self.names.ask("example.com", dns.A))
        self.assertEqual(len(self.resolver.asked), 2)

    def test_negative(self) -> None:
        """
        That there is no such name is remembered too, for the time that the
        zone says.
        """
        soa = dns.Record_SOA(b"a", b"b", 1, 2, 3, 4, minimum=60)
        self.resolver.soa = [dns.RRHeader(b"example.com", dns.SOA, dns.IN, 90, soa)]
        self.resolver.add("example.com", dns.Record_A("192.0.2.1"))
        for seconds, asked in ((0, 1), (59, 1), (2, 2)):
            runFor(self.clock, seconds)
            found = self.successResultOf(self.names.ask("example.com", dns.SRV))
            self.assertEqual(found, ())
            self.assertEqual(len(self.resolver.asked), asked)
        self.successResultOf(self.names.ask("none.example.com", dns.A))
        self.successResultOf(self.names.ask("none.example.com", dns.A))
        self.assertEqual(len(self.resolver.asked), 3)

    def test_bounded(self) -> None:
        """
        The oldest answers go when there are too many.
        """
        for n in range(50):
            self.successResultOf(self.names.ask(f"h{n}.example.com", dns.A))
        self.assertEqual(self.names.status()["names"], 10)

    def test_resolverThatRaises(self) -> None:
        """
        Whatever a resolver does wrong is a look-up without an answer.
        """

        def broken(name: str, timeout: Any) -> Deferred[Any]:
            raise OSError("no socket left")

        self.resolver.lookupAddress = broken  # type: ignore[method-assign]
        self.failureResultOf(self.names.ask("example.com", dns.A), NoAnswer)
        self.assertEqual(self.names.unanswered, 1)


class WeightTests(SynchronousTestCase):
    """
    The order of SRV records (RFC 2782).
    """

    @given(
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 65535)), max_size=8),
        st.randoms(use_true_random=False),
    )
    def test_prioritiesFirst(self, rows: list[tuple[int, int]], source: Random) -> None:
        """
        Every record comes once, and priorities never go down.
        """
        records = [
            srv(f"h{n}.example.com", priority=priority, weight=weight)
            for n, (priority, weight) in enumerate(rows)
        ]
        ordered = byWeight(records, source.random)
        self.assertEqual(len(ordered), len(records))
        self.assertEqual({id(each) for each in ordered}, {id(r) for r in records})
        priorities = [each.priority for each in ordered]
        self.assertEqual(priorities, sorted(priorities))

    def test_weights(self) -> None:
        """
        Within a priority the first is chosen about as often as its weight says,
        and one of weight 0 hardly ever.
        """
        records = [
            srv("a", priority=1, weight=30),
            srv("b", priority=1, weight=10),
            srv("c", priority=1, weight=0),
        ]
        chance = Random(7).random
        firsts = Counter(str(byWeight(records, chance)[0].target) for _ in range(4000))
        self.assertTrue(2700 < firsts["a"] < 3100, firsts)
        self.assertTrue(850 < firsts["b"] < 1150, firsts)
        self.assertTrue(0 < firsts["c"] < 200, firsts)
