"""
Whether the other member is heard: what is known of it, and so what comes of reasons not
to serve, depends on that.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from sipcluster.monitors.imonitors import IMonitor
from sipcluster.monitors.service import Service
from sipcluster.monitors.watching import Watching

NAME = "link"


@implementer(IMonitor)
@define(eq=False)
class LinkMonitor:
    """
    Looks whether there is a link to the other member.
    """

    name = NAME

    clock: IReactorTime
    service: Service
    linked: Callable[[], bool]
    interval: float = 1.0
    _watching: Watching = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._watching = Watching(
            self.clock, self.interval, self.interval, 0.0, self._look, self._turned
        )

    def start(self) -> None:
        """
        See L{IMonitor}.
        """
        self._watching.start()

    def stop(self) -> None:
        """
        See L{IMonitor}.
        """
        self._watching.stop()

    def roleChanged(self, primary: bool) -> None:
        """
        See L{IMonitor}: it does not matter here.
        """

    def status(self) -> str:
        """
        See L{IMonitor}.
        """
        return self._watching.bad or "the other member is heard"

    def _look(self) -> str:
        return "" if self.linked() else "the other member is not heard"

    def _turned(self, why: str) -> None:
        self.service.linkChanged(not why)
