"""
Addresses of sockets, as they are written, compared and told apart.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

#: What C{recvfrom} and C{sendto} give: C{(host, port)}, longer for IPv6.
SocketAddress = tuple[Any, ...]

#: The addresses that mean "all of this host".
WILDCARDS = ("0.0.0.0", "::", "")


def hostPort(host: str, port: int) -> str:
    """
    Write C{host:port}, with brackets where the host is an IPv6 address.
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def plainHost(host: str) -> str:
    """
    An IPv4 address that came mapped into IPv6 (C{::ffff:192.0.2.1}) as itself.
    """
    return host[7:] if host[:7].lower() == "::ffff:" and "." in host else host


def socketAddress(host: str, port: int) -> SocketAddress:
    """
    The form in which the socket module gives and takes this address.
    """
    if ":" not in host:
        return (host, port)
    host, _, scope = host.partition("%")
    return (str(ip_address(host)), port, 0, int(scope) if scope.isdigit() else 0)


def isGroup(maddr: bytes | None) -> bool:
    """
    Whether C{maddr} names a multicast group.
    """
    try:
        address = ip_address((maddr or b"").strip(b"[]").decode("ascii"))
    except ValueError:
        return False
    return address.is_multicast


def isLoopback(host: str) -> bool:
    """
    Whether an address is one of this host alone.
    """
    return host.startswith("127.") or host == "::1"
