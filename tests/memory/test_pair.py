"""
A pair: two processes that stand for one node.
"""

from __future__ import annotations

from sipcluster.app.pair import AGAIN
from sipcluster.sip.isip import Target
from sipcluster.testing.sip_peer import sdp
from tests.memory.nodes import NODE, OTHER_NODE
from tests.memory.pairs import PairTestCase


class RoleTests(PairTestCase):
    """
    Who serves, and how the other one answers.
    """

    def test_first(self) -> None:
        """
        The first member serves; the other one has everything.
        """
        self.assertIsNotNone(self.one.life)
        self.assertIsNone(self.two.life)
        self.assertTrue(self.one.inSync)
        self.assertTrue(self.two.inSync)
        status = self.two.status()
        self.assertEqual((status["calls"], status["degraded"]), (0, ""))
        self.assertEqual(status["pair"]["role"], "backup")  # type: ignore[index]

    def test_announced(self) -> None:
        """
        The primary tells SIP Proxies what it is, without being asked.
        """
        roles = [
            message.headers.first(b"X-SIPCluster-Role")
            for _, message in self.peer.received
            if message.headers.first(b"X-SIPCluster-Role")
        ]
        self.assertIn(b"primary;epoch=1;pair=node1", roles)

    def test_backupAnswers(self) -> None:
        """
        A backup answers OPTIONS with its role, and refuses the rest.
        """
        self.peer.target = Target("UDP", OTHER_NODE, 5060)
        self.peer.disconnect()
        self.peer.send(self.alice.build(b"OPTIONS"))
        response = self.peer.expectResponse(200)
        self.assertEqual(
            response.headers.first(b"X-SIPCluster-Role"),
            b"backup;epoch=1;pair=node1",
        )
        self.peer.send(self.alice.build(b"INVITE", "1002", body=sdp()))
        self.peer.expectResponse(503)
        status = self.two.status()["pair"]["counters"]  # type: ignore[index]
        self.assertEqual((status["options"], status["refused"]), (1, 1))

    def test_brokenLife(self) -> None:
        """
        A member that cannot begin to serve leaves the role to the other one.
        """

        def broken(*arguments: object) -> None:
            raise RuntimeError("no node today")

        self.two._make = broken  # type: ignore[assignment]
        self.one.switchover()
        self.run_(6)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertIn("life", self.two.fitness.reasons)
        self.assertIsNotNone(self.one.life)
        self.run_(AGAIN)
        self.assertEqual(self.two.fitness.reasons, {})


class TakeoverTests(PairTestCase):
    """
    The primary is no more, or gives the role away.
    """

    def follow(self) -> None:
        """
        The SIP Proxy sends to the other member.
        """
        there = OTHER_NODE if self.two.life is not None else NODE
        self.peer.target = Target("UDP", there, 5060)
        self.peer.disconnect()

    def end(self) -> None:
        """
        Alice hangs up, and the call ends on both sides.
        """
        bye = self.alice.within(b"BYE")
        self.peer.expectResponse(200, bye)
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.pump()

    def test_killed(self) -> None:
        """
        A call goes on at the other member when the primary is killed, and its end
        is kept, too.
        """
        self.established()
        self.assertEqual(len(list(self.two.calls())), 1)
        self.kill(self.one)
        self.run_(6)
        assert self.two.life is not None and self.two.restored is not None
        self.assertEqual(self.two.restored.entries["call"], 1)
        self.follow()
        self.assertEqual(len(self.two.life.controller.calls), 1)
        self.end()
        self.assertEqual(len(self.two.life.controller.calls), 0)

    def test_switchover(self) -> None:
        """
        A call goes on when the role is given away, and when it comes back.
        """
        self.established()
        for member in (self.one, self.two):
            done = member.switchover()
            self.run_(1)
            self.assertEqual(self.successResultOf(done), "")
            self.assertIsNone(member.life)
            self.run_(4)
        self.assertIsNotNone(self.one.life)
        self.follow()
        self.end()

    def test_switchoverAndBackAtOnce(self) -> None:
        """
        Who has given the role away takes it again as soon as the other one, which
        has had it, gives it away.
        """
        for member, other in ((self.one, self.two), (self.two, self.one)) * 3:
            done = member.switchover()
            self.run_(0.6)
            self.assertEqual(self.successResultOf(done), "")
            self.assertIsNotNone(other.life)

    def test_noSwitchover(self) -> None:
        """
        The role is not given to who has not everything, nor by who has not got it.
        """
        why = self.successResultOf(self.two.switchover())
        self.assertIn("is not primary", why)
        self.line.cut()
        self.run_(0.5)
        why = self.successResultOf(self.one.switchover())
        self.assertIn("has not everything", why)

    def test_ringing(self) -> None:
        """
        A telephone that rings goes on ringing, and its answer arrives.
        """
        invite = self.ringing()
        self.kill(self.one)
        self.run_(6)
        self.follow()
        self.peer.inbox.clear()
        self.bob.answer(invite, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.end()

    def test_stop(self) -> None:
        """
        A member that is stopped leaves its calls to the other one, and one that is
        alone ends them.
        """
        self.established()
        stopped = self.one.stopService()
        self.run_(3)
        self.successResultOf(stopped)
        self.assertIsNotNone(self.two.life)
        self.follow()
        self.two.stopService()
        self.peer.expectRequest(b"BYE")


class LinkTests(PairTestCase):
    """
    The link between the two.
    """

    def test_cut(self) -> None:
        """
        The primary serves without the other one, which gets everything when the
        link is there again.
        """
        self.line.cut()
        self.run_(2)
        for one in (self.one, self.two):
            self.assertIn("node1b has not everything", str(one.status()["degraded"]))
        self.established()
        self.assertEqual(list(self.two.calls()), [])
        self.line.join()
        self.run_(1)
        self.assertEqual(len(list(self.two.calls())), 1)
        self.hangUpAt()

    def hangUpAt(self) -> None:
        """
        Alice hangs up.
        """
        bye = self.alice.within(b"BYE")
        self.peer.expectResponse(200, bye)
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.run_(1)
        self.assertEqual(list(self.two.calls()), [])
