"""
What requests for the Session Controller have in common: how they are handed over, and
what a client is told when they are refused.

A request is answered by the event that it causes, which carries its ReferenceID, or
by EventError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

from attrs import define
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.sessioncontroller.isessioncontroller import (
    CallRefused,
    ICallControl,
    PartyStatus,
    Why,
)
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import Message
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

#: The longest number that can be called.
MAX_NUMBER = 255

#: What may stand in a number that is called: printable, no blank.
_VISIBLE = frozenset(chr(code) for code in range(0x21, 0x7F))

#: States of a party that can be muted, or let hear nothing.
TALKING = ("Connected", "Hold")

#: Does a request: what it is a method of, the request, who asks.
Doing: TypeAlias = Callable[[Any, Any, Requester], Deferred[Any]]


@define(eq=False)
@implementer(IRequests)
class CallAsking:
    """
    Answers some of the requests of one T-Library port.

    @cvar methods: what does each of them.
    @cvar failures: the code of each where it fails and nothing more is known.
    """

    methods: ClassVar[Mapping[type[Message], Doing]] = {}
    failures: ClassVar[Mapping[type[Message], TErrorCode]] = {}

    publisher: IEventPublisher

    @property
    def numbers(self) -> frozenset[int]:
        """
        See L{IRequests}.
        """
        return frozenset(kind.number for kind in self.methods)

    def requested(
        self, request: Message, requester: Requester, client: ClientView
    ) -> None:
        """
        See L{IRequests}.
        """
        try:
            done = self.methods[type(request)](self, request, requester)
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
        code = self.codeOf(refused.why, request)
        # What people read is the field's, unless there is more to say.
        text = refused.text if refused.text != refused.why.value else ""
        self.publisher.refuse(requester, code, text)

    def codeOf(self, why: Why, request: Message | None) -> TErrorCode:
        """
        The error code for why a request is refused.

        @param request: see L{refused}.
        """
        if why is Why.FAILED and request is not None:
            return self.failures.get(type(request), ERRORS[why])
        return ERRORS[why]

    def _failed(self, failure: Failure, request: Message, requester: Requester) -> None:
        refused = failure.value
        if isinstance(refused, CallRefused):
            self.refused(requester, refused, request)
        else:
            log.failure("request {number}", failure=failure, number=request.number)
            self.publisher.refuse(requester, TErrorCode.INTERNAL_ERROR)


def partyOf(request: PartyRequest) -> tuple[str, str]:
    """
    The DN and the ConnID that a request names; the port has seen that they are
    there.
    """
    return request.thisDN or "", request.connID or ""


def statusOf(
    calls: ICallControl, dn: str | None, connID: str | None
) -> PartyStatus | None:
    """
    The live party of a DN in a call; L{None}: there is none.
    """
    for party in calls.partiesIn(connID or ""):
        if party.view.thisDN == dn:
            return party
    return None


def numberOf(asked: str | None) -> str:
    """
    Check a number to call.

    @raise CallRefused: no telephone can be called so.
    """
    number = asked or ""
    if not number or len(number) > MAX_NUMBER or not _VISIBLE.issuperset(number):
        raise CallRefused(Why.INVALID_DESTINATION, "that is no number")
    return number


def hereOnly(location: str | None) -> None:
    """
    Check where a number is to be.

    @raise CallRefused: at another switch.
    """
    if location:
        raise CallRefused(Why.UNSUPPORTED, "there are no calls to other switches")
