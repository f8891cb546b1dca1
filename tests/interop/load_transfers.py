"""
C{bin/load --scenario transfers}: calls that T-Library clients transfer and make
conferences of.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredList, gatherResults
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from sipcluster.tlib import messages
from sipcluster.tlib.codec import Envelope
from sipcluster.tlib.messages import Message
from tests.interop.cluster import Cluster
from tests.interop.load_parts import Load, Wire, perCall, processorTime, register
from tests.interop.phones import listens
from tests.interop.sipp import Report, SIPp, usersFile
from tests.interop.status import until
from tests.interop.tlib_client import TLibClient

#: How many telephones call, are called, and are consulted.
EACH = 200

CALLING = range(2000, 2000 + EACH)
CALLED = range(2200, 2200 + EACH)
CONSULTED = range(2400, 2400 + EACH)

#: Seconds that a request may take, and that the next event may.
PATIENCE = 10.0

#: Seconds for which people talk in between.
TALK = 0.5


def configured(toml: str) -> str:
    """
    The lab's configuration with telephones enough that nobody has two calls.
    """
    numbers = (*CALLING, *CALLED, *CONSULTED)
    return toml + "".join(
        f'[[extension]]\nnumber = "{number}"\npassword = "secret-{number}"\n'
        for number in numbers
    )


class Watching(TLibClient):
    """
    A client that waits for events of many calls at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.begin: Callable[[Any], None] | None = None
        self._over: set[str] = set()
        self._events: dict[str, list[Any]] = defaultdict(list)
        self._waiting: dict[str, list[tuple[Callable[[Any], bool], Deferred[Any]]]] = {}
        self._answers: dict[int, Deferred[Any]] = {}

    def _received(self, envelope: Envelope) -> None:
        super()._received(envelope)
        if self.begin is None or not self.got:
            return
        self.got.clear()
        event: Any = envelope.message
        answer = self._answers.pop(envelope.reference, None)
        if answer is not None:
            answer.callback(event)
        connID = getattr(event, "connID", None)
        if connID is None or connID in self._over:
            return
        self._events[connID].append(event)
        for one in list(self._waiting.get(connID, ())):
            wanted, waiting = one
            if wanted(event):
                self._waiting[connID].remove(one)
                waiting.callback(event)
        self.begin(event)

    def ask(self, reactor: Any, request: Message) -> Deferred[Any]:
        """
        Ask for something.

        @return: fires with the answer; a refusal is an error.
        """
        answer: Deferred[Any] = Deferred()
        self._answers[self.request(request)] = answer

        def look(event: Any) -> Any:
            if isinstance(event, messages.EventError):
                raise AssertionError(f"{request}: {event}")
            return event

        return answer.addTimeout(PATIENCE, reactor).addCallback(look)

    def event(
        self, reactor: Any, connID: str, kind: type[Message], dn: str
    ) -> Deferred[Any]:
        """
        Wait for an event of a call, one that has come counts.
        """

        def wanted(event: Any) -> bool:
            found = event if isinstance(event, kind) else None
            return getattr(found, "thisDN", None) == dn

        waiting: Deferred[Any] = Deferred()
        for event in self._events.get(connID, ()):
            if wanted(event):
                waiting.callback(event)
                return waiting
        self._waiting.setdefault(connID, []).append((wanted, waiting))

        def late(*_: object) -> Any:
            came = [repr(one)[:60] for one in self._events.get(connID, ())]
            raise AssertionError(f"no {kind.__name__} of {dn} in {connID}: {came}")

        return waiting.addTimeout(PATIENCE, reactor, late)

    def forget(self, *connIDs: str) -> None:
        """
        Calls are over.
        """
        for connID in connIDs:
            self._over.add(connID)
            self._waiting.pop(connID, None)
            self._events.pop(connID, None)


