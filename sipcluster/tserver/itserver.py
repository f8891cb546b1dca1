"""
The seams of a T-Library port: what it offers to those who make events, and what it
asks of those who answer requests.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from attrs import frozen
from zope.interface import Attribute, Interface

from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList

if TYPE_CHECKING:
    from sipcluster.tlib.enums import AddressType
    from sipcluster.tlib.errors import TErrorCode
    from sipcluster.tlib.messages import Message
    from sipcluster.tserver.outgoing import Outgoing


@frozen
class ClientView:
    """
    One client of a T-Library port, as others need to know it.  A client that comes
    back and resumes is the same one.

    @ivar id: of its session; unique, also between the ports of a node.
    @ivar application: the name that it registered with.
    @ivar mayControl: it may ask for more than events.
    """

    id: str
    application: str
    mayControl: bool = True


class IEventPublisher(Interface):
    """
    A T-Library port as those see it who make events and answer requests.
    """

    def publish(
        dn: str, event: Message | Outgoing, requester: Requester | None = None
    ) -> None:
        """
        Give an event to every client that has registered a DN, and whose mask
        lets it through.

        @param event: who publishes at several ports wraps it once, so that it is
            encoded once.
        @param requester: whose request the event answers: that client's copy
            carries the ReferenceID, and the request is done.  It gets the event
            even when it has not registered the DN.  Of another port: ignored.
        """

    def publishToAll(event: Message | Outgoing) -> None:
        """
        Give an event to every client.
        """

    def publishTo(clients: Iterable[str], event: Message | Outgoing) -> None:
        """
        Give an event to some clients, whose masks let it through.

        @param clients: ids of their sessions; those that there are not: ignored.
        """

    def hasRoom(client: str) -> bool:
        """
        Whether a client is there and is not behind with what it reads: much that
        can wait should wait until it is.

        @param client: id of its session.
        """

    def answer(requester: Requester, event: Message | Outgoing) -> None:
        """
        Give an event to the one client that asked, with its ReferenceID; the
        request is done.  A request that is done already: ignored.
        """

    def refuse(requester: Requester, code: TErrorCode, text: str = "") -> None:
        """
        Answer a request with EventError; what the request named (ThisDN, ConnID,
        ...) is repeated in it.  A request that is done already: ignored.

        @param text: the AttributeErrorMessage; empty: that of the code.
        """

    def watched(dn: str) -> bool:
        """
        Whether any client has registered a DN.
        """


class IRequests(Interface):
    """
    Answers some of the requests.
    """

    numbers: Collection[int] = Attribute("Numbers of the messages that it answers.")

    def requested(request: Message, requester: Requester, client: ClientView) -> None:
        """
        Answer a request, now or later, by an event or a refusal.  The port has
        checked already: the client may control, has registered the DN where the
        request has one, all mandatory attributes are there, and the same
        request was not made before.
        """


class IAddresses(Interface):
    """
    Knows the DNs of the switch.
    """

    def addressType(dn: str) -> AddressType | None:
        """
        What a DN is; L{None}: there is no such DN.
        """


class ISnapshot(Interface):
    """
    Knows something about the present state of DNs.
    """

    def snapshot(dn: str) -> KVList:
        """
        What a client that registers a DN is told in AttributeExtensions.
        """


class IClientObserver(Interface):
    """
    Is told which client has registered which DN.
    """

    def addressRegistered(client: ClientView, dn: str) -> None:
        """
        A client has registered a DN.
        """

    def addressUnregistered(client: ClientView, dn: str) -> None:
        """
        A client has given a DN back.
        """

    def clientAway(client: ClientView, dns: Collection[str]) -> None:
        """
        The connection of a client is lost; it may come back and resume.
        """

    def clientBack(client: ClientView, dns: Collection[str]) -> None:
        """
        It did.
        """

    def clientGone(client: ClientView, dns: Collection[str]) -> None:
        """
        A client has closed its connection in order, or did not come back in
        time: its session and its registrations are no more.
        """


class IConnection(Interface):
    """
    One connection of a client, as a T-Library port sees it: a TCP connection, or
    one in memory.
    """

    peer = Attribute("Where the client is, for people: its host and port.")

    def write(data: bytes) -> None:
        """
        Send bytes.  What cannot leave at once is kept; when that is much,
        L{IConnectionUser.writingPaused} is called, perhaps before this returns.
        """

    def pauseReading() -> None:
        """
        Bring no more bytes for now; some may come all the same.
        """

    def resumeReading() -> None:
        """
        Bring bytes again.
        """

    def close() -> None:
        """
        End the connection when all is sent.
        """

    def abort() -> None:
        """
        End the connection now.
        """


class IConnectionUser(Interface):
    """
    What a connection tells its T-Library port.  Nothing that it is told makes it
    raise.
    """

    def dataReceived(data: bytes) -> None:
        """
        Bytes came.
        """

    def writingPaused() -> None:
        """
        Much is waiting to be sent.
        """

    def writingResumed() -> None:
        """
        Nothing is waiting any more.
        """

    def connectionLost(why: str) -> None:
        """
        The connection has ended; told last, once.
        """


class IConnectionTaker(Interface):
    """
    Takes the connections of a listening port.
    """

    def connectionMade(connection: IConnection) -> IConnectionUser:
        """
        A client has connected.
        """


@frozen
class Receiver:
    """
    One of the clients that an event went to.

    @ivar client: its application and where it is.
    @ivar position: EventSequenceNumber of its copy; 0: none.
    @ivar reference: ReferenceID of its copy; 0: none.
    """

    client: str
    position: int = 0
    reference: int = 0


class ITrace(Interface):
    """
    Writes down what passes a T-Library port.  Passwords are masked already.
    """

    def messageReceived(port: str, sender: Receiver, message: Message) -> None:
        """
        A client sent a message.

        @param sender: its position is what the client acknowledged.
        """

    def messageSent(port: str, receivers: Sequence[Receiver], message: Message) -> None:
        """
        A message was sent, or put into the journal of those who are away.

        @param receivers: at least one.
        """
