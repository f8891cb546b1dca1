"""
Requests that change calls: what a T-Library client asks, as the Session Controller
understands it.

A request is answered by the event that it causes, which carries its ReferenceID, or
by EventError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

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
from sipcluster.tlib.messages.base import PartyRequest
from sipcluster.tserver.itserver import ClientView, IEventPublisher, IRequests
from sipcluster.wire.correlation import Requester

log = Logger()

#: The error codes of the field for what the Session Controller refuses.
ERRORS: Mapping[Why, TErrorCode] = {
    Why.UNSUPPORTED: TErrorCode.UNSUPPORTED_OPERATION,
    Why.UNKNOWN_CALL: TErrorCode.INVALID_CONNID,
    Why.NOT_A_PARTY: TErrorCode.INVALID_CONNID,
    Why.WRONG_STATE: TErrorCode.WRONG_SET_STATE,
    Why.INVALID_DN: TErrorCode.INVALID_CALLING_DN,
    Why.INVALID_DESTINATION: TErrorCode.INVALID_CALLED_DN,
    Why.OUT_OF_SERVICE: TErrorCode.OUT_OF_SERVICE,
    Why.BUSY: TErrorCode.DN_BUSY,
    Why.NO_ANSWER: TErrorCode.NO_ANSWER,
    Why.REJECTED: TErrorCode.CALL_REJECTED,
    Why.TIMEOUT: TErrorCode.OPERATION_TIMED_OUT,
    Why.DISCONNECTED: TErrorCode.CALL_DISCONNECTED,
    Why.BAD_VALUE: TErrorCode.BAD_PARAMETER,
    Why.LIMIT: TErrorCode.RESOURCE_UNAVAILABLE,
    Why.FAILED: TErrorCode.INTERNAL_ERROR,
}

#: Bounds of what one request may carry.
MAX_NUMBER = 255
MAX_DIGITS = 64

#: What may stand in a number that is called: printable, no blank.
_VISIBLE = frozenset(chr(code) for code in range(0x21, 0x7F))

#: The states of a party in which a request has nothing left to do.
_ALREADY: Mapping[type[Message], str] = {
    RequestHoldCall: "Hold",
    RequestRetrieveCall: "Connected",
    RequestAnswerCall: "Connected",
}


@define(eq=False)
@implementer(IRequests)
class CallRequests:
    """
    Answers the requests of one T-Library port that make, change and end calls.
    """

    _control: ICallControl
    _publisher: IEventPublisher

    @property
    def numbers(self) -> frozenset[int]:
        """
        See L{IRequests}.
        """
        return frozenset(kind.number for kind in _METHODS)

    def requested(
        self, request: Message, requester: Requester, client: ClientView
    ) -> None:
        """
        See L{IRequests}.
        """
        try:
            done = _METHODS[type(request)](self, request, requester)
        except Exception:
            done = fail()
        done.addErrback(self._failed, request, requester)

    def refused(
        self, requester: Requester, refused: CallRefused, request: Message | None = None
    ) -> None:
        """
        Somebody will not get what he has asked for.

        @param request: what he asked; L{None}: another process was asked.
        """
        code = ERRORS[refused.why]
        if refused.why is Why.WRONG_STATE and self._isAlready(request):
            code = TErrorCode.ALREADY_IN_STATE
        # What people read is the field's, unless there is more to say.
        text = refused.text if refused.text != refused.why.value else ""
        self._publisher.refuse(requester, code, text)

    def _failed(self, failure: Failure, request: Message, requester: Requester) -> None:
        refused = failure.value
        if isinstance(refused, CallRefused):
            self.refused(requester, refused, request)
        else:
            log.failure("request {number}", failure=failure, number=request.number)
            self._publisher.refuse(requester, TErrorCode.INTERNAL_ERROR)

    def _isAlready(self, request: Any) -> bool:
        """
        Whether the party is where the request would bring it.
        """
        state = _ALREADY.get(type(request))
        return state is not None and any(
            party.state == state and party.view.connID == request.connID
            for party in self._control.partiesOf(request.thisDN)
        )

    # One method for each request

    def _makeCall(self, request: RequestMakeCall, who: Requester) -> Deferred[Any]:
        kind = request.makeCallType
        if kind is not None and kind != MakeCallType.REGULAR:
            raise CallRefused(Why.UNSUPPORTED, "only regular calls are made")
        if request.location:
            raise CallRefused(Why.UNSUPPORTED, "there are no calls to other switches")
        return self._control.makeCall(
            request.thisDN or "",
            _number(request.otherDN),
            request.userData or (),
            who,
        )

    def _answer(self, request: RequestAnswerCall, who: Requester) -> Deferred[Any]:
        return self._control.answer(*_party(request), who)

    def _release(self, request: RequestReleaseCall, who: Requester) -> Deferred[Any]:
        return self._control.release(*_party(request), who)

    def _clear(self, request: RequestClearCall, who: Requester) -> Deferred[Any]:
        return self._control.clear(*_party(request), who)

    def _hold(self, request: RequestHoldCall, who: Requester) -> Deferred[Any]:
        return self._control.hold(*_party(request), who)

    def _retrieve(self, request: RequestRetrieveCall, who: Requester) -> Deferred[Any]:
        return self._control.retrieve(*_party(request), who)

    def _redirect(self, request: RequestRedirectCall, who: Requester) -> Deferred[Any]:
        destination = _number(request.otherDN)
        return self._control.redirect(*_party(request), destination, who)

    def _sendDTMF(self, request: RequestSendDTMF, who: Requester) -> Deferred[Any]:
        digits = request.dtmfDigits or ""
        if len(digits) > MAX_DIGITS:
            raise CallRefused(Why.BAD_VALUE, f"more than {MAX_DIGITS} digits")
        return self._control.sendDTMF(*_party(request), digits, who)

    def _attach(self, request: RequestAttachUserData, who: Requester) -> Deferred[Any]:
        return self._control.changeUserData(
            *_party(request),
            attach=request.userData or (),
            requester=who,
        )

    def _update(self, request: RequestUpdateUserData, who: Requester) -> Deferred[Any]:
        return self._control.changeUserData(
            *_party(request),
            update=request.userData or (),
            requester=who,
        )

    def _deleteAll(
        self, request: RequestDeleteUserData, who: Requester
    ) -> Deferred[Any]:
        return self._control.changeUserData(
            *_party(request), deleteAll=True, requester=who
        )

    def _deletePair(self, request: RequestDeletePair, who: Requester) -> Deferred[Any]:
        return self._control.changeUserData(
            *_party(request),
            delete=(request.dataKey or "",),
            requester=who,
        )


def _party(request: PartyRequest) -> tuple[str, str]:
    """
    The DN and the ConnID that a request names; the port has seen that they are
    there.
    """
    return request.thisDN or "", request.connID or ""


def _number(asked: str | None) -> str:
    """
    Check a number to call.

    @raise CallRefused: no telephone can be called so.
    """
    number = asked or ""
    if not number or len(number) > MAX_NUMBER or not _VISIBLE.issuperset(number):
        raise CallRefused(Why.INVALID_DESTINATION, "that is no number")
    return number


_METHODS: Mapping[
    type[Message], Callable[[CallRequests, Any, Requester], Deferred[Any]]
] = {
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
