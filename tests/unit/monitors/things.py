"""
What stands in for the surroundings of monitors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipcluster.monitors.alarms import Alarms
from sipcluster.monitors.imonitors import (
    NIC,
    Ended,
    ICommands,
    IFollowing,
    INICs,
)
from sipcluster.monitors.service import Service


@define(eq=False)
class Pair:
    """
    Takes reasons.

    @ivar told: what it was told, in order.
    @ivar soft: the reasons that there are, and whether they are soft.
    """

    told: list[str] = field(factory=list)
    soft: dict[str, bool] = field(factory=dict)

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


@implementer(IFollowing)
@define(eq=False)
class Following:
    """
    Follows until it is stopped.
    """

    followers: list[Callable[[], None]]
    changed: Callable[[], None]

    def stop(self) -> None:
        if self.changed in self.followers:
            self.followers.remove(self.changed)


@implementer(INICs)
@define(eq=False)
class FakeNICs:
    """
    Network interfaces of a test.

    @ivar found: by address.
    @ivar broken: why the system does not say.
    """

    found: dict[str, NIC] = field(factory=dict)
    broken: str = ""
    silent: bool = False
    looks: int = 0
    followers: list[Callable[[], None]] = field(factory=list)

    def find(self, address: str) -> NIC | None:
        self.looks += 1
        if self.broken:
            raise OSError(self.broken)
        return self.found.get(address)

    def follow(self, changed: Callable[[], None]) -> IFollowing:
        if self.silent:
            raise OSError("not here")
        self.followers.append(changed)
        return Following(self.followers, changed)

    def tell(self) -> None:
        for changed in list(self.followers):
            changed()


@implementer(ICommands)
@define(eq=False)
class FakeCommands:
    """
    Commands of a test.

    @ivar run_: what was run: the command and its environment.
    @ivar effects: what is done when a command begins, by the command.
    @ivar ends: how each ends at once; L{None}: when the test says so.
    """

    began: list[tuple[tuple[str, ...], dict[str, str], float]] = field(factory=list)
    effects: dict[str, Callable[[], object]] = field(factory=dict)
    ends: Ended | None = field(factory=Ended)
    waiting: list[Deferred[Ended]] = field(factory=list)
    cancelled: int = 0

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], seconds: float
    ) -> Deferred[Ended]:
        self.began.append((tuple(command), dict(environment), seconds))
        self.effects.get(command[0], lambda: None)()

        def cancel(result: Deferred[Ended]) -> None:
            self.cancelled += 1
            result.callback(Ended("was cancelled"))

        result: Deferred[Ended] = Deferred(cancel)
        if self.ends is None:
            self.waiting.append(result)
        else:
            result.callback(self.ends)
        return result

    @property
    def names(self) -> list[str]:
        """
        The commands without their arguments.
        """
        return [command[0] for command, _, _ in self.began]


def numbersLogged(case: SynchronousTestCase) -> list[str]:
    """
    The numbers of the log events from now on, in order.
    """
    observer = _Numbers()
    globalLogPublisher.addObserver(observer)
    case.addCleanup(globalLogPublisher.removeObserver, observer)
    return observer.found


@implementer(ILogObserver)
@define(eq=False)
class _Numbers:
    found: list[str] = field(factory=list)

    def __call__(self, event: LogEvent) -> None:
        if "number" in event:
            self.found.append(event["number"])
