"""
A member of a pair that is cut off sends into nothing, and another one goes on with its
calls some seconds later: nothing was lost by then.
"""

from __future__ import annotations

from sipcluster.sip.message import Request
from sipcluster.testing.sip_peer import sdp
from tests.memory.nodes import NODE
from tests.memory.takeover import TakeoverTestCase


class CutOffTests(TakeoverTestCase):
    """
    Nobody hears the first member.
    """

    def cutOff(self) -> None:
        """
        From now on nobody hears the first member, and it hears nobody.
        """
        self.network.drops = lambda _, *ends: NODE in (end[0] for end in ends)

    def outOfService(self) -> None:
        """
        It finds that no SIP Proxy answers.
        """
        for name in ("proxy1", "proxy2"):
            member = self.node.checker._checked[name].member
            self.node.memberOutOfService(member, "no answer")
            self.pump()

    def invite(self) -> None:
        """
        Alice calls Bob; the INVITE goes into nothing.
        """
        request = self.alice.build(b"INVITE", "1002", body=sdp())
        self.peer.send(request)
        self.alice.challenged(self.peer.expectResponse(401), request)
        again = self.alice.build(
            b"INVITE", "1002", body=sdp(), callID=request.callID, number=2
        )
        self.alice.invite = again
        self.network.drops = lambda _, source, __: source[0] == NODE
        self.peer.send(again)
        self.pump()
        self.cutOff()

    def goesOn(self) -> Request:
        """
        The other member sends the INVITE, and it is answered.
        """
        self.takeOver()
        self.pump()
        peer = self.peer if self.peer.count(b"INVITE") else self.peer2
        invite = peer.expectRequest(b"INVITE")
        self.bob.peer = peer
        return invite

    def finishTalk(self, invite: Request) -> None:
        """
        Bob answers, and that is all.
        """
        self.peer.inbox.clear()
        self.bob.answer(invite, 200, sdp("bob"))
        self.bob.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.pump()
        self.bob.peer = self.peer
        self.peer.inbox.clear()
        self.hangUp()
        self.assertEqual([went for _, went in self.moved], [True])

    def test_noProxyAnswers(self) -> None:
        """
        A call is not refused because the last SIP Proxy seems to be gone: it may be the
        member itself that is.
        """
        self.invite()
        self.run_(2)
        self.outOfService()
        self.run_(5)
        self.assertEqual(self.sink.of("1001")[-1], "Offered")
        self.finishTalk(self.goesOn())

    def test_timeAnew(self) -> None:
        """
        An INVITE that nobody may have heard has the whole time of timer B again.
        """
        self.invite()
        self.run_(30)
        invite = self.goesOn()
        self.run_(28)
        self.finishTalk(invite)

    def test_ringsNoLonger(self) -> None:
        """
        It is given up when the telephone would have rung long enough.
        """
        self.invite()
        self.run_(31)
        self.goesOn()
        self.run_(28)
        self.assertEqual(self.node.status()["calls"], 1)
        self.run_(2)
        self.assertEqual(self.sink.of("1001")[-1], "Released")
        self.run_(40)
        self.peer.inbox.clear()
        self.peer2.inbox.clear()

    def test_bye(self) -> None:
        """
        A BYE is not taken as lost because the last SIP Proxy seems to be gone; and
        whoever waits for an answer to its own gets one, though its dialog is over.
        """
        self.established()
        self.network.drops = lambda _, source, __: source[0] == NODE
        bye = self.alice.within(b"BYE")
        self.pump()
        self.cutOff()
        self.run_(2)
        self.outOfService()
        self.run_(5)
        self.takeOver()
        self.pump()
        peer = self.peer if self.peer.count(b"BYE") else self.peer2
        peer.respond(peer.expectRequest(b"BYE"), 200)
        self.peer.send(bye)
        self.assertEqual(self.peer.expectResponse(200).cseq, bye.cseq)
        self.run_(40)
        self.alice.within(b"BYE")
        self.peer.expectResponse(481)
        self.run_(40)
        self.assertEqual(self.node.status()["calls"], 0)
        self.peer.inbox.clear()
        self.peer2.inbox.clear()
