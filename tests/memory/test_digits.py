"""
Digits that are sent by request reach the telephone at the other end, by INFO or as
telephone events.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from sipcluster.app.node import NodeMember, makeNode
from sipcluster.app.runtime import NodeRuntime
from sipcluster.app.settings import Extension
from sipcluster.sessioncontroller.events import DTMFSent
from sipcluster.sessioncontroller.isessioncontroller import CallRefused, Why
from sipcluster.sip.message import Request
from sipcluster.testing.sip_peer import Phone, sdp
from sipcluster.wire.correlation import Requester
from tests.memory.nodes import THEN, NodeTestCase
from tests.unit.sessioncontroller.test_dtmf import Ports, digitsOf

ASKED = Requester("client", 7)
EVENTS = b"a=rtpmap:101 telephone-event/8000\r\n"


def takesEvents(who: str, port: int = 4000) -> bytes:
    """
    A session description with telephone events.
    """
    return sdp(who, port).replace(b"AVP 8\r\n", b"AVP 8 101\r\n") + EVENTS


class DigitsTestCase(NodeTestCase):
    """
    Alice and Bob talk.
    """

    #: Bob's C{dtmf-method}.
    method = "info"

    def makeNode(self, name: str, address: str) -> NodeMember:
        """
        A node with RTP ports of the test.
        """
        self.ports = Ports(self.clock)
        self.configuration = evolve(
            self.configuration,
            dns=tuple(
                evolve(dn, dtmfMethod=self.method)
                if isinstance(dn, Extension) and dn.number == "1002"
                else dn
                for dn in self.configuration.dns
            ),
        )
        runtime = NodeRuntime(
            name=name,
            configuration=self.configuration,
            clock=self.clock,
            wallTime=lambda: THEN + self.clock.seconds(),
            entropy=self.network.entropy,
            transport=self.network.host(address),
            media=self.ports,
        )
        node = makeNode(runtime, [self.sink])
        node.startService()
        return node

    def setUp(self) -> None:
        super().setUp()
        self.established()

    def send(self, digits: str, dn: str = "1001") -> Any:
        """
        Send digits in the name of a DN, Alice's if not said otherwise.
        """
        (connID,) = self.node.controller.calls
        return self.node.controller.sendDTMF(dn, connID, digits, ASKED)

    def assertSent(self, dn: str, digits: str) -> None:
        """
        The event says so.
        """
        event = self.sink.events[-1]
        assert isinstance(event, DTMFSent)
        self.assertEqual(
            (event.party.thisDN, event.digits, event.requester), (dn, digits, ASKED)
        )

    def assertRefusedFor(self, made: Any, why: Why) -> None:
        """
        It was not done.
        """
        refused = self.failureResultOf(made, CallRefused).value
        assert isinstance(refused, CallRefused)
        self.assertIs(refused.why, why)


class InfoTests(DigitsTestCase):
    """
    Bob's telephone takes INFO.
    """

    def takeInfo(self, status: int = 200) -> Request:
        """
        Take an INFO, and answer it.
        """
        info = self.peer.expectRequest(b"INFO")
        self.peer.respond(info, status)
        self.pump()
        return info

    def test_sent(self) -> None:
        """
        Each digit is an INFO in Bob's dialog; Alice's telephone sees nothing; the
        event follows the last one.
        """
        made = self.send("7*")
        info = self.takeInfo()
        self.assertEqual(info.contentType, b"application/dtmf-relay")
        self.assertEqual(info.body, b"Signal=7\r\nDuration=160\r\n")
        assert self.bob.dialog is not None
        self.assertEqual(info.callID, self.bob.dialog.callID)
        self.peer.expectNothing()
        self.assertNoResult(made)
        self.run_(0.3)
        self.assertEqual(self.takeInfo().body, b"Signal=*\r\nDuration=160\r\n")
        self.successResultOf(made)
        self.assertSent("1001", "7*")
        self.hangUp()

    def test_toTheCaller(self) -> None:
        """
        Bob's digits go to Alice.
        """
        made = self.send("1", "1002")
        info = self.takeInfo()
        assert self.alice.dialog is not None
        self.assertEqual(info.callID, self.alice.dialog.callID)
        self.successResultOf(made)
        self.assertSent("1002", "1")
        self.hangUp()

    def test_inTurn(self) -> None:
        """
        What is asked while digits are sent waits for its turn.
        """
        first, second = self.send("1"), self.send("2")
        self.takeInfo()
        self.successResultOf(first)
        self.assertIn(b"Signal=2", self.takeInfo().body)
        self.successResultOf(second)
        self.hangUp()

    def test_unsupported(self) -> None:
        """
        A telephone that does not take INFO says so; the call goes on.
        """
        made = self.send("12")
        self.takeInfo(415)
        self.assertRefusedFor(made, Why.UNSUPPORTED)
        self.assertRefusedFor(self.send("x"), Why.BAD_VALUE)
        self.hangUp()

    def test_hangsUpMeanwhile(self) -> None:
        """
        When the call ends nothing more is sent.
        """
        made = self.send("123")
        self.takeInfo()
        self.hangUp()
        self.assertRefusedFor(made, Why.DISCONNECTED)
        self.run_(2)
        self.peer.expectNothing()


class EventsTests(DigitsTestCase):
    """
    Bob's telephone takes telephone events.
    """

    method = "rfc4733"

    def takeInvite(
        self, body: bytes, status: int = 200, phone: Phone | None = None
    ) -> Request:
        """
        Take a re-INVITE, and answer it.

        @param phone: Bob's if not said otherwise.
        """
        phone = phone or self.bob
        assert phone.dialog is not None
        invite = self.peer.expectRequest(b"INVITE")
        self.assertEqual(invite.callID, phone.dialog.callID)
        if status < 300:
            phone.answer(invite, status, body)
        else:
            phone.refuse(invite, status)
        self.peer.expectRequest(b"ACK")
        return invite

    def silence(self, status: int = 200) -> Request:
        """
        Alice's telephone is asked to be silent, once Bob's has had time to send
        something: it may be behind a NAT.
        """
        self.run_(0.15)
        invite = self.takeInvite(sdp(direction="inactive"), status, self.alice)
        self.assertIn(b"a=inactive\r\n", invite.body)
        return invite

    def speech(self) -> Request:
        """
        Alice's telephone may speak again.
        """
        invite = self.takeInvite(sdp(), 200, self.alice)
        self.assertNotIn(b"a=inactive\r\n", invite.body)
        return invite

    def test_sent(self) -> None:
        """
        Bob's telephone is offered a port of the node, gets the digits while
        Alice's is silent, and both are offered the session again that they had;
        nobody is on hold.
        """
        made = self.send("19#A")
        away = self.takeInvite(takesEvents("bob", 4444))
        self.assertIn(b"m=audio 30000 RTP/AVP 8 101\r\n", away.body)
        self.assertIn(b"c=IN IP4 192.0.2.21\r\n", away.body)
        self.silence()
        self.run_(1.5)
        self.speech()
        back = self.takeInvite(sdp("bob"))
        self.assertIn(b"m=audio 4000 RTP/AVP 8\r\n", back.body)
        self.assertNotIn(b"telephone-event", back.body)
        self.successResultOf(made)
        self.assertSent("1001", "19#A")
        self.peer.expectNothing()
        self.assertEqual(self.sink.of("1001")[-1], "DTMFSent")
        self.assertNotIn("Held", self.sink.of("1001") + self.sink.of("1002"))
        packets = [data for _, data, _, _ in self.ports.sent]
        self.assertEqual(digitsOf(packets), "19#A")
        self.assertEqual({to[2:] for to in self.ports.sent}, {("198.51.100.7", 4444)})
        self.assertFalse(self.ports.isOpen)
        versions = [int(i.body.split()[3]) for i in (self.rung, away, back)]
        self.assertEqual(versions, sorted(set(versions)))
        self.hangUp()

    def test_toTheCaller(self) -> None:
        """
        Alice's telephone takes INFO: the choice is that of who gets the digits.
        """
        made = self.send("1", "1002")
        self.peer.respond(self.peer.expectRequest(b"INFO"), 200)
        self.pump()
        self.successResultOf(made)
        self.hangUp()

    def test_takesNone(self) -> None:
        """
        A telephone that takes no telephone events has Alice's session back.
        """
        made = self.send("1")
        self.takeInvite(sdp("bob"))
        back = self.takeInvite(sdp("bob"))
        self.assertIn(b"m=audio 4000 RTP/AVP 8\r\n", back.body)
        self.assertRefusedFor(made, Why.UNSUPPORTED)
        self.hangUp()

    def test_notSilent(self) -> None:
        """
        When Alice's telephone refuses to be silent the digits are sent all the
        same.
        """
        made = self.send("1")
        self.takeInvite(takesEvents("bob"))
        self.silence(488)
        self.run_(0.8)
        self.takeInvite(sdp("bob"))
        self.successResultOf(made)
        self.hangUp()

    def test_refused(self) -> None:
        """
        A telephone that refuses the offer keeps its session.
        """
        made = self.send("1")
        self.takeInvite(b"", 488)
        self.assertRefusedFor(made, Why.REJECTED)
        self.peer.expectNothing()
        self.hangUp()

    def test_glare(self) -> None:
        """
        Alice's telephone cannot change the session meanwhile; Bob's offer that
        crosses ours makes both wait.
        """
        made = self.send("1")
        away = self.peer.expectRequest(b"INVITE")
        glare = self.alice.within(b"INVITE", body=sdp(direction="sendonly"))
        refused = self.peer.expectResponse(491, glare)
        self.alice.acknowledgeRefusal(refused, glare)
        self.bob.answer(away, 200, takesEvents("bob"))
        self.peer.expectRequest(b"ACK")
        self.silence()
        self.run_(0.8)
        self.speech()
        self.takeInvite(sdp("bob"))
        self.successResultOf(made)
        self.hangUp()

    def test_hangsUpMeanwhile(self) -> None:
        """
        When the call ends while the digits are sent the port is given back.
        """
        made = self.send("123")
        self.takeInvite(takesEvents("bob"))
        self.silence()
        self.run_(0.1)
        self.hangUp()
        self.assertRefusedFor(made, Why.DISCONNECTED)
        self.assertFalse(self.ports.isOpen)
        self.run_(2)
        self.peer.expectNothing()
