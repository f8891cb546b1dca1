"""
Reliable provisional responses (RFC 3262): which 1xx is one, what its PRACK says, and
sending them until it comes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import define, field, frozen
from automat import TypeMachine, TypeMachineBuilder
from twisted.logger import Logger

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.grammar import MAX_UNSIGNED, clampedNumber
from sipcluster.sip.machine import indexed
from sipcluster.sip.message import Message, Request, Response, parseMessage
from sipcluster.sip.timers import TimerQueue, TimerSet, TimerValues

log = Logger()

#: The option tag.
OPTION = b"100rel"

#: The greatest number of a response (section 7.1).
MAX_RSEQ = 2**32 - 1

#: Responses that may wait for their turn; further ones are left out.
MAX_WAITING = 8


def _lists(message: Message, name: bytes) -> bool:
    headers = message.headers
    return name in headers and any(
        tag.lower() == OPTION for tag in headers.values(name)
    )


def requires(message: Message) -> bool:
    """
    Whether a message says C{Require: 100rel}.
    """
    return _lists(message, b"Require")


def supports(message: Message) -> bool:
    """
    Whether its sender takes reliable provisional responses.
    """
    return _lists(message, b"Supported") or requires(message)


def responseNumber(response: Response) -> int:
    """
    The number of a reliable provisional response.

    @return: 0: it is none.

    @raise MalformedMessage: it cannot be read.
    """
    value = response.headers.first(b"RSeq")
    if value is None or not 100 < response.status < 200 or not requires(response):
        return 0
    return clampedNumber(value.strip(), "RSeq", MAX_RSEQ)


@frozen
class Acknowledged:
    """
    Which response a PRACK acknowledges: the value of its RAck.

    @ivar response: the number of the response.
    @ivar request: the CSeq number of the request that it answers.
    @ivar method: of that request.
    """

    response: int
    request: int
    method: bytes = b"INVITE"

    @classmethod
    def of(cls, prack: Request) -> Acknowledged:
        """
        Read it from a PRACK.

        @raise MalformedMessage: there is none, or it cannot be read.
        """
        value = prack.headers.first(b"RAck")
        words = (value or b"").split()
        if len(words) != 3:
            raise MalformedMessage("no RAck", value or b"")
        return cls(
            clampedNumber(words[0], "RAck", MAX_RSEQ),
            clampedNumber(words[1], "RAck", MAX_UNSIGNED),
            words[2],
        )

    def render(self) -> bytes:
        """
        Write it.
        """
        return b"%d %d %b" % (self.response, self.request, self.method)


class Sending(Protocol):
    """
    What may happen to the reliable provisional responses to one INVITE.
    """

    def send(self, response: Response) -> None:
        "There is another one."

    def acknowledged(self) -> None:
        "The PRACK of the one that is sent has come."

    def again(self) -> None:
        "Time to send it again."

    def expired(self) -> None:
        "No PRACK came in 64*T1."

    def stop(self) -> None:
        "The INVITE has its final response."


@frozen
class ReliableValue:
    """
    The reliable provisional responses to one INVITE, written down.

    @ivar number: that of the last one that was sent.
    @ivar response: it, until it is acknowledged.
    @ivar left: seconds that this may still take.
    @ivar waiting: those whose turn comes then.
    @ivar described: one of them had a session description: the answer to the INVITE.
    """

    number: int
    response: bytes = b""
    left: float = 0.0
    waiting: tuple[bytes, ...] = ()
    described: bool = False


@define(eq=False)
class ReliableResponses:
    """
    The reliable provisional responses to one INVITE, one after the other: the next
    one is sent when the last one is acknowledged (section 3).

    @ivar number: of the last one that was sent.
    @ivar current: it, until it is acknowledged.
    @ivar waiting: those whose turn comes then.
    @ivar described: one of them had a session description: the answer to the INVITE.
    """

    _queue: TimerQueue
    _t: TimerValues
    _transmit: Callable[[Response], None]
    _unacknowledged: Callable[[], None]
    number: int
    current: Response | None = None
    waiting: list[Response] = field(factory=list)
    described: bool = False
    _interval: float = 0.0
    _within: float = 0.0
    _timers: TimerSet = field(init=False)
    _machine: Sending = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._timers = TimerSet(self._queue)
        self._machine = _machine(self)

    # What the user does

    def send(self, response: Response) -> None:
        """
        Send another one, in its turn.

        @param response: without C{Require} and C{RSeq}.
        """
        self.described |= bool(response.body)
        self._machine.send(response)

    def received(self, rack: Acknowledged) -> bool:
        """
        A PRACK has come.

        @return: whether it acknowledges what was sent last; else it is to be
            answered 481.
        """
        current = self.current
        if current is None or rack != Acknowledged(self.number, current.cseq.number):
            return False
        self._machine.acknowledged()
        return True

    @property
    def describing(self) -> bool:
        """
        Whether one that is not acknowledged has a session description: until then the
        INVITE must not be accepted.
        """
        return self.current is not None and bool(self.current.body)

    def stop(self) -> None:
        """
        The INVITE has its final response, or nobody wants to know any more.
        """
        self._machine.stop()

    # Writing down

    def value(self) -> ReliableValue:
        """
        Write them down.
        """
        current = self.current
        return ReliableValue(
            self.number,
            b"" if current is None else current.render(),
            self._timers.left("expired"),
            tuple(response.render() for response in self.waiting),
            self.described,
        )

    def adopt(self, value: ReliableValue) -> None:
        """
        Go on with what another process has sent: that is sent again.

        @raise MalformedMessage: it cannot be read.
        """
        waiting = [parseMessage(data) for data in value.waiting]
        last = parseMessage(value.response) if value.response else None
        self.number = value.number
        self.described = value.described
        if isinstance(last, Response):
            self.number -= 1
            self._within = value.left
            self._machine.send(_bare(last))
        for response in waiting:
            if isinstance(response, Response):
                self._machine.send(response)

    # What follows is for the machine.

    def begin(self, response: Response) -> None:
        """
        Send the next one for the first time.
        """
        machine = self._machine
        self.number += 1
        headers = response.headers.append(b"Require", OPTION)
        headers = headers.append(b"RSeq", b"%d" % self.number)
        self.current = response.replacing(headers=headers)
        self._interval = self._t.t1
        within, self._within = self._within or 64 * self._t.t1, 0.0
        self._timers.start("again", self._interval, machine.again)
        self._timers.start("expired", within, machine.expired)
        self._transmit(self.current)

    def repeat(self) -> None:
        """
        Send it again.
        """
        if self.current is not None:
            self._transmit(self.current)
        self._interval *= 2
        self._timers.start("again", self._interval, self._machine.again)

    def settle(self) -> None:
        """
        It is acknowledged.
        """
        self._timers.stopAll()
        self.current = None
        if self.waiting:
            self._machine.send(self.waiting.pop(0))

    def finish(self) -> None:
        """
        Let go of everything.
        """
        self._timers.stopAll()
        self.current = None
        self.waiting.clear()
        self._transmit = self._unacknowledged = _nothing

    def giveUp(self) -> None:
        """
        Nobody acknowledges it.
        """
        unacknowledged = self._unacknowledged
        self.finish()
        try:
            unacknowledged()
        except Exception:
            log.failure("1xx without PRACK")


def _bare(response: Response) -> Response:
    """
    One as it was before it was numbered.
    """
    headers = response.headers.remove(b"RSeq").remove(b"Require")
    return response.replacing(headers=headers)


def _nothing(response: Response | None = None) -> None:
    """
    Called in place of what is over.
    """


def _build() -> TypeMachine[Sending, ReliableResponses]:
    m = TypeMachineBuilder(Sending, ReliableResponses)
    idle = m.state("Idle")
    waiting = m.state("Waiting for PRACK")
    ended = m.state("Ended")

    @idle.upon(Sending.send).to(waiting)
    def begin(sending: Sending, s: ReliableResponses, response: Response) -> None:
        s.begin(response)

    @waiting.upon(Sending.send).loop()
    def wait(sending: Sending, s: ReliableResponses, response: Response) -> None:
        if len(s.waiting) < MAX_WAITING:
            s.waiting.append(response)

    @waiting.upon(Sending.again).loop()
    def again(sending: Sending, s: ReliableResponses) -> None:
        s.repeat()

    @waiting.upon(Sending.acknowledged).to(idle)
    def settle(sending: Sending, s: ReliableResponses) -> None:
        s.settle()

    @waiting.upon(Sending.expired).to(ended)
    def giveUp(sending: Sending, s: ReliableResponses) -> None:
        s.giveUp()

    @idle.upon(Sending.stop).to(ended)
    @waiting.upon(Sending.stop).to(ended)
    def finish(sending: Sending, s: ReliableResponses) -> None:
        s.finish()

    # Late, and harmless.
    for state in (idle, ended):
        state.upon(Sending.again).loop().returns(None)
        state.upon(Sending.expired).loop().returns(None)
        state.upon(Sending.acknowledged).loop().returns(None)
    ended.upon(Sending.send).loop().returns(None)
    ended.upon(Sending.stop).loop().returns(None)
    return m.build()


_machine = indexed(_build())
