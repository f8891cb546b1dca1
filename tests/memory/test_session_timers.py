"""
Tests for sipcluster.sessioncontroller.session_refresh: a call does not outlive both of
its telephones (RFC 4028).
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sessioncontroller.events import Released
from sipcluster.sessioncontroller.session_refresh import Refresh
from sipcluster.testing.sip_peer import sdp
from tests.memory.nodes import NodeTestCase

AGREED = ((b"Supported", b"timer"), (b"Session-Expires", b"90;refresher=uac"))


class SessionTimerTests(NodeTestCase):
    """
    Alice and Bob have agreed that Alice refreshes their session.
    """

    def setUp(self) -> None:
        super().setUp()
        self.alice.request(b"INVITE", "1002", [*AGREED], body=sdp())
        self.rung = self.peer.expectRequest(b"INVITE")
        self.bob.answer(self.rung, 200, sdp("bob"), fields=[*AGREED])
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.peer.expectNothing()

    def refresh(self) -> None:
        """
        Alice does, by UPDATE.
        """
        self.alice.within(b"UPDATE", [*AGREED])
        self.peer.respond(
            self.peer.expectRequest(b"UPDATE"), 200, fields=[self.bob.contact, *AGREED]
        )
        self.peer.expectResponse(200)

    def ended(self) -> list[str]:
        """
        Why the parties were released.
        """
        return [
            f"{event.party.thisDN} {event.cause.value}"
            for event in self.sink.events
            if isinstance(event, Released)
        ]

    def test_forgotten(self) -> None:
        """
        When nobody refreshes the session, and nobody ends it either, the node ends
        the call on both sides, once, and tells so.
        """
        self.run_(121)
        self.peer.expectNothing()
        self.run_(2)
        for _ in range(2):
            self.peer.respond(self.peer.expectRequest(b"BYE"), 481)
        self.pump()
        self.assertEqual(sorted(self.ended()), ["1001 Lost", "1002 Lost"])
        self.assertEqual(self.node.status()["calls"], 0)
        self.assertEqual(self.counters["sessionsExpired"], 1)

    def test_refreshed(self) -> None:
        """
        Each refresh counts anew.
        """
        for _ in range(4):
            self.run_(80)
            self.refresh()
        self.assertEqual(self.ended(), [])
        self.run_(121)
        self.assertEqual(self.node.status()["calls"], 1)
        self.run_(2)
        for _ in range(2):
            self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.pump()
        self.assertEqual(self.node.status()["calls"], 0)

    def test_endedInTime(self) -> None:
        """
        A call that is hung up leaves nothing to wait for.
        """
        self.hangUp()
        self.assertEqual(self.ended(), ["1001 Ok", "1002 Ok"])


class RefreshTests(SynchronousTestCase):
    """
    L{Refresh}: how long a session may go on without one.
    """

    def test_longest(self) -> None:
        """
        Whatever is agreed, a session that is to be refreshed is watched for a day
        at most.
        """
        self.assertEqual(Refresh(1800, True).expiresIn, 1832.0)
        self.assertEqual(Refresh(10**9, True).expiresIn, 86432.0)
