"""
Tests for L{sipcluster.net.udp_flows}.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.net.addresses import socketAddress
from sipcluster.net.udp_flows import UDPFlows


class FakePort:
    """
    A port that keeps what it is to send.
    """

    def __init__(self, host: str = "192.0.2.1") -> None:
        self.host = host
        self.port = 5060
        self.sent: list[tuple[bytes, Any]] = []

    def write(self, data: bytes, address: Any) -> None:
        self.sent.append((data, address))

    def close(self) -> None:
        "Nothing is open."


def flowsOf(port: FakePort, limit: int = 8) -> UDPFlows:
    """
    The flows of a port.
    """
    return UDPFlows(3, port, limit, lambda flow: None, lambda remote: b"example.com")


class UDPFlowsTests(SynchronousTestCase):
    """
    Equal flows are one object while in use, and the rest is bounded.
    """

    def test_same(self) -> None:
        """
        The same remote address is the same flow.
        """
        flows = flowsOf(FakePort())
        flow = flows.flow(("192.0.2.2", 5060))
        self.assertIs(flows.flow(("192.0.2.2", 5060)), flow)
        self.assertIsNot(flows.flow(("192.0.2.2", 5061)), flow)
        self.assertIs(flow.sibling(("192.0.2.2", 5060)), flow)

    def test_bounded(self) -> None:
        """
        However many addresses send to us, only so many flows are remembered;
        one that is in use stays what it is.
        """
        flows = flowsOf(FakePort())
        used = flows.flow(("192.0.2.2", 1))
        for port in range(2, 1000):
            flows.flow(("192.0.2.2", port))
        gc.collect()
        self.assertLessEqual(len(flows), 9)
        self.assertIs(flows.flow(("192.0.2.2", 1)), used)
        self.assertIs(flows.known(("192.0.2.2", 1)), used)
        self.assertIs(flows.known(("192.0.2.2", 2)), None)

    def test_freed(self) -> None:
        """
        A flow that nobody uses is freed without the garbage collector.
        """
        flows = flowsOf(FakePort())
        gone = weakref.ref(flows.flow(("192.0.2.2", 1)))
        flows.forget()
        self.assertIs(gone(), None)
        self.assertEqual(len(flows), 0)

    @given(st.ip_addresses(), st.integers(min_value=1, max_value=65535))
    def test_tokens(self, address: Any, port: int) -> None:
        """
        Any flow is found by its token again, after it was forgotten too.
        """
        flows = flowsOf(FakePort("::1" if address.version == 6 else "192.0.2.1"))
        flow = flows.flow(socketAddress(str(address), port))
        token = flow.token
        self.assertIs(flows.byToken(token), flow)
        remote = flow.remote
        del flow
        flows.forget()
        again = flows.byToken(token)
        assert again is not None
        self.assertEqual(again.remote, remote)

    def test_closed(self) -> None:
        """
        A closed port sends nothing and has no tokens.
        """
        port = FakePort()
        flows = flowsOf(port)
        told: list[Any] = []
        flows.sentOnClosed = told.append
        flow = flows.flow(("192.0.2.2", 1))
        flow.send(b"1")
        flows.closed = True
        flow.send(b"2")
        self.assertEqual(port.sent, [(b"1", ("192.0.2.2", 1))])
        self.assertEqual(told, [flow])
        self.assertTrue(flow.closed)
        self.assertIs(flows.byToken(flow.token), None)
