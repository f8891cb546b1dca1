"""
Who calls, as the called side is told: privacy (RFC 3323) and asserted identities (RFC
3325).

Whom a request comes from is known by digest, or by the address of a trunk.  What
telephones assert besides is not believed, and what a trunk does only where it is
trusted.  Who does not want to be shown is anonymous to telephones and to trunks that
are not trusted; a trusted one is told who it is, and to keep that to itself.
"""

from __future__ import annotations

from attrs import evolve, frozen

from sipcluster.sessioncontroller.authentication import numberOf
from sipcluster.sessioncontroller.events import Fields, PartyView
from sipcluster.sessioncontroller.isessioncontroller import ExtensionDN, TrunkDN
from sipcluster.sip.address import Address
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.grammar import escapeUser, quote
from sipcluster.sip.headers import Headers
from sipcluster.sip.message import Request
from sipcluster.sip.uri import SIPURI

ASSERTED = b"P-Asserted-Identity"
PRIVACY = b"Privacy"

#: The From of who does not want to be shown (RFC 3323 section 4.1.1.3).
ANONYMOUS = b'"Anonymous" <sip:anonymous@anonymous.invalid>'

#: The host of that.
NOWHERE = "anonymous.invalid"

#: What a number is where there is none.
NOBODY = "anonymous"

#: Wishes that mean that the caller is not to be shown.
_HIDING = frozenset([b"id", b"user", b"header"])

#: What makes telephones answer by themselves, among others.
_ALERTING = frozenset([b"alert-info", b"call-info"])

#: Where a call was meant to go before.
_DIVERTING = frozenset([b"diversion", b"history-info"])


@frozen
class Caller:
    """
    Who calls.

    @ivar number: its DN, or its number outside of the switch.
    @ivar display: its name; may be empty.
    @ivar hidden: it does not want to be shown.
    """

    number: str
    display: bytes = b""
    hidden: bool = False

    def address(self, domain: bytes, secure: bool = False) -> bytes:
        """
        Who it is.

        @param domain: of the switch.
        """
        return b"%b<%b:%b@%b>" % (
            quote(self.display) + b" " if self.display else b"",
            b"sips" if secure else b"sip",
            escapeUser(self.number.encode()),
            domain,
        )

    def shown(self, domain: bytes, secure: bool = False) -> bytes:
        """
        The From of the called side, without a tag.
        """
        return ANONYMOUS if self.hidden else self.address(domain, secure)

    def fields(self, domain: bytes) -> Fields:
        """
        What goes along for those who are told more than the From.
        """
        if not self.hidden:
            return ()
        if self.number == NOBODY:
            return ((PRIVACY, b"id"),)
        return ((ASSERTED, self.address(domain)), (PRIVACY, b"id"))


def shownAs(view: PartyView, domain: bytes) -> bytes:
    """
    The From with which somebody is called in the name of a party, without a tag.
    """
    if view.hidden:
        return ANONYMOUS
    return b"<sip:%b@%b>" % (escapeUser(view.thisDN.encode()), domain)


def wishes(headers: Headers) -> list[bytes]:
    """
    What a sender wants to be kept private.
    """
    if PRIVACY not in headers:
        return []
    value = b";".join(headers.all(PRIVACY)).replace(b",", b";")
    return [wish.strip().lower() for wish in value.split(b";")]


def callerOf(request: Request, sender: ExtensionDN | TrunkDN) -> Caller:
    """
    Who sends an INVITE.

    @param sender: the DN that it comes from.

    @raise MalformedMessage: the From is of a kind that is not served.
    """
    headers = request.headers
    address = request.fromAddress
    hidden = not _HIDING.isdisjoint(wishes(headers))
    if isinstance(sender, ExtensionDN):
        if isinstance(address.uri, SIPURI) and address.uri.bareHost == NOWHERE:
            return Caller(sender.number, b"", True)
        return Caller(sender.number, address.display, hidden)
    if sender.trusted and ASSERTED in headers:
        asserted = _asserted(headers)
        if asserted is not None:
            return evolve(asserted, hidden=hidden)
    number = numberOf(address.uri)
    return Caller(number or NOBODY, address.display, hidden)


def _asserted(headers: Headers) -> Caller | None:
    """
    Who a trunk says it is, as far as that can be read.
    """
    try:
        values = headers.values(ASSERTED)
    except MalformedMessage:
        return None
    for value in values:
        try:
            address = Address.parse(value)
            number = numberOf(address.uri)
        except MalformedMessage:
            continue
        if number:
            return Caller(number, address.display)
    return None


def believed(fields: Fields, sender: object) -> Fields:
    """
    What of the header fields of an INVITE the called side is told.

    A telephone does not say who has diverted its call: at a trunk that may stand for
    who calls, and who pays.  And nobody outside lets telephones answer by themselves,
    unless its trunk is trusted.

    @param sender: the DN that it comes from.
    """
    if not fields:
        return fields
    if isinstance(sender, ExtensionDN):
        unwanted = _DIVERTING
    elif isinstance(sender, TrunkDN) and not sender.trusted:
        unwanted = _ALERTING
    else:
        return fields
    return tuple(field for field in fields if field[0].lower() not in unwanted)


def told(fields: Fields, caller: bytes, trusted: bool) -> Fields:
    """
    What an INVITE says besides its From.

    @param fields: that go along, those of L{Caller.fields} among them.
    @param caller: the From.
    @param trusted: the called side keeps to itself what is not to be shown.
    """
    if not trusted:
        if not fields:
            return fields
        return tuple(field for field in fields if field[0] not in (ASSERTED, PRIVACY))
    if caller == ANONYMOUS or any(name == ASSERTED for name, _ in fields):
        return fields
    return (*fields, (ASSERTED, caller))
