"""
The calls of a DN as telephones' lamps want to know them (RFC 4235): C{dialog-info}.

All that is known is said each time (C{state="full"}).  The dialog is named only while
the DN rings: so that somebody else may pick the call up (RFC 3891), and nobody can take
part in one that talks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sipcluster.sessioncontroller.events import Role
from sipcluster.sessioncontroller.replaces import ringingName
from sipcluster.sip.grammar import escapeUser

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.leg import Leg
    from sipcluster.sessioncontroller.party import Party
    from sipcluster.sessioncontroller.useragent import UserAgent

EVENT = b"dialog"
CONTENT_TYPE = b"application/dialog-info+xml"

#: Calls of one DN that are told of.
MOST = 16

#: What a state of a party is for a lamp.
_STATES = {
    "Initiated": b"trying",
    "Failed": b"trying",
    "Alerting": b"early",
    "Connected": b"confirmed",
    "Hold": b"confirmed",
}

_ESCAPES = ((b"&", b"&amp;"), (b"<", b"&lt;"), (b">", b"&gt;"), (b'"', b"&quot;"))


def escaped(text: bytes) -> bytes:
    """
    Text as it may stand in XML; what XML has no way to say is left out.
    """
    for character, name in _ESCAPES:
        text = text.replace(character, name)
    return bytes(one for one in text if one >= 32 and one != 127)


def dialogInfo(ua: UserAgent, dn: str, version: int) -> bytes:
    """
    Write down what there is to be known of a DN.

    @param version: how often that was done before.
    """
    entity = _address(ua, dn)
    calls = list(_calls(ua, dn))[:MOST]
    if not calls:
        # An empty list would do, but many lamps want to be told.
        calls = [b'<dialog id="%b"><state>terminated</state></dialog>' % _id(dn)]
    return (
        b'<?xml version="1.0" encoding="UTF-8"?>\r\n'
        b'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="%d"'
        b' state="full" entity="%b">\r\n%b\r\n</dialog-info>\r\n'
    ) % (version, escaped(entity), b"\r\n".join(calls))


def _address(ua: UserAgent, dn: str) -> bytes:
    return b"sip:%b@%b" % (escapeUser(dn.encode()), ua.domain)


def _id(text: str) -> bytes:
    return escaped(text.encode())


def _calls(ua: UserAgent, dn: str) -> Iterator[bytes]:
    for party in ua.parties.get(dn, ()):
        state = _STATES.get(party.state)
        if state is not None:
            yield _call(ua, party, state)


def _call(ua: UserAgent, party: Party, state: bytes) -> bytes:
    view = party.view
    caller = view.thisRole is Role.ORIGINATION
    exchange = ua.exchange
    call = None if exchange is None else exchange.callOf(view.connID)
    leg = None if call is None else call.legOf(party)
    rendering = b""
    if party.state == "Hold":
        rendering = (
            b'<local><target uri="%b"><param pname="+sip.rendering" pval="no"/>'
            b"</target></local>"
        ) % escaped(_address(ua, view.thisDN))
    remote = b""
    if view.otherDN and not (call is not None and call.isHidden(view.otherDN)):
        other = escaped(_address(ua, view.otherDN))
        remote = b'<remote><identity>%b</identity><target uri="%b"/></remote>' % (
            other,
            other,
        )
    return b'<dialog id="%b" direction="%b"%b><state>%b</state>%b%b</dialog>' % (
        _id(view.connID),
        b"initiator" if caller else b"recipient",
        _named(leg, view.connID) if state == b"early" and leg is not None else b"",
        state,
        rendering,
        remote,
    )


def _named(leg: Leg, connID: str) -> bytes:
    """
    How the dialog of a telephone that rings is called, seen from its side.
    """
    if leg.dialog is None:
        return b""
    name = ringingName(leg, connID)
    return b' call-id="%b" local-tag="%b" remote-tag="%b"' % (
        escaped(name.callID),
        name.theirs,
        name.ours,
    )
