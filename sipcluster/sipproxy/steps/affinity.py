"""
Sends what belongs to one DN's calls to the node that has them already.
"""

from __future__ import annotations

from collections.abc import Callable

from zope.interface import implementer

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.message import Request, Response
from sipcluster.sip.uri import SIPURI, URI
from sipcluster.sipproxy.affinity import CallAffinity
from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.isipproxy import NEXT, IStep, Outcome
from sipcluster.sipproxy.topology import Topology


@implementer(IStep)
class Affinity:
    """
    The place where a DN's second call finds the pair of its first.

    A call of a DN is known from when a node calls it, or answers it, until its BYE.
    """

    name = "affinity"

    def __init__(self, topology: Topology, calls: CallAffinity) -> None:
        self._topology = topology
        self._calls = calls

    def process(self, context: RequestContext) -> Outcome:
        """
        See L{IStep}.
        """
        request = context.request
        method = request.method
        if method == b"INVITE":
            if request.toTag:
                self._calls.goesOn(request.callID)
            else:
                self._invited(context, request)
        elif method == b"BYE":
            self._calls.forget(request.callID)
        elif method == b"REFER" and not request.toTag and not context.groups:
            self._prefer(context, self._dn(request.fromAddress.uri))
        return NEXT

    def _invited(self, context: RequestContext, request: Request) -> None:
        if context.fromNode:
            dn = self._dn(request.requestURI)
            pair = self._topology.pairHosts.get(request.via.host.lower())
            if dn and pair is not None:
                self._calls.note(dn, request.callID, pair, False)
                context.success = self._accepted
        elif not context.groups:
            dn = self._dn(request.fromAddress.uri)
            if dn:
                self._prefer(context, dn)
                context.success = self._answered

    def _prefer(self, context: RequestContext, dn: bytes) -> None:
        context.preferred = self._calls.pairOf(dn, self._topology.localPairs)

    def _dn(self, uri: URI) -> bytes:
        """
        The DN that a URI names; C{b""}: none of ours.
        """
        if isinstance(uri, SIPURI) and self._topology.isOurDomain(uri):
            return uri.userText
        return b""

    def _accepted(
        self,
        context: RequestContext,
        response: Response,
        reply: Callable[[Response], None],
    ) -> None:
        """
        A telephone has taken a call of a node.
        """
        self._calls.goesOn(context.request.callID)
        reply(response)

    def _answered(
        self,
        context: RequestContext,
        response: Response,
        reply: Callable[[Response], None],
    ) -> None:
        """
        A node has answered the call of a telephone: its Contact says which.
        """
        request = context.request
        try:
            for contact in response.contacts:
                uri = contact.uri
                pair = self._topology.pairOf(uri) if isinstance(uri, SIPURI) else None
                if pair is not None:
                    dn = self._dn(request.fromAddress.uri)
                    self._calls.note(dn, request.callID, pair, True)
                    break
        except MalformedMessage:
            pass  # it is the telephone's business
        reply(response)
