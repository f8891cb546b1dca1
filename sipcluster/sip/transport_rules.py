"""
The rules of the transport layer (RFC 3261 section 18) that need no socket.
"""

from __future__ import annotations

import re
from typing import TypeVar

from sipcluster.sip.headers import VIA, Headers
from sipcluster.sip.isip import Target
from sipcluster.sip.message import Request, Response
from sipcluster.sip.parameters import Parameters
from sipcluster.sip.via import Via

#: The largest request, in bytes, that is sent over UDP when the path MTU is not
#: known (section 18.1.1).
UDP_LIMIT = 1300

_rport = re.compile(rb";rport(?:=[^;]*)?(?=;|$)", re.I).sub

#: Where a message keeps all of its Via values once they were read.
VIAS = b"via*"

_M = TypeVar("_M", Request, Response)


def tooLargeForUDP(size: int) -> bool:
    """
    Whether a request of this many bytes, Via included, is to go over a stream
    although its target is a UDP one (section 18.1.1).
    """
    return size > UDP_LIMIT


def viaReceived(message: _M, host: str, port: int) -> _M:
    """
    Note in the top Via of a request where it came from (section 18.2.1, RFC 3581
    section 4).

    C{received} is set when the Via names another host, or when C{rport} is asked
    for; C{rport} gets the source port.  Values that the sender has put there
    itself are replaced: they would lead the response astray.

    @param host: the source address, without brackets.

    @return: the same message when there is nothing to note.

    @raise MalformedMessage: the top Via cannot be read.
    """
    via = message.via
    source = host.partition("%")[0].encode("ascii")
    wantsPort = claims = False
    for name, _, _ in via.parameters.items:
        if name == b"rport":
            wantsPort = True
        elif name == b"received":
            claims = True
    if not (wantsPort or claims) and (
        via.host == source or via.bareHost == host.lower()
    ):
        return message
    if wantsPort:
        noted = b";received=%b;rport=%d" % (source, port)
    else:
        noted = b";received=%b" % source
    # Bytes are put together here, since it is done to nearly every request.
    kept = via.parameters.render()
    if claims or b'"' in kept:
        kept = via.parameters.without(b"received").without(b"rport").render()
    elif wantsPort:
        kept = _rport(b"", kept)
    via = Via(via.transport, via.host, via.port, Parameters.parse(kept + noted))
    old = message.headers
    at = old.keys.index(VIA)
    if b"," in old.lines[at]:
        headers = old.replaceFirstValue(b"Via", via.render())
    else:
        lines = old.lines.copy()
        lines[at] = b"Via: " + via.render()
        headers = Headers(lines, old.keys, old.parsed.copy())
        headers.parsed.pop(VIAS, None)
    headers.parsed[VIA] = via  # so that it need not be read again
    return message.replacing(headers=headers)


def responseTarget(via: Via) -> Target:
    """
    Where a response with this top Via goes when there is no open connection to
    send it on (section 18.2.2, RFC 3581 section 4).

    @return: its host may be a name, when the Via has neither C{received} nor
        C{maddr} nor an address; such a one is to be located (RFC 3263 section
        5).
    """
    transportName = via.transport.decode("ascii", "replace")
    port = via.port or (5061 if transportName == "TLS" else 5060)
    maddr = via.parameters.get(b"maddr")
    if transportName == "UDP":
        if maddr:
            return Target(transportName, maddr.strip(b"[]").decode("ascii"), port)
        if via.received and via.rport:
            port = via.rport
    if via.received:
        return Target(transportName, via.received.decode("ascii", "replace"), port)
    return Target(transportName, via.bareHost, port)
