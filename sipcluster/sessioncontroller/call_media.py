"""
The part of a call that lets far ends hear what they are to hear: each other, or a
media server.

Who is to hear whom is decided at once, in the same turn as all else that a feature
changes: L{Media.connect}, L{Media.play} and L{Media.silence} only write down what is
wanted.  The far ends are told of it afterwards, one after the other, by one procedure
that looks for what is not yet as it is wanted, and that can be broken off and begun
again at any time: by another change, by a far end that goes, or by another process
that goes on with the call.

A media server's leg belongs to the telephone's leg that is its peer.  Nobody is a
party of it.
"""

from __future__ import annotations

from twisted.logger import Logger
from twisted.python.failure import Failure

from sipcluster.sessioncontroller.call_sessions import Sessions
from sipcluster.sessioncontroller.events import (
    Answered,
    CallEvent,
    CallType,
    Cause,
    ModificationAnswered,
    Progressed,
    Refused,
    RelayAnswered,
    Relayed,
    Released,
)
from sipcluster.sessioncontroller.imedia import (
    MediaKind,
    MediaRequest,
    MediaResult,
)
from sipcluster.sessioncontroller.isessioncontroller import (
    CallRefused,
    Destination,
    Why,
)
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.session_description import (
    differ,
    holds,
    silent,
    talking,
)
from sipcluster.sessioncontroller.undertakings import Undertaking
from sipcluster.sip.grammar import escapeUser

log = Logger()

#: Seconds that a media server may take to answer.
SERVER_ANSWERS_WITHIN = 4.0

#: Media servers that are tried for one thing.
MOST_SERVERS = 3