@define
class Unit:
    """
    One call, and what becomes of it: C{a} has called C{b}, who has C{c}.

    @ivar connID: the call.
    @ivar other: the ConnID of the consultation.
    @ivar took: requests, and how many seconds each took.
    """

    reactor: Any
    client: Watching
    connID: str
    a: str
    b: str
    c: str
    other: str = ""
    took: list[tuple[str, float]] = field(factory=list)

    async def ask(self, request: type[Message], dn: str = "", **more: Any) -> Any:
        """
        Ask for something, in the first call where nothing else is said.
        """
        begun = self.reactor.seconds()
        named: Any = {"thisDN": dn or self.b, "connID": self.connID, **more}
        answer = await self.client.ask(self.reactor, request(**named))
        self.took.append((request.__name__, self.reactor.seconds() - begun))
        return answer

    async def event(self, kind: type[Message], dn: str, connID: str = "") -> Any:
        """
        Wait for something.
        """
        return await self.client.event(self.reactor, connID or self.connID, kind, dn)

    async def consult(self, request: type[Message]) -> None:
        """
        B asks C.
        """
        dialing = await self.ask(request, otherDN=self.c)
        self.other = dialing.connID
        await self.event(messages.EventEstablished, self.b, self.other)

    async def talk(self) -> None:
        """
        People talk.
        """
        await deferLater(self.reactor, TALK, lambda: None)

    async def over(self, dn: str, *others: str) -> None:
        """
        Somebody hangs up, and the call is over for these others, too.
        """
        await self.ask(messages.RequestReleaseCall, dn)
        for one in others:
            await self.event(messages.EventReleased, one)

    async def transfer(self) -> None:
        """
        B asks C and lets A talk to C.
        """
        await self.consult(messages.RequestInitiateTransfer)
        await self.talk()
        await self.ask(messages.RequestCompleteTransfer, transferConnID=self.other)
        await self.event(messages.EventPartyChanged, self.a)
        await self.talk()
        await self.over(self.a, self.c)

    async def singleStepTransfer(self) -> None:
        """
        B lets A talk to C.
        """
        await self.ask(messages.RequestSingleStepTransfer, otherDN=self.c)
        await self.event(messages.EventEstablished, self.c)
        await self.talk()
        await self.over(self.c, self.a)

    async def conference(self) -> None:
        """
        B asks C, all three talk, B leaves.
        """
        await self.consult(messages.RequestInitiateConference)
        await self.ask(messages.RequestCompleteConference, conferenceConnID=self.other)
        await self.event(messages.EventPartyAdded, self.a)
        await self.talk()
        await self.talk()
        await self.over(self.b)
        await self.event(messages.EventPartyDeleted, self.a)
        await self.talk()
        await self.over(self.a, self.c)

    async def singleStepConference(self) -> None:
        """
        B takes C into the call, and out again.
        """
        await self.ask(messages.RequestSingleStepConference, otherDN=self.c)
        await self.event(messages.EventPartyAdded, self.a)
        await self.talk()
        await self.talk()
        await self.ask(messages.RequestDeleteFromConference, otherDN=self.c)
        await self.talk()
        await self.over(self.a, self.b)


#: What is done by turns, and how many calls B's telephone then gets.
KINDS: tuple[tuple[Callable[[Unit], Awaitable[None]], int], ...] = (
    (Unit.transfer, 2),
    (Unit.singleStepTransfer, 1),
    (Unit.conference, 2),
    (Unit.singleStepConference, 1),
)


@define
class Driver:
    """
    Does something with each call that comes.

    @ivar calls: how many there are to be.
    @ivar wrong: why some failed.
    """

    reactor: Any
    calls: int
    begun: int = 0
    good: int = 0
    wrong: list[str] = field(factory=list)
    took: dict[str, list[float]] = field(factory=lambda: defaultdict(list))
    finished: Deferred[None] = field(factory=Deferred)
    _free: deque[int] = field(factory=lambda: deque(CONSULTED))
    _known: set[str] = field(factory=set)

    def watches(self, client: Watching) -> None:
        """
        Take the calls that a client is told of.
        """
        client.begin = lambda event: self._begin(client, event)

    def _begin(self, client: Watching, event: Any) -> None:
        if (
            not isinstance(event, messages.EventEstablished)
            or int(event.thisDN or 0) not in CALLED
            or int(event.otherDN or 0) not in CALLING
            or event.previousConnID
            or event.connID in self._known
        ):
            return
        self._begun(client, event)

    def _begun(self, client: Watching, event: Any) -> None:
        self._known.add(event.connID)
        free = self._free.popleft()
        unit = Unit(
            self.reactor, client, event.connID, event.otherDN, event.thisDN, str(free)
        )
        act, _ = KINDS[self.begun % len(KINDS)]
        self.begun += 1
        doing = Deferred.fromCoroutine(_whole(act(unit)))

        def over(result: object) -> None:
            if isinstance(result, Failure):
                self.wrong.append(f"{act.__name__}: {result.getErrorMessage()}")
            else:
                self.good += 1
            for name, seconds in unit.took:
                self.took[name].append(seconds)
            client.forget(unit.connID, unit.other)
            self._free.append(free)
            if self.good + len(self.wrong) == self.calls:
                self.finished.callback(None)

        doing.addBoth(over)


