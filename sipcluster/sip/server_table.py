"""
The server half of the transaction layer: requests that arrived, found by their
retransmissions, ACKs and CANCELs (RFC 3261 section 17.2.3).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import cast

from twisted.logger import Logger

from sipcluster.sip.errors import MalformedMessage, NoTransport
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.invite_server import InviteServer, inviteServer
from sipcluster.sip.isip import IFlow, IRequestReceiver, ITransportLayer
from sipcluster.sip.load import Load
from sipcluster.sip.message import Request, Response, makeResponse
from sipcluster.sip.noninvite_server import noninviteServer
from sipcluster.sip.server_keys import Key, oldKey, serverKey
from sipcluster.sip.server_transaction import ServerTransaction
from sipcluster.sip.timers import TimerQueue, TimerSet, TimerValues
from sipcluster.sip.via import Via

log = Logger()

#: Seconds for Retry-After when there are too many transactions.
RETRY_AFTER = b"5"


class ServerTable:
    """
    The server transactions.

    @ivar invites: how many of them are INVITEs.
    @ivar others: how many are not.
    @ivar relays: hosts and ports in Via of SIP Proxies that give the same branches:
        what one of them has sent another one may cancel and acknowledge.
    """

    def __init__(
        self,
        transport: ITransportLayer,
        receiver: IRequestReceiver,
        identifiers: Identifiers,
        queue: TimerQueue,
        values: TimerValues,
        load: Load,
        counters: dict[str, int],
        rejectMerged: bool,
    ) -> None:
        self.transport = transport
        self.receiver = receiver
        self.queue = queue
        self.values = values
        self.load = load
        self.counters = counters
        self.rejectMerged = rejectMerged
        self.invites = 0
        self.others = 0
        self.relays: frozenset[tuple[bytes, int]] = frozenset()
        self.table: dict[Key, ServerTransaction] = {}
        # Those that answer on a stream, by where it leads.
        self._answering: dict[tuple[str, int], dict[ServerTransaction, None]] = {}
        self._merged: set[Key] = set()
        # What the To tags of responses without a transaction begin with.
        self._stateless = identifiers.tag()
        # Bound once, and not once for each transaction.
        self._ended: Callable[[ServerTransaction], None] = self._end
        self._answered: Callable[[ServerTransaction], None] = self._answer
        self._routed: Callable[[ServerTransaction], IFlow | None] = self._route

    def requestReceived(self, request: Request, flow: IFlow) -> None:
        """
        Give a request to the transaction it belongs to, or begin one.

        @raise MalformedMessage: it cannot be told.
        """
        method = request.method
        if method == b"ACK":
            self._ackReceived(request, flow)
            return
        if method == b"CANCEL":
            self._cancelReceived(request, flow)
            return
        key = serverKey(request, method)
        transaction = self.table.get(key)
        if transaction is not None:
            machine = transaction.machine
            if transaction.detoured:
                transaction.detoured = False  # whoever sends it again lives after all
                transaction.outward = None
            if machine is not None:
                machine.retransmitted()
            return
        toTag = request.toTag
        if not self.load.admits(bool(toTag) or method == b"BYE"):
            self.counters["overload"] += 1
            self.respond(request, flow, 503, [(b"Retry-After", RETRY_AFTER)])
            return
        merged: Key | None = None
        if self.rejectMerged and not toTag:
            merged = (request.callID, request.fromTag, request.cseq)
            if merged in self._merged:
                self.counters["merged"] += 1
                self._giveUp(self._begin(request, flow, key, None), 482)
                return
            self._merged.add(merged)
        transaction = self._begin(request, flow, key, merged)
        try:
            self.receiver.requestReceived(transaction)
        except MalformedMessage as e:
            self.counters["malformed"] += 1
            self._giveUp(transaction, e.status)
        except Exception:
            log.failure("request {method} {flow}", method=method, flow=flow.remote)
            self._giveUp(transaction, 500)
        machine = transaction.machine
        if machine is not None and not transaction.lingering:
            machine.taken()

    def _giveUp(self, transaction: ServerTransaction, status: int) -> None:
        """
        The TU failed to take a request.
        """
        if not transaction.lingering:
            transaction.respond(self._refusal(transaction.request, status))

    def _refusal(self, request: Request, status: int) -> Response:
        """
        A response with the tag that no transaction has to remember, or without
        one when To is what is wrong with the request.
        """
        try:
            return makeResponse(request, status, toTag=self.statelessTag(request))
        except MalformedMessage:
            return makeResponse(request, status)

    def _begin(
        self, request: Request, flow: IFlow, key: Key, merged: Key | None
    ) -> ServerTransaction:
        transaction = ServerTransaction(
            request,
            flow,
            key,
            TimerSet(self.queue),
            self.values,
            self._ended,
            self._answered,
            self._routed,
        )
        transaction.merged = merged
        if request.method == b"INVITE":
            self.invites += 1
            inviteServer(transaction)
        else:
            self.others += 1
            noninviteServer(transaction)
        self.table[key] = transaction
        self.load.waiting += 1
        return transaction

    def adopt(self, invite: Request, flow: IFlow) -> ServerTransaction:
        """
        Take over an INVITE that another process has received and not answered.

        @raise ValueError: it has come here, too.
        """
        key = serverKey(invite, b"INVITE")
        if key in self.table:
            raise ValueError("the INVITE is here already")
        merged: Key | None = None
        if self.rejectMerged and not invite.toTag:
            merged = (invite.callID, invite.fromTag, invite.cseq)
            self._merged.add(merged)
        return self._begin(invite, flow, key, merged)

    def _ackReceived(self, ack: Request, flow: IFlow) -> None:
        key = serverKey(ack, b"INVITE")
        transaction = self.table.get(key) or self._relayed(key)
        if transaction is None and len(key) > 4:
            transaction = self.table.get(oldKey(ack, b"ACK", ack.toTag))
        if transaction is not None:
            if transaction.machine is not None:
                cast(InviteServer, transaction.machine).acknowledged(ack)
        elif not ack.toTag.startswith(self._stateless):
            self.receiver.ackReceived(ack, flow)

    def _cancelReceived(self, cancel: Request, flow: IFlow) -> None:
        """
        Answer a CANCEL and pass it on (RFC 3261 section 9.2).

        The answer is the same for each retransmission, so no transaction has to
        remember it.
        """
        key = serverKey(cancel, b"INVITE")
        invite = self.table.get(key) or self._relayed(key)
        machine = None if invite is None else invite.machine
        if invite is None or machine is None:
            if not self.receiver.strayCancel(cancel, flow):
                self.respond(cancel, flow, 481)
            return
        self.respond(cancel, flow, 200, toTag=invite.toTag)
        cast(InviteServer, machine).cancelled(cancel)

    def _relayed(self, key: Key) -> ServerTransaction | None:
        """
        An INVITE that came through another SIP Proxy than its CANCEL or its ACK.
        """
        if key[2:] not in self.relays:
            return None
        keys = ((*key[:2], *relay) for relay in self.relays)
        return next(filter(None, map(self.table.get, keys)), None)

    def statelessTag(self, request: Request) -> bytes:
        """
        The To tag of a response that no transaction remembers: the same for each
        retransmission (RFC 3261 section 8.2.7), and known again in the ACK.
        """
        seed = request.headers.first(b"Call-ID") or b""
        return b"%b-%x" % (self._stateless, zlib.crc32(seed))

    def respond(
        self,
        request: Request,
        flow: IFlow,
        status: int,
        headers: Iterable[tuple[bytes, bytes]] = (),
        toTag: bytes = b"",
    ) -> None:
        """
        Answer a request without a transaction.
        """
        tag = toTag or self.statelessTag(request)
        self._send(
            request, makeResponse(request, status, toTag=tag, headers=headers), flow
        )

    def _send(self, request: Request, response: Response, flow: IFlow) -> None:
        try:
            self.transport.responseFlow(request.via, flow).send(response.render())
        except NoTransport as e:
            log.debug("no way back for {status}: {why}", status=response.status, why=e)

    def malformed(self, request: Request, flow: IFlow, fault: MalformedMessage) -> None:
        """
        Answer a request in which something is missing that tells where it
        belongs; when that fails too, drop it.
        """
        if request.method == b"ACK":
            return
        try:
            self._send(request, self._refusal(request, fault.status), flow)
        except MalformedMessage:
            log.debug("not answered: {why}", why=fault)

    def _route(self, transaction: ServerTransaction) -> IFlow | None:
        """
        Find the way back.
        """
        request = transaction.request
        try:
            flow = self.transport.responseFlow(request.via, transaction.flow)
        except NoTransport as e:
            if transaction.machine is not None:
                transaction.machine.transportError(str(e))
            return None
        if flow.reliable:
            self._forget(transaction)
            transaction.answersTo = flow.remote
            self._answering.setdefault(flow.remote, {})[transaction] = None
        return flow

    def _forget(self, transaction: ServerTransaction) -> None:
        remote, transaction.answersTo = transaction.answersTo, None
        if remote is not None:
            answering = self._answering[remote]
            answering.pop(transaction, None)
            if not answering:
                del self._answering[remote]

    def _answer(self, transaction: ServerTransaction) -> None:
        """
        The final response leaves.
        """
        transaction.lingering = True
        load = self.load
        load.waiting -= 1
        if len(transaction.key) > 4 and transaction.request.method == b"INVITE":
            # An RFC 2543 peer's ACK has the To tag of the response.
            transaction.ackKey = key = oldKey(
                transaction.request, b"ACK", transaction.toTag
            )
            self.table[key] = transaction
        if load.crowded and transaction.machine is not None:
            transaction.machine.linger()
        load.lingering += 1

    def _end(self, transaction: ServerTransaction) -> None:
        """
        Forget a transaction.
        """
        table = self.table
        del table[transaction.key]
        if transaction.ackKey is not None:
            table.pop(transaction.ackKey, None)
        if transaction.merged is not None:
            self._merged.discard(transaction.merged)
        if transaction.answersTo is not None:
            self._forget(transaction)
        if transaction.request.method == b"INVITE":
            self.invites -= 1
        else:
            self.others -= 1
        if transaction.lingering:
            self.load.lingering -= 1
        else:
            self.load.waiting -= 1

    def answerElsewhere(self, isThere: Callable[[Via], bool]) -> None:
        """
        Find the way back anew for some requests, by their top Via.
        """
        for transaction in tuple(self.table.values()):
            if transaction.terminated or not isThere(transaction.request.via):
                continue
            transaction.outward = None
            if 100 < transaction.responded < 200:
                # It may have been on its way, and nobody would send it again; a 2xx
                # its sender repeats until it is acknowledged.
                transaction.resend()

    def answerThrough(self, host: str, other: IFlow) -> None:
        """
        Send the responses to INVITEs from one host to another one, which passes them
        on.
        """
        for transaction in tuple(self.table.values()):
            way = transaction.outward or transaction.flow
            invite = transaction.request.method == b"INVITE"
            if invite and not transaction.terminated and way.remote[0] == host:
                self._forget(transaction)
                transaction.outward, transaction.detoured = other, True
                if 100 < transaction.responded < 200:
                    transaction.resend()

    def stop(self) -> None:
        """
        End all transactions, answered or not.
        """
        for transaction in tuple(self.table.values()):
            if not transaction.terminated:  # one may stand there twice
                transaction.finish()

    def flowFailed(self, flow: IFlow, why: str) -> None:
        """
        See after those whose last response went over this stream.  One on UDP
        needs nothing: the client's retransmission asks for its response again.

        A stream that the request came on may end as its peer likes; only a
        final response that still waits for its ACK is sent again, over a new one
        (RFC 3261 section 18.2.2).  When that fails too the user is told.
        """
        for transaction in tuple(self._answering.get(flow.remote, ())):
            machine = transaction.machine
            if machine is None or transaction.outward is not flow:
                continue
            transaction.outward = None
            if flow is transaction.flow:
                machine.streamLost()
            else:
                machine.transportError(why)
