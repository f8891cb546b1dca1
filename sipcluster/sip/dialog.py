"""
Dialogs (RFC 3261 section 12): plain values that can be written down, sent to
another process, and gone on with there.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve, frozen

from sipcluster.sip.address import Address
from sipcluster.sip.errors import MalformedMessage, SIPError
from sipcluster.sip.headers import Headers
from sipcluster.sip.message import Message, Request, Response
from sipcluster.sip.uri import SIPURI

Fields = Iterable[tuple[bytes, bytes]]

#: A sequence number of the other side that is not known yet.
UNKNOWN = -1

#: Early dialogs that one INVITE may make; further forks are not followed before
#: they answer.
MAX_FORKS = 16


class OutOfOrder(SIPError):
    """
    A request carries a lower CSeq than one before it in the same dialog: to be
    answered 500 (section 12.2.2).
    """

    status = 500


def withoutTag(value: bytes) -> bytes:
    """
    A From or To value as it was written, its tag left out.

    @raise MalformedMessage: it is no address.
    """
    head, separator, tail = value.rpartition(b";tag=")
    if separator and b">" not in tail and b'"' not in tail:
        _, semicolon, after = tail.partition(b";")
        return head + semicolon + after
    if b"tag" in value.lower():
        return Address.parse(value).without(b"tag").render()
    return value


def _header(message: Message, name: bytes) -> bytes:
    value = message.headers.first(name)
    if value is None:
        raise MalformedMessage(f"no {name.decode()}")
    return value


def contactURI(message: Message) -> bytes | None:
    """
    The URI of the Contact as a Request-URI, or L{None} when there is none.

    @raise MalformedMessage: it cannot be read.
    """
    for contact in message.contacts:
        if not contact.wildcard:
            uri = contact.uri
            if isinstance(uri, SIPURI):
                uri = uri.asRequestURI()
            return uri.render()
    return None


def _routeURI(route: bytes) -> bytes:
    """
    The URI of a Route value as a Request-URI: without what must not be in one
    (section 19.1.1, table 1).
    """
    uri = Address.parse(route).uri
    if isinstance(uri, SIPURI):
        parameters = uri.parameters.without(b"method").without(b"ttl")
        uri = evolve(uri, parameters=parameters, headers=b"")
    return uri.render()


def _routesOf(response: Response) -> tuple[bytes, ...]:
    """
    The route set that a response makes for the sender of the request.

    @raise MalformedMessage: a value of it cannot be read: no request could be
        sent along it later.
    """
    values = response.headers.values(b"Record-Route")
    for value in values:
        Address.parse(value)
    return tuple(reversed(values))


def _isLoose(route: bytes) -> bool:
    if route.endswith(b";lr>"):  # as nearly everyone writes it
        return True
    uri = Address.parse(route).uri
    return isinstance(uri, SIPURI) and b"lr" in uri.parameters


@frozen
class Dialog:
    """
    One dialog as one side sees it.

    @ivar localURI: our From or To value as written, without the tag.
    @ivar remoteURI: the other side's.
    @ivar localSequence: the CSeq number of our last request; 0 before the first.
    @ivar remoteSequence: that of the other side's; L{UNKNOWN} before the first.
    @ivar remoteTarget: the URI that the other side gave in its last Contact.
    @ivar routeSet: Route values as written, nearest first.
    @ivar secure: whether it was made with a SIPS URI: its Contacts are to be SIPS
        ones too.
    @ivar early: no 2xx yet.
    """

    callID: bytes
    localTag: bytes
    remoteTag: bytes
    localURI: bytes
    remoteURI: bytes
    localSequence: int
    remoteSequence: int
    remoteTarget: bytes
    routeSet: tuple[bytes, ...] = ()
    secure: bool = False
    early: bool = False

    @property
    def id(self) -> tuple[bytes, bytes, bytes]:
        """
        Call-ID, local tag, remote tag.
        """
        return (self.callID, self.localTag, self.remoteTag)

    @classmethod
    def asUAC(cls, request: Request, response: Response) -> Dialog:
        """
        The dialog that a 1xx with a To tag, or a 2xx, makes for the sender of
        the request (section 12.1.2).

        @param request: as it was sent.  When the response has no Contact, as
            some 1xx have not, the Request-URI stays the remote target.

        @raise MalformedMessage: the response cannot make a dialog.
        """
        target = contactURI(response)
        return cls(
            callID=request.callID,
            localTag=request.fromTag,
            remoteTag=response.toTag,
            localURI=withoutTag(_header(request, b"From")),
            remoteURI=withoutTag(_header(request, b"To")),
            localSequence=request.cseq.number,
            remoteSequence=UNKNOWN,
            remoteTarget=request.uri if target is None else target,
            routeSet=_routesOf(response),
            secure=request.uri[:5].lower() == b"sips:",
            early=response.status < 200,
        )

    @classmethod
    def asUAS(cls, request: Request, localTag: bytes, early: bool = False) -> Dialog:
        """
        The dialog that our response makes for us (section 12.1.1).

        @param localTag: the To tag of that response.

        @raise MalformedMessage: the request has no Contact, or a bad one: it is
            to be answered 400.
        """
        target = contactURI(request)
        if target is None:
            raise MalformedMessage("no Contact")
        return cls(
            callID=request.callID,
            localTag=localTag,
            remoteTag=request.fromTag,
            localURI=withoutTag(_header(request, b"To")),
            remoteURI=withoutTag(_header(request, b"From")),
            localSequence=0,
            remoteSequence=request.cseq.number,
            remoteTarget=target,
            routeSet=tuple(request.headers.values(b"Record-Route")),
            secure=request.uri[:5].lower() == b"sips:",
            early=early,
        )

    @property
    def nextHop(self) -> bytes:
        """
        The URI of where our requests go first (section 8.1.2).
        """
        if self.routeSet:
            return Address.parse(self.routeSet[0]).uri.render()
        return self.remoteTarget

    def makeRequest(
        self,
        method: bytes,
        headers: Fields = (),
        body: bytes = b"",
        contentType: bytes = b"",
    ) -> tuple[Dialog, Request]:
        """
        Our next request in the dialog (section 12.2.1.1).

        @param headers: further fields, as Contact; a Max-Forwards among them
            takes the place of ours.

        @return: the dialog with the request counted, and the request, still
            without our Via.
        """
        number = self.localSequence + 1
        request = self._request(method, number, headers, body, contentType)
        return self._counted(number, self.remoteSequence), request

    def _counted(self, local: int, remote: int) -> Dialog:
        """
        The same dialog with other sequence numbers; L{evolve} takes three times
        as long, and there is one for each request.
        """
        return Dialog(
            self.callID,
            self.localTag,
            self.remoteTag,
            self.localURI,
            self.remoteURI,
            local,
            remote,
            self.remoteTarget,
            self.routeSet,
            self.secure,
            self.early,
        )

    def ack(
        self,
        inviteCSeq: int,
        headers: Fields = (),
        body: bytes = b"",
        contentType: bytes = b"",
    ) -> Request:
        """
        The ACK of a 2xx (section 13.2.2.4), still without our Via.

        @param inviteCSeq: the CSeq number of the INVITE.
        @param headers: further fields; the credentials of the INVITE belong
            here.
        """
        return self._request(b"ACK", inviteCSeq, headers, body, contentType)

    def _request(
        self,
        method: bytes,
        number: int,
        headers: Fields,
        body: bytes,
        contentType: bytes,
    ) -> Request:
        uri, routes = self.remoteTarget, self.routeSet
        if routes and not _isLoose(routes[0]):
            # A strict router wants to be the Request-URI itself.
            uri = _routeURI(routes[0])
            routes = (*routes[1:], b"<%b>" % self.remoteTarget)
        remote = self.remoteURI
        if self.remoteTag:
            remote = b"%b;tag=%b" % (remote, self.remoteTag)
        fields = [(b"Route", route) for route in routes]
        further = list(headers)
        if not any(name.lower() == b"max-forwards" for name, _ in further):
            fields.append((b"Max-Forwards", b"70"))
        fields += [
            (b"From", b"%b;tag=%b" % (self.localURI, self.localTag)),
            (b"To", remote),
            (b"Call-ID", self.callID),
            (b"CSeq", b"%d %b" % (number, method)),
            *further,
        ]
        if contentType and body:
            fields.append((b"Content-Type", contentType))
        fields.append((b"Content-Length", b"%d" % len(body)))
        return Request(method, uri, Headers.of(*fields), body)

    def received(self, request: Request) -> Dialog:
        """
        Count a request of the other side (section 12.2.2).  ACK and CANCEL have
        the number of their INVITE and are not counted.

        @raise OutOfOrder: its number is lower than the last; the dialog stays as
            it is.
        """
        if request.method in (b"ACK", b"CANCEL"):
            return self
        number = request.cseq.number
        if number < self.remoteSequence:
            raise OutOfOrder(f"CSeq {number} after {self.remoteSequence}")
        return self._counted(self.localSequence, number)

    def refreshed(self, message: Message) -> Dialog:
        """
        Take over the Contact of a target refresh: a re-INVITE or UPDATE of the
        other side, or its 2xx to ours.  Without a Contact nothing changes.

        @raise MalformedMessage: the Contact cannot be read.
        """
        target = contactURI(message)
        if target is None or target == self.remoteTarget:
            return self
        return evolve(self, remoteTarget=target)

    def confirmed(self, response: Response | None = None) -> Dialog:
        """
        The dialog after the 2xx to the first INVITE.

        @param response: the 2xx that was received: its route set and Contact
            count from now on (section 13.2.2.4).  L{None} when it was ours.

        @raise MalformedMessage: they cannot be read.
        """
        if response is None:
            return evolve(self, early=False)
        routes = _routesOf(response)
        return evolve(self.refreshed(response), early=False, routeSet=routes)


class DialogSet:
    """
    The dialogs that one INVITE of ours makes when it is forked: one for each To
    tag (section 13.2.2).

    @ivar dialogs: by remote tag.
    """

    __slots__ = ("_limit", "_request", "dialogs")

    def __init__(self, request: Request, limit: int = MAX_FORKS) -> None:
        """
        @param request: the INVITE as it was sent.
        @param limit: early dialogs that are followed.
        """
        self._request = request
        self._limit = limit
        self.dialogs: dict[bytes, Dialog] = {}

    def responseReceived(self, response: Response) -> Dialog | None:
        """
        Make or renew the dialog of a response.

        @return: L{None} when the response makes none: it is a 100, has no tag,
            is no 1xx nor 2xx, or is a 1xx of one fork too many.  Each 2xx has a
            dialog, so that it can be acknowledged and ended.

        @raise MalformedMessage: the response cannot make a dialog.
        """
        status = response.status
        tag = response.toTag
        if status == 100 or status >= 300 or (status < 200 and not tag):
            return None
        dialog = self.dialogs.get(tag)
        if dialog is None:
            if status < 200 and len(self.dialogs) >= self._limit:
                return None
            dialog = Dialog.asUAC(self._request, response)
        elif status >= 200:
            if not dialog.early:
                return dialog  # a retransmission
            dialog = dialog.confirmed(response)
        else:
            dialog = dialog.refreshed(response) if dialog.early else dialog
        self.dialogs[tag] = dialog
        return dialog

    def update(self, dialog: Dialog) -> None:
        """
        Keep a dialog that has changed otherwise: by a PRACK, an UPDATE.
        """
        if dialog.remoteTag in self.dialogs:
            self.dialogs[dialog.remoteTag] = dialog

    @property
    def early(self) -> list[Dialog]:
        """
        Those without a 2xx: they end with the INVITE's final response, or 64*T1
        after its first 2xx.
        """
        return [dialog for dialog in self.dialogs.values() if dialog.early]

    @property
    def confirmed(self) -> list[Dialog]:
        """
        Those with a 2xx.  All but one of them are to be ended with BYE.
        """
        return [dialog for dialog in self.dialogs.values() if not dialog.early]