class Media(Sessions):
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

    # What becomes of it

    def served(self, leg: Leg, media: MediaRequest) -> None:
        """
        A far end has what it is to have of a media server.
        """

    def notServed(self, leg: Leg, media: MediaRequest, why: str) -> None:
        """
        It will not have it: no media server gives it.
        """

    def serverSaid(self, leg: Leg, media: MediaRequest, result: MediaResult) -> None:
        """
        The media server has something to say; with its last word its leg ends, and
        the far end hears nothing more.
        """

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
            self._dropServices()
            leg = self._next()
            if leg is None:
                return
            try:
                await self._alignOne(asked, leg)
            except CallRefused as e:
                if self.work.ended or asked.tooLate:
                    raise
                if leg.call is self and e.why is not Why.DISCONNECTED:
                    leg.joined = True
                    self.cannotJoin(leg, e.text)
                elif leg.call is self and leg.peer is not None and leg.peer.call:
                    # One of the two has gone, or is about to: its end comes.
                    leg.joined = leg.peer.joined = True

    def _next(self) -> Leg | None:
        """
        The next far end that does not have what it is to have, and can be told.
        """
        for leg in self.legs:
            if leg.server or leg.joined:
                continue
            peer = leg.peer
            if leg.state == "Proceeding" and leg.media is not None:
                return leg
            if leg.state not in ("Confirmed", "Accepted"):
                continue  # when it has come so far
            if leg.media is not None or peer is None:
                return leg
            if peer.state == "Confirmed":
                return leg
        return None

    def _dropServices(self) -> None:
        """
        Hang up on media servers that nobody wants any more.
        """
        for leg in list(self.legs):
            if not leg.server:
                continue
            peer = leg.peer
            if peer is None or peer.media is None or not _serves(leg, peer.media):
                self.unpair(leg)
                leg.machine.release(Cause.OK, b"")

    async def _alignOne(self, asked: Undertaking, leg: Leg) -> None:
        media = leg.media
        if media is not None:
            await self._serve(asked, leg, media)
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
            said = other.received if other.held else talking(other.received)
            offered = self.shown(leg, said)[0]
            return offered

        def tells() -> bytes:
            return self.shown(other, leg.received)[0]

        less = self.shown(leg, b"")[1]
        await self.renegotiate(leg, offer, less)
        if leg.peer is not other:
            return  # another change came meanwhile
        if not less:
            leg.held = holds(leg.received)
        if not other.server or differ(tells(), other.origin.last):
            lessThere = self.shown(other, b"")[1]
            answer = await self.renegotiate(other, tells, lessThere)
            if leg.peer is not other:
                return
            if differ(answer, offered) and not lessThere:
                await self._attempt(leg, lambda: answer, less)
        leg.joined = other.joined = True

    async def _mask(self, leg: Leg, other: Leg) -> None:
        """
        Let a far end hear nobody, since one of the two holds.
        """
        await self._attempt(leg, lambda: silent(other.received), True)

    # Media servers

    async def _serve(self, asked: Undertaking, leg: Leg, media: MediaRequest) -> None:
        """
        Let a far end have something of a media server.
        """
        tried: set[str] = set()
        service = self._ua.media
        chosen = None
        while leg.media is media and leg.call is self:
            server = leg.peer
            if server is None:
                chosen = None
                if len(tried) < MOST_SERVERS:
                    chosen = service.choose(
                        media, self._ua.location, tried, self._mixedAt(media)
                    )
                if chosen is None:
                    leg.media = None
                    self.notServed(leg, media, "no media server answers")
                    return
                tried.add(chosen.name)
                server = self._placeServer(
                    leg, media, chosen.name, service.uri(media, chosen)
                )
            if server.state in ("Calling", "Early"):
                try:
                    await self.work.server(asked, server)
                except CallRefused as e:
                    if self.work.ended or asked.tooLate:
                        raise
                    log.warn("{server}: {why}", server=server.server, why=e.text)
                    if chosen is not None:
                        service.failed(chosen)
                    continue
            if server.peer is not leg or leg.media is not media:
                return
            server.media = media
            if leg.state == "Proceeding":
                self._answerWith(leg, server, media)
            else:
                await self._join(leg, server)
            if server.peer is leg and leg.media is media and leg.joined:
                tag = server.dialog.remoteTag if server.dialog is not None else b""
                start = service.start(media, server.server, tag)
                if start is not None:
                    kind, body = start
                    fields = ((b"Content-Type", kind),)
                    status = await self.tellDevice(server, b"INFO", fields, body)
                    if status >= 300 and media.kind is not MediaKind.CONFERENCE:
                        raise CallRefused(Why.FAILED, f"it answered {status}")
                self.served(leg, media)
                return

    def _mixedAt(self, media: MediaRequest) -> str:
        """
        The media server at which others of the same conference are.
        """
        if media.kind is MediaKind.CONFERENCE:
            for leg in self.legs:
                asked = leg.media if leg.server else None
                if asked is not None and leg.state == "Confirmed":
                    if asked.kind is media.kind and asked.name == media.name:
                        return leg.server
        return ""

    def _answerWith(self, leg: Leg, server: Leg, media: MediaRequest) -> None:
        """
        Let a caller that was not answered hear a media server.
        """
        view, now = server.party.view, self._ua.wallTime()
        if media.early:
            progress = Progressed(view, now, 183, b"", server.received, server.id)
            leg.machine.progress(progress)
        else:
            leg.machine.answer(Answered(view, now, server.received, server.id))
        leg.joined = server.joined = True

    def _placeServer(self, leg: Leg, media: MediaRequest, name: str, uri: bytes) -> Leg:
        """
        Invite a media server, for a far end to talk to.
        """
        server = self._inviteServer(leg, media, name, uri)
        self.pair(leg, server)
        return server

    def _inviteServer(
        self, leg: Leg, media: MediaRequest, name: str, uri: bytes
    ) -> Leg:
        """
        Invite a media server, in the name of a far end.
        """
        server = self.addService(name)
        server.proxy = leg.proxy
        server.media = media
        server.joined = False
        view = leg.party.view
        caller = b"<sip:%b@%b>" % (escapeUser(view.thisDN.encode()), self._ua.domain)
        server.aim(
            Destination(name, uri, uri, CallType.UNKNOWN, SERVER_ANSWERS_WITHIN),
            caller,
            70,
            (),
        )
        server.machine.place(talking(leg.received))
        return server

    def serviceEvent(self, leg: Leg, event: CallEvent) -> bool:
        """
        Something happened on a leg to a media server.

        @return: whether that is all there is to do.
        """
        peer = leg.peer
        if isinstance(event, Answered):
            leg.received = event.body or leg.received
            if self._work is not None:
                self._work.serverAnswered(leg)
            if peer is not None:
                self.alignSoon()
        elif isinstance(event, Refused):
            self._serverGone(leg, f"it answered {event.status}")
        elif isinstance(event, Released):
            result = None
            if peer is not None and leg.media is not None:
                result = MediaResult("done") if event.cause is Cause.OK else None
            self._serverGone(leg, "it has hung up", result)
        elif isinstance(event, Relayed):
            return self._serverInfo(leg, event)
        elif isinstance(event, ModificationAnswered | RelayAnswered):
            return False
        else:
            return peer is None
        return True

    def _serverInfo(self, leg: Leg, event: Relayed) -> bool:
        """
        An INFO of a media server.
        """
        fields = dict(event.fields)
        kind = fields.get(b"Content-Type", b"")
        result = self._ua.media.result(event.method, kind, event.body)
        peer, media = leg.peer, leg.media
        if result is None:
            return peer is None
        leg.machine.relayAnswered(
            RelayAnswered(event.party, event.time, event.serial, 200)
        )
        if peer is not None and media is not None:
            self._said(peer, leg, media, result)
        return True

    def _said(
        self, leg: Leg, server: Leg, media: MediaRequest, result: MediaResult
    ) -> None:
        if result.last and leg.media is not None and _serves(server, leg.media):
            leg.media = None
            self.unpair(server)
            server.machine.release(Cause.OK, b"")
        self.serverSaid(leg, media, result)

    def _serverGone(
        self, leg: Leg, why: str, result: MediaResult | None = None
    ) -> None:
        """
        A media server does not serve any more.

        @param result: what that says; L{None}: it should not have gone.
        """
        peer, media = leg.peer, leg.media
        self.unpair(leg)
        if self._work is not None:
            self._work.serverGone(leg, why)
        if peer is None or media is None or peer.media is None:
            return
        if result is not None and peer.joined and media.repeat:
            peer.media = None
            self.serverSaid(peer, media, result)
        else:
            # Another one is to go on.
            peer.joined = False
            self.alignSoon()


def _serves(server: Leg, media: MediaRequest) -> bool:
    """
    Whether a media server was asked for this, or for what it can be brought to.
    """
    asked = server.media
    return asked is not None and (
        asked == media or (asked.kind is media.kind and asked.name == media.name)
    )
