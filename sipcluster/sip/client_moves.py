"""
Requests on their way that go on over another flow: the one that they had is refused,
or another process has taken over at the other end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sipcluster.sip.client_transaction import ClientTransaction
from sipcluster.sip.errors import NoTransport
from sipcluster.sip.invite_client import InviteClient
from sipcluster.sip.isip import IFlow, Target
from sipcluster.sip.no_flow import NoFlow
from sipcluster.sip.transport_rules import tooLargeForUDP

if TYPE_CHECKING:
    from sipcluster.sip.client_table import ClientTable

_transportNames = {"UDP": b"UDP", "TCP": b"TCP", "TLS": b"TLS"}


def viaStart(flow: IFlow, sentBy: bytes) -> bytes:
    """
    The Via that a request gets here, up to its branch.

    @param sentBy: instead of the flow's own; empty takes that.
    """
    return b"SIP/2.0/%b %b;branch=" % (
        _transportNames.get(flow.transportName) or flow.transportName.encode("ascii"),
        sentBy or flow.sentBy,
    )


def follow(
    table: ClientTable, transaction: ClientTransaction, target: Target, again: bool
) -> None:
    """
    Go on with a request at another process, which has taken over all that the first
    one knew.  The branch stays as it is, so that nobody can tell.

    @param again: the first one has perhaps not passed it on: it is sent again.  An
        INVITE that is sent again is cancelled, if it was, once the other process has
        answered; one that is not sent again is cancelled at once.
    """
    machine = transaction.machine
    if machine is None:
        return
    size = len(transaction.data)
    flow: IFlow
    try:
        flow = table.transport.flowTo(target, size if tooLargeForUDP(size) else 0)
    except NoTransport:
        flow = NoFlow(target)
    transaction.target = target
    _take(table, transaction, flow)
    if again:
        start = viaStart(flow, transaction.sentBy)
        if start != transaction.viaStart:
            _readdress(transaction, start)
        machine.repeat()
    elif transaction.cancelFields is not None and not transaction.lingering:
        cast(InviteClient, machine).cancelAgain()


def reroute(table: ClientTable, transaction: ClientTransaction, why: str) -> None:
    """
    The stream that a request needed for its size is refused: send it over UDP after
    all (RFC 3261 section 18.1.1).
    """
    machine = transaction.machine
    assert machine is not None
    transaction.mayReroute = False
    try:
        flow = table.transport.flowTo(transaction.target)
    except NoTransport:
        machine.transportError(why)
        return
    table.counters["rerouted"] += 1
    _take(table, transaction, flow)
    _readdress(transaction, viaStart(flow, transaction.sentBy))
    machine.rerouted()


def _take(table: ClientTable, transaction: ClientTransaction, flow: IFlow) -> None:
    """
    Use another flow from now on.
    """
    if transaction.lingering:
        transaction.flow = flow
    else:
        table.unlisten(transaction)
        transaction.flow = flow
        table.listen(transaction)


def _readdress(transaction: ClientTransaction, start: bytes) -> None:
    """
    Write our Via anew, for another transport.
    """
    transaction.viaStart = start
    via = start + transaction.key[0] + b";rport"
    headers = transaction.request.headers.replaceFirstValue(b"Via", via)
    transaction.request = request = transaction.request.replacing(headers=headers)
    transaction.data = request.render()
