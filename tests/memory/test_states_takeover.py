"""
DNs, agents, and the clients that look at them, when the process dies that has them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve

from sipcluster.app.settings import TLibApplication
from sipcluster.sip.message import Request
from sipcluster.testing.tlib_peer import TLibPeer, Wanted
from sipcluster.tlib.enums import ResumeResult
from sipcluster.tlib.messages import (
    EventAgentLogin,
    EventAgentLogout,
    EventAgentNotReady,
    EventAgentReady,
    EventDialing,
    EventEstablished,
    EventOffHook,
    EventOnHook,
    EventReleased,
    EventRinging,
    LinkPoll,
    RequestAgentLogin,
    RequestAgentReady,
)
from sipcluster.tserver.itserver import IConnectionTaker
from tests.memory import nodes
from tests.memory.lives import LivesTestCase
from tests.memory.nodes import NODE

#: Seconds of after-call work, and until an agent whose client has gone is logged out.
WRAP_UP, GRACE = 20, 30


class Desktop(TLibPeer):
    """
    A client that waits for the end of the turn, since what it is told is held until
    then.
    """

    def __init__(self, server: IConnectionTaker, pump: Callable[[], None]) -> None:
        super().__init__(server)
        self._pump = pump

    def expect(
        self, kind: type[Wanted], reference: int | None = None, **attributes: Any
    ) -> Wanted:
        """
        See L{TLibPeer}.
        """
        self._pump()
        return super().expect(kind, reference, **attributes)


class StatesTestCase(LivesTestCase):
    """
    An agent with a desktop at Bob's telephone.
    """

    settings = {"wrapUpTime": WRAP_UP, "agentLogoutGrace": float(GRACE)}

    def setUp(self) -> None:
        made = nodes.configuration
        applications = (TLibApplication(name="desktop", password="secret"),)
        self.patch(
            nodes,
            "configuration",
            lambda **changes: evolve(made(**changes), tlibApplications=applications),
        )
        super().setUp()
        self.desktop = Desktop(self.node.cti.tcport, self.pump)
        self.desktop.connect()
        self.desktop.register("1001", "1002")
        self.desktop.request(RequestAgentLogin(thisDN="1002", agentID="7001"))
        self.desktop.expect(EventAgentLogin)
        self.desktop.expect(EventAgentNotReady)
        self.desktop.request(RequestAgentReady(thisDN="1002"))
        self.desktop.expect(EventAgentReady)
        self.check()
        self.addCleanup(self.desktop.drop)

    def seen(self) -> list[type]:
        """
        Which messages have come since the last time.
        """
        self.pump()
        found = [type(message) for message in self.desktop.messages]
        self.desktop.clear()
        return [kind for kind in found if kind is not LinkPoll]

    def move(self, after: float = 0.0) -> None:
        """
        See L{LivesTestCase}; the desktop comes back.
        """
        self.seen()
        self.die()
        connection = self.desktop.connection
        if connection is not None:
            connection.user = None
        self.run_(after)
        self.node = self.makeNode("node1", NODE)
        self.pump()
        self.check()
        self.desktop.server = self.node.cti.tcport

    def resume(self) -> None:
        """
        The desktop comes back.
        """
        info = self.desktop.resume()
        self.assertEqual(info.resumeResult, ResumeResult.RESUMED)

    def talk(self) -> None:
        """
        Alice calls Bob, and he answers.
        """
        self.established()
        self.check()

    def end(self) -> None:
        """
        Alice hangs up.
        """
        self.alice.within(b"BYE")
        self.peer.expectResponse(200)
        bye: Request = self.peer.expectRequest(b"BYE")
        self.peer.respond(bye, 200)
        self.check()


class StatesTests(StatesTestCase):
    """
    What clients see of it.
    """

    def test_nothing(self) -> None:
        """
        A client that resumes is told nothing, and its agent stays logged in.
        """
        self.move()
        self.resume()
        self.assertEqual(self.seen(), [])
        self.run_(2 * GRACE)
        self.assertEqual(self.seen(), [])
        self.assertEqual([row["agent"] for row in self.node.agents()], ["7001"])

    def test_call(self) -> None:
        """
        A call that goes on ends with its events, once, and after-call work follows
        and lasts as long as it should.
        """
        self.talk()
        self.assertEqual(
            [kind for kind in self.seen() if kind is not EventOffHook],
            [EventDialing, EventRinging, EventEstablished, EventEstablished],
        )
        self.move()
        self.resume()
        self.assertEqual(self.seen(), [])
        self.end()
        seen = self.seen()
        self.assertEqual(seen.count(EventReleased), 2)
        self.assertEqual(seen.count(EventOnHook), 2)
        self.assertEqual(seen.count(EventAgentNotReady), 1)
        self.run_(WRAP_UP - 5)
        self.move()
        self.resume()
        self.run_(4.9)
        self.assertEqual(self.seen(), [])
        self.run_(0.2)
        self.assertEqual(self.seen(), [EventAgentReady])

    def test_clientStaysAway(self) -> None:
        """
        A client that does not come back is gone when its session is, and its agent is
        logged out some time later.
        """
        self.move()
        retention = self.node.runtime.settings.tlibRetention
        self.run_(retention + GRACE - 1)
        self.assertEqual(len(list(self.node.agents())), 1)
        self.move()
        self.run_(2)
        self.assertEqual(list(self.node.agents()), [])
        watcher = Desktop(self.node.cti.tcport, self.pump)
        watcher.connect()
        registered = watcher.register("1002")
        self.assertIn(("AgentStatus", 0), registered.extensions or ())
        watcher.drop()

    def test_logoutIsTold(self) -> None:
        """
        What is told to nobody, because the client is away, it gets when it comes.
        """
        self.move()
        agent = self.node.cti.controller._devices["1002"].agent
        assert agent is not None
        agent.inputs.expelled("for the test", "Test")
        self.pump()
        self.move()
        self.resume()
        self.assertEqual(self.seen(), [EventAgentLogout])
