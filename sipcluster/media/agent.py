"""
The media server as a SIP user agent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.media.application import Conference, Document, Refused, planOf
from sipcluster.media.imedia import Full, IMediaEngine, IRTPSession
from sipcluster.media.session import ALLOW, SDP, SUPPORTED, MediaSession
from sipcluster.media.session_asked import Asked
from sipcluster.media.session_dialogs import Dialogs
from sipcluster.media.session_document import documentAt, readDocument
from sipcluster.media.session_owner import Answered
from sipcluster.media.session_recordings import recordingAt
from sipcluster.msml.elements import BadDocument
from sipcluster.msml.values import CONTENT_TYPE, DialogStart, Event
from sipcluster.sip.dialog import Dialog
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import (
    IFlow,
    ILocator,
    IRequestReceiver,
    ITransportLayer,
)
from sipcluster.sip.message import Request, Response, makeResponse
from sipcluster.sip.sanity import checkRequest
from sipcluster.sip.server_transaction import ServerTransaction
from sipcluster.sip.timers import TimerQueue
from sipcluster.sip.transactions import TransactionLayer
from sipcluster.sip.uri import SIPURI, parseURI

__all__ = ("AgentSettings", "MediaAgent")

log = Logger()

#: Extensions that may be required of us.
_KNOWN = frozenset([b"timer"])


@frozen
class AgentSettings:
    """
    @ivar host: in our Contact, with brackets where it is an IPv6 address.
    @ivar peers: addresses that may use us; L{None}: all may.
    @ivar recordings: the folder of what is recorded.
    @ivar sessions: at one time.
    @ivar members: of one conference.
    @ivar duration: seconds that a session may last.
    @ivar documents: the folder of VoiceXML documents; L{None}: there are none.
    """

    host: bytes
    port: int
    recordings: Path
    peers: Collection[str] | None = None
    sessions: int = 400
    members: int = 64
    duration: float = 86400.0
    documents: Path | None = None


@implementer(IRequestReceiver)
class MediaAgent:
    """
    Takes INVITEs and makes sessions of them.

    @ivar layer: the transaction layer.
    @ivar counters: how often what happened, by name.
    """

    def __init__(
        self,
        clock: IReactorTime,
        transport: ITransportLayer,
        locator: ILocator,
        identifiers: Identifiers,
        engine: IMediaEngine,
        settings: AgentSettings,
    ) -> None:
        self.timers = TimerQueue(clock)
        self.layer = TransactionLayer(
            clock, transport, self, identifiers, rejectMerged=True, queue=self.timers
        )
        self.contact = b"sip:media@%b:%d" % (settings.host, settings.port)
        self.maxDuration = settings.duration
        self.counters: dict[str, int] = {}
        self._locator = locator
        self._identifiers = identifiers
        self._engine = engine
        self._settings = settings
        self._sessions: dict[tuple[bytes, bytes], MediaSession] = {}
        self._stopping: Deferred[None] | None = None
        self._asking = 0
        self._recorded = 0
        # Whoever has asked another process before learns that its sessions are gone.
        life = int(identifiers.tag()[:13], 16) | 1
        self._life = (b"X-SIPCluster-Role", b"primary;epoch=%d" % life)

    def count(self, what: str) -> None:
        """
        Count something that is worth knowing.
        """
        self.counters[what] = self.counters.get(what, 0) + 1

    def chance(self) -> float:
        """
        A number from 0 up to but not including 1.
        """
        return int(self._identifiers.tag()[:8], 16) / 2**32

    # IRequestReceiver

    def requestReceived(self, transaction: ServerTransaction) -> None:
        """
        See L{IRequestReceiver}.
        """
        request = transaction.request
        checkRequest(request)
        peers = self._settings.peers
        if peers is not None and transaction.flow.remote[0] not in peers:
            self.count("strangers")
            self.respond(transaction, 403)
        elif request.toTag:
            session = self._sessions.get((request.callID, request.fromTag))
            if session is None or session.tag != request.toTag:
                self.respond(transaction, 481)
            else:
                session.requestReceived(transaction)
        elif request.method == b"INVITE":
            self._invited(transaction)
        elif request.method == b"OPTIONS":
            status = 503 if self._stopping is not None else 200
            self.respond(transaction, status, b"", (*_CAPABILITIES, self._life))
            transaction.forget()
        elif request.method in (b"BYE", b"INFO", b"UPDATE"):
            self.respond(transaction, 481)
        else:
            self.respond(transaction, 405, b"", (ALLOW,))

    def ackReceived(self, ack: Request, flow: IFlow) -> None:
        """
        See L{IRequestReceiver}.
        """
        session = self._sessions.get((ack.callID, ack.fromTag))
        if session is not None and session.tag == ack.toTag:
            session.ackReceived(ack)

    def strayCancel(self, cancel: Request, flow: IFlow) -> bool:
        """
        See L{IRequestReceiver}.
        """
        return False

    def strayResponse(self, response: Response, flow: IFlow) -> None:
        """
        See L{IRequestReceiver}.
        """

    # INVITEs

    def _invited(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        rtp: IRTPSession | None = None
        tag = self._identifiers.tag()
        try:
            self._check(request)
            plan = planOf(request.uri, self._engine.library)
            if isinstance(plan, Document):
                self._read(plan, "")
            if isinstance(plan, Conference) and self._isFull(plan.id):
                raise Refused(486, "the conference is full")
            rtp = self._engine.session()
            session = MediaSession(self, transaction, tag, plan, rtp)
            self._sessions[session.id] = session
            try:
                session.begin(transaction)
            except BaseException:
                session.abandon()
                raise
        except Refused as e:
            self.count("refused")
            log.info(
                "{callID} is refused, {status}: {why}",
                callID=request.callID.decode("utf-8", "replace"),
                status=e.status,
                why=e.why,
            )
            fields: tuple[tuple[bytes, bytes], ...] = ()
            if e.status == 420:
                fields = ((b"Unsupported", e.why.encode()),)
            elif e.status == 422:
                fields = ((b"Min-SE", e.why.partition(": ")[2].encode()),)
            elif e.status == 415:
                fields = ((b"Accept", SDP),)
            self.respond(transaction, e.status, tag, fields, why=e.why)
        except Full as e:
            self.count("full")
            self.respond(transaction, 486, tag, why=str(e))
        except MalformedMessage:
            if rtp is not None:
                rtp.stop()
            raise
        else:
            self.count("sessions")
            log.debug(
                "{callID} has a session: {plan}",
                callID=request.callID.decode("utf-8", "replace"),
                plan=type(plan).__name__,
            )

    def _read(self, plan: Document, target: str) -> DialogStart:
        """
        Find out what a document does.
        """
        folder = self._settings.documents
        if folder is None:
            raise Refused(488, "there are no VoiceXML documents here")
        try:
            data = documentAt(folder, plan.uri)
        except BadDocument as e:
            raise Refused(404, str(e)) from None
        try:
            return readDocument(data, target)
        except BadDocument as e:
            raise Refused(488, str(e)) from None

    def dialogOf(self, plan: Document, target: str) -> DialogStart | None:
        """
        What a document does, if it still does.
        """
        try:
            return self._read(plan, target)
        except Refused:
            return None

    def _check(self, request: Request) -> None:
        if self._stopping is not None:
            raise Refused(503, "ending")
        required = request.headers.values(b"Require")
        unknown = [one for one in required if one.lower() not in _KNOWN]
        if unknown:
            names = b", ".join(unknown).decode("utf-8", "replace")
            raise Refused(420, names)
        if len(self._sessions) >= self._settings.sessions:
            self.count("full")
            raise Refused(486, "no more sessions")
        if (request.callID, request.fromTag) in self._sessions:
            raise Refused(482, "it has come before")

    def _isFull(self, conference: str) -> bool:
        members = sum(one.conference == conference for one in self._sessions.values())
        return members >= self._settings.members

    # ISessionOwner

    def respond(
        self,
        transaction: ServerTransaction,
        status: int,
        toTag: bytes = b"",
        fields: Sequence[tuple[bytes, bytes]] = (),
        body: bytes = b"",
        contentType: bytes = b"",
        why: str = "",
    ) -> None:
        """
        Answer a request.

        @param why: for a Warning.
        """
        request = transaction.request
        if why and status >= 300:
            fields = (*fields, (b"Warning", _warning(self._settings.host, why)))
        tag = toTag or (b"" if request.toTag else self._identifiers.tag())
        transaction.respond(
            makeResponse(request, status, b"", tag, fields, body, contentType)
        )

    def send(self, dialog: Dialog, request: Request, answered: Answered) -> None:
        """
        Send a request inside a dialog.

        @param answered: told once; 408 when nobody answers, or can be reached.
        """
        self._asking += 1
        asked = Asked(self.layer, request, answered, self.askedOnce)
        try:
            uri = parseURI(dialog.nextHop)
        except MalformedMessage:
            asked.ended(408, None)
            return
        if not isinstance(uri, SIPURI):
            asked.ended(408, None)
            return
        self._locator.locate(uri).addCallbacks(asked.located, asked.nowhere)

    def askedOnce(self) -> None:
        """
        A request of ours is over.
        """
        self._asking -= 1
        self._look()

    def dialogsOf(
        self, id: str, rtp: IRTPSession, say: Callable[[Event], None]
    ) -> Dialogs:
        """
        Make what does as MSML says.
        """
        return Dialogs(
            id,
            rtp,
            self._engine.library,
            self.timers,
            say,
            self._recording,
            self._destroy,
        )

    def _recording(self, wanted: str) -> tuple[str, Path]:
        folder = self._settings.recordings

        def unnamed() -> str:
            return self._identifiers.tag().decode()

        path = recordingAt(folder, wanted, unnamed)
        return path.relative_to(folder.resolve()).as_posix(), path

    def _destroy(self, conference: str) -> bool:
        members = [
            one for one in self._sessions.values() if one.conference == conference
        ]
        for session in members:
            session.leaveConference()
        return bool(members)

    def sessionEnded(self, session: MediaSession, why: str) -> None:
        """
        A session is over.
        """
        if self._sessions.get(session.id) is session:
            del self._sessions[session.id]
        log.debug("{callID} ends: {why}", callID=session.id[0].decode(), why=why)
        self._look()

    # Ends

    def stop(self) -> Deferred[None]:
        """
        Hang up on everybody.

        @return: fires when that is acknowledged, or cannot be.
        """
        stopping = self._stopping = Deferred()
        for session in list(self._sessions.values()):
            session.hangUp("the media server ends")
        self._engine.stop()
        self._look()
        return stopping.addBoth(lambda _: self.layer.stop())

    def _look(self) -> None:
        stopping = self._stopping
        if stopping is None or stopping.called or self._sessions or self._asking:
            return
        stopping.callback(None)

    def status(self) -> dict[str, object]:
        """
        Counts, for people.
        """
        conferences = {
            one.conference for one in self._sessions.values() if one.conference
        }
        return {
            "calls": len(self._sessions),
            "conferences": len(conferences),
            "counters": dict(self.counters),
            "transactionLayer": self.layer.status(),
            "engine": dict(self._engine.status()),
        }


_CAPABILITIES = (
    ALLOW,
    SUPPORTED,
    (b"Accept", SDP + b", " + CONTENT_TYPE),
    (b"Accept-Encoding", b"identity"),
    (b"Accept-Language", b"en"),
)


def _warning(host: bytes, why: str) -> bytes:
    """
    A Warning (RFC 3261 section 20.43).
    """
    text = "".join(one for one in why if one.isascii() and one.isprintable())
    text = text.replace("\\", "").replace('"', "'")[:120]
    return b'399 %b "%b"' % (host, text.encode())
