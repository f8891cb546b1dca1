"""
A media server as a member of the cluster, in a process of its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.app.log_streams import LogStreams
from sipcluster.app.process import Process
from sipcluster.app.runtime import IMember
from sipcluster.app.settings import Configuration, Media
from sipcluster.media.agent import AgentSettings, MediaAgent
from sipcluster.media.audio import AudioLibrary
from sipcluster.media.engine import MediaEngine
from sipcluster.media.imedia import IMediaEngine
from sipcluster.media.ports import PortPairs
from sipcluster.net.locate import Locator
from sipcluster.net.rtp import Datagrams
from sipcluster.net.transport import SIPTransport
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import ILocator, ITransportLayer

log = Logger()


@implementer(IMember)
class MediaMember(Service):
    """
    A media server.

    @ivar agent: its SIP side.
    """

    def __init__(
        self,
        configuration: Configuration,
        settings: Media,
        clock: IReactorTime,
        transport: ITransportLayer,
        locator: ILocator,
        engine: IMediaEngine,
        identifiers: Identifiers,
    ) -> None:
        self.setName(settings.name)
        host = settings.sipAddress
        self._settings = settings
        self._recordings = folderOf(configuration, settings.recordings, "recordings")
        self._transport = transport
        self.agent = MediaAgent(
            clock,
            transport,
            locator,
            identifiers,
            engine,
            AgentSettings(
                (f"[{host}]" if ":" in host else host).encode(),
                settings.sipPort,
                self._recordings,
                None if settings.allowAll else peersOf(configuration, settings),
                settings.maxSessions,
                settings.maxMembers,
                settings.maxDuration,
                folderOf(configuration, settings.prompts, "prompts"),
            ),
        )

    def startService(self) -> None:
        """
        Take what the transport layer receives from now on.
        """
        super().startService()
        self._transport.receiver = self.agent.layer

    def load(self) -> Deferred[None]:
        """
        See L{IMember}: there must be a folder for recordings.
        """
        return execute(self._recordings.mkdir, parents=True, exist_ok=True)

    def stopService(self) -> Deferred[None]:
        """
        Hang up on everybody.
        """
        super().stopService()
        return self.agent.stop()

    def status(self) -> dict[str, object]:
        """
        See L{IMember}.
        """
        return {**self.agent.status(), "registrations": 0, "degraded": ""}

    def registrations(self) -> Iterable[dict[str, object]]:
        """
        None: ask a SIP Proxy.
        """
        return ()

    def calls(self) -> Iterable[dict[str, object]]:
        """
        None that is a call: ask a node.
        """
        return ()


def folderOf(configuration: Configuration, given: Path | None, name: str) -> Path:
    """
    A folder of the settings, or the one of that name beside the configuration.
    """
    return given or configuration.source.absolute().parent / name


def peersOf(configuration: Configuration, settings: Media) -> frozenset[str]:
    """
    The addresses that may use a media server.
    """
    members = (*configuration.proxies, *configuration.nodes)
    return frozenset((*settings.peers, *(one.sipAddress for one in members)))


def addMedia(
    process: Process,
    reactor: Any,
    configuration: Configuration,
    settings: Media,
    streams: LogStreams,
) -> None:
    """
    Build a media server into its process.
    """
    transport = SIPTransport(reactor, None, os.urandom, trace=streams.trace)
    process.closesLast(transport.stop)
    process.tells("transport", transport.status)
    host, port = settings.sipAddress, settings.sipPort
    prompts = folderOf(configuration, settings.prompts, "prompts")
    recordings = folderOf(configuration, settings.recordings, "recordings")
    engine = MediaEngine(
        reactor,
        PortPairs(Datagrams(reactor, settings.rtpHost), reactor, *settings.rtpPorts),
        AudioLibrary(prompts, settings.toneCountry.lower(), recordings=recordings),
        os.urandom,
        most=settings.maxSessions,
        wallTime=time.time,
        members=settings.maxMembers,
    )
    families = (6,) if ":" in host else (4,)
    process.runs(
        MediaMember(
            configuration,
            settings,
            reactor,
            transport,
            Locator(reactor, None, families=families),
            engine,
            Identifiers(os.urandom),
        )
    )
    process.opens("UDP", lambda: transport.listenUDP(host, port))
    process.opens("TCP", lambda: transport.listenTCP(host, port))
