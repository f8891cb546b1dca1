"""
The part of a call that lets far ends hear what they are to hear: each other, or a
media server.

Who is to hear whom is decided at once, in the same turn as all else that a feature
changes: L{Aligning.connect}, L{Aligning.play} and L{Aligning.silence} only write down
what is wanted.  The far ends are told of it afterwards, one after the other, by one
procedure that looks for what is not yet as it is wanted, and that can be broken off and
begun again at any time: by another change, by a far end that goes, or by another
process that goes on with the call.

A media server's leg belongs to the telephone's leg that is its peer.  Nobody is a
party of it; see L{sipcluster.sessioncontroller.call_media}.
"""

from __future__ import annotations

from twisted.logger import Logger
from twisted.python.failure import Failure

from sipcluster.sessioncontroller.call_sessions import Sessions, wanted
from sipcluster.sessioncontroller.events import (
    Answered,
    Cause,
)
from sipcluster.sessioncontroller.imedia import (
    MediaRequest,
)
from sipcluster.sessioncontroller.isessioncontroller import (
    CallRefused,
    Why,
)
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.session_description import (
    differ,
    holds,
    silent,
)
from sipcluster.sessioncontroller.undertakings import Undertaking

log = Logger()


class Aligning(Sessions):
    """
    What a call does so that its far ends hear what they are to hear.
    """

    __slots__ = ()

    # What is wanted

    def connect(self, one: Leg, other: Leg) -> None:
        """
        Two far ends are to talk to each other.
        """
        one.media = other.media = None
        self.pair(one, other)
        one.joined = other.joined = False
        self.alignSoon()

    def play(self, leg: Leg, media: MediaRequest) -> None:
        """
        A far end is to have something of a media server.

        What becomes of it is told to L{served}, L{notServed} and L{serverSaid}.
        """
        peer = leg.peer
        if peer is not None and not peer.server:
            self.unpair(leg)
        leg.media = media
        leg.joined = False
        self.alignSoon()

    def silence(self, leg: Leg) -> None:
        """
        A far end is to hear nothing, for now.
        """
        self.unpair(leg)
        leg.media = None
        leg.joined = False
        self.alignSoon()

    def _answered(self, leg: Leg, event: Answered) -> None:
        first = self._first
        if leg is self._second and first is not None and leg.peer is not first:
            # It was given something until somebody answers.
            first.media = None
            self.pair(first, leg)
            if first.state != "Proceeding":
                first.joined = leg.joined = False
            self.alignSoon()
        super()._answered(leg, event)

    def cannotJoin(self, leg: Leg, why: str) -> None:
        """
        A telephone does not take its new session: nothing can come of it.
        """
        log.warn(
            "{dn} in call {connID} cannot be connected: {why}",
            dn=leg.party.view.thisDN,
            connID=self.connID,
            why=why,
        )
        self.release(Cause.FAILED)

    # How

    def alignSoon(self) -> None:
        """
        Tell the far ends, when nothing else changes their sessions.
        """
        work = self.work
        waiting = work.of("align")
        if work.ended or (waiting is not None and waiting is not work.current):
            return
        try:
            self.beginAlign(0.0)
        except CallRefused as e:
            log.warn("call {connID}: {why}", connID=self.connID, why=e.text)

    def beginAlign(self, seconds: float) -> None:
        """
        @param seconds: that it may take; 0: what is usual.

        @raise CallRefused: too much is asked at one time.
        """
        asked = Undertaking("align", None)
        seconds = seconds or self._ua.limits.changeWithin * (len(self.legs) + 1)
        self._inTurn(asked, lambda: self._align(asked), seconds).addErrback(
            self._notAligned
        )

    def _notAligned(self, failure: Failure) -> None:
        refused = failure.value
        if not isinstance(refused, CallRefused):
            log.failure("align {connID}", failure=failure, connID=self.connID)
            self.release(Cause.FAILED)
        elif not self.work.ended:
            log.warn("call {connID}: {why}", connID=self.connID, why=refused.text)

    async def _align(self, asked: Undertaking) -> None:
        while not self.work.ended:
            self.dropServices()
            leg = self._next()
            if leg is None:
                return
            try:
                await self._alignOne(asked, leg)
            except CallRefused as e:
                if self.work.ended:
                    raise
                if leg.call is self and e.why is not Why.DISCONNECTED:
                    leg.joined = True
                    self.cannotJoin(leg, e.text)
                    if asked.tooLate:
                        raise
                elif leg.call is self and leg.peer is not None and leg.peer.call:
                    # One of the two has gone, or is about to: its end comes.
                    leg.joined = leg.peer.joined = True

    def _next(self) -> Leg | None:
        """
        The next far end that does not have what it is to have, and can be told.
        """
        for leg in self.legs:
            peer = leg.peer
            if leg.server:
                continue
            if leg.joined:
                if peer is not None and peer.server and not peer.joined:
                    return leg  # the media server does not know what it is to do
                continue
            if leg.state == "Proceeding" and leg.media is not None:
                return leg
            if leg.state != "Confirmed":
                continue  # when it has come so far: its ACK begins this anew
            if leg.media is not None or peer is None:
                return leg
            if peer.state == "Confirmed":
                return leg
        return None

    async def _alignOne(self, asked: Undertaking, leg: Leg) -> None:
        media = leg.media
        if media is not None:
            await self.serve(asked, leg, media)
        elif leg.peer is None:
            await self._attempt(leg, lambda: silent(leg.origin.last), True)
            leg.joined = True
        else:
            await self._join(leg, leg.peer)

    async def _join(self, leg: Leg, other: Leg) -> None:
        """
        Let two far ends know of each other, or that they are not to hear each other.
        """
        if self.masks(leg):
            for this, that in ((leg, other), (other, leg)):
                await self._mask(this, that)
            if leg.peer is other:
                leg.joined = other.joined = True
            return
        offered = b""

        def offer() -> bytes:
            nonlocal offered
            offered = self.shown(leg, wanted(other, other))[0]
            return offered

        def tells() -> bytes:
            return self.shown(other, wanted(leg, other))[0]

        less = self.shown(leg, b"")[1]
        await self.renegotiate(leg, offer, less)
        if leg.peer is not other:
            return  # another change came meanwhile
        if not less:
            self._noteAnswer(leg)
        if not other.server or differ(tells(), other.origin.last):
            lessThere = self.shown(other, b"")[1]
            answer = await self.renegotiate(other, tells, lessThere)
            if leg.peer is not other:
                return
            if not lessThere:
                self._noteAnswer(other)
            if differ(answer, offered) and not lessThere:
                await self._attempt(leg, lambda: answer, less)
                if not less:
                    self._noteAnswer(leg)
        leg.joined = other.joined = True

    def _noteAnswer(self, leg: Leg) -> None:
        """
        A far end may hold by itself meanwhile, or not any more.
        """
        held = holds(leg.received)
        if not leg.server and (held or leg.holding) != (leg.party.state == "Hold"):
            self._noteHold(leg)
        leg.held = held

    async def _mask(self, leg: Leg, other: Leg) -> None:
        """
        Let a far end hear nobody, since one of the two holds.
        """
        await self._attempt(leg, lambda: silent(other.received), True)

    # Media servers: see L{sipcluster.sessioncontroller.call_media}.

    def dropServices(self) -> None:
        """
        Hang up on media servers that nobody wants any more.
        """
        raise NotImplementedError

    async def serve(self, asked: Undertaking, leg: Leg, media: MediaRequest) -> None:
        """
        Let a far end have something of a media server.
        """
        raise NotImplementedError
