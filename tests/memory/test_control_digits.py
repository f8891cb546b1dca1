"""
Digits that are sent by request, and what a call made by request is as a value.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred

from sipcluster.sessioncontroller.events import DTMFSent
from sipcluster.sessioncontroller.isessioncontroller import ExtensionDN, Why
from sipcluster.sessioncontroller.values import decodeCall, encodeCall
from sipcluster.sip.message import Request
from sipcluster.testing.sip_peer import sdp
from tests.memory.controls import WHO, ControlTestCase
from tests.memory.test_control_make import MakeTestCase


class DigitTests(ControlTestCase):
    """
    L{ICallControl.sendDTMF}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.established()
        self.news()

    def send(self, digits: str, dn: str = "1001") -> Deferred[None]:
        """
        Send digits in the name of Alice.
        """
        return self.control.sendDTMF(dn, self.connID, digits, WHO)

    def info(self, signal: bytes) -> Request:
        """
        Bob's telephone gets a digit.
        """
        info = self.peer.expectRequest(b"INFO")
        assert self.bob.dialog is not None
        self.assertEqual(info.toTag, self.bob.dialog.localTag)
        self.assertEqual(info.contentType, b"application/dtmf-relay")
        self.assertIn(b"Signal=%b\r\n" % signal, info.body)
        return info

    def test_sent(self) -> None:
        """
        The other party's telephone gets one INFO a digit, in order; the event that
        answers comes when all are sent.
        """
        done = self.send("1#")
        self.peer.respond(self.info(b"1"), 200)
        self.peer.expectNothing()
        self.run_(0.5)
        self.assertEqual(self.news(), [])
        self.peer.respond(self.info(b"#"), 200)
        self.assertEqual(self.news(), ["DTMFSent 1001 !"])
        event = self.sink.events[-1]
        assert isinstance(event, DTMFSent)
        self.assertEqual(event.digits, "1#")
        self.assertDone(done)
        self.hangUp()

    def test_refused(self) -> None:
        """
        A telephone that takes none is told of; so is what is no digit.
        """
        done = self.send("1")
        self.peer.respond(self.info(b"1"), 415)
        self.pump()
        self.assertNotDone(done, Why.UNSUPPORTED)
        self.assertNotDone(self.send("x"), Why.BAD_VALUE)
        self.assertEqual(self.news(), [])
        self.hangUp()

    def test_changesWait(self) -> None:
        """
        Meanwhile the telephones cannot change the session; hold waits for its turn.
        """
        done = self.send("1")
        info = self.info(b"1")
        own = self.alice.within(b"INVITE", body=sdp())
        self.alice.acknowledgeRefusal(self.peer.expectResponse(491, own), own)
        held = self.control.hold("1002", self.connID)
        self.peer.expectNothing()
        self.peer.respond(info, 200)
        invite = self.peer.expectRequest(b"INVITE")
        self.assertDone(done)
        self.peer.expectResponse(200, self.bob.within(b"BYE"))
        self.assertNotDone(held, Why.DISCONNECTED)
        self.alice.refuse(invite, 487)
        self.peer.expectRequest(b"ACK")
        self.answerBye()
        self.assertNoCall()

    def test_ended(self) -> None:
        """
        When the call ends, or the telephone has no such call, who has asked is told.
        """
        done = self.send("12")
        info = self.info(b"1")
        bye = self.alice.within(b"BYE")
        self.peer.expectResponse(200, bye)
        self.assertNotDone(done, Why.DISCONNECTED)
        self.answerBye()
        self.peer.respond(info, 481)
        self.assertNoCall()
        self.alice.dialog = self.bob.dialog = None
        self.established()
        done = self.send("12")
        self.peer.respond(self.info(b"1"), 481)
        self.answerBye(2)
        self.assertNotDone(done, Why.DISCONNECTED)
        self.assertNoCall()

    def test_noAnswer(self) -> None:
        """
        A telephone that does not answer is given up; the call goes on.
        """
        done = self.send("1")
        self.run_(70)
        self.assertNotDone(done, Why.TIMEOUT)
        self.peer.inbox.clear()
        self.hangUp()

    def test_nobodySends(self) -> None:
        """
        A node without anybody who sends digits says so; and nothing is sent while it
        rings.
        """
        self.node.controller.digits = None
        self.assertNotDone(self.send("1"), Why.UNSUPPORTED)
        self.hangUp()


class AutoAnswerTests(MakeTestCase):
    """
    Telephones that answer by themselves.
    """

    def fields(self) -> list[bytes | None]:
        """
        What Alice's telephone is told about that; then she refuses.
        """
        invite = self.make()
        self.alice.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        self.assertNotDone(self.made, Why.BUSY)
        return [invite.headers.first(name) for name in (b"Call-Info", b"Alert-Info")]

    def test_askedTo(self) -> None:
        """
        The caller's telephone is asked to answer by itself, in the two ways that
        telephones know, unless it is configured otherwise; the called one is not.
        """
        self.assertEqual(
            self.fields(),
            [
                b"<sip:lab.example>;answer-after=0",
                b"<http://lab.example>;info=alert-autoanswer;delay=0",
            ],
        )
        theirs = self.lifted()
        self.assertNotIn(b"Call-Info", theirs.headers)
        self.assertNotIn(b"Alert-Info", theirs.headers)
        self.bob.refuse(theirs, 486)
        self.peer.expectRequest(b"ACK")
        self.peer.expectResponse(200, self.alice.within(b"BYE"))
        dns = self.node.controller._authenticator.directory._dns
        alice = dns["1001"]
        assert isinstance(alice, ExtensionDN)
        dns["1001"] = evolve(alice, autoAnswer=False)
        self.assertEqual(self.fields(), [None, None])


