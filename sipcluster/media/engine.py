"""
The engine: one clock for all sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.media.arithmetic import IArithmetic, best
from sipcluster.media.conference import MOST as MEMBERS
from sipcluster.media.conference import Conference, Member
from sipcluster.media.imedia import FRAME, Full, IAudioLibrary, IMediaEngine
from sipcluster.media.ports import PortPairs
from sipcluster.media.rtp_session import RTPSession

log = Logger()

#: Sessions at one time.
MOST = 1000

#: Frames that are sent at once when we come too late; the others are left out.
CATCH_UP = 5


@implementer(IMediaEngine)
class MediaEngine:
    """
    See L{IMediaEngine}.

    Frames have absolute times: who comes late with one is not late with the next, and
    nothing drifts.

    @ivar address: what session descriptions say, as far ends see us.
    """

    def __init__(
        self,
        clock: IReactorTime,
        ports: PortPairs,
        library: IAudioLibrary,
        entropy: Callable[[int], bytes],
        address: str = "",
        most: int = MOST,
        wallTime: Callable[[], float] | None = None,
        arithmetic: IArithmetic | None = None,
        members: int = MEMBERS,
    ) -> None:
        """
        @param entropy: makes that many random bytes.
        @param address: L{address}, if it is not that of C{ports}.
        @param most: sessions at one time.
        @param wallTime: seconds since 1970, for reports; else they have the clock's.
        @param arithmetic: how audio is mixed; else the best way there is.
        @param members: of one conference.
        """
        self.wallTime = wallTime or clock.seconds
        self.arithmetic = arithmetic or best()
        self.clock = clock
        self.ports = ports
        self.library = library
        self.address = address or ports.host
        self._entropy = entropy
        self._most = most
        self._sessions: dict[RTPSession, None] = {}
        self._members = members
        self._conferences: dict[str, Conference] = {}
        self._tick: IDelayedCall | None = None
        # When the clock began to tick, and how often it has.
        self._begun = 0.0
        self._frames = 0
        self._made = 0
        self._skipped = 0
        self._latest = 0.0

    def random(self, size: int) -> int:
        """
        A random number of that many bytes.
        """
        return int.from_bytes(self._entropy(size), "big")

    def session(self, offer: bytes | None = None) -> RTPSession:
        """
        See L{IMediaEngine}.
        """
        if len(self._sessions) >= self._most:
            raise Full(f"{self._most} sessions are open")
        self._made += 1
        session = RTPSession(self, f"m{self._made}")
        self._sessions[session] = None
        if offer is not None:
            try:
                session.answer(offer)
            except BaseException:
                session.stop()
                raise
        if self._tick is None:
            self._begun, self._frames = self.clock.seconds(), 0
            self._tick = self.clock.callLater(FRAME, self._turn)
        return session

    def conference(self, name: str) -> Conference:
        """
        The conference of a name; a new one, if there is none.
        """
        found = self._conferences.get(name)
        if found is None:
            found = self._conferences[name] = Conference(name, self._members)
        return found

    def left(self, member: Member) -> None:
        """
        Somebody leaves a conference; the last one ends it.
        """
        conference = member.conference
        conference.leave(member)
        if not conference.members:
            self._conferences.pop(conference.name, None)

    def ended(self, session: RTPSession) -> None:
        """
        A session has stopped.
        """
        self._sessions.pop(session, None)
        if not self._sessions and self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def _turn(self) -> None:
        self._tick = None
        passed = self.clock.seconds() - self._begun
        # Rounding must not cost a frame.
        due = int(passed / FRAME + 1e-6) - self._frames
        self._latest = max(self._latest, passed - (self._frames + 1) * FRAME)
        left = max(0, due - CATCH_UP)
        if left:
            self._skipped += left
            for session in self._sessions:
                session.leaveOut(left)
        self._frames += due
        for _ in range(due - left):
            self._frame()
        if self._sessions and self._tick is None:
            following = self._begun + (self._frames + 1) * FRAME
            delay = max(0.0, following - self.clock.seconds())
            self._tick = self.clock.callLater(delay, self._turn)

    def _frame(self) -> None:
        sessions = list(self._sessions)
        for session in sessions:
            with log.failuresHandled("A frame from {name}", name=session.name):
                session.gather()
        for conference in self._conferences.values():
            with log.failuresHandled("A frame of {name}", name=conference.name):
                conference.mix(self.arithmetic)
        for session in sessions:
            # A callback of another one may have stopped it.
            if session.open:
                with log.failuresHandled("A frame to {name}", name=session.name):
                    session.emit()

    def status(self) -> Mapping[str, object]:
        """
        See L{IMediaEngine}.
        """
        latest, self._latest = self._latest, 0.0
        return {
            "sessions": len(self._sessions),
            "made": self._made,
            "conferences": len(self._conferences),
            "members": sum(len(each.members) for each in self._conferences.values()),
            "ports": self.ports.open,
            "framesLeftOut": self._skipped,
            "latest": latest,
        }

    def stop(self) -> None:
        """
        See L{IMediaEngine}.
        """
        for session in list(self._sessions):
            session.stop()
