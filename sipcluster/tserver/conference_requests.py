"""
Requests that make calls of more than two parties, and that say who hears whom.
"""

from __future__ import annotations

from typing import Any

from attrs import define
from twisted.internet.defer import Deferred

from sipcluster.sessioncontroller.iconferences import IConferences
from sipcluster.sessioncontroller.isessioncontroller import (
    CallRefused,
    ICallControl,
    Why,
)
from sipcluster.sessioncontroller.itransfers import ITransfers
from sipcluster.tlib.enums import MergeType
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    Message,
    RequestCompleteConference,
    RequestDeleteFromConference,
    RequestListenDisconnect,
    RequestListenReconnect,
    RequestMergeCalls,
    RequestSingleStepConference,
)
from sipcluster.tserver.call_asking import (
    TALKING,
    CallAsking,
    numberOf,
    partyOf,
    statusOf,
)
from sipcluster.tserver.transfer_requests import destinationOf, heldFirst
from sipcluster.wire.correlation import Requester


@define(eq=False)
class ConferenceRequests(CallAsking):
    """
    Answers those of one T-Library port.
    """

    control: IConferences
    transfers: ITransfers
    calls: ICallControl

    def codeOf(self, why: Why, request: Message | None) -> TErrorCode:
        """
        See L{CallAsking.codeOf}.
        """
        if (
            why is Why.FAILED
            and isinstance(request, RequestMergeCalls)
            and request.mergeType == MergeType.TRANSFER
        ):
            return TErrorCode.CANNOT_TRANSFER
        if why is Why.WRONG_STATE and isinstance(
            request, RequestListenDisconnect | RequestListenReconnect
        ):
            off = isinstance(request, RequestListenDisconnect)
            party = statusOf(self.calls, request.otherDN, request.connID)
            if party is not None and party.state in TALKING and party.deaf is off:
                return TErrorCode.ALREADY_IN_STATE
        return super().codeOf(why, request)

    def _complete(
        self, request: RequestCompleteConference, who: Requester
    ) -> Deferred[Any]:
        pair = heldFirst(self.calls, *partyOf(request), request.conferenceConnID)
        return self.control.completeConference(*pair, who)

    def _merge(self, request: RequestMergeCalls, who: Requester) -> Deferred[Any]:
        pair = heldFirst(self.calls, *partyOf(request), request.previousConnID)
        if request.mergeType == MergeType.TRANSFER:
            return self.transfers.completeTransfer(*pair, who)
        if request.mergeType == MergeType.CONFERENCE:
            return self.control.completeConference(*pair, who)
        raise CallRefused(Why.BAD_VALUE, "MergeType: there is no such")

    def _singleStep(
        self, request: RequestSingleStepConference, who: Requester
    ) -> Deferred[Any]:
        return self.control.singleStepConference(
            *partyOf(request), destinationOf(request), request.userData or (), who
        )

    def _delete(
        self, request: RequestDeleteFromConference, who: Requester
    ) -> Deferred[Any]:
        other = numberOf(request.otherDN)
        return self.control.deleteFromConference(*partyOf(request), other, who)

    def _disconnect(
        self, request: RequestListenDisconnect, who: Requester
    ) -> Deferred[Any]:
        listener = numberOf(request.otherDN)
        return self.control.listenDisconnect(*partyOf(request), listener, who)

    def _reconnect(
        self, request: RequestListenReconnect, who: Requester
    ) -> Deferred[Any]:
        listener = numberOf(request.otherDN)
        return self.control.listenReconnect(*partyOf(request), listener, who)


ConferenceRequests.methods = {
    RequestCompleteConference: ConferenceRequests._complete,
    RequestMergeCalls: ConferenceRequests._merge,
    RequestSingleStepConference: ConferenceRequests._singleStep,
    RequestDeleteFromConference: ConferenceRequests._delete,
    RequestListenDisconnect: ConferenceRequests._disconnect,
    RequestListenReconnect: ConferenceRequests._reconnect,
}

ConferenceRequests.failures = {
    RequestCompleteConference: TErrorCode.CANNOT_CONFERENCE,
    RequestMergeCalls: TErrorCode.CANNOT_CONFERENCE,
    RequestSingleStepConference: TErrorCode.CANNOT_CONFERENCE,
}
