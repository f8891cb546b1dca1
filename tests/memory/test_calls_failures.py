"""
Calls whose network, far end or Session Controller fails.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any, cast

from attrs import evolve

from sipcluster.cluster.icluster import IClusterStore
from sipcluster.sessioncontroller.events import CallEvent
from sipcluster.sessioncontroller.isessioncontroller import IEventSink
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sip.invite_client import makeAck, makeCancel
from sipcluster.sip.message import Request, Response
from sipcluster.testing.sip_peer import sdp
from tests.memory.nodes import NODE, PROXY1, PROXY2, NodeTestCase


class LossTests(NodeTestCase):
    """
    Messages that do not arrive.
    """

    def test_lostAcknowledgement(self) -> None:
        """
        A 200 without an ACK is repeated after T1, in growing gaps up to T2, and
        after 64*T1 the call is ended on both sides (RFC 3261 section
        13.3.1.4).
        """
        invite = self.ringing()
        self.bob.answer(invite, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.run_(31.9)
        times = [
            when
            for when, m in self.peer.received
            if isinstance(m, Response) and m.status == 200
        ]
        self.assertEqual(
            times, [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
        )
        self.run_(0.2)
        for _ in range(2):
            self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.assertNoCall()
        self.assertEqual(self.counters["unacknowledged"], 1)

    def test_acknowledgementLostOnce(self) -> None:
        """
        The ACK of a repeated 200 ends the repeating.
        """
        invite = self.ringing()
        self.bob.answer(invite, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.run_(1.6)
        self.alice.acknowledge()
        self.run_(40)
        self.assertEqual(self.peer.count(200), 3)
        self.hangUp()

    def test_ourAcknowledgementLost(self) -> None:
        """
        A 2xx of the called side that comes again is acknowledged again, even
        when its transaction is gone.
        """
        invite = self.ringing()
        answer = self.bob.answer(invite, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.peer.send(answer)
        self.pump()
        self.assertEqual(self.peer.count(b"ACK"), 2)
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.run_(40)
        self.peer.send(answer)
        self.pump()
        self.assertEqual(self.peer.count(b"ACK"), 3)
        self.peer.inbox.clear()
        self.hangUp()

    def test_lateOfferAnsweredAgain(self) -> None:
        """
        While the caller's answer is not there yet, a repeated 2xx with an offer
        is not acknowledged.
        """
        self.alice.request(b"INVITE", "1002")
        invite = self.peer.expectRequest(b"INVITE")
        answer = self.bob.answer(invite, 200, sdp("bob"))
        self.alice.accepted(self.peer.expectResponse(200))
        self.peer.send(answer)
        self.pump()
        self.assertEqual(self.peer.count(b"ACK"), 0)
        self.alice.acknowledge(sdp())
        self.peer.expectRequest(b"ACK")
        self.hangUp()

    def test_lateOfferNeverAcknowledged(self) -> None:
        """
        When the answer to a late offer never comes, both sides are ended.
        """
        self.alice.request(b"INVITE", "1002")
        self.bob.answer(self.peer.expectRequest(b"INVITE"), 200, sdp("bob"))
        self.alice.accepted(self.peer.expectResponse(200))
        self.run_(33)
        for _ in range(2):
            self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.assertNoCall()

    def test_releasedBeforeAcknowledgement(self) -> None:
        """
        The called side hangs up before the caller has acknowledged: the BYE to
        the caller waits for the ACK (RFC 3261 section 15).
        """
        invite = self.ringing()
        self.bob.answer(invite, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.peer.expectResponse(200, self.bob.within(b"BYE"))
        self.assertEqual(self.peer.count(b"BYE"), 0)
        self.alice.acknowledge()
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.assertNoCall()

    def test_releasedAndNeverAcknowledged(self) -> None:
        """
        Without an ACK the BYE goes out in the end; a BYE of the caller's own
        does as well.
        """
        for own in (False, True):
            self.alice.dialog = self.bob.dialog = None
            invite = self.ringing()
            self.bob.answer(invite, 200, sdp("bob"))
            self.peer.expectRequest(b"ACK")
            self.alice.accepted(self.peer.expectResponse(200))
            self.peer.expectResponse(200, self.bob.within(b"BYE"))
            if own:
                self.peer.expectResponse(200, self.alice.within(b"BYE"))
            else:
                self.run_(33)
                self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
            self.assertNoCall()
            self.peer.inbox.clear()

    def test_lostBye(self) -> None:
        """
        A BYE that nobody answers is tried through the other SIP Proxy, and then
        the call ends all the same.
        """
        self.established()
        self.peer.expectResponse(200, self.alice.within(b"BYE"))
        self.run_(33)
        bye = self.peer2.expectRequest(b"BYE")
        self.assertEqual(
            bye.headers.all(b"Route"), [b"<sip:%b:5060;lr>" % PROXY2.encode()]
        )
        self.assertEqual(bye.uri, b"sip:1002@198.51.100.2")
        self.run_(33)
        self.assertNoCall()
        self.assertEqual(self.counters["byesLost"], 1)

    def test_byesCross(self) -> None:
        """
        Two BYEs that cross are both answered.
        """
        self.established()
        self.peer.expectResponse(200, self.alice.within(b"BYE"))
        theirs = self.peer.expectRequest(b"BYE")
        self.peer.expectResponse(200, self.bob.within(b"BYE"))
        self.peer.respond(theirs, 481)
        self.assertNoCall()
        self.assertEqual(self.sink.of("1002").count("Released"), 1)

    def test_lostNetwork(self) -> None:
        """
        On a network that loses every third datagram calls are made and ended.
        """
        count = 0

        def drops(data: bytes, *_: object) -> bool:
            nonlocal count
            count += 1
            return count % 3 == 0 and not data.startswith(b"REGISTER")

        self.alice.request(b"REGISTER")
        self.peer.expectResponse(200)
        self.network.drops = drops
        for _ in range(5):
            self.alice.request(b"INVITE", "1002", body=sdp())
            self.run_(120)
        self.network.drops = lambda *_: False
        self.peer.inbox.clear()
        self.peer2.inbox.clear()
        self.run_(200)
        self.assertNoCall()


class ProxyFailureTests(NodeTestCase):
    """
    A SIP Proxy between the node and a phone dies.
    """

    def test_killed(self) -> None:
        """
        When the SIP Proxy of the caller is gone, the call goes out through the
        other one at once; with another Call-ID, since the first INVITE may have
        arrived.
        """
        self.alice.request(b"REGISTER")
        self.peer.expectResponse(200)
        self.alice.request(b"INVITE", "1002", body=sdp())
        self.network.kill(PROXY1)
        self.pump()
        self.run_(0.01)
        invite = self.peer2.expectRequest(b"INVITE")
        self.assertEqual(
            invite.headers.all(b"Route"), [b"<sip:%b:5060;lr>" % PROXY2.encode()]
        )
        self.assertEqual(self.counters["proxiesChanged"], 1)
        self.peer2.respond(invite, 486, b"x")
        self.peer2.expectRequest(b"ACK")
        self.assertNoCall()

    def test_foundDeadByTheChecker(self) -> None:
        """
        A probe that finds a SIP Proxy dead cuts the waiting short.
        """
        self.alice.request(b"INVITE", "1002", body=sdp())
        first = self.peer.expectRequest(b"INVITE")
        member = self.node.checker._checked["proxy1"].member
        self.node.memberOutOfService(member, "no answer")
        second = self.peer2.expectRequest(b"INVITE")
        self.assertNotEqual(first.callID, second.callID)
        bob2 = self.phone("1002", "198.51.100.2", self.peer2, PROXY2)
        bob2.answer(second, 200, sdp("bob"))
        self.peer2.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        # The first one arrived after all, and somebody answers.
        self.bob.answer(first, 200, sdp("bob"))
        self.peer2.expectRequest(b"ACK")
        self.peer2.respond(self.peer2.expectRequest(b"BYE"), 200)
        self.node.memberInService(member)
        bye = self.alice.within(b"BYE")
        self.peer.expectResponse(200, bye)
        self.peer2.respond(self.peer2.expectRequest(b"BYE"), 200)
        self.assertNoCall()

    def test_answeredWaitsOn(self) -> None:
        """
        Once somebody has answered, a SIP Proxy that is found dead changes
        nothing: it may be the checker's mistake.
        """
        invite = self.ringing()
        member = self.node.checker._checked["proxy1"].member
        self.node.memberOutOfService(member, "no answer")
        self.peer2.expectNothing()
        self.bob.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)

    def test_ringsOn(self) -> None:
        """
        A SIP Proxy that is killed ends no call that rings: it is started again, and
        passes on what belongs to it.
        """
        invite = self.ringing()
        layer = self.node.controller.ua.layer
        for transaction in tuple(layer._clients.table.values()):
            layer.flowFailed(transaction.flow, "refused")
        self.run_(1)
        self.bob.answer(invite, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.hangUp()
        self.assertNoCall()

    def test_cancelsOn(self) -> None:
        """
        Nor does it end a CANCEL, which is repeated until there is an answer.
        """
        invite = self.ringing()
        self.alice.cancel()
        self.peer.expectResponse(200)
        self.peer.expectResponse(487)
        cancel = self.peer.expectRequest(b"CANCEL")
        layer = self.node.controller.ua.layer
        for transaction in tuple(layer._clients.table.values()):
            layer.flowFailed(transaction.flow, "refused")
        sent = self.peer.count(b"CANCEL")
        self.run_(0.6)
        self.assertEqual(self.peer.count(b"CANCEL"), sent + 1)
        self.peer.respond(cancel, 200)
        self.bob.refuse(invite, 487)
        self.peer.expectRequest(b"ACK")

    def test_answersThroughAnother(self) -> None:
        """
        What belongs to calls of a SIP Proxy that is dead goes through the other one,
        which knows its branches, until the caller is heard through it again.
        """
        invite = self.ringing()
        self.proxyDies()
        again = self.peer2.expectResponse(180)
        self.assertEqual(again.via.host, PROXY1.encode())
        self.bob.answer(invite, 200, sdp("bob"))
        self.peer2.expectRequest(b"ACK")
        self.peer.expectNothing()
        self.alice.accepted(self.peer2.expectResponse(200))
        self.alice.acknowledge()
        self.node.memberInService(self.node.checker._checked["proxy1"].member)
        self.hangUp()
        self.assertNoCall()

    def test_answersWhoAsksAgain(self) -> None:
        """
        When the INVITE comes again through the SIP Proxy that was thought dead, it
        gets the answers.
        """
        invite = self.ringing()
        self.proxyDies()
        self.peer2.expectResponse(180)
        assert self.alice.invite is not None
        self.peer.send(self.alice.invite)
        self.pump()
        self.bob.answer(invite, 200, sdp("bob"))
        self.peer2.expectRequest(b"ACK")
        self.peer2.expectNothing()
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.node.memberInService(self.node.checker._checked["proxy1"].member)
        self.hangUp()
        self.assertNoCall()

    def test_cancelledThroughAnother(self) -> None:
        """
        The CANCEL and the ACK of a caller may come through the other SIP Proxy.
        """
        self.ringing()
        assert self.alice.invite is not None
        invite = self.alice.invite
        via = invite.headers.values(b"Via")[0].replace(PROXY1.encode(), PROXY2.encode())
        self.proxyDies()
        self.peer2.expectResponse(180)
        headers = invite.headers.replaceFirstValue(b"Via", via)
        other = invite.replacing(headers=headers)
        self.peer2.send(makeCancel(other))
        self.peer2.expectResponse(200)
        refusal = self.peer2.expectResponse(487)
        self.peer2.send(makeAck(other, refusal))
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.run_(2)
        self.assertEqual(self.peer2.count(487), 1)

    def proxyDies(self) -> None:
        """
        In a cluster with a store the first SIP Proxy is found dead.
        """
        store = cast(IClusterStore, object())
        self.node.runtime = evolve(self.node.runtime, store=store)
        self.node.memberOutOfService(self.node.checker._checked["proxy1"].member, "x")

    def test_overloaded(self) -> None:
        """
        A 503 is the SIP Proxy's own (RFC 3261 section 16.7): the other one is
        asked.
        """
        self.alice.request(b"INVITE", "1002", body=sdp())
        self.peer.respond(self.peer.expectRequest(b"INVITE"), 503, b"x")
        self.peer.expectRequest(b"ACK")
        invite = self.peer2.expectRequest(b"INVITE")
        self.peer2.respond(invite, 486, b"y")
        self.peer2.expectRequest(b"ACK")
        self.assertRefused(486)

    def test_inDialog(self) -> None:
        """
        Requests inside a dialog go through the other SIP Proxy when that of the
        route set is out of service.
        """
        self.established()
        member = self.node.checker._checked["proxy1"].member
        self.node.memberOutOfService(member, "no answer")
        self.peer.expectResponse(200, self.alice.within(b"BYE"))
        bye = self.peer2.expectRequest(b"BYE")
        self.assertEqual(
            bye.headers.all(b"Route"), [b"<sip:%b:5060;lr>" % PROXY2.encode()]
        )
        self.peer2.respond(bye, 200)
        self.assertNoCall()

    def test_cancelledWhileNobodyAnswers(self) -> None:
        """
        A call that is given up is not tried through another SIP Proxy.
        """
        self.alice.request(b"INVITE", "1002", body=sdp())
        self.peer.expectRequest(b"INVITE")
        self.alice.cancel()
        self.run_(33)
        self.assertEqual(self.peer2.count(b"INVITE"), 0)
        self.assertNoCall()

    def test_lateRingingOfTheFirst(self) -> None:
        """
        When it rings through the first SIP Proxy after all, that is cancelled.
        """
        self.alice.request(b"INVITE", "1002", body=sdp())
        first = self.peer.expectRequest(b"INVITE")
        self.node.controller.proxyGone("proxy1")
        second = self.peer2.expectRequest(b"INVITE")
        self.bob.answer(first, 180)
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.bob.refuse(first, 487)
        self.peer.expectRequest(b"ACK")
        self.peer.expectNothing()
        self.peer2.respond(second, 486, b"x")
        self.peer2.expectRequest(b"ACK")
        self.assertRefused(486)

    def test_changeAnsweredThroughTheFirst(self) -> None:
        """
        When a re-INVITE is answered through the first SIP Proxy after all, what is
        on its way through the second is cancelled: it is not waited for for ever.
        """
        self.established()
        self.alice.within(b"INVITE", body=sdp())
        first = self.peer.expectRequest(b"INVITE")
        self.node.controller.proxyGone("proxy1")
        second = self.peer2.expectRequest(b"INVITE")
        self.peer2.respond(second, 100)
        self.bob.answer(first, 200, sdp("bob"))
        self.peer.expectResponse(200)
        self.alice.acknowledge()
        self.pump()
        self.peer2.expectRequest(b"ACK")
        cancel = self.peer2.expectRequest(b"CANCEL")
        self.assertEqual(cancel.headers.all(b"Via"), second.headers.all(b"Via"))
        self.peer2.respond(cancel, 200)
        self.run_(70)
        self.assertEqual(self.node.status()["calls"], 1)
        self.assertEqual(self.node.status()["transactions"], 0)
        self.hangUp()

    def test_lateAnswerOfTheFirst(self) -> None:
        """
        A 200 that comes through the first SIP Proxy when the call has gone on
        through the second is acknowledged and ended.
        """
        self.alice.request(b"INVITE", "1002", body=sdp())
        first = self.peer.expectRequest(b"INVITE")
        self.node.controller.proxyGone("proxy1")
        second = self.peer2.expectRequest(b"INVITE")
        self.bob.answer(first, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.peer2.respond(second, 486, b"x")
        self.peer2.expectRequest(b"ACK")
        self.assertRefused(486)


class BugTests(NodeTestCase):
    """
    Whatever goes wrong inside one call stays there.
    """

    def test_sinkThatRaises(self) -> None:
        """
        An event sink that raises is logged, and disturbs no call.
        """

        class Bad:
            def eventHappened(self, event: CallEvent) -> None:
                raise RuntimeError("sink")

        sinks = self.node.controller._publish.__self__  # type: ignore[attr-defined]
        sinks._sinks = (Bad(), self.sink)
        self.established()
        self.hangUp()
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 7)
        self.assertEqual(len(self.sink.events), 7)
        self.assertTrue(IEventSink.implementedBy(type(self.sink)))

    def test_legThatRaises(self) -> None:
        """
        A leg that raises over a message of its far end ends its call, and no
        other; the request is answered 500.
        """
        self.established()
        self.patch(Leg, "takeOther", lambda *_: 1 / 0)
        self.peer.expectResponse(500, self.alice.within(b"INFO"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.counters["callsBroken"], 1)
        for _ in range(2):
            self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.assertNoCall()


class MemoryTests(NodeTestCase):
    """
    What a call leaves behind.
    """

    def test_callsAreFreedAtOnce(self) -> None:
        """
        When a call has ended and its transactions are gone, all its objects are
        freed without the garbage collector.
        """
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        self.established()
        (call,) = self.node.controller.calls.values()
        watched: list[weakref.ref[Any]] = [
            weakref.ref(call),
            *(weakref.ref(leg) for leg in call.legs),
            *(weakref.ref(party) for party in call.parties),
        ]
        del call
        self.hangUp()
        self.assertEqual([ref() for ref in watched], [None] * 5)

    def test_refusedCallsAreFreedAtOnce(self) -> None:
        """
        So are those of a call that was refused, and of one that was cancelled.
        """
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        for status in (486, 487):
            invite = self.ringing()
            (call,) = self.node.controller.calls.values()
            watched: list[weakref.ref[Any]] = [
                weakref.ref(call),
                *(weakref.ref(leg) for leg in call.legs),
            ]
            del call
            if status == 487:
                self.alice.cancel()
                self.peer.expectRequest(b"CANCEL")
            self.bob.refuse(invite, status)
            self.peer.expectRequest(b"ACK")
            self.pump()
            self.assertEqual([ref() for ref in watched], [None] * 3)
            self.peer.inbox.clear()
            self.bob.dialog = None

    def test_noCyclesAfterATransaction(self) -> None:
        """
        A whole call, from INVITE to the end of the last transaction, leaves no
        garbage for the collector to find.
        """
        self.alice.request(b"REGISTER")
        self.peer.expectResponse(200)
        self.established()
        self.hangUp()
        self.run_(80)
        self.peer.inbox.clear()
        self.peer.received.clear()
        self.alice.dialog = self.bob.dialog = None
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        self.established()
        self.hangUp()
        self.run_(80)
        self.assertEqual(self.garbage(), [])

    def garbage(self) -> list[str]:
        """
        Kinds of our objects that only the collector would free.
        """
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            gc.collect()
            return [
                type(thing).__name__
                for thing in gc.garbage
                if type(thing).__module__.startswith("sipcluster.")
            ]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()


class StopTests(NodeTestCase):
    """
    The node is stopped.
    """

    def test_endsAllCalls(self) -> None:
        """
        Talking and ringing calls are ended; the node waits for the answers.
        """
        self.established()
        carol = self.carol.request(b"INVITE", "1002", body=sdp())
        ringing = self.peer.expectRequest(b"INVITE")
        self.phone("1002", "198.51.100.2").answer(ringing, 180)
        self.peer.expectResponse(180)
        stopped = self.node.stopService()
        self.carol.acknowledgeRefusal(self.peer.expectResponse(503), carol)
        cancel = self.peer.expectRequest(b"CANCEL")
        self.peer.respond(cancel, 200)
        self.bob.refuse(ringing, 487)
        self.assertNoResult(stopped)
        for _ in range(2):
            self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.pump()
        self.successResultOf(stopped)
        self.assertNoCall()

    def test_waitsNotForEver(self) -> None:
        """
        Far ends that do not answer are waited for one second.
        """
        self.established()
        stopped = self.node.stopService()
        self.run_(0.9)
        self.assertNoResult(stopped)
        self.run_(0.2)
        self.successResultOf(stopped)
        self.assertNoCall()
        self.assertTrue(isinstance(self.peer.inbox[0], Request))
        self.assertEqual(self.node.runtime.settings.sipAddress, NODE)
