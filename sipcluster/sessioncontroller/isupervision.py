"""
The seam of those who listen to the calls of others.
"""

from __future__ import annotations

import enum

from attrs import frozen
from twisted.internet.defer import Deferred
from zope.interface import Interface

from sipcluster.wire.correlation import Requester

__all__ = ("ISupervision", "MonitorMode", "MonitorScope", "Monitoring")


class MonitorMode(enum.Enum):
    """
    Who hears a supervisor: the words of C{MonitorMode} in AttributeExtensions.

    C{SILENT}: nobody.  C{COACH}: the monitored DN.  C{BARGE_IN}: all.
    """

    SILENT = "mute"
    COACH = "coach"
    BARGE_IN = "connect"


class MonitorScope(enum.Enum):
    """
    How long a supervisor listens: the words of C{MonitorScope}.

    C{AGENT}: as long as the monitored DN is in the call.  C{CALL}: until it ends.
    """

    AGENT = "agent"
    CALL = "call"


@frozen
class Monitoring:
    """
    A supervisor who wants to hear the calls of a DN.

    @ivar hidden: the parties of the call are not told.
    """

    supervisor: str
    dn: str
    mode: MonitorMode = MonitorMode.SILENT
    scope: MonitorScope = MonitorScope.CALL
    hidden: bool = False


class ISupervision(Interface):
    """
    What can be asked of a call for a supervisor.

    Each is answered as the methods of L{ICallControl
    <sipcluster.sessioncontroller.icallcontrol.ICallControl>} are.
    """

    def observe(
        connID: str, monitoring: Monitoring, requester: Requester | None = None
    ) -> Deferred[None]:
        """
        Call a supervisor into a call in which the monitored DN is connected.
        C{Alerting} and C{Answered} of the supervisor tell of it, with
        C{Cause.BRIDGED}.

        @return: fires when the supervisor hears the call.
        """

    def changeMode(
        supervisor: str,
        connID: str,
        mode: MonitorMode,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        Let a supervisor be heard otherwise.  Answered by C{Muted} or C{Unmuted} of the
        supervisor.
        """
