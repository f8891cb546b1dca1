"""
A telephone that behaves as telephones do: it rings, answers, hangs up and holds when
it is told to, and does by itself what SIP wants of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sipcluster.sip.message import Message, Request, Response
from sipcluster.testing.sip_peer import Phone, SIPPeer, sdp

#: What its re-INVITE says, and what it answers to what the other side says.
_ANSWER_TO = {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}


class Telephone:
    """
    A telephone with one line behind a SIP Proxy.

    @ivar rings: the INVITE that it has not answered.
    @ivar talks: it has a call that was answered.
    @ivar refuses: status with which it answers the next INVITE; 0: it rings.
    @ivar autoAnswer: it heeds Call-Info with C{answer-after=0}, and
        C{Event: talk}.
    @ivar direction: of its media: C{"sendrecv"}, C{"sendonly"}, ...
    @ivar offers: bodies that it was sent, in order.
    @ivar digits: bodies of the INFO requests that it was sent.
    @ivar seen: methods and statuses that came, in order.
    """

    def __init__(self, phone: Phone, name: str, port: int) -> None:
        self.phone = phone
        self._name = name
        self._port = port
        self.rings: Request | None = None
        self.talks = False
        self.refuses = 0
        self.autoAnswer = True
        self.direction = "sendrecv"
        self.offers: list[bytes] = []
        self.digits: list[bytes] = []
        self.seen: list[bytes | int] = []
        self._calls: Request | None = None
        self._reinvites: Request | None = None
        self._version = 0
        self._callIDs: set[bytes] = set()

    @property
    def _peer(self) -> SIPPeer:
        return self.phone.peer

    def description(self, direction: str = "") -> bytes:
        """
        Its SDP.
        """
        self._version += 1
        body = sdp(self._name, self._port, direction or self.direction)
        return body.replace(b" 1 1 IN", b" 1 %d IN" % self._version, 1)

    # What a person does

    def call(self, number: str, domain: str = "", offers: bool = True) -> None:
        """
        Dial a number.

        @param offers: with an offer; else that is up to the called side.
        """
        self.phone.dialog = None
        if domain:
            request = self.phone.build(b"INVITE", body=self.description())
            uri = f"sip:{number}@{domain}".encode()
            request = request.replacing(
                uri=uri, headers=request.headers.replace(b"To", b"<%b>" % uri)
            )
            self.phone.invite = request
            self._peer.send(request)
        else:
            body = self.description() if offers else b""
            request = self.phone.request(b"INVITE", number, body=body)
        self._calls = request
        self._callIDs.add(request.callID)

    def answer(self) -> None:
        """
        Lift the receiver.
        """
        invite, self.rings = self.rings, None
        assert invite is not None, f"{self.phone.number} does not ring"
        self.talks = True
        self.phone.answer(invite, 200, self._answerTo(invite))

    def refuse(self, status: int, fields: Sequence[tuple[bytes, bytes]] = ()) -> None:
        """
        Do not take the call that rings.
        """
        invite, self.rings = self.rings, None
        assert invite is not None, f"{self.phone.number} does not ring"
        self.phone.refuse(invite, status, fields)
        self.phone.dialog = None

    def hangUp(self) -> None:
        """
        End the call.
        """
        assert self.talks, f"{self.phone.number} has no call"
        self.talks = False
        self.phone.within(b"BYE")

    def giveUp(self) -> None:
        """
        End the call that it makes.
        """
        self.phone.cancel(self._calls)

    def hold(self) -> None:
        """
        Press "hold".
        """
        self.direction = "sendonly"
        self._reinvite()

    def retrieve(self) -> None:
        """
        Press it again.
        """
        self.direction = "sendrecv"
        self._reinvite()

    def ask(self) -> None:
        """
        Have the other side offer something.
        """
        self._reinvite(False)

    def _reinvite(self, offers: bool = True) -> None:
        body = self.description() if offers else b""
        self._reinvites = self.phone.within(b"INVITE", body=body)

    # What the telephone does by itself

    def owns(self, message: Message) -> bool:
        """
        Whether a message is for it.
        """
        if message.callID in self._callIDs:
            return True
        if not isinstance(message, Request) or message.toTag:
            return False
        wanted = b":" + self.phone.number.encode()
        if not message.uri.partition(b"@")[0].endswith(wanted):
            return False
        self._callIDs.add(message.callID)
        return True

    def reached(self, address: str, peer: SIPPeer) -> None:
        """
        It is reached through this SIP Proxy, and answers the same way.
        """
        if self.phone.proxy != address:
            self.phone.peer = peer
            self.phone.proxy = address
            self.phone.routes = (b"<sip:%b;lr>" % address.encode(),)

    def received(self, message: Message) -> None:
        """
        Do what the message wants.
        """
        if isinstance(message, Request):
            self.seen.append(message.method)
            self._requested(message)
        else:
            assert isinstance(message, Response)
            self.seen.append(message.status)
            self._responded(message)

    def _requested(self, request: Request) -> None:
        if request.body and request.method != b"NOTIFY":
            self.offers.append(request.body)
        if request.method == b"INVITE":
            self._invited(request)
        elif request.method == b"BYE":
            self.talks = False
            self._peer.respond(request, 200)
        elif request.method == b"CANCEL":
            self._peer.respond(request, 200)
            if self.rings is not None:
                self.refuse(487)
        elif request.method == b"NOTIFY":
            event = request.headers.first(b"Event") or b""
            talk = event == b"talk" and self.autoAnswer
            known = talk or event.startswith((b"refer", b"dialog"))
            self._peer.respond(request, 200 if known else 489)
            if talk and self.rings is not None:
                self.answer()
        elif request.method == b"INFO":
            self.digits.append(request.body)
            self._peer.respond(request, 200)
        elif request.method != b"ACK":
            self._peer.respond(request, 200)

    def _invited(self, invite: Request) -> None:
        if invite.toTag:  # inside the call
            self.phone.answer(invite, 200, self._answerTo(invite))
            return
        self.phone.dialog = None
        self.direction = "sendrecv"
        self.rings = invite
        if self.refuses:
            status, self.refuses = self.refuses, 0
            self.refuse(status)
            return
        self.phone.answer(invite, 180)
        info = invite.headers.first(b"Call-Info") or b""
        if b"answer-after=0" in info and self.autoAnswer:
            self.answer()

    def _answerTo(self, invite: Request) -> bytes:
        """
        An answer to an offer, or an offer where there is none.
        """
        for theirs, ours in _ANSWER_TO.items():
            if b"a=" + theirs.encode() in invite.body:
                return self.description(ours)
        return self.description("" if self.direction == "sendrecv" else self.direction)

    def _responded(self, response: Response) -> None:
        if response.cseq.method != b"INVITE":
            if response.cseq.method == b"BYE":
                self.phone.dialog = None
            return
        if response.body:
            self.offers.append(response.body)
        if self._reinvites is not None and (
            response.cseq.number == self._reinvites.cseq.number
            and response.callID == self._reinvites.callID
        ):
            if response.status >= 300:
                self.phone.acknowledgeRefusal(response, self._reinvites)
                self._reinvites = None
            elif response.status >= 200:
                self._acknowledge(self._reinvites)
                self._reinvites = None
            return
        if self._calls is None or response.status < 200:
            return
        calls, self._calls = self._calls, None
        if response.status < 300:
            self.phone.invite = calls
            self.phone.accepted(response)
            self._acknowledge(calls)
            self.talks = True
        else:
            self.phone.acknowledgeRefusal(response, calls)
            self.phone.dialog = None

    def _acknowledge(self, invite: Request) -> None:
        """
        Send the ACK of a 2xx, with the answer if that was an offer.
        """
        body = b"" if invite.body else self.description()
        self.phone.acknowledge(body, invite.cseq.number)


class Behaves(Protocol):
    """
    What behaves as a telephone does: media servers do, too.
    """

    def owns(self, message: Message) -> bool:
        "Whether a message is for it."

    def reached(self, address: str, peer: SIPPeer) -> None:
        "It is reached through this SIP Proxy."

    def received(self, message: Message) -> None:
        "A message for it has come."


def settle(peers: Mapping[str, SIPPeer], telephones: Sequence[Behaves]) -> None:
    """
    Let all telephones do what the messages that have come want, until there are
    no more.

    @param peers: those who play SIP Proxies, by their addresses.

    @raise AssertionError: a message is for none of them.
    """
    while True:
        came = False
        for address, peer in peers.items():
            peer._pump()
            inbox, peer.inbox = peer.inbox, []
            for message in inbox:
                came = True
                for telephone in telephones:
                    if telephone.owns(message):
                        telephone.reached(address, peer)
                        telephone.received(message)
                        break
                else:
                    raise AssertionError(f"for no telephone: {message!r}")
        if not came:
            return
