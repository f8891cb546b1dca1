"""
Which media servers there are, which of them serve, and which one a call takes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterable

from attrs import define, field, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.mediaservice.scripts import resultOf, scriptOf
from sipcluster.mediaservice.uris import serviceURI
from sipcluster.msml.values import CONTENT_TYPE
from sipcluster.servicecheck.iservicecheck import IAsker, Member, PeerRole, ProbeTimes
from sipcluster.servicecheck.probe import IProbeOwner, Probe, peerProbe
from sipcluster.sessioncontroller.imedia import (
    IMediaService,
    MediaKind,
    MediaRequest,
    MediaResult,
    MediaServer,
)
from sipcluster.sip.isip import Target

__all__ = ("MediaServices", "ServerSettings")

log = Logger()

#: Those who ask find the way by the URI.
_ANYWHERE = Target("UDP", "0.0.0.0", 5060)

#: Seconds for which a server that failed is tried last, where nobody asks it by
#: OPTIONS whether it serves.
AVOIDED = 10.0

#: Seconds that an OPTIONS may take where the settings do not say.
PATIENCE = 2.0


@frozen
class ServerSettings:
    """
    One media server, as the configuration has it.

    @ivar name: the number of its VoIP Service DN.
    @ivar contact: where it is.
    @ivar location: the data centre in which it is; C{""}: any.
    @ivar speaksMSML: it is more than RFC 4240 asks for.
    @ivar oosCheck: seconds between two OPTIONS; 0: it is not asked.
    @ivar oosForce: seconds that it may leave one unanswered; 0: what is usual.
    """

    name: str
    contact: bytes
    location: str = ""
    speaksMSML: bool = True
    oosCheck: float = 0.0
    oosForce: float = 0.0


@define(eq=False)
class _Server:
    """
    @ivar inService: L{None}: it was not asked yet, and is taken to serve.
    @ivar avoided: until when it is tried last, in seconds of the clock.
    @ivar failures: how often it did not answer, or refused.
    @ivar life: what tells this process of it from the one before; 0: it did not say.
    """

    settings: ServerSettings
    value: MediaServer
    probe: Probe | None = field(default=None, repr=False)
    inService: bool | None = None
    avoided: float = 0.0
    failures: int = 0
    chosen: int = 0
    why: str = ""
    life: int = 0


def _unheeded(name: str) -> None:
    """
    Nobody has sessions there.
    """


@implementer(IMediaService, IProbeOwner)
class MediaServices:
    """
    All media servers.

    Which one is taken depends on what all nodes know alike: the configuration, and
    who is in service.  A conference's name chooses among them, so its members meet at
    the same one wherever that is asked; everything else takes them in turn.

    @ivar startedAnew: told the name of a server that has forgotten all its sessions.
    """

    def __init__(
        self,
        clock: IReactorTime,
        servers: Iterable[ServerSettings],
        asker: IAsker,
        chance: Callable[[], float],
    ) -> None:
        """
        @param chance: uniform in [0, 1): spreads the questions in time.
        """
        self.startedAnew: Callable[[str], object] = _unheeded
        self._clock = clock
        self._turn = 0
        self._servers: dict[str, _Server] = {}
        for settings in servers:
            value = MediaServer(settings.name, settings.contact, settings.location)
            server = _Server(settings, value)
            self._servers[settings.name] = server
            if settings.oosCheck > 0:
                server.probe = self._probe(settings, asker, chance)

    def _probe(
        self, settings: ServerSettings, asker: IAsker, chance: Callable[[], float]
    ) -> Probe:
        times = ProbeTimes(
            settings.oosCheck, settings.oosCheck, settings.oosForce or PATIENCE
        )
        member = Member(settings.name, _ANYWHERE, settings.name, settings.contact)
        return peerProbe(member, asker, self, self._clock, lambda: times, chance)

    def startAsking(self) -> None:
        """
        Begin to ask who serves; to be called when SIP can be sent.
        """
        for server in self._servers.values():
            if server.probe is not None:
                server.probe.start()

    def stopAsking(self) -> None:
        """
        Ask no more.
        """
        for server in self._servers.values():
            if server.probe is not None:
                server.probe.stop()

    # IMediaService

    def choose(
        self,
        request: MediaRequest,
        location: str = "",
        besides: Collection[str] = (),
        present: str = "",
    ) -> MediaServer | None:
        """
        See L{IMediaService}.
        """
        there = [
            server
            for server in self._servers.values()
            if server.value.name not in besides
            and server.inService is not False
            and _can(server.settings, request)
        ]
        if not there:
            return None
        server = next((one for one in there if one.value.name == present), None)
        if server is None:
            server = self._best(there, request, location)
        server.chosen += 1
        return server.value

    def _best(
        self, there: list[_Server], request: MediaRequest, location: str
    ) -> _Server:
        now = self._clock.seconds()

        def rank(server: _Server) -> tuple[bool, int]:
            at = server.value.location
            near = 0 if at == location else 1 if not at else 2
            return (server.avoided > now, near)

        first = min(map(rank, there))
        best = [server for server in there if rank(server) == first]
        if request.kind is MediaKind.CONFERENCE:
            return max(best, key=lambda one: _weight(request.name, one.value.name))
        self._turn += 1
        return best[self._turn % len(best)]

    def uri(self, request: MediaRequest, server: MediaServer) -> bytes:
        """
        See L{IMediaService}.
        """
        return serviceURI(request, server.contact, self._byMSML(request, server.name))

    def start(
        self, request: MediaRequest, server: str = "", tag: bytes = b""
    ) -> tuple[bytes, bytes] | None:
        """
        See L{IMediaService}.
        """
        if request.kind is MediaKind.CONFERENCE:
            known = self._servers.get(server)
            if known is None or not known.settings.speaksMSML:
                return None
        elif not self._byMSML(request, server):
            return None
        return CONTENT_TYPE, scriptOf(request, tag)

    def _byMSML(self, request: MediaRequest, name: str) -> bool:
        """
        Whether a server is told by MSML what to do, where its URI could say it, too.
        """
        if request.kind is MediaKind.DIALOG:
            return True
        server = self._servers.get(name)
        return (
            server is not None
            and server.settings.speaksMSML
            and request.kind is MediaKind.ANNOUNCEMENT
            and len(request.play) > 1
        )

    def result(
        self, method: bytes, contentType: bytes, body: bytes
    ) -> MediaResult | None:
        """
        See L{IMediaService}.
        """
        return resultOf(method, contentType, body)

    def failed(self, server: MediaServer) -> None:
        """
        See L{IMediaService}.
        """
        known = self._servers.get(server.name)
        if known is None:
            return
        known.failures += 1
        known.avoided = self._clock.seconds() + AVOIDED
        if known.probe is not None:
            known.probe.doubted()

    # IProbeOwner

    def entered(self, member: Member, role: PeerRole) -> None:
        """
        See L{IProbeOwner}.
        """
        server = self._servers[member.name]
        server.inService, server.why, server.avoided = True, "", 0.0
        log.info("media server {dn} is in service", dn=member.name)
        self._lives(server, role)

    def _lives(self, server: _Server, role: PeerRole) -> None:
        """
        See whether it is the process that it was.
        """
        before, server.life = server.life, role.epoch or server.life
        if before and before != server.life:
            name = server.value.name
            log.warn("media server {dn} was started anew", dn=name)
            self.startedAnew(name)

    def left(self, member: Member, why: str) -> None:
        """
        See L{IProbeOwner}.
        """
        server = self._servers[member.name]
        server.inService, server.why = False, why
        log.error("media server {dn} is out of service: {why}", dn=member.name, why=why)

    def heard(self, member: Member, role: PeerRole) -> None:
        """
        See L{IProbeOwner}.
        """
        self._lives(self._servers[member.name], role)

    # For people

    def status(self) -> dict[str, object]:
        """
        How the servers are.
        """
        return {
            name: {
                "state": _STATES[server.inService],
                "why": server.why,
                "location": server.value.location,
                "chosen": server.chosen,
                "failures": server.failures,
            }
            for name, server in self._servers.items()
        }


_STATES = {None: "unknown", True: "in service", False: "out of service"}


def _can(settings: ServerSettings, request: MediaRequest) -> bool:
    """
    Whether a server understands what it is to do.
    """
    return settings.speaksMSML or request.kind is not MediaKind.DIALOG


def _weight(conference: str, server: str) -> int:
    """
    How much a conference would like a server: each one has its own order of them, and
    all others stay where they are when one comes or goes.
    """
    return zlib.crc32(f"{conference} {server}".encode())
