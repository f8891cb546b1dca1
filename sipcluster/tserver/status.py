"""
What people are told of a T-Library port.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sipcluster.tserver.server import TServer


def status(server: TServer) -> dict[str, object]:
    """
    Counts: plain values only.
    """
    sessions = server.sessions.values()
    return {
        "clients": sum(one.connection is not None for one in sessions),
        "away": sum(one.connection is None for one in sessions),
        "halfOpen": len(server.halfOpen),
        "registrations": server.registrations.count,
        "watchedDNs": len(server.registrations),
        "journalMessages": sum(len(one.stream.journal.entries) for one in sessions),
        "journalBytes": sum(one.stream.journal.size for one in sessions),
        "unsentBytes": sum(one.stream.unsent for one in sessions),
        "pending": sum(len(one.pending) for one in sessions),
        "linked": server.switchLink.there,
        "counts": dict(sorted(server.counts.items())),
    }


def clients(server: TServer) -> Iterable[dict[str, object]]:
    """
    All sessions, in the order of their beginning.
    """
    for session in server.sessions.values():
        stream = session.stream
        yield {
            "application": session.application.name,
            "session": session.id,
            "client": stream.name,
            "state": "away" if session.connection is None else "connected",
            "since": session.since,
            "registrations": len(session.dns),
            "position": stream.journal.last,
            "sent": stream.sent,
            "acknowledged": stream.journal.first - 1,
            "unsentBytes": stream.unsent,
            "pending": len(session.pending),
        }
