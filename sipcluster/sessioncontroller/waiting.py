"""
A call at a routing point: what is known of it while it lives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field, frozen

from sipcluster.sessioncontroller.irouting import RouteType, Treatment
from sipcluster.sessioncontroller.queue_values import (
    GivenValue,
    QueueValue,
    RouteValue,
)

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.imedia import MediaRequest
    from sipcluster.sessioncontroller.isessioncontroller import RoutingPointDN
    from sipcluster.sessioncontroller.party import Party
    from sipcluster.sessioncontroller.prediction import Prediction
    from sipcluster.sessioncontroller.undertakings import Undertaking
    from sipcluster.sip.timers import Timer

__all__ = ("BACK", "NOWHERE", "Given", "Overrides", "Route", "Waiting")

#: Words that stand in the place of numbers where a call goes that nobody answers.
BACK, NOWHERE = "recall", "none"


@frozen
class Overrides:
    """
    What is to hold for one routed call instead of the settings.

    @ivar timeout: C{NO_ANSWER_TIMEOUT}; 0: what is usual.
    @ivar overflow: C{NO_ANSWER_OVERFLOW}; empty: what is usual.
    @ivar action: C{NO_ANSWER_ACTION}: C{none}, C{notready} or C{logout}.
    """

    timeout: float = 0.0
    overflow: tuple[str, ...] = ()
    action: str = ""


@define(eq=False)
class Route:
    """
    A place where a call is sent.

    @ivar asked: who wants that; L{None}: nobody does, or it is answered.
    """

    routeType: RouteType
    overrides: Overrides = Overrides()
    asked: Undertaking | None = None


@define(eq=False)
class Given:
    """
    What a caller is given.

    @ivar media: what a media server does for it; L{None}: none is needed.
    @ivar asked: who wants that; L{None}: it is answered.
    @ivar applied: that was told.
    @ivar lasts: seconds after which it ends; 0: it does so by itself, or never.
    @ivar timer: fires when it ends.
    """

    treatment: Treatment
    media: MediaRequest | None = None
    asked: Undertaking | None = None
    applied: bool = False
    lasts: float = 0.0
    timer: Timer | None = None

    def end(self) -> None:
        """
        Nothing more comes of it.
        """
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


@define(eq=False)
class Waiting:
    """
    What a call knows of its routing point.

    @ivar party: the routing point.
    @ivar route: where it is being sent, or was sent and rings.
    @ivar byDefault: nobody is asked any more.
    @ivar defaults: where it may go then.
    @ivar lastDigit: the last one that was collected.
    @ivar prediction: the call is made for it, and is not answered, or not by somebody
        who is known.
    @ivar timer: fires when whoever says where it goes, or listens to who has answered,
        has had time enough.
    @ivar again: fires when the caller has to be told again that it waits.
    """

    party: Party
    point: RoutingPointDN
    route: Route | None = None
    given: Given | None = None
    byDefault: bool = False
    defaults: tuple[str, ...] = ()
    lastDigit: str = ""
    prediction: Prediction | None = None
    timer: Timer | None = field(default=None)
    again: Timer | None = field(default=None)

    @property
    def isHere(self) -> bool:
        """
        Whether the call is still at the routing point.
        """
        return self.party.state == "Queued"

    def wait(self, timer: Timer | None) -> None:
        """
        Let somebody have this time, instead of what was left.
        """
        if self.timer is not None:
            self.timer.cancel()
        self.timer = timer

    def end(self) -> None:
        """
        The call is not at it any more.
        """
        self.wait(None)
        if self.again is not None:
            self.again.cancel()
            self.again = None
        if self.given is not None:
            self.given.end()

    def value(self, party: int) -> QueueValue:
        """
        Write it down.

        @param party: index of the routing point.
        """
        route, given = self.route, self.given
        return QueueValue(
            party,
            0.0 if self.timer is None else self.timer.left,
            self.byDefault,
            self.defaults,
            None
            if route is None
            else RouteValue(
                route.routeType,
                route.overrides.timeout,
                route.overrides.overflow,
                route.overrides.action,
            ),
            None
            if given is None
            else GivenValue(
                given.treatment.kind,
                given.treatment.parameters,
                given.applied,
                0.0 if given.timer is None else given.timer.left,
            ),
            self.lastDigit,
            None
            if self.prediction is None
            else self.prediction.value(bool(self.point.number)),
        )
