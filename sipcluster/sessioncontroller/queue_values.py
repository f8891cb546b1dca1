"""
What a call knows of the routing point at which it waits, or from which it was sent on,
as a value.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from sipcluster.sessioncontroller.irouting import RouteType, TreatmentType
from sipcluster.wire.kvlist import asKVList

__all__ = (
    "GivenValue",
    "PredictionValue",
    "QueueValue",
    "RouteValue",
    "readQueue",
)


class RouteValue(Struct, frozen=True, omit_defaults=True, gc=False):
    """
    Where a call is sent: what leads there stands in C{MakingValue.led}, whom it answers
    in the undertaking C{route}.

    @ivar timeout: seconds that it may ring there; 0: what is usual.
    @ivar overflow: where it goes when it is not answered: numbers, C{recall} or
        C{none}.
    @ivar action: what becomes of the agent who does not answer.
    """

    routeType: RouteType = RouteType.UNKNOWN
    timeout: float = 0.0
    overflow: tuple[str, ...] = ()
    action: str = ""


class GivenValue(Struct, frozen=True, omit_defaults=True, gc=False):
    """
    What the caller is given.

    @ivar applied: somebody was told that it is.
    @ivar left: seconds until it ends; 0: it does so by itself, or never.
    """

    kind: TreatmentType
    parameters: tuple[tuple[str, Any], ...] = ()
    applied: bool = False
    left: float = 0.0


class PredictionValue(Struct, frozen=True, omit_defaults=True, gc=False):
    """
    What is to be found out about who answers a call that is made for the routing point;
    L{Prediction<sipcluster.sessioncontroller.prediction.Prediction>}.

    @ivar drops: causes, by their words.
    @ivar waits: the call waits at the routing point then.
    """

    detects: bool = False
    within: float = 5.0
    drops: tuple[str, ...] = ()
    reached: bool = False
    waits: bool = True


class QueueValue(Struct, frozen=True, omit_defaults=True, gc=False):
    """
    What a call knows of its routing point.

    @ivar party: index of the routing point in C{CallValue.parties}.
    @ivar left: seconds until nobody else is asked where it goes, or until nobody
        listens any more to who has answered; 0: as long as it takes.
    @ivar byDefault: nobody else is asked any more.
    @ivar defaults: where it may go then, in order.
    @ivar lastDigit: the last one that was collected.
    @ivar prediction: it is made for the routing point, and is not answered, or not by
        somebody who is known.
    """

    party: int
    left: float = 0.0
    byDefault: bool = False
    defaults: tuple[str, ...] = ()
    route: RouteValue | None = None
    given: GivenValue | None = None
    lastDigit: str = ""
    prediction: PredictionValue | None = None


def readQueue(value: QueueValue) -> QueueValue:
    """
    Lists in lists were decoded as Python lists.
    """
    given = value.given
    if given is None or not given.parameters:
        return value
    return replace(value, given=replace(given, parameters=asKVList(given.parameters)))
