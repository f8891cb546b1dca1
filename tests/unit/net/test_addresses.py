"""
Tests for L{sipcluster.net.addresses}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.net.addresses import (
    hostPort,
    isGroup,
    isLoopback,
    plainHost,
    socketAddress,
)


class AddressTests(SynchronousTestCase):
    """
    Addresses as they are written.
    """

    def test_hostPort(self) -> None:
        """
        An IPv6 address has brackets.
        """
        self.assertEqual(hostPort("192.0.2.1", 5060), "192.0.2.1:5060")
        self.assertEqual(hostPort("2001:db8::1", 5060), "[2001:db8::1]:5060")

    def test_plainHost(self) -> None:
        """
        An IPv4 address mapped into IPv6 is an IPv4 address.
        """
        self.assertEqual(plainHost("::ffff:192.0.2.1"), "192.0.2.1")
        self.assertEqual(plainHost("::FFFF:192.0.2.1"), "192.0.2.1")
        self.assertEqual(plainHost("2001:db8::1"), "2001:db8::1")
        self.assertEqual(plainHost("::ffff:1"), "::ffff:1")

    def test_socketAddress(self) -> None:
        """
        As the socket module gives it: equal addresses are spelled alike.
        """
        self.assertEqual(socketAddress("192.0.2.1", 1), ("192.0.2.1", 1))
        self.assertEqual(socketAddress("2001:DB8:0:0::1", 1), ("2001:db8::1", 1, 0, 0))
        self.assertEqual(socketAddress("fe80::1%2", 1), ("fe80::1", 1, 0, 2))

    def test_kinds(self) -> None:
        """
        Addresses of this host alone and of multicast groups are known as such.
        """
        self.assertTrue(isLoopback("127.0.0.11") and isLoopback("::1"))
        self.assertFalse(isLoopback("192.0.2.1") or isLoopback(""))
        self.assertTrue(isGroup(b"224.0.1.75") and isGroup(b"[ff02::1]"))
        self.assertFalse(isGroup(b"192.0.2.1") or isGroup(b"x") or isGroup(None))
