"""
A media server that does as it is scripted: SIP only, no media; and the service that
knows such servers.
"""

from __future__ import annotations

from collections.abc import Collection

from attrs import define, field
from zope.interface import implementer

from sipcluster.sessioncontroller.imedia import (
    IMediaService,
    MediaKind,
    MediaRequest,
    MediaResult,
    MediaServer,
)
from sipcluster.sip.dialog import Dialog
from sipcluster.sip.message import Message, Request, Response
from sipcluster.testing.sip_peer import Phone, SIPPeer, sdp

#: Content-Type of what servers are told by INFO, and of what they say.
SCRIPT = b"text/x-script"

#: What a server answers to an offer of each direction.
_ANSWER_TO = {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}


@define(eq=False)
class MediaSession:
    """
    One session at a media server.

    @ivar uri: the Request-URI of its INVITE.
    @ivar port: of the server's media in it.
    @ivar offers: bodies that it was sent, in order.
    @ivar told: bodies of the INFO requests that it was sent.
    @ivar said: the last SDP that it has sent.
    @ivar ended: it is over.
    """

    phone: Phone
    uri: bytes
    port: int
    offers: list[bytes] = field(factory=list)
    told: list[bytes] = field(factory=list)
    said: bytes = b""
    ended: bool = False

    @property
    def conference(self) -> str:
        """
        Id of the conference (RFC 4240 section 5); C{""}: it is none.
        """
        user = self.uri.partition(b":")[2].partition(b"@")[0].decode()
        kind, _, name = user.partition("=")
        return name if kind == "conf" else ""

    @property
    def dialog(self) -> Dialog | None:
        """
        The server's dialog.
        """
        return self.phone.dialog


class ScriptedMediaServer:
    """
    Answers all INVITEs to its host, until it is told otherwise.

    It can be given to L{settle<sipcluster.testing.telephone.settle>} among the
    telephones.

    @ivar sessions: all there have been, in order.
    @ivar refuses: the status that it answers to INVITEs; 0: it takes them.
    @ivar refusesInfo: the same for INFO.
    @ivar silent: it answers nothing at all.
    """

    def __init__(
        self,
        peer: SIPPeer,
        host: str = "media.example",
        proxy: str = "192.0.2.11",
        firstPort: int = 30000,
    ) -> None:
        """
        @param peer: plays the SIP Proxy before it.
        @param proxy: the address of that.
        """
        self.host = host
        self._peer = peer
        self._proxy = proxy
        self._port = firstPort
        self.sessions: list[MediaSession] = []
        self.refuses = 0
        self.refusesInfo = 0
        self.silent = False
        self._byCallID: dict[bytes, MediaSession] = {}
        self._refused: set[bytes] = set()

    @property
    def live(self) -> list[MediaSession]:
        """
        The sessions that are not over.
        """
        return [session for session in self.sessions if not session.ended]

    def mixed(self, conference: str) -> list[MediaSession]:
        """
        The members of a conference.
        """
        return [one for one in self.live if one.conference == conference]

    # What it does of its own

    def hangUp(self, session: MediaSession) -> None:
        """
        End a session.
        """
        session.ended = True
        session.phone.within(b"BYE")

    def say(self, session: MediaSession, **words: object) -> None:
        """
        Send an INFO with a result, the fields of L{MediaResult}.
        """
        body = ";".join(f"{name}={value}" for name, value in words.items())
        session.phone.within(b"INFO", body=body.encode(), contentType=SCRIPT)

    def die(self) -> None:
        """
        Forget everything: requests inside dialogs are answered 481, INVITEs 503.
        """
        self.refuses = 503
        for session in self.live:
            session.ended = True

    # What it does by itself

    def owns(self, message: Message) -> bool:
        """
        Whether a message is for it.
        """
        callID = message.callID
        if callID in self._byCallID or callID in self._refused:
            return True
        return (
            isinstance(message, Request)
            and not message.toTag
            and message.uri.partition(b"@")[2].startswith(self.host.encode())
        )

    def reached(self, address: str, peer: SIPPeer) -> None:
        """
        It is reached through this SIP Proxy from now on.
        """
        self._peer, self._proxy = peer, address

    def received(self, message: Message) -> None:
        """
        Do what the message wants.
        """
        if self.silent or isinstance(message, Response):
            return
        assert isinstance(message, Request)
        session = self._byCallID.get(message.callID)
        if message.method == b"INVITE" and not message.toTag:
            if session is None:
                self._invited(message)
            else:
                self._answer(session, message)  # it was repeated
        elif message.method == b"CANCEL":
            self._peer.respond(message, 200)
        elif session is not None and message.method != b"ACK":
            self._requested(session, message)

    def _invited(self, invite: Request) -> None:
        phone = Phone(
            self._peer, "media", self.host, source=self.host, proxy=self._proxy
        )
        if self.refuses:
            self._refused.add(invite.callID)
            phone.refuse(invite, self.refuses)
            return
        again = self._byCallID.get(invite.callID)
        if again is not None:
            # Another member of a pair goes on with it.
            again.phone.answer(invite, 200, again.said)
            return
        session = MediaSession(phone, invite.uri, self._port)
        self._port += 2
        self.sessions.append(session)
        self._byCallID[invite.callID] = session
        self._answer(session, invite)

    def _answer(self, session: MediaSession, invite: Request) -> None:
        direction = ""
        if invite.body:
            session.offers.append(invite.body)
            for theirs, ours in _ANSWER_TO.items():
                if b"a=" + theirs.encode() in invite.body:
                    direction = ours
        body = session.said = sdp("media", session.port, direction)
        session.phone.answer(invite, 200, body)

    def _requested(self, session: MediaSession, request: Request) -> None:
        phone = session.phone
        phone.peer, phone.proxy = self._peer, self._proxy
        phone.routes = (b"<sip:%b;lr>" % self._proxy.encode(),)
        if session.ended and request.method != b"BYE":
            self._peer.respond(request, 481)
        elif request.method == b"INVITE":
            self._answer(session, request)
        elif request.method == b"BYE":
            session.ended = True
            self._peer.respond(request, 200)
        elif request.method == b"INFO" and self.refusesInfo:
            self._peer.respond(request, self.refusesInfo)
        else:
            if request.method == b"INFO":
                session.told.append(request.body)
            self._peer.respond(request, 200)


