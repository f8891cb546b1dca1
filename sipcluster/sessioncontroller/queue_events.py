"""
Call-control events of routing points and treatments.

The party is the routing point.  What a T-Library server makes of them: each is the
event of the field that is called after it; RouteRequested is EventRouteRequest.
"""

from __future__ import annotations

from attrs import frozen

from sipcluster.sessioncontroller.events import CallEvent, Cause
from sipcluster.sessioncontroller.irouting import RouteType, TreatmentType

__all__ = (
    "NO_ANSWER_ACTION",
    "Diverted",
    "Queued",
    "RouteRequested",
    "RouteUsed",
    "TreatmentApplied",
    "TreatmentEnded",
    "TreatmentNotApplied",
)

#: In the extensions of a C{Released} with C{Cause.NO_ANSWER}: what is to become of the
#: agent who did not answer, C{notready} or C{logout}.
NO_ANSWER_ACTION = "NO_ANSWER_ACTION"


@frozen
class Queued(CallEvent):
    """
    A call has come to the routing point.
    """


@frozen
class RouteRequested(CallEvent):
    """
    Somebody is to say where the call goes.

    @ivar lastDigit: the last digit that was collected; C{""}: none was.
    """

    lastDigit: str = ""


@frozen
class RouteUsed(CallEvent):
    """
    Somebody has said so: the third party is where it goes.
    """

    routeType: RouteType = RouteType.UNKNOWN


@frozen
class Diverted(CallEvent):
    """
    The call has left the routing point: the third party is where it went.
    """

    cause: Cause = Cause.OK


@frozen
class TreatmentApplied(CallEvent):
    """
    The caller is given something.
    """

    treatment: TreatmentType = TreatmentType.UNKNOWN


@frozen
class TreatmentNotApplied(CallEvent):
    """
    The caller cannot be given it.

    @ivar reason: why, for people.
    """

    treatment: TreatmentType = TreatmentType.UNKNOWN
    cause: Cause = Cause.FAILED
    reason: str = ""


@frozen
class TreatmentEnded(CallEvent):
    """
    It has come to its end by itself.

    @ivar digits: what was collected.
    """

    treatment: TreatmentType = TreatmentType.UNKNOWN
    digits: str = ""
