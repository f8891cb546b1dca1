"""
Connections of a T-Library port that have no client yet: a flood of them is to keep
nobody out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipcluster.tlib.errors import TErrorCode

if TYPE_CHECKING:
    from sipcluster.tserver.connection import Connection


class HalfOpen:
    """
    Those of one port, the oldest first.
    """

    __slots__ = ("_connections", "_cut", "_limit")

    def __init__(self, limit: int) -> None:
        """
        @param limit: how many there may be.
        """
        self._connections: dict[Connection, None] = {}
        #: Those that were told to go, and have not.
        self._cut: dict[Connection, None] = {}
        self._limit = limit

    def __len__(self) -> int:
        """
        How many there are.
        """
        return len(self._connections)

    def made(self, connection: Connection) -> None:
        """
        There is one more.
        """
        self._connections[connection] = None
        if connection.server.stopped:
            connection.cut(TErrorCode.OUT_OF_SERVICE, "the server stops")
        elif len(self._connections) > self._limit:
            # The oldest, and not the new one.
            oldest = next(iter(self._connections))
            why = "too many connections without a client"
            oldest.count("halfOpenCut", why)
            oldest.cut(TErrorCode.RESOURCE_UNAVAILABLE, why)
            self._cut[oldest] = None
            if len(self._cut) > self._limit:
                # Those that do not close would add up, too.
                first = next(iter(self._cut))
                del self._cut[first]
                first.machine.late()

    def done(self, connection: Connection) -> None:
        """
        One has a client now, or will never have one.
        """
        self._connections.pop(connection, None)

    def gone(self, connection: Connection) -> None:
        """
        One has ended.
        """
        self._cut.pop(connection, None)

    def clear(self) -> None:
        """
        Forget them.
        """
        self._connections.clear()
        self._cut.clear()
