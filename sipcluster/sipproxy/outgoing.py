"""
What a request looks like when it leaves (RFC 3261 section 16.6).
"""

from __future__ import annotations

import zlib

from sipcluster.sip.address import Address
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.headers import (
    MAX_FORWARDS,
    RECORD_ROUTE,
    ROUTE,
    VIA,
    Headers,
)
from sipcluster.sip.isip import IFlow
from sipcluster.sip.message import Request, Response
from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.destinations import Destination, Hop

#: Parameter of our Record-Route values by which the two of one pass are known as
#: a pair (RFC 5658 section 5).
SECOND = b"r2"

_transports = {"UDP": b"", "TCP": b";transport=tcp", "TLS": b";transport=tls"}

MAX_BREADTH = b"max-breadth"

#: The key of all Via values among those parsed.
VIAS = b"via*"

#: Bytes of a request besides its fields and its body: its first line, our Via, line
#: ends.
GROWTH = 200


def recordRoute(flow: IFlow, token: bytes, secure: bool, double: bool) -> bytes:
    """
    Our Record-Route value for one side.

    @param token: the signed token of the flow to a device that can be reached
        on it alone; empty for none.
    @param secure: whether the Request-URI is a C{sips:} one.
    @param double: whether the other side has a value of its own.
    """
    return b"<%b:%b%b%b;lr%b>" % (
        b"sips" if secure else b"sip",
        token + b"@" if token else b"",
        flow.sentBy,
        _transports.get(flow.transportName, b""),
        b";r2=on" if double else b"",
    )


def recordRoutes(
    arrived: IFlow, arrivedToken: bytes, leaves: IFlow, leavesToken: bytes, secure: bool
) -> list[bytes]:
    """
    Our Record-Route values, the one for the next hop first: one where both
    sides can use the same, else two (RFC 5658).
    """
    same = arrived.transportName == leaves.transportName
    if same and arrived.sentBy == leaves.sentBy and not (arrivedToken and leavesToken):
        return [recordRoute(leaves, arrivedToken or leavesToken, secure, False)]
    return [
        recordRoute(leaves, leavesToken, secure, True),
        recordRoute(arrived, arrivedToken, secure, True),
    ]


def outgoing(
    context: RequestContext,
    destination: Destination,
    hop: Hop,
    flow: IFlow,
) -> Request:
    """
    Make the request for one hop, all but our Via.

    @param flow: on which it will leave.
    """
    request = context.request
    headers = request.headers
    lines = headers.lines.copy()
    keys = headers.keys.copy()
    parsed = headers.parsed.copy()
    belowVias = 0
    for key in keys:
        if key is not VIA:
            break
        belowVias += 1
    if MAX_FORWARDS in keys:
        at = keys.index(MAX_FORWARDS)
        lines[at] = b"Max-Forwards: %d" % context.maxForwards
    else:
        lines.insert(belowVias, b"Max-Forwards: %d" % context.maxForwards)
        keys.insert(belowVias, MAX_FORWARDS)
    if destination.breadth:
        breadth = b"Max-Breadth: %d" % destination.breadth
        if MAX_BREADTH in keys:
            lines[keys.index(MAX_BREADTH)] = breadth
        else:
            lines.insert(belowVias, breadth)
            keys.insert(belowVias, MAX_BREADTH)
    uri = destination.uri or context.uri
    added = destination.route
    if hop.route:
        added = (hop.route, *added)
    if added or ROUTE in keys:
        routes = [*added, *context.remaining(hop.skips)]
        if routes:
            uri = _strictly(uri, routes)
        parsed.pop(ROUTE, None)
        at = keys.index(ROUTE) if ROUTE in keys else belowVias
        while ROUTE in keys:
            old = keys.index(ROUTE)
            del keys[old], lines[old]
        if routes:
            lines[at:at] = [b"Route: " + value for value in routes]
            keys[at:at] = [ROUTE] * len(routes)
    if context.recordRoute:
        secure = uri[:5].lower() == b"sips:"
        values = recordRoutes(
            context.flow, context.arrivedToken, flow, hop.token, secure
        )
        parsed.pop(RECORD_ROUTE, None)
        at = keys.index(RECORD_ROUTE) if RECORD_ROUTE in keys else belowVias
        lines[at:at] = [b"Record-Route: " + value for value in values]
        keys[at:at] = [RECORD_ROUTE] * len(values)
    return request.replacing(uri=uri, headers=Headers(lines, keys, parsed))


def _strictly(uri: bytes, routes: list[bytes]) -> bytes:
    """
    Serve a next hop that is a strict router (section 16.6 step 6): it gets its
    own URI as the Request-URI, and ours goes below the others.

    @param routes: changed when that is so.

    @return: the Request-URI to send.
    """
    if b";lr" in routes[0]:
        return uri
    first = Address.parse(routes[0])
    if b"lr" in getattr(first.uri, "parameters", ()):
        return uri
    del routes[0]
    routes.append(b"<%b>" % uri)
    return first.uri.render()


def loopKey(context: RequestContext) -> bytes:
    """
    What must differ when a request comes here again and is no loop (section
    16.6 step 8, RFC 5393 section 4.2): what its way depends on.

    Call-ID, tags and CSeq are not in it: they are the same in every request that
    has a Via of ours, or it would be another request.  Nor is Proxy-Authorization:
    nothing here depends on it, and a CANCEL has none.
    """
    request = context.request
    key = zlib.crc32(request.uri)
    if ROUTE in request.headers.keys:
        key = zlib.crc32(b"\0".join(request.headers.all(ROUTE)), key + 1)
    return b"%08x" % key


def withoutTopVia(headers: Headers) -> Headers:
    """
    The header section of a response on its way back (section 16.7 step 3).

    @raise MalformedMessage: the Via cannot be read.
    """
    lines, keys = headers.lines, headers.keys
    if not keys or keys[0] is not VIA or b'"' in lines[0]:
        return headers.removeFirstValue(VIA)
    parsed = headers.parsed.copy()
    parsed.pop(VIA, None)
    parsed.pop(VIAS, None)
    rest = lines[0].partition(b",")[2].strip(b" \t")
    if rest:
        return Headers([b"Via: " + rest, *lines[1:]], keys, parsed)
    return Headers(lines[1:], keys[1:], parsed)


def upstream(response: Response) -> Response | None:
    """
    A response as it goes back, without our Via; L{None} when it cannot.
    """
    try:
        headers = withoutTopVia(response.headers)
    except MalformedMessage:
        return None
    if VIA not in headers.keys:
        return None
    return response.replacing(headers=headers)
