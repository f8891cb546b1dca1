"""
Tests for L{sipcluster.sip.adoption}: what one process has begun another one goes on
with.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.adoption import (
    InviteClientValue,
    InviteServerValue,
    writeClient,
    writeServer,
)
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.isip import Target
from sipcluster.sip.message import Request, Response
from sipcluster.sip.transactions import (
    ClientTransaction,
    ServerTransaction,
    TransactionLayer,
)
from sipcluster.testing.clock import runFor
from sipcluster.testing.records import (
    FakeTransportLayer,
    RecordingReceiver,
    RecordingServerUser,
    RecordingUser,
)
from tests.unit.sip.samples import BOB, arriving, identifiers, request, response

#: What both processes are called.
NAME = b"pair1.example.com"


class Process:
    """
    A transaction layer with its flows.
    """

    def __init__(self, clock: Clock, seed: int) -> None:
        self.transport = FakeTransportLayer(clock)
        self.receiver = RecordingReceiver()
        self.layer = TransactionLayer(
            clock, self.transport, self.receiver, identifiers(seed), rejectMerged=True
        )

    def arrive(self, message: Request | Response, transport: str = "UDP") -> None:
        """
        A message of Bob's comes.
        """
        self.layer.messageReceived(message, self.transport.flow(transport))

    def sent(self, transport: str = "UDP") -> list[bytes | int]:
        """
        Methods and statuses that were sent to Bob since the last time.
        """
        flow = self.transport.flow(transport)
        sent = [
            message.method if isinstance(message, Request) else message.status
            for message in flow.sent
        ]
        flow.data.clear()
        return sent


class AdoptionTestCase(SynchronousTestCase):
    """
    Two processes on one clock.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.first = Process(self.clock, 1)
        self.second = Process(self.clock, 2)

    def assertNothingLeft(self) -> None:
        """
        All transactions of the second process are over.
        """
        runFor(self.clock, 100)
        status = self.second.layer.status()
        for name in ("inviteClient", "inviteServer", "waiting", "lingering", "timers"):
            self.assertEqual(status[name], 0, name)


class ServerTests(AdoptionTestCase):
    """
    An INVITE that was received.
    """

    def move(
        self, status: int = 180, transport: str = "UDP"
    ) -> tuple[ServerTransaction, RecordingServerUser]:
        """
        Receive an INVITE, answer it, and go on elsewhere.
        """
        invite = arriving(transport=transport.encode())
        self.first.arrive(invite, transport)
        (before,) = self.first.receiver.transactions
        if status:
            before.respond(response(before.request, status))
        value = writeServer(before)
        assert value is not None
        transaction = self.second.layer.adoptServer(value)
        transaction.user = user = RecordingServerUser()
        return transaction, user

    def test_answered(self) -> None:
        """
        It gets a final response, whose ACK is taken.
        """
        transaction, user = self.move()
        transaction.respond(response(transaction.request, 486))
        self.assertEqual(self.second.sent(), [486])
        runFor(self.clock, 0.6)
        self.assertEqual(self.second.sent(), [486])
        self.second.arrive(arriving(b"ACK", toTag=b"8321234356"))
        self.assertEqual(user.told, ["ACK"])
        self.assertNothingLeft()

    def test_repeated(self) -> None:
        """
        Its retransmission gets the last response, without anybody noticing.
        """
        transaction, _ = self.move(183)
        self.second.arrive(arriving())
        self.assertEqual(self.second.sent(), [183])
        self.assertEqual(self.second.receiver.transactions, [])
        transaction.respond(response(transaction.request, 200))
        self.assertNothingLeft()

    def test_merged(self) -> None:
        """
        The same request on another way is refused, as by the first process.
        """
        transaction, _ = self.move()
        self.second.arrive(arriving(branch=b"another"))
        self.assertEqual(self.second.sent(), [482])
        transaction.respond(response(transaction.request, 200))
        self.assertNothingLeft()

    def test_cancelled(self) -> None:
        """
        Its CANCEL is answered, with the tag of the last response, and told.
        """
        transaction, user = self.move()
        self.second.arrive(arriving(b"CANCEL"))
        (answer,) = self.second.transport.flow("UDP").sent
        assert isinstance(answer, Response)
        self.assertEqual((answer.status, answer.toTag), (200, b"8321234356"))
        self.assertEqual(user.told, ["CANCEL"])
        transaction.respond(response(transaction.request, 487))
        self.assertNothingLeft()

    def test_stream(self) -> None:
        """
        A connection ends with its process: the answer opens one to where the INVITE
        says.
        """
        transaction, _ = self.move(transport="TCP")
        transaction.respond(response(transaction.request, 486))
        self.assertEqual(self.second.sent("TCP"), [486])
        self.assertNothingLeft()

    def test_unanswered(self) -> None:
        """
        One that nobody has answered yet: 100 when it takes too long.
        """
        transaction, _ = self.move(0)
        transaction.wait()
        runFor(self.clock, 0.3)
        self.assertEqual(self.second.sent(), [100])
        transaction.respond(response(transaction.request, 200))
        self.assertNothingLeft()

    def test_over(self) -> None:
        """
        A refused one is not written down.
        """
        self.first.arrive(arriving())
        (before,) = self.first.receiver.transactions
        before.respond(response(before.request, 486))
        self.assertIs(writeServer(before), None)

    def test_twice(self) -> None:
        """
        One that is here already is not taken over.
        """
        self.first.arrive(arriving())
        (before,) = self.first.receiver.transactions
        value = writeServer(before)
        assert value is not None
        self.assertRaises(ValueError, self.first.layer.adoptServer, value)

    def test_junk(self) -> None:
        """
        What is no INVITE is not taken over.
        """
        for data in (b"", b"junk", request(b"BYE").render()):
            value = InviteServerValue(data, BOB)
            self.assertRaises(MalformedMessage, self.second.layer.adoptServer, value)


