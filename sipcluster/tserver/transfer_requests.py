"""
Requests about two calls of one DN, and about one that is to leave it: consultation,
transfer, alternate, reconnect.
"""

from __future__ import annotations

from typing import Any

from attrs import define
from twisted.internet.defer import Deferred

from sipcluster.sessioncontroller.isessioncontroller import (
    CallRefused,
    ICallControl,
    Why,
)
from sipcluster.sessioncontroller.itransfers import ITransfers
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    RequestAlternateCall,
    RequestCompleteTransfer,
    RequestInitiateConference,
    RequestInitiateTransfer,
    RequestMuteTransfer,
    RequestReconnectCall,
    RequestSingleStepTransfer,
)
from sipcluster.tlib.messages.base import DestinationRequest
from sipcluster.tserver.call_asking import CallAsking, hereOnly, numberOf, partyOf
from sipcluster.wire.correlation import Requester


@define(eq=False)
class TransferRequests(CallAsking):
    """
    Answers those of one T-Library port.
    """

    control: ITransfers
    calls: ICallControl

    def _consult(
        self,
        request: RequestInitiateTransfer | RequestInitiateConference,
        who: Requester,
    ) -> Deferred[Any]:
        return self.control.consult(
            *partyOf(request),
            destinationOf(request),
            request.userData or (),
            isinstance(request, RequestInitiateConference),
            who,
        )

    def _complete(
        self, request: RequestCompleteTransfer, who: Requester
    ) -> Deferred[Any]:
        pair = heldFirst(self.calls, *partyOf(request), request.transferConnID)
        return self.control.completeTransfer(*pair, who)

    def _mute(self, request: RequestMuteTransfer, who: Requester) -> Deferred[Any]:
        return self.control.muteTransfer(
            *partyOf(request), destinationOf(request), request.userData or (), who
        )

    def _singleStep(
        self, request: RequestSingleStepTransfer, who: Requester
    ) -> Deferred[Any]:
        return self.control.singleStepTransfer(
            *partyOf(request), destinationOf(request), request.userData or (), who
        )

    def _alternate(
        self, request: RequestAlternateCall, who: Requester
    ) -> Deferred[Any]:
        pair = heldFirst(self.calls, *partyOf(request), request.previousConnID)
        return self.control.alternate(*pair, who)

    def _reconnect(
        self, request: RequestReconnectCall, who: Requester
    ) -> Deferred[Any]:
        pair = heldFirst(self.calls, *partyOf(request), request.previousConnID)
        return self.control.reconnect(*pair, who)


def destinationOf(request: DestinationRequest) -> str:
    """
    The number that a request names.

    @raise CallRefused: it is none that can be called.
    """
    hereOnly(request.location)
    return numberOf(request.otherDN)


def heldFirst(
    calls: ICallControl, dn: str, connID: str, other: str | None
) -> tuple[str, str, str]:
    """
    The two calls that a request names: which one is held is seen, so that clients
    may name them in either order.

    @return: the DN, the ConnID of the held one, that of the present one.

    @raise CallRefused: they are not two.
    """
    other = other or ""
    if connID == other:
        raise CallRefused(Why.BAD_VALUE, "want two calls")
    states = {party.view.connID: party.state for party in calls.partiesOf(dn)}
    if states.get(other) == "Hold" and states.get(connID) != "Hold":
        return dn, other, connID
    return dn, connID, other


TransferRequests.methods = {
    RequestInitiateTransfer: TransferRequests._consult,
    RequestInitiateConference: TransferRequests._consult,
    RequestMuteTransfer: TransferRequests._mute,
    RequestSingleStepTransfer: TransferRequests._singleStep,
    RequestCompleteTransfer: TransferRequests._complete,
    RequestAlternateCall: TransferRequests._alternate,
    RequestReconnectCall: TransferRequests._reconnect,
}

TransferRequests.failures = {
    RequestInitiateTransfer: TErrorCode.CANNOT_INITIATE_TRANSFER,
    RequestInitiateConference: TErrorCode.CANNOT_CONFERENCE,
    RequestMuteTransfer: TErrorCode.CANNOT_TRANSFER,
    RequestSingleStepTransfer: TErrorCode.CANNOT_TRANSFER,
    RequestCompleteTransfer: TErrorCode.CANNOT_TRANSFER,
}
