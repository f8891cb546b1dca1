"""
A client in another language, written from the specification only, against a real
T-Library port.
"""

from __future__ import annotations

import json
import os
import re
import struct
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.internet.utils import getProcessOutputAndValue
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from sipcluster.net.tlib import TLibFactory
from sipcluster.testing.pki import PKI
from sipcluster.tlib.codec import decode, encode
from sipcluster.tlib.enums import CallState, CallType, DNRole, ResumeResult, ServerRole
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventLinkConnected,
    EventRinging,
    EventServerInfo,
    EventUserEvent,
    LinkPoll,
    LinkPollAnswer,
    Message,
    RequestRegisterClient,
)
from sipcluster.tlib.messages.base import Opaque
from sipcluster.tserver.itserver import ISnapshot
from sipcluster.tserver.limits import Limits
from sipcluster.tserver.server import TServer
from sipcluster.wire.correlation import Requester
from sipcluster.wire.frames import FrameReader
from sipcluster.wire.kvlist import KVList
from tests.loopback.javascript import (
    CLIENT,
    NODE,
    Echo,
    ServedTestCase,
    acknowledging,
    reactor,
    skipWithoutNode,
)
from tests.loopback.processes import TOP

VECTORS = TOP / "tests" / "vectors" / "tlibrary"

TABLES = json.loads((TOP / "docs" / "protocols" / "tlibrary.json").read_text())

#: Number of each attribute, as text, and the enumeration of those that have one.
NUMBERS = {one["name"]: str(one["number"]) for one in TABLES["attributes"]}
ENUMERATIONS = {
    one["name"]: TABLES["enumerations"].get(one["enumeration"], {})
    for one in TABLES["attributes"]
    if one["type"] == "enumeration"
}

#: Name, number and bytes of each message in the specification's session.
BLOCKS = re.compile(r"```text\n(\w+) \((\d+)\)\n.*?```hex\n(.*?)```", re.S)

#: Reads frames of a file byte by byte, with the module that is named.
READER = """
const { FrameReader, parse, text } = require(process.argv[1]);
const frames = JSON.parse(require('node:fs').readFileSync(process.argv[2]));
const found = frames.map((hex) => {
  const reader = new FrameReader();
  let message = { error: 'not whole' };
  try {
    for (const byte of Buffer.from(hex, 'hex')) {
      reader.receive(Buffer.from([byte]));
      const payload = reader.next();
      if (payload !== undefined) message = parse(payload);
    }
    if (message.name !== undefined) message.text = text(message);
  } catch (error) {
    message = { error: error.message };
  }
  return message;
});
process.stdout.write(JSON.stringify(found, (key, value) => {
  if (typeof value === 'bigint') return value.toString();
  const isBytes = value && value.type === 'Buffer';
  return isBytes ? { hex: Buffer.from(value.data).toString('hex') } : value;
}));
"""

CONN_ID = "006c02462a161006"
NOW = (1_795_165_200, 250_000)

#: Everything that a key-value list may hold.
DATA: KVList = (
    ("CUSTOMER", "4711"),
    ("TRIES", -2),
    ("CUSTOMER", "Zoë"),
    ("BLOB", bytes(range(256))),
    ("LEAST", -0x80000000),
    ("MOST", 0x7FFFFFFF),
    ("ROUTE", (("SKILL", "billing"), ("NESTED", (("EMPTY", ()), ("DEEP", 1))))),
    ("", ""),
)


def plain(value: Any) -> Any:
    """
    A value as the client writes it in JSON.
    """
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def number(name: str, value: Any) -> Any:
    """
    The value of an attribute, a member of an enumeration as its number.
    """
    members = ENUMERATIONS.get(name, {})
    return members.get(value, value) if isinstance(value, str) else value


