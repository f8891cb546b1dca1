"""
The JavaScript client cut off, killed, too slow, and against a server that behaves
badly.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from sipcluster.net.tlib import TLibFactory
from sipcluster.tlib.codec import decode, encode
from sipcluster.tlib.enums import ResumeResult, ServerRole
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventLinkConnected,
    EventServerInfo,
    LinkPoll,
    LinkPollAnswer,
    Message,
    RequestRegisterClient,
)
from sipcluster.tserver.limits import Limits
from sipcluster.tserver.server import TServer
from sipcluster.wire.correlation import Requester
from sipcluster.wire.frames import FrameReader
from tests.loopback.javascript import (
    DATA,
    NOW,
    Echo,
    ServedTestCase,
    reactor,
    user,
)


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
        await second.register("1001")
        start = second.positions()[0]
        # The last one refuses what is registered already.
        self.assertEqual(second.positions(), list(range(start, 1003)))
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