@implementer(IMediaService)
class ScriptedMediaService:
    """
    Knows scripted media servers.  What they are told is readable: the words of
    L{describe}.

    @ivar servers: in the order in which they are chosen.
    @ivar gone: names of those that have failed.
    @ivar sticky: the server of each conference.
    """

    def __init__(self, *hosts: str) -> None:
        self.servers = [
            MediaServer(host.partition(".")[0], b"sip:%b" % host.encode())
            for host in hosts or ("media.example",)
        ]
        self.gone: list[str] = []
        self.sticky: dict[str, MediaServer] = {}

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
        conference = request.kind is MediaKind.CONFERENCE
        servers = list(self.servers)
        if conference and request.name in self.sticky:
            servers.insert(0, self.sticky[request.name])
        for server in servers:
            if server.name not in besides and server.name not in self.gone:
                if conference:
                    self.sticky[request.name] = server
                return server
        return None

    def uri(self, request: MediaRequest, server: MediaServer) -> bytes:
        """
        See L{IMediaService}.
        """
        host = server.contact.partition(b":")[2]
        if request.kind is MediaKind.CONFERENCE:
            user = f"conf={request.name}"
        elif request.kind is MediaKind.ANNOUNCEMENT:
            return b"sip:annc@%b;play=%b" % (host, ",".join(request.play).encode())
        else:
            user = request.kind.value
        return b"sip:%b@%b" % (user.encode(), host)

    def start(
        self, request: MediaRequest, server: str = "", tag: bytes = b""
    ) -> tuple[bytes, bytes] | None:
        """
        See L{IMediaService}.
        """
        if request.kind not in (MediaKind.CONFERENCE, MediaKind.DIALOG):
            return None
        return SCRIPT, describe(request)

    def result(
        self, method: bytes, contentType: bytes, body: bytes
    ) -> MediaResult | None:
        """
        See L{IMediaService}.
        """
        if contentType != SCRIPT:
            return None
        words = dict(word.split("=", 1) for word in body.decode().split(";"))
        return MediaResult(
            words.get("reason", "done"),
            words.get("digits", ""),
            words.get("recording", ""),
            words.get("last", "True") == "True",
        )

    def failed(self, server: MediaServer) -> None:
        """
        See L{IMediaService}.
        """
        self.gone.append(server.name)


def describe(request: MediaRequest) -> bytes:
    """
    What a server is told.
    """
    words: list[str]
    if request.kind is MediaKind.CONFERENCE:
        words = [request.member, request.talk.value]
        if request.coached:
            words.append(f"coached={request.coached}")
        if request.deaf:
            words.append("deaf")
    else:
        words = [request.name, *request.play]
        if request.digits:
            words.append(f"digits={request.digits}")
        if request.record:
            words.append(f"record={request.record}")
    return " ".join(words).encode()
