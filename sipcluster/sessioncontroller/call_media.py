"""
The part of a call that has media servers.

What a far end is to have of one is written down by C{play}, and brought about by the
same procedure that lets far ends hear each other, see
L{sipcluster.sessioncontroller.call_aligning}.  A media server's leg belongs to the
telephone's leg that is its peer.  Nobody is a party of it.
"""

from __future__ import annotations

from twisted.logger import Logger

from sipcluster.sessioncontroller.call_aligning import Aligning
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
    talking,
)
from sipcluster.sessioncontroller.undertakings import Undertaking
from sipcluster.sip.grammar import escapeUser

log = Logger()

#: Seconds that a media server may take to answer.
SERVER_ANSWERS_WITHIN = 4.0

#: Media servers that are tried for one thing.
MOST_SERVERS = 3


class Media(Aligning):
    """
    What a call does so that its far ends have something of media servers.
    """

    __slots__ = ()

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

    # How

    def dropServices(self) -> None:
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

    async def serve(self, asked: Undertaking, leg: Leg, media: MediaRequest) -> None:
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
            if leg.joined:
                pass  # another process has brought it so far
            elif leg.state == "Proceeding":
                self._answerWith(leg, server, media)
            else:
                await self._join(leg, server)
            if server.peer is leg and leg.media is media and leg.joined:
                await self._start(server, media)
                self.served(leg, media)
                return

    async def _start(self, server: Leg, media: MediaRequest) -> None:
        """
        Tell a media server what it is to do, where its URI does not say that.

        @raise CallRefused: it does not do it.
        """
        tag = server.dialog.remoteTag if server.dialog is not None else b""
        start = self._ua.media.start(media, server.server, tag)
        if start is None:
            server.joined = True
            return
        kind, body = start
        server.joined = False  # until it knows
        fields = ((b"Content-Type", kind),)
        status = await self.tellDevice(server, b"INFO", fields, body)
        server.joined = True
        if status >= 300 and media.kind is not MediaKind.CONFERENCE:
            raise CallRefused(Why.FAILED, f"it answered {status}")

    def _mixedAt(self, media: MediaRequest) -> str:
        """
        The media server at which others of the same conference are.
        """
        if media.kind is MediaKind.CONFERENCE:
            for leg in self.legs:
                asked = leg.media if leg.server else None
                if (
                    asked is not None
                    and leg.state == "Confirmed"
                    and asked.kind is media.kind
                    and asked.name == media.name
                ):
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
