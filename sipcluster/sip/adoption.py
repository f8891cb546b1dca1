"""
INVITE transactions as values, and made live again from them in another process.

What another process has sent or received is gone on with under the same branch, so
that nobody on the way notices.  Timers go on with what is left of them.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, cast

from attrs import frozen

from sipcluster.sip.client_transaction import ClientTransaction
from sipcluster.sip.errors import MalformedMessage, NoTransport
from sipcluster.sip.invite_client import InviteClient, inviteClientIn
from sipcluster.sip.isip import IFlow, ITransactionUser, Target
from sipcluster.sip.machine import stateName
from sipcluster.sip.message import Request, Response, parseMessage
from sipcluster.sip.no_flow import NoFlow
from sipcluster.sip.server_transaction import ServerTransaction

if TYPE_CHECKING:
    from sipcluster.sip.client_table import ClientTable
    from sipcluster.sip.invite_server import InviteServer
    from sipcluster.sip.noninvite_client import NoninviteClient
    from sipcluster.sip.server_table import ServerTable


@frozen
class InviteServerValue:
    """
    An INVITE that was received, without a final response or with one that is not
    acknowledged.

    @ivar request: as it was received, with what was noted in its top Via.
    @ivar source: where it came from.
    @ivar response: the last response; C{b""}: there was none above 100, which
        whoever has sent the INVITE does not count either.
    @ivar left: seconds that the ACK of a final response may still take.
    """

    request: bytes
    source: Target
    response: bytes = b""
    left: float = 0.0


@frozen
class InviteClientValue:
    """
    An INVITE that was sent, without a final response or with a 2xx.

    @ivar state: C{"Calling"}, C{"Proceeding"} or C{"Accepted"}.
    @ivar request: as it was sent, our Via on top.
    @ivar left: seconds in which something must come: the final response after a
        CANCEL, further 2xx; 0: no such bound.  Any response may take as long as ever:
        nobody may have heard the INVITE yet.
    @ivar cancel: fields of the CANCEL; L{None}: it is not cancelled.
    """

    state: str
    request: bytes
    target: Target
    left: float = 0.0
    cancel: tuple[tuple[bytes, bytes], ...] | None = None


def writeServer(transaction: ServerTransaction) -> InviteServerValue | None:
    """
    Write down an INVITE that was received.

    @return: L{None} when it is over.
    """
    if transaction.machine is None or transaction.responded >= 300:
        return None
    return _written(transaction, "L")


def writeRefusal(transaction: ServerTransaction) -> InviteServerValue | None:
    """
    Write down an INVITE that was refused.

    @return: L{None} when that is acknowledged, or nobody waits for it any more.
    """
    if transaction.state != "Completed":
        return None
    return _written(transaction, "H")


def _written(transaction: ServerTransaction, timer: str) -> InviteServerValue:
    last = transaction.last
    flow = transaction.flow
    return InviteServerValue(
        transaction.request.render(),
        Target(flow.transportName, *flow.remote[:2]),
        b"" if last is None or last.status == 100 else last.render(),
        transaction.timers.left(timer),
    )


def writeClient(transaction: ClientTransaction) -> InviteClientValue | None:
    """
    Write down an INVITE that was sent.

    @return: L{None} when it is over, or was refused.
    """
    machine = transaction.machine
    if machine is None or transaction.responded >= 300:
        return None
    timers, cancel = transaction.timers, transaction.cancelFields
    state = stateName(machine)
    if state in ("Calling", "Idle") or (
        state == "Proceeding" and transaction.responded == 100
    ):
        # It could not be sent, and the user has not heard of that yet; or a 100 came,
        # which comes again when the INVITE does, so that it changes nothing.
        state, left = "Calling", 64 * transaction.t.t1
    else:
        left = timers.left("cancel" if state == "Proceeding" else "M")
    return InviteClientValue(
        state,
        transaction.data,
        transaction.target,
        left,
        None if cancel is None else tuple(cancel),
    )


def _invite(data: bytes) -> Request:
    """
    @raise MalformedMessage: it is none.
    """
    request = parseMessage(data)
    if not isinstance(request, Request) or request.method != b"INVITE":
        raise MalformedMessage("no INVITE")
    return request


def adoptServer(servers: ServerTable, value: InviteServerValue) -> ServerTransaction:
    """
    Go on with an INVITE that was received: it can be answered and cancelled, and its
    retransmission gets the last response.  A 2xx is to be given to it again; that it
    was refused is said again at once.

    @raise MalformedMessage: it cannot be read.
    @raise ValueError: it has come here, too.
    """
    request = _invite(value.request)
    last = parseMessage(value.response) if value.response else None
    source = value.source
    # A connection has ended with the process that had it.
    flow: IFlow = NoFlow(source)
    if source.transportName == "UDP":
        with suppress(NoTransport):
            flow = servers.transport.flowTo(source)
    transaction = servers.adopt(request, flow)
    if isinstance(last, Response):
        if last.status < 200:
            transaction.last = last
        elif last.status >= 300:
            transaction.respond(last)
            machine = cast("InviteServer", transaction.machine)
            transaction.timers.start("H", value.left, machine.timerH)
    return transaction


def adoptClient(
    clients: ClientTable, value: InviteClientValue, user: ITransactionUser
) -> ClientTransaction:
    """
    Go on with an INVITE that was sent.  What may not have arrived is sent again: the
    INVITE without a response, and the CANCEL.

    @raise MalformedMessage: it cannot be read.
    @raise ValueError: it was sent here.
    """
    transaction = clients.adopt(_invite(value.request), value.target, user)
    machine = inviteClientIn(transaction, value.state)
    timers = transaction.timers
    if value.state == "Accepted":
        transaction.responded = 200
        timers.start("M", value.left, machine.linger)
        transaction.answered(transaction)
        return transaction
    transaction.cancelFields = value.cancel
    if value.state == "Calling":
        _callAgain(transaction, machine)
    else:
        transaction.responded = 180  # more than 100: else it had been sent again
        if value.cancel is not None:
            transaction.cancelSent = True
            timers.start("cancel", value.left, machine.cancelExpired)
            transaction.sendCancel(transaction, value.cancel)
    return transaction


def _callAgain(transaction: ClientTransaction, machine: InviteClient) -> None:
    timers, flow = transaction.timers, transaction.flow
    if flow.closed:
        timers.start("failed", 0.0, machine.transportError, "no way to it")
        return
    transaction.send()
    timers.start("B", 64 * transaction.t.t1, machine.timerB)
    if not flow.reliable:
        transaction.interval = transaction.t.t1
        timers.start("A", transaction.interval, machine.timerA)


def repeatClient(
    clients: ClientTable, request: Request, target: Target, user: ITransactionUser
) -> ClientTransaction:
    """
    Send a request that is no INVITE again that another process has sent, under the
    same branch, and for as long as a new one.

    @param request: our Via on top.

    @raise ValueError: it was sent here.
    """
    transaction = clients.adopt(request, target, user)
    machine = cast("NoninviteClient", transaction.machine)
    if transaction.flow.closed:
        transaction.timers.start("failed", 0.0, machine.transportError, "no way to it")
    else:
        machine.start()
    return transaction
