"""
SIPp as a pair of telephones: who they are, where they are, and when they are ready.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from attrs import frozen

from tests.interop.namespaces import Namespace
from tests.interop.sipp import SIPp


@frozen
class Phone:
    """
    One telephone.

    @ivar number: its DN; the password follows from it.
    @ivar address: where it is.
    @ivar proxy: C{host:port} of the SIP Proxy that it uses.
    """

    number: str
    address: str
    proxy: str
    transport: str = "u1"
    mediaPort: int = 16000

    def run(self, scenario: str, service: str = "", **options: Any) -> SIPp:
        """
        One run as this telephone.
        """
        given: dict[str, Any] = {
            "user": self.number,
            "password": f"secret-{self.number}",
            "transport": self.transport,
            "mediaPort": self.mediaPort,
            "service": service,
            **options,
        }
        return SIPp(scenario, self.address, self.proxy, **given)

    def answer(self, scenario: str, **options: Any) -> SIPp:
        """
        One run as this telephone that waits for a call.
        """
        given: dict[str, Any] = {
            "transport": self.transport,
            "mediaPort": self.mediaPort,
            **options,
        }
        return SIPp(scenario, self.address, **given)


def listens(
    namespace: Namespace | None, address: str, port: int = 5060, table: str = "udp"
) -> bool:
    """
    Whether a program has bound a port, as the kernel's table of sockets says.
    """
    octets = [int(one) for one in address.split(".")]
    wanted = "{3:02X}{2:02X}{1:02X}{0:02X}:{port:04X}".format(*octets, port=port)
    with namespace.entered() if namespace is not None else nullcontext():
        text = Path(f"/proc/thread-self/net/{table}").read_text()
    return any(wanted == line.split()[1] for line in text.splitlines()[1:])
