"""
What became of one request: its branches, and which response goes back (RFC 3261
section 16.7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.sip.isip import IServerTransactionUser
from sipcluster.sip.message import Request, Response, makeResponse
from sipcluster.sipproxy.best_response import BestResponse
from sipcluster.sipproxy.branch import Branch
from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.destinations import Destination, Hop
from sipcluster.sipproxy.isipproxy import Answer
from sipcluster.sipproxy.outgoing import upstream

if TYPE_CHECKING:
    from sipcluster.sip.transactions import ServerTransaction
    from sipcluster.sipproxy.forwarding import Forwarding

log = Logger()

#: Why a branch is cancelled (RFC 3326 section 3.1).
ELSEWHERE = ((b"Reason", b'SIP;cause=200;text="Call completed elsewhere"'),)
_DECLINED = ((b"Reason", b"SIP;cause=600"),)


@implementer(IServerTransactionUser)
class ResponseContext:
    """
    Joins one server transaction with the client transactions of its forks.

    @ivar answered: whether a final response went back.
    @ivar pending: how many destinations may still give one.
    """

    __slots__ = (
        "_best",
        "_branches",
        "_cancelled",
        "_declined",
        "_forwarding",
        "_locating",
        "_started",
        "_transaction",
        "answered",
        "context",
        "invite",
        "pending",
    )

    def __init__(
        self,
        forwarding: Forwarding,
        context: RequestContext,
        transaction: ServerTransaction,
    ) -> None:
        self._forwarding = forwarding
        self._transaction: ServerTransaction | None = transaction
        self.context = context
        self.invite = context.request.method == b"INVITE"
        self._branches: list[Branch] = []
        self._locating: list[Deferred[None]] = []
        self._best: BestResponse | None = None
        self._started = False
        self._cancelled = False
        self._declined = False
        self.answered = False
        self.pending = 0

    # What the chain says

    def answer(self, answer: Answer) -> None:
        """
        The chain said what to answer.
        """
        if not self.answered:
            toTag = self._forwarding.identifiers.tag()
            self._reply(
                makeResponse(
                    self.context.request,
                    answer.status,
                    answer.reason,
                    toTag,
                    answer.headers,
                )
            )
            if answer.stateless and self._transaction is not None:
                self._transaction.forget()

    def start(self) -> None:
        """
        The chain has said where to send the request.
        """
        self._started = True
        if self._cancelled or self.answered:
            return
        if self.invite and self._transaction is not None:
            # At once: whoever is asked next may think for a while.
            self._transaction.respond(makeResponse(self.context.request, 100))
        self._advance()

    # What the server transaction tells

    def cancelReceived(self, cancel: Request) -> None:
        """
        See L{IServerTransactionUser}.
        """
        self._cancelled = True
        if self.answered:
            return
        self.context.groups = []
        reasons = tuple((b"Reason", v) for v in cancel.headers.all(b"Reason"))
        for destination in self._forwarding.takeover.forget(self):
            self._unsent(destination)
        if not self._branches and not self.answered:
            # Nothing was sent yet: no one else is going to answer.
            self._offer(487)
            self._finish()
        self._cancelBranches(reasons)
        for locating in tuple(self._locating):
            locating.cancel()

    def ackReceived(self, ack: Request) -> None:
        """
        See L{IServerTransactionUser}.
        """
        transaction = self._transaction
        if transaction is not None and 200 <= transaction.responded < 300:
            # An RFC 2543 peer: its ACK of a 2xx looks as if it were for us.
            self._forwarding.passAck(ack, self.context.flow)

    def acknowledgementMissing(self) -> None:
        """
        See L{IServerTransactionUser}.
        """

    def transportFailed(self, why: str) -> None:
        """
        See L{IServerTransactionUser}.
        """
        self._forwarding.count("unreturnable")

    def transactionTerminated(self) -> None:
        """
        See L{IServerTransactionUser}.
        """
        self._transaction = None
        if not self.answered:
            # It ended under our hands: nobody waits for an answer any more.
            self.answered = True
            self.context.groups = []
            self._cancelBranches(())

    # What the branches tell

    def heard(self, branch: Branch) -> None:
        """
        The first response of any kind.
        """
        self._forwarding.answers(branch)

    def provisional(self, branch: Branch, response: Response) -> None:
        """
        A 1xx that is no 100.
        """
        self._forwarding.rings(branch)
        if self.invite and not self.answered and self._transaction is not None:
            back = upstream(response)
            if back is not None:
                self._transaction.respond(back)

    def final(self, branch: Branch, response: Response) -> None:
        """
        The one final response of a branch.
        """
        status = response.status
        back = upstream(response)
        if back is None:
            self.failed(branch, 502, "its response cannot be read")
            return
        self.pending -= 1
        if 200 <= status < 300:
            self._success(back)
            return
        destination = branch.destination
        if status == 503 and destination.retries and not self._mayNotRetry():
            self.pending += 1
            destination.failed = 503
            if self._sendNext(destination):
                self._forwarding.count("failovers")
                return
            self.pending -= 1
        if status == 430 and destination.unreachable == 480:
            self._offer(480)  # the flow of a device, not the one of the request
        else:
            self._offer(status, back, destination.speaksForAll)
        if status >= 600:
            self._declined = True
            self.context.groups = []
            self._cancelBranches(_DECLINED)
        self._advance()

    def anotherSuccess(self, response: Response) -> None:
        """
        A further 2xx: every one of an INVITE goes back (section 16.7 step 5).
        """
        back = upstream(response)
        if back is None or not self.invite:
            return
        if self._transaction is None:
            self._forwarding.count("late2xx")
        else:
            self._success(back)

    def failed(self, branch: Branch, status: int, why: str, blame: bool = True) -> None:
        """
        A branch has come to an end without a final response.

        @param blame: whether that is the fault of whoever it was sent to.
        """
        if blame:
            self._forwarding.branchFailed(branch, why)
        destination = branch.destination
        destination.failed = status
        mayRetry = not branch.heard and not self._mayNotRetry()
        if mayRetry and self._sendNext(destination):
            self._forwarding.count("failovers")
            return
        if mayRetry and self._forwarding.takeover.park(self, destination):
            return
        self.pending -= 1
        self._offer(self._statusOf(destination), None, destination.speaksForAll)
        self._advance()

    def memberGone(self, branch: Branch, why: str) -> None:
        """
        The member at the other end is out of service, and never said a word.
        """
        if not branch.over:
            branch.abandon()
            self.failed(branch, 503, why)

    def elsewhere(self, branch: Branch) -> None:
        """
        The pair of a branch has no primary: try another one, if there is another.
        """
        if not self._mayNotRetry() and self._sendNext(branch.destination):
            self._forwarding.count("failovers")
            branch.abandon()

    def unparked(self, destination: Destination, hop: Hop | None) -> None:
        """
        A destination without a hop waits no more.

        @param hop: to the one that serves now; L{None} when nobody does.
        """
        if hop is None or self._mayNotRetry() or not self._sendTo(destination, hop):
            self._unsent(destination)

    def gone(self, branch: Branch) -> None:
        """
        The client transaction of a branch has left the table.
        """
        if branch in self._branches:
            self._branches.remove(branch)
        self._forwarding.takeover.gone(branch)

    # Sending

    def _mayNotRetry(self) -> bool:
        return self._cancelled or self._declined or self.answered

    def _advance(self) -> None:
        """
        Send to the next group when nothing is left of the ones before.
        """
        groups = self.context.groups
        while self.pending == 0 and groups and not self._mayNotRetry():
            group = groups.pop(0)
            self.pending += len(group)
            for destination in group:
                self._begin(destination)
        if self.pending == 0 and not self.answered:
            self._finish()

    def _begin(self, destination: Destination) -> None:
        locating = self._forwarding.locate(destination)
        if locating is None:
            self._sendFirst(destination)
            return
        self._locating.append(locating)
        locating.addCallbacks(
            self._located,
            self._notLocated,
            callbackArgs=(locating, destination),
            errbackArgs=(locating, destination),
        )
        locating.addErrback(lambda f: log.failure("sending", failure=f))

    def _located(
        self, _: None, locating: Deferred[None], destination: Destination
    ) -> None:
        self._locating.remove(locating)
        self._sendFirst(destination)

    def _notLocated(
        self, failure: Failure, locating: Deferred[None], destination: Destination
    ) -> None:
        self._locating.remove(locating)
        if not isinstance(failure.value, CancelledError):
            log.warn("{why}", why=failure.getErrorMessage(), uri=destination.uri)
        self._unsent(destination)

    def _sendFirst(self, destination: Destination) -> None:
        if self._mayNotRetry() or not (
            self._sendNext(destination)
            or self._forwarding.takeover.park(self, destination)
        ):
            self._unsent(destination)

    def _unsent(self, destination: Destination) -> None:
        self.pending -= 1
        if not self.answered:
            self._offer(self._statusOf(destination), None, destination.speaksForAll)
            self._advance()

    def _sendNext(self, destination: Destination) -> bool:
        """
        Send to the next hop of a destination.

        @return: False when it has none left.
        """
        return any(self._sendTo(destination, hop) for hop in destination.hops)

    def _sendTo(self, destination: Destination, hop: Hop) -> bool:
        branch = Branch(self, destination, hop)
        self._branches.append(branch)
        if self._forwarding.send(branch, self.context):
            return True
        self._branches.remove(branch)
        return False

    def _statusOf(self, destination: Destination) -> int:
        if self._cancelled:
            return 487
        if destination.failed == 408:
            return 408
        return destination.unreachable

    def _cancelBranches(self, why: tuple[tuple[bytes, bytes], ...]) -> None:
        if self.invite:
            for branch in tuple(self._branches):
                branch.cancel(why)

    # Answering

    def _offer(
        self, status: int, response: Response | None = None, true503: bool = False
    ) -> None:
        if self._best is None:
            self._best = BestResponse()
        self._best.offer(status, response, true503)

    def _success(self, response: Response) -> None:
        hook = self.context.success
        if self.answered:
            if self.invite:
                self._reply(response)
            return
        self.context.groups = []
        if hook is not None:
            self.context.success = None
            self.answered = True
            hook(self.context, response, self._reply)
        else:
            self._reply(response)
        self._cancelBranches(ELSEWHERE)

    def _finish(self) -> None:
        best = self._best or BestResponse(487 if self._cancelled else 480)
        self._reply(
            best.choose(self.context.request, self._forwarding.identifiers.tag())
        )

    def _reply(self, response: Response) -> None:
        self.answered = True
        if self._transaction is not None:
            self._transaction.respond(response)
