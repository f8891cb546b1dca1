"""
A media server in a process of a simulated world: its SIP side, and an engine that has
no media.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from sipcluster.app.media import MediaMember
from sipcluster.app.settings import Configuration, Media
from sipcluster.media.imedia import Ended, IAudio
from sipcluster.registrar.iregistrar import Binding
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import ILocator, Target
from sipcluster.sip.sdp import directionOf, mediaOf
from sipcluster.sip.uri import SIPURI
from sipcluster.testing.media_engine import FakeEngine, FakeSession
from sipcluster.testing.simulation.servers import IServed, Server

#: Seconds that something is played, unless it has no end.
PLAYS = 2.0

#: Seconds after which somebody types a digit that is waited for.
TYPES = 1.5


@implementer(ILocator)
class Names:
    """
    Knows the names of the cluster.
    """

    def __init__(self, server: Server) -> None:
        self._world = server.world

    def locate(self, uri: SIPURI) -> Deferred[Any]:
        """
        See L{ILocator}.
        """
        host = self._world.addressOf(uri.bareHost)
        if host not in self._world.network.processes:
            return fail(LookupError("no such name"))
        return succeed([Target("UDP", host, uri.port or 5060)])

    def markFailed(self, target: Target) -> None:
        """
        See L{ILocator}.
        """

    def markWorking(self, target: Target) -> None:
        """
        See L{ILocator}.
        """


class TimedSession(FakeSession):
    """
    A session in which what is played comes to its end, and digits are typed.

    @ivar over: what was played has come to its end.
    """

    over = False

    def play(
        self,
        audio: Sequence[IAudio],
        done: Callable[[Ended], None] | None = None,
        repeat: int = 1,
        pause: float = 0.0,
        longest: float | None = None,
    ) -> None:
        """
        See L{FakeSession}.
        """
        super().play(audio, done, repeat, pause, longest)
        playing = self.playing

        def finish() -> None:
            if self.playing is playing and not self.stopped:
                self.over = True
                self.finish()

        if repeat and not any(getattr(one, "endless", False) for one in audio):
            cast("TimedEngine", self.engine).later(PLAYS * repeat, finish)

    def collect(self, digit: Callable[[str], None] | None) -> None:
        """
        See L{FakeSession}.
        """
        super().collect(digit)
        if digit is not None:
            cast("TimedEngine", self.engine).later(TYPES, self._type, digit)

    def _type(self, digit: Callable[[str], None]) -> None:
        if self._digit is digit and not self.stopped:
            self.types("1")
            cast("TimedEngine", self.engine).later(TYPES, self._type, digit)


class TimedEngine(FakeEngine):
    """
    Makes such sessions.
    """

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.later = server.clock.callLater

    def session(self, offer: bytes | None = None) -> FakeSession:
        """
        See L{FakeEngine}.
        """
        made = TimedSession(len(self.sessions) + 1, self)
        if offer is not None:
            made.answer(offer)
        self.sessions.append(made)
        return made


@implementer(IServed)
class ServedMedia:
    """
    One life of a media server.
    """

    def __init__(self, server: Server, configuration: Configuration) -> None:
        self.sessions: dict[str, Any] = {}
        settings = configuration.application(server.name)
        assert isinstance(settings, Media)
        self.engine = TimedEngine(server)
        self.member = MediaMember(
            configuration,
            settings,
            server.clock,
            server.transport,
            Names(server),
            self.engine,
            Identifiers(server.chance.entropy),
        )
        self.name = server.name
        self.member.startService()

    def mediaEnds(self) -> dict[int, tuple[str, int]]:
        """
        By the ports of its sessions: whose they are, and to which port they talk; 0:
        to none.  Who has heard something to its end is not told to hear nobody.
        """
        found = {
            session.local.port: (self.name, 0)
            for session in self.engine.sessions
            if isinstance(session, TimedSession) and session.over
        }
        for session in self.engine.live:
            body = (*session.offers, *session.answers)[-1:]
            heard = 0
            if body and directionOf(body[0]) != b"inactive":
                heard = mediaOf(body[0])[0].port
            found[session.local.port] = (self.name, heard)
        return found

    def left(self) -> dict[str, int]:
        """
        See L{IServed}.
        """
        return {"sessions": len(self.engine.live)}

    def lingering(self) -> dict[str, int]:
        """
        See L{IServed}.
        """
        layer = self.member.agent.layer.status()
        kinds = ("inviteClient", "inviteServer", "noninviteClient", "noninviteServer")
        return {kind: layer[kind] for kind in (*kinds, "waiting", "timers")}

    def quieten(self) -> None:
        """
        See L{IServed}.
        """

    def stop(self) -> Deferred[Any]:
        """
        See L{IServed}.
        """
        return self.member.stopService()

    def bindings(self) -> list[Binding]:
        """
        See L{IServed}.
        """
        return []

    def agents(self) -> list[dict[str, object]]:
        """
        See L{IServed}.
        """
        return []
