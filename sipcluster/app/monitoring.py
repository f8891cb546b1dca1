"""
The monitors of a node, as its settings say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from attrs import frozen
from twisted.internet.interfaces import IReactorTime

from sipcluster.app.settings.configuration import Configuration
from sipcluster.app.settings.dns import Extension, Trunk
from sipcluster.app.settings.monitors import Monitoring
from sipcluster.monitors import sip_pass
from sipcluster.monitors.alarms import Alarms
from sipcluster.monitors.imonitors import ICommands, IMonitor, INICs, IReasons
from sipcluster.monitors.monitors import Monitors
from sipcluster.monitors.service import Service


def _true() -> bool:
    return True


def _empty() -> str:
    return ""


def _complete() -> Mapping[str, str]:
    return {}


@frozen(kw_only=True)
class Surroundings:
    """
    What the monitors of one process look at, and whom they tell.

    @ivar reasons: the pair's fitness; L{None} for a process that is in no pair.
    @ivar nics: the network interfaces; L{None}: they are not looked at.
    @ivar commands: runs scripts; L{None}: none are run.
    @ivar sipAddress: where SIP listens.
    @ivar tlibAddress: where the T-Library ports listen.
    @ivar devicesFailed: whether all DNs with active out-of-service detection
        have failed.
    @ivar arbiterAway: why the arbiter cannot be reached; empty while it answers.
    @ivar missing: the parts of a backup that are not initialised, and why.
    @ivar settle: for how long a member that has given up the role leaves it to
        the other, in seconds: no less than half of C{LeaseTimes.ttl}.
    """

    clock: IReactorTime
    alarms: Alarms
    reasons: IReasons | None = None
    nics: INICs | None = None
    commands: ICommands | None = None
    sipAddress: str = ""
    tlibAddress: str = ""
    devicesFailed: Callable[[], bool] = _true
    arbiterAway: Callable[[], str] = _empty
    missing: Callable[[], Mapping[str, str]] = _complete
    settle: float = 5.0


def activeDevices(configuration: Configuration) -> Iterable[tuple[str, float, float]]:
    """
    The DNs with active out-of-service detection: number, C{oos-check},
    C{oos-force}.
    """
    for dn in configuration.dns:
        if isinstance(dn, Extension | Trunk) and dn.oosCheck > 0:
            yield dn.number, dn.oosCheck, dn.oosForce


def monitorsOf(
    settings: Monitoring, configuration: Configuration, around: Surroundings
) -> Monitors:
    """
    Make the monitors of a node: C{start}, C{stop}, C{roleChanged}, C{sipSeen} and
    C{status} are what is called of them.
    """
    service = Service(around.alarms, around.reasons)
    monitors: list[IMonitor] = []
    off: dict[str, str] = {}
    if settings.sipPassCheck:
        devices = ((check, force) for _, check, force in activeDevices(configuration))
        seconds = sip_pass.period(devices)
        if around.reasons is None:
            off[sip_pass.REASON] = "this node is in no pair"
        elif seconds <= 0:
            off[sip_pass.REASON] = "no DN has oos-check"
        else:
            monitors.append(
                sip_pass.SIPPassCheck(
                    around.clock,
                    service,
                    seconds,
                    around.devicesFailed,
                    around.settle,
                )
            )
    return Monitors(around.alarms, service, monitors, off)
