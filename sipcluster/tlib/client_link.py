"""
The states of a T-Library client's link to its server: connecting, starting up,
linked, waiting to try again.

What the outputs call is in
L{Connector<sipcluster.tlib.client_connector.Connector>}; the events that arrive
while it is linked do not pass through here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from automat import TypeMachine, TypeMachineBuilder

from sipcluster.tlib.client_protocol import ClientProtocol
from sipcluster.tlib.client_values import RequestRefused
from sipcluster.tlib.messages import EventServerInfo

if TYPE_CHECKING:
    from sipcluster.tlib.client_connector import Connector
else:
    Connector = object  # what the machine works on: known to the type checker only


class Link(Protocol):
    """
    What may happen to the link of a T-Library client.
    """

    def start(self) -> None:
        "Begin to connect, and stay connected."

    def connected(self, protocol: ClientProtocol) -> None:
        "The connection that was asked for is there."

    def failed(self, why: str) -> None:
        "The connection that was asked for cannot be had."

    def accepted(self, info: EventServerInfo) -> None:
        "The server has taken the client."

    def refused(self, why: RequestRefused) -> None:
        "The server cannot take the client now."

    def barred(self, why: RequestRefused) -> None:
        """
        There is no sense in coming back: a wrong password, another version,
        somebody else has resumed the client's session.
        """

    def lost(self, why: str) -> None:
        "The connection is gone, or good for nothing."

    def timeOut(self) -> None:
        "Connecting or starting up takes too long."

    def retry(self) -> None:
        "The pause before the next attempt is over."

    def stop(self) -> None:
        "Connect no more."


def _build() -> TypeMachine[Link, Connector]:
    m = TypeMachineBuilder(Link, Connector)
    idle = m.state("Idle")
    connecting = m.state("Connecting")
    registering = m.state("Registering")
    linked = m.state("Linked")
    waiting = m.state("Waiting")
    everywhere = (idle, connecting, registering, linked, waiting)

    @idle.upon(Link.start).to(connecting)
    @waiting.upon(Link.retry).to(connecting)
    def connect(link: Link, s: Connector) -> None:
        s.connect()

    @connecting.upon(Link.connected).to(registering)
    def begin(link: Link, s: Connector, protocol: ClientProtocol) -> None:
        s.startUp(protocol)

    @connecting.upon(Link.failed).to(waiting)
    def fail(link: Link, s: Connector, why: str) -> None:
        s.attemptFailed(why)

    @connecting.upon(Link.timeOut).to(waiting)
    def tooLong(link: Link, s: Connector) -> None:
        s.attemptFailed("no connection in time")

    @registering.upon(Link.timeOut).to(waiting)
    def silent(link: Link, s: Connector) -> None:
        s.attemptFailed("no answer to RequestRegisterClient in time")

    @registering.upon(Link.lost).to(waiting)
    def lostEarly(link: Link, s: Connector, why: str) -> None:
        s.attemptFailed(why)

    @registering.upon(Link.refused).to(waiting)
    def refuse(link: Link, s: Connector, why: RequestRefused) -> None:
        s.attemptRefused(why)

    @registering.upon(Link.accepted).to(linked)
    def accept(link: Link, s: Connector, info: EventServerInfo) -> None:
        s.linkMade(info)

    @linked.upon(Link.lost).to(waiting)
    def lose(link: Link, s: Connector, why: str) -> None:
        s.linkLost(why)

    @registering.upon(Link.barred).to(idle)
    @linked.upon(Link.barred).to(idle)
    def giveUp(link: Link, s: Connector, why: RequestRefused) -> None:
        s.barred(why)

    @idle.upon(Link.stop).loop()
    @connecting.upon(Link.stop).to(idle)
    @registering.upon(Link.stop).to(idle)
    @waiting.upon(Link.stop).to(idle)
    def abandon(link: Link, s: Connector) -> None:
        s.abandon()

    @linked.upon(Link.stop).to(idle)
    def close(link: Link, s: Connector) -> None:
        s.close()

    # A connection that is given up no longer speaks to the machine, so what is
    # left cannot come; were it to come, it would mean nothing.
    for state in everywhere:
        if state is not idle:
            state.upon(Link.start).loop().returns(None)
        if state is not connecting:
            state.upon(Link.failed).loop().returns(None)
            state.upon(Link.connected).loop().returns(None)
        if state is not registering:
            state.upon(Link.accepted).loop().returns(None)
            state.upon(Link.refused).loop().returns(None)
        if state not in (registering, linked):
            state.upon(Link.lost).loop().returns(None)
            state.upon(Link.barred).loop().returns(None)
        if state not in (connecting, registering):
            state.upon(Link.timeOut).loop().returns(None)
        if state is not waiting:
            state.upon(Link.retry).loop().returns(None)
    return m.build()


_machine = _build()


def clientLink(connector: Connector) -> Link:
    """
    Make the machine of a client, which is idle.
    """
    return _machine(connector)
