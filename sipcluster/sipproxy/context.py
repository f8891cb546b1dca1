"""
What is known about one request on its way through the chain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sipcluster.sip.address import Address
from sipcluster.sip.headers import ROUTE
from sipcluster.sip.isip import IFlow
from sipcluster.sip.message import Request, Response
from sipcluster.sip.uri import SIPURI, URI, parseURI

if TYPE_CHECKING:
    from sipcluster.sipproxy.destinations import Destination
    from sipcluster.sipproxy.isipproxy import Outcome
    from sipcluster.sipproxy.response_context import ResponseContext

#: What the chain makes of the 2xx to a request of its own interest: takes the
#: response, and sends another one with the given callable, now or later.
SuccessHook = Callable[["RequestContext", Response, Callable[[Response], None]], None]


class RequestContext:
    """
    One request, and what the steps have found out and decided.

    @ivar request: as it came.
    @ivar flow: on which it came.
    @ivar uri: the Request-URI to be forwarded; the request's own at first.
    @ivar popped: how many Route values were taken off the front.
    @ivar cut: how many were taken off the end.
    @ivar fromNode: whether a node sent it.
    @ivar fellow: whether another proxy sent it.
    @ivar token: the signed flow token by which our own Route said where the
        request goes; empty when it said nothing.
    @ivar maxForwards: to be forwarded.
    @ivar recordRoute: whether later requests of the dialog are to come here.
    @ivar arrivedToken: the signed token of the flow it came on, for
        Record-Route; empty where later requests find their way back without.
    @ivar loopKey: by which it is known when it comes here again.
    @ivar groups: where it goes: destinations of one group at the same time,
        the groups one after the other.
    @ivar preferred: the pair that comes first where any will do; C{""}: none.
    @ivar response: what the chain's end is told, until then.
    @ivar success: takes a 2xx before it goes back.
    @ivar resume: set by the chain: goes on after L{WAIT}.
    """

    __slots__ = (
        "_uri",
        "arrivedToken",
        "cut",
        "fellow",
        "flow",
        "fromNode",
        "groups",
        "loopKey",
        "maxForwards",
        "popped",
        "preferred",
        "recordRoute",
        "request",
        "response",
        "resume",
        "success",
        "token",
        "uri",
    )

    def __init__(
        self, request: Request, flow: IFlow, fromNode: bool, fellow: bool
    ) -> None:
        self.request = request
        self.flow = flow
        self.fromNode = fromNode
        self.fellow = fellow
        self.uri = request.uri
        self.popped = 0
        self.cut = 0
        self.token = b""
        self.maxForwards = 70
        self.recordRoute = False
        self.arrivedToken = b""
        self.loopKey = b""
        self.preferred = ""
        self.groups: list[list[Destination]] = []
        self.response: ResponseContext | None = None
        self.success: SuccessHook | None = None
        self.resume: Callable[[Outcome], None] = _notWaiting
        self._uri: URI | None = None

    @property
    def sipURI(self) -> SIPURI | None:
        """
        The Request-URI to be forwarded, read; L{None} for a C{tel:} one.

        @raise MalformedMessage: it is no URI.
        """
        uri = self._uri
        if uri is None:
            if self.uri is self.request.uri:
                uri = self.request.requestURI
            else:
                uri = parseURI(self.uri)
            self._uri = uri
        return uri if isinstance(uri, SIPURI) else None

    def retarget(self, uri: bytes) -> None:
        """
        Forward with another Request-URI.
        """
        self.uri = uri
        self._uri = None

    @property
    def nextRoute(self) -> Address | None:
        """
        The first Route value that is left; L{None} when none is.

        @raise MalformedMessage: the Route values cannot be read.
        """
        if ROUTE not in self.request.headers.keys:
            return None
        routes = self.request.routes
        if self.popped >= len(routes) - self.cut:
            return None
        return routes[self.popped]

    def popRoute(self) -> None:
        """
        Leave the first Route value out that is left.
        """
        self.popped += 1

    def popLastRoute(self) -> Address:
        """
        Take the last Route value off.
        """
        self.cut += 1
        return self.request.routes[-self.cut]

    def remaining(self, skips: int = 0) -> list[bytes]:
        """
        The Route values that are left, as they were spelled.

        @param skips: how many more to leave out.
        """
        headers = self.request.headers
        if ROUTE not in headers.keys:
            return []
        values = headers.values(ROUTE)
        return values[self.popped + skips : len(values) - self.cut]


def _notWaiting(outcome: Outcome) -> None:
    raise ValueError("the chain does not wait")
