"""
Bounds how many branches of one request live at the same time (RFC 5393).
"""

from __future__ import annotations

from zope.interface import implementer

from sipcluster.sip.grammar import number
from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.destinations import Destination
from sipcluster.sipproxy.isipproxy import NEXT, Answer, IStep, Outcome

#: For a request that came without one (section 5.3.3).
DEFAULT = 60


@implementer(IStep)
class Breadth:
    """
    Answers 440, or shares Max-Breadth out among the branches; what is too broad
    to be tried at once is tried bit by bit.
    """

    name = "breadth"

    def process(self, context: RequestContext) -> Outcome:
        """
        See L{IStep}.
        """
        headers = context.request.headers
        breadth = DEFAULT
        if b"max-breadth" in headers.keys:
            value = headers.first(b"Max-Breadth") or b""
            breadth = number(value, "Max-Breadth", 2**31)
            if breadth == 0:
                return Answer(440)
        if any(len(group) > 1 for group in context.groups):
            context.groups = [
                part for group in context.groups for part in _parts(group, breadth)
            ]
        return NEXT


def _parts(group: list[Destination], breadth: int) -> list[list[Destination]]:
    """
    Cut a group so that no part is broader than allowed.
    """
    parts = [group[i : i + breadth] for i in range(0, len(group), breadth)]
    for part in parts:
        for destination in part:
            destination.breadth = breadth // len(part)
    return parts