async def _whole(doing: Awaitable[None]) -> None:
    await doing


async def transfers(
    reactor: Any, cluster: Cluster, rate: float, seconds: float, folder: Path
) -> Load:
    """
    Register the telephones, make calls, and let T-Library clients of both nodes
    transfer them and make conferences of them, by turns.

    @param rate: calls started in a second, besides those that are made to consult.
    """
    proxies = [f"{cluster.address(name)}:5060" for name in ("proxy1", "proxy2")]
    phones = f"{cluster.base}.102"
    await register(cluster, phones, proxies[0], (*CALLED, *CONSULTED), folder)
    each = round(rate * seconds / 2)
    driver = Driver(reactor, 2 * each)
    clients = [
        await Watching.open(
            reactor,
            cluster.namespace,
            cluster.address(name),
            3000,
            "desktop",
            [str(number) for number in (*CALLING, *CALLED, *CONSULTED)],
        )
        for name in sorted(cluster.nodes)
    ]
    for client in clients:
        assert isinstance(client, Watching)
        client.got.clear()
        driver.watches(client)
    wire = await Wire.watch(reactor, cluster, folder)
    try:
        limit = int(seconds) + 60
        kinds = [KINDS[index % len(KINDS)] for index in range(driver.calls)]
        answering = SIPp(
            "telephone",
            phones,
            calls=sum(1 + calls for _, calls in kinds),
            seconds=limit,
        ).run(folder / "called", cluster.namespace)
        await until(
            reactor, lambda: listens(cluster.namespace, phones), 5, "phones", 0.05
        )
        before = processorTime(cluster)
        half = EACH // 2
        callers = []
        for index, proxy in enumerate(proxies):
            users = folder / f"calling-{index}.csv"
            mine = slice(index * half, (index + 1) * half)
            users.write_text(usersFile(CALLING[mine], CALLED[mine]))
            callers.append(
                SIPp(
                    "load-caller-stays",
                    f"{cluster.base}.{111 + index}",
                    proxy,
                    users=str(users),
                    calls=each,
                    rate=rate / 2,
                    seconds=limit,
                    mediaPort=20000 + 100 * index,
                ).run(folder / f"caller-{index}", cluster.namespace)
            )
        made: list[Report] = await gatherResults(callers)
        await DeferredList([driver.finished.addTimeout(2 * PATIENCE, reactor)])
        answering.addTimeout(2 * PATIENCE, reactor, lambda *_: None)
        answered: Report = await answering
        after = processorTime(cluster)
    finally:
        await wire.end(reactor)
        for client in clients:
            client.leave()
    seen = wire.seen()
    reports = [one for one in (*made, answered) if one is not None]
    why = [*driver.wrong[:20], *(one.why for one in reports if one.why)]
    return Load(
        calls=driver.calls,
        successful=driver.good,
        failed=len(driver.wrong) + sum(report.failed for report in reports),
        why="\n".join(why)[:6000],
        repeated=tuple(one for report in reports for one in report.repeated),
        repeatedBy=seen["repeatedBy"],
        examples=seen["examples"],
        datagrams=seen["datagrams"],
        unseen=seen["unseen"],
        ringing=sum(report.seconds.get("1", 0.0) for report in made) / len(made),
        milliseconds=perCall(before, after, driver.good),
        answered={
            name: round(1000 * sum(took) / len(took), 1)
            for name, took in driver.took.items()
        },
    )
