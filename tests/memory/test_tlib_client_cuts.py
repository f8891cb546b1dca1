"""
A T-Library client is cut off at 200 random moments of a running load, and misses
nothing: the real client and the real server, on a fake clock and a wire in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IDelayedCall,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipcluster.testing.clock import runFor
from sipcluster.testing.tlib_truth import Everything, Truth
from sipcluster.testing.wire import End, MemoryEndpoint
from sipcluster.tlib.client import (
    LinkState,
    RequestFailed,
    RequestRefused,
    Resume,
    Times,
    TLibraryClient,
)
from sipcluster.tlib.codec import Envelope
from sipcluster.tlib.enums import ResumeResult
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventAgentReady,
    EventRinging,
    Message,
    RequestAgentReady,
    RequestDistributeUserEvent,
)
from sipcluster.tserver.itserver import (
    ClientView,
    IConnection,
    IRequests,
)
from sipcluster.tserver.limits import Application, Limits
from sipcluster.tserver.server import TServer
from sipcluster.wire.correlation import Requester

#: DNs that the client registers, and one that it does not.
DNS = tuple(str(number) for number in range(1001, 1009))
OTHER = "1099"

CUTS = 200


@implementer(IReactorTime)
class Mortal:
    """
    The clock of a process: when that is killed, nothing of it happens any more.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls: list[IDelayedCall] = []
        self.dead = False

    def seconds(self) -> float:
        return self._clock.seconds()

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: Any, **kw: Any
    ) -> IDelayedCall:
        if self.dead:
            delay, callable, args, kw = 0.0, (lambda: None), (), {}
        call: IDelayedCall = self._clock.callLater(delay, callable, *args, **kw)
        self._calls = [one for one in self._calls if one.active()] + [call]
        return call

    def getDelayedCalls(self) -> list[Any]:
        return [one for one in self._calls if one.active()]

    def kill(self) -> None:
        """
        End the process.
        """
        self.dead = True
        for call in self._calls:
            if call.active():
                call.cancel()


@implementer(IStreamClientEndpoint)
class Door:
    """
    Where a process connects: what it began is not ended by others when it is killed.
    """

    def __init__(self, endpoint: MemoryEndpoint) -> None:
        self._endpoint = endpoint
        self._attempt: Deferred[Any] = succeed(None)

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        self._attempt = self._endpoint.connect(protocolFactory)
        return self._attempt

    def kill(self) -> None:
        """
        End what it began, and hear nothing any more.
        """
        self._attempt.cancel()
        for wire in self._endpoint.wires:
            wire.near.receiver = None


@define
class Disk:
    """
    What outlives a process.

    @ivar resume: what was saved last, as text.
    @ivar received: every event with a position, in the order in which they came.
    """

    resume: str = ""
    received: list[Envelope] = field(factory=list)


class Process:
    """
    A process with one client in it, which writes down each event and where to resume.
    """

    def __init__(
        self,
        clock: Clock,
        endpoint: MemoryEndpoint,
        disk: Disk,
        chance: Random,
        linkChanged: Callable[[LinkState], object],
    ) -> None:
        self.clock = Mortal(clock)
        self._door = Door(endpoint)
        self._disk = disk
        self.client = TLibraryClient(
            [self._door],
            self.clock,
            "subject",
            "secret",
            self._received,
            chance=chance.random,
            linkChanged=linkChanged,
            resume=Resume.fromText(disk.resume) if disk.resume else None,
            times=Times(first=0.02, reconnect=0.5, settled=0.1, keepAlive=1),
        )
        self.client.startService()

    def kill(self) -> None:
        """
        End it, without giving it time for anything.
        """
        self._door.kill()
        self.clock.kill()

    def _received(self, envelope: Envelope) -> None:
        if self.clock.dead or not envelope.position:
            return
        self._disk.received.append(envelope)
        assert self.client.resume is not None
        self._disk.resume = self.client.resume.asText()


