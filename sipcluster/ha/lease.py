"""
How long a member may act as primary, and how everything that leaves it asks.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from attrs import define, frozen

#: A fence with this end is closed for good.
CLOSED = -math.inf

#: The last epoch that there may be, and by how much the next one that is heard of may
#: be higher than those before: what says more is wrong, or lies, and would leave no
#: epochs for those that come after.
LAST_EPOCH, EPOCH_LEAP = 10**18 - 1, 10**12


def believable(epoch: int, highest: int) -> bool:
    """
    Whether there may be such an epoch.

    @param highest: the highest that is known.
    """
    return epoch <= min(LAST_EPOCH, highest + EPOCH_LEAP)


@frozen
class LeaseTimes:
    """
    The times of a lease, in seconds.

    @ivar ttl: what is asked of the arbiter.  No more than this is believed,
        whatever it grants.
    @ivar margin: the holder stops so long before it must: for what has left it
        already and is still on its way through the kernel and the network.
    @ivar drift: how much faster or slower than true time any clock may be: the
        holder's, or the arbiter's.  0.01 is twenty times what ntpd slews by;
        chrony, left alone, may slew by more (C{maxslewrate}).
    """

    ttl: float = 5.0
    margin: float = 0.5
    drift: float = 0.01

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.drift < 1 or not self.margin >= 0:
            raise ValueError("drift is not in [0, 1), or margin is negative")
        if not self.usable(self.ttl) > self.ttl / 2:
            raise ValueError(
                f"of a lease of {self.ttl:g} s less than half is left"
                f" by a margin of {self.margin:g} s and a drift of {self.drift:g}"
            )

    def usable(self, seconds: float) -> float:
        """
        How long a member may act on a grant, by its own clock from when it
        asked; 0 or less when not at all.

        While the slowest clock allowed counts this, the fastest counts less than
        C{seconds}.
        """
        if not seconds > 0:  # or not a number
            return 0.0
        granted = min(seconds, self.ttl)
        return granted * (1 - self.drift) / (1 + self.drift) - self.margin

    @property
    def renewAfter(self) -> float:
        """
        From one renewal to the next.
        """
        return self.ttl / 4

    @property
    def patience(self) -> float:
        """
        How long one answer of the arbiter is waited for.
        """
        return self.ttl / 5

    @property
    def retryAfter(self) -> float:
        """
        From the failure of a renewal to the next try.
        """
        return self.ttl / 20

    @property
    def askAfter(self) -> float:
        """
        From one question of a backup to the next.
        """
        return self.ttl / 5

    @property
    def handover(self) -> float:
        """
        How long a switchover may take; and how long a member that gave the role
        away leaves it to the other, before it asks again itself.
        """
        return self.ttl / 2


@define(eq=False, slots=True)
class Fence:
    """
    Whether this member may act as primary of one epoch: what everything asks
    that leaves it, at the moment when it leaves.

    Asked by the clock each time, so that a member which was frozen finds it
    closed before any timer has told it so.  Once closed it never opens again.

    @ivar epoch: 0 for a member that was never primary.
    @ivar validUntil: in seconds of the member's clock.
    @ivar seconds: the member's clock.
    """

    epoch: int
    validUntil: float
    seconds: Callable[[], float]

    @property
    def open(self) -> bool:
        """
        Whether it may.
        """
        return self.seconds() < self.validUntil

    def extend(self, until: float) -> bool:
        """
        The lease was renewed.  An end before the present one changes nothing.

        @return: false when the fence has closed in the meantime, and stays so.
        """
        if self.seconds() >= self.validUntil:
            self.validUntil = CLOSED
            return False
        self.validUntil = max(self.validUntil, until)
        return True

    def close(self) -> None:
        """
        Let nothing pass any more.
        """
        self.validUntil = CLOSED


@frozen
class RoleFields:
    """
    What a member says of itself in OPTIONS; the fields of a
    L{PeerRole<sipcluster.servicecheck.iservicecheck.PeerRole>}.

    @ivar primary: whether it serves.
    @ivar epoch: in which; of a backup the highest that it has seen.
    @ivar pair: the pair it belongs to.
    """

    primary: bool
    epoch: int
    pair: str
