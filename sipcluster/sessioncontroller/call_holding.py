"""
The part of a call that lets those hear music who are held, where the DN that holds has
some: by request, or at its telephone.

While there is music the two do not talk to each other: the one who is held talks to a
media server, the one who holds to nobody, and is answered by the node itself.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.call_adding import Adding
from sipcluster.sessioncontroller.events import (
    Held,
    ModificationAnswered,
    ModificationAsked,
)
from sipcluster.sessioncontroller.imedia import MediaKind, MediaRequest
from sipcluster.sessioncontroller.isessioncontroller import CallRefused
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.session_description import (
    holds,
    nothingYet,
    silent,
)
from sipcluster.sessioncontroller.undertakings import Undertaking

#: What the music is called.
MUSIC = "music-on-hold"


class Holding(Adding):
    """
    What a call does about music on hold.
    """

    __slots__ = ()

    def musicFor(self, leg: Leg, other: Leg) -> MediaRequest | None:
        """
        What one is to hear whom another one holds; L{None}: nothing.
        """
        view = leg.party.view
        uri = self._ua.music(view.thisDN) if view.internal else ""
        if (
            not uri
            or other.server
            or other.holding
            or other.held
            or leg.media is not None
            or other.media is not None
            or other.state != "Confirmed"
            or self.isMixed
        ):
            return None
        return MediaRequest(MediaKind.ANNOUNCEMENT, MUSIC, (uri,), 0)

    def _entertained(self, leg: Leg) -> Leg | None:
        """
        The one whom another one holds who talks to nobody.
        """
        if leg.peer is None:
            others = self.othersThan(leg.party)
            if len(others) == 1:
                (other,) = others
                if other.peer is None or other.peer.server:
                    return other
        return None

    def _apartNoMore(self, leg: Leg, other: Leg) -> None:
        """
        Two talk to each other again; what they are told of that is up to the caller.
        """
        other.media = None
        self.pair(leg, other)
        leg.joined = other.joined = False

    # By request

    async def _hold(self, asked: Undertaking) -> None:
        leg, other = self._talkingLegs(asked.party, "Connected")
        music = self.musicFor(leg, other)
        if music is None:
            await super()._hold(asked)
            return
        leg.holding = True
        self.play(other, music)
        leg.joined = False
        asked.party.machine.held(
            Held(asked.party.view, self._ua.wallTime(), requester=asked.requester)
        )

    async def _retrieve(self, asked: Undertaking) -> None:
        leg, _ = self._talkingLegs(asked.party, "Hold")
        other = self._entertained(leg)
        if other is None:
            await super()._retrieve(asked)
            return
        self._apartNoMore(leg, other)
        try:
            await super()._retrieve(asked)
        except CallRefused:
            if not self.work.ended and leg.holding and leg.peer is other:
                music = self.musicFor(leg, other)
                if music is not None:
                    self.play(other, music)
            raise
        finally:
            self.alignSoon()
        if not other.holding and leg.peer is other:
            leg.joined = other.joined = True

    # At the telephone

    def _noteHold(self, leg: Leg) -> None:
        super()._noteHold(leg)
        other = leg.peer
        if leg.held and not leg.holding and other is not None:
            music = self.musicFor(leg, other)
            if music is not None:
                self.play(other, music)

    def _modificationAsked(self, leg: Leg, event: ModificationAsked) -> None:
        if leg.peer is None and leg.state == "Confirmed":
            other = self._entertained(leg)
            back = event.body and not holds(event.body) and not leg.holding
            if other is None or not back:
                self._answerAlone(leg, event)
                return
            if self._work is None or self._work.current is None:
                # What it wants goes to the other one, which hears it again.
                self._apartNoMore(leg, other)
        super()._modificationAsked(leg, event)

    def _modificationAnswered(self, leg: Leg, event: ModificationAnswered) -> None:
        ours = self.isOwn(leg)
        super()._modificationAnswered(leg, event)
        peer = leg.peer
        if not ours and peer is not None and not leg.joined and not peer.server:
            if event.status < 300 and not peer.server:
                leg.joined = peer.joined = True
            self.alignSoon()

    def _answerAlone(self, leg: Leg, event: ModificationAsked) -> None:
        """
        Answer what a far end wants that talks to nobody.
        """
        body = b""
        if event.body:
            body = nothingYet(event.body, self._ua.origin)
        elif event.method == b"INVITE":
            body = silent(leg.origin.last)
        leg.machine.modificationAnswered(
            ModificationAnswered(
                event.party,
                event.time,
                200,
                body=body,
            )
        )
        if event.body:
            self._noteHold(leg)

    def cannotJoin(self, leg: Leg, why: str) -> None:
        """
        See L{Media<sipcluster.sessioncontroller.call_media.Media>}: who does not take
        music hears none.
        """
        media = leg.media
        if media is not None and media.name == MUSIC:
            self.unpair(leg)
            leg.media = None
            self.alignSoon()
        else:
            super().cannotJoin(leg, why)
