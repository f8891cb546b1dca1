"""
How much the transaction layer may hold.
"""

from __future__ import annotations

from attrs import define

#: How many answered transactions may linger for each that may wait: those beyond
#: end early, so that a retransmission of their request looks like a new one.
LINGERING = 5


@define(eq=False)
class Load:
    """
    Transactions that are alive, and the bounds on them.

    @ivar limit: how many may wait for their final response before new requests
        are refused.  Requests within a dialog are refused above a quarter more;
        our own requests above twice as many, so that what was let in can be
        served.
    @ivar waiting: how many wait.
    @ivar lingering: how many have had it, and wait for retransmissions.
    """

    limit: int
    waiting: int = 0
    lingering: int = 0

    def admits(self, inDialog: bool) -> bool:
        """
        Whether one more request may come in.
        """
        waiting = self.waiting
        return waiting < self.limit or (
            inDialog and waiting < self.limit + self.limit // 4
        )

    @property
    def sends(self) -> bool:
        """
        Whether one more request may go out.
        """
        return self.waiting < 2 * self.limit

    @property
    def crowded(self) -> bool:
        """
        Whether there is no room for one more to linger.
        """
        return self.lingering >= LINGERING * self.limit
