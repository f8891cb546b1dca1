"""
What one REGISTER asks for, what is granted, what becomes of the bindings.

RFC 3261 section 10.3, in two halves.  A node knows who may register and for how
long: it L{grant}s.  A proxy knows the bindings and the way to the device: it
makes an L{Update} of what a node has granted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from attrs import evolve, frozen

from sipcluster.registrar.iregistrar import ALL, MAXIMUM_BINDINGS, All, Binding
from sipcluster.sip.address import Address
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.grammar import quote
from sipcluster.sip.headers import Headers
from sipcluster.sip.message import Request, Response
from sipcluster.sip.parameters import Parameters
from sipcluster.sip.uri import SIPURI, URI, parseURI

#: Contact parameters that are attributes of a L{Binding} of their own.
_OWN = frozenset((b"expires", b"q", b"+sip.instance", b"reg-id"))

#: A lifetime that is not a number counts as this (section 10.2.1.1).
_WHEN_BAD = 3600

#: Bytes of what is kept of a device's own words.
_WORDS = 500

_MAXIMUM_REG_ID = 2**31 - 1


class StaleRegister(MalformedMessage):
    """
    A REGISTER came after a later one of the same Call-ID (section 10.3 steps 6
    and 7): nothing is changed.
    """

    def __init__(self, fragment: bytes) -> None:
        super().__init__("REGISTER out of order", fragment, 500)


@frozen
class Lifetimes:
    """
    How long registrations are granted, in seconds.

    @ivar minimum: one that asks for less is answered 423.
    @ivar maximum: one that asks for more is shortened.
    @ivar default: for one that does not say.
    """

    minimum: int = 60
    maximum: int = 3600
    default: int = 3600


@frozen
class Wish:
    """
    One Contact of a REGISTER.

    @ivar seconds: for how long; 0 to remove it; L{None} when nothing is said.
    """

    address: Address
    seconds: int | None


@frozen
class Wishes:
    """
    What a REGISTER asks for: nothing, when it only wants to know the bindings.

    @ivar everythingGone: C{Contact: *}.
    """

    contacts: tuple[Wish, ...] = ()
    everythingGone: bool = False


def wishes(request: Request) -> Wishes:
    """
    Read a REGISTER (section 10.3 step 6 and 7).

    @raise MalformedMessage: C{*} with anything else, contacts that cannot be
        bound, or too many.
    """
    header = _expires(request)
    contacts = request.contacts
    if any(contact.wildcard for contact in contacts):
        if len(contacts) > 1 or header != 0:
            raise MalformedMessage("Contact: * wants Expires: 0 and nothing else")
        return Wishes(everythingGone=True)
    if len(contacts) > MAXIMUM_BINDINGS:
        raise MalformedMessage("too many contacts", status=403)
    result: list[Wish] = []
    for contact in contacts:
        if not isinstance(contact.uri, SIPURI):
            raise MalformedMessage("not a sip: contact", contact.render())
        if any(contact.uri.equivalent(wish.address.uri) for wish in result):
            raise MalformedMessage("a contact twice", contact.render())
        seconds = contact.expires
        result.append(Wish(contact, header if seconds is None else seconds))
    return Wishes(tuple(result))


def _expires(message: Request | Response) -> int | None:
    try:
        return message.expires
    except MalformedMessage:
        return _WHEN_BAD


def grant(request: Request, lifetimes: Lifetimes) -> tuple[int, Headers]:
    """
    Answer the REGISTER of someone who may.

    @return: the status, and the header fields that go with it: for a 200 the
        granted contacts, each with its C{expires}, and the Path (RFC 3327); for
        a 423 Min-Expires.

    @raise MalformedMessage: what L{wishes} raises.
    """
    asked = wishes(request)
    fields: list[tuple[bytes, bytes]] = []
    for wish in asked.contacts:
        seconds = lifetimes.default if wish.seconds is None else wish.seconds
        if 0 < seconds < lifetimes.minimum:
            return 423, Headers.of((b"Min-Expires", b"%d" % lifetimes.minimum))
        if seconds:
            seconds = min(seconds, lifetimes.maximum)
            contact = wish.address.with_(b"expires", b"%d" % seconds)
            fields.append((b"Contact", contact.render()))
    if fields:
        fields += [(b"Path", path) for path in request.headers.values(b"Path")]
    return 200, Headers.of(*fields)


@frozen
class Place:
    """
    How the proxy that takes a REGISTER reaches the device.

    @ivar proxy: its own name.
    @ivar flow: see L{Binding.flow}; C{received} likewise.
    """

    proxy: str
    flow: bytes = b""
    transport: str = "UDP"
    received: tuple[str, int] | None = None


@frozen
class Update:
    """
    What becomes of the bindings: for L{IRegistrationStore.update}.
    """

    changes: tuple[Binding, ...] = ()
    removed: tuple[bytes, ...] | All = ()

    @property
    def empty(self) -> bool:
        """
        Whether the REGISTER only asks.
        """
        return not self.changes and self.removed == ()


def update(
    request: Request,
    response: Response,
    aor: bytes,
    current: Sequence[Binding],
    place: Place,
    now: float,
) -> Update:
    """
    Make an update of what a node granted.

    A contact that the node left out is removed.  One that is spelled
    otherwise than before, but is the same (section 19.1.4), takes the place of
    what it was.

    @param response: the 2xx of the node.
    @param current: the bindings of C{aor}.
    @param now: seconds since the epoch.

    @raise StaleRegister: a later REGISTER of the same Call-ID has changed one
        of the bindings.  An equal CSeq is no fault: it is the same REGISTER,
        tried again through another proxy.

    @raise MalformedMessage: what L{wishes} raises.
    """
    asked = wishes(request)
    if asked.everythingGone:
        _checkOrder(request, current)
        return Update(removed=ALL)
    granted = _granted(response)
    changes: list[Binding] = []
    removed: list[bytes] = []
    devices = Counter(_device(wish.address) for wish in asked.contacts)
    for wish in asked.contacts:
        same = _same(wish.address, current)
        _checkOrder(request, same)
        seconds = 0 if wish.seconds == 0 else _seconds(wish.address.uri, granted)
        if seconds <= 0:
            removed += [binding.contact for binding in same]
            continue
        change = _binding(request, wish.address, aor, place, now, seconds)
        if devices[_device(wish.address)] > 1:
            # Several contacts of one device, without reg-id: all of them count.
            change = evolve(change, instance=b"")
        changes.append(change)
        removed += [
            binding.contact for binding in same if binding.identity != change.identity
        ]
    return Update(tuple(changes), tuple(removed))


def _checkOrder(request: Request, bindings: Iterable[Binding]) -> None:
    for binding in bindings:
        if binding.callID == request.callID and binding.cseq > request.cseq.number:
            raise StaleRegister(binding.contact)


def _granted(response: Response) -> list[tuple[URI, int]]:
    header = _expires(response)
    result = []
    for contact in response.contacts:
        seconds = contact.expires
        if seconds is None:
            seconds = _WHEN_BAD if header is None else header
        result.append((contact.uri, seconds))
    return result


def _seconds(uri: URI, granted: Sequence[tuple[URI, int]]) -> int:
    for other, seconds in granted:
        if other == uri or other.equivalent(uri):
            return seconds
    return 0


def _same(contact: Address, current: Sequence[Binding]) -> list[Binding]:
    """
    The bindings that a Contact means: that of its instance, and those of an
    equivalent URI.
    """
    instance, regID = _device(contact)
    rendered = contact.uri.render()
    return [
        binding
        for binding in current
        if (instance and (binding.instance, binding.regID) == (instance, regID))
        or binding.contact == rendered
        or _equivalent(binding.contact, contact.uri)
    ]


def _equivalent(contact: bytes, uri: URI) -> bool:
    try:
        return parseURI(contact).equivalent(uri)
    except MalformedMessage:
        return False


def _device(contact: Address) -> tuple[bytes, int]:
    return contact.instance.strip(b"<>"), _regID(contact)


def _regID(contact: Address) -> int:
    value = contact.parameters.get(b"reg-id") or b""
    if not value.isdigit() or len(value) > 10:
        return 0
    return min(int(value), _MAXIMUM_REG_ID)


def _binding(
    request: Request,
    contact: Address,
    aor: bytes,
    place: Place,
    now: float,
    seconds: int,
) -> Binding:
    others = Parameters(
        tuple(item for item in contact.parameters.items if item[0] not in _OWN)
    )
    rest = others.render()
    instance, regID = _device(contact)
    return Binding(
        contact=contact.uri.render(),
        aor=aor,
        callID=request.callID,
        cseq=request.cseq.number,
        expiresAt=now + seconds,
        q=contact.q,
        instance=instance,
        path=tuple(request.headers.values(b"Path")),
        proxy=place.proxy,
        flow=place.flow,
        transport=place.transport,
        received=place.received,
        userAgent=(request.headers.first(b"User-Agent") or b"")[:_WORDS],
        contactParameters=rest if len(rest) <= _WORDS else b"",
        regID=regID,
        updatedAt=now,
    )


def contactOf(binding: Binding, now: float) -> bytes:
    """
    A binding as it stands in Contact of the 200 to a REGISTER.

    @param now: seconds since the epoch.
    """
    left = max(1, round(binding.expiresAt - now))
    parts = [b"<%b>;expires=%d" % (binding.contact, left)]
    if binding.q != 1.0:
        parts.append(b";q=%b" % f"{binding.q:.3f}".rstrip("0").rstrip(".").encode())
    if binding.instance:
        parts.append(b";+sip.instance=" + quote(b"<%b>" % binding.instance))
    if binding.regID:
        parts.append(b";reg-id=%d" % binding.regID)
    parts.append(binding.contactParameters)
    return b"".join(parts)
