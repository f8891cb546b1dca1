"""
The part of a call that waits at a routing point, and is given treatments.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

from sipcluster.sessioncontroller.call_treatments import Treated
from sipcluster.sessioncontroller.undertakings import Undertaking
from sipcluster.sessioncontroller.waiting import Waiting


class Queueing(Treated):
    """
    What a call does at a routing point.
    """

    __slots__ = ()

    @property
    def waiting(self) -> Waiting | None:
        """
        What it knows of its routing point; L{None}: it is at none.
        """
        return self._queue

    def resumeAtPoint(self, asked: Undertaking) -> Deferred[None] | None:
        """
        Go on with what was asked at a routing point.

        @return: L{None}: it is nothing of the kind.
        """
        waiting = self._queue
        if waiting is None:
            return None
        if asked.kind == "route" and waiting.route is not None:
            waiting.route.asked = asked
        elif asked.kind == "treat" and waiting.given is not None:
            waiting.given.asked = asked
        else:
            return None
        return self.awaitRoute(asked)
