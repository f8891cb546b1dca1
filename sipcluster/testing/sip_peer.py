"""
A scripted SIP peer: a test says message by message what it sends and what it
wants to see.

Nothing is answered, acknowledged or sent again unless the script says so; what
the other end repeats is seen once, and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import define, field
from twisted.internet.task import Clock
from zope.interface import implementer

from sipcluster.sip.dialog import Dialog
from sipcluster.sip.digest import authorize
from sipcluster.sip.headers import Headers
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import IFlow, IMessageReceiver, ITransportLayer, Target
from sipcluster.sip.message import Message, Request, Response, makeResponse
from sipcluster.testing.network import MemoryNetwork

Fields = Iterable[tuple[bytes, bytes]]

#: An offer or an answer that anyone takes.
SDP = (
    b"v=0\r\no=%b 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\n"
    b"t=0 0\r\nm=audio %d RTP/AVP 8\r\n%b"
)


def sdp(who: str = "alice", port: int = 4000, direction: str = "") -> bytes:
    """
    A session description.
    """
    line = f"a={direction}\r\n".encode() if direction else b""
    return SDP % (who.encode(), port, line)


@implementer(IMessageReceiver)
class SIPPeer:
    """
    One address on a network, with any number of user agents behind it.

    @ivar target: where requests go.
    @ivar inbox: what has come and was not looked at, repetitions left out.
    @ivar received: all that has come, with the time.
    @ivar failures: flows that failed, and why.
    """

    def __init__(
        self,
        transport: ITransportLayer,
        target: Target,
        identifiers: Identifiers,
        pump: Callable[[], None],
        seconds: Callable[[], float],
    ) -> None:
        """
        @param pump: lets all that is under way arrive.
        """
        self._transport = transport
        self.target = target
        self._pump = pump
        self._seconds = seconds
        self.identifiers = identifiers
        self.inbox: list[Request | Response] = []
        self.received: list[tuple[float, Request | Response]] = []
        self.failures: list[str] = []
        self._seen: set[bytes] = set()
        self._flow: IFlow | None = None

    # IMessageReceiver

    def messageReceived(self, message: Request | Response, flow: IFlow) -> None:
        self.received.append((self._seconds(), message))
        data = message.render()
        if data not in self._seen:
            self._seen.add(data)
            self.inbox.append(message)

    def flowFailed(self, flow: IFlow, why: str) -> None:
        self.failures.append(why)

    # Looking

    def expectRequest(
        self, method: bytes, wanted: Callable[[Request], bool] = lambda request: True
    ) -> Request:
        """
        Take the first request of this method out of the inbox.

        @raise AssertionError: there is none.
        """
        self._pump()
        for message in self.inbox:
            if (
                isinstance(message, Request)
                and message.method == method
                and wanted(message)
            ):
                self.inbox.remove(message)
                return message
        raise AssertionError(f"no {method!r} in {self.inbox!r}")

    def expectResponse(self, status: int, request: Request | None = None) -> Response:
        """
        Take the first response with this status out of the inbox.

        @param request: what it must answer.

        @raise AssertionError: there is none.
        """
        self._pump()
        for message in self.inbox:
            if (
                isinstance(message, Response)
                and message.status == status
                and (request is None or message.branch == request.branch)
            ):
                self.inbox.remove(message)
                return message
        raise AssertionError(f"no {status} in {self.inbox!r}")

    def expectNothing(self) -> None:
        """
        @raise AssertionError: something has come that was not looked at.
        """
        self._pump()
        if self.inbox:
            raise AssertionError(f"unexpected: {self.inbox!r}")

    def count(self, what: bytes | int) -> int:
        """
        How often a method or a status has come, repetitions included.
        """
        return sum(
            what in (getattr(message, "method", None), getattr(message, "status", None))
            for _, message in self.received
        )

    # Sending

    def send(self, message: Message | bytes) -> None:
        """
        Send a message to the target.
        """
        data = message if isinstance(message, bytes) else message.render()
        self._toTarget().send(data)

    def _toTarget(self) -> IFlow:
        if self._flow is None or self._flow.closed:
            self._flow = self._transport.flowTo(self.target)
        return self._flow

    def disconnect(self) -> None:
        """
        Find the way to the target anew.
        """
        self._flow = None

    def respond(
        self,
        request: Request,
        status: int,
        tag: bytes = b"",
        fields: Fields = (),
        body: bytes = b"",
        contentType: bytes = b"application/sdp",
    ) -> Response:
        """
        Answer a request, to where it came from.
        """
        response = makeResponse(
            request, status, b"", tag, Headers.of(*fields), body, contentType
        )
        flow = self._transport.responseFlow(request.via, self._toTarget())
        flow.send(response.render())
        return response


def peerAt(
    network: MemoryNetwork, clock: Clock, address: str, target: Target
) -> SIPPeer:
    """
    Put a scripted peer at an address of a network in memory.

    @param clock: that of the network.
    """
    transport = network.host(address)

    def pump() -> None:
        # What is under way arrives; no timer fires.
        for _ in range(8):
            clock.advance(0)

    peer = SIPPeer(transport, target, Identifiers(network.entropy), pump, clock.seconds)
    transport.receiver = peer
    return peer


@define(eq=False)
class Phone:
    """
    A telephone behind a SIP Proxy, both played by a L{SIPPeer}: its messages
    have the Via and the Record-Route of the proxy; or a telephone alone.

    @ivar source: its address, as the proxy saw it.
    @ivar proxy: address of the proxy; empty for a telephone that sends its
        messages itself.
    @ivar routes: Record-Route values that the proxy adds.
    @ivar always: fields of each of its INVITEs outside of a dialog.
    """

    peer: SIPPeer
    number: str
    domain: str = "lab.example"
    password: bytes = b""
    source: str = "198.51.100.1"
    proxy: str = "127.0.0.11"
    routes: tuple[bytes, ...] = ()
    always: tuple[tuple[bytes, bytes], ...] = ()
    dialog: Dialog | None = None
    invite: Request | None = None
    challenges: list[bytes] = field(factory=list)
    nonceCount: int = 0

    def __attrs_post_init__(self) -> None:
        if not self.routes and self.proxy:
            self.routes = (b"<sip:%b;lr>" % self.proxy.encode(),)

    @property
    def aor(self) -> bytes:
        """
        The address-of-record.
        """
        return f"sip:{self.number}@{self.domain}".encode()

    @property
    def contact(self) -> tuple[bytes, bytes]:
        """
        The Contact field.
        """
        return (b"Contact", b"<sip:%b@%b>" % (self.number.encode(), self._host))

    @property
    def _host(self) -> bytes:
        return self.source.encode()

    def vias(self, branch: bytes = b"") -> list[tuple[bytes, bytes]]:
        """
        The Via of the proxy and the phone's own.
        """
        identifiers = self.peer.identifiers
        if not self.proxy:
            alone = b"SIP/2.0/UDP %b:5060;rport;branch=%b"
            return [(b"Via", alone % (self._host, branch or identifiers.branch()))]
        top = b"SIP/2.0/UDP %b:5060;branch=%b" % (
            self.proxy.encode(),
            branch or identifiers.branch(),
        )
        own = b"SIP/2.0/UDP %b:5060;branch=%b;received=%b;rport=5060" % (
            self._host,
            identifiers.branch(),
            self._host,
        )
        return [(b"Via", top), (b"Via", own)]

    def build(
        self,
        method: bytes,
        to: str = "",
        fields: Fields = (),
        body: bytes = b"",
        callID: bytes = b"",
        number: int = 1,
        tag: bytes = b"",
        uri: bytes = b"",
        contentType: bytes = b"application/sdp",
    ) -> Request:
        """
        A request outside of a dialog.
        """
        target = f"sip:{to}@{self.domain}" if to else f"sip:{self.domain}"
        toURI = self.aor if method == b"REGISTER" else target.encode()
        pairs = [
            *self.vias(),
            *((b"Record-Route", route) for route in self.routes),
            (b"Max-Forwards", b"69"),
            (
                b"From",
                b"<%b>;tag=%b" % (self.aor, tag or self.peer.identifiers.tag()),
            ),
            (b"To", b"<%b>" % toURI),
            (b"Call-ID", callID or self.peer.identifiers.callID()),
            (b"CSeq", b"%d %b" % (number, method)),
            self.contact,
            *fields,
            *(self.always if method == b"INVITE" else ()),
        ]
        if self.challenges:
            self.nonceCount += 1
            value = authorize(
                self.challenges,
                method,
                uri or target.encode(),
                self.number.encode(),
                self.password,
                self.nonceCount,
            )
            pairs.append((b"Authorization", value))
        if body:
            pairs.append((b"Content-Type", contentType))
        return Request(method, uri or target.encode(), Headers.of(*pairs), body)

    def request(
        self,
        method: bytes,
        to: str = "",
        fields: Fields = (),
        body: bytes = b"",
        contentType: bytes = b"application/sdp",
    ) -> Request:
        """
        Send a request outside of a dialog, with the credentials of the last
        challenge; a first challenge is answered.
        """
        request = self.build(method, to, fields, body, contentType=contentType)
        self.peer.send(request)
        if self.password and not self.challenges:
            self.challenged(self.peer.expectResponse(401, request), request)
            request = self.build(
                method,
                to,
                fields,
                body,
                request.callID,
                2,
                request.fromTag,
                contentType=contentType,
            )
            self.peer.send(request)
        if method == b"INVITE":
            self.invite = request
        return request

    def challenged(self, response: Response, request: Request) -> None:
        """
        Take a 401, and acknowledge it where it answers an INVITE.
        """
        self.challenges = response.headers.all(b"WWW-Authenticate")
        self.nonceCount = 0
        self.acknowledgeRefusal(response, request)

    def acknowledgeRefusal(self, response: Response, request: Request) -> None:
        """
        Send the ACK of a final response that is no 2xx, if it needs one.
        """
        if request.method == b"INVITE":
            headers = Headers.of(
                (b"Via", request.headers.values(b"Via")[0]),
                (b"From", request.headers.first(b"From") or b""),
                (b"To", response.headers.first(b"To") or b""),
                (b"Call-ID", request.callID),
                (b"CSeq", b"%d ACK" % request.cseq.number),
            )
            self.peer.send(Request(b"ACK", request.uri, headers))

    def cancel(self, request: Request | None = None, fields: Fields = ()) -> Request:
        """
        Send the CANCEL of an INVITE.
        """
        invite = request or self.invite
        assert invite is not None
        cancel = Request(
            b"CANCEL",
            invite.uri,
            Headers.of(
                (b"Via", invite.headers.values(b"Via")[0]),
                (b"Max-Forwards", b"70"),
                (b"From", invite.headers.first(b"From") or b""),
                (b"To", invite.headers.first(b"To") or b""),
                (b"Call-ID", invite.callID),
                (b"CSeq", b"%d CANCEL" % invite.cseq.number),
                *fields,
            ),
        )
        self.peer.send(cancel)
        return cancel

    def accepted(self, response: Response) -> Response:
        """
        Take the response that makes the dialog of our INVITE.
        """
        assert self.invite is not None
        self.dialog = Dialog.asUAC(self.invite, response)
        return response

    def acknowledge(self, body: bytes = b"", number: int = 0) -> Request:
        """
        Send the ACK of a 2xx in our dialog.
        """
        assert self.dialog is not None
        ack = self.dialog.ack(
            number or self.dialog.localSequence, (), body, b"application/sdp"
        )
        return self._send(ack)

    def answer(
        self,
        invite: Request,
        status: int = 200,
        body: bytes = b"",
        tag: bytes = b"",
        fields: Fields = (),
    ) -> Response:
        """
        Answer an INVITE with a response that makes a dialog.
        """
        if self.dialog is None or (tag and self.dialog.localTag != tag):
            tag = tag or self.peer.identifiers.tag()
            self.dialog = Dialog.asUAS(invite, tag, status < 200)
        tag = self.dialog.localTag
        routes = [(b"Record-Route", route) for route in self.routes]
        return self.peer.respond(
            invite, status, tag, [*routes, self.contact, *fields], body
        )

    def within(
        self,
        method: bytes,
        fields: Fields = (),
        body: bytes = b"",
        contentType: bytes = b"application/sdp",
        contact: bool = True,
    ) -> Request:
        """
        Send a request inside our dialog.
        """
        assert self.dialog is not None
        own = [self.contact] if contact else []
        self.dialog, request = self.dialog.makeRequest(
            method, [*own, *fields], body, contentType
        )
        return self._send(request)

    def _send(self, request: Request) -> Request:
        """
        Send a request inside the dialog; a proxy has removed its own route.
        """
        headers = request.headers
        if self.proxy:
            headers = headers.remove(b"Route")
        for name, value in reversed(self.vias()):
            headers = headers.prepend(name, value)
        request = request.replacing(headers=headers)
        self.peer.send(request)
        return request

    def refuse(self, invite: Request, status: int, fields: Fields = ()) -> Response:
        """
        Answer an INVITE with a response that makes no dialog.
        """
        tag = self.peer.identifiers.tag()
        if self.dialog is not None:
            tag = self.dialog.localTag
        return self.peer.respond(invite, status, tag, fields)
