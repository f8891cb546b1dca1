"""
Messages that have a name and a number, and that no switch of this kind answers or
sends: calls between switches (ISCC), network switches, voice mail of a PBX.

Whatever attributes they have beyond those of all requests or events is in
C{unknown}.
"""

from __future__ import annotations

from typing import ClassVar

from sipcluster.tlib.messages.base import Event, Request


class OutOfScopeRequest(Request):
    """
    A request that is answered with EventError 51.
    """

    __slots__ = ()


class OutOfScopeEvent(Event):
    """
    An event that never happens here.
    """

    __slots__ = ()
    mandatory: ClassVar[tuple[str, ...]] = ()


class RequestLoginMailBox(OutOfScopeRequest):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 40


class RequestLogoutMailBox(OutOfScopeRequest):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 41


class RequestOpenVoiceFile(OutOfScopeRequest):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 42


class RequestCloseVoiceFile(OutOfScopeRequest):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 43


class RequestPlayVoiceFile(OutOfScopeRequest):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 44


class RequestGetAccessNumber(OutOfScopeRequest):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 123


class RequestCancelReqGetAccessNumber(OutOfScopeRequest):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 124


class RequestReserveAgentAndGetAccessNumber(OutOfScopeRequest):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 129


class RequestQueryLocation(OutOfScopeRequest):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 136


class RequestSendReturnReceipt(OutOfScopeRequest):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 169


class RequestNetworkConsult(OutOfScopeRequest):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 171


class RequestNetworkAlternate(OutOfScopeRequest):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 172


class RequestNetworkTransfer(OutOfScopeRequest):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 173


class RequestNetworkMerge(OutOfScopeRequest):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 174


class RequestNetworkReconnect(OutOfScopeRequest):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 175


class RequestNetworkSingleStepTransfer(OutOfScopeRequest):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 176


class RequestNetworkPrivateService(OutOfScopeRequest):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 177


class RequestTransactionMonitoring(OutOfScopeRequest):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 180


class EventMailBoxLogin(OutOfScopeEvent):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 79


class EventMailBoxLogout(OutOfScopeEvent):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 80


class EventVoiceFileOpened(OutOfScopeEvent):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 81


class EventVoiceFileClosed(OutOfScopeEvent):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 82


class EventVoiceFileEndPlay(OutOfScopeEvent):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 83


class EventResourceAllocated(OutOfScopeEvent):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 99


class EventResourceFreed(OutOfScopeEvent):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 100


class EventRemoteConnectionSuccess(OutOfScopeEvent):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 101


class EventRemoteConnectionFailed(OutOfScopeEvent):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 102


class EventAnswerAccessNumber(OutOfScopeEvent):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 125


class EventReqGetAccessNumberCanceled(OutOfScopeEvent):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 126


class EventLocationInfo(OutOfScopeEvent):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 137


class EventReturnReceipt(OutOfScopeEvent):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 170


class EventNetworkCallStatus(OutOfScopeEvent):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 178


class EventNetworkPrivateInfo(OutOfScopeEvent):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 179


class EventTransactionStatus(OutOfScopeEvent):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 181


class EventResourceInfo(OutOfScopeEvent):
    """
    Out of scope.
    """

    __slots__ = ()
    number = 182
