"""
Asks by OPTIONS, and what an answer says about the peer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from sipcluster.servicecheck.iservicecheck import (
    IAnswerTaker,
    IAsker,
    IQuestion,
    Member,
)
from sipcluster.servicecheck.roles import ROLE, parseRole, renderRole
from sipcluster.sip.isip import ITransactionUser
from sipcluster.sip.message import Headers, Request, Response

__all__ = ["ROLE", "OptionsAsker", "parseRole", "renderRole"]

if TYPE_CHECKING:
    from sipcluster.sip.identifiers import Identifiers
    from sipcluster.sip.transactions import ClientTransaction, TransactionLayer


@implementer(ITransactionUser, IQuestion)
@define(eq=False)
class _Question:
    """
    One OPTIONS under way.
    """

    taker: IAnswerTaker | None
    transaction: ClientTransaction | None = field(default=None, repr=False)
    timer: IDelayedCall | None = None

    def responseReceived(self, response: Response) -> None:
        if response.status < 200:
            return
        taker = self._end()
        if self.transaction is not None:
            # An answer that comes again says nothing new.
            self.transaction.abandon()
        if taker is None:
            return
        if response.status == 503:
            taker.dead("answers 503")
        else:
            taker.alive(parseRole(response.headers.first(ROLE)))

    def transactionTimedOut(self) -> None:
        self._dead("no answer")

    def transportFailed(self, why: str) -> None:
        self._dead(why)

    def transactionTerminated(self) -> None:
        self.transaction = None

    def late(self, seconds: float) -> None:
        """
        The time we give the peer is over.
        """
        self.timer = None
        transaction = self.transaction
        self._dead(f"no answer in {seconds:g} s")
        if transaction is not None:
            transaction.abandon()

    def abandon(self) -> None:
        transaction = self.transaction
        self._end()
        if transaction is not None:
            transaction.abandon()

    def _dead(self, why: str) -> None:
        taker = self._end()
        if taker is not None:
            taker.dead(why)

    def _end(self) -> IAnswerTaker | None:
        timer, self.timer = self.timer, None
        if timer is not None:
            timer.cancel()
        taker, self.taker = self.taker, None
        return taker


@implementer(IAsker)
class OptionsAsker:
    """
    Asks members by OPTIONS over a transaction layer.  Any answer but 503 is a
    sign of life: a peer that answers 501 lives.
    """

    def __init__(
        self,
        clock: IReactorTime,
        layer: TransactionLayer,
        identifiers: Identifiers,
        ownURI: bytes,
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        """
        @param ownURI: who asks, for From and Contact.
        @param headers: to be put into every question: a node tells its role
            with them.
        """
        self._clock = clock
        self._layer = layer
        self._identifiers = identifiers
        self._ownURI = ownURI
        self._headers = tuple(headers)
        self._callIDs: dict[str, bytes] = {}
        self._sequence = 0

    def ask(self, member: Member, seconds: float, taker: IAnswerTaker) -> IQuestion:
        """
        See L{IAsker}.
        """
        uri = member.uri or _uriOf(member)
        callID = self._callIDs.get(member.name)
        if callID is None:
            callID = self._callIDs[member.name] = self._identifiers.callID()
        self._sequence = self._sequence % 0x7FFFFFFF + 1
        headers = Headers.of(
            (b"Max-Forwards", b"70"),
            (b"From", b"<%s>;tag=%s" % (self._ownURI, self._identifiers.tag())),
            (b"To", b"<%s>" % uri),
            (b"Call-ID", callID),
            (b"CSeq", b"%d OPTIONS" % self._sequence),
            (b"Contact", b"<%s>" % self._ownURI),
            *self._headers,
            (b"Content-Length", b"0"),
        )
        question = _Question(taker)
        request = Request(b"OPTIONS", uri, headers)
        question.timer = self._clock.callLater(seconds, question.late, seconds)
        transaction = self._layer.request(request, member.target, question)
        if question.taker is not None:
            question.transaction = transaction
        return question


def _uriOf(member: Member) -> bytes:
    target = member.target
    host = f"[{target.host}]" if ":" in target.host else target.host
    return f"sip:{host}:{target.port}".encode("ascii")
