"""
Where flows are played: the sample cluster in a network namespace of its own, telephones
and a trunk that are SIPp, and desktops and routing clients that tell what they get.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.utils import getProcessOutputAndValue

from sipcluster.tlib.codec import Envelope
from sipcluster.tlib.messages import Message
from sipcluster.tlib.text import render
from tests.interop.cluster import TOP, Cluster
from tests.interop.load_parts import register
from tests.interop.phones import listens
from tests.interop.sipp import Report, SIPp
from tests.interop.status import until
from tests.interop.tlib_client import TLibClient

_CONTROL = "import sys; from sipcluster.app.control import main; sys.exit(main())"

#: Attributes that say what an event is about, for people.
_SHOWN = (
    *("connID", "previousConnID", "thisDN", "thisDNRole", "otherDN", "thirdPartyDN"),
    *("thisQueue", "callType", "callState", "agentID", "workMode", "routeType"),
    *("treatmentType", "collectedDigits", "errorCode", "errorMessage", "userData"),
)


def configured(toml: str) -> str:
    """
    The sample cluster in two data centres, where those who are held hear music.
    """
    service = 'service-type = "sip-cluster-nodes"\n'
    toml = toml.replace(service, f"{service}sip-enable-moh = true\n")
    for at, name in enumerate(("1", "2"), 1):
        for table in ("node", "proxy"):
            line = f'name = "{table}{name}"\n'
            toml = toml.replace(line, f'{line}geo-location = "dc{at}"\n')
    return toml


def shown(message: Message) -> str:
    """
    A message in a line.
    """
    words = []
    for name in _SHOWN:
        value = getattr(message, name, None)
        if value is not None and value != ():
            words.append(f"{name}={getattr(value, 'label', value)}")
    return " ".join((type(message).__name__, *words))


class Link(TLibClient):
    """
    A connection to a node.
    """

    came: Callable[[Link, Any], None] | None = None

    def _received(self, envelope: Envelope) -> None:
        super()._received(envelope)
        if self.came is not None and self.got:
            self.came(self, self.got[-1])


@define(eq=False)
class Desk:
    """
    A desktop, or a routing client: connected to all nodes, since each knows its own
    calls.

    @ivar name: for people.
    @ivar came: what came and was not taken, and from where.
    """

    name: str
    stage: Stage
    links: list[Link] = field(factory=list)
    came: list[tuple[Link, Any]] = field(factory=list)
    calls: dict[str, Link] = field(factory=dict)

    def heard(self, link: Link, got: Any) -> None:
        """
        Something came.
        """
        self.came.append((link, got))
        connID = getattr(got.message, "connID", None)
        if connID is not None:
            self.calls[connID] = link
        self.stage.tell(f"  {self.name:>10} <- {shown(got.message)}")

    async def told(
        self, kind: type[Message], seconds: float = 10.0, **wanted: Any
    ) -> Any:
        """
        Wait for an event, and take it.
        """

        def found() -> Any:
            for at, (_, got) in enumerate(self.came):
                event = got.message
                if isinstance(event, kind) and all(
                    getattr(event, name) == value for name, value in wanted.items()
                ):
                    del self.came[at]
                    return event
            return None

        what = f"{self.name} is told {kind.__name__} {wanted or ''}"
        return await until(self.stage.reactor, found, seconds, what, 0.02)

    async def ask(self, request: Message, answer: type[Message], at: int = 0) -> Any:
        """
        Ask for something, at the node that has the call.

        @param at: which node, where it is about no call.
        """
        connID = getattr(request, "connID", None)
        link = self.links[at] if connID is None else self.calls[connID]
        self.stage.tell(f"  {self.name:>10} -> {shown(request)}")
        reference = link.request(request)

        def answered() -> Any:
            for one in self.came:
                if one[0] is link and one[1].reference == reference:
                    self.came.remove(one)
                    return one[1].message
            return None

        what = f"{self.name} is answered: {shown(request)}"
        event = await until(self.stage.reactor, answered, 30.0, what, 0.02)
        if not isinstance(event, answer):
            raise AssertionError(f"{shown(request)}: {render(event)}")
        return event


@define(eq=False)
class Stage:
    """
    A cluster, and what happens there.

    @ivar tell: takes what people are to read, line by line.
    @ivar pause: seconds that people talk.
    """

    reactor: Any
    cluster: Cluster
    folder: Path
    tell: Callable[[str], object]
    pause: float = 1.0
    desks: list[Desk] = field(factory=list)
    _runs: list[Deferred[Report]] = field(factory=list)
    _registered: list[tuple[str, str, str]] = field(factory=list)
    _count: int = 0

    def step(self, what: str) -> None:
        """
        Say what happens now.
        """
        self.tell(f"\n{what}")

    async def talk(self) -> None:
        """
        People talk, or listen.
        """
        await deferLater(self.reactor, self.pause, lambda: None)

    def address(self, last: int) -> str:
        """
        An address of the cluster's network.
        """
        return f"{self.cluster.base}.{last}"

    def _work(self) -> Path:
        self._count += 1
        return self.folder / f"{self._count}"

    def run(self, run: SIPp) -> Deferred[Report]:
        """
        Start a SIPp; it ends with the flow.
        """
        running = run.run(self._work(), self.cluster.namespace)
        self._runs.append(running)
        return running

    async def telephones(self, *numbers: str, last: int = 102, proxy: int = 1) -> None:
        """
        Telephones register, and answer every call at once.
        """
        address = self.address(last)
        work = self._work()
        work.mkdir()
        proxies = f"{self.cluster.address(f'proxy{proxy}')}:5060"
        await register(self.cluster, address, proxies, map(int, numbers), work)
        self._registered += [(number, address, proxies) for number in numbers]
        await self.answers(address)

    async def answers(self, address: str) -> None:
        """
        Somebody answers every call at once.
        """
        self.run(SIPp("telephone", address, calls=0, seconds=300))
        await until(
            self.reactor,
            lambda: listens(self.cluster.namespace, address),
            5,
            "a telephone",
            0.05,
        )

    def customer(self, number: str, called: str) -> None:
        """
        Somebody calls from the trunk.
        """
        self.run(
            SIPp(
                "trunk-caller-stays",
                self.address(40),
                f"{self.cluster.address('proxy1')}:5060",
                service=called,
                user=number,
                seconds=300,
            )
        )

    async def client(self, name: str, application: str, port: int, *dns: str) -> Desk:
        """
        Connect a client to all nodes.
        """
        desk = Desk(name, self)
        self.desks.append(desk)
        for node in sorted(self.cluster.nodes):
            link = await Link.open(
                self.reactor,
                self.cluster.namespace,
                self.cluster.address(node),
                port,
                application,
                dns,
            )
            assert isinstance(link, Link)
            link.came = desk.heard
            desk.links.append(link)
        return desk

    async def desktop(self, dn: str) -> Desk:
        """
        The desktop of an agent.
        """
        return await self.client(dn, "desktop", 3001, dn)

    async def router(self, point: str) -> Desk:
        """
        The client that routes what comes to a routing point.
        """
        return await self.client("routing", "routing", 3000, point)

    async def known(self, *numbers: str) -> None:
        """
        The nodes have heard of telephones.
        """
        await until(
            self.reactor,
            lambda: all(
                len(self.cluster.registered(proxy, number)) == 1
                for proxy in ("proxy1", "proxy2")
                for number in numbers
            ),
            10.0,
            "the SIP Proxies know the telephones",
            0.05,
        )

    async def over(self) -> None:
        """
        All calls have ended.
        """

        def none() -> bool:
            return not any(
                self.cluster.status(name).get("calls", 1)
                for name in (*self.cluster.nodes, "media1")
            )

        await until(self.reactor, none, 10.0, "all calls have ended")

    async def end(self) -> None:
        """
        End telephones and clients.
        """
        for desk in self.desks:
            for link in desk.links:
                link.came = None
                link.leave()
        self.desks.clear()
        runs, self._runs = self._runs, []
        for running in runs:
            if not running.called:
                running.addErrback(lambda failure: None)
                running.cancel()
                await running
        registered, self._registered = self._registered, []
        for number, address, proxy in registered:
            bye = SIPp(
                "unregister-all",
                address,
                proxy,
                user=number,
                password=f"secret-{number}",
            )
            report: Report = await bye.run(self._work(), self.cluster.namespace)
            if report.status:
                raise AssertionError(f"{number} stays registered: {report.why}")

    def plays(self) -> int:
        """
        How many sessions the media server has.
        """
        return int(self.cluster.status("media1").get("calls", 0))

    async def ladder(self, *calls: str) -> None:
        """
        Draw calls as C{sipclusterctl trace} does.
        """
        files = ("--config", str(self.cluster.files.configuration))
        for call in dict.fromkeys(calls):
            line = [sys.executable, "-c", _CONTROL, "trace", call, *files]
            out, err, _ = await getProcessOutputAndValue(
                which(line[0]) or line[0],
                line[1:],
                env={**os.environ, "PYTHONPATH": str(TOP)},
            )
            self.tell(f"\nsipclusterctl trace {call}\n")
            for row in (out + err).decode("utf-8", "replace").splitlines():
                self.tell(re.sub(r"\s+$", "", row))
