"""
Members are killed, frozen and started again under telephones that go on calling.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
from functools import partial
from pathlib import Path

from tests.bench.processes import Program
from tests.interop.cluster import Cluster
from tests.interop.namespaces import Namespace, NoNamespaces
from tests.interop.phones import Phone, listens
from tests.interop.shared import ClusterTestCase, lacking, reactor
from tests.interop.sipp import Report
from tests.interop.status import fetch, until

PROXY1, PROXY2 = "127.0.0.11:5060", "127.0.0.12:5060"

CALLER = Phone("1001", "127.0.0.101", PROXY2)
CALLED = Phone("1002", "127.0.0.102", PROXY1, mediaPort=17000)

#: Seconds within which a registration must be known everywhere.
SPREADS = 0.2


class FailureTestCase(ClusterTestCase):
    """
    A test with a cluster of its own, which it may break.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        for program in self.programs:
            if not shutil.which(program):
                lacking(f"not installed: {program}")
        try:
            namespace = Namespace.make()
        except NoNamespaces as e:
            lacking(f"no network namespace: {e}")
        self.addCleanup(namespace.delete)
        self.work = Path(tempfile.mkdtemp(prefix="sipcluster-test-"))
        self.addCleanup(shutil.rmtree, self.work, True)
        self.cluster = Cluster.make(namespace, change=self.change)
        self.addCleanup(self.cluster.stop, reactor)
        await self.begin()

    async def begin(self) -> None:
        """
        Start what the test is about.
        """
        await self.cluster.start(reactor)

    async def register(self, *phones: Phone, repeats: bool = False) -> None:
        """
        Let telephones register.

        @param repeats: whether something may have to be sent again.
        """
        for phone in phones:
            name = f"register-{os.urandom(3).hex()}"
            report = await self.run_(phone.run("register"), name)
            self.assertAsWritten(report, repeats)

    async def call(
        self, caller: Phone = CALLER, called: Phone = CALLED, repeats: bool = False
    ) -> float:
        """
        Make one call.

        @param repeats: whether something may have to be sent again.

        @return: the seconds that it took, of which the talk is 0.2.
        """
        answers = self.run_(called.answer("callee"), f"callee-{os.urandom(3).hex()}")
        namespace = self.cluster.namespace
        await until(
            reactor, lambda: listens(namespace, called.address), 5.0, "listens", 0.02
        )
        start = reactor.seconds()
        made = self.run_(
            caller.run("caller", called.number), f"caller-{os.urandom(3).hex()}"
        )
        report: Report = await made
        took = float(reactor.seconds() - start)
        for one in (report, await answers):
            self.assertAsWritten(one, repeats)
        return took

    async def spreads(self, to: str, number: str, count: int = 1) -> float:
        """
        Wait until a proxy knows the bindings of a number.

        @return: the seconds that it took.
        """
        known = partial(self.cluster.registered, to, number)
        start = reactor.seconds()
        await until(
            reactor, lambda: len(known()) == count, 5.0, f"{to} knows {number}", 0.005
        )
        return float(reactor.seconds() - start)


class ProxyFailureTests(FailureTestCase):
    """
    A SIP Proxy dies: the others have what it knew.
    """

    async def test_registrationOutlivesItsProxy(self) -> None:
        """
        A telephone that registered through proxy 1 is known to proxy 2 within
        0.2 s, and reachable through it when proxy 1 is killed; proxy 1 started
        again knows the telephone before it answers its first request.
        """
        await self.register(CALLER, CALLED)
        self.assertLess(await self.spreads("proxy2", CALLED.number), SPREADS)
        await self.call()
        self.cluster.kill("proxy1")
        # The first call may meet a node that still believes in proxy 1.
        await self.call(repeats=True)
        await self.call()
        asked: list[int] = []

        def firstAnswer() -> bool:
            """
            At the moment of its first answer to OPTIONS, is the binding there?
            """
            if not _answersOptions(self.cluster.namespace, "127.0.0.11"):
                return False
            asked.append(len(self.cluster.registered("proxy1", CALLED.number)))
            return True

        self.cluster.launch("proxy1")
        await until(reactor, firstAnswer, 20.0, "proxy 1 answers", 0.01)
        self.assertEqual(asked, [1])
        await self.cluster.ready(reactor, "proxy1")
        await self.call(Phone("1001", "127.0.0.101", PROXY1))


class EtcdTests(ProxyFailureTests):
    """
    The same with etcd as the store.
    """

    programs = ("sipp", "etcd")

    @staticmethod
    def change(toml: str) -> str:
        """
        The store is an etcd.
        """
        start = toml.index("[[store]]")
        end = toml.index("[[", start + 2)
        store = '[[store]]\nname = "store"\nendpoints = ["http://127.0.0.10:2379"]\n\n'
        return toml[:start] + store + toml[end:]

    async def begin(self) -> None:
        """
        Start etcd and then all members but the embedded store.
        """
        url = "http://127.0.0.10:2379"
        peer = "http://127.0.0.10:2380"
        etcd = Program.start(
            [
                *("etcd", "--data-dir", str(self.work / "etcd"), "--name", "one"),
                *("--listen-client-urls", url, "--advertise-client-urls", url),
                *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
                *("--initial-cluster", f"one={peer}", "--logger", "zap"),
            ],
            self.work / "etcd.out",
            self.cluster.namespace,
        )
        self.addCleanup(etcd.stop, reactor)
        await until(
            reactor,
            lambda: (
                fetch(self.cluster.namespace, "127.0.0.10", "/health", 2379)[0] == 200
            ),
            20.0,
            "etcd is healthy",
        )
        await self.cluster.start(reactor, ("proxy1", "proxy2", "node1", "node2"))


