"""
An INVITE that a session has accepted.
"""

from __future__ import annotations

from collections.abc import Callable

from zope.interface import implementer

from sipcluster.sip.acknowledgement import successRepeater
from sipcluster.sip.isip import IServerTransactionUser
from sipcluster.sip.message import Request, Response
from sipcluster.sip.server_transaction import ServerTransaction
from sipcluster.sip.timers import TimerQueue


@implementer(IServerTransactionUser)
class Accepted:
    """
    Our 2xx, which is sent until it is acknowledged (RFC 3261 section 13.3.1.4).

    @ivar number: the CSeq number of the INVITE.
    @ivar offered: the 2xx has our offer: the ACK has the answer.
    """

    def __init__(
        self,
        timers: TimerQueue,
        transaction: ServerTransaction,
        response: Response,
        offered: bool,
        acknowledged: Callable[[Accepted, Request], None],
        unacknowledged: Callable[[], None],
    ) -> None:
        self.number = transaction.request.cseq.number
        self.offered = offered
        self._transaction: ServerTransaction | None = transaction
        self._response = response
        self._acknowledged: Callable[[Accepted, Request], None] | None = acknowledged
        self._repeater = successRepeater(timers, self._send, unacknowledged)
        transaction.user = self

    def start(self) -> None:
        """
        Send it.
        """
        self._repeater.start()

    def _send(self) -> None:
        if self._transaction is not None:
            self._transaction.respond(self._response)

    def stop(self) -> None:
        """
        Nobody waits for the ACK any more.
        """
        self._acknowledged = None
        self._repeater.stop()

    def ackReceived(self, ack: Request) -> None:
        """
        The ACK has come; only the first one counts.
        """
        acknowledged = self._acknowledged
        if acknowledged is not None and ack.cseq.number == self.number:
            self.stop()
            acknowledged(self, ack)

    def cancelReceived(self, cancel: Request) -> None:
        """
        It is answered already.
        """

    def acknowledgementMissing(self) -> None:
        """
        Of a failure; this is none.
        """

    def transportFailed(self, why: str) -> None:
        """
        It is sent again until it is acknowledged.
        """

    def transactionTerminated(self) -> None:
        """
        It cannot be sent any more.
        """
        self._transaction = None
