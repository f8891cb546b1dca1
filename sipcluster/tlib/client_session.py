"""
A client's side of a session: where it is in the stream of events, what it has asked
and not been answered, what it has registered.  A session outlives connections; this
knows of one only how to write to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from attrs import define, evolve
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from sipcluster.tlib.client_values import (
    ClientStopped,
    RequestTimedOut,
    Resume,
    SessionLost,
    Times,
    TooManyRequests,
    refusal,
)
from sipcluster.tlib.codec import Envelope, encode, encodeBody, frame
from sipcluster.tlib.enums import ResumeResult
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventError,
    EventRegistered,
    EventServerInfo,
    EventUnregistered,
    LinkPollAnswer,
    Message,
    RequestQueryAddress,
    RequestQueryCall,
    RequestQueryServer,
    RequestQuerySwitch,
    RequestRegisterAddress,
    RequestSetInputMask,
    RequestUnregisterAddress,
)
from sipcluster.wire.correlation import Correlation
from sipcluster.wire.correlation import TooManyRequests as CorrelationFull

#: Messages after which the server is told that they are handled, when there is
#: nothing else to say.
ACKNOWLEDGE = 256

#: Bytes of messages after which it is told so, too: it keeps them until then.
ACKNOWLEDGE_BYTES = 262144

#: Requests that may be on their way at one time: the server refuses the 1001st.
WINDOW = 500

#: References go up to here and then begin again.
LAST_REFERENCE = 0xFFFFFFFF

#: What does no harm when it is done twice.
HARMLESS = (
    RequestRegisterAddress,
    RequestUnregisterAddress,
    RequestSetInputMask,
    RequestQueryServer,
    RequestQueryAddress,
    RequestQueryCall,
    RequestQuerySwitch,
)


@define(eq=False)
class _Asked:
    """
    A request that waits for its answer.

    @ivar body: the encoded message.
    @ivar sent: it was sent in the present session, on whatever connection.
    """

    message: Message
    body: bytes
    answered: Deferred[Message]
    sent: bool = False


class ClientSession:
    """
    What a client knows of its session.

    @ivar position: of the last event that was handed over, or is being handed over.
    @ivar handled: of the last event that C{eventReceived} is done with.
    @ivar roleEpoch: of the primary from which it has all up to C{position}; 0: of no
        pair.
    @ivar registrations: what was registered, by DN; after the server has lost the
        session, or a primary that could tell nobody of it, they are registered again.
    @ivar mask: the input mask; L{None}: the server's default.
    @ivar duplicates: messages that came again and were dropped.
    @ivar gaps: how often a position was missing.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        eventReceived: Callable[[Envelope], object],
        firstReference: int,
        resume: Resume | None = None,
        times: Times = Times(),  # noqa: B008 # frozen
        limit: int = 10_000,
    ) -> None:
        """
        @param firstReference: of the first request; when a session of another
            process is resumed, one that is not among the last that it used.
        @param limit: requests that may wait for their answers.
        """
        self._clock = clock
        self._eventReceived = eventReceived
        self._times = times
        self._last = firstReference - 1
        self.session = resume.session if resume else ""
        self.epoch = resume.epoch if resume else 0
        self.position = resume.position if resume else 0
        self.roleEpoch = resume.roleEpoch if resume else 0
        self._linkEpoch = 0
        self.registrations: dict[str, RequestRegisterAddress] = {}
        self.mask: bytes | None = None
        self.duplicates = 0
        self.gaps = 0
        self.handled = self.position
        self._acknowledged = 0
        #: Bytes that came since the server was last told.
        self._unacknowledged = 0
        self._mayJump = False
        self._gapBefore = 0
        self._acknowledging: IDelayedCall | None = None
        self._write: Callable[[bytes], None] | None = None
        self._asked: Correlation[_Asked] = Correlation(clock, self._timedOut, limit)
        self._restoring: dict[int, RequestRegisterAddress] = {}
        self._unsent: deque[int] = deque()
        self._underWay: set[int] = set()

    # The link.

    @property
    def resume(self) -> Resume | None:
        """
        Where to go on; L{None}: there is no session.
        """
        if not self.session:
            return None
        return Resume(self.session, self.epoch, self.position, self.roleEpoch)

    def began(
        self, info: EventServerInfo, write: Callable[[bytes], None]
    ) -> ResumeResult:
        """
        The server has taken the client.

        @param write: sends frames.

        @return: what became of the session.
        """
        result = info.resumeResult
        if not isinstance(result, ResumeResult):
            result = ResumeResult.NEW
        if result is ResumeResult.NEW and self.session:
            result = ResumeResult.LOST
        self._write = write
        self._underWay.clear()
        self._mayJump = snapshot = result is ResumeResult.SNAPSHOT
        self._linkEpoch = info.roleEpoch or 0
        failed: list[_Asked] = []
        if not snapshot:
            self.roleEpoch = self._linkEpoch
        elif self.roleEpoch != self._linkEpoch:
            self._registerAgain()
        if result in (ResumeResult.NEW, ResumeResult.LOST):
            self.session = info.sessionID or ""
            self.epoch = info.epoch or 0
            self.position = self.handled = self._gapBefore = 0
            failed = self._beginAgain()
        self._acknowledged = self.handled
        self._unsent = deque([*self._restoring, *self._asked])
        self._sendMore()
        for asked in failed:
            asked.answered.errback(
                SessionLost("the server has lost the session: done, or not")
            )
        return result

    def broken(self) -> None:
        """
        The connection is gone.
        """
        self._write = None
        self._underWay.clear()
        timer, self._acknowledging = self._acknowledging, None
        if timer is not None:
            timer.cancel()

    def stopped(self, forget: bool) -> None:
        """
        There will be no other connection.

        @param forget: the session is over; else it can be resumed.
        """
        self.broken()
        if forget:
            self.session = ""
            self.epoch = self.position = self.handled = self.roleEpoch = 0
            self.registrations.clear()
        self._restoring.clear()
        for asked in self._asked.clear():
            asked.answered.errback(ClientStopped("the client was stopped"))

    def _beginAgain(self) -> list[_Asked]:
        """
        Nothing is registered, and no reference is known to the server.

        @return: requests of which nobody knows whether they were done.
        """
        failed = []
        for reference in self._asked:
            asked = self._asked.get(reference)
            assert asked is not None
            if asked.sent and not isinstance(asked.message, HARMLESS):
                self._asked.pop(reference)
                failed.append(asked)
            asked.sent = False
        self._registerAgain()
        return failed

    def _registerAgain(self) -> None:
        """
        Nobody knows what is registered.
        """
        asked = [self._asked.get(reference) for reference in self._asked]
        wanted = set(self.registrations).difference(
            one.message.thisDN or ""
            for one in asked
            if one is not None and isinstance(one.message, RequestRegisterAddress)
        )
        self._restoring = {
            self._reference(): request
            for dn, request in self.registrations.items()
            if dn in wanted
        }

    # Requests.

    def request(self, message: Message) -> Deferred[Message]:
        """
        Ask; see L{TLibraryClient.request<sipcluster.tlib.client.TLibraryClient>}.
        """
        body = encodeBody(message)
        reference = self._reference()
        answered: Deferred[Message] = Deferred(lambda _: self._cancelled(reference))
        try:
            asked = _Asked(message, body, answered)
            self._asked.add(reference, asked, self._timeOf(message))
        except CorrelationFull as e:
            answered.errback(TooManyRequests(str(e)))
            return answered
        if self._write is not None:  # else the next link begins with all of them
            self._unsent.append(reference)
            self._sendMore()
        return answered

    def _timeOf(self, message: Message) -> float:
        times = self._times
        return times.patient if message.patient else times.request

    def _cancelled(self, reference: int) -> None:
        # The server may be at it: it is under way until the answer comes.
        self._asked.pop(reference)

    def send(self, message: Message) -> None:
        """
        Send a message that has no answer, if there is a connection.
        """
        if self._write is not None:
            self._put(encode(message, self.handled))

    def _reference(self) -> int:
        """
        A reference that is not in use.
        """
        while True:
            self._last = self._last % LAST_REFERENCE + 1
            if self._last not in self._asked and self._last not in self._restoring:
                return self._last

    def _sendMore(self) -> None:
        """
        Send what waits, as far as the server takes it at one time.
        """
        while self._unsent and self._write is not None and len(self._underWay) < WINDOW:
            reference = self._unsent.popleft()
            asked = self._asked.get(reference)
            if asked is not None:
                asked.sent = True
                body = asked.body
            elif reference in self._restoring:
                body = encodeBody(self._restoring[reference])
            else:
                continue  # timed out, or cancelled
            self._underWay.add(reference)
            self._put(frame(self.handled, reference, body))

    def _put(self, data: bytes) -> None:
        assert self._write is not None
        self._acknowledged = self.handled
        self._unacknowledged = 0
        self._write(data)

    def _timedOut(self, reference: int, asked: _Asked) -> None:
        self._underWay.discard(reference)
        asked.answered.errback(
            RequestTimedOut(f"no answer in {self._timeOf(asked.message):g} seconds")
        )
        self._sendMore()

    # What comes.

    def received(self, envelope: Envelope, size: int) -> bool:
        """
        Take a message of the server.

        @param size: bytes that it had.

        @return: false: messages are missing before it; it was not taken.
        """
        position = envelope.position
        if position:
            if position <= self.position:
                # Its event was handed over, or was left out by a snapshot; whoever
                # asked may still wait.
                self.duplicates += 1
                if envelope.reference:
                    self._answered(envelope.reference, envelope.message)
                return True
            if position != self.position + 1 and not self._mayJump:
                self.gaps += 1
                if self._gapBefore != position:
                    self._gapBefore = position
                    return False
                self.log.error(
                    "the server has no events between {position} and {next}",
                    position=self.position,
                    next=position,
                )
            if self._mayJump:
                self._mayJump = False
                # Only now: what it had before a snapshot is of another primary.
                self.roleEpoch = self._linkEpoch
            self.position = position
            self._unacknowledged += size
        if envelope.reference and envelope.reference in self._restoring:
            envelope = self._restored(envelope)
        elif type(envelope.message) is EventUnregistered:
            self.registrations.pop(envelope.message.thisDN or "", None)
        try:
            self._eventReceived(envelope)
        except Exception:
            self.log.failure("eventReceived failed at {position}", position=position)
        if position:
            self._handledUpTo(position)
        if envelope.reference:
            self._answered(envelope.reference, envelope.message)
        return True

    def unreadable(self) -> None:
        """
        A message was dropped because it could not be read; it may have had a
        position.
        """
        self._mayJump = True

    def _handledUpTo(self, position: int) -> None:
        if self.position != position or self._write is None:
            return  # meanwhile the session or the link was given up
        self.handled = position
        if (
            position - self._acknowledged >= ACKNOWLEDGE
            or self._unacknowledged >= ACKNOWLEDGE_BYTES
        ):
            self._acknowledge()
        elif self._acknowledging is None:
            self._acknowledging = self._clock.callLater(
                self._times.acknowledge, self._acknowledgeLate
            )

    def _acknowledgeLate(self) -> None:
        self._acknowledging = None
        if self.handled != self._acknowledged:
            self._acknowledge()

    def _acknowledge(self) -> None:
        self.send(LinkPollAnswer())

    def _restored(self, envelope: Envelope) -> Envelope:
        """
        The answer to a registration that we made again by ourselves.
        """
        request = self._restoring.pop(envelope.reference)
        self._underWay.discard(envelope.reference)
        self._sendMore()
        message = envelope.message
        if isinstance(message, EventRegistered):
            return evolve(envelope, message=evolve(message, snapshot=1))
        dn = request.thisDN or ""
        if not _isThere(message):
            self.log.warn("{dn} could not be registered again", dn=dn)
            self.registrations.pop(dn, None)
        return envelope

    def _answered(self, reference: int, message: Message) -> None:
        self._underWay.discard(reference)
        asked = self._asked.pop(reference)
        if asked is None:
            self._sendMore()
            return
        request = asked.message
        if isinstance(request, RequestRegisterAddress):
            if isinstance(message, EventRegistered) or _isThere(message):
                self.registrations[request.thisDN or ""] = request
        elif isinstance(request, RequestUnregisterAddress):
            if isinstance(message, EventUnregistered):
                self.registrations.pop(request.thisDN or "", None)
        elif isinstance(request, RequestSetInputMask) and not isinstance(
            message, EventError
        ):
            self.mask = request.inputMask
        self._sendMore()
        if isinstance(message, EventError):
            asked.answered.errback(refusal(message))
        else:
            asked.answered.callback(message)


def _isThere(message: Message) -> bool:
    """
    Whether an answer says that the session has registered the DN already.
    """
    return (
        isinstance(message, EventError)
        and message.errorCode == TErrorCode.ALREADY_IN_STATE
    )
