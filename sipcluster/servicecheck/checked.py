"""
What is known of one peer.
"""

from __future__ import annotations

from collections import deque

from attrs import define, field, frozen

from sipcluster.servicecheck.iservicecheck import Member, PeerRole
from sipcluster.servicecheck.probe import Probe

#: How many changes of one peer are remembered.
HISTORY = 20


@frozen
class Change:
    """
    One change of one peer.

    @ivar at: seconds since 1970, for people.
    @ivar why: what was seen.
    """

    at: float
    inService: bool
    why: str


@define
class Checked:
    """
    One peer.

    @ivar spoke: it has said itself what C{role} says.
    @ivar before: it has said unasked that it is primary, in a higher epoch than this
        one; what it answers has not shown it yet.
    """

    member: Member
    probe: Probe | None = field(default=None, repr=False)
    inService: bool | None = None
    role: PeerRole = field(factory=PeerRole)
    spoke: bool = False
    before: int | None = None
    history: deque[Change] = field(factory=lambda: deque(maxlen=HISTORY))
