"""
The transaction layer (RFC 3261 section 17): what a message belongs to, and what
happens with what belongs to none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.sip.adoption import (
    InviteClientValue,
    InviteServerValue,
    adoptClient,
    adoptServer,
    repeatClient,
)
from sipcluster.sip.client_table import ClientTable
from sipcluster.sip.client_transaction import ClientTransaction
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import (
    IFlow,
    IMessageReceiver,
    IRequestReceiver,
    ITransactionUser,
    ITransportLayer,
    Target,
)
from sipcluster.sip.load import Load
from sipcluster.sip.message import Request, Response
from sipcluster.sip.sanity import checkResponse
from sipcluster.sip.server_table import ServerTable
from sipcluster.sip.server_transaction import ServerTransaction
from sipcluster.sip.timers import TimerQueue, TimerValues
from sipcluster.sip.via import Via

__all__ = ["ClientTransaction", "ServerTransaction", "TransactionLayer"]

log = Logger()

_DEFAULTS = TimerValues()


@implementer(IMessageReceiver)
class TransactionLayer:
    """
    Finds for each message the transaction it belongs to, and makes new ones.

    @ivar counters: how often what happened: C{stray} responses that belong to
        nothing, C{foreign} ones whose Via is not ours, C{merged} requests,
        C{overload} requests refused or not sent, C{malformed} messages,
        C{rerouted} requests that went over UDP after all.
    @ivar queue: the timers.
    """

    def __init__(
        self,
        clock: IReactorTime,
        transport: ITransportLayer,
        receiver: IRequestReceiver,
        identifiers: Identifiers,
        timers: TimerValues = _DEFAULTS,
        limit: int = 20000,
        rejectMerged: bool = False,
        queue: TimerQueue | None = None,
    ) -> None:
        """
        @param limit: how many transactions may wait for their final response.
            Above it new requests are answered 503, and those within a dialog
            when there are a quarter more; ACK and CANCEL need no transaction.
        @param rejectMerged: answer 482 to a request that came here on another
            way before (section 8.2.2.2), as a user agent does and a proxy does
            not.
        @param queue: timers to be shared with others; L{None} makes own ones.
        """
        self.receiver = receiver
        self._transport = transport
        self.queue = TimerQueue(clock) if queue is None else queue
        self.counters = dict.fromkeys(
            ("stray", "foreign", "merged", "overload", "malformed", "rerouted"), 0
        )
        self._load = Load(limit)
        self._clients = ClientTable(
            transport, identifiers, self.queue, timers, self._load, self.counters
        )
        self._servers = ServerTable(
            transport,
            receiver,
            identifiers,
            self.queue,
            timers,
            self._load,
            self.counters,
            rejectMerged,
        )

    def request(
        self,
        request: Request,
        target: Target,
        user: ITransactionUser,
        flow: IFlow | None = None,
        sentBy: bytes = b"",
        branchSuffix: bytes = b"",
        branch: bytes = b"",
    ) -> ClientTransaction:
        """
        Send a request in a transaction of its own.

        Our Via, with a new branch, is put on top of it.  A request that is too
        large for UDP goes over TCP to the same address, and over UDP after all
        when that is refused (section 18.1.1).

        @param user: told what comes of it, never before this method has
            returned, unless a flow answers within C{send}.
        @param flow: the flow to take; L{None} finds one to the target.
        @param sentBy: the name to put into the Via instead of the flow's own
            address.
        @param branchSuffix: ends the branch: what a proxy knows a looping
            request by (section 16.6 step 8).
        @param branch: to be used unless another transaction has it; empty makes a
            new one.
        """
        return self._clients.request(
            request, target, user, flow, sentBy, branchSuffix, branch
        )

    def sendAck(
        self,
        ack: Request,
        target: Target,
        flow: IFlow | None = None,
        sentBy: bytes = b"",
    ) -> None:
        """
        Send the ACK of a 2xx, which is a transaction of its own without states
        (section 13.2.2.4).  When there is no flow it is dropped: the 2xx will
        come again.
        """
        self._clients.sendStateless(ack, target, flow, sentBy)

    def forward(
        self,
        request: Request,
        target: Target,
        flow: IFlow | None = None,
        branch: bytes = b"",
    ) -> None:
        """
        Send an ACK or a CANCEL on as a stateless proxy does (section 16.11): no
        transaction, no second try.

        @param branch: of the INVITE; empty makes a new one.
        """
        self._clients.sendStateless(request, target, flow, b"", branch)

    def adoptServer(self, value: InviteServerValue) -> ServerTransaction:
        """
        Go on with an INVITE that another process has received.

        @raise MalformedMessage: it cannot be read.
        @raise ValueError: it has come here, too.
        """
        return adoptServer(self._servers, value)

    def adoptClient(
        self, value: InviteClientValue, user: ITransactionUser
    ) -> ClientTransaction:
        """
        Go on with an INVITE that another process has sent.

        @raise MalformedMessage: it cannot be read.
        @raise ValueError: it was sent here.
        """
        return adoptClient(self._clients, value, user)

    def repeat(
        self, request: Request, target: Target, user: ITransactionUser
    ) -> ClientTransaction:
        """
        Send a request that is no INVITE again that another process has sent, under the
        same branch.

        @param request: our Via on top.

        @raise ValueError: it was sent here.
        """
        return repeatClient(self._clients, request, target, user)

    def follow(
        self, transaction: ClientTransaction, target: Target, again: bool
    ) -> None:
        """
        Go on with a request at another process, which has taken over from the one
        that it was sent to, under the same branch.

        @param again: whether to send it again: the other process may not know it.
            Else an INVITE that was cancelled is cancelled there.
        """
        self._clients.follow(transaction, target, again)

    def answeredBy(self, response: Response) -> ClientTransaction | None:
        """
        The transaction that a response belongs to; nothing is done with it.

        @raise MalformedMessage: it cannot be told.
        """
        return self._clients.answeredBy(response)

    def refuse(
        self,
        request: Request,
        flow: IFlow,
        status: int,
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        """
        Answer a request that nobody is to see, without remembering it.

        @raise MalformedMessage: it cannot be answered.
        """
        self._servers.respond(request, flow, status, headers)

    def relays(self, relays: Iterable[tuple[bytes, int]]) -> None:
        """
        Say which hosts and ports in Via are those of SIP Proxies that go on for each
        other, with the same branches.
        """
        self._servers.relays = frozenset(relays)

    def answerElsewhere(self, isThere: Callable[[Via], bool]) -> None:
        """
        Another process is to get the responses to some requests: the ways found for
        them are forgotten, and whoever rings is told again.

        @param isThere: whether that is so, given the top Via of a request.
        """
        self._servers.answerElsewhere(isThere)

    def answerThrough(self, host: str, target: Target) -> None:
        """
        Somebody in between is dead, and another one passes the same responses on:
        it gets those to the INVITEs that are here already, until they come again;
        whoever rings is told again.

        @param host: where the dead one is.
        @param target: where the other one is.

        @raise NoTransport: it cannot be reached.
        """
        self._servers.answerThrough(host, self._transport.flowTo(target))

    def messageReceived(self, message: Request | Response, flow: IFlow) -> None:
        """
        Take a message from the transport layer.
        """
        try:
            if isinstance(message, Response):
                checkResponse(message)
                if not self._clients.responseReceived(message):
                    self.counters["stray"] += 1
                    self.receiver.strayResponse(message, flow)
            else:
                self._servers.requestReceived(message, flow)
        except MalformedMessage as e:
            self.counters["malformed"] += 1
            log.debug("malformed: {why}", why=e)
            if isinstance(message, Request):
                self._servers.malformed(message, flow, e)
        except Exception:
            log.failure("message from {flow}", flow=flow.remote)

    def flowFailed(self, flow: IFlow, why: str) -> None:
        """
        End at once what waits for an answer on this flow.
        """
        self._clients.flowFailed(flow, why)
        self._servers.flowFailed(flow, why)

    def stop(self) -> None:
        """
        End every transaction at once: their users are told the end, nothing more
        is sent, and no timer of theirs is left.  What arrives afterwards is taken
        as ever.
        """
        self._clients.stop()
        self._servers.stop()

    def status(self) -> dict[str, int]:
        """
        How many transactions and timers there are, and the counters.
        """
        clients, servers = self._clients, self._servers
        return {
            "inviteClient": clients.invites,
            "inviteServer": servers.invites,
            "noninviteClient": len(clients.table) - clients.invites,
            "noninviteServer": servers.others,
            "waiting": self._load.waiting,
            "lingering": self._load.lingering,
            "timers": self.queue.pending,
            **self.counters,
        }
