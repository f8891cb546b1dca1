"""
What stands in for the surroundings of monitors.
"""

from __future__ import annotations

from attrs import define, field
from twisted.internet.task import Clock

from sipcluster.monitors.alarms import Alarms
from sipcluster.monitors.service import Service


@define(eq=False)
class Pair:
    """
    Takes reasons, and does what a pair does: a member whose other one is able
    serves no longer once there is a reason.

    @ivar able: whether the other member is.
    @ivar ceased: called when this member gives the role up.
    """

    able: bool = False
    primary: bool = False
    told: list[str] = field(factory=list)
    soft: dict[str, bool] = field(factory=dict)
    ceased: list[object] = field(factory=list)

    def unfit(self, reason: str, why: str, soft: bool = False) -> None:
        self.told.append(f"unfit {reason}: {why}")
        self.soft[reason] = soft

    def fit(self, reason: str) -> None:
        self.told.append(f"fit {reason}")
        self.soft.pop(reason, None)


@define
class World:
    """
    A clock, alarms, and a service that tells a pair.
    """

    clock: Clock = field(factory=Clock)
    pair: Pair = field(factory=Pair)
    alarms: Alarms = field(init=False)
    service: Service = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.alarms = Alarms(self.clock, lambda: 1000000.0 + self.clock.seconds())
        self.service = Service(self.alarms, self.pair)

    @property
    def active(self) -> list[str]:
        """
        The keys of the active alarms.
        """
        return [alarm.key for alarm in self.alarms.active()]
