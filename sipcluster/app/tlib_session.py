"""
What C{sipclusterctl tlib} does while it is connected: print, ask, record, play again.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

from attrs import frozen
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.defer import TimeoutError as TooLong
from twisted.internet.interfaces import (
    IDelayedCall,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from sipcluster.app.tlib_record import Entry, Likeness, Recorder
from sipcluster.app.tlib_words import plain
from sipcluster.tlib.client import LinkState, RequestFailed, TLibraryClient
from sipcluster.tlib.codec import Envelope
from sipcluster.tlib.messages import (
    Message,
    RequestQueryAddress,
    RequestRegisterAddress,
    RequestUnregisterAddress,
)
from sipcluster.tlib.text import render

#: Seconds that a recorded event may be late when its session is played again.
PATIENCE = 10.0

#: Seconds after which it is told which ports have not answered; one at least must.
LINK = 10.0

#: What is done in between: a request, or seconds of waiting.
Step: TypeAlias = Message | float

#: Requests that need no registered DN.
UNREGISTERED = (RequestRegisterAddress, RequestUnregisterAddress, RequestQueryAddress)


@frozen
class Door:
    """
    A T-Library port to connect to, or those of the two members of a pair.

    @ivar node: what it is called: the pair, where it is one.
    """

    node: str
    endpoints: tuple[IStreamClientEndpoint, ...]


@frozen
class Printer:
    """
    Shows messages.

    @ivar several: there are several nodes, so each message says whose it is.
    """

    write: Callable[[str], object]
    json: bool = False
    several: bool = False

    def show(self, node: str, envelope: Envelope, sent: bool = False) -> None:
        """
        Print one.

        @param sent: by us.
        """
        if self.json:
            found = {"node": node, "sent": sent, **plain(envelope)}
            self.write(json.dumps(found) + "\n")
            return
        moment = datetime.now(UTC).strftime("%H:%M:%S.%f")[:-2]
        words = [f"@{moment}", node if self.several else "", "sent" if sent else ""]
        text = render(envelope.message, envelope.position, envelope.reference)
        self.write(f"{' '.join(filter(None, words))}\n{text.rstrip()}\n\n")


class Session:
    """
    Clients of one or more ports, and what is done with their events.

    @ivar status: for the shell.
    @ivar over: fires when it is enough.
    @ivar recorder: L{None}: nothing is written down.
    @ivar likeness: L{None}: nothing is compared.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        doors: Sequence[Door],
        application: str,
        password: str,
        chance: Callable[[], float],
        printer: Printer,
        events: int | None = None,
    ) -> None:
        """
        @param events: how many are enough; L{None}: there are never too many.
        """
        self.reactor = reactor
        self.status = 0
        self.recorder: Recorder | None = None
        self.likeness: Likeness | None = None
        self.over: Deferred[None] = Deferred()
        self._printer = printer
        self._left = events
        self._calls: list[IDelayedCall] = []
        self._linked: set[str] = set()
        self.clients: dict[str, TLibraryClient] = {}
        for door in doors:
            self._add(door, application, password, chance)

    def _add(
        self,
        door: Door,
        application: str,
        password: str,
        chance: Callable[[], float],
    ) -> None:
        def received(envelope: Envelope) -> None:
            self._received(door.node, envelope)

        def linkChanged(state: LinkState) -> None:
            self._linkChanged(door.node, state)

        self.clients[door.node] = TLibraryClient(
            door.endpoints,
            self.reactor,
            application,
            password,
            received,
            chance=chance,
            linkChanged=linkChanged,
        )

    # What is done.

    async def start(self) -> None:
        """
        Connect to one port at least; end where nobody answers.
        """
        self._calls.append(self.reactor.callLater(LINK, self._late))
        ways: list[Deferred[Any]] = [self._whenOver()]
        for node, client in self.clients.items():
            client.startService()
            ways.append(client.whenLinked().addErrback(self._refused, node))
        await DeferredList(ways, fireOnOneCallback=True)

    def _late(self) -> None:
        for node, client in self.clients.items():
            if node not in self._linked:
                why = client.failure or "nothing came"
                self.tell(f"no link to {node} in {LINK:g} seconds: {why}")
        if not self._linked:
            self.status = 1
            self.end()

    def endAfter(self, seconds: float) -> None:
        """
        It will be enough after some time.
        """
        self._calls.append(self.reactor.callLater(seconds, self.end))

    def _whenOver(self) -> Deferred[None]:
        over: Deferred[None] = Deferred()
        self.over.addCallback(lambda _: over.callback(None))
        return over

    def _refused(self, failure: Failure, node: str) -> None:
        failure.trap(RequestFailed)
        if not self.over.called:
            self.status = 1
            self.tell(f"{node}: {failure.getErrorMessage()}")
            self.end()

    def register(self, dns: Sequence[str]) -> Deferred[Any]:
        """
        Register DNs everywhere.

        @return: fires when all are, or were refused.
        """
        asked = []
        for node, client in self.clients.items():
            for dn in dns:
                one = client.register(dn)
                one.addErrback(self._notRegistered, node, dn)
                asked.append(one)
        return DeferredList(asked)

    def _notRegistered(self, failure: Failure, node: str, dn: str) -> None:
        failure.trap(RequestFailed)
        if not self.over.called:
            self.status = 1
            self.tell(f"{node}: {dn}: {failure.getErrorMessage()}")

    async def ask(self, request: Message) -> bool:
        """
        Send a request to the first port, its DN registered before.

        @return: whether it was done.
        """
        node, client = next(iter(self.clients.items()))
        dn = getattr(request, "thisDN", None)
        try:
            if (
                dn
                and dn not in client.registered
                and not isinstance(request, UNREGISTERED)
            ):
                await client.register(dn)
            if self.recorder is not None:
                now = self.reactor.seconds()
                self.recorder.add(now, True, node, Envelope(0, 0, request))
            await client.request(request)
        except RequestFailed as e:
            if not self.over.called:
                self.status = 1
                self.tell(f"{type(request).__name__}: {e}")
            return False
        return True

    def end(self) -> None:
        """
        It is enough.
        """
        if not self.over.called:
            self.over.callback(None)

    def stop(self) -> Deferred[Any]:
        """
        Close the connections; more than once, if need be.

        @return: fires when they are closed.
        """
        self.end()
        for call in self._calls:
            if call.active():
                call.cancel()
        return DeferredList([client.stopService() for client in self.clients.values()])

    # What comes.

    def _received(self, node: str, envelope: Envelope) -> None:
        if self.over.called:
            return
        if self.recorder is not None:
            self.recorder.add(self.reactor.seconds(), False, node, envelope)
        if self.likeness is not None and envelope.position:
            self.likeness.came(envelope.message)
        try:
            self._printer.show(node, envelope)
        except BrokenPipeError:  # somebody has seen enough
            self.end()
        if self._left is not None and envelope.position:
            self._left -= 1
            if self._left <= 0:
                self.end()

    def _linkChanged(self, node: str, state: LinkState) -> None:
        if state.info is not None:
            self._linked.add(node)
            self.tell(f"{node}: linked to {state.info.serverVersion}")
        elif not self.over.called and not state.forGood:
            self.tell(f"{node}: not linked: {state.why}")

    def tell(self, text: str) -> None:
        """
        Say something that is no event.
        """
        sys.stderr.write(f"{text}\n")


