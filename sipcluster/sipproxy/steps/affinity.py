"""
Sends what belongs to one DN's calls to the node that has them already.
"""

from __future__ import annotations

from zope.interface import implementer

from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.isipproxy import NEXT, IStep, Outcome


@implementer(IStep)
class Affinity:
    """
    The place where a DN's second call finds the pair of its first: it knows of
    no calls yet, so every call goes to whose turn it is.
    """

    name = "affinity"

    def process(self, context: RequestContext) -> Outcome:
        """
        See L{IStep}.
        """
        return NEXT
