"""
Tests for sipcluster.sessioncontroller.dialplan.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.sessioncontroller.dialplan import Directory, StaticDialPlan
from sipcluster.sessioncontroller.events import CallType, Cause
from sipcluster.sessioncontroller.isessioncontroller import (
    DN,
    Asked,
    Destination,
    ExtensionDN,
    IDialPlan,
    QueuedAt,
    Refusal,
    RoutingPointDN,
    TrunkDN,
)

ALICE = ExtensionDN("1001")
BOB = ExtensionDN("1002", 20.0)
DESK = ExtensionDN("1003", contact=b"sip:desk@198.51.100.3:5070")
ODD = ExtensionDN("a b")
CARRIER = TrunkDN("9", b"sip:carrier.example;transport=tcp", "carrier.example", "9", "")
LOCAL = TrunkDN("90", b"sip:user@203.0.113.1:5080", "203.0.113.1", "90")
FAR = TrunkDN("8", b"sips:far.example", "far.example", "8", "+49")
SILENT = TrunkDN("7", b"sip:silent.example", "silent.example")


class StaticDialPlanTests(SynchronousTestCase):
    """
    Where dialled numbers lead.
    """

    def setUp(self) -> None:
        dns: list[DN] = [ALICE, BOB, DESK, ODD, CARRIER, LOCAL, FAR, SILENT]
        dns.append(RoutingPointDN("5000"))
        self.directory = Directory("Lab.Example", dns, ["192.0.2.21"])
        self.plan = StaticDialPlan(self.directory)

    def find(
        self,
        user: str,
        caller: ExtensionDN | TrunkDN = ALICE,
        host: str = "lab.example",
        redirected: bool = False,
    ) -> Destination | Refusal:
        """
        Ask for one number.
        """
        routed = self.plan.route(Asked(user, host, caller, redirected))
        return self.successResultOf(routed)

    def test_provides(self) -> None:
        """
        It is a dial plan.
        """
        verifyObject(IDialPlan, self.plan)

    def test_extension(self) -> None:
        """
        An extension is reached at its address-of-record, by the location
        service.
        """
        self.assertEqual(
            self.find("1002"),
            Destination(
                "1002",
                b"sip:1002@lab.example",
                b"sip:1002@lab.example",
                CallType.INTERNAL,
                20.0,
            ),
        )

    def test_numberIsEscaped(self) -> None:
        """
        A number that cannot stand in a URI as it is is escaped.
        """
        found = self.find("a b")
        assert isinstance(found, Destination)
        self.assertEqual(found.uri, b"sip:a%20b@lab.example")

    def test_fixedContact(self) -> None:
        """
        A device that is always at one place is sent there; its To is its
        address-of-record all the same.
        """
        found = self.find("1003")
        assert isinstance(found, Destination)
        self.assertEqual(found.uri, b"sip:desk@198.51.100.3:5070")
        self.assertEqual(found.to, b"sip:1003@lab.example")

    def test_otherHosts(self) -> None:
        """
        The address of a node stands for the domain; other hosts are foreign.
        """
        self.assertIsInstance(self.find("1002", host="192.0.2.21"), Destination)
        self.assertEqual(
            self.find("1002", host="example.org"), Refusal(404, Cause.INVALID_NUMBER)
        )

    def test_trunks(self) -> None:
        """
        The longest prefix wins; the prefix stays, goes or is replaced; port and
        parameters of the contact are kept.
        """
        for user, uri in (
            ("9123", b"sip:123@carrier.example;transport=tcp"),
            ("90123", b"sip:90123@203.0.113.1:5080"),
            ("8123", b"sips:+49123@far.example"),
        ):
            found = self.find(user)
            assert isinstance(found, Destination)
            self.assertEqual(found.uri, uri)
            self.assertIs(found.callType, CallType.OUTBOUND)

    def test_refusals(self) -> None:
        """
        Unknown numbers, oneself.
        """
        for user, status in (("7777", 404), ("", 404), ("1001", 486)):
            found = self.find(user)
            assert isinstance(found, Refusal)
            self.assertEqual(found.status, status)

    def test_routingPoint(self) -> None:
        """
        A call to a routing point waits there.
        """
        found = self.find("5000")
        assert isinstance(found, QueuedAt)
        self.assertEqual((found.dn, found.callType), ("5000", CallType.INTERNAL))

    def test_fromTrunk(self) -> None:
        """
        A trunk reaches extensions, and nothing that costs.
        """
        found = self.find("1002", CARRIER)
        assert isinstance(found, Destination)
        self.assertIs(found.callType, CallType.INBOUND)
        self.assertEqual(self.find("8123", CARRIER), Refusal(403, Cause.FORBIDDEN))

    def test_redirected(self) -> None:
        """
        A redirection leads to extensions of ours only.
        """
        self.assertIsInstance(self.find("1002", redirected=True), Destination)
        forbidden = Refusal(403, Cause.FORBIDDEN)
        self.assertEqual(self.find("9123", redirected=True), forbidden)
        self.assertEqual(
            self.find("1002", host="example.org", redirected=True), forbidden
        )

    def test_directory(self) -> None:
        """
        DNs are found by number, trunks by address.
        """
        self.assertIs(self.directory.dn("9"), CARRIER)
        self.assertIsNone(self.directory.extension("9"))
        self.assertIs(self.directory.extension("1001"), ALICE)
        self.assertIs(self.directory.trunkAt("203.0.113.1"), LOCAL)
        self.assertIsNone(self.directory.trunkAt("203.0.113.2"))
