"""
Tests for L{sipcluster.net.guardian}: real processes that are killed.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from sipcluster.ha.arbiters.store import StoreArbiter
from sipcluster.ha.iha import Granted, Refused
from sipcluster.net.etcd import EtcdStore
from sipcluster.testing.stores import EtcdServer, HTTPStore, skipWithoutEtcd
from tests.loopback import pair_member
from tests.loopback.processes import Running

reactor: Any = _reactor


def alive(pid: int) -> bool:
    """
    Whether there is a process, and no dead one that nobody has buried.
    """
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class GuardianTests(TestCase):
    """
    When a member dies its role is free at once; not when it only stands still.
    """

    timeout = 60

    async def serve(self) -> str:
        """
        @return: the URL of a store.
        """
        server = HTTPStore(reactor)
        self.addCleanup(server.stop)
        return server.url

    async def until(self, true: Callable[[], object], seconds: float = 10.0) -> float:
        """
        Look every few milliseconds.

        @return: how long it took.
        """
        begin = reactor.seconds()
        while not true():
            self.assertLess(reactor.seconds() - begin, seconds, "it did not happen")
            await deferLater(reactor, 0.005)
        return float(reactor.seconds() - begin)

    async def member(self, *urls: str) -> tuple[Running, int, int]:
        """
        Start a member that becomes primary.

        @return: it, its epoch, and the pid of its guardian.
        """
        process = Running([sys.executable, pair_member.__file__, "a", *urls])
        self.addCleanup(process.kill)
        await process.says("primary ")
        epoch = re.search(r"primary (\d+)\.", process.out)
        guardian = re.search(r"guardian (\d+)\.", process.out)
        assert epoch and guardian, process.out
        await deferLater(reactor, 0.2)  # the child may still be starting
        return process, int(epoch[1]), int(guardian[1])

    async def peer(self, *urls: str) -> tuple[StoreArbiter, list[float]]:
        """
        @return: the other member's way to the store, and when it was told that the
            role is free.
        """
        store = EtcdStore(reactor, urls)
        self.addCleanup(store.close)
        arbiter = StoreArbiter(store, reactor, "node1", "b", "1", 5.0)
        told: list[float] = []
        following = arbiter.follow(lambda: told.append(reactor.seconds()))
        self.addCleanup(following.stop)
        self.assertIsInstance(await arbiter.acquire(0), Refused)
        return arbiter, told

    async def test_killed(self) -> None:
        """
        The other member has the role within half a second of a C{kill -9}, in a
        higher epoch, and the child ends.
        """
        url = await self.serve()
        process, epoch, guardian = await self.member(url)
        arbiter, told = await self.peer(url)
        await process.kill()
        begin = reactor.seconds()
        await self.until(lambda: told)
        granted = await arbiter.acquire(epoch)
        self.assertIsInstance(granted, Granted)
        assert isinstance(granted, Granted)
        self.assertGreater(granted.epoch, epoch)
        self.assertLess(reactor.seconds() - begin, 0.5)
        await self.until(lambda: not alive(guardian))
        renewed = await arbiter.renew(granted.epoch)
        self.assertIsInstance(renewed, Granted)

    async def test_frozen(self) -> None:
        """
        A member that stands still keeps the role until its lease ends.
        """
        url = await self.serve()
        process, _, guardian = await self.member(url)
        _, told = await self.peer(url)
        process.signal("STOP")
        await deferLater(reactor, 1.0)
        self.assertEqual(told, [])
        self.assertTrue(alive(guardian))
        self.assertGreater(await self.until(lambda: told), 2.0)
        transport: Any = process.transport
        os.kill(transport.pid, signal.SIGCONT)

    async def test_stopped(self) -> None:
        """
        A member that stops gives its role back itself, and its child ends with it.
        """
        url = await self.serve()
        process, _, guardian = await self.member(url)
        _, told = await self.peer(url)
        process.signal("INT")
        self.assertEqual(await process.ended, 0, process.err)
        await self.until(lambda: told)
        await self.until(lambda: not alive(guardian))

    async def test_childKilled(self) -> None:
        """
        A child that dies is begun again, and nobody loses a role by it.
        """
        url = await self.serve()
        process, epoch, guardian = await self.member(url)
        arbiter, told = await self.peer(url)
        os.kill(guardian, signal.SIGKILL)
        await deferLater(reactor, 1.6)
        self.assertEqual(told, [])
        await process.kill()
        self.assertLess(await self.until(lambda: told), 0.5)
        self.assertIsInstance(await arbiter.acquire(epoch), Granted)

    async def test_otherStoresAway(self) -> None:
        """
        Stores that refuse, or that say nothing, hold nobody up.
        """
        url = await self.serve()
        silent = reactor.listenTCP(0, Factory.forProtocol(Protocol))
        self.addCleanup(silent.stopListening)
        mute = f"http://127.0.0.1:{silent.getHost().port}"
        process, _, guardian = await self.member(url, "http://127.0.0.1:1", mute)
        _, told = await self.peer(url)
        await process.kill()
        self.assertLess(await self.until(lambda: told), 0.5)
        await self.until(lambda: not alive(guardian))
        await deferLater(reactor, 0.05)  # until its connections are seen to end


class EtcdGuardianTests(GuardianTests):
    """
    The same with etcd.
    """

    skip = skipWithoutEtcd()

    async def serve(self) -> str:
        """
        @return: the URL of an etcd of this test's own.
        """
        server = EtcdServer(reactor, self.mktemp())
        self.addCleanup(server.stop)
        await server.start()
        return server.url
