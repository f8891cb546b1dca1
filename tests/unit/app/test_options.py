"""
Tests for L{sipcluster.app.options}.
"""

from __future__ import annotations

from pathlib import Path

from attrs import frozen
from twisted.python.filepath import FilePath
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app import kinds
from sipcluster.app.kinds import Kind
from sipcluster.app.options import Fault, Reader, option

BASE = Path("/nowhere")


@frozen
class Inner:
    """
    A nested table.
    """

    depth: int = option("depth", kinds.integer(1, 9), "How deep.", default=3)


@frozen
class Outer:
    """
    A table with all there is.
    """

    name: str = option("name", kinds.text(), "A name.")
    inner: Inner = option("inner", kinds.tableOf(Inner), "Nested.", default=Inner())
    pin: str = option("pin", kinds.number(), "Secret.", default="", secret=True)


class KindTests(SynchronousTestCase):
    """
    A kind takes what it should and says what it wants instead of the rest.
    """

    def assertTakes(self, kind: Kind, *values: object) -> None:
        """
        All these values are good.
        """
        for value in values:
            kind.read(value, BASE)

    def assertRefuses(self, kind: Kind, *values: object) -> None:
        """
        None of these values is good.
        """
        for value in values:
            self.assertRaises(ValueError, kind.read, value, BASE)

    def test_integerIsNoBoolean(self) -> None:
        """
        True is not 1, and 1.0 is no whole number.
        """
        self.assertTakes(kinds.integer(0, 5), 0, 5)
        self.assertRefuses(kinds.integer(0, 5), True, 1.0, "1", -1, 6)

    def test_secondsMayBeFractions(self) -> None:
        """
        A number of seconds is whole or not, and never a boolean.
        """
        self.assertTakes(kinds.seconds(0.5, 5), 0.5, 5)
        self.assertRefuses(kinds.seconds(0.5, 5), True, "1", 0.4, float("nan"))

    def test_flagIsNoNumber(self) -> None:
        """
        Only true and false.
        """
        self.assertTakes(kinds.flag(), True, False)
        self.assertRefuses(kinds.flag(), 1, 0, "true")

    def test_choiceNamesTheNearest(self) -> None:
        """
        A slip of the pen is told what was probably meant.
        """
        with self.assertRaises(ValueError) as caught:
            kinds.choice("primary", "backup").read("primry", BASE)
        self.assertIn("'primry' (nearest: primary)", str(caught.exception))
        self.assertRefuses(kinds.choice("primary"), 1, ["primary"])

    def test_addresses(self) -> None:
        """
        An address is IPv4 or IPv6, not a name.
        """
        self.assertTakes(kinds.address(), "192.0.2.1", "2001:db8::1")
        self.assertRefuses(kinds.address(), "example.com", "192.0.2.256", "", 7)

    def test_names(self) -> None:
        """
        Domains, labels and numbers hold only what they may.
        """
        self.assertTakes(kinds.domain(), "lab.example", "a-1.example")
        self.assertRefuses(kinds.domain(), "lab..example", "-a.example", "a b", "")
        self.assertTakes(kinds.label(), "node1", "N-1")
        self.assertRefuses(kinds.label(), "node.1", "node_1", "-n")
        self.assertTakes(kinds.number(), "1001", "+1-555.1", "alice")
        self.assertRefuses(kinds.number(), "10 01", "a@b", "", "x" * 65)

    def test_uris(self) -> None:
        """
        SIP URIs and HTTP addresses.
        """
        self.assertTakes(
            kinds.sipURI(), "sip:192.0.2.1:5060", "sips:a@[2001:db8::1];transport=tcp"
        )
        self.assertRefuses(kinds.sipURI(), "tel:1", "sip:", "sip:a b")
        self.assertRefuses(kinds.sipURI(), "sip:a:99999", "sip:a;transport=tsl")
        self.assertTakes(kinds.url(), "http://192.0.2.1:2379", "https://etcd.example/")
        self.assertRefuses(kinds.url(), "192.0.2.1:2379", "http://a/b")

    def test_nameServers(self) -> None:
        """
        A name server is an address, with or without a port.
        """
        kind = kinds.nameServer()
        for given, kept in (
            ("192.0.2.1", ("192.0.2.1", 53)),
            ("192.0.2.1:5353", ("192.0.2.1", 5353)),
            ("2001:db8::1", ("2001:db8::1", 53)),
            ("[::1]:54", ("::1", 54)),
            ("[::1]", ("::1", 53)),
        ):
            self.assertEqual(kind.read(given, BASE), kept)
        self.assertRefuses(
            kind, "ns.example", "192.0.2.1:", "192.0.2.1:0", "[::1", "1.2.3.4.5", ""
        )

    def test_portsMayBeOff(self) -> None:
        """
        0 is a port only where it means that nothing listens.
        """
        self.assertTakes(kinds.port(off=True), 0, 65535)
        self.assertRefuses(kinds.port(), 0, 65536)
        self.assertIn("0 = off", kinds.port(off=True).words)

    def test_files(self) -> None:
        """
        A file that must be there is opened; one that may be made is not.
        """
        folder = FilePath(self.mktemp())
        folder.makedirs()
        folder.child("here").setContent(b"x")
        base = Path(folder.path)
        self.assertEqual(kinds.existingFile().read("here", base), base / "here")
        self.assertRaises(ValueError, kinds.existingFile().read, "gone", base)
        self.assertRaises(ValueError, kinds.existingFile().read, ".", base)
        self.assertEqual(kinds.path().read("gone", base), base / "gone")
        self.assertRaises(ValueError, kinds.path().read, "", base)

    def test_lists(self) -> None:
        """
        Each of a list is looked at, and so is how many there are.
        """
        kind = kinds.listOf(kinds.label(), 2)
        self.assertEqual(kind.read(["a", "b"], BASE), ("a", "b"))
        self.assertRefuses(kind, ["a"], ["a", "b c"], "a,b", None)

    def test_mappings(self) -> None:
        """
        A table of known keys.
        """
        kind = kinds.mapping(("MD5", "SHA-256"), kinds.integer(1, 2))
        self.assertEqual(kind.read({"MD5": 1}, BASE), {"MD5": 1})
        self.assertRefuses(kind, {"MD4": 1}, {"MD5": 3}, "MD5")

    def test_nestedTablesAreReadByTheReader(self) -> None:
        """
        The kind itself takes none.
        """
        self.assertRefuses(kinds.tableOf(Inner), {}, 1)


