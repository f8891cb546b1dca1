"""
The JavaScript client of the documentation against a whole cluster, with telephones
that are played by SIPp.
"""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tests.interop.phones import Phone, listens
from tests.interop.shared import ClusterTestCase, reactor
from tests.interop.sipp import Report
from tests.interop.status import until
from tests.loopback.processes import TOP

AGENT = TOP / "docs" / "examples" / "tlibrary-agent.js"

PROXY1, PROXY2 = "127.0.0.11:5060", "127.0.0.12:5060"

AGENTS = Phone("1005", "127.0.0.105", PROXY1, mediaPort=23000)
CUSTOMERS = Phone("1006", "127.0.0.106", PROXY2, mediaPort=24000)

#: What the agent's client prints when all goes well, in order.
EVENTS = (
    *("EventRegistered", "EventAgentLogin", "EventAgentNotReady", "EventAgentReady"),
    *("EventOffHook", "EventDialing", "EventEstablished", "EventHeld"),
    *("EventRetrieved", "EventReleased", "EventOnHook", "EventAgentLogout"),
    "EventUnregistered",
)


class Ended(ProcessProtocol):
    """
    A process whose output is kept.

    @ivar ended: fires with its exit status.
    """

    def __init__(self) -> None:
        self.said = b""
        self.complained = b""
        self.ended: Deferred[Any] = Deferred()

    def outReceived(self, data: bytes) -> None:
        """
        Keep it.
        """
        self.said += data

    def errReceived(self, data: bytes) -> None:
        """
        Keep it, too.
        """
        self.complained += data

    def processEnded(self, reason: Failure) -> None:
        """
        Tell of the end.
        """
        self.ended.callback(getattr(reason.value, "exitCode", None))


class AgentTests(ClusterTestCase):
    """
    An agent's client in another language.
    """

    programs = ("sipp", "node")

    async def telephone(self, phone: Phone) -> Deferred[Report]:
        """
        Let a telephone register, and wait for a call.

        @return: fires when the call is over.
        """
        report = await self.run_(phone.run("register"), f"register-{phone.number}")
        self.assertAsWritten(report)
        ends = self.run_(phone.answer("telephone"), f"telephone-{phone.number}")
        await until(
            reactor,
            lambda: bool(ends.called) or listens(self.cluster.namespace, phone.address),
            5.0,
            "the telephone listens",
            0.02,
        )
        return ends

    async def test_agent(self) -> None:
        """
        It logs an agent in, makes a call from his telephone to another, holds,
        retrieves and releases it, and logs out: each request is answered by its
        event, and both telephones had a whole call.
        """
        calls = [await self.telephone(phone) for phone in (AGENTS, CUSTOMERS)]
        password = self.work / "password"
        password.write_text("secret-desktop\n")
        words = self.cluster.namespace.command(
            [
                *("node", str(AGENT), "--application", "desktop"),
                *("--address", f"{self.cluster.address('node1')}:3001"),
                *("--password-file", str(password), "--dn", AGENTS.number),
                *("--agent", "4711", "--to", CUSTOMERS.number),
            ]
        )
        client = Ended()
        reactor.spawnProcess(client, words[0], words, env=None)
        status = await client.ended
        said = client.said.decode()
        self.assertEqual((status, client.complained), (0, b""), said)
        self.assertEqual(said.splitlines()[-1], "done")
        names = re.findall(r"^(Event\w+) \(\d+\)$", said, re.MULTILINE)
        self.assertEqual(tuple(names), EVENTS)
        connIDs = set(re.findall(r"AttributeConnID\t(\w+)", said))
        self.assertEqual(len(connIDs), 1)
        for report in await gatherResults(calls):
            self.assertAsWritten(report)
