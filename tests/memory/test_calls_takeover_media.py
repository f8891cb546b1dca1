"""
What telephones hear of each other when a member of a pair dies.
"""

from __future__ import annotations

from sipcluster.sip.message import Request, Response
from sipcluster.testing.sip_peer import sdp
from tests.memory.takeover import TakeoverTestCase


class MediaTests(TakeoverTestCase):
    """
    Early media, forks and origin lines, message by message.
    """

    def ring(self) -> Request:
        """
        Alice calls; one device of Bob's sends early media, another one rings; then
        the member dies.
        """
        self.desk = self.phone("1002", "198.51.100.4")
        self.alice.request(b"INVITE", "1002", body=sdp())
        invite = self.peer.expectRequest(b"INVITE")
        self.desk.answer(invite, 183, sdp("desk", 6000), b"desk")
        self.early = self.peer.expectResponse(183)
        self.assertIn(b" 6000 ", self.early.body)
        self.bob.answer(invite, 180, b"", b"sofa")
        self.peer.expectResponse(180)
        self.takeOver()
        self.assertEqual([went for _, went in self.moved], [True])
        return invite

    def talk(self) -> Response:
        """
        Alice takes the answer, and hangs up.
        """
        self.peer.expectRequest(b"ACK")
        answer = self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.peer.expectNothing()
        self.hangUp()
        return answer

    def test_otherFork(self) -> None:
        """
        The early media of a second fork is still not passed on, and its answer comes
        in a dialog of its own.
        """
        invite = self.ring()
        self.bob.answer(invite, 183, sdp("bob", 5000), b"sofa")
        self.peer.expectNothing()
        self.bob.answer(invite, 200, sdp("bob", 5000), b"sofa")
        answer = self.talk()
        self.assertIn(b" 5000 ", answer.body)
        self.assertNotEqual(answer.toTag, self.early.toTag)

    def test_sameFork(self) -> None:
        """
        An answer whose SDP was in a 183 before has that, in the dialog of the 183 and
        under the same origin.
        """
        invite = self.ring()
        self.desk.answer(invite, 200, b"", b"desk")
        self.bob.dialog = self.desk.dialog
        answer = self.talk()
        self.assertEqual(answer.toTag, self.early.toTag)
        self.assertEqual(answer.body, self.early.body)

    def test_origin(self) -> None:
        """
        The origin line is that of the first member, whose address it has.
        """
        self.established()
        self.moves()
        self.alice.within(b"INVITE", body=sdp("alice", 4000, "sendonly"))
        theirs = self.peer.expectRequest(b"INVITE")
        before, after = (
            body.split(b"\r\n")[1].split() for body in (self.rung.body, theirs.body)
        )
        self.assertEqual(before[1], after[1])
        self.assertEqual(before[3:], after[3:])
        self.assertEqual(int(before[2]) + 1, int(after[2]))
        self.bob.answer(theirs, 200, sdp("bob", 5000, "recvonly"))
        self.peer.expectRequest(b"ACK")
        self.peer.expectResponse(200)
        self.alice.acknowledge()
        self.hangUp()

    def test_secondFork(self) -> None:
        """
        A fork that answers after another one has is acknowledged and ended there.
        """
        invite = self.ring()
        self.bob.answer(invite, 200, sdp("bob", 5000), b"sofa")
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.desk.answer(invite, 200, sdp("desk", 6000), b"desk")
        self.assertEqual(self.peer.expectRequest(b"ACK").toTag, b"desk")
        bye = self.peer.expectRequest(b"BYE")
        self.assertEqual(bye.toTag, b"desk")
        self.peer.respond(bye, 200)
        self.hangUp()

    def test_answeredThenForked(self) -> None:
        """
        So it is when the member dies between the two answers; and the ACK of the
        first one is sent again.
        """
        self.desk = self.phone("1002", "198.51.100.4")
        invite = self.ringing()
        self.desk.answer(invite, 180, b"", b"desk")
        self.pump()
        accepted = self.bob.answer(invite, 200, sdp("bob", 5000))
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.pump()
        self.peer.inbox.clear()
        self.moves()
        self.desk.answer(invite, 200, sdp("desk", 6000), b"desk")
        self.assertEqual(self.peer.expectRequest(b"ACK").toTag, b"desk")
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.bob.answer(invite, 200, sdp("bob", 5000))
        self.assertEqual(self.peer.expectRequest(b"ACK").toTag, accepted.toTag)
        self.hangUp()

    def test_eachForkIsKnown(self) -> None:
        """
        A device that only rings may ask something in its early dialog.
        """
        invite = self.ring()
        self.peer.expectResponse(200, self.bob.within(b"OPTIONS"))
        self.bob.answer(invite, 200, sdp("bob", 5000), b"sofa")
        self.talk()

    def test_masked(self) -> None:
        """
        What a telephone answers while somebody holds by request does not count as
        what it would like, whoever had asked it.
        """
        self.telephones["A"].call("1002")
        self.settle()
        self.telephones["B"].answer()
        self.settle()
        self.control.hold("1001", self.connID)
        self.settle()
        self.telephones["B"].retrieve()
        self.pump()
        before = [leg.received for leg in self.node.controller.ua.legs.values()]
        self.takeOver()
        self.settle()
        legs = self.node.controller.ua.legs.values()
        self.assertEqual(
            sorted(b"inactive" in leg.received for leg in legs), [False, False]
        )
        self.assertIn(next(iter(legs)).received, before)
        self.telephones["A"].hangUp()
        self.finish()
