"""
The seams of the SIP core: what it asks of the wire below and of its users above.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from attrs import frozen
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from sipcluster.sip.message import Request, Response
    from sipcluster.sip.transactions import ServerTransaction
    from sipcluster.sip.uri import SIPURI
    from sipcluster.sip.via import Via


@frozen
class Target:
    """
    One place a message can be sent to: the result of RFC 3263.

    @ivar transportName: C{"UDP"}, C{"TCP"} or C{"TLS"}.
    @ivar host: an IP address, without brackets.
    @ivar port: never 0.
    @ivar serverName: for TLS, the name that the peer's certificate must carry
        (RFC 5922): the domain that was looked up, not the SRV target; empty
        when none is to be checked.
    """

    transportName: str
    host: str
    port: int
    serverName: str = ""


class IFlow(Interface):
    """
    Where messages go and come from: one 5-tuple (RFC 5626 section 1).

    A UDP flow is a local socket and a remote address; equal ones are the same
    object while in use.  A stream flow is one connection; it may still be
    opening, and what is sent meanwhile waits, within a bound.
    """

    transportName: str = Attribute('C{"UDP"}, C{"TCP"} or C{"TLS"}.')
    reliable: bool = Attribute("False for UDP: the transaction layer retransmits.")
    sentBy: bytes = Attribute(
        "C{host} or C{host:port} for the Via of requests sent on this flow."
    )
    remote: tuple[str, int] = Attribute("Address and port of the other end.")
    local: tuple[str, int] = Attribute("Address and port of our listener.")
    token: bytes = Attribute(
        "Names this flow within this process, URI-safe (RFC 5626 section 5.2)."
    )
    closed: bool = Attribute("True once nothing more can be sent on it.")

    def send(data: bytes) -> None:
        """
        Send one whole message.  Never raises: a failure is told later, and
        once, to L{IMessageReceiver.flowFailed}.
        """


class IMessageReceiver(Interface):
    """
    Takes what the transport layer received.
    """

    def messageReceived(message: Request | Response, flow: IFlow) -> None:
        """
        A message that passed framing arrived.  C{received} and C{rport} of its
        top Via are set already (RFC 3261 section 18.2.1, RFC 3581).  Must not
        raise.
        """

    def flowFailed(flow: IFlow, why: str) -> None:
        """
        A connection was refused, lost or timed out, or an ICMP error came
        back: whatever still waits for an answer on this flow gets none.
        """


class ITransportLayer(Interface):
    """
    The SIP transport layer (RFC 3261 section 18).
    """

    receiver: IMessageReceiver | None = Attribute(
        "Takes what arrives; set by who is above.  L{None}: all is dropped."
    )
    pairAddress: Callable[[bytes], tuple[str, int] | None] | None = Attribute(
        "Gives the present C{(host, port)} of a host name in Via that stands for a "
        "pair, or L{None} for any other name; L{None} where there are no pairs."
    )
    hold: Callable[..., object] | None = Attribute(
        "Called with what sends and its arguments instead of sending, on all flows: "
        "whoever holds a message back calls it later, or never.  L{None}: nobody."
    )

    def flowTo(target: Target, size: int = 0) -> IFlow:
        """
        Find or open a flow.  An existing connection to the same target is used
        again (RFC 5923).

        @param size: bytes of the message to be sent, Via included; a request
            above 1300 bytes for a UDP target gets a TCP flow instead where the
            transport has TCP (section 18.1.1), falling back to UDP when the
            connection is refused; 0 keeps UDP.

        @raise NoTransport: nothing here speaks that transport or address family.
        """

    def responseFlow(via: Via, flow: IFlow) -> IFlow:
        """
        Where a response with this top Via goes (section 18.2.2, RFC 3581): the
        flow the request came on while that is open, else a new one to
        C{received}/C{sent-by}.
        """

    def flowByToken(token: bytes) -> IFlow | None:
        """
        The open flow with this L{IFlow.token}, or L{None}.
        """


class ILocator(Interface):
    """
    Finds where a URI's server is (RFC 3263).
    """

    def locate(uri: SIPURI) -> Deferred[Sequence[Target]]:
        """
        Targets in the order in which to try them.

        The Deferred fires at once for an IP address or a name known already.
        It fails with C{LocationFailed} when the name has no server or the name
        servers do not answer in time; it never blocks other look-ups.  May be
        cancelled.
        """

    def markFailed(target: Target) -> None:
        """
        A target that this locator gave does not answer, or cannot be reached
        (RFC 3263 section 4.3): for a while it is to be tried last.  One that
        nobody asked about is no error.
        """

    def markWorking(target: Target) -> None:
        """
        A target that this locator gave has answered: it is tried in its turn
        again.  No error when it never failed.
        """


class ITransactionUser(Interface):
    """
    The owner of a client transaction: a leg, a probe, a response context.

    After one of C{transactionTimedOut}, C{transportFailed} or a final response
    comes C{transactionTerminated}, last and exactly once.  Further 2xx to an
    INVITE, of other forks and retransmitted ones alike, come as further
    C{responseReceived} until then (RFC 6026): a proxy forwards them, a user agent
    acknowledges them.
    """

    def responseReceived(response: Response) -> None:
        """
        A provisional or final response for this transaction; of final ones
        other than a 2xx to an INVITE only the first.
        """

    def transactionTimedOut() -> None:
        """
        Timer B or F: no final response; the TU acts as if 408 had come.
        """

    def transportFailed(why: str) -> None:
        """
        The request could not be sent; the TU acts as if 503 had come.
        """

    def transactionTerminated() -> None:
        """
        The transaction is gone from the table.
        """


class IServerTransactionUser(Interface):
    """
    The owner of a server transaction, once it has taken the request.
    """

    def cancelReceived(cancel: Request) -> None:
        """
        A CANCEL matched this INVITE, which has no final response yet.  The
        CANCEL itself is answered already (RFC 3261 section 9.2).
        """

    def ackReceived(ack: Request) -> None:
        """
        The ACK of a 2xx that came with the branch of the INVITE (an RFC 2543
        or a broken peer), or of a non-2xx final response.
        """

    def acknowledgementMissing() -> None:
        """
        Timer H: no ACK came for a non-2xx final response.
        """

    def transportFailed(why: str) -> None:
        """
        A response could not be sent anywhere.
        """

    def transactionTerminated() -> None:
        """
        The transaction is gone from the table: last, exactly once.
        """


class IRequestReceiver(Interface):
    """
    Takes what starts something new: what a proxy or a user agent is, seen from
    the transaction layer.
    """

    def requestReceived(transaction: ServerTransaction) -> None:
        """
        A request that matches no transaction; C{transaction.request} is it.
        It must be answered through C{transaction.respond}, at once or later.
        Must not raise, but for C{MalformedMessage}: the request is then answered
        with its status.
        """

    def ackReceived(ack: Request, flow: IFlow) -> None:
        """
        An ACK that belongs to no transaction: the ACK of a 2xx.
        """

    def strayCancel(cancel: Request, flow: IFlow) -> bool:
        """
        A CANCEL whose INVITE is not known here.  A proxy whose earlier process has
        perhaps forwarded that passes it on (RFC 3261 section 16.10).

        @return: False: the layer is to answer 481.
        """

    def strayResponse(response: Response, flow: IFlow) -> None:
        """
        A response that belongs to no transaction.  A proxy must not forward
        it (RFC 6026 section 8.9) but when it can tell that its earlier process has
        sent the request; a user agent may know the dialog of a retransmitted 2xx
        and acknowledge it again.  May raise C{MalformedMessage}.
        """
