"""
Requests inside a dialog, and the way they take: through the SIP Proxy that the
route set begins with, or through another one when that does not serve.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipcluster.sessioncontroller.isessioncontroller import ProxyAddress
from sipcluster.sip.dialog import Dialog
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.headers import Headers
from sipcluster.sip.message import Request, Response
from sipcluster.sip.uri import SIPURI

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.useragent import UserAgent


def sendAck(ua: UserAgent, ack: Request, preferred: ProxyAddress | None) -> None:
    """
    Send the ACK of a 2xx through a SIP Proxy that serves.
    """
    proxy = ua.proxies.choose(preferred, ())
    if proxy is not None:
        through = routed(ack, proxy, preferred)
        ua.layer.sendAck(through, proxy.target, sentBy=ua.contactHost)


def refusalAck(response: Response) -> Request:
    """
    The ACK of a final response that is no 2xx, of which nothing is known but itself:
    its branch says all that the next hop needs (RFC 3261 section 17.2.3).

    @raise MalformedMessage: its To cannot be read.
    """
    headers = response.headers
    via = headers.first(b"Via") or b""
    return Request(
        b"ACK",
        response.toAddress.uri.render(),
        Headers.of(
            (b"Via", via),
            (b"Max-Forwards", b"70"),
            (b"From", headers.first(b"From") or b""),
            (b"To", headers.first(b"To") or b""),
            (b"Call-ID", response.callID),
            (b"CSeq", b"%d ACK" % response.cseq.number),
            (b"Content-Length", b"0"),
        ),
    )


def routed(
    request: Request, proxy: ProxyAddress, usual: ProxyAddress | None
) -> Request:
    """
    Make a request inside a dialog fit for another SIP Proxy than its route set
    begins with: all routes of the one that does not serve are left out.

    @param usual: the SIP Proxy that the route set begins with; L{None} if none
        of ours.
    """
    if usual is None or proxy is usual:
        return request
    try:
        routes = request.routes
    except MalformedMessage:
        return request
    kept = list(routes)
    while kept:
        uri = kept[0].uri
        if not isinstance(uri, SIPURI) or uri.bareHost != usual.host:
            break
        del kept[0]
    values = [b"<%b>" % proxy.uri, *(route.render() for route in kept)]
    return request.replacing(headers=request.headers.replace(b"Route", *values))


def firstProxy(ua: UserAgent, dialog: Dialog) -> ProxyAddress | None:
    """
    The SIP Proxy of ours that a dialog's route set begins with, or L{None}.
    """
    if not dialog.routeSet:
        return None
    route = dialog.routeSet[0]
    start = route.find(b"<") + 1
    end = route.find(b">", start)
    uri = route[start : end if end > 0 else None].partition(b";")[0]
    hostPort = uri.partition(b":")[2].rpartition(b"@")[2]
    if hostPort.startswith(b"["):
        host = hostPort[1:].partition(b"]")[0]
    else:
        host = hostPort.partition(b":")[0]
    return ua.proxies.at(host.decode("ascii", "replace").lower())