@implementer(IConnection)
class FarEnd:
    """
    The server's end of a wire, as a T-Library port wants it.
    """

    def __init__(self, server: TServer, end: End) -> None:
        self._end = end
        self.peer = f"memory {end.getPeer().port}"
        self._user = server.connectionMade(self)

    # What the port does with it.

    def write(self, data: bytes) -> None:
        self._end.write(data)

    def pauseReading(self) -> None:
        self._end.pauseProducing()

    def resumeReading(self) -> None:
        self._end.resumeProducing()

    def close(self) -> None:
        self._end.loseConnection()

    def abort(self) -> None:
        self._end.abortConnection()

    # What the wire does with it.

    def dataReceived(self, data: bytes) -> None:
        self._user.dataReceived(data)

    def connectionLost(self, reason: Failure) -> None:
        self._user.connectionLost(reason.getErrorMessage())


@implementer(IRequests)
class Agents:
    """
    Answers a request after a while, by an event or a refusal.

    @ivar done: what was asked, each as often as it came through.
    """

    numbers = (RequestAgentReady.number,)

    def __init__(self, clock: Clock, chance: Random) -> None:
        self._clock = clock
        self._chance = chance
        self.server: TServer
        self.done: list[str] = []

    def requested(
        self, request: Message, requester: Requester, client: ClientView
    ) -> None:
        assert isinstance(request, RequestAgentReady)
        self.done.append(request.agentID or "")
        answer = self._refuse if self._chance.random() < 0.2 else self._publish
        delay = self._chance.choice((0.0, 0.01, 0.1, 0.5))
        self._clock.callLater(delay, answer, request, requester)

    def _publish(self, request: RequestAgentReady, requester: Requester) -> None:
        event = EventAgentReady(thisDN=request.thisDN, agentID=request.agentID)
        self.server.publish(request.thisDN or "", event, requester)

    def _refuse(self, request: RequestAgentReady, requester: Requester) -> None:
        self.server.refuse(requester, TErrorCode.WRONG_SET_STATE)


class Run:
    """
    One server, one client that is cut off again and again, and a load.

    @ivar published: numbers of the events of the client's DNs, in order.
    @ivar asked: the agent ids of requests that the client has made.
    @ivar answered: those whose Deferred has fired.
    @ivar links: what became of the session at each link.
    @ivar cuts: how often a connection was cut, also one that was still starting up.
    @ivar killed: how often with its process.
    """

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.clock = Clock()
        self.truth = Truth("subject")
        agents = Agents(self.clock, self.chance)
        self.agents = agents
        self.server = agents.server = TServer(
            "TCport",
            self.clock,
            self.clock.seconds,
            self.chance.randbytes,
            {"subject": Application("subject", "secret")},
            Everything(),
            [agents],
            limits=Limits(keepAlive=1),
            epoch=1,
            trace=self.truth,
        )
        self.endpoint = MemoryEndpoint(
            self.clock,
            lambda end: FarEnd(self.server, end),
            0.002,
            self.chance.random,
        )
        self.disk = Disk()
        self.published: list[int] = []
        self.asked: list[str] = []
        self.answered: list[str] = []
        self.links: list[ResumeResult | None] = []
        self.cuts = 0
        self.killed = 0
        self._number = 0
        self.start()

    def start(self) -> None:
        """
        Start a process.
        """
        self.process = Process(
            self.clock, self.endpoint, self.disk, self.chance, self._linkChanged
        )

    def _linkChanged(self, state: LinkState) -> None:
        if state.connected:
            self.links.append(state.resumed)

    # The load.

    def publish(self) -> None:
        """
        One event, sometimes of a DN that the client has not registered.
        """
        self._number += 1
        dn = self.chance.choice((*DNS, OTHER))
        data = (("N", "x" * self.chance.choice((0, 10, 100, 3000))),)
        self.server.publish(
            dn, EventRinging(thisDN=dn, callID=self._number, userData=data)
        )
        if dn != OTHER:
            self.published.append(self._number)

    def ask(self) -> None:
        """
        One request.
        """
        client = self.process.client
        if self.chance.random() < 0.3:
            client.request(
                RequestDistributeUserEvent(thisDN=self.chance.choice(DNS))
            ).addErrback(lambda failure: failure.trap(RequestFailed))
            return
        name = f"agent {len(self.asked)}"
        self.asked.append(name)

        def done(result: object) -> None:
            if isinstance(result, Failure):
                result.trap(RequestRefused)
            self.answered.append(name)

        request = RequestAgentReady(thisDN=self.chance.choice(DNS), agentID=name)
        client.request(request).addBoth(done)

    def load(self, seconds: float) -> None:
        """
        Events, bursts of events and requests for a while.
        """
        end = self.clock.seconds() + seconds
        while (left := end - self.clock.seconds()) > 0:
            kind = self.chance.random()
            if kind < 0.15:
                self.ask()
            else:
                for _ in range(60 if kind > 0.985 else 1):
                    self.publish()
            runFor(self.clock, min(left, self.chance.expovariate(250)))

    # The cuts.

    def cut(self) -> None:
        """
        Cut the client off, one way or another, if it is connected.
        """
        wires = self.endpoint.wires
        if wires[-1].near.closed:
            return
        self.cuts += 1
        kind = self.chance.random()
        if kind < 0.5:
            wires[-1].reset()
        elif kind < 0.55:
            wires[-1].silence()  # until somebody misses a sign of life
        else:
            self.process.kill()
            self.killed += 1
            if kind < 0.8:
                wires[-1].reset()
            else:
                wires[-1].silence()  # the server thinks that it is still there
            if kind < 0.65:
                self.load(self.chance.random() * 0.5)
            self.start()


