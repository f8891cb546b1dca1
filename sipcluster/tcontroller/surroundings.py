"""
What all DNs of a T-Controller share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import frozen

from sipcluster.tcontroller.iagent import Office
from sipcluster.tcontroller.monitoring import Supervisors

if TYPE_CHECKING:
    from sipcluster.tcontroller.device import Device


@frozen
class Surroundings:
    """
    What all DNs of a T-Controller share.

    @ivar owners: names of the applications by which DNs with a place of their own
        come into service; empty: they are without.
    @ivar agents: the DN of each agent who is logged in, by agent id.
    @ivar messageWaitingChanged: told when messages begin or cease to wait for a DN.
    @ivar touch: told of each DN that may not be as it was.
    @ivar noted: told of each line of history, by DN and page.
    @ivar supervisors: have those listen to calls who want to.
    """

    office: Office
    owners: frozenset[str]
    agents: dict[str, Device]
    messageWaitingChanged: Callable[[str, bool], None]
    touch: Callable[[str], object]
    noted: Callable[[str, int], object]
    supervisors: Supervisors