def ringing(**more: Any) -> EventRinging:
    """
    A call rings at 1001.
    """
    given: dict[str, Any] = {
        "time": NOW,
        "connID": CONN_ID,
        "callID": 7,
        "callType": CallType.INBOUND,
        "callState": CallState.OK,
        "thisDN": "1001",
        "thisDNRole": DNRole.DESTINATION,
    }
    return EventRinging(**(given | more))


def user(number: int, dn: str = "1001", **more: Any) -> EventUserEvent:
    """
    A numbered event.
    """
    return EventUserEvent(time=NOW, thisDN=dn, userEvent=number, **more)


class EventTests(ServedTestCase):
    """
    What the client gets.
    """

    async def test_everyAttributeAsItWasSent(self) -> None:
        """
        Text, numbers, enumerations, key-value lists, bytes, and attributes that are
        unknown arrive as they were sent; so does an integer that a JavaScript
        number cannot hold.
        """
        server = self.makeServer()
        client = self.client(self.serve(server))
        await client.register("1001")
        server.publish(
            "1001",
            ringing(
                otherDN="+49 30 5550100",
                callID=2**64 - 1,
                userData=DATA,
                thisTrunk=2**53,
                unknown=(
                    (60001, "neu"),
                    (60002, (1, None, True)),
                    (60003, Opaque(b"\x80")),
                ),
            ),
        )
        event = await client.until("event", name="EventRinging")
        self.assertEqual((event["position"], event["reference"]), (2, 0))
        attributes = event["attributes"]
        attributes.pop("60003")
        self.assertEqual(
            attributes,
            {
                "time": list(NOW),
                "ConnID": CONN_ID,
                "CallID": str(2**64 - 1),
                "CallType": "Inbound",
                "CallState": "Ok",
                "ThisDN": "1001",
                "ThisDNRole": "Destination",
                "OtherDN": "+49 30 5550100",
                "ThisTrunk": str(2**53),
                "UserData": plain(DATA),
                "60001": "neu",
                "60002": [1, None, True],
            },
        )

    async def test_registers(self) -> None:
        """
        Registering a DN is answered with its snapshot; from then on its events
        come, and none of others; after unregistering none comes.
        """
        server = self.makeServer()

        @implementer(ISnapshot)
        class Snapshot:
            def snapshot(self, dn: str) -> KVList:
                return (("status", 1), ("conn-1", CONN_ID))

        server.add(Snapshot())
        client = self.client(self.serve(server))
        answer = await client.ask("RequestRegisterAddress", ThisDN="1001")
        self.assertEqual(answer["name"], "EventRegistered")
        self.assertEqual(
            answer["attributes"]["Extensions"], [["status", 1], ["conn-1", CONN_ID]]
        )
        await client.register("1003")
        server.publish("1002", user(1, "1002"))
        server.publish("1001", user(2))
        await client.until("event", name="EventUserEvent")
        await client.ask("RequestUnregisterAddress", ThisDN="1001")
        server.publish("1001", user(3))
        server.publish("1003", user(4, "1003"))
        await client.until("event", position=5)
        seen = [one["attributes"].get("UserEvent") for one in client.events]
        self.assertEqual(seen, [None, None, 2, None, 4])
        self.assertEqual(client.positions(), [1, 2, 3, 4, 5])

    async def test_bigLists(self) -> None:
        """
        A message that fills a frame, in both directions.
        """
        server = self.makeServer()
        echo = Echo([30])

        def changed(request: Any, requester: Requester) -> None:
            server.publish("1001", user(1, userData=request.userData), requester)

        echo.answered = changed
        server.add(echo)
        client = self.client(self.serve(server))
        await client.register("1001")
        many = [[f"KEY{n % 100}", "ä" * (n % 64)] for n in range(800)]
        answer = await client.ask(
            "RequestAttachUserData",
            ThisDN="1001",
            ConnID=CONN_ID,
            UserData=[*many, ["BLOB", {"hex": bytes(8000).hex()}]],
        )
        self.assertEqual(
            answer["attributes"]["UserData"],
            [*many, ["BLOB", {"hex": bytes(8000).hex()}]],
        )
        self.assertGreater(len(encode(echo.asked[0][0])), 60000)

    async def test_inputMask(self) -> None:
        """
        What the mask holds back has no position; answers come all the same.
        """
        server = self.makeServer()
        client = self.client(self.serve(server))
        await client.register("1001")
        bits = bytearray(64)
        bits[96 // 8] = 1 << 96 % 8  # EventUserEvent
        await client.ask("RequestSetInputMask", InputMask={"hex": bits.hex()})
        server.publish("1001", ringing())
        server.publish("1001", user(1))
        await client.until("event", name="EventUserEvent")
        names = [one["name"] for one in client.events]
        self.assertEqual(names, ["EventRegistered", "EventACK", "EventUserEvent"])
        self.assertEqual(client.positions(), [1, 2, 3])


class RequestTests(ServedTestCase):
    """
    What the client asks.
    """

    async def test_answered(self) -> None:
        """
        A request comes through as it was meant, and its answer completes it.
        """
        server = self.makeServer()
        echo = acknowledging(server)
        client = self.client(self.serve(server))
        answer = await client.ask(
            "RequestPrivateService", PrivateMsgID=-5, UserData=plain(DATA)
        )
        self.assertEqual(answer["name"], "EventACK")
        request: Any = echo.asked[0][0]
        self.assertEqual((request.privateMsgID, request.userData), (-5, DATA))

    async def test_refused(self) -> None:
        """
        Each refusal has the field's code: a DN that is not registered, a DN that
        there is not, a request that nobody answers, an attribute that is missing.
        """
        server = self.makeServer()
        server.add(Echo([17]))
        client = self.client(self.serve(server))
        for expected, name, attributes in (
            (41, "RequestReleaseCall", {"ThisDN": "1001", "ConnID": CONN_ID}),
            (59, "RequestRegisterAddress", {"ThisDN": "9999"}),
            (51, "RequestGetAccessNumber", {}),
            (53, "RequestRegisterAddress", {"AddressType": "DN", "ThisDN": None}),
            (53, "RequestRegisterAddress", {"ThisDN": 1001}),
        ):
            failed = await client.until("failed", id=client.request(name, **attributes))
            self.assertEqual((failed["code"], name), (expected, name))

    async def test_many(self) -> None:
        """
        A thousand requests at once are each answered once.
        """
        server = self.makeServer()
        echo = acknowledging(server)
        client = self.client(self.serve(server))
        await client.until("state", state="working")
        ids = [
            client.request("RequestPrivateService", PrivateMsgID=n) for n in range(1000)
        ]
        await client.until("answer", id=ids[-1])
        answered = sorted(one["id"] for one in client.said if one["what"] == "answer")
        self.assertEqual(answered, ids)
        self.assertEqual(len(echo.asked), 1000)


class StartUpTests(ServedTestCase):
    """
    Who may connect.
    """

    async def test_wrongPassword(self) -> None:
        """
        The refusal is told, and the client does not try again.
        """
        server = self.makeServer()
        client = self.client(self.serve(server), password="wrong")
        refused = await client.until("refused")
        self.assertEqual(refused["code"], TErrorCode.BAD_PASSWORD)
        self.assertEqual(await client.ended, 0)
        self.assertEqual(server.counts["connections"], 1)

    async def test_tls(self) -> None:
        """
        The same over TLS, where the certificate is that of the address.
        """
        pki = PKI(self.mktemp())
        server = self.makeServer()
        port = self.serve(server, pki.issue("127.0.0.1"))
        client = self.client(port, "--ca", pki.authority)
        await client.register("1001")
        server.publish("1001", user(1, userData=DATA))
        event = await client.until("event", name="EventUserEvent")
        self.assertEqual(event["attributes"]["UserData"], plain(DATA))

    async def test_tlsOfAnother(self) -> None:
        """
        A certificate for another name is not believed: no byte of ours is sent.
        """
        pki = PKI(self.mktemp())
        server = self.makeServer()
        port = self.serve(server, pki.issue("other.example"))
        client = self.client(port, "--ca", pki.authority)
        trouble = await client.until("trouble")
        self.assertIn("does not match", trouble["why"])
        self.assertEqual(server.counts["sessions"], 0)

    async def test_link(self) -> None:
        """
        It knows whether the telephones can be reached.
        """
        server = self.makeServer()
        client = self.client(self.serve(server))
        await client.until("link", connected=True)
        server.linkChanged(False, "no SIP Proxy")
        await client.until("link", connected=False)

    async def test_orderlyEnd(self) -> None:
        """
        A client that stops ends its session.
        """
        server = self.makeServer()
        client = self.client(self.serve(server))
        await client.until("state", state="working")
        client.order("stop")
        self.assertEqual(await client.ended, 0)
        self.assertEqual(server.status()["clients"], 0)
        self.assertEqual(server.status()["away"], 0)


class ResumeTests(ServedTestCase):
    """
    Cut off, and back.
    """

    def publishing(self, server: TServer, count: int) -> Deferred[None]:
        """
        Publish events, a few each millisecond.

        @return: fires when all are published.
        """
        done: Deferred[None] = Deferred()

        def some(first: int) -> None:
            for number in range(first, min(first + 5, count)):
                server.publish("1001", user(number, userData=DATA[:3]))
            if first + 5 < count:
                reactor.callLater(0.001, some, first + 5)
            else:
                done.callback(None)

        some(0)
        return done

    async def test_cutsLoseNothing(self) -> None:
        """
        A connection that is reset again and again, by the client and by the
        server, loses no event and brings none twice.
        """
        server = self.makeServer()
        client = self.client(self.serve(server))
        await client.register("1001")
        done = self.publishing(server, 2000)
        start = 0
        for turn in range(10):
            await client.until("state", start, state="working")
            await deferLater(reactor, 0.02)
            start = len(client.said)
            if turn % 2:
                client.order("cut")
            else:
                for session in server.sessions.values():
                    if session.connection is not None:
                        session.connection.transport.abort()
        await done
        await client.until("event", position=2001)
        self.assertEqual(client.positions(), list(range(1, 2002)))
        numbers = [one["attributes"].get("UserEvent") for one in client.events]
        self.assertEqual(numbers, [None, *range(2000)])
        self.assertGreaterEqual(server.counts["resumed"], 5)

    async def test_anotherProcessGoesOn(self) -> None:
        """
        A process is killed; another one that has what the first wrote down goes
        on with what comes next.  What the first has printed and not written down
        comes once more, under the same position.
        """
        server = self.makeServer()
        port = self.serve(server)
        file = self.mktemp()
        first = self.client(port, "--session", file)
        await first.register("1001")
        done = self.publishing(server, 1000)
        await first.until("event", position=200)
        await first.kill()
        second = self.client(port, "--session", file)
        await done
        await second.until("event", position=1001)
        info = next(one for one in second.said if one["what"] == "info")
        self.assertEqual(info["attributes"]["ResumeResult"], "Resumed")
        start = second.positions()[0]
        self.assertEqual(second.positions(), list(range(start, 1002)))
        self.assertEqual(first.positions(), list(range(1, len(first.events) + 1)))
        self.assertLessEqual(start, len(first.events) + 1)

    async def test_nothingIsDoneTwice(self) -> None:
        """
        A request whose connection is lost before its answer is made again, and
        done once; its answer comes over the new connection.
        """
        server = self.makeServer()
        asked: Deferred[Requester] = Deferred()
        echo = Echo([149])
        echo.answered = lambda request, requester: asked.callback(requester)
        server.add(echo)
        client = self.client(self.serve(server))
        await client.until("state", state="working")
        request = client.request("RequestPrivateService", PrivateMsgID=1)
        requester = await asked
        start = len(client.said)
        client.order("cut")
        await client.until("state", start, state="working")
        await client.ask("RequestQueryServer")
        server.answer(requester, user(1))
        await client.until("answer", id=request)
        self.assertEqual(len(echo.asked), 1)
        self.assertEqual(server.counts["repeatedRequests"], 1)

    async def test_snapshot(self) -> None:
        """
        A client that misses more than its journal holds is told the present state
        of its DNs anew, and that it is one.
        """
        server = self.makeServer(Limits(journalMessages=20))
        client = self.client(self.serve(server))
        await client.register("1001", "1002")
        client.order("cut")
        while server.status()["away"] != 1:
            await deferLater(reactor, 0.001)
        for number in range(100):
            server.publish("1001", user(number))
        await client.until("restart", kind="Snapshot")
        while len(client.events) < 4:
            await deferLater(reactor, 0.001)
        server.publish("1001", user(1000))
        await client.until("event", name="EventUserEvent")
        *before, first, second, after = client.events
        self.assertEqual([one["position"] for one in before], [1, 2])
        self.assertGreater(first["position"], 3)
        self.assertEqual(
            [
                (one["attributes"]["ThisDN"], one["reference"])
                for one in (first, second)
            ],
            [("1001", 0), ("1002", 0)],
        )
        self.assertEqual(first["attributes"]["Snapshot"], 1)
        self.assertEqual([first["reference"], second["reference"]], [0, 0])
        self.assertEqual(
            [second["position"], after["position"]],
            [first["position"] + 1, first["position"] + 2],
        )
        self.assertEqual(after["attributes"]["UserEvent"], 1000)

    async def test_lost(self) -> None:
        """
        A server that is another one knows nothing of the session: the client
        registers its DNs again, and says of a request that nobody knows.
        """
        before = self.makeServer()
        echo = Echo([149])
        before.add(echo)
        factory = TLibFactory(before)
        port = self.listen(factory)
        client = self.client(port)
        await client.register("1001")
        request = client.request("RequestPrivateService", PrivateMsgID=1)
        while not echo.asked:
            await deferLater(reactor, 0.001)
        after = self.makeServer(epoch=5)
        factory._taker = after
        before.stop()
        closing = await client.until("closing")
        self.assertEqual(closing["attributes"]["ErrorCode"], TErrorCode.OUT_OF_SERVICE)
        await client.until("restart", kind="Lost")
        failed = await client.until("failed", id=request)
        self.assertIn("the session was lost", failed["why"])
        while "1001" not in after.registrations:
            await deferLater(reactor, 0.001)
        after.publish("1001", user(7))
        event = await client.until("event", name="EventUserEvent")
        self.assertEqual(event["position"], 2)

    async def test_takenOver(self) -> None:
        """
        A client whose session is taken by another process ends, and does not
        take it back.
        """
        server = self.makeServer()
        port = self.serve(server)
        file = self.mktemp()
        first = self.client(port, "--session", file)
        await first.register("1001")
        while not Path(file).exists():
            await deferLater(reactor, 0.001)
        second = self.client(port, "--session", file)
        closing = await first.until("closing")
        self.assertEqual(closing["attributes"]["ErrorCode"], TErrorCode.RESOURCE_SEIZED)
        self.assertEqual(await first.ended, 0)
        await second.until("state", state="working")
        server.publish("1001", user(1))
        await second.until("event", name="EventUserEvent")

    async def test_slowClient(self) -> None:
        """
        A client that does not read is cut off, comes back when it reads again, and
        goes on; another one notices nothing.
        """
        server = self.makeServer(Limits(unsent=100_000, journalBytes=300_000))
        port = self.serve(server)
        slow, other = self.client(port), self.client(port)
        await slow.register("1001")
        await other.register("1001")
        slow.order("pause")
        await slow.until("state", state="working")
        big = (("FILL", "x" * 30_000),)
        number = 0
        while not server.counts["slowClients"]:
            number += 1
            server.publish("1001", user(number, userData=big))
            await other.until("event", position=number + 1)
            self.assertLess(number, 2000)
        slow.order("resume")
        server.publish("1001", user(0))
        await other.until("event", position=number + 2)
        await slow.until("event", position=number + 2)
        self.assertEqual(other.positions(), list(range(1, number + 3)))
        positions = slow.positions()
        self.assertEqual(positions, sorted(set(positions)))


class Silent(Protocol):
    """
    A server that knows only the start-up, and does the rest by hand.
    """

    def __init__(self, made: Deferred[Silent]) -> None:
        self.received: list[tuple[int, int, Message]] = []
        self.gone: Deferred[None] = Deferred()
        self._made = made
        self._reader = FrameReader()

    def dataReceived(self, data: bytes) -> None:
        """
        Take messages, and answer the first.
        """
        self._reader.receive(data)
        while (payload := self._reader.nextFrame()) is not None:
            envelope = decode(payload)
            self.received.append(
                (envelope.position, envelope.reference, envelope.message)
            )
            if isinstance(envelope.message, RequestRegisterClient):
                self.say(
                    EventServerInfo(
                        time=NOW,
                        serverVersion="silent",
                        serverRole=ServerRole.PRIMARY,
                        capabilities=bytes(64),
                        protocolVersion=1,
                        sessionID="0" * 32,
                        epoch=1,
                        serverStartTime=NOW,
                        resumeResult=ResumeResult.NEW,
                        keepAlive=1,
                    ),
                    envelope.reference,
                )
                self.say(EventLinkConnected(time=NOW))
                made, self._made = self._made, Deferred()
                made.callback(self)

    def say(self, message: Message, reference: int = 0, position: int = 0) -> None:
        """
        Send a message.
        """
        assert self.transport is not None
        self.transport.write(encode(message, position, reference))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The client is gone.
        """
        self.gone.callback(None)


class LinkTests(ServedTestCase):
    """
    The client against a server that behaves badly.
    """

    async def connected(self) -> tuple[Any, Silent]:
        """
        @return: the client, and the connection that it has made first.
        """
        made: Deferred[Silent] = Deferred()
        factory = Factory.forProtocol(
            lambda: Silent(made if not made.called else Deferred())
        )
        client = self.client(self.listen(factory))
        server = await made
        return client, server

    async def test_keepAlive(self) -> None:
        """
        It answers a poll under its reference, polls when it hears nothing for the
        time agreed, and gives up after that time again.
        """
        client, server = await self.connected()
        server.say(LinkPoll(), 77)
        await server.gone
        polls = [
            (reference, type(message)) for _, reference, message in server.received[1:]
        ]
        self.assertEqual(polls, [(77, LinkPollAnswer), (0, LinkPoll)])
        trouble = await client.until("trouble")
        self.assertEqual(trouble["why"], "nothing heard")

    async def test_acknowledges(self) -> None:
        """
        What it has handled is acknowledged at once after many messages, and a
        second after the first of few.
        """
        _, server = await self.connected()
        for position in range(1, 301):
            server.say(user(position), 0, position)
        while len(server.received) < 3:
            await deferLater(reactor, 0.01)
        self.assertEqual([row[0] for row in server.received[1:]], [256, 300])

    async def test_impossibleFrames(self) -> None:
        """
        A frame of 4 GiB, an empty one, and one that is no message end the
        connection, and the client comes back.
        """
        for junk, why in (
            (b"\xff\xff\xff\xff", "4294967295"),
            (b"\0\0\0\0", "a frame of 0"),
            (b"\0\0\0\1\xc1", "0xc1"),
            (b"\0\0\0\2\x91\1", "no message"),
            (b"\0\0\0\5\x94\0\0\0\xdf", "cut short"),
            (struct.pack(">I", 60000) + b"\x91" * 60000, "nested too deep"),
        ):
            client, server = await self.connected()
            assert server.transport is not None
            server.transport.write(junk)
            trouble = await client.until("trouble")
            self.assertIn(why, trouble["why"])
            await client.until("state", state="waiting")

    async def test_aGap(self) -> None:
        """
        A position that is too high is no message to be believed: the client comes
        back with the last one that it has.
        """
        client, server = await self.connected()
        server.say(user(1), 0, 1)
        server.say(user(3), 0, 3)
        trouble = await client.until("trouble")
        self.assertEqual(trouble["why"], "3 follows 1")
        self.assertEqual(client.positions(), [1])


class ReadingTests(TestCase):
    """
    Bytes that others have written down.
    """

    skip = skipWithoutNode()

    async def read(self, frames: list[bytes]) -> list[dict[str, Any]]:
        """
        Let the client read frames, which come byte by byte.

        @return: messages, and C{error} of those that it refuses.
        """
        assert NODE is not None
        file = Path(self.mktemp())
        file.write_text(json.dumps([frame.hex() for frame in frames]))
        out, err, status = await getProcessOutputAndValue(
            NODE, ["-e", READER, str(CLIENT), str(file)], env=dict(os.environ)
        )
        self.assertEqual((status, err), (0, b""))
        found: list[dict[str, Any]] = json.loads(out)
        return found

    async def test_goldenVectors(self) -> None:
        """
        It reads every golden vector as the message that it is, and refuses those
        that cannot be read.
        """
        files = sorted(VECTORS.glob("*.hex"))
        self.assertGreater(len(files), 60)
        meanings = [json.loads(f.with_suffix(".json").read_text()) for f in files]
        found = await self.read([bytes.fromhex(file.read_text()) for file in files])
        for file, meaning, one in zip(files, meanings, found, strict=True):
            if "error" in meaning:
                self.assertEqual("error" in one, meaning["error"]["fatal"], file.stem)
                continue
            for name in ("position", "reference"):
                self.assertEqual(str(one[name]), str(meaning[name]), file.stem)
            self.assertEqual(one["number"], meaning["number"], file.stem)
            attributes = {
                name: number(name, value) for name, value in one["attributes"].items()
            }
            unknown = {
                NUMBERS.get(name, name)
                for name in attributes
                if name not in meaning["attributes"]
            }
            self.assertEqual(unknown, set(meaning["unknown"]), file.stem)
            self.assertEqual(
                {name: attributes[name] for name in meaning["attributes"]},
                meaning["attributes"],
                file.stem,
            )

    async def test_text(self) -> None:
        """
        It prints the golden vectors as everybody does, where it knows all that
        stands in them.
        """
        files = [file.with_suffix(".hex") for file in sorted(VECTORS.glob("*.txt"))]
        found = await self.read([bytes.fromhex(file.read_text()) for file in files])
        compared = 0
        for file, one in zip(files, found, strict=True):
            if not json.loads(file.with_suffix(".json").read_text())["unknown"]:
                compared += 1
                expected = file.with_suffix(".txt").read_text().rstrip("\n")
                self.assertEqual(one["text"], expected, file.stem)
        self.assertGreater(compared, 40)

    async def test_sessionOfThePage(self) -> None:
        """
        It reads the session by hand of the specification.
        """
        page = (TOP / "docs" / "protocols" / "tlibrary.md").read_text()
        blocks = BLOCKS.findall(page)
        self.assertGreater(len(blocks), 10)
        found = await self.read([bytes.fromhex(block[2]) for block in blocks])
        self.assertEqual(
            [(one["name"], str(one["number"])) for one in found],
            [block[:2] for block in blocks],
        )
