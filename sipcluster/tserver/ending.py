"""
The end of a T-Library port: its clients have a moment to close their connections.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

if TYPE_CHECKING:
    from sipcluster.tserver.connection import Connection

#: Seconds that they have.
PATIENCE = 0.5


class Ending:
    """
    Waits for the connections that there are when the port stops, and not for those
    that come later.
    """

    __slots__ = ("_clock", "_left", "_timer", "_waiting")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._left: set[Connection] = set()
        self._waiting: list[Deferred[None]] = []
        self._timer: IDelayedCall | None = None

    def whenGone(self, connections: Iterable[Connection]) -> Deferred[None]:
        """
        @param connections: that were told to close.

        @return: fires when they are gone; after L{PATIENCE} seconds they are
            aborted.
        """
        self._left.update(connections)
        if self._timer is None:
            self._timer = self._clock.callLater(PATIENCE, self._abort)
        gone: Deferred[None] = Deferred()
        self._waiting.append(gone)
        self._look()
        return gone

    def ended(self, connection: Connection) -> None:
        """
        A connection is gone.
        """
        if connection in self._left:
            self._left.remove(connection)
            self._look()

    def _abort(self) -> None:
        self._timer = None
        for connection in list(self._left):
            connection.machine.late()

    def _look(self) -> None:
        if self._left:
            return
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        waiting, self._waiting = self._waiting, []
        for gone in waiting:
            gone.callback(None)
