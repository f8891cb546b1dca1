"""
What happens to a session of a T-Library port.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sipcluster.tserver.connection import Connection
else:
    Connection = object  # named by the machine: known to the type checker only


class Presence(Protocol):
    """
    What may happen to a session.
    """

    def attached(self, connection: Connection, position: int) -> None:
        """
        Its client has a connection, and has handled all up to a position.
        """

    def detached(self) -> None:
        "The connection is lost, or no longer the session's."

    def expired(self) -> None:
        "The client did not come back in time."

    def ended(self, why: str) -> None:
        "The client, or the server, wants no more of it."
