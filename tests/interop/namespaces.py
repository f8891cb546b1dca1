"""
Network namespaces: a machine of their own for tests on the usual ports.

A cluster on fixed ports cannot share a host with whatever else runs there: a
second server may bind a UDP port silently and take the packets.  So each run
gets a namespace with its own loopback interface, and softphones, which refuse
loopback, get one each on a bridge.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import define, field

#: setns(2) flag: only a network namespace will do.
_CLONE_NEWNET = 0x40000000

#: What C{ip netns exec} lays over C{/etc}, by namespace.
_PER_NAMESPACE = Path("/etc/netns")

_libc = ctypes.CDLL(None, use_errno=True)


class NoNamespaces(Exception):
    """
    This process may not make network namespaces.
    """


def _run(*arguments: str) -> None:
    """
    Run C{ip}.

    @raise NoNamespaces: it failed, with what it said.
    """
    try:
        done = subprocess.run(
            ["ip", *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except OSError as e:
        raise NoNamespaces(f"ip: {e}") from e
    if done.returncode:
        raise NoNamespaces(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def _setns(descriptor: int) -> None:
    """
    Move the calling thread into the namespace behind a file descriptor.
    """
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@define
class Namespace:
    """
    One network namespace with its loopback interface up.

    @ivar name: unique on this machine; what C{ip netns} lists.
    """

    name: str

    @classmethod
    def make(cls, suffix: str = "") -> Namespace:
        """
        Make a namespace named after this process.

        @raise NoNamespaces: not root, or the kernel refuses.
        """
        if os.geteuid() != 0:
            raise NoNamespaces("network namespaces need root")
        made = cls(f"sipc{os.getpid()}{os.urandom(2).hex()}{suffix}")
        _run("netns", "add", made.name)
        _run("-n", made.name, "link", "set", "lo", "up")
        return made

    def knows(self, hosts: Mapping[str, str]) -> None:
        """
        Give names to addresses, for programs started with L{command}; no name
        server is asked there.

        @param hosts: addresses by name.
        """
        folder = _PER_NAMESPACE / self.name
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{address} {name}\n" for name, address in hosts.items()]
        (folder / "hosts").write_text("127.0.0.1 localhost\n" + "".join(lines))
        (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")

    def delete(self) -> None:
        """
        Give it back; what still runs inside keeps it alive until it ends.
        """
        shutil.rmtree(_PER_NAMESPACE / self.name, ignore_errors=True)
        with contextlib.suppress(NoNamespaces):
            _run("netns", "delete", self.name)

    def command(self, arguments: Sequence[str]) -> list[str]:
        """
        The command line that runs C{arguments} inside.

        C{ip} replaces itself with the program, so the process started with
        this line has the program's own id.
        """
        return ["ip", "netns", "exec", self.name, *arguments]

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """
        Let this thread make sockets inside; they stay inside afterwards.
        """
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            inside = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
            try:
                _setns(inside)
            finally:
                os.close(inside)
            try:
                yield
            finally:
                _setns(home)
        finally:
            os.close(home)

    def ip(self, *arguments: str) -> None:
        """
        Change the namespace's interfaces with C{ip}.
        """
        _run("-n", self.name, *arguments)


@define
class Bridge:
    """
    A namespace that holds a bridge with many addresses, and phones on it.

    @ivar hub: where the cluster runs; every address of it is on the bridge.
    @ivar base: the first three numbers of all addresses.
    """

    hub: Namespace
    base: str
    phones: list[Namespace] = field(factory=list)

    @classmethod
    def make(cls, base: str, hosts: Sequence[int]) -> Bridge:
        """
        @param hosts: last numbers of the addresses of the hub.
        """
        bridge = cls(Namespace.make(), base)
        try:
            bridge.hub.ip("link", "add", "br0", "type", "bridge")
            bridge.hub.ip("link", "set", "br0", "up")
            for host in hosts:
                bridge.hub.ip("addr", "add", f"{base}.{host}/24", "dev", "br0")
        except NoNamespaces:
            bridge.delete()
            raise
        return bridge

    def addPhone(self, host: int) -> Namespace:
        """
        Plug in a host of its own, with a default route that leads nowhere:
        softphones ask for one before they believe in their address.
        """
        phone = Namespace.make(f"p{host}")
        self.phones.append(phone)
        near, far = f"v{host}", "eth0"
        self.hub.ip(
            *("link", "add", near, "type", "veth"),
            *("peer", "name", far, "netns", phone.name),
        )
        self.hub.ip("link", "set", near, "master", "br0", "up")
        phone.ip("addr", "add", f"{self.base}.{host}/24", "dev", far)
        phone.ip("link", "set", far, "up")
        phone.ip("route", "add", "default", "via", f"{self.base}.1")
        return phone

    def unplug(self, host: int, pulled: bool = True) -> None:
        """
        Pull a phone's cable out, or put it back in.
        """
        self.hub.ip("link", "set", f"v{host}", "down" if pulled else "up")

    def delete(self) -> None:
        """
        Give everything back.
        """
        for namespace in (*self.phones, self.hub):
            namespace.delete()
