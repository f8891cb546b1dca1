"""
Requests that change calls: what a T-Library client asks, as the Session Controller
understands it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred

from sipcluster.sessioncontroller.isessioncontroller import (
    CallRefused,
    ICallControl,
    Why,
)
from sipcluster.tlib.enums import MakeCallType
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    Message,
    RequestAnswerCall,
    RequestAttachUserData,
    RequestClearCall,
    RequestDeletePair,
    RequestDeleteUserData,
    RequestHoldCall,
    RequestMakeCall,
    RequestRedirectCall,
    RequestReleaseCall,
    RequestRetrieveCall,
    RequestSendDTMF,
    RequestUpdateUserData,
)
from sipcluster.tserver.call_asking import CallAsking, hereOnly, numberOf, partyOf
from sipcluster.wire.correlation import Requester

#: Digits that one request may have sent.
MAX_DIGITS = 64

#: The states of a party in which a request has nothing left to do.
_ALREADY: Mapping[type[Message], str] = {
    RequestHoldCall: "Hold",
    RequestRetrieveCall: "Connected",
    RequestAnswerCall: "Connected",
}


@define(eq=False)
class CallRequests(CallAsking):
    """
    Answers the requests of one T-Library port that make, change and end calls.
    """

    control: ICallControl

    def codeOf(self, why: Why, request: Message | None) -> TErrorCode:
        """
        See L{CallAsking.codeOf}.
        """
        if why is Why.WRONG_STATE and self._isAlready(request):
            return TErrorCode.ALREADY_IN_STATE
        return super().codeOf(why, request)

    def _isAlready(self, request: Any) -> bool:
        """
        Whether the party is where the request would bring it.
        """
        state = _ALREADY.get(type(request))
        return state is not None and any(
            party.state == state and party.view.connID == request.connID
            for party in self.control.partiesOf(request.thisDN)
        )

    # One method for each request

    def _makeCall(self, request: RequestMakeCall, who: Requester) -> Deferred[Any]:
        kind = request.makeCallType
        if kind is not None and kind != MakeCallType.REGULAR:
            raise CallRefused(Why.UNSUPPORTED, "only regular calls are made")
        hereOnly(request.location)
        return self.control.makeCall(
            request.thisDN or "",
            numberOf(request.otherDN),
            request.userData or (),
            who,
        )

    def _answer(self, request: RequestAnswerCall, who: Requester) -> Deferred[Any]:
        return self.control.answer(*partyOf(request), who)

    def _release(self, request: RequestReleaseCall, who: Requester) -> Deferred[Any]:
        return self.control.release(*partyOf(request), who)

    def _clear(self, request: RequestClearCall, who: Requester) -> Deferred[Any]:
        return self.control.clear(*partyOf(request), who)

    def _hold(self, request: RequestHoldCall, who: Requester) -> Deferred[Any]:
        return self.control.hold(*partyOf(request), who)

    def _retrieve(self, request: RequestRetrieveCall, who: Requester) -> Deferred[Any]:
        return self.control.retrieve(*partyOf(request), who)

    def _redirect(self, request: RequestRedirectCall, who: Requester) -> Deferred[Any]:
        destination = numberOf(request.otherDN)
        return self.control.redirect(*partyOf(request), destination, who)

    def _sendDTMF(self, request: RequestSendDTMF, who: Requester) -> Deferred[Any]:
        digits = request.dtmfDigits or ""
        if len(digits) > MAX_DIGITS:
            raise CallRefused(Why.BAD_VALUE, f"more than {MAX_DIGITS} digits")
        return self.control.sendDTMF(*partyOf(request), digits, who)

    def _attach(self, request: RequestAttachUserData, who: Requester) -> Deferred[Any]:
        return self.control.changeUserData(
            *partyOf(request),
            attach=request.userData or (),
            requester=who,
        )

    def _update(self, request: RequestUpdateUserData, who: Requester) -> Deferred[Any]:
        return self.control.changeUserData(
            *partyOf(request),
            update=request.userData or (),
            requester=who,
        )

    def _deleteAll(
        self, request: RequestDeleteUserData, who: Requester
    ) -> Deferred[Any]:
        return self.control.changeUserData(
            *partyOf(request), deleteAll=True, requester=who
        )

    def _deletePair(self, request: RequestDeletePair, who: Requester) -> Deferred[Any]:
        return self.control.changeUserData(
            *partyOf(request),
            delete=(request.dataKey or "",),
            requester=who,
        )


CallRequests.methods = {
    RequestMakeCall: CallRequests._makeCall,
    RequestAnswerCall: CallRequests._answer,
    RequestReleaseCall: CallRequests._release,
    RequestHoldCall: CallRequests._hold,
    RequestRetrieveCall: CallRequests._retrieve,
    RequestAttachUserData: CallRequests._attach,
    RequestUpdateUserData: CallRequests._update,
    RequestDeleteUserData: CallRequests._deleteAll,
    RequestDeletePair: CallRequests._deletePair,
    RequestSendDTMF: CallRequests._sendDTMF,
    RequestRedirectCall: CallRequests._redirect,
    RequestClearCall: CallRequests._clear,
}
