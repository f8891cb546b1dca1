"""
A member of a pair tells every SIP Proxy what it has become, without being asked: what
waits there goes on at once, and not with the next question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.servicecheck.iservicecheck import Member, PeerRole
from sipcluster.servicecheck.roles import ROLE, parseRole, renderRole
from sipcluster.sip.isip import ITransactionUser
from sipcluster.sip.message import Headers, Request, Response

if TYPE_CHECKING:
    from sipcluster.sip.identifiers import Identifiers
    from sipcluster.sip.transactions import ClientTransaction, TransactionLayer

log = Logger()

#: Seconds until a SIP Proxy that has not answered is told once more, at first and at
#: most; and how often.  One that comes later asks by itself.
FIRST, LONGEST, TIMES = 0.1, 2.0, 20

#: Number in the log: a SIP Proxy knows of a later primary.
SUPERSEDED = "00-53304"


class Announcer:
    """
    Tells one role at a time; a new one takes the place of the one before.

    The answer of a SIP Proxy says as what it sees this member, and the highest epoch
    of the pair that it has seen.
    """

    def __init__(
        self,
        clock: IReactorTime,
        layer: TransactionLayer,
        identifiers: Identifiers,
        ownURI: bytes,
        proxies: Iterable[Member],
        superseded: Callable[[int], None] = lambda epoch: None,
    ) -> None:
        """
        @param layer: sends at once: what a SIP Proxy is told here nobody has to keep.
        @param ownURI: who tells it, for From and Contact.
        @param superseded: called with the epoch when a SIP Proxy has seen a higher one
            than that which it was told.
        """
        self._clock = clock
        self._layer = layer
        self._identifiers = identifiers
        self._ownURI = ownURI
        self._proxies = tuple(proxies)
        self._superseded = superseded
        self._tellings: dict[str, _Telling] = {}
        self._sequence = 0

    @property
    def unanswered(self) -> tuple[str, ...]:
        """
        Who has not answered.
        """
        return tuple(self._tellings)

    def announce(self, role: PeerRole) -> None:
        """
        Tell each SIP Proxy, until it has answered.
        """
        self.stop()
        for member in self._proxies:
            telling = _Telling(self, member, role, self._identifiers.callID())
            self._tellings[member.name] = telling
            telling.tell()

    def stop(self) -> None:
        """
        Tell nobody any more.
        """
        tellings, self._tellings = self._tellings, {}
        for telling in tellings.values():
            telling.end()

    # What follows is for what is told.

    def later(self, seconds: float, call: Callable[[], None]) -> IDelayedCall:
        """
        Make a call later.
        """
        return self._clock.callLater(seconds, call)

    def send(self, telling: _Telling) -> ClientTransaction:
        """
        Send it once.
        """
        self._sequence = self._sequence % 0x7FFFFFFF + 1
        member = telling.member
        uri = member.uri or b"sip:%b:%d" % (
            member.target.host.encode("ascii"),
            member.target.port,
        )
        headers = Headers.of(
            (b"Max-Forwards", b"70"),
            (b"From", b"<%b>;tag=%b" % (self._ownURI, self._identifiers.tag())),
            (b"To", b"<%b>" % uri),
            (b"Call-ID", telling.callID),
            (b"CSeq", b"%d OPTIONS" % self._sequence),
            (b"Contact", b"<%b>" % self._ownURI),
            (ROLE, renderRole(telling.role)),
            (b"Content-Length", b"0"),
        )
        return self._layer.request(
            Request(b"OPTIONS", uri, headers), member.target, telling
        )

    def sendAgain(self, transaction: ClientTransaction) -> None:
        """
        Send it once more, sooner than the transaction does.
        """
        self._layer.follow(transaction, transaction.target, True)

    def done(self, telling: _Telling) -> None:
        """
        A SIP Proxy is told no more.
        """
        if self._tellings.get(telling.member.name) is telling:
            del self._tellings[telling.member.name]

    def answered(self, telling: _Telling, response: Response) -> None:
        """
        A SIP Proxy has taken it, or refused it.
        """
        self.done(telling)
        seen = parseRole(response.headers.first(ROLE)).epoch
        if seen > telling.role.epoch:
            log.error(
                "{number}: {proxy} knows of a primary of {pair} in epoch {epoch}",
                number=SUPERSEDED,
                proxy=telling.member.name,
                pair=telling.role.pair,
                epoch=seen,
            )
            self._superseded(seen)


@implementer(ITransactionUser)
@define(eq=False)
class _Telling:
    """
    One SIP Proxy is told one role.
    """

    announcer: Announcer | None = field(repr=False)
    member: Member
    role: PeerRole
    callID: bytes
    times: int = 0
    transaction: ClientTransaction | None = field(default=None, repr=False)
    timer: IDelayedCall | None = None

    def tell(self) -> None:
        """
        Tell it, and once more after a while.
        """
        self.timer = None
        announcer = self.announcer
        if announcer is None:
            return
        if self.times >= TIMES:
            self.end()
            announcer.done(self)
            return
        self.timer = announcer.later(min(LONGEST, FIRST * 2**self.times), self.tell)
        self.times += 1
        if self.transaction is not None:
            announcer.sendAgain(self.transaction)
            return
        transaction = announcer.send(self)
        if self.announcer is not None:
            self.transaction = transaction

    def responseReceived(self, response: Response) -> None:
        announcer = self.announcer
        status = response.status
        if announcer is None or status < 200 or status in (408, 500, 503):
            return
        self.end()
        announcer.answered(self, response)

    def transactionTimedOut(self) -> None: ...

    def transportFailed(self, why: str) -> None: ...

    def transactionTerminated(self) -> None:
        self.transaction = None

    def end(self) -> None:
        """
        It is told no more.
        """
        self.announcer = None
        timer, self.timer = self.timer, None
        if timer is not None:
            timer.cancel()
        transaction, self.transaction = self.transaction, None
        if transaction is not None:
            transaction.abandon()
