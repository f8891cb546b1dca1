"""
Where a call was meant to go before: Diversion (RFC 5806) and History-Info (RFC 7044)
in the INVITEs of calls that the node forwards, or that were redirected.

Both say the same, since of those who read one hardly any reads the other.  What the
caller's INVITE says already stays: ours comes on top of it, or behind.
"""

from __future__ import annotations

import re

from sipcluster.sessioncontroller.events import Cause, Fields
from sipcluster.sip.grammar import escapeUser

DIVERSION = b"Diversion"
HISTORY = b"History-Info"

#: Why: as Diversion says it, and as the URI of the new target does (RFC 4458).
_REASONS = {
    Cause.FORWARDED: (b"unconditional", 302),
    Cause.BUSY: (b"user-busy", 486),
    Cause.REJECTED: (b"user-busy", 486),
    Cause.NO_ANSWER: (b"no-answer", 408),
    Cause.UNREACHABLE: (b"unavailable", 404),
    Cause.LOST: (b"unavailable", 404),
    Cause.REDIRECTED: (b"deflection", 480),
}
_OTHER = (b"unknown", 404)

_index = re.compile(rb";[ \t]*index[ \t]*=[ \t]*([0-9][0-9.]{0,63})", re.IGNORECASE)


def uriOf(number: str, domain: bytes) -> bytes:
    """
    The URI of a number of the switch.
    """
    return b"sip:%b@%b" % (escapeUser(number.encode()), domain)


def isDiverted(fields: Fields, by: bytes) -> bool:
    """
    Whether somebody has diverted the call already.

    @param by: a URI.
    """
    start = b"<%b>;" % by
    return any(
        name.lower() == b"diversion" and value.startswith(start)
        for name, value in fields
    )


def diverted(fields: Fields, by: bytes, to: bytes, cause: Cause) -> Fields:
    """
    A call goes elsewhere.

    @param fields: of the INVITE to whom it was meant for.
    @param by: the URI of that.
    @param to: where it goes.

    @return: the fields of the INVITE that goes there.
    """
    reason, status = _REASONS.get(cause, _OTHER)
    others = list(fields)
    first = next(
        (at for at, (name, _) in enumerate(others) if name.lower() == b"diversion"),
        len(others),
    )
    others.insert(first, (DIVERSION, b"<%b>;reason=%b;counter=1" % (by, reason)))
    history = [value for name, value in others if name.lower() == b"history-info"]
    indexes = _index.findall(b",".join(history))
    last = indexes[-1].rstrip(b".") if indexes else b"1"
    if not indexes:
        others.append((HISTORY, b"<%b>;index=1" % by))
    entry = b"<%b;cause=%d>;index=%b.1;mp=%b" % (to, status, last, last)
    return (*others, (HISTORY, entry))
