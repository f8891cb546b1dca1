"""
The seams of the monitors: what they look at, what they run, whom they tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from attrs import frozen
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface


@frozen
class NIC:
    """
    A network interface as it is now.

    @ivar why: why nothing gets through it; empty while it works.
    """

    name: str
    why: str = ""


class IFollowing(Interface):
    """
    Something is being followed.
    """

    def stop() -> None:
        """
        Be told no more.  May be called twice.
        """


class INICs(Interface):
    """
    The network interfaces of this host.
    """

    def find(address: str) -> NIC | None:
        """
        The interface that has an address; L{None} when none has.

        @raise OSError: the system does not say.
        """

    def follow(changed: Callable[[], None]) -> IFollowing:
        """
        Be told that something has changed; perhaps too often, and perhaps not
        at all where the system tells nothing by itself.

        @param changed: must not raise.
        """


@frozen
class Ended:
    """
    How a command ended.

    @ivar why: why it has failed; empty when it has not.
    @ivar output: the end of what it wrote.
    """

    why: str = ""
    output: str = ""


class ICommands(Interface):
    """
    Runs commands of the operator, and does not wait for them.
    """

    def run(
        command: Sequence[str], environment: Mapping[str, str], seconds: float
    ) -> Deferred[Ended]:
        """
        Run one.  It is killed when it takes longer, or when the Deferred is
        cancelled.

        @return: always succeeds.

        @param environment: what it gets besides a plain environment.
        """


class IReasons(Protocol):
    """
    Takes reasons for which this member cannot serve:
    L{Fitness<sipcluster.ha.fitness.Fitness>}.
    """

    def unfit(self, reason: str, why: str, soft: bool = False) -> None:
        """
        There is a reason.

        @param soft: to serve is better than that nobody does.
        """

    def fit(self, reason: str) -> None:
        """
        A reason is gone.
        """


class IMonitor(Interface):
    """
    Looks at one thing.
    """

    name = Attribute("For people, and of the reason that it gives.")

    def start() -> None:
        """
        Begin, on a member that is backup.
        """

    def stop() -> None:
        """
        Look no more.  May be called twice, and without a start.
        """

    def roleChanged(primary: bool) -> None:
        """
        This member serves now, or no longer.
        """

    def status() -> str:
        """
        How it is, in words.
        """
