"""
Takes REGISTER to a node, and keeps what the node grants.
"""

from __future__ import annotations

from zope.interface import implementer

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
        if context.request.method == b"REGISTER" and not context.fromNode:
            context.success = self._registration.granted
        return NEXT
