"""
Takes REGISTER to a node, and keeps what the node grants.
"""

from __future__ import annotations

from zope.interface import implementer

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.uri import SIPURI
from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.isipproxy import NEXT, IStep, Outcome
from sipcluster.sipproxy.registration import Registration


@implementer(IStep)
class Register:
    """
    Sees to it that the 2xx to a REGISTER is stored before it goes back; where
    the REGISTER goes is the same as for any request from outside.
    """

    name = "register"

    def __init__(self, registration: Registration) -> None:
        self._registration = registration

    def process(self, context: RequestContext) -> Outcome:
        """
        See L{IStep}.
        """
        request = context.request
        if request.method != b"REGISTER" or context.fromNode:
            return NEXT
        # The proxy that the device speaks to is the one that stores.
        if not context.fellow:
            if not isinstance(request.toAddress.uri, SIPURI):
                raise MalformedMessage("no SIP address-of-record")
            context.success = self._registration.granted
        return NEXT