class ReaderTests(SynchronousTestCase):
    """
    L{Reader} goes on after a fault, so that all are told.
    """

    def read(self, table: object) -> tuple[Outer, list[Fault]]:
        """
        Read one table called C{t}.
        """
        reader = Reader(BASE)
        return reader.table(Outer, table, "t"), reader.faults

    def test_good(self) -> None:
        """
        A good table has its values and defaults, and no fault.
        """
        read, faults = self.read({"name": "x", "inner": {"depth": 4}})
        self.assertEqual(faults, [])
        self.assertEqual(read, Outer(name="x", inner=Inner(depth=4)))

    def test_everyFaultIsTold(self) -> None:
        """
        Unknown, wrong and missing at once; what is wrong has a stand-in.
        """
        read, faults = self.read({"nam": "x", "inner": {"depth": 10, "dept": 1}})
        self.assertEqual(
            [fault.path for fault in faults],
            ["t.nam", "t", "t.inner.dept", "t.inner.depth"],
        )
        self.assertIn("nearest: name", faults[0].why)
        self.assertIn("name is missing", faults[1].why)
        self.assertEqual(read, Outer(name=""))

    def test_notATable(self) -> None:
        """
        Something else where a table is wanted is one fault, not many.
        """
        _, faults = self.read(7)
        self.assertEqual(faults, [Fault("t", "want a table")])

    def test_secretsAreNotShown(self) -> None:
        """
        Neither a fault nor the value itself shows a secret.
        """
        _, faults = self.read({"name": "x", "pin": "12 34"})
        self.assertEqual([fault.path for fault in faults], ["t.pin"])
        self.assertNotIn("12 34", faults[0].why)
        self.assertNotIn("1234", repr(Outer(name="x", pin="1234")))
