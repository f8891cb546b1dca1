"""
The client half of the transaction layer: requests on their way, found by the
responses that come back (RFC 3261 section 17.1.3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.sip.client_moves import follow, reroute, viaStart
from sipcluster.sip.client_transaction import ClientTransaction, Fields
from sipcluster.sip.errors import NoTransport
from sipcluster.sip.headers import VIA
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.invite_client import InviteClient, inviteClient, makeCancel
from sipcluster.sip.isip import IFlow, ITransactionUser, ITransportLayer, Target
from sipcluster.sip.load import Load
from sipcluster.sip.message import Request, Response
from sipcluster.sip.no_flow import NoFlow
from sipcluster.sip.noninvite_client import NoninviteClient, noninviteClient
from sipcluster.sip.timers import TimerQueue, TimerSet, TimerValues
from sipcluster.sip.transport_rules import tooLargeForUDP

log = Logger()


@implementer(ITransactionUser)
class _Unconcerned:
    """
    The user of a CANCEL: the INVITE tells what came of it.
    """

    def responseReceived(self, response: Response) -> None: ...

    def transactionTimedOut(self) -> None: ...

    def transportFailed(self, why: str) -> None: ...

    def transactionTerminated(self) -> None: ...


_unconcerned = _Unconcerned()


def _withVia(request: Request, start: bytes, branch: bytes) -> Request:
    via = start + branch + b";rport"
    return request.replacing(headers=request.headers.prepend(b"Via", via))


class ClientTable:
    """
    The client transactions.

    @ivar invites: how many of them are INVITEs.
    """

    def __init__(
        self,
        transport: ITransportLayer,
        identifiers: Identifiers,
        queue: TimerQueue,
        values: TimerValues,
        load: Load,
        counters: dict[str, int],
    ) -> None:
        self.transport = transport
        self.identifiers = identifiers
        self.queue = queue
        self.values = values
        self.load = load
        self.counters = counters
        self.invites = 0
        self.table: dict[tuple[bytes, bytes], ClientTransaction] = {}
        # Those without a final response, by where they were sent: whom the
        # failure of a flow concerns.
        self._waiting: dict[tuple[str, int], dict[ClientTransaction, None]] = {}
        # Bound once, and not once for each transaction.
        self._ended: Callable[[ClientTransaction], None] = self._end
        self._answered: Callable[[ClientTransaction], None] = self._answer
        self._cancel: Callable[[ClientTransaction, Fields], None] = self._sendCancel

    def request(
        self,
        request: Request,
        target: Target,
        user: ITransactionUser,
        flow: IFlow | None,
        sentBy: bytes,
        branchSuffix: bytes = b"",
        branch: bytes = b"",
    ) -> ClientTransaction:
        """
        Send a request in a transaction of its own.
        """
        if not branch or (branch, request.method) in self.table:
            branch = self.identifiers.branch() + branchSuffix
        mayReroute = False
        why = ""
        try:
            if not self.load.sends:
                self.counters["overload"] += 1
                raise NoTransport("too many transactions")
            if flow is None:
                sent, flow, mayReroute = self._placed(request, target, branch, sentBy)
            elif flow.closed:
                raise NoTransport("the flow is closed")
            else:
                sent = _withVia(request, viaStart(flow, sentBy), branch)
        except NoTransport as e:
            why = str(e)
            flow = NoFlow(target)
            sent = _withVia(request, viaStart(flow, sentBy), branch)
        transaction = self._make(
            sent,
            target,
            flow,
            (branch, request.method),
            user,
            sentBy,
            viaStart(flow, sentBy),
        )
        transaction.mayReroute = mayReroute
        machine = cast(InviteClient, transaction.machine)
        if why:
            transaction.timers.start("failed", 0.0, machine.transportError, why)
        else:
            machine.start()
        return transaction

    def sendStateless(
        self,
        request: Request,
        target: Target,
        flow: IFlow | None,
        sentBy: bytes,
        branch: bytes = b"",
    ) -> None:
        """
        Send a request with a Via of its own, and without a transaction.
        """
        branch = branch or self.identifiers.branch()
        if flow is not None and not flow.closed:
            sent = _withVia(request, viaStart(flow, sentBy), branch)
        else:
            try:
                sent, flow, _ = self._placed(request, target, branch, sentBy)
            except NoTransport as e:
                log.debug(
                    "no way for {method} to {flow}: {why}",
                    method=request.method,
                    flow=target,
                    why=e,
                )
                return
        flow.send(sent.render())

    def _placed(
        self, request: Request, target: Target, branch: bytes, sentBy: bytes
    ) -> tuple[Request, IFlow, bool]:
        """
        Find the flow for a request and put its Via on.

        @return: the third is true when the flow is a stream for no other reason
            than the size of the request (RFC 3261 section 18.1.1).

        @raise NoTransport: there is none.
        """
        flow = self.transport.flowTo(target)
        sent = _withVia(request, viaStart(flow, sentBy), branch)
        if not flow.reliable and tooLargeForUDP(len(sent.render())):
            larger = self.transport.flowTo(target, len(sent.render()))
            if larger is not flow:
                sent = _withVia(request, viaStart(larger, sentBy), branch)
                return sent, larger, larger.reliable
        return sent, flow, False

    def _make(
        self,
        sent: Request,
        target: Target,
        flow: IFlow,
        key: tuple[bytes, bytes],
        user: ITransactionUser,
        sentBy: bytes,
        start: bytes,
    ) -> ClientTransaction:
        transaction = ClientTransaction(
            sent,
            target,
            flow,
            key,
            sent.render(),
            user,
            TimerSet(self.queue),
            self.values,
            self._ended,
            self._answered,
            self._cancel,
            sentBy,
            start,
        )
        if sent.method == b"INVITE":
            self.invites += 1
            inviteClient(transaction)
        else:
            noninviteClient(transaction)
        self.table[key] = transaction
        self.load.waiting += 1
        self.listen(transaction)
        return transaction

    def adopt(
        self, sent: Request, target: Target, user: ITransactionUser
    ) -> ClientTransaction:
        """
        Take over a request that another process has sent; nothing is sent.

        @raise ValueError: it was sent here.
        """
        via = sent.via
        key = (via.branch, sent.method)
        if key in self.table:
            raise ValueError("the transaction is here already")
        flow: IFlow
        try:
            size = len(sent.render())
            flow = self.transport.flowTo(target, size if tooLargeForUDP(size) else 0)
        except NoTransport:
            flow = NoFlow(target)
        start = (sent.headers.first(VIA) or b"").partition(b"branch=")[0] + b"branch="
        return self._make(sent, target, flow, key, user, via.sentBy, start)

    def listen(self, transaction: ClientTransaction) -> None:
        """
        The failure of its flow concerns a transaction.
        """
        waiting = self._waiting.get(transaction.flow.remote)
        if waiting is None:
            self._waiting[transaction.flow.remote] = {transaction: None}
        else:
            waiting[transaction] = None

    def unlisten(self, transaction: ClientTransaction) -> None:
        """
        It does so no more.
        """
        remote = transaction.flow.remote
        waiting = self._waiting[remote]
        del waiting[transaction]
        if not waiting:
            del self._waiting[remote]

    def _answer(self, transaction: ClientTransaction) -> None:
        """
        There is a final response: a broken flow no longer matters.
        """
        self.unlisten(transaction)
        transaction.lingering = True
        load = self.load
        load.waiting -= 1
        if load.crowded and transaction.machine is not None:
            transaction.machine.linger()
        load.lingering += 1

    def _end(self, transaction: ClientTransaction) -> None:
        """
        Forget a transaction.
        """
        del self.table[transaction.key]
        if transaction.key[1] == b"INVITE":
            self.invites -= 1
        if transaction.lingering:
            self.load.lingering -= 1
        else:
            self.unlisten(transaction)
            self.load.waiting -= 1

    def _sendCancel(self, invite: ClientTransaction, fields: Fields) -> None:
        """
        Send the CANCEL of an INVITE, on the same flow (RFC 3261 section 9.1).
        """
        cancel = makeCancel(invite.request, fields)
        key = (invite.key[0], b"CANCEL")
        earlier = self.table.get(key)
        if earlier is not None:
            earlier.abandon()  # it went to another process
        transaction = self._make(
            cancel,
            invite.target,
            invite.flow,
            key,
            _unconcerned,
            invite.sentBy,
            invite.viaStart,
        )
        # Who expects the INVITE to outlive its flow expects that of this, too.
        transaction.broken = invite.broken
        cast(NoninviteClient, transaction.machine).start()

    def follow(
        self, transaction: ClientTransaction, target: Target, again: bool
    ) -> None:
        """
        See L{follow}.
        """
        follow(self, transaction, target, again)

    def responseReceived(self, response: Response) -> bool:
        """
        Give a response to the transaction it belongs to.

        @return: whether there is one.

        @raise MalformedMessage: it cannot be told.
        """
        # Our Via comes back as it was sent, but for what was added behind: the
        # branch is cut out of it rather than read with all the rest.
        value = response.headers.first(VIA) or b""
        start = value.find(b";branch=") + 8
        end = value.find(b";", start)
        branch = value[start : end if end > 0 else len(value)]
        transaction = self.table.get((branch, response.cseq.method))
        if transaction is None or not value.startswith(transaction.viaStart):
            transaction = self.answeredBy(response)
            if transaction is None:
                return False
            if not _sameSentBy(response.via.sentBy, transaction.request.via.sentBy):
                # Section 18.1.2: no Via of ours.
                self.counters["foreign"] += 1
                return True
        machine = transaction.machine
        status = response.status
        if machine is None:
            pass
        elif status < 200:
            machine.provisional(response)
        elif transaction.key[1] != b"INVITE":
            cast(NoninviteClient, machine).final(response)
        elif status < 300:
            cast(InviteClient, machine).success(response)
        else:
            cast(InviteClient, machine).failure(response)
        return True

    def answeredBy(self, response: Response) -> ClientTransaction | None:
        """
        The transaction that a response belongs to, by branch and method.

        @raise MalformedMessage: it cannot be told.
        """
        return self.table.get((response.via.branch, response.cseq.method))

    def flowFailed(self, flow: IFlow, why: str) -> None:
        """
        End what waits for an answer on this flow, or try another way.
        """
        reliable = flow.reliable
        for transaction in tuple(self._waiting.get(flow.remote, ())):
            if transaction.flow is not flow and (reliable or transaction.flow.reliable):
                continue
            machine = transaction.machine
            if machine is None:
                continue
            if transaction.mayReroute and not transaction.responded:
                reroute(self, transaction, why)
            elif transaction.broken is not None:
                transaction.broken(why)
            else:
                machine.transportError(why)

    def stop(self) -> None:
        """
        End all transactions.
        """
        for transaction in tuple(self.table.values()):
            transaction.abandon()


def _sameSentBy(one: bytes, other: bytes) -> bool:
    """
    Whether two sent-by values differ in spelling only.
    """
    return one.lower().removesuffix(b":5060") == other.lower().removesuffix(b":5060")
