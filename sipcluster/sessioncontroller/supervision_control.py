"""
What can be asked of calls for a supervisor.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipcluster.sessioncontroller.conference_control import ConferenceControl
from sipcluster.sessioncontroller.isessioncontroller import (
    CallRefused,
    ExtensionDN,
    Why,
)
from sipcluster.sessioncontroller.isupervision import (
    ISupervision,
    Monitoring,
    MonitorMode,
)
from sipcluster.wire.correlation import Requester


@implementer(ISupervision)
class SupervisionControl(ConferenceControl):
    """
    Finds the calls, and has them listened to.
    """

    def observe(
        self,
        connID: str,
        monitoring: Monitoring,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        See L{ISupervision}.
        """

        def act() -> Deferred[None]:
            if monitoring.supervisor == monitoring.dn:
                raise CallRefused(Why.BAD_VALUE, "nobody supervises himself")
            call, party = self._find(monitoring.dn, connID)
            where = self.wish(monitoring.supervisor, monitoring.supervisor)
            assert isinstance(where.caller, ExtensionDN)
            found = self.telephoneOf(where.caller)
            return call.observeFor(party, monitoring, where, found, requester)

        return self._later(act)

    def changeMode(
        self,
        supervisor: str,
        connID: str,
        mode: MonitorMode,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        See L{ISupervision}.
        """
        return self._atOnce(
            supervisor,
            connID,
            lambda call, party: call.changeModeFor(party, mode, requester),
        )