class CutTests(SynchronousTestCase):
    """
    The union of what the client has received is the exact stream.
    """

    def assertExact(self, seed: int) -> None:
        """
        Cut a client off 200 times and compare.
        """
        run = Run(seed)
        runFor(run.clock, 0.1)
        for dn in DNS:
            run.process.client.register(dn)
        runFor(run.clock, 0.5)
        self.assertEqual(run.process.client.registered, set(DNS))
        while run.cuts < CUTS:
            run.load(run.chance.expovariate(10))
            run.cut()
        run.load(0.2)
        runFor(run.clock, 10)
        received = run.disk.received
        self.assertEqual(
            [envelope.position for envelope in received],
            list(range(1, len(run.truth.sent) + 1)),
        )
        self.assertEqual(
            [
                envelope.message.callID
                for envelope in received
                if isinstance(envelope.message, EventRinging)
            ],
            run.published,
        )
        self.assertEqual(received, run.truth.sent)
        # Nothing was done twice, and who was not killed got each answer once.
        self.assertEqual(len(set(run.agents.done)), len(run.agents.done))
        self.assertEqual(len(set(run.answered)), len(run.answered))
        self.assertLessEqual(set(run.answered), set(run.agents.done))
        # It was cut off as often as it should, and always found its session.
        self.assertEqual(run.links[0], ResumeResult.NEW)
        self.assertEqual(set(run.links[1:]), {ResumeResult.RESUMED})
        self.assertGreater(len(run.links), CUTS * 0.6)
        self.assertGreater(run.killed, CUTS * 0.3)
        self.assertGreater(len(received), 1000)
        run.process.client.stopService()
        runFor(run.clock, 5)
        self.assertEqual(run.server.sessions, {})
        run.server.stop()
        runFor(run.clock, 60)
        self.assertEqual(run.clock.getDelayedCalls(), [])

    def test_cuts(self) -> None:
        """
        Resets, silence, and processes that are killed and started again.
        """
        self.assertExact(1)

    def test_cutsOtherwise(self) -> None:
        """
        The same at other moments.
        """
        self.assertExact(20261120)
