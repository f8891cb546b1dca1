"""
Requests about calls at routing points, what their callers are given, and calls that
are made for one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from attrs import define
from twisted.internet.defer import Deferred

from sipcluster.sessioncontroller.irouting import (
    IRouting,
    RouteType,
    Treatment,
    TreatmentType,
)
from sipcluster.sessioncontroller.isessioncontroller import CallRefused, Why
from sipcluster.tlib import enums
from sipcluster.tlib.messages import (
    Message,
    RequestApplyTreatment,
    RequestCollectDigits,
    RequestGiveMusicTreatment,
    RequestGiveRingBackTreatment,
    RequestGiveSilenceTreatment,
    RequestMakePredictiveCall,
    RequestRouteCall,
)
from sipcluster.tserver.call_asking import CallAsking, hereOnly, numberOf, partyOf
from sipcluster.wire.correlation import Requester

#: The values of the two sides of this seam.
ROUTE_TYPES: Mapping[int, RouteType] = {
    int(enums.RouteType[one.name]): one for one in RouteType
}
TREATMENT_TYPES: Mapping[int, TreatmentType] = {
    int(enums.TreatmentType[one.name]): one for one in TreatmentType
}

#: Those that say by themselves what becomes of the call.
NOWHERE = frozenset([RouteType.DEFAULT, RouteType.REJECT, RouteType.CALL_DISCONNECT])

#: What the requests of before TApplyTreatment give.
_GIVEN: Mapping[type[Message], TreatmentType] = {
    RequestGiveMusicTreatment: TreatmentType.MUSIC,
    RequestGiveSilenceTreatment: TreatmentType.SILENCE,
    RequestGiveRingBackTreatment: TreatmentType.RING_BACK,
    RequestCollectDigits: TreatmentType.COLLECT_DIGITS,
}

#: The longest time that a predictive call may ring, in seconds.
MAX_RINGING = 600

#: The longest time for which digits are waited for, in seconds.
MAX_COLLECTING = 3600

#: The treatment parameter for AttributeTimeout of RequestCollectDigits.
TOTAL_TIMEOUT = "TOTAL_TIMEOUT"

T = TypeVar("T")


@define(eq=False)
class RoutingRequests(CallAsking):
    """
    Answers those of the T-Library port of routing clients.
    """

    control: IRouting

    def _route(self, request: RequestRouteCall, who: Requester) -> Deferred[Any]:
        kind = _named(
            ROUTE_TYPES, request.routeType, RouteType.UNKNOWN, "AttributeRouteType"
        )
        hereOnly(request.location)
        if kind not in NOWHERE or request.otherDN:
            destination = numberOf(request.otherDN)
        else:
            destination = ""
        return self.control.route(
            *partyOf(request),
            destination,
            kind,
            request.userData or (),
            request.extensions or (),
            who,
        )

    def _apply(self, request: RequestApplyTreatment, who: Requester) -> Deferred[Any]:
        kind = _named(
            TREATMENT_TYPES,
            request.treatmentType,
            TreatmentType.UNKNOWN,
            "AttributeTreatmentType",
        )
        treatment = Treatment(kind, request.treatmentParms or ())
        return self.control.applyTreatment(*partyOf(request), treatment, who)

    def _give(self, request: Any, who: Requester) -> Deferred[Any]:
        parameters = request.treatmentParms or ()
        if isinstance(request, RequestCollectDigits) and request.timeout:
            if request.timeout > MAX_COLLECTING:
                raise CallRefused(Why.BAD_VALUE, f"Timeout: more than {MAX_COLLECTING}")
            parameters = (*parameters, (TOTAL_TIMEOUT, request.timeout))
        treatment = Treatment(_GIVEN[type(request)], parameters)
        return self.control.applyTreatment(*partyOf(request), treatment, who)


@define(eq=False)
class PredictiveRequests(CallAsking):
    """
    Answers RequestMakePredictiveCall of one T-Library port.
    """

    control: IRouting

    def _make(
        self, request: RequestMakePredictiveCall, who: Requester
    ) -> Deferred[Any]:
        timeout = request.timeout or 0
        if timeout > MAX_RINGING:
            raise CallRefused(Why.BAD_VALUE, f"Timeout: more than {MAX_RINGING} s")
        return self.control.makePredictiveCall(
            request.thisDN or "",
            numberOf(request.otherDN),
            float(timeout),
            request.userData or (),
            request.extensions or (),
            who,
        )


def _named(known: Mapping[int, T], number: int | None, absent: T, name: str) -> T:
    """
    The value of an enumeration.

    @raise CallRefused: that is none of its values.
    """
    if number is None:
        return absent
    found = known.get(number)
    if found is None:
        raise CallRefused(Why.BAD_VALUE, f"{name}: there is no such")
    return found


_GIVE: Callable[[Any, Any, Requester], Deferred[Any]] = RoutingRequests._give

RoutingRequests.methods = {
    RequestRouteCall: RoutingRequests._route,
    RequestApplyTreatment: RoutingRequests._apply,
    **dict.fromkeys(_GIVEN, _GIVE),
}

PredictiveRequests.methods = {RequestMakePredictiveCall: PredictiveRequests._make}
