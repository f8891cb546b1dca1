"""
Supervisors who want to hear the calls of a DN: C{RequestMonitorNextCall}.

The DN that is to be heard has who wants it, as it has all else that is switched on at
it; so it is kept with the DN.  When the DN is connected, the call is asked to take the
supervisor in, in the next turn of the reactor, since a call that tells of something is
in the middle of it.  That it is to be asked is written down, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from attrs import evolve
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipcluster.sessioncontroller.events import CallType, PartyView, Role
from sipcluster.sessioncontroller.isessioncontroller import CallRefused, ExtensionDN
from sipcluster.sessioncontroller.isupervision import (
    ISupervision,
    Monitoring,
    MonitorMode,
    MonitorScope,
)
from sipcluster.tcontroller.asking import Asked, CannotBe
from sipcluster.tcontroller.iagent import Office
from sipcluster.tcontroller.values import Hook, Monitor
from sipcluster.tlib.enums import MonitorNextCallType
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventMonitoringCancelled,
    EventMonitoringNextCall,
    RequestCancelMonitoring,
    RequestMonitorNextCall,
)
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList, get

if TYPE_CHECKING:
    from sipcluster.tcontroller.device import Device

log = Logger()

#: Supervisors that one DN may have.
MOST_SUPERVISORS = 8

#: The pairs of AttributeExtensions that say how a supervisor listens.
MODE, SCOPE, HIDDEN = "MonitorMode", "MonitorScope", "MonitorHidden"

_TYPES = {
    True: MonitorNextCallType.ONE_CALL,
    False: MonitorNextCallType.ALL_CALLS,
}

T = TypeVar("T", MonitorMode, MonitorScope)


class Supervisors:
    """
    Has supervisors called into the calls of those whom they want to hear.

    @ivar supervision: who does it; L{None}: nobody.
    """

    supervision: ISupervision | None = None

    def __init__(self, office: Office, devices: Mapping[str, Device]) -> None:
        """
        @param devices: all DNs, by number.
        """
        self._office = office
        self._devices = devices

    # Requests

    def begin(
        self, supervisor: Device, request: RequestMonitorNextCall, asked: Asked
    ) -> None:
        """
        Listen to the next calls of a DN, and to the one that it has.

        @raise CannotBe: that cannot be.
        """
        device = self._of(supervisor, request.otherDN)
        kind = request.monitorNextCallType
        if kind not in (None, *MonitorNextCallType):
            text = "MonitorNextCallType: want OneCall or AllCalls"
            raise CannotBe(TErrorCode.INVALID_ATTRIBUTE, text)
        monitor = Monitor(
            _monitoring(supervisor.number, device.number, request.extensions or ()),
            kind != MonitorNextCallType.ALL_CALLS,
        )
        others = [one for one in device.monitors if one != supervisor.number]
        if len(others) >= MOST_SUPERVISORS:
            text = f"the DN has {MOST_SUPERVISORS} supervisors"
            raise CannotBe(TErrorCode.RESOURCE_UNAVAILABLE, text)
        device.monitors[supervisor.number] = monitor
        device.note(f"monitored by {supervisor.number}", "asked")
        self._tell(EventMonitoringNextCall, device, monitor, asked.requester)
        for connID, hook in device.calls.items():
            if hook is Hook.CONNECTED:
                self._due(device, supervisor.number, connID)
                break

    def cancel(
        self, supervisor: Device, request: RequestCancelMonitoring, asked: Asked
    ) -> None:
        """
        Listen to no other call of it.

        @raise CannotBe: it does not.
        """
        device = self._of(supervisor, request.otherDN)
        monitor = device.monitors.pop(supervisor.number, None)
        if monitor is None:
            raise CannotBe(TErrorCode.ALREADY_IN_STATE)
        device.note(f"no longer monitored by {supervisor.number}", "asked")
        self._tell(EventMonitoringCancelled, device, monitor, asked.requester)

    def _of(self, supervisor: Device, number: str | None) -> Device:
        device = self._devices.get(number or "")
        if device is None or not isinstance(device.dn, ExtensionDN):
            raise CannotBe(TErrorCode.TARGET_DN_INVALID)
        if device is supervisor:
            raise CannotBe(TErrorCode.TARGET_DN_INVALID, "OtherDN: is the DN itself")
        return device

    def _tell(
        self,
        kind: type[EventMonitoringNextCall | EventMonitoringCancelled],
        device: Device,
        monitor: Monitor,
        requester: Requester | None = None,
    ) -> None:
        """
        Tell the clients of the supervisor, and those of whom it hears.
        """
        monitoring, what = monitor.monitoring, _TYPES[monitor.once]
        supervisor = self._devices.get(monitoring.supervisor)
        words = _words(monitoring)
        if supervisor is not None:
            supervisor.tell(
                kind,
                requester,
                otherDN=device.number,
                monitorNextCallType=what,
                extensions=words,
            )
        if not monitoring.hidden:
            device.tell(
                kind,
                otherDN=monitoring.supervisor,
                monitorNextCallType=what,
                extensions=words,
            )

    # Calls

    def connected(self, device: Device, view: PartyView) -> None:
        """
        A DN talks: have its supervisors listen.  To whom it consults, and whom it
        supervises itself, they do not.
        """
        if view.callType is CallType.CONSULT or view.thisRole is Role.OBSERVER:
            return
        for supervisor in list(device.monitors):
            self._due(device, supervisor, view.connID)

    def _due(self, device: Device, supervisor: str, connID: str) -> None:
        monitor = device.monitors[supervisor]
        device.monitors[supervisor] = evolve(monitor, due=(*monitor.due, connID))
        device.changed()
        self._soon(device, supervisor, connID)

    def _soon(self, device: Device, supervisor: str, connID: str) -> None:
        self._office.clock.callLater(0, self._observe, device, supervisor, connID)

    def _observe(self, device: Device, supervisor: str, connID: str) -> None:
        monitor = device.monitors.get(supervisor)
        if monitor is None or connID not in monitor.due or self.supervision is None:
            return
        if monitor.once:
            del device.monitors[supervisor]
        else:
            due = tuple(one for one in monitor.due if one != connID)
            device.monitors[supervisor] = evolve(monitor, due=due)
        device.changed()
        self.supervision.observe(connID, monitor.monitoring).addErrback(
            self._notObserved, device, monitor
        )

    def _notObserved(self, failure: Failure, device: Device, monitor: Monitor) -> None:
        """
        The supervisor does not hear the call.
        """
        supervisor = monitor.monitoring.supervisor
        if failure.check(CallRefused):  # type: ignore[no-untyped-call]
            log.info(
                "{supervisor} does not hear {dn}: {why}",
                supervisor=supervisor,
                dn=device.number,
                why=failure.value,
            )
        else:
            log.failure("{dn} is not heard", failure=failure, dn=device.number)
        if monitor.once:
            device.note(f"not heard by {supervisor}", str(failure.value))
            self._tell(EventMonitoringCancelled, device, monitor)

    def settle(self, device: Device) -> None:
        """
        A DN was restored: go on with what is due.
        """
        for supervisor, monitor in device.monitors.items():
            for connID in monitor.due:
                self._soon(device, supervisor, connID)


def _monitoring(supervisor: str, dn: str, extensions: KVList) -> Monitoring:
    """
    What the Extensions of a request say.

    @raise CannotBe: there is no such thing.
    """
    words = tuple(extensions)
    return Monitoring(
        supervisor,
        dn,
        _word(words, MODE, MonitorMode.SILENT),
        _word(words, SCOPE, MonitorScope.CALL),
        get(words, HIDDEN) in (1, "1", "true"),
    )


def _word(extensions: KVList, key: str, usual: T) -> T:
    value = get(extensions, key)
    if value is None:
        return usual
    try:
        return type(usual)(value)
    except ValueError:
        words = ", ".join(one.value for one in type(usual))
        text = f"{key}: want one of {words}"
        raise CannotBe(TErrorCode.BAD_PARAMETER, text) from None


def _words(monitoring: Monitoring) -> KVList:
    """
    The Extensions of the events.
    """
    words: KVList = (
        (MODE, monitoring.mode.value),
        (SCOPE, monitoring.scope.value),
    )
    return (*words, (HIDDEN, 1)) if monitoring.hidden else words
