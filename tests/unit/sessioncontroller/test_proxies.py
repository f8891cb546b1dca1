"""
Tests for sipcluster.sessioncontroller.proxies.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.sessioncontroller.isessioncontroller import IProxies, ProxyAddress
from sipcluster.sessioncontroller.proxies import Proxies
from sipcluster.sip.isip import Target

ONE = ProxyAddress("one", "192.0.2.11")
TWO = ProxyAddress("two", "192.0.2.12")
SIX = ProxyAddress("six", "2001:db8::1", 5070, "TCP")


class ProxiesTests(SynchronousTestCase):
    """
    Which SIP Proxy to take.
    """

    def setUp(self) -> None:
        self.proxies = Proxies([ONE, TWO])

    def test_provides(self) -> None:
        """
        They are what a Session Controller asks for.
        """
        verifyObject(IProxies, self.proxies)
        self.assertEqual(list(self.proxies), [ONE, TWO])

    def test_believed(self) -> None:
        """
        SIP Proxies of the configuration are known by address, in service or not.
        """
        self.proxies.setInService("one", False)
        self.assertIs(self.proxies.at("192.0.2.11"), ONE)
        self.assertIsNone(self.proxies.at("192.0.2.99"))

    def test_preferred(self) -> None:
        """
        The preferred one is taken while it serves and was not tried yet.
        """
        for _ in range(3):
            self.assertIs(self.proxies.choose(TWO, ()), TWO)
        self.assertIs(self.proxies.choose(TWO, ("two",)), ONE)
        self.proxies.setInService("two", False)
        self.assertIs(self.proxies.choose(TWO, ()), ONE)
        self.assertFalse(self.proxies.inService("two"))
        self.proxies.setInService("two", True)
        self.assertIs(self.proxies.choose(TWO, ()), TWO)

    def test_serves(self) -> None:
        """
        Whether another one is in service can be asked, and changes nothing.
        """
        self.assertTrue(self.proxies.serves(()))
        self.assertTrue(self.proxies.serves(["one"]))
        self.assertFalse(self.proxies.serves(["one", "two"]))
        self.proxies.setInService("two", False)
        self.assertFalse(self.proxies.serves(["one"]))
        self.assertTrue(self.proxies.serves(["two"]))

    def test_inTurn(self) -> None:
        """
        Without a preference they take turns.
        """
        chosen = [self.proxies.choose(None, ()) for _ in range(4)]
        self.assertEqual({proxy.name for proxy in chosen if proxy}, {"one", "two"})
        self.assertIs(chosen[0], chosen[2])

    def test_probesMayBeWrong(self) -> None:
        """
        When none serves, one that was not tried is taken all the same; when all
        were tried, none.
        """
        for name in ("one", "two"):
            self.proxies.setInService(name, False)
        self.assertIs(self.proxies.choose(None, ("one",)), TWO)
        self.assertIsNone(self.proxies.choose(None, ("one", "two")))
        self.assertIsNone(Proxies([]).choose(None, ()))

    def test_addresses(self) -> None:
        """
        A SIP Proxy has a target and a URI for Route.
        """
        self.assertEqual(ONE.uri, b"sip:192.0.2.11:5060;lr")
        self.assertEqual(SIX.uri, b"sip:[2001:db8::1]:5070;transport=tcp;lr")
        self.assertEqual(SIX.target, Target("TCP", "2001:db8::1", 5070))