async def walk(
    session: Session, dns: Sequence[str], steps: Sequence[Step], stay: bool
) -> None:
    """
    Register DNs and take some steps.

    @param stay: print events afterwards, until it is enough.
    """
    await session.start()
    if dns and not session.over.called:
        await DeferredList(
            [session.register(dns), session._whenOver()], fireOnOneCallback=True
        )
    for step in steps:
        if session.over.called:
            return
        if isinstance(step, float):
            await pause(session.reactor, step)
        elif not await session.ask(step):
            return
    if stay:
        await session._whenOver()


async def playAgain(
    session: Session, entries: Sequence[Entry], write: Callable[[str], object]
) -> None:
    """
    Send the requests of a record again, each when the events before it have come,
    and compare.
    """
    events = [
        entry.envelope.message
        for entry in entries
        if not entry.sent and entry.envelope.position
    ]
    likeness = session.likeness = Likeness(events)
    await session.start()
    dns = dict.fromkeys(getattr(one, "thisDN", None) for one in events)
    session.register([dn for dn in dns if dn])
    for entry in entries:
        if session.over.called:
            break
        message = entry.envelope.message
        if entry.sent:
            await session.ask(likeness.translated(message))
        elif entry.envelope.position:
            came = likeness.whenCame(message).addTimeout(PATIENCE, session.reactor)
            with contextlib.suppress(TooLong):
                await came
    lacking, more = likeness.left, likeness.unexpected
    for kind, found in (("missing", lacking), ("not in the record", more)):
        for one in found:
            dn = getattr(one, "thisDN", None) or "-"
            write(f"{kind}: {type(one).__name__} of {dn}\n")
    write(
        f"{len(events)} events in the record: {len(events) - len(lacking)} came again, "
        f"{len(lacking)} are missing, {len(more)} are new\n"
    )
    if lacking or more:
        session.status = 1


def pause(reactor: IReactorTime, seconds: float) -> Deferred[None]:
    """
    Let other things happen for a while.
    """
    return deferLater(reactor, max(0.0, seconds), lambda: None)
