"""
Interfaces that are pulled and addresses that move, in a network namespace: rows H13 to
H15 of the inventory with the kernel's own answers.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.trial.unittest import SkipTest, TestCase

from sipcluster.monitors.alarms import Alarms
from sipcluster.monitors.imonitors import NIC, IFollowing
from sipcluster.monitors.nic import SIP_NIC, NICMonitor
from sipcluster.monitors.numbers import SIP_NIC_FAILED, SIP_NIC_WORKS
from sipcluster.monitors.service import Service
from sipcluster.monitors.virtual_ip import VirtualIPMonitor
from sipcluster.net.commands import Commands
from sipcluster.net.nic import NICs
from tests.interop.namespaces import Namespace, NoNamespaces

ADDRESS = "192.0.2.21"
SIXTH = "2001:db8::21"
VIP = "192.0.2.99"


class Elsewhere(NICs):
    """
    The interfaces of a namespace.
    """

    def __init__(self, namespace: Namespace) -> None:
        super().__init__(reactor)
        self._namespace = namespace

    def find(self, address: str) -> NIC | None:
        with self._namespace.entered():
            return super().find(address)

    def follow(self, changed: Callable[[], None]) -> IFollowing:
        with self._namespace.entered():
            return super().follow(changed)


class NamespaceTests(TestCase):
    """
    A host whose interface C{eth0} has a cable to C{far}.
    """

    timeout = 30

    def setUp(self) -> None:
        try:
            self.namespace = Namespace.make()
        except NoNamespaces as e:
            raise SkipTest(str(e)) from None
        self.addCleanup(self.namespace.delete)
        self.ip("link", "add", "eth0", "type", "veth", "peer", "name", "far")
        self.ip("addr", "add", f"{ADDRESS}/24", "dev", "eth0")
        self.ip("addr", "add", f"{SIXTH}/64", "dev", "eth0", "nodad")
        self.ip("link", "set", "eth0", "up")
        self.ip("link", "set", "far", "up")
        self.nics = Elsewhere(self.namespace)
        self.alarms = Alarms(reactor, lambda: 0.0)
        self.service = Service(self.alarms)

    def ip(self, *arguments: str) -> None:
        command = ["ip", "-n", self.namespace.name, *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=10)

    def changed(self, so: Callable[[], bool]) -> Deferred[None]:
        """
        Wait until something is so: looked at whenever the kernel says that
        something has changed, and then now and again.
        """
        done: Deferred[None] = Deferred()
        clock: Any = reactor

        def look() -> None:
            if done.called:
                return
            if so():
                following.stop()
                done.callback(None)
            else:
                clock.callLater(0.05, look)

        following = self.nics.follow(lambda: None)
        look()
        return done

    @inlineCallbacks
    def test_find(self) -> Any:
        """
        An interface is found by either of its addresses, with what is wrong with
        it: no carrier when the far end is down, down when it is itself.
        """

        def found(address: str, nic: NIC | None) -> Deferred[None]:
            return self.changed(lambda: self.nics.find(address) == nic)

        for address in (ADDRESS, SIXTH):
            yield found(address, NIC("eth0"))
        self.ip("link", "set", "far", "down")
        yield found(ADDRESS, NIC("eth0", "has no carrier"))
        self.ip("link", "set", "eth0", "down")
        yield found(ADDRESS, NIC("eth0", "is down"))
        self.ip("addr", "del", f"{ADDRESS}/24", "dev", "eth0")
        yield found(ADDRESS, None)
        self.assertIs(self.nics.find(VIP), None)

    @inlineCallbacks
    def test_noticed(self) -> Any:
        """
        The kernel says at once that a cable was pulled: nobody has to look.
        """
        told: Deferred[None] = Deferred()

        def changed() -> None:
            nic = self.nics.find(ADDRESS)
            if nic is not None and nic.why and not told.called:
                told.callback(None)

        following = self.nics.follow(changed)
        self.ip("link", "set", "far", "down")
        yield told
        following.stop()

    @inlineCallbacks
    def test_monitor(self) -> Any:
        """
        The monitor of a pulled cable says so, and that it works again, although it
        would itself look only each minute.
        """
        monitor = NICMonitor(
            SIP_NIC,
            reactor,
            self.service,
            self.nics,
            ADDRESS,
            SIP_NIC_FAILED,
            SIP_NIC_WORKS,
            interval=60.0,
        )
        monitor.start()
        self.ip("link", "set", "far", "down")
        yield self.changed(lambda: bool(self.service.why))
        self.assertEqual(
            self.service.why,
            {SIP_NIC: f"network interface eth0 of {ADDRESS} has no carrier"},
        )
        self.ip("link", "set", "far", "up")
        yield self.changed(lambda: not self.service.why)
        monitor.stop()

    @inlineCallbacks
    def test_virtualAddress(self) -> Any:
        """
        The scripts move the virtual IP address with the role.
        """
        program = shutil.which("ip")
        assert program is not None
        there = (program, "-n", self.namespace.name, "addr")
        monitor = VirtualIPMonitor(
            reactor,
            self.service,
            self.nics,
            Commands(reactor),
            VIP,
            (*there, "add", f"{VIP}/32", "dev", "eth0"),
            (*there, "del", f"{VIP}/32", "dev", "eth0"),
            interval=0.1,
        )
        monitor.start()
        monitor.roleChanged(True)
        yield self.changed(lambda: self.nics.find(VIP) == NIC("eth0"))
        self.ip("addr", "del", f"{VIP}/32", "dev", "eth0")
        yield self.changed(lambda: self.nics.find(VIP) == NIC("eth0"))
        monitor.roleChanged(False)
        yield self.changed(lambda: self.nics.find(VIP) is None)
        monitor.stop()
        self.assertEqual(self.service.why, {})
