"""
Whether a T-Library port can reach the telephones, and how its clients learn of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipcluster.tlib.codec import encode
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventLinkConnected,
    EventLinkDisconnected,
    Message,
)

if TYPE_CHECKING:
    from sipcluster.tserver.server import TServer
    from sipcluster.tserver.session import Session


class SwitchLink:
    """
    The way of one port to the telephones.

    @ivar there: they can be reached.
    """

    __slots__ = ("_server", "_why", "there")

    def __init__(self, server: TServer) -> None:
        self.there = True
        self._server = server
        self._why = ""

    def changed(self, there: bool, why: str) -> None:
        """
        They can be reached from now on, or no longer; tell all clients.
        """
        if (there, why) == (self.there, self._why):
            return
        self.there, self._why = there, why
        server = self._server
        for session in server.sessions.values():
            if session.connection is not None:
                message = self.state(session)
                server.tracing.sent(session.stream.name, 0, 0, message)
                session.stream.tell("link", encode(message))

    def state(self, session: Session) -> Message:
        """
        What a client is told about it.
        """
        name = session.application.name
        time = self._server.now()
        if self.there:
            return EventLinkConnected(
                time=time, applicationName=name, sessionID=session.sessionID
            )
        return EventLinkDisconnected(
            time=time,
            applicationName=name,
            sessionID=session.sessionID,
            errorCode=TErrorCode.LINK_DOWN,
            errorMessage=self._why or TErrorCode.LINK_DOWN.text,
        )
