"""
The rules of the transport layer (RFC 3261 section 18) that need no socket.
"""

from __future__ import annotations

from typing import TypeVar

from sipcluster.sip.isip import Target
from sipcluster.sip.message import Request, Response
from sipcluster.sip.parameters import NONE
from sipcluster.sip.via import Via

#: The largest request, in bytes, that is sent over UDP when the path MTU is not
#: known (section 18.1.1).
UDP_LIMIT = 1300

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
    parameters = via.parameters
    if parameters is NONE:
        wantsPort = claims = False
    else:
        wantsPort = b"rport" in parameters
        claims = b"received" in parameters
    differs = via.host != host.encode("ascii") and via.bareHost != host.lower()
    if not (wantsPort or differs or claims):
        return message
    if wantsPort:
        via = via.with_(b"rport", b"%d" % port)
    via = via.with_(b"received", host.encode("ascii"))
    return message.replacing(
        headers=message.headers.replaceFirstValue(b"Via", via.render())
    )


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
