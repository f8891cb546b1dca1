"""
L{sipcluster.servicecheck.device_asker}.
"""

from __future__ import annotations

from collections.abc import Collection

from attrs import define, field
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipcluster.servicecheck.device_asker import DEAD, DeviceAsker, Way
from sipcluster.servicecheck.iservicecheck import (
    IAnswerTaker,
    IAsker,
    IQuestion,
    Member,
    PeerRole,
)
from sipcluster.sip.headers import Headers
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import Target
from sipcluster.sip.message import Request, makeResponse
from sipcluster.sip.transactions import TransactionLayer
from sipcluster.testing.clock import runFor
from sipcluster.testing.records import FakeTransportLayer, RecordingReceiver

WAYS = [
    Way(f"proxy{n}", Target("UDP", f"192.0.2.1{n}", 5060), b"sip:192.0.2.1%d;lr" % n)
    for n in (1, 2)
]
PHONE = Member("1001", Target("UDP", "", 0), "1001", b"sip:1001@lab.example")


@implementer(IAnswerTaker)
@define
class Taker:
    """
    Notes the answer.
    """

    told: list[object] = field(factory=list)
    roles: list[PeerRole] = field(factory=list)

    def alive(self, role: PeerRole) -> None:
        """
        See L{IAnswerTaker}.
        """
        self.told.append("alive")
        self.roles.append(role)

    def dead(self, why: str) -> None:
        """
        See L{IAnswerTaker}.
        """
        self.told.append(why)


class DeviceAskerTests(SynchronousTestCase):
    """
    A device is asked through one SIP Proxy, and if need be through another.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.transport = FakeTransportLayer(self.clock)
        numbers = iter(range(1, 10**6))
        identifiers = Identifiers(lambda size: next(numbers).to_bytes(size, "big"))
        self.layer = TransactionLayer(
            self.clock, self.transport, RecordingReceiver(), identifiers
        )
        self.ways = list(WAYS)
        self.asker = DeviceAsker(
            self.clock, self.layer, identifiers, b"sip:node1.lab.example", self.way
        )
        self.taker = Taker()
        self.addCleanup(self.assertQuiet)

    def way(self, besides: Collection[str]) -> Way | None:
        """
        The first SIP Proxy that was not used.
        """
        return next((way for way in self.ways if way.name not in besides), None)

    def assertQuiet(self) -> None:
        """
        Nothing is left.
        """
        runFor(self.clock, 40)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.layer.status()["noninviteClient"], 0)

    def ask(self) -> IQuestion:
        """
        Ask the telephone.
        """
        question = self.asker.ask(PHONE, 4.0, self.taker)
        verifyObject(IQuestion, question)
        return question

    def sent(self, proxy: int) -> list[Request]:
        """
        What went to a SIP Proxy, repetitions left out.
        """
        flow = self.transport.flow("UDP", f"192.0.2.1{proxy}", 5060)
        found: dict[bytes, Request] = {}
        for message in flow.sent:
            assert isinstance(message, Request)
            found.setdefault(message.branch, message)
        return list(found.values())

    def answer(self, proxy: int, status: int) -> None:
        """
        Let a response come.
        """
        flow = self.transport.flow("UDP", f"192.0.2.1{proxy}", 5060)
        response = makeResponse(self.sent(proxy)[-1], status)
        self.layer.messageReceived(response, flow)

    def test_role(self) -> None:
        """
        What says of itself which process it is, is told of as that.
        """
        self.ask()
        flow = self.transport.flow("UDP", "192.0.2.11", 5060)
        said = Headers.of((b"X-SIPCluster-Role", b"primary;epoch=7"))
        response = makeResponse(self.sent(1)[-1], 200, headers=said)
        self.layer.messageReceived(response, flow)
        self.assertEqual(self.taker.roles, [PeerRole(True, 7)])

    def test_question(self) -> None:
        """
        An OPTIONS to the device, with a Route through the SIP Proxy.
        """
        verifyObject(IAsker, self.asker)
        self.ask()
        (request,) = self.sent(1)
        self.assertEqual(request.method, b"OPTIONS")
        self.assertEqual(request.uri, PHONE.uri)
        self.assertEqual(request.headers.first(b"Route"), b"<sip:192.0.2.11;lr>")
        self.assertEqual(request.headers.first(b"Accept"), b"application/sdp")
        self.answer(1, 100)
        self.answer(1, 200)
        self.assertEqual(self.taker.told, ["alive"])

    def test_signsOfLife(self) -> None:
        """
        A telephone that is busy, or does not know OPTIONS, lives; where a SIP
        Proxy speaks for one that it cannot reach, it does not.
        """
        for status in (200, 404, 405, 486, 501, 600, *sorted(DEAD)):
            self.ask()
            self.answer(1, status)
            wanted = f"answers {status}" if status in DEAD else "alive"
            self.assertEqual(self.taker.told.pop(), wanted)
            self.assertEqual(self.taker.told, [])

    def test_silence(self) -> None:
        """
        After half of the time another SIP Proxy is asked as well; after all of it
        the device is dead.
        """
        self.ask()
        runFor(self.clock, 1.9)
        self.assertEqual(self.sent(2), [])
        runFor(self.clock, 0.2)
        self.assertEqual(len(self.sent(2)), 1)
        self.assertEqual(self.taker.told, [])
        runFor(self.clock, 2.0)
        self.assertEqual(self.taker.told, ["no answer in 4 s"])
        self.answer(2, 200)
        self.assertEqual(len(self.taker.told), 1)

    def test_theOtherAnswers(self) -> None:
        """
        An answer through either is an answer.
        """
        for proxy in (1, 2):
            self.taker.told.clear()
            self.ask()
            runFor(self.clock, 2.1)
            self.answer(proxy, 200)
            self.assertEqual(self.taker.told, ["alive"])
            runFor(self.clock, 40)

    def test_refused(self) -> None:
        """
        A SIP Proxy that cannot be asked is passed over at once; when none can
        be, the device counts as dead.
        """
        self.ask()
        flow = self.transport.flow("UDP", "192.0.2.11", 5060)
        self.layer.flowFailed(flow, "connection refused")
        self.assertEqual(len(self.sent(2)), 1)
        flow = self.transport.flow("UDP", "192.0.2.12", 5060)
        self.layer.flowFailed(flow, "connection refused")
        self.assertEqual(self.taker.told, ["connection refused"])

    def test_noProxy(self) -> None:
        """
        Without a SIP Proxy nobody can be asked.
        """
        self.ways.clear()
        self.ask()
        self.assertEqual(self.taker.told, ["no SIP Proxy"])

    def test_abandoned(self) -> None:
        """
        A question that is given up says nothing, whatever comes.
        """
        question = self.ask()
        question.abandon()
        question.abandon()
        self.answer(1, 200)
        runFor(self.clock, 10)
        self.assertEqual(self.taker.told, [])
        self.assertEqual(self.sent(2), [])
