"""
Refuses what nobody should act on (RFC 3261 section 16.3 steps 1 and 2).
"""

from __future__ import annotations

from zope.interface import implementer

from sipcluster.sip.sanity import checkRequest
from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.isipproxy import NEXT, IStep, Outcome


@implementer(IStep)
class Sanity:
    """
    Answers 400, 416, 505 or 513 where one is due.
    """

    name = "sanity"

    def process(self, context: RequestContext) -> Outcome:
        """
        See L{IStep}.
        """
        checkRequest(context.request)
        return NEXT
