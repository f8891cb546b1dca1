"""
Seams of the HA link: what is kept, who owns it, what carries it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from zope.interface import Attribute, Interface


class IOwner(Interface):
    """
    Who knows what the entries of one kind mean: calls, DNs, agents, T-Library
    sessions.

    An entry is a key and bytes.  Whoever wants to be kept by the other member
    registers one owner, tells each change, and needs nothing else.
    """

    kind = Attribute("Names the entries in the pair; 1 to 64 characters, no NUL.")

    def snapshot() -> Iterable[tuple[str, bytes]]:
        """
        All entries as they are now, by key.  Asked on the primary only.
        """

    def apply(key: str, value: bytes | None, age: float) -> None:
        """
        Take an entry of the primary.  Called on the backup only, in order.

        @param value: L{None}: it is gone.
        @param age: seconds since the primary wrote it, without what it took on
            its way.  Times that run are written down as what is left of them:
            C{age} is to be taken off.
        """


class IAlone(Interface):
    """
    Whether a primary may serve without the other member: asked when the link is
    down, or when the other member has not everything yet.
    """

    def alone() -> bool:
        """
        Whether what waits for the other member may leave without it.
        """


class IReplica(Interface):
    """
    What both members hold alike.
    """

    position = Attribute("Position of the last change.")
    epoch = Attribute("The highest epoch heard of.")

    def register(owner: IOwner) -> None:
        """
        Keep the entries of one more kind.  On a primary the owner's snapshot is
        taken, on a backup it gets all entries that there are.
        """

    def snapshot(kind: str) -> dict[str, bytes]:
        """
        All entries of one kind, by key.
        """

    def change(kind: str, key: str, value: bytes | None) -> int:
        """
        The primary has changed an entry.

        @param value: L{None}: it is gone.

        @return: the position of the change; 0: this member is not primary, and
            nothing was done.

        @raise EntryTooLong: the link cannot carry it; nothing was done.
        """

    def then(send: Callable[[], object]) -> None:
        """
        Send something when the other member has all changes made so far.

        Sends keep their order.  One of a member that is not primary, or is not any
        more, is never done.

        @raise JournalFull: nothing may leave without the other member, and too
            much waits for it; it is never done.
        """


class ILinkTransport(Interface):
    """
    One connection to the other member.  Encrypted, and the other side has shown
    that it is who it should be.
    """

    peer = Attribute("Host and port of the other side, for people.")

    def write(data: bytes) -> None:
        """
        Send bytes; none after C{close}.
        """

    def close() -> None:
        """
        End it when all that was written has left.
        """

    def abort() -> None:
        """
        End it at once.
        """


class ILinkUser(Interface):
    """
    What stands at an end of a connection.
    """

    def dataReceived(data: bytes) -> None:
        """
        Bytes came.
        """

    def connectionLost(why: str) -> None:
        """
        The connection has ended.  Called last, exactly once.
        """


class ILinkTaker(Interface):
    """
    Takes connections to the other member.
    """

    def connectionMade(transport: ILinkTransport) -> ILinkUser:
        """
        There is one.
        """

    def strangerRefused(peer: str, why: str) -> None:
        """
        Somebody was there who has not shown that it is the other member; it has
        been told nothing.
        """


class EntryTooLong(ValueError):
    """
    An entry does not fit into a frame of the link.
    """


class JournalFull(Exception):
    """
    Too much waits for the other member already.
    """
