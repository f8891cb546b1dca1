"""
Requests that say who hears a DN: mute, and the modes of supervision.
"""

from __future__ import annotations

from typing import Any

from attrs import define
from twisted.internet.defer import Deferred

from sipcluster.sessioncontroller.iconferences import IConferences
from sipcluster.sessioncontroller.isessioncontroller import (
    CallRefused,
    ICallControl,
    Why,
)
from sipcluster.sessioncontroller.isupervision import ISupervision, MonitorMode
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import Message, RequestSetMuteOff, RequestSetMuteOn
from sipcluster.tserver.call_asking import TALKING, CallAsking, partyOf, statusOf
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList

#: The pair of AttributeExtensions by which a supervisor changes how it listens.
MONITOR_MODE = "MonitorMode"


@define(eq=False)
class SupervisionRequests(CallAsking):
    """
    Answers those of one T-Library port.
    """

    control: ISupervision
    conferences: IConferences
    calls: ICallControl

    def codeOf(self, why: Why, request: Message | None) -> TErrorCode:
        """
        See L{CallAsking.codeOf}.
        """
        if why is Why.WRONG_STATE and isinstance(
            request, RequestSetMuteOn | RequestSetMuteOff
        ):
            on = isinstance(request, RequestSetMuteOn)
            party = statusOf(self.calls, request.thisDN, request.connID)
            if party is not None and party.state in TALKING and party.muted is on:
                return TErrorCode.ALREADY_IN_STATE
        return super().codeOf(why, request)

    def _mute(
        self, request: RequestSetMuteOn | RequestSetMuteOff, who: Requester
    ) -> Deferred[Any]:
        on = isinstance(request, RequestSetMuteOn)
        mode = modeOf(request.extensions or ())
        if mode is None:
            return self.conferences.mute(*partyOf(request), on, who)
        if on is not (mode is MonitorMode.SILENT):
            raise CallRefused(Why.BAD_VALUE, f"{MONITOR_MODE}: {mode.value} is not it")
        return self.control.changeMode(*partyOf(request), mode, who)


def modeOf(extensions: KVList) -> MonitorMode | None:
    """
    How a supervisor is to listen.

    @return: L{None}: nothing is said of it.

    @raise CallRefused: that is no mode.
    """
    for key, value in extensions:
        if key == MONITOR_MODE:
            try:
                return MonitorMode(value)
            except ValueError:
                raise CallRefused(
                    Why.BAD_VALUE, f"{MONITOR_MODE}: want mute, coach or connect"
                ) from None
    return None


SupervisionRequests.methods = {
    RequestSetMuteOn: SupervisionRequests._mute,
    RequestSetMuteOff: SupervisionRequests._mute,
}
