"""
The JavaScript client of a pair.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.task import deferLater

from sipcluster.net.tlib import TLibFactory
from sipcluster.tserver.kept_values import inherited
from sipcluster.tserver.limits import Application
from sipcluster.tserver.server import TServer
from sipcluster.tserver.standby import BackupPort, SwitchablePort
from tests.loopback.javascript import PASSWORD, ServedTestCase, reactor, user


class PairTests(ServedTestCase):
    """
    Two ports, of which one leads to the primary.
    """

    def backup(self) -> BackupPort:
        """
        What answers at the other one.
        """
        made = BackupPort(
            "TCport",
            reactor,
            lambda: 1_795_165_200.25,
            os.urandom,
            {"desktop": Application("desktop", PASSWORD)},
        )
        self.addCleanup(made.stop)
        return made

    def primary(self, epoch: int) -> TServer:
        """
        A primary.
        """
        return self.makeServer(roleEpoch=epoch)

    async def test_followsThePrimary(self) -> None:
        """
        It leaves a backup, and a member that is primary no more without knowing it,
        and says when the role has changed.
        """
        first = self.primary(4)
        ports = [SwitchablePort(first), SwitchablePort(self.backup())]
        numbers = [self.listen(TLibFactory(port)) for port in ports]
        client = self.client(numbers[0], "--address", f"127.0.0.1:{numbers[1]}")
        await client.until("state", state="working")
        await client.register("1001")

        async def away(server: TServer, taker: Any, new: TServer, at: int) -> int:
            start = len(client.said)
            server.abandon()
            ports[1 - at].taker = taker
            ports[at].taker = new
            return start

        second = self.primary(5)
        start = await away(first, self.backup(), second, 1)
        role = await client.until("role", start)
        self.assertEqual(role["epoch"], 5)
        # A session that the new primary knows goes on; this one has begun anew.
        await client.until("restart", start, kind="Lost")
        await client.until("event", start, name="EventRegistered")
        second.publish("1001", user(1))
        await client.until("event", start, name="EventUserEvent")

        # The first one believes that it is primary; the second is away for a while.
        stale, third = self.primary(4), self.primary(6)
        start = await away(second, stale, self.backup(), 1)
        await client.until("trouble", start, why="it is primary of epoch 4 no more")
        self.assertEqual(stale.counts["published"], 0)
        ports[1].taker = third
        role = await client.until("role", start)
        self.assertEqual(role["epoch"], 6)

    async def test_saysWhereFrom(self) -> None:
        """
        It says from which primary it has its events: one that does not know them all
        tells it anew what there is, and is told what it has registered; after that it
        resumes.
        """
        server = self.primary(4)
        client = self.client(self.serve(server))
        await client.register("1001", "1002")
        server.publish("1001", user(1))
        await client.until("event", name="EventUserEvent")

        # Another primary, which has only heard of the first DN.
        (session,) = server.sessions.values()
        server.roleEpoch = 5
        server.registrations._forget(session, "1002")
        session.holds = inherited(session.holds, 5, 1)
        start = len(client.said)
        client.order("cut")
        await client.until("restart", start, kind="Snapshot")
        again = await client.until("event", start, name="EventRegistered")
        self.assertEqual(again["attributes"]["ThisDN"], "1001")
        while "1002" not in session.dns:
            await deferLater(reactor, 0.01)
        server.publish("1002", user(2))
        await client.until("event", start, name="EventUserEvent")
        self.assertEqual(server.counts["snapshots"], 1)

        start = len(client.said)
        client.order("cut")
        state = await client.until("state", start, state="working")
        self.assertEqual(state["session"]["from"], 5)
        self.assertEqual(server.counts["resumed"], 1)
        self.assertEqual(client.positions(), list(range(1, len(client.events) + 1)))
