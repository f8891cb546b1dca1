"""
Tests for sipcluster.sessioncontroller.dialplan with real calls: do-not-disturb and
call forwarding, as telephones see them.
"""

from __future__ import annotations

from sipcluster.app.node import directoryOf
from sipcluster.sessioncontroller.dialplan import FeatureDialPlan, StaticDialPlan
from sipcluster.sessioncontroller.isessioncontroller import DNFeatures, ForwardMode
from sipcluster.sip.message import Request
from sipcluster.testing.sip_peer import Phone, sdp
from tests.memory.nodes import TRUNK, NodeTestCase
from tests.unit.sessioncontroller.test_dialplan_features import Features


class FeatureTests(NodeTestCase):
    """
    Alice calls Bob, who has something switched on.
    """

    def setUp(self) -> None:
        super().setUp()
        directory = directoryOf(self.configuration)
        self.features = Features()
        self.plan = FeatureDialPlan(StaticDialPlan(directory), directory, self.features)
        self.node.controller._plan = self.plan

    def call(self, to: str = "1002") -> None:
        """
        Alice calls.
        """
        self.alice.request(b"INVITE", to, body=sdp())

    def rings(self, dn: str) -> Request:
        """
        A telephone is called.
        """
        invite = self.peer.expectRequest(b"INVITE")
        self.assertEqual(invite.uri, f"sip:{dn}@lab.example".encode())
        return invite

    def declines(self, phone: Phone, invite: Request, status: int) -> None:
        """
        A telephone refuses its call.
        """
        phone.refuse(invite, status)
        self.peer.expectRequest(b"ACK")

    def answers(self, phone: Phone, invite: Request) -> None:
        """
        A telephone answers, and Alice hangs up.
        """
        phone.answer(invite, 200, sdp("other"))
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.hangUp()

    def test_doNotDisturb(self) -> None:
        """
        Bob's telephone does not ring, and Alice is told that he is busy.
        """
        self.features.on["1002"] = DNFeatures(dnd=True)
        self.call()
        self.assertRefused(486)
        self.assertNoCall()
        self.assertEqual(self.sink.of("1001"), ["Offered", "Failed", "Released"])
        self.assertEqual(self.sink.of("1002"), [])

    def test_unconditional(self) -> None:
        """
        Carol's telephone rings instead of Bob's.
        """
        self.features.forward("1002", ForwardMode.UNCONDITIONAL, "1003")
        self.call()
        self.answers(self.carol, self.rings("1003"))
        self.assertEqual(self.sink.of("1002"), [])
        party = self.sink.events[-1].party
        self.assertEqual(party.dnis, "1002")

    def test_onBusy(self) -> None:
        """
        Carol's telephone rings when Bob's is busy.
        """
        self.features.forward("1002", ForwardMode.ON_BUSY, "1003")
        self.call()
        self.declines(self.bob, self.rings("1002"), 486)
        self.answers(self.carol, self.rings("1003"))
        self.assertEqual(self.sink.of("1002"), ["Alerting", "Released"])

    def test_onNoAnswer(self) -> None:
        """
        It rings when nobody answers at Bob's, whose telephone stops, or when his
        is not registered; not when he is busy.
        """
        self.features.forward("1002", ForwardMode.ON_NO_ANSWER, "1003")
        self.call()
        invite = self.rings("1002")
        self.bob.answer(invite, 180)
        self.peer.expectResponse(180)
        self.run_(121)
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        rung = self.peer.expectRequest(
            b"INVITE", lambda request: request.uri.startswith(b"sip:1003@")
        )
        self.declines(self.bob, invite, 487)
        self.answers(self.carol, rung)
        self.call()
        self.declines(self.bob, self.rings("1002"), 480)
        self.answers(self.carol, self.rings("1003"))
        self.call()
        self.declines(self.bob, self.rings("1002"), 486)
        self.assertRefused(486)

    def test_chain(self) -> None:
        """
        What nobody takes in a chain of forwardings ends as the last one says; a
        circle ends.
        """
        self.features.forward("1002", ForwardMode.ON_BUSY, "1003")
        self.call()
        self.declines(self.bob, self.rings("1002"), 486)
        self.declines(self.carol, self.rings("1003"), 486)
        self.assertRefused(486)
        self.assertNoCall()
        self.features.forward("1003", ForwardMode.ON_BUSY, "1002")
        self.call()
        self.declines(self.bob, self.rings("1002"), 486)
        self.declines(self.carol, self.rings("1003"), 486)
        self.assertRefused(480)
        self.assertNoCall()

    def test_toTrunk(self) -> None:
        """
        Bob forwards to a number outside.
        """
        self.features.forward("1002", ForwardMode.UNCONDITIONAL, "9555")
        self.call()
        invite = self.peer.expectRequest(b"INVITE")
        self.assertEqual(invite.uri, b"sip:555@%b" % TRUNK.encode())
        self.declines(self.bob, invite, 404)
        self.assertRefused(404)

    def test_doesNotAnswer(self) -> None:
        """
        A telephone that leaves OPTIONS unanswered is not called.
        """
        self.plan.unanswering = lambda dn: dn == "1002"
        self.call()
        self.assertRefused(480)
        self.assertNoCall()