class NodeFailureTests(FailureTestCase):
    """
    A node dies: new calls go to the other one.
    """

    async def calls(self, count: int, repeats: bool = False) -> list[float]:
        """
        Make calls one after another.

        @param repeats: whether something may have to be sent again.

        @return: the seconds that each took.
        """
        return [await self.call(repeats=repeats) for _ in range(count)]

    async def test_killed(self) -> None:
        """
        A killed node's port answers with an ICMP error, so every call after its
        death succeeds without any timer, and nothing is sent twice.
        """
        await self.register(CALLER, CALLED)
        await self.call()
        self.cluster.kill("node1")
        for took in await self.calls(4):
            self.assertLess(took, 1.5)

    async def test_frozen(self) -> None:
        """
        A frozen node answers nothing: it is out of service for both proxies
        within the time that their configuration promises, after which calls
        do not go near it; once it is woken it serves again.
        """
        await self.register(CALLER, CALLED)
        await self.call()
        promised = float(
            self.cluster.status("proxy1")["serviceCheck"]["nodes"]["worstDetection"]
        )
        self.cluster.freeze("node1")
        try:
            for name in ("proxy1", "proxy2"):
                await until(
                    reactor,
                    partial(self._isWithout, name),
                    promised + 0.5,
                    f"{name} leaves the frozen node",
                    0.05,
                )
            for took in await self.calls(4):
                self.assertLess(took, 1.5)
        finally:
            self.cluster.thaw("node1")
        for name in ("proxy1", "proxy2"):
            await until(
                reactor,
                lambda name=name: "node1" in self.cluster.servedBy(name),  # type: ignore[misc]
                promised + 1.0,
                f"{name} takes the node back",
            )
        await self.call()

    def _isWithout(self, proxy: str) -> bool:
        return "node1" not in self.cluster.servedBy(proxy)

    async def test_callsUnderWayWhileFrozen(self) -> None:
        """
        Calls that are made while a frozen node is still believed in succeed
        too, within the time that the probes need: what waits for the node is
        sent to the other one.
        """
        await self.register(CALLER, CALLED)
        self.cluster.freeze("node1")
        try:
            for took in await self.calls(2, repeats=True):
                self.assertLess(took, 5.0)
        finally:
            self.cluster.thaw("node1")


class StoreFailureTests(FailureTestCase):
    """
    The store dies: calls go on from what every proxy knows.
    """

    async def test_storeAway(self) -> None:
        """
        Without the store calls go on, proxies say that they are degraded, and
        they are well again when the store is back.
        """
        await self.register(CALLER, CALLED)
        self.cluster.kill("store")
        await until(
            reactor,
            lambda: self.cluster.status("proxy2").get("degraded"),
            10.0,
            "proxy 2 is degraded",
        )
        await self.call()
        # The proxy waits a second for the store before it answers.
        await self.register(CALLED, repeats=True)
        self.cluster.launch("store")
        await until(
            reactor,
            lambda: not self.cluster.status("proxy2").get("degraded"),
            15.0,
            "proxy 2 is well",
        )
        await self.call()


class EndTests(FailureTestCase):
    """
    An end that is asked for.
    """

    async def test_quick(self) -> None:
        """
        Every member ends within 3 s of SIGTERM and without a complaint.
        """
        await self.register(CALLER, CALLED)
        await self.call()
        programs = dict(self.cluster.programs)
        for program in programs.values():
            os.kill(program.pid, signal.SIGTERM)
        await until(
            reactor,
            lambda: not any(program.running for program in programs.values()),
            3.0,
            "all members have ended",
        )
        # Having cleaned up, a process ends by the signal that ended it.
        self.assertEqual(
            {name: program.process.returncode for name, program in programs.items()},
            dict.fromkeys(programs, -signal.SIGTERM),
        )
        for name in programs:
            records = (self.cluster.files.logs / f"{name}.jsonl").read_text()
            self.assertIn("has stopped", records)
        self.assertEqual(self.cluster.complaints(), "")


def _answersOptions(namespace: Namespace, host: str) -> bool:
    """
    Whether a member answers OPTIONS over UDP, asked from an address of its own.
    """
    with namespace.entered():
        asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with asking:
        asking.bind(("127.0.0.90", 0))
        asking.settimeout(0.05)
        asking.connect((host, 5060))
        port = asking.getsockname()[1]
        branch = os.urandom(6).hex()
        try:
            asking.send(
                f"OPTIONS sip:{host} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP 127.0.0.90:{port};branch=z9hG4bK{branch}\r\n"
                "Max-Forwards: 70\r\n"
                f"From: <sip:127.0.0.90>;tag={branch}\r\n"
                f"To: <sip:{host}>\r\n"
                f"Call-ID: {branch}\r\n"
                "CSeq: 1 OPTIONS\r\n"
                "Content-Length: 0\r\n\r\n".encode()
            )
            return asking.recv(4096).startswith(b"SIP/2.0 200 ")
        except OSError:
            return False
