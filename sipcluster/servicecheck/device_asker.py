"""
Asks devices by OPTIONS, through the SIP Proxies.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from attrs import define, field, frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from sipcluster.servicecheck.iservicecheck import (
    IAnswerTaker,
    IAsker,
    IQuestion,
    Member,
    PeerRole,
)
from sipcluster.servicecheck.roles import ROLE, parseRole
from sipcluster.sip.isip import ITransactionUser, Target
from sipcluster.sip.message import Headers, Request, Response

if TYPE_CHECKING:
    from sipcluster.sip.identifiers import Identifiers
    from sipcluster.sip.transactions import ClientTransaction, TransactionLayer

_ALIVE = PeerRole()

#: Answers that a SIP Proxy gives for a device that it does not reach, and that of
#: a device that does not serve, which a SIP Proxy turns into a 500.  Every other
#: one is a sign of life: a telephone that is busy lives, and so does one that does
#: not know OPTIONS.
DEAD = frozenset([408, 430, 480, 500, 502, 503, 504])


@frozen
class Way:
    """
    A way to devices.

    @ivar name: of the SIP Proxy.
    @ivar route: its Route value.
    """

    name: str
    target: Target
    route: bytes


@implementer(IAsker)
class DeviceAsker:
    """
    Asks by OPTIONS.  A device that has not answered in half of its time is asked
    through another SIP Proxy as well: it may be the first one that is silent.
    """

    def __init__(
        self,
        clock: IReactorTime,
        layer: TransactionLayer,
        identifiers: Identifiers,
        ownURI: bytes,
        way: Callable[[Collection[str]], Way | None],
    ) -> None:
        """
        @param ownURI: who asks, for From and Contact.
        @param way: finds the SIP Proxy to use, given the names of those that were
            used already.
        """
        self._clock = clock
        self._layer = layer
        self._identifiers = identifiers
        self._ownURI = ownURI
        self._way = way
        self._sequence = 0

    def ask(self, member: Member, seconds: float, taker: IAnswerTaker) -> IQuestion:
        """
        See L{IAsker}.
        """
        question = _Question(self, member, seconds, self._identifiers.callID(), taker)
        question.timer = self._clock.callLater(seconds / 2, question.halfTime)
        question.askThroughAnother()
        return question

    def later(self, seconds: float, call: Callable[[], None]) -> IDelayedCall:
        """
        Make a call later.
        """
        return self._clock.callLater(seconds, call)

    def send(self, question: _Question) -> _Part | None:
        """
        Send a question through a SIP Proxy that it has not gone through.

        @return: L{None} when there is none.
        """
        way = self._way(question.tried)
        if way is None:
            return None
        question.tried.add(way.name)
        self._sequence = self._sequence % 0x7FFFFFFF + 1
        uri = question.member.uri
        headers = Headers.of(
            (b"Route", b"<%b>" % way.route),
            (b"Max-Forwards", b"70"),
            (b"From", b"<%b>;tag=%b" % (self._ownURI, self._identifiers.tag())),
            (b"To", b"<%b>" % uri),
            (b"Call-ID", question.callID),
            (b"CSeq", b"%d OPTIONS" % self._sequence),
            (b"Contact", b"<%b>" % self._ownURI),
            (b"Accept", b"application/sdp"),
            (b"Content-Length", b"0"),
        )
        part = _Part(question)
        question.parts.append(part)
        transaction = self._layer.request(
            Request(b"OPTIONS", uri, headers), way.target, part
        )
        if part.question is not None:
            part.transaction = transaction
        return part


@implementer(IQuestion)
@define(eq=False)
class _Question:
    """
    One question under way, through one SIP Proxy or two.

    @ivar why: what became of the part that ended last.
    """

    asker: DeviceAsker
    member: Member
    seconds: float
    callID: bytes
    taker: IAnswerTaker | None
    timer: IDelayedCall | None = None
    tried: set[str] = field(factory=set)
    parts: list[_Part] = field(factory=list)
    why: str = "no answer"

    def askThroughAnother(self) -> None:
        """
        Send it, if there is a way left.
        """
        if self.asker.send(self) is None and not self.parts:
            self._dead("no SIP Proxy")

    def halfTime(self) -> None:
        """
        Half of the time is over.
        """
        self.timer = self.asker.later(self.seconds / 2, self.late)
        self.askThroughAnother()

    def late(self) -> None:
        """
        All of it is.
        """
        self.timer = None
        self._dead(f"no answer in {self.seconds:g} s")

    def answered(self, response: Response) -> None:
        """
        A final answer came.
        """
        status = response.status
        if status in DEAD:
            self._dead(f"answers {status}")
        else:
            taker = self._end()
            if taker is not None:
                said = response.headers.first(ROLE)
                taker.alive(_ALIVE if said is None else parseRole(said))

    def partFailed(self, part: _Part, why: str) -> None:
        """
        A SIP Proxy has not answered, or could not be asked.
        """
        if part in self.parts:
            self.parts.remove(part)
        self.asker.send(self)
        if not self.parts:
            self._dead(why)

    def abandon(self) -> None:
        """
        See L{IQuestion}.
        """
        self._end()

    def _dead(self, why: str) -> None:
        taker = self._end()
        if taker is not None:
            taker.dead(why)

    def _end(self) -> IAnswerTaker | None:
        timer, self.timer = self.timer, None
        if timer is not None:
            timer.cancel()
        parts, self.parts = self.parts, []
        for part in parts:
            part.abandon()
        taker, self.taker = self.taker, None
        return taker


@implementer(ITransactionUser)
@define(eq=False)
class _Part:
    """
    A question on its way through one SIP Proxy.
    """

    question: _Question | None
    transaction: ClientTransaction | None = field(default=None, repr=False)

    def responseReceived(self, response: Response) -> None:
        question = self.question
        if response.status >= 200 and question is not None:
            question.answered(response)

    def transactionTimedOut(self) -> None:
        self._failed("no answer")

    def transportFailed(self, why: str) -> None:
        self._failed(why)

    def transactionTerminated(self) -> None:
        self.transaction = None

    def abandon(self) -> None:
        """
        Nobody wants to know any more.
        """
        self.question = None
        transaction, self.transaction = self.transaction, None
        if transaction is not None:
            transaction.abandon()

    def _failed(self, why: str) -> None:
        question, self.question = self.question, None
        if question is not None:
            question.partFailed(self, why)
