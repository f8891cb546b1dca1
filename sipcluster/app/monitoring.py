"""
The monitors of a node, as its settings say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from attrs import define, field, frozen
from twisted.internet.interfaces import IReactorTime

from sipcluster.app.pair import PairProcess
from sipcluster.app.settings.configuration import Configuration
from sipcluster.app.settings.dns import Extension, Trunk
from sipcluster.app.settings.monitors import Monitoring, wildcard
from sipcluster.monitors import (
    condition,
    initialised,
    link,
    nic,
    numbers,
    sip_pass,
    virtual_ip,
)
from sipcluster.monitors.alarms import Alarms
from sipcluster.monitors.imonitors import ICommands, IMonitor, INICs, IReasons
from sipcluster.monitors.monitors import Monitors
from sipcluster.monitors.ports import Ports
from sipcluster.monitors.service import Service

#: Why a monitor does nothing.
NO_PAIR = "this node is in no pair"
NO_NICS = "this system does not say what interfaces it has"


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
    @ivar linked: whether the other member is heard.
    @ivar standbyUnready: why the calls of this primary would not outlive it;
        empty while they would, and on a backup.
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
    linked: Callable[[], bool] = _true
    standbyUnready: Callable[[], str] = _empty
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
    made = _Making(settings, around, service)
    made.sipPassCheck(configuration)
    made.pair()
    made.virtualIP()
    made.nic(
        settings.sipNICMonitoring,
        nic.SIP_NIC,
        settings.sipNICAddress or around.sipAddress,
        (numbers.SIP_NIC_FAILED, numbers.SIP_NIC_WORKS),
    )
    made.nic(
        settings.tlibNICMonitoring,
        nic.TLIB_NIC,
        around.tlibAddress,
        (numbers.NIC_FAILED, numbers.NIC_WORKS),
    )
    made.initialised()
    ports = Ports(around.clock, service, settings.backupSIPPortCheck)
    return Monitors(around.alarms, service, made.monitors, made.off, ports)


@define
class _Making:
    """
    @ivar monitors: made so far.
    @ivar off: those that are on, but cannot do anything, and why.
    """

    settings: Monitoring
    around: Surroundings
    service: Service
    monitors: list[IMonitor] = field(factory=list)
    off: dict[str, str] = field(factory=dict)

    def sipPassCheck(self, configuration: Configuration) -> None:
        if not self.settings.sipPassCheck:
            return
        around = self.around
        devices = ((check, force) for _, check, force in activeDevices(configuration))
        seconds = sip_pass.period(devices)
        if around.reasons is None:
            self.off[sip_pass.REASON] = NO_PAIR
        elif seconds <= 0:
            self.off[sip_pass.REASON] = "no DN has oos-check"
        else:
            self.monitors.append(
                sip_pass.SIPPassCheck(
                    around.clock,
                    self.service,
                    seconds,
                    around.devicesFailed,
                    around.settle,
                )
            )

    def pair(self) -> None:
        around, interval = self.around, self.settings.monitoringInterval
        if around.reasons is None:
            return
        clock, alarms = around.clock, around.alarms
        if self.settings.arbiterMonitoring:
            self.monitors.append(
                condition.arbiterMonitor(clock, alarms, around.arbiterAway, interval)
            )
        self.monitors.append(
            condition.standbyMonitor(clock, alarms, around.standbyUnready, interval)
        )
        self.monitors.append(
            link.LinkMonitor(clock, self.service, around.linked, interval)
        )

    def virtualIP(self) -> None:
        settings, around = self.settings, self.around
        if not settings.sipIPTakeoverMonitoring:
            return
        name = virtual_ip.REASON
        if around.reasons is None:
            self.off[name] = NO_PAIR
        elif not settings.sipVirtualAddress:
            self.off[name] = "there is no sip-virtual-address"
        elif around.nics is None or around.commands is None:
            self.off[name] = NO_NICS
        else:
            self.monitors.append(
                virtual_ip.VirtualIPMonitor(
                    around.clock,
                    self.service,
                    around.nics,
                    around.commands,
                    settings.sipVirtualAddress,
                    settings.vipUpCommand,
                    settings.vipDownCommand,
                    settings.monitoringInterval,
                    settings.vipCommandTimeout,
                )
            )

    def nic(self, on: bool, name: str, address: str, told: tuple[str, str]) -> None:
        """
        @param told: the numbers of what is logged: failed, works.
        """
        around = self.around
        if not on:
            return
        if around.nics is None:
            self.off[name] = NO_NICS
        elif wildcard(address):
            self.off[name] = f"{address or 'no address'} is of no interface"
        else:
            self.monitors.append(
                nic.NICMonitor(
                    name,
                    around.clock,
                    self.service,
                    around.nics,
                    address,
                    *told,
                    interval=self.settings.monitoringInterval,
                    deaf=name == nic.SIP_NIC,
                )
            )

    def initialised(self) -> None:
        settings, around = self.settings, self.around
        if not settings.backupInitCheck:
            return
        if around.reasons is None:
            self.off[initialised.REASON] = NO_PAIR
        else:
            self.monitors.append(
                initialised.InitCheck(
                    around.clock,
                    self.service,
                    around.missing,
                    settings.backupInitCheckTimeout,
                    settings.monitoringInterval,
                )
            )


def watchPair(
    member: PairProcess,
    alarms: Alarms,
    nics: INICs | None,
    commands: ICommands | None,
) -> Monitors:
    """
    Make the monitors of a member of a pair, which tells them its role.  Whoever runs
    the member starts them before it, and stops them after it.
    """
    runtime = member.runtime
    settings, configuration = runtime.settings, runtime.configuration
    pair = configuration.pair(runtime.name)
    assert pair is not None
    active = [number for number, _, _ in activeDevices(configuration)]

    def devicesFailed() -> bool:
        life = member.life
        return life is None or not any(map(life.devices.watch.inService, active))

    def standbyUnready() -> str:
        if member.life is None or member.inSync:
            return ""
        if member.companion.state is None:
            return f"there is no link to {member.other}"
        return f"{member.other} has not everything"

    def missing() -> Mapping[str, str]:
        found = {} if monitors.ports is None else dict(monitors.ports.closed)
        if not member.inSync:
            found["copy"] = f"it has not everything that {member.other} has"
        return found

    monitors = monitorsOf(
        settings.monitors,
        configuration,
        Surroundings(
            clock=runtime.clock,
            alarms=alarms,
            reasons=member.fitness,
            nics=nics,
            commands=commands,
            sipAddress=settings.sipAddress,
            tlibAddress=settings.tlibHost,
            devicesFailed=devicesFailed,
            arbiterAway=lambda: member.member.away,
            linked=lambda: member.companion.state is not None,
            standbyUnready=standbyUnready,
            missing=missing,
            settle=pair.lease,
        ),
    )
    member.watch(monitors)
    return monitors