class ClientTests(AdoptionTestCase):
    """
    An INVITE that was sent.
    """

    target = BOB

    def send(self, *statuses: int) -> ClientTransaction:
        """
        Send an INVITE, and have it answered.
        """
        sent = self.first.layer.request(
            request(), self.target, RecordingUser(), sentBy=NAME
        )
        for status in statuses:
            self.first.arrive(response(sent.request, status))
        return sent

    def move(
        self, before: ClientTransaction
    ) -> tuple[InviteClientValue, RecordingUser]:
        """
        Go on elsewhere.
        """
        value = writeClient(before)
        assert value is not None
        user = RecordingUser()
        after = self.second.layer.adoptClient(value, user)
        self.assertEqual(after.request.render(), before.request.render())
        self.assertEqual(after.key, before.key)
        return value, user

    def test_calling(self) -> None:
        """
        Without a response it is sent again, under the same branch, for as long as
        a new one: nobody may have heard it before.
        """
        before = self.send()
        runFor(self.clock, 10)
        _, user = self.move(before)
        self.assertEqual(self.second.sent(), [b"INVITE"])
        runFor(self.clock, 1.6)
        self.assertEqual(self.second.sent(), [b"INVITE", b"INVITE"])
        runFor(self.clock, 30.3)
        self.assertEqual(user.told, [])
        runFor(self.clock, 0.3)
        self.assertEqual(user.told, ["timed out", "terminated"])
        self.assertNothingLeft()

    def test_repeated(self) -> None:
        """
        A request that is no INVITE is sent again under its branch, for as long as a new
        one.
        """
        user = RecordingUser()
        before = self.first.layer.request(
            request(b"INFO"), self.target, RecordingUser(), sentBy=NAME
        )
        after = self.second.layer.repeat(before.request, self.target, user)
        self.assertEqual(after.data, before.data)
        self.assertEqual(self.second.sent(), [b"INFO"])
        runFor(self.clock, 31.9)
        self.assertEqual(user.told, [])
        runFor(self.clock, 0.2)
        self.assertEqual(user.told, ["timed out", "terminated"])
        self.assertNothingLeft()

    def test_proceeding(self) -> None:
        """
        With one it is not sent again, and its answers are found by the branch.
        """
        before = self.send(180)
        _, user = self.move(before)
        self.assertEqual(self.second.sent(), [])
        self.second.arrive(response(before.request, 183))
        self.second.arrive(response(before.request, 486))
        self.assertEqual(user.told, [183, 486])
        self.assertEqual(self.second.sent(), [b"ACK"])
        self.assertNothingLeft()

    def test_overtaken(self) -> None:
        """
        A 100 that a 180 has overtaken says nothing new; nor is the INVITE written down
        otherwise after it has gone on elsewhere.
        """
        value = writeClient(self.send(180, 100))
        assert value is not None
        self.assertEqual(value.state, "Proceeding")
        after = self.second.layer.adoptClient(value, RecordingUser())
        self.assertEqual(writeClient(after), value)
        after.cancel([])
        self.second.arrive(response(after.request, 487))

    def test_cancelledEarly(self) -> None:
        """
        One that is cancelled, and was answered by 100 only, is sent again; then so is
        the CANCEL, when there is a response.
        """
        before = self.send(100)
        before.cancel([])
        value = writeClient(before)
        assert value is not None
        self.assertEqual((value.state, value.cancel), ("Calling", ()))
        self.second.sent()
        after = self.second.layer.adoptClient(value, RecordingUser())
        self.assertEqual(self.second.sent(), [b"INVITE"])
        self.second.arrive(response(after.request, 100))
        self.assertEqual(self.second.sent(), [b"CANCEL"])
        self.second.arrive(response(after.request, 487))

    def test_cancel(self) -> None:
        """
        It can be cancelled there.
        """
        before = self.send(180)
        value = writeClient(before)
        assert value is not None
        after = self.second.layer.adoptClient(value, RecordingUser())
        after.cancel([(b"Reason", b"SIP;cause=200")])
        (cancel,) = self.second.transport.flow("UDP").sent
        assert isinstance(cancel, Request)
        self.assertEqual(
            (cancel.method, cancel.branch), (b"CANCEL", before.request.branch)
        )
        self.assertNothingLeft()

    def test_cancelled(self) -> None:
        """
        A CANCEL that was sent is sent again, and waits for what was left.
        """
        before = self.send(180)
        before.cancel([(b"Reason", b"SIP;cause=200")])
        runFor(self.clock, 10)
        value, user = self.move(before)
        self.assertEqual(value.cancel, ((b"Reason", b"SIP;cause=200"),))
        self.assertAlmostEqual(value.left, 22, 2)
        self.assertEqual(self.second.sent(), [b"CANCEL"])
        runFor(self.clock, 22.1)
        self.assertEqual(user.told, ["timed out", "terminated"])
        self.assertNothingLeft()

    def test_cancelledTooSoon(self) -> None:
        """
        A CANCEL that waits for the first response still does.
        """
        before = self.send()
        before.cancel()
        self.move(before)
        self.assertEqual(self.second.sent(), [b"INVITE"])
        self.second.arrive(response(before.request, 180))
        self.assertEqual(self.second.sent(), [b"CANCEL"])
        self.assertNothingLeft()

    def test_accepted(self) -> None:
        """
        Further 2xx come as long as they would have.
        """
        before = self.send(200)
        runFor(self.clock, 30)
        value, user = self.move(before)
        self.assertAlmostEqual(value.left, 2, 2)
        self.second.arrive(response(before.request, 200, toTag=b"fork"))
        self.assertEqual(user.told, [200])
        runFor(self.clock, 2.1)
        self.assertEqual(user.told, [200, "terminated"])
        self.assertNothingLeft()

    def test_stream(self) -> None:
        """
        Over a stream it is sent again as well: what the first process has sent may
        not have arrived.
        """
        self.target = Target("TCP", BOB.host, BOB.port)
        _, user = self.move(self.send())
        self.assertEqual(self.second.sent("TCP"), [b"INVITE"])
        runFor(self.clock, 32.1)
        self.assertEqual(self.second.sent("TCP"), [])
        self.assertEqual(user.told, ["timed out", "terminated"])
        self.assertNothingLeft()

    def test_noWay(self) -> None:
        """
        Where it cannot be sent the user is told.
        """
        self.second.transport.refused.add(("UDP", BOB.host, BOB.port))
        _, user = self.move(self.send())
        self.clock.advance(0)
        self.assertEqual(user.told, ["transport failed", "terminated"])

    def test_notSent(self) -> None:
        """
        One that could not be sent, and whose user was not told yet, is sent.
        """
        key = ("UDP", BOB.host, BOB.port)
        self.first.transport.refused.add(key)
        before = self.first.layer.request(
            request(), self.target, RecordingUser(), sentBy=NAME
        )
        value = writeClient(before)
        assert value is not None
        self.second.layer.adoptClient(value, RecordingUser())
        self.assertEqual(self.second.sent(), [b"INVITE"])
        self.assertNothingLeft()

    def test_over(self) -> None:
        """
        A refused one is not written down.
        """
        self.assertIs(writeClient(self.send(486)), None)

    def test_twice(self) -> None:
        """
        One that is here already is not taken over.
        """
        value = writeClient(self.send(180))
        assert value is not None
        user = RecordingUser()
        self.assertRaises(ValueError, self.first.layer.adoptClient, value, user)
