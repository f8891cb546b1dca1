"""
Tests for L{sipcluster.sip.transactions}: what a message belongs to.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.sip.client_table import _unconcerned
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.isip import (
    IFlow,
    IMessageReceiver,
    IRequestReceiver,
    ITransactionUser,
    ITransportLayer,
    Target,
)
from sipcluster.sip.load import LINGERING
from sipcluster.sip.message import Headers, Request, Response, parseMessage
from sipcluster.sip.no_flow import NoFlow
from sipcluster.sip.timers import TimerQueue, TimerValues
from sipcluster.sip.transactions import ServerTransaction, TransactionLayer
from sipcluster.sip.transport_rules import viaReceived
from sipcluster.testing.clock import runFor
from sipcluster.testing.records import (
    FakeTransportLayer,
    RecordingFlow,
    RecordingMessageReceiver,
    RecordingReceiver,
    RecordingServerUser,
    RecordingUser,
)
from tests.unit.sip.samples import BOB, arriving, identifiers, request, response

TORTURE = Path(__file__).parents[2] / "torture" / "rfc4475"


class LayerTestCase(SynchronousTestCase):
    """
    A layer over recording flows.
    """

    limit = 20000
    rejectMerged = False

    def setUp(self) -> None:
        self.clock = Clock()
        self.transport = FakeTransportLayer(self.clock)
        self.receiver = RecordingReceiver()
        self.layer = TransactionLayer(
            self.clock,
            self.transport,
            self.receiver,
            identifiers(),
            limit=self.limit,
            rejectMerged=self.rejectMerged,
        )
        self.flow = self.transport.flow("UDP")
        self.user = RecordingUser()

    def arrive(self, message: Request | Response) -> None:
        self.layer.messageReceived(message, self.flow)

    def assertCounts(self, **counts: int) -> None:
        """
        The layer has so many transactions, and none where nothing is said.
        """
        status = self.layer.status()
        for name, count in counts.items():
            self.assertEqual(status[name], count, name)


class SeamTests(LayerTestCase):
    """
    The layer and its stand-ins are what they say.
    """

    def test_interfaces(self) -> None:
        """
        Everything provides what its seam asks for.
        """
        verifyObject(IMessageReceiver, self.layer)
        verifyObject(IMessageReceiver, RecordingMessageReceiver())
        verifyObject(ITransportLayer, self.transport)
        verifyObject(IRequestReceiver, self.receiver)
        verifyObject(IFlow, self.flow)
        verifyObject(IFlow, NoFlow(BOB))
        verifyObject(ITransactionUser, _unconcerned)

    def test_sharedTimers(self) -> None:
        """
        Timers may be shared with others, and have other values.
        """
        queue = TimerQueue(self.clock)
        layer = TransactionLayer(
            self.clock,
            self.transport,
            self.receiver,
            identifiers(),
            timers=TimerValues(t1=0.1),
            queue=queue,
        )
        layer.request(request(), BOB, self.user)
        self.assertEqual(queue.pending, 1)
        runFor(self.clock, 6.41)
        self.assertEqual(self.user.told, ["timed out", "terminated"])


class SendingTests(LayerTestCase):
    """
    Requests that leave (RFC 3261 sections 8.1.1.7 and 18.1.1).
    """

    def test_via(self) -> None:
        """
        Our Via is put on top, with the flow's address, a new branch and rport.
        """
        for _ in range(2):
            self.layer.request(
                request(via=b"SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKold"), BOB, self.user
            )
        one, two = self.flow.sent
        self.assertEqual([via.host for via in one.vias], [b"192.0.2.1", b"192.0.2.9"])
        self.assertEqual(
            one.headers.first(b"Via"),
            b"SIP/2.0/UDP 192.0.2.1:5060;branch=%b;rport" % one.branch,
        )
        self.assertTrue(one.branch.startswith(b"z9hG4bK"))
        self.assertNotEqual(one.branch, two.branch)

    def test_viaNamesThePair(self) -> None:
        """
        A name may stand in the Via instead of the flow's address.
        """
        self.layer.request(
            request(), BOB, self.user, sentBy=b"node1.example.com", branchSuffix=b"-x"
        )
        [sent] = self.flow.sent
        self.assertEqual(sent.via.sentBy, b"node1.example.com")
        self.assertTrue(sent.branch.endswith(b"-x"))
        self.arrive(response(parseMessage(sent.render()), 180))  # type: ignore[arg-type]
        self.assertEqual(self.user.told, [180])

    def test_givenFlow(self) -> None:
        """
        A request can be sent on a given flow, large or not.
        """
        flow = RecordingFlow("UDP", ("198.51.100.7", 1024))
        self.layer.request(request(body=bytes(2000)), BOB, self.user, flow)
        self.assertEqual(len(flow.data), 1)
        self.assertEqual(self.flow.data, [])

    def test_closedFlow(self) -> None:
        """
        When the given flow is closed the user is told, after the call.
        """
        self.flow.closed = True
        transaction = self.layer.request(request(), BOB, self.user, self.flow)
        self.assertEqual(self.user.told, [])
        self.assertTrue(transaction.flow.closed)
        self.assertEqual(transaction.request.method, b"INVITE")
        transaction.flow.send(b"dropped")
        self.clock.advance(0)
        self.assertEqual(self.user.told, ["transport failed", "terminated"])
        self.assertEqual(self.user.why, "the flow is closed")
        self.assertCounts(inviteClient=0, waiting=0, timers=0)

    def test_noFlow(self) -> None:
        """
        When there is no flow the user is told, after the call; it may give up
        before.
        """
        self.transport.refused.add(("UDP", "192.0.2.2", 5060))
        self.layer.request(request(b"OPTIONS"), BOB, self.user)
        self.assertEqual(self.user.told, [])
        self.clock.advance(0)
        self.assertEqual(self.user.told, ["transport failed", "terminated"])
        self.assertEqual(self.user.why, "no way to 192.0.2.2")
        for method in (b"INVITE", b"OPTIONS"):
            user = RecordingUser()
            transaction = self.layer.request(request(method), BOB, user)
            transaction.cancel()
            transaction.abandon()
            self.assertEqual(user.told, ["terminated"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_largeRequest(self) -> None:
        """
        A request too large for UDP goes over TCP to the same address, and its
        Via says so; a large one for TCP goes there anyway.
        """
        invite = request(body=bytes(1200))
        transaction = self.layer.request(invite, BOB, self.user)
        stream = self.transport.flow("TCP")
        self.assertIs(transaction.flow, stream)
        self.assertEqual(stream.sent[0].via.transport, b"TCP")
        self.assertEqual(self.flow.data, [])
        self.arrive(response(transaction.request, 180))
        self.assertEqual(self.user.told, [180])
        # A flow that fails after a response is not tried elsewhere.
        self.layer.flowFailed(stream, "lost")
        self.assertEqual(self.user.told, [180, "transport failed", "terminated"])
        self.layer.request(invite, Target("TCP", "192.0.2.2", 5060), self.user)
        self.assertEqual(len(stream.data), 2)

    def test_sizeIsThatWithVia(self) -> None:
        """
        It is the size with our Via that counts, to the byte.
        """
        invite = request(body=bytes(700))
        self.layer.request(invite, BOB, self.user)
        room = 1300 - len(self.flow.data[0])
        self.layer.request(request(body=bytes(700 + room)), BOB, self.user)
        self.assertEqual(len(self.flow.data[1]), 1300)
        self.layer.request(request(body=bytes(701 + room)), BOB, self.user)
        self.assertEqual(len(self.flow.data), 2)

    def test_noTCP(self) -> None:
        """
        Where there is no TCP a large request goes over UDP.
        """
        self.transport.hasTCP = False
        self.layer.request(request(body=bytes(2000)), BOB, self.user)
        self.assertEqual(len(self.flow.data), 1)

    def test_refusedTCP(self) -> None:
        """
        When the TCP connection that only the size asked for is refused, the
        same transaction goes on over UDP, retransmissions included.
        """
        for method in (b"INVITE", b"MESSAGE"):
            user = RecordingUser()
            asked = request(method, body=bytes(1200))
            transaction = self.layer.request(asked, BOB, user)
            stream = self.transport.flow("TCP")
            branch = stream.sent[-1].branch
            stream.closed = True
            self.layer.flowFailed(stream, "refused")
            runFor(self.clock, 0.5)
            self.assertEqual(len(self.flow.data), 2)
            sent = self.flow.sent[0]
            self.assertEqual(sent.via.transport, b"UDP")
            self.assertEqual(sent.branch, branch)
            self.assertIs(transaction.flow, self.flow)
            self.arrive(response(transaction.request, 200))
            self.assertEqual(user.told, [200])
            runFor(self.clock, 32.0)
            self.assertEqual(user.told, [200, "terminated"])
            self.flow.data.clear()
        self.assertCounts(rerouted=2, waiting=0, lingering=0, timers=0)

    def test_reroutedToNowhere(self) -> None:
        """
        When UDP fails as well the user is told.
        """
        for late in (True, False):
            user = RecordingUser()
            self.layer.request(request(body=bytes(1200)), BOB, user)
            stream = self.transport.flow("TCP")
            if not late:
                self.transport.refused.add(("UDP", "192.0.2.2", 5060))
            self.layer.flowFailed(stream, "refused")
            if late:
                self.layer.flowFailed(self.flow, "unreachable")
            self.assertEqual(user.told, ["transport failed", "terminated"])
        self.assertCounts(inviteClient=0, waiting=0, timers=0)

    def test_reroutedToAStream(self) -> None:
        """
        When the transport layer gives another stream, nothing is retransmitted.
        """
        for method in (b"INVITE", b"MESSAGE"):
            transaction = self.layer.request(
                request(method, body=bytes(1200)), BOB, self.user
            )
            failing = transaction.flow
            other = RecordingFlow("TCP", ("192.0.2.2", 5060))
            patched = self.patch(
                self.transport, "flowTo", lambda *_, other=other: other
            )
            self.layer.flowFailed(failing, "refused")
            runFor(self.clock, 5.0)
            self.assertEqual(other.told, [method])
            transaction.abandon()
            patched.restore()

    def test_ackOfSuccess(self) -> None:
        """
        The ACK of a 2xx gets a Via and a branch of its own, and no transaction.
        """
        flow = RecordingFlow("TCP", ("198.51.100.7", 1024))
        self.layer.sendAck(request(b"ACK"), BOB)
        self.layer.sendAck(request(b"ACK"), BOB, flow, sentBy=b"node1.example.com")
        flow.closed = True
        self.layer.sendAck(request(b"ACK"), BOB, flow)
        self.assertEqual((self.flow.told, flow.told), ([b"ACK"] * 2, [b"ACK"]))
        self.assertEqual(flow.sent[0].via.sentBy, b"node1.example.com")
        self.assertNotEqual(self.flow.sent[0].branch, self.flow.sent[1].branch)
        self.transport.refused.add(("UDP", "192.0.2.2", 5060))
        self.layer.sendAck(request(b"ACK"), BOB)
        self.assertCounts(inviteClient=0, noninviteClient=0, timers=0)

    def test_usersFaults(self) -> None:
        """
        A user that raises is logged, and the transaction takes its course.
        """

        class Clumsy(RecordingUser):
            def __getattribute__(self, name: str) -> object:
                if name.startswith(("response", "transport", "transaction")):
                    raise ZeroDivisionError(name)
                return super().__getattribute__(name)

        for ending in ("answer", "time-out", "failure"):
            transaction = self.layer.request(request(), BOB, Clumsy())
            if ending == "answer":
                self.arrive(response(transaction.request, 200))
            elif ending == "failure":
                self.layer.flowFailed(self.flow, "unreachable")
            runFor(self.clock, 32.0)
            self.assertTrue(transaction.terminated)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 6)


class ResponseMatchingTests(LayerTestCase):
    """
    RFC 3261 sections 17.1.3 and 18.1.2.
    """

    def test_branchAndMethod(self) -> None:
        """
        Branch and CSeq method together tell the transaction.
        """
        invite = self.layer.request(request(), BOB, self.user)
        other = RecordingUser()
        options = self.layer.request(request(b"OPTIONS"), BOB, other)
        self.arrive(response(options.request, 200))
        self.arrive(response(invite.request, 180))
        self.assertEqual((self.user.told, other.told), ([180], [200]))
        strange = request(b"BYE", via=invite.request.headers.values(b"Via")[0])
        self.arrive(response(strange, 200))
        self.assertEqual(self.user.told, [180])
        self.assertEqual([r.status for r in self.receiver.strays], [200])
        self.assertCounts(stray=1)

    def test_viaComesBackChanged(self) -> None:
        """
        The Via may come back with received and rport, in other order or
        spelling, alone or with others in a line.
        """
        transaction = self.layer.request(
            request(via=b"SIP/2.0/UDP pc33;branch=z9hG4bKa"), BOB, self.user
        )
        branch = transaction.request.branch
        for via in (
            b"SIP/2.0/UDP 192.0.2.1:5060;branch=%b;rport=5060;received=192.0.2.1",
            b"SIP/2.0/UDP 192.0.2.1:5060;branch=%b",
            b"SIP/2.0/UDP 192.0.2.1:5060;rport=5060;branch=%b",
            b"SIP / 2.0 / UDP 192.0.2.1 : 5060 ; branch=%b",
            b"SIP/2.0/UDP 192.0.2.1;branch=%b",
            b"SIP/2.0/UDP 192.0.2.1:5060;BRANCH=%b, SIP/2.0/UDP pc33;branch=z9hG4bKa",
            b"SIP/2.0/UDP 192.0.2.1:5060;branch=%b, SIP/2.0/UDP pc33;branch=z9hG4bKa",
        ):
            self.arrive(response(request(via=via % branch), 180))
            self.assertEqual(self.user.told, [180], via)
            self.user.told.clear()

    def test_foreignVia(self) -> None:
        """
        A response whose top Via has our branch but another's address is
        dropped.
        """
        transaction = self.layer.request(request(), BOB, self.user)
        via = b"SIP/2.0/UDP 198.51.100.7:5060;branch=" + transaction.request.branch
        self.arrive(response(request(via=via), 200))
        self.assertEqual(self.user.told, [])
        self.assertCounts(foreign=1, stray=0)

    def test_malformed(self) -> None:
        """
        A response that cannot be told apart is counted and dropped.
        """
        for broken in (
            b"SIP/2.0 200 OK\r\n\r\n",
            b"SIP/2.0 200 OK\r\nVia: nonsense\r\nCSeq: 1 INVITE\r\n\r\n",
            b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1\r\nCSeq: x\r\n\r\n",
        ):
            self.arrive(parseMessage(broken))
        self.assertCounts(malformed=3, stray=0)
        self.assertEqual(self.receiver.strays, [])

    def test_stop(self) -> None:
        """
        A layer that is stopped has no transactions and no timers; their users
        are told the end and nothing else, and nothing more is sent.
        """
        self.layer.request(request(), BOB, self.user)
        user = RecordingServerUser()
        for arrived in (
            arriving(),
            arriving(b"OPTIONS", branch=b"2"),
            arriving(branch=b"3", cookie=b""),
        ):
            self.arrive(arrived)
            self.receiver.transactions[-1].user = user
        self.receiver.transactions[2].respond(response(arriving(), 486))
        self.flow.data.clear()
        self.layer.stop()
        self.assertEqual(self.user.told, ["terminated"])
        self.assertEqual(user.told, ["terminated"] * 3)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        runFor(self.clock, 64)
        self.assertEqual(self.flow.told, [])

    def test_unusable(self) -> None:
        """
        A response to a request of ours that its TU could not read is counted
        and dropped, and a good one that comes later is taken.
        """
        transaction = self.layer.request(request(), BOB, self.user)
        good = response(transaction.request, 486)
        for headers in (
            good.headers.replace(b"To", b'"Bob <sip:bob@biloxi.example.com>;tag=1'),
            good.headers.replace(b"To", b"<sip:bob@example.com>;tag=1", b"<sip:x@y>"),
            good.headers.replace(b"From", b"Alice"),
            good.headers.remove(b"Call-ID"),
            good.headers.append(b"Via", b"SIP/2.0/UDP"),
        ):
            self.arrive(good.replacing(headers=headers))
        self.assertEqual(self.user.told, [])
        self.assertCounts(malformed=5, stray=0)
        self.arrive(good)
        self.assertEqual(self.user.told, [486])


class FlowFailureTests(LayerTestCase):
    """
    What a broken flow ends.
    """

    def test_onlyThatFlow(self) -> None:
        """
        Whatever waits on that flow fails at once, and nothing else; UDP flows to
        one remote address are as good as one.
        """
        users = {name: RecordingUser() for name in ("udp", "udp2", "tcp", "other")}
        again = RecordingFlow("UDP", self.flow.remote)
        self.layer.request(request(), BOB, users["udp"])
        self.layer.request(request(b"OPTIONS"), BOB, users["udp2"], again)
        self.layer.request(request(), Target("TCP", *self.flow.remote), users["tcp"])
        self.layer.request(request(), Target("UDP", "192.0.2.3", 5060), users["other"])
        self.layer.flowFailed(self.flow, "port unreachable")
        told = {name: user.told for name, user in users.items()}
        failed = ["transport failed", "terminated"]
        self.assertEqual(told, {"udp": failed, "udp2": failed, "tcp": [], "other": []})
        self.assertEqual(users["udp"].why, "port unreachable")
        self.layer.flowFailed(RecordingFlow("TCP", self.flow.remote), "another one")
        self.assertEqual(users["tcp"].told, [])
        self.layer.flowFailed(self.transport.flow("TCP"), "reset")
        self.assertEqual(users["tcp"].told, failed)
        self.layer.flowFailed(self.transport.flow("TLS"), "nobody is there")

    def test_userEndsOthers(self) -> None:
        """
        A user that is told may end what was to be told next.
        """

        class Resolute(RecordingUser):
            def transportFailed(self, why: str) -> None:
                super().transportFailed(why)
                for transaction in transactions:
                    transaction.abandon()

        users = [Resolute(), Resolute()]
        transactions = [self.layer.request(request(), BOB, user) for user in users]
        self.layer.flowFailed(self.flow, "port unreachable")
        told = sorted(len(user.told) for user in users)
        self.assertEqual(told, [1, 2])
        self.assertCounts(inviteClient=0, waiting=0, timers=0)

    def test_cancelFailsToo(self) -> None:
        """
        With the INVITE its CANCEL ends.
        """
        transaction = self.layer.request(request(), BOB, self.user)
        self.arrive(response(transaction.request, 180))
        transaction.cancel()
        self.layer.flowFailed(self.flow, "port unreachable")
        self.assertCounts(inviteClient=0, noninviteClient=0, waiting=0, timers=0)


class RequestMatchingTests(LayerTestCase):
    """
    RFC 3261 section 17.2.3.
    """

    def assertBegun(self, *methods: bytes) -> None:
        begun = [each.request.method for each in self.receiver.transactions]
        self.assertEqual(begun, list(methods))

    def test_branchSentByMethod(self) -> None:
        """
        Branch, sent-by and method together tell the transaction; the spelling of
        the host does not matter, nor do the Via's other parameters.
        """
        self.arrive(arriving(sentBy=b"pc33.example.com"))
        self.arrive(arriving(sentBy=b"PC33.example.com"))
        self.arrive(viaReceived(arriving(sentBy=b"pc33.example.com"), "192.0.2.7", 99))
        self.assertBegun(b"INVITE")
        self.arrive(arriving(sentBy=b"pc34.example.com"))
        self.arrive(arriving(sentBy=b"pc33.example.com:5061"))
        self.arrive(arriving(b"OPTIONS", sentBy=b"pc33.example.com"))
        self.arrive(arriving(sentBy=b"pc33.example.com", branch=b"74bfA"))
        self.assertBegun(b"INVITE", b"INVITE", b"INVITE", b"OPTIONS", b"INVITE")

    def test_bareCookie(self) -> None:
        """
        A branch that is the magic cookie alone is not unique: two requests with
        it are two, unless they are the same otherwise.
        """
        data = (TORTURE / "badbranch.dat").read_bytes()
        self.arrive(parseMessage(data))
        self.arrive(parseMessage(data))
        self.assertBegun(b"OPTIONS")
        self.arrive(parseMessage(data.replace(b"badbranch.", b"otherbranch.")))
        self.assertBegun(b"OPTIONS", b"OPTIONS")

    def test_oldInvite(self) -> None:
        """
        An RFC 2543 INVITE is found by its retransmission, its CANCEL, and by its
        ACK, which has the To tag of the response.
        """
        old = {"cookie": b"", "branch": b"1"}
        user = RecordingServerUser()
        self.arrive(arriving(**old))
        self.arrive(arriving(**old))
        [transaction] = self.receiver.transactions
        transaction.user = user
        self.arrive(arriving(b"CANCEL", **old))
        self.assertEqual(user.told, ["CANCEL"])
        transaction.respond(response(transaction.request, 487))
        self.arrive(arriving(b"ACK", toTag=b"another", **old))
        self.assertEqual(len(self.receiver.acks), 1)
        self.arrive(arriving(b"ACK", toTag=b"8321234356", **old))
        self.assertEqual(user.told, ["CANCEL", "ACK"])
        self.assertEqual(transaction.state, "Confirmed")
        runFor(self.clock, 5.0)
        self.assertCounts(inviteServer=0, lingering=0, timers=0)
        self.assertEqual(len(self.layer._servers.table), 0)

    def test_oldRequestsDiffer(self) -> None:
        """
        For RFC 2543 peers a request is another one when its Request-URI, a tag,
        Call-ID, CSeq or top Via is.
        """
        old = {"cookie": b"", "branch": b"1"}
        self.arrive(arriving(**old))
        for difference in (
            {"uri": b"sip:carol@example.com"},
            {"toTag": b"x"},
            {"fromTag": b"x"},
            {"callID": b"x"},
            {"number": 2},
            {"branch": b"2"},
        ):
            self.arrive(arriving(**(old | difference)))
        self.assertEqual(len(self.receiver.transactions), 7)

    def test_ackOfSuccess(self) -> None:
        """
        An ACK that belongs to no transaction is passed on, with its flow.
        """
        self.arrive(arriving())
        self.receiver.transactions[0].respond(
            response(self.receiver.transactions[0].request, 200)
        )
        self.arrive(arriving(b"ACK", branch=b"own", toTag=b"8321234356"))
        self.assertEqual([ack.method for ack in self.receiver.acks], [b"ACK"])

    def test_unknownCancel(self) -> None:
        """
        A CANCEL for nothing is answered 481, the same way each time, and not
        seen above.
        """
        self.arrive(arriving(b"OPTIONS"))
        for _ in range(2):
            self.arrive(arriving(b"CANCEL"))
        self.assertEqual(self.flow.told, [481, 481])
        self.assertEqual(len(set(self.flow.data)), 1)
        self.assertTrue(self.flow.sent[0].toTag)
        self.assertBegun(b"OPTIONS")

    def test_noWayForCancel(self) -> None:
        """
        When a CANCEL cannot be answered it still has its effect.
        """
        user = RecordingServerUser()
        self.arrive(arriving())
        self.receiver.transactions[0].user = user
        self.flow.closed = True
        self.transport.refused.add(("UDP", "192.0.2.2", 5060))
        self.arrive(arriving(b"CANCEL"))
        self.assertEqual(user.told, ["CANCEL"])

    def test_malformed(self) -> None:
        """
        A request that cannot be told apart is answered 400 where a response can
        be made, and dropped where not; an ACK is never answered.
        """
        top = b"Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1\r\n"
        rest = b"Call-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n"
        people = b"From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\n"
        for method, fields, told in (
            (b"INVITE", people + rest, []),
            (b"INVITE", b"Via: nonsense\r\n" + people + rest, []),
            (b"INVITE", b"Via: SIP/2.0/UDP 192.0.2.2\r\n" + rest, [400]),
            (b"INVITE", top + b'To: "tag\r\n' + rest, [400]),
            (b"CANCEL", b"Via: SIP/2.0/UDP 192.0.2.2\r\n" + people + b"\r\n", [400]),
            (b"ACK", b"Via: SIP/2.0/UDP 192.0.2.2\r\n" + people + b"\r\n", []),
        ):
            self.flow.data.clear()
            message = parseMessage(method + b" sip:b@example.com SIP/2.0\r\n" + fields)
            self.arrive(message)
            self.assertEqual(self.flow.told, told, fields)
        self.assertEqual(self.layer.counters["malformed"], 6)
        self.assertBegun()

    def test_receiversFaults(self) -> None:
        """
        A receiver that raises is logged; its request is answered 500 unless it
        was answered.
        """

        def fail(transaction: ServerTransaction) -> None:
            if transaction.request.method == b"OPTIONS":
                transaction.respond(response(transaction.request, 200))
            raise ZeroDivisionError

        self.patch(self.receiver, "requestReceived", fail)
        self.arrive(arriving())
        self.arrive(arriving(b"OPTIONS"))
        self.assertEqual(self.flow.told, [500, 200])

        def failToo(*_: object) -> None:
            raise ZeroDivisionError

        self.patch(self.receiver, "ackReceived", failToo)
        self.arrive(arriving(b"ACK", branch=b"own"))
        self.patch(self.receiver, "strayResponse", failToo)
        self.arrive(response(arriving(), 200))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 4)

    def test_receiverRefuses(self) -> None:
        """
        A receiver may raise L{MalformedMessage}: the request is answered with
        its status.
        """

        def refuse(transaction: ServerTransaction) -> None:
            raise MalformedMessage("unknown scheme", status=416)

        self.patch(self.receiver, "requestReceived", refuse)
        self.arrive(arriving())
        self.assertEqual(self.flow.told, [416])
        self.assertTrue(self.flow.sent[0].toTag)
        self.assertCounts(malformed=1)

    @given(st.binary(max_size=200))
    def test_garbage(self, junk: bytes) -> None:
        """
        Whatever is in a header, nothing is raised and nothing is left behind.
        """
        junk = junk.replace(b"\n", b"").replace(b"\r", b"")
        good = arriving(b"OPTIONS").render()
        for name in (b"Via", b"From", b"To", b"Call-ID", b"CSeq"):
            lines = [
                name + b": " + junk if line.startswith(name) else line
                for line in good.split(b"\r\n")
            ]
            try:
                message = parseMessage(b"\r\n".join(lines))
            except MalformedMessage:
                continue
            self.receiver.transactions.clear()
            self.arrive(message)
            for transaction in self.receiver.transactions:
                transaction.respond(Response(200, b"OK", Headers.of()))
        runFor(self.clock, 32.0)
        self.assertCounts(noninviteServer=0, waiting=0, lingering=0, timers=0)
        self.assertEqual(self.flushLoggedErrors(), [])


class MergedTests(LayerTestCase):
    """
    RFC 3261 section 8.2.2.2, as a user agent wants it.
    """

    rejectMerged = True

    def test_secondWay(self) -> None:
        """
        The same request on another way is answered 482, as long as the first
        one is remembered; its ACK ends there.
        """
        self.arrive(arriving(branch=b"1"))
        self.arrive(arriving(branch=b"2"))
        self.arrive(arriving(branch=b"2"))
        self.assertEqual(self.flow.told, [482, 482])
        self.arrive(arriving(b"ACK", branch=b"2", toTag=self.flow.sent[0].toTag))
        self.assertEqual(len(self.receiver.transactions), 1)
        self.assertCounts(merged=1, inviteServer=2)
        [first] = self.receiver.transactions
        first.respond(response(first.request, 200))
        runFor(self.clock, 40.0)
        self.arrive(arriving(branch=b"3"))
        self.assertEqual(len(self.receiver.transactions), 2)

    def test_othersAreNot(self) -> None:
        """
        Another CSeq, and a request within a dialog, are no merged requests.
        """
        self.arrive(arriving(branch=b"1"))
        self.arrive(arriving(branch=b"2", number=2))
        self.arrive(arriving(branch=b"3", toTag=b"x"))
        self.arrive(arriving(branch=b"4", toTag=b"x"))
        self.assertEqual(len(self.receiver.transactions), 4)
        self.assertCounts(merged=0)


class ProxyTests(LayerTestCase):
    """
    A proxy lets a request come on several ways.
    """

    def test_secondWay(self) -> None:
        """
        Each way is a transaction of its own.
        """
        self.arrive(arriving(branch=b"1"))
        self.arrive(arriving(branch=b"2"))
        self.assertEqual(len(self.receiver.transactions), 2)


class LimitTests(LayerTestCase):
    """
    Bounds on the number of transactions.
    """

    limit = 8

    def test_refusesNewRequests(self) -> None:
        """
        Above the limit new requests are answered 503, and with a quarter more
        those within a dialog and BYE too; ACK and CANCEL are served.
        """
        for number in range(8):
            self.arrive(arriving(branch=b"%d" % number))
        self.arrive(arriving(branch=b"new"))
        self.assertEqual(self.flow.told, [503])
        self.assertEqual(self.flow.sent[0].headers.first(b"Retry-After"), b"5")
        self.arrive(arriving(branch=b"inside", toTag=b"x"))
        self.arrive(arriving(b"BYE", branch=b"bye", toTag=b""))
        self.assertEqual(len(self.receiver.transactions), 10)
        self.arrive(arriving(b"BYE", branch=b"more", toTag=b"x"))
        self.arrive(arriving(b"CANCEL", branch=b"1"))
        self.assertEqual(self.flow.told, [503, 503, 200])
        self.assertTrue(self.receiver.transactions[1].cancelled)
        self.arrive(arriving(b"ACK", branch=b"own", toTag=b"x"))
        self.assertEqual(len(self.receiver.acks), 1)
        self.assertCounts(overload=2, waiting=10)

    def test_ackOfRefusal(self) -> None:
        """
        The ACK of a 503 that no transaction remembers is not passed on.
        """
        for number in range(9):
            self.arrive(arriving(branch=b"%d" % number))
        self.arrive(arriving(b"ACK", branch=b"8", toTag=self.flow.sent[-1].toTag))
        self.assertEqual(self.receiver.acks, [])

    def test_answeredOnesMakeRoom(self) -> None:
        """
        A transaction that was answered no longer counts.
        """
        for number in range(8):
            self.arrive(arriving(branch=b"%d" % number))
        first = self.receiver.transactions[0]
        first.respond(response(first.request, 200))
        self.arrive(arriving(branch=b"new"))
        self.assertEqual(len(self.receiver.transactions), 9)
        self.assertCounts(waiting=8, lingering=1)

    def test_ownRequests(self) -> None:
        """
        Our own requests are not sent above twice the limit, and their users are
        told.
        """
        users = [RecordingUser() for _ in range(17)]
        for user in users:
            self.layer.request(request(), BOB, user)
        self.clock.advance(0)
        self.assertEqual(users[15].told, [])
        self.assertEqual(users[16].told, ["transport failed", "terminated"])
        self.assertCounts(overload=1)

    def test_lingering(self) -> None:
        """
        Those that were answered linger up to a bound; beyond it they end when
        they are answered, and what was agreed stays so.
        """
        for number in range(2 * LINGERING * self.limit):
            for method, status in (
                (b"INVITE", 200),
                (b"INVITE", 486),
                (b"OPTIONS", 200),
            ):
                self.arrive(arriving(method, branch=b"%d.%d" % (number, status)))
                transaction = self.receiver.transactions[-1]
                transaction.respond(response(transaction.request, status))
                self.assertEqual(self.flow.told[-1], status)
                self.flow.data.clear()
                user = RecordingUser()
                client = self.layer.request(request(method), BOB, user)
                self.arrive(response(client.request, status))
                self.assertEqual(user.told[0], status)
        counts = self.layer.status()
        self.assertEqual(counts["lingering"], LINGERING * self.limit)
        self.assertEqual(counts["waiting"], 0)
        runFor(self.clock, 40.0)
        self.assertCounts(lingering=0, inviteServer=0, inviteClient=0, timers=0)


class MemoryTests(LayerTestCase):
    """
    Finished transactions are freed at once, without the garbage collector.
    """

    def setUp(self) -> None:
        super().setUp()
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)

    def assertFreed(self, make: Callable[[], list[object]]) -> None:
        """
        What is made is gone when nobody outside holds it, without a collection.
        """
        things = make()
        gone = [weakref.ref(thing) for thing in things]
        del things
        self.receiver.transactions.clear()
        self.receiver.acks.clear()
        runFor(self.clock, 64.0)
        self.assertEqual([ref() for ref in gone], [None] * len(gone))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_clients(self) -> None:
        """
        Client transactions, their machines and their users, however they end.
        """
        for method in (b"INVITE", b"OPTIONS"):
            for statuses in ([], [180], [180, 200], [486], [100, 200, 200]):
                for fails in (True, False):

                    def make(
                        method: bytes = method,
                        statuses: list[int] = statuses,
                        fails: bool = fails,
                    ) -> list[object]:
                        user = RecordingUser()
                        transaction = self.layer.request(request(method), BOB, user)
                        things = [user, transaction, transaction.machine]
                        for status in statuses:
                            self.arrive(response(transaction.request, status))
                        transaction.cancel()
                        if fails:
                            self.layer.flowFailed(self.flow, "gone")
                        return things

                    self.assertFreed(make)

    def test_servers(self) -> None:
        """
        Server transactions, their machines and their users, however they end.
        """
        for method in (b"INVITE", b"OPTIONS"):
            for statuses in ([180, 200], [486], [100, 200, 200]):
                for acknowledged in (True, False):

                    def make(
                        method: bytes = method,
                        statuses: list[int] = statuses,
                        acknowledged: bool = acknowledged,
                    ) -> list[object]:
                        self.arrive(arriving(method))
                        transaction = self.receiver.transactions.pop()
                        user = transaction.user = RecordingServerUser()
                        things = [user, transaction, transaction.machine]
                        self.arrive(arriving(b"CANCEL"))
                        for status in statuses:
                            transaction.respond(response(transaction.request, status))
                        if acknowledged:
                            self.arrive(arriving(b"ACK", toTag=b"8321234356"))
                        return things

                    self.assertFreed(make)


del LayerTestCase
