"""
Keeps the proxy in the way of a dialog's later requests (RFC 3261 section 16.6
step 4).
"""

from __future__ import annotations

from zope.interface import implementer

from sipcluster.sip.uri import SIPURI
from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.isipproxy import NEXT, IStep, Outcome
from sipcluster.sipproxy.tokens import FlowTokens

#: Methods that make a dialog (RFC 3261, 3515, 6665).
DIALOG_MAKING = frozenset([b"INVITE", b"SUBSCRIBE", b"REFER", b"NOTIFY"])


@implementer(IStep)
class RecordRoute:
    """
    Notes whether Record-Route is due, and whether the device that sent the
    request can be reached on this flow alone: then our value names the flow, and
    later requests stay on it whatever the device says of its address.
    """

    name = "record-route"

    def __init__(self, tokens: FlowTokens) -> None:
        self._tokens = tokens

    def process(self, context: RequestContext) -> Outcome:
        """
        See L{IStep}.
        """
        request = context.request
        if request.method not in DIALOG_MAKING or request.toTag:
            return NEXT
        context.recordRoute = True
        if not (context.fromNode or context.fellow) and needsFlow(context):
            context.arrivedToken = self._tokens.sign(context.flow.token)
        return NEXT


def needsFlow(context: RequestContext) -> bool:
    """
    Whether who sent a request can be reached on its flow alone: it is a
    connection, or a datagram came through a NAT that the sender does not know
    of.
    """
    if context.flow.reliable:
        return True
    via = context.request.via
    source = context.flow.remote[0]
    if via.bareHost == source.lower():
        return False
    for contact in context.request.contacts:
        if isinstance(contact.uri, SIPURI):
            return contact.uri.host.lower() == via.host.lower()
    return False
