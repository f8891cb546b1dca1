"""
The requests of T-Library clients: what is checked of each, who answers it, and that
none is done twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from sipcluster.tlib.enums import RegisterMode, SwitchInfoType
from sipcluster.tlib.errors import BadMessage, MessageTooLong, TErrorCode
from sipcluster.tlib.messages import (
    EventACK,
    EventError,
    EventServerInfo,
    EventSwitchInfo,
    EventUserEvent,
    Message,
    RequestDistributeEvent,
    RequestDistributeUserEvent,
    RequestQueryAddress,
    RequestQueryCall,
    RequestQueryServer,
    RequestQuerySwitch,
    RequestRegisterAddress,
    RequestRegisterClient,
    RequestSetInputMask,
    RequestStartCallMonitoring,
    RequestStopCallMonitoring,
    RequestUnregisterAddress,
)
from sipcluster.tserver.itserver import IRequests
from sipcluster.tserver.outgoing import Outgoing
from sipcluster.tserver.registrations import Refused
from sipcluster.tserver.startup import checkAttributes, checkMask
from sipcluster.wire.correlation import Requester, TooManyRequests

if TYPE_CHECKING:
    from sipcluster.tserver.connection import Connection
    from sipcluster.tserver.server import TServer
    from sipcluster.tserver.session import Session

log = Logger()

#: What an application may ask that may only watch.
_MONITOR = frozenset(
    (
        *(RequestQueryServer.number, RequestQueryAddress.number),
        *(RequestRegisterAddress.number, RequestUnregisterAddress.number),
        *(RequestSetInputMask.number, RequestQueryCall.number),
        *(RequestQuerySwitch.number, RequestStartCallMonitoring.number),
        RequestStopCallMonitoring.number,
    )
)

#: What may be asked of a DN that is not registered.
_ANY_DN = frozenset(
    (
        *(RequestRegisterAddress.number, RequestUnregisterAddress.number),
        RequestQueryAddress.number,
    )
)

#: What EventError repeats of the request.
_REPEATED = (
    *("thisDN", "thisQueue", "otherDN", "connID", "agentID", "userData"),
    *("reasons", "extensions"),
)

#: What of that is short, in what can be done.
_NAMED = ("thisDN", "connID")

#: What a user event takes over.
_USER_EVENT = (
    *("userEvent", "connID", "callUUID", "thisQueue", "otherDN", "agentID"),
    *("userData", "reasons", "extensions"),
)

#: How a request is answered by the port itself.
Own = Callable[["Session", int, Any], None]


class Requests:
    """
    Those of one port.

    @ivar handlers: who answers what the port does not answer itself, by number.
    """

    def __init__(self, server: TServer) -> None:
        self.handlers: dict[int, IRequests] = {}
        self._server = server
        self._capabilities = b""
        registrations = server.registrations
        self._own: Mapping[int, Own] = {
            RequestRegisterAddress.number: registrations.register,
            RequestUnregisterAddress.number: registrations.unregister,
            RequestRegisterClient.number: self._registerClient,
            RequestSetInputMask.number: self._setInputMask,
            RequestQueryServer.number: self._queryServer,
            RequestQuerySwitch.number: self._querySwitch,
            RequestDistributeUserEvent.number: self._userEvent,
            RequestDistributeEvent.number: self._userEvent,
        }

    def add(self, handler: IRequests) -> None:
        """
        Let somebody answer requests; the first of two who want the same one does.
        """
        for number in handler.numbers:
            self.handlers.setdefault(number, handler)
        self._capabilities = b""

    @property
    def capabilities(self) -> bytes:
        """
        A bit for the number of each request that is answered here.
        """
        if not self._capabilities:
            bits = sum(1 << number for number in {*self._own, *self.handlers})
            self._capabilities = bits.to_bytes(64, "little")
        return self._capabilities

    def requested(
        self, connection: Connection, session: Session, reference: int, request: Message
    ) -> None:
        """
        Do what a client wants, or refuse it, or repeat what was answered before.
        """
        server = self._server
        counts: Counter[str] = server.counts
        counts["requests"] += 1
        try:
            if not reference:
                raise Refused(TErrorCode.INVALID_ATTRIBUTE, "ReferenceID is missing")
            if self._known(session, reference):
                return
            own = self._own.get(request.number)
            handler = self.handlers.get(request.number) if own is None else None
            if own is None and handler is None:
                counts["unsupported"] += 1
                raise Refused(TErrorCode.UNSUPPORTED_OPERATION)
            checkAttributes(request)
            self._mayAsk(session, request)
            if own is not None:
                own(session, reference, request)
                return
        except Refused as e:
            name = f"{type(request).__name__} ({request.number})"
            why = f"{name}: {e.text or e.code.text}"
            connection.count("refusedRequests", why)
            self.refuse(session, reference, request, e.code, e.text)
            return
        except Exception:
            counts["failures"] += 1
            log.failure("{request}", request=type(request).__name__)
            self.refuse(session, reference, request, TErrorCode.INTERNAL_ERROR)
            return
        assert handler is not None
        self._handOver(handler, session, reference, request)

    def _known(self, session: Session, reference: int) -> bool:
        """
        Whether this is the repetition of a request; it is answered as it was.
        """
        if reference in session.pending:
            self._server.counts["repeatedRequests"] += 1
            return True
        answer = session.answers.get(reference)
        if answer is None:
            return False
        self._server.counts["repeatedRequests"] += 1
        position = session.stream.repeat(*answer)
        if position != answer[0]:
            session.answers.add(position, answer[1])
        return True

    def _mayAsk(self, session: Session, request: Message) -> None:
        number = request.number
        if not session.application.mayControl and number not in _MONITOR:
            raise Refused(
                TErrorCode.UNSUPPORTED_OPERATION, "The application may only watch"
            )
        dn = getattr(request, "thisDN", None)
        if dn is None or number in _ANY_DN:
            return
        found = session.dns.get(dn)
        if found is None:
            raise Refused(TErrorCode.NOT_REGISTERED)
        if found.mode == RegisterMode.MONITOR and number not in _MONITOR:
            raise Refused(
                TErrorCode.NOT_REGISTERED, "The DN is registered to be watched only"
            )

    def _handOver(
        self, handler: IRequests, session: Session, reference: int, request: Message
    ) -> None:
        if self._server.keeper.full():
            self._server.counts["tooMuchWaits"] += 1
            code = TErrorCode.RESOURCE_UNAVAILABLE
            text = "Too much waits for the other member of the pair"
            self.refuse(session, reference, request, code, text)
            return
        try:
            session.asks(reference, request)
        except TooManyRequests:
            self._server.counts["tooManyRequests"] += 1
            code = TErrorCode.RESOURCE_UNAVAILABLE
            self.refuse(session, reference, request, code, "Too many requests wait")
            return
        requester = Requester(session.id, reference)
        try:
            handler.requested(request, requester, session.view)
        except Exception:
            self._server.counts["failures"] += 1
            log.failure("{request}", request=type(request).__name__)
            self._server.refuse(requester, TErrorCode.INTERNAL_ERROR)

    def faulty(self, session: Session, error: BadMessage) -> None:
        """
        Answer a message that could be read in part.
        """
        if error.reference and self._known(session, error.reference):
            return
        self.refuse(session, error.reference, None, error.code, error.why)

    def timedOut(self, session: Session, reference: int, request: Message) -> None:
        """
        Nobody has answered a request.
        """
        self._server.counts["unanswered"] += 1
        log.warn(
            "{request} of {client} was not answered in time",
            request=type(request).__name__,
            client=session.stream.name,
            ref=reference,
        )
        self.refuse(session, reference, request, TErrorCode.TIMEOUT)

    def refuse(
        self,
        session: Session,
        reference: int,
        request: Message | None,
        code: TErrorCode,
        text: str = "",
    ) -> None:
        """
        Answer a request by EventError.

        @param request: L{None}: it could not be read.
        """
        server = self._server
        server.countError(code)
        # What is long is not repeated: the code says more than a copy.
        for names in (_REPEATED, _NAMED, ()):
            event = Outgoing(
                EventError(
                    time=server.now(),
                    errorCode=code,
                    errorMessage=text or code.text,
                    **_taken(request, names),
                )
            )
            if _fits(event):
                break
        server.give(session, reference, event)

    # What the port answers itself.

    def _registerClient(self, session: Session, reference: int, request: Any) -> None:
        raise Refused(TErrorCode.ALREADY_IN_STATE, "The client is registered already")

    def _setInputMask(
        self, session: Session, reference: int, request: RequestSetInputMask
    ) -> None:
        checkMask(request.inputMask)
        session.stream.mask = request.inputMask
        session.changed()
        server = self._server
        server.give(session, reference, Outgoing(EventACK(time=server.now())))

    def _queryServer(
        self, session: Session, reference: int, request: RequestQueryServer
    ) -> None:
        attributes = self._server.startUp.attributes()
        attributes["epoch"] = session.epoch
        event = EventServerInfo(**attributes, sessionID=session.sessionID)
        self._server.give(session, reference, Outgoing(event))

    def _querySwitch(
        self, session: Session, reference: int, request: RequestQuerySwitch
    ) -> None:
        kind = request.switchInfoType
        if kind != SwitchInfoType.DATE_TIME:
            raise Refused(TErrorCode.UNSUPPORTED_OPERATION)
        server = self._server
        event = EventSwitchInfo(time=server.now(), switchInfoType=kind)
        server.give(session, reference, Outgoing(event))

    def _userEvent(
        self,
        session: Session,
        reference: int,
        request: RequestDistributeUserEvent | RequestDistributeEvent,
    ) -> None:
        server = self._server
        dn = request.thisDN or ""
        now = server.now()
        taken = _taken(request, _USER_EVENT)
        event = Outgoing(EventUserEvent(time=now, thisDN=dn, **taken))
        if not _fits(event):
            raise Refused(TErrorCode.RESOURCE_UNAVAILABLE, "Event is too long")
        server.publish(dn, event)
        server.give(session, reference, Outgoing(EventACK(time=now, thisDN=dn)))


def _fits(event: Outgoing) -> bool:
    """
    Whether an event fits into a frame.
    """
    try:
        return bool(event.entry.size)
    except MessageTooLong:
        return False


def _taken(request: Message | None, names: tuple[str, ...]) -> dict[str, Any]:
    """
    Some of what a request has.
    """
    found = {name: getattr(request, name, None) for name in names}
    return {name: value for name, value in found.items() if value is not None}