class ValueTests(MakeTestCase):
    """
    Calls that were made by request, as values.
    """

    def again(self) -> None:
        """
        Write the call down, forget it, and make it again from that.
        """
        (value,) = self.node.controller.values()
        read = decodeCall(encodeCall(value))
        self.assertEqual(read, value)
        (call,) = self.node.controller.calls.values()
        for leg in list(call.legs):
            leg.finish()
        self.assertNoCall()
        self.assertTrue(self.node.controller.restore(read))
        for written in read.legs:
            if written.acked is not None:
                self.peer.expectRequest(b"ACK")  # the one before may not have left

    def test_talking(self) -> None:
        """
        The caller is still the caller.
        """
        self.connected()
        self.again()
        views = [status.view for status in self.control.partiesIn(self.connID)]
        self.assertEqual([view.thisDN for view in views], ["1001", "1002"])
        self.assertEqual([view.otherDN for view in views], ["1002", "1001"])
        self.assertEqual([view.callID for view in views], [1, 1])
        self.alice.within(b"INVITE", body=sdp("alice", 4000, "sendonly"))
        theirs = self.peer.expectRequest(b"INVITE")
        self.bob.answer(theirs, 200, sdp("bob", 5000, "recvonly"))
        self.peer.expectRequest(b"ACK")
        self.peer.expectResponse(200)
        self.alice.acknowledge()
        self.assertEqual(self.news(), ["Held 1001"])
        self.hangUp()

    def test_notConnectedYet(self) -> None:
        """
        What the caller's telephone was to hear when the call was written down, it is
        offered when it is made again.
        """
        theirs = self.lifted()
        self.bob.answer(theirs, 200, sdp("bob", 5000))
        self.peer.expectRequest(b"ACK")
        before = self.peer.expectRequest(b"INVITE")
        self.again()
        self.alice.refuse(before, 500)
        self.peer.expectRequest(b"ACK")
        again = self.peer.expectRequest(b"INVITE")
        self.assertIn(b"m=audio 5000", again.body)
        self.alice.answer(again, 200, sdp("alice", 4000))
        self.peer.expectRequest(b"ACK")
        self.hangUp()

    def test_nobodyThere(self) -> None:
        """
        A caller whose call leads nowhere is hung up on all the same.
        """
        theirs = self.lifted()
        self.bob.refuse(theirs, 486)
        self.peer.expectRequest(b"ACK")
        self.again()
        self.assertEqual(self.states(), {"1001": "Failed"})
        self.run_(30.1)
        self.answerBye()
        self.assertNoCall()

    def test_callerIsCalled(self) -> None:
        """
        What is known before the caller's telephone answers is written down, also who
        has asked.
        """
        invite = self.make(userData=(("k", "v"),))
        (value,) = self.node.controller.values()
        self.assertEqual(decodeCall(encodeCall(value)), value)
        (making,) = value.undertakings
        self.assertEqual((making.kind, making.requester), ("make", WHO))
        self.assertEqual(value.userData, (("k", "v"),))
        self.assertFalse(self.node.controller.restore(value))
        self.alice.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        self.assertNotDone(self.made, Why.BUSY)


class MemoryTests(MakeTestCase):
    """
    What a controlled call leaves behind.
    """

    def test_freedAtOnce(self) -> None:
        """
        A call that was made, held and released by request is freed without the
        garbage collector, whether all was done or not.
        """
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        for finished in (True, False):
            self.connected()
            (call,) = self.node.controller.calls.values()
            watched: list[weakref.ref[Any]] = [
                weakref.ref(call),
                *(weakref.ref(leg) for leg in call.legs),
                *(weakref.ref(party) for party in call.parties),
            ]
            del call
            done = self.control.hold("1001", self.connID)
            invite = self.peer.expectRequest(b"INVITE")
            if finished:
                self.bob.answer(invite, 200, sdp("bob", 5000, "inactive"))
                self.peer.expectRequest(b"ACK")
                invite = self.peer.expectRequest(b"INVITE")
                self.alice.answer(invite, 200, sdp("alice", 4000, "inactive"))
                self.peer.expectRequest(b"ACK")
                self.assertDone(done)
                self.hangUp()
            else:
                self.control.release("1001", self.connID)
                self.assertNotDone(done, Why.DISCONNECTED)
                self.bob.refuse(invite, 487)
                self.peer.expectRequest(b"ACK")
                self.answerBye(2)
            self.alice.dialog = self.bob.dialog = None
            self.assertNoCall()
            del done
            self.assertEqual([ref() for ref in watched], [None] * 5, finished)
