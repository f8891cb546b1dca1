"""
One attempt to have a request answered: a client transaction of the proxy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.sip.isip import ITransactionUser
from sipcluster.sip.message import Response
from sipcluster.sip.timers import Timer
from sipcluster.sipproxy.destinations import Destination, Hop

if TYPE_CHECKING:
    from sipcluster.servicecheck.iservicecheck import Member
    from sipcluster.sip.transactions import ClientTransaction, TransactionLayer
    from sipcluster.sipproxy.response_context import ResponseContext

log = Logger()


@implementer(ITransactionUser)
class Branch:
    """
    Tells its response context what becomes of one client transaction.

    @ivar context: L{None} once the transaction is gone.
    @ivar heard: whether any response came.
    @ivar rang: whether a 1xx other than 100 came: an INVITE is known there.
    @ivar over: whether a final response came, or none is waited for any more.
    @ivar cancelled: whether the other side was asked to give up.
    @ivar timerC: runs while an INVITE waits (RFC 3261 section 16.8).
    @ivar rangAt: when it began to count, in seconds of the clock.
    """

    __slots__ = (
        "cancelled",
        "context",
        "destination",
        "heard",
        "hop",
        "over",
        "rang",
        "rangAt",
        "timerC",
        "transaction",
    )

    def __init__(
        self, context: ResponseContext, destination: Destination, hop: Hop
    ) -> None:
        self.context: ResponseContext | None = context
        self.destination = destination
        self.hop = hop
        self.transaction: ClientTransaction | None = None
        self.timerC: Timer | None = None
        self.rangAt = 0.0
        self.heard = False
        self.rang = False
        self.over = False
        self.cancelled = False

    def responseReceived(self, response: Response) -> None:
        """
        See L{ITransactionUser}.
        """
        context = self.context
        if context is None:
            return
        if not self.heard:
            self.heard = True
            context.heard(self)
        status = response.status
        if status < 200:
            if status > 100 and not self.over:
                self.rang = True
                context.provisional(self, response)
        elif not self.over:
            self.end()
            context.final(self, response)
        elif status < 300:
            context.anotherSuccess(response)

    def transactionTimedOut(self) -> None:
        """
        See L{ITransactionUser}.
        """
        self.fail(408, "no response")

    def transportFailed(self, why: str) -> None:
        """
        See L{ITransactionUser}.
        """
        self.fail(503, why)

    def transactionTerminated(self) -> None:
        """
        See L{ITransactionUser}.
        """
        context, self.context = self.context, None
        self.transaction = None
        self.end()
        if context is not None:
            context.gone(self)

    def fail(self, status: int, why: str, blame: bool = True) -> None:
        """
        Nothing more is to be expected of this attempt.

        @param blame: whether that is the fault of whoever is at the other end.
        """
        if self.over or self.context is None:
            return
        self.end()
        target = self.hop.target
        log.warn(
            "no answer from {flow}: {why}",
            flow=f"{target.host}:{target.port} ({target.transportName})",
            why=why,
            status=status,
        )
        self.context.failed(self, status, why, blame)

    def end(self) -> None:
        """
        Wait no longer for a final response.
        """
        self.over = True
        timer, self.timerC = self.timerC, None
        if timer is not None:
            timer.cancel()

    def cancel(self, why: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        """
        Ask the other side to give up.  The final response still comes.

        @param why: fields for the CANCEL, such as C{Reason} (RFC 3326).
        """
        if not self.over and not self.cancelled:
            self.cancelled = True
            if self.transaction is not None:
                self.transaction.cancel(why)

    def abandon(self) -> None:
        """
        Expect nothing more of a member that is gone.  Should it wake up after
        all, an INVITE is cancelled there.
        """
        self.end()
        transaction = self.transaction
        if transaction is not None:
            if transaction.request.method == b"INVITE":
                transaction.cancel()
            else:
                transaction.abandon()

    @property
    def waits(self) -> bool:
        """
        Whether whoever goes on for the other end may not know of the request: one
        that serves tells its other member of an INVITE before it rings, and of any
        other request before it answers.
        """
        return not self.over and self.context is not None and not self.rings

    @property
    def rings(self) -> bool:
        """
        Whether this is an INVITE that whoever goes on for the other end knows.
        """
        transaction = self.transaction
        return (
            self.rang
            and transaction is not None
            and transaction.request.method == b"INVITE"
        )

    def follow(self, member: Member, layer: TransactionLayer) -> None:
        """
        Go on at another member of the pair, which has taken over.
        """
        transaction = self.transaction
        if transaction is None:
            return
        self.hop = Hop(member.target, None, member, skips=self.hop.skips)
        waits = self.waits
        layer.follow(transaction, member.target, waits and not self.cancelled)
        if waits and self.cancelled:
            # Perhaps nobody there knows of it, and nobody answers.
            self.fail(503, "cancelled, and its member has failed", False)

    def timerCFired(self) -> None:
        """
        It rang for too long.
        """
        self.timerC = None
        if self.heard:
            self.cancel()
        else:
            self.fail(408, "timer C")
