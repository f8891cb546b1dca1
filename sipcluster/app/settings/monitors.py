"""
The tables of monitors and alarms.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from attrs import frozen

from sipcluster.app import kinds
from sipcluster.app.options import option


@frozen
class Monitoring:
    """
    C{[node.monitors]}: what a member of a pair looks at to know whether it can
    serve.
    """

    sipPassCheck: bool = option(
        "sip-pass-check",
        kinds.flag(),
        "Whether a primary that no SIP message reaches leaves the role to the other "
        "member. The time is the longest oos-check + oos-force of all DNs that have "
        "oos-check, with an oos-force of at least 5; without such a DN nothing is "
        "watched.",
        default=False,
    )
    arbiterMonitoring: bool = option(
        "arbiter-monitoring",
        kinds.flag(),
        "Whether there is an alarm while the arbiter of the pair does not answer. "
        "What the role does then does not depend on this.",
        default=True,
    )
    sipIPTakeoverMonitoring: bool = option(
        "sip-iptakeover-monitoring",
        kinds.flag(),
        "Whether the primary looks that this host has sip-virtual-address, and the "
        "backup that it has not; the scripts put it right.",
        default=False,
    )
    sipVirtualAddress: str = option(
        "sip-virtual-address",
        kinds.address(),
        "The virtual IP address of the pair.",
        default="",
    )
    vipUpCommand: tuple[str, ...] = option(
        "vip-up-command",
        kinds.listOf(kinds.text()),
        "Command that takes the virtual IP address: a program with its path, and "
        "its arguments; no shell.",
        default=(),
    )
    vipDownCommand: tuple[str, ...] = option(
        "vip-down-command",
        kinds.listOf(kinds.text()),
        "Command that gives the virtual IP address up.",
        default=(),
    )
    vipCommandTimeout: float = option(
        "vip-command-timeout",
        kinds.seconds(0.1, 60),
        "How long such a command may take.",
        default=10.0,
    )
    tlibNICMonitoring: bool = option(
        "tlib-nic-monitoring",
        kinds.flag(),
        "Whether the network interface is watched that has the address of the "
        "T-Library ports; while it has failed, the other member serves if it can.",
        default=False,
    )
    sipNICMonitoring: bool = option(
        "sip-nic-monitoring",
        kinds.flag(),
        "Whether the network interface is watched that has sip-nic-address; while "
        "it has failed, the other member serves if it can.",
        default=False,
    )
    sipNICAddress: str = option(
        "sip-nic-address",
        kinds.address(),
        "An address of the network interface of SIP.",
        default="",
        shown="the SIP address",
    )
    monitoringInterval: float = option(
        "monitoring-interval",
        kinds.seconds(0.1, 60),
        "How often interfaces, addresses and the arbiter are looked at; what the "
        "system tells by itself is known at once.",
        default=1.0,
    )
    backupInitCheck: bool = option(
        "backup-init-check",
        kinds.flag(),
        "Whether a backup is unavailable that is not initialised: its ports are not "
        "open, or it does not have everything that the primary has.",
        default=False,
    )
    backupInitCheckTimeout: float = option(
        "backup-init-check-timeout",
        kinds.seconds(15, 3600),
        "How long a backup may take to be initialised.",
        default=60.0,
    )
    backupSIPPortCheck: bool = option(
        "backup-sip-port-check",
        kinds.flag(),
        "Whether a backup is unavailable that cannot open its SIP port; if not, it "
        "is only when it becomes primary.",
        default=True,
    )

    def faults(self, sipAddress: str, asked: bool) -> Iterator[tuple[str, str]]:
        """
        What is wrong between these options and others: their names, and why.

        @param sipAddress: where SIP of the node listens.
        @param asked: whether some DN has C{oos-check}.
        """
        if self.sipPassCheck and not asked:
            yield "sip-pass-check", "no extension and no trunk has oos-check"
        if self.sipIPTakeoverMonitoring:
            for name, value in (
                ("sip-virtual-address", self.sipVirtualAddress),
                ("vip-up-command", self.vipUpCommand),
                ("vip-down-command", self.vipDownCommand),
            ):
                if not value:
                    yield "sip-iptakeover-monitoring", f"needs {name}"
        if self.sipNICMonitoring and not self.sipNICAddress and wildcard(sipAddress):
            yield "sip-nic-monitoring", f"needs sip-nic-address: SIP is at {sipAddress}"


def wildcard(address: str) -> bool:
    """
    Whether an address stands for all.
    """
    return not address or ip_address(address).is_unspecified


@frozen
class AlarmSettings:
    """
    C{[alarms]}: whom the processes tell of alarms.
    """

    command: tuple[str, ...] = option(
        "command",
        kinds.listOf(kinds.text()),
        "Command that is run for each alarm that is raised or cleared: a program "
        "with its path, and its arguments; no shell. The alarm is in its environment "
        "and its last arguments.",
        default=(),
    )
    timeout: float = option(
        "timeout",
        kinds.seconds(0.1, 600),
        "How long the command may take before it is killed.",
        default=10.0,
    )
    clearAfter: float = option(
        "clear-after",
        kinds.seconds(0, 604800),
        "After how long alarms are cleared that no event clears; 0: never.",
        default=0.0,
    )
    history: int = option(
        "history",
        kinds.integer(0, 100000),
        "Alarms remembered that are over.",
        default=500,
    )
