"""
The seam for whoever wants what it has to outlive its process: calls, DNs, agents,
sessions of T-Library clients, and whatever comes next.

One object knows all entries of one kind: it is an L{IKept}.  It hands itself to the
L{IKeeper} that it was given when it was made, and tells each change by a key.  The
keeper asks it for the entry, gives that to the other member of the pair, and lets
what is sent wait until it is there::

    self._touch = keeper.keep(self)
    ...
    self._touch(call.connID)            # it may have changed
    keeper.put(flow.send, data)         # leaves when that is safe

On a node that is not in a pair there is nobody to give anything to: L{UNKEPT}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import frozen
from zope.interface import Attribute, Interface, implementer


class IKept(Interface):
    """
    Has all entries of one kind.
    """

    kind = Attribute("Names the entries in the pair; 1 to 64 characters, no NUL.")

    def keys() -> Iterable[str]:
        """
        Of all entries that there are.
        """

    def entry(key: str) -> bytes | None:
        """
        One entry as it is now; L{None}: there is none any more.  Times that run are
        written down as what is left of them.  It must change nothing, and touch no
        other entry.
        """

    def restore(key: str, value: bytes, age: float) -> None:
        """
        Go on with what another process has written down: called on a member that
        has just become primary, before anything else happens, once for each entry,
        in no order.

        @param age: seconds since it was written: to be taken off the times in it.

        @raise Exception: it cannot be gone on with; counted, logged, and removed.
        """

    def restored() -> None:
        """
        All entries of all kinds have been restored.
        """

    def comparable(value: bytes) -> object:
        """
        An entry without the times that run in it, so that two of them can be
        compared.
        """


class IKeeper(Interface):
    """
    Gives entries to the other member, and lets what is sent wait for that.

    All that changes in one turn of the reactor is given together at its end, each
    entry once, and what was put in that turn leaves when all of it is there.
    """

    def keep(kept: IKept) -> Callable[[str], object]:
        """
        Keep the entries of one more kind.  They are restored in the order in which
        kinds were handed in.

        @return: to be called with the key of each entry that may have changed, has
            begun, or is gone.  It costs little, and may be called more than once.
        """

    def put(send: Callable[..., object], *args: object) -> None:
        """
        Send something: C{send(*args)} is called when the other member has all that
        has changed up to the end of this turn.  Order is kept.  It is never called
        when this process has ceased to be primary.
        """

    def full() -> bool:
        """
        Whether so much waits already that nothing new should be begun.
        """


@frozen
@implementer(IKeeper)
class Unkept:
    """
    Nobody keeps anything: what is sent leaves at once.
    """

    def keep(self, kept: IKept) -> Callable[[str], object]:
        """
        See L{IKeeper}.
        """
        return _ignored

    def put(self, send: Callable[..., object], *args: object) -> None:
        """
        See L{IKeeper}.
        """
        send(*args)

    def full(self) -> bool:
        """
        See L{IKeeper}.
        """
        return False


def _ignored(key: str) -> None:
    """
    Nobody wants to know.
    """


#: For a node on its own.
UNKEPT = Unkept()
