"""
What the tests of the SIP Proxy's parts have in common.
"""

from __future__ import annotations

from collections.abc import Sequence

from zope.interface import implementer

from sipcluster.servicecheck.iservicecheck import (
    IPrimaryObserver,
    IServiceObserver,
    IServiceRegistry,
    Member,
    PeerRole,
)
from sipcluster.sip.isip import IFlow, Target
from sipcluster.sip.message import Request, parseMessage
from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.topology import NodeAddress, Topology
from sipcluster.testing.records import RecordingFlow

PROXY = "192.0.2.11"
NODE1 = "192.0.2.21"
ALICE = "198.51.100.1"


def topology() -> Topology:
    """
    Two proxies, two nodes; this is the first proxy.
    """
    return Topology(
        "proxy1",
        b"Example.com",
        [(PROXY, 5060), (PROXY, 5061)],
        [NodeAddress("node1", NODE1, 5060), NodeAddress("node2", "192.0.2.22", 5060)],
        {"proxy2": Target("UDP", "192.0.2.12", 5060)},
    )


def request(
    uri: str = "sip:bob@example.com", *more: str, method: str = "INVITE", to: str = ""
) -> Request:
    """
    A request of alice's.
    """
    text = "\r\n".join(
        [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {ALICE};branch=z9hG4bKa",
            "From: <sip:alice@example.com>;tag=a",
            f"To: <{to or 'sip:bob@example.com'}>",
            "Call-ID: c",
            f"CSeq: 1 {method}",
            *more,
            "",
            "",
        ]
    )
    message = parseMessage(text.encode())
    assert isinstance(message, Request)
    return message


def contextOf(
    message: Request, flow: IFlow | None = None, fromNode: bool = False
) -> RequestContext:
    """
    Its context, as it came on a flow.
    """
    flow = flow or RecordingFlow(remote=(ALICE, 5060), local=(PROXY, 5060))
    return RequestContext(message, flow, fromNode, False)


@implementer(IServiceRegistry)
class FixedRegistry:
    """
    Members that are in service until they are taken out.

    @ivar serving: by the name of their pair.
    """

    def __init__(self, *names: str) -> None:
        self.serving = {
            name: Member(name, Target("UDP", f"192.0.2.{20 + index}", 5060), name)
            for index, name in enumerate(names, 1)
        }

    def primary(self, pair: str) -> Member | None:
        """
        See L{IServiceRegistry}.
        """
        return self.serving.get(pair)

    def pairs(self) -> Sequence[str]:
        """
        See L{IServiceRegistry}.
        """
        return tuple(self.serving)

    def memberFailed(self, name: str, why: str) -> None:
        """
        See L{IServiceRegistry}.
        """
        self.serving.pop(name, None)

    def observePrimaries(self, observer: IPrimaryObserver) -> None:
        """
        See L{IServiceRegistry}.
        """

    def hasStandby(self, pair: str) -> bool:
        """
        See L{IServiceRegistry}.
        """
        return False

    def told(self, name: str, role: PeerRole) -> bool:
        """
        See L{IServiceRegistry}.
        """
        return False

    def epoch(self, pair: str) -> int:
        """
        See L{IServiceRegistry}.
        """
        return 0

    def superseded(self, name: str) -> bool:
        """
        See L{IServiceRegistry}.
        """
        return False

    def roleOf(self, name: str) -> PeerRole | None:
        """
        See L{IServiceRegistry}.
        """
        return None

    def doubt(self, name: str) -> None:
        """
        See L{IServiceRegistry}.
        """

    def observe(self, observer: IServiceObserver) -> None:
        """
        See L{IServiceRegistry}.
        """
