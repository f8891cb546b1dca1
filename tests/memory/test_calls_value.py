"""
A call written down on one node and gone on with on another.
"""

from __future__ import annotations

from msgspec.structs import replace

from sipcluster.sessioncontroller.values import CallValue, decodeCall, encodeCall
from sipcluster.sip.isip import Target
from sipcluster.testing.sip_peer import sdp
from tests.memory.nodes import NODE, OTHER_NODE, NodeTestCase


class MovedCallTests(NodeTestCase):
    """
    Alice and Bob talk; then the node dies, and another one has the call.
    """

    def move(self) -> CallValue:
        """
        Kill the node and go on with its one call elsewhere.
        """
        (value,) = self.node.controller.values()
        data = encodeCall(value)
        self.network.kill(NODE)
        self.silence()
        self.node = self.makeNode("node2", OTHER_NODE)
        self.node.controller.ua.contactHost = b"node1.lab.example"
        for peer in (self.peer, self.peer2):
            peer.target = Target("UDP", OTHER_NODE, 5060)
            peer.disconnect()
        read = decodeCall(data)
        self.assertEqual(read, value)
        self.assertTrue(self.node.controller.restore(read))
        for leg in read.legs:
            # Nobody knows whether the ACK has arrived.
            if leg.inviting is not None and leg.inviting.acknowledged:
                self.assertEqual(self.peer.expectRequest(b"ACK").cseq.number, 1)
            if leg.acked is not None:
                again = self.peer.expectRequest(b"ACK")
                self.assertEqual(again.cseq.number, leg.acked.number)
        return read

    def silence(self) -> None:
        """
        A dead node does nothing any more.
        """
        for call in self.clock.getDelayedCalls():
            call.cancel()

    def test_ended(self) -> None:
        """
        A BYE of either side reaches the other one; the events go on with the
        ids that the call had.
        """
        for who in ("alice", "bob"):
            self.established()
            value = self.move()
            self.assertEqual(list(self.node.controller.values()), [value])
            self.hangUp(getattr(self, who))
            last = self.sink.events[-1].party
            self.assertEqual(
                (last.connID, last.callUUID), (value.connID, value.callUUID)
            )
            self.assertEqual(
                last.otherDN, {"1001": "1002", "1002": "1001"}[last.thisDN]
            )
            self.alice.dialog = self.bob.dialog = None
            self.alice.challenges = []
            self.tearDownNode()

    def tearDownNode(self) -> None:
        """
        Begin with a fresh node again.
        """
        self.run_(80)
        self.network.kill(OTHER_NODE)
        self.node = self.makeNode("node1", NODE)
        for peer in (self.peer, self.peer2):
            peer.target = Target("UDP", NODE, 5060)
            peer.disconnect()

    def test_changed(self) -> None:
        """
        Sequence numbers, origin lines and targets go on where they were, and
        hold is known.
        """
        self.established()
        self.alice.within(b"INVITE", body=sdp("alice", 4000, "sendonly"))
        theirs = self.peer.expectRequest(b"INVITE")
        before = theirs.body
        self.bob.answer(theirs, 200, sdp("bob", 5000, "recvonly"))
        self.peer.expectRequest(b"ACK")
        self.peer.expectResponse(200)
        self.alice.acknowledge()
        self.pump()
        value = self.move()
        self.assertTrue(value.legs[0].held)
        self.alice.within(b"INVITE", body=sdp("alice", 4000))
        theirs = self.peer.expectRequest(b"INVITE")
        origins = [
            body.split(b"\r\n")[1].split()[1:3] for body in (before, theirs.body)
        ]
        self.assertEqual(origins[0][0], origins[1][0])
        self.assertEqual(int(origins[0][1]) + 1, int(origins[1][1]))
        self.bob.answer(theirs, 200, sdp("bob", 5000))
        self.peer.expectRequest(b"ACK")
        self.peer.expectResponse(200)
        self.alice.acknowledge()
        self.peer.expectNothing()
        self.assertEqual(self.sink.of("1001")[-1], "Retrieved")
        self.hangUp()

    def test_notAcknowledged(self) -> None:
        """
        A call whose 200 was not acknowledged yet goes on as well.
        """
        invite = self.ringing()
        self.bob.answer(invite, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        value = self.move()
        self.assertEqual(value.legs[0].state, "Accepted")
        assert value.legs[0].invited is not None
        self.assertIn(b"SIP/2.0 200", value.legs[0].invited.response)
        self.alice.acknowledge()
        self.peer.expectNothing()
        self.hangUp()

    def test_ringing(self) -> None:
        """
        What is known of a ringing call is written down, INVITEs, last response and
        early dialogs too.
        """
        invite = self.ringing()
        (value,) = self.node.controller.values()
        self.assertEqual(decodeCall(encodeCall(value)), value)
        first, second = value.legs
        assert self.alice.invite is not None
        self.assertEqual((first.state, second.state), ("Proceeding", "Early"))
        assert first.invited is not None and second.inviting is not None
        self.assertEqual(first.invited.request, self.alice.invite.render())
        self.assertIn(b"SIP/2.0 180", first.invited.response)
        self.assertTrue(second.inviting.transaction.request.startswith(b"INVITE "))
        self.assertIn(invite.branch, second.inviting.transaction.request)
        self.assertEqual(second.inviting.transaction.state, "Proceeding")
        assert value.making is not None
        self.assertEqual(value.making.asked.user, "1002")
        self.assertEqual(len(second.early), 1)
        self.assertTrue(second.early[0].early)
        self.bob.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)

    def test_halfACall(self) -> None:
        """
        A call with one leg left can be gone on with, and ends with it.
        """
        self.established()
        (value,) = self.node.controller.values()
        self.hangUp()
        half = replace(value, legs=value.legs[:1])
        self.assertTrue(self.node.controller.restore(half))
        self.alice.source = "198.51.100.1"
        self.peer.expectResponse(200, self.alice.within(b"BYE"))
        self.assertNoCall()
