"""
Tests for L{sipcluster.app.settings}.
"""

from __future__ import annotations

from hashlib import md5
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app.settings import (
    BadConfiguration,
    Configuration,
    Extension,
    Node,
    Ports,
    Proxy,
    Store,
    Trunk,
    parseConfiguration,
    readConfiguration,
)

#: Files that are there.
TLS = f"""\
certificate = "{__file__}"
private-key = "{__file__}"
ca = "{__file__}"
"""

SWITCH = """
[switch]
name = "test"
domain = "Example.com"
"""

CLUSTER = f"""{SWITCH}
[[extension]]
number = "1001"
password = "secret"
[[trunk]]
number = "9"
contact = "sip:192.0.2.9"
prefix = "9"
[[routing-point]]
number = "5000"
[[voip-service]]
number = "nodes"
service-type = "sip-cluster-nodes"
max-expires = 600
[[store]]
name = "store"
listen = "192.0.2.10"
[[proxy]]
name = "proxy1"
sip-address = "192.0.2.11"
oos-check = 1
[[node]]
name = "node1"
sip-address = "2001:db8::21"
{TLS}[node.ports]
TCport = 4001
[[node]]
name = "node2"
sip-address = "192.0.2.22"
{TLS}[[pair]]
name = "pair1"
members = ["node1", "node2"]
"""

SOURCE = Path("test.toml")

SECOND = "13: voip-service[2]: voip-service[1] is the sip-cluster-nodes service already"


class ConfigurationTests(SynchronousTestCase):
    """
    A good file becomes a L{Configuration}.
    """

    def setUp(self) -> None:
        """
        Parse a whole cluster.
        """
        self.configuration = parseConfiguration(CLUSTER, SOURCE)

    def test_applications(self) -> None:
        """
        Applications are found by name and by kind, with their values.
        """
        self.assertEqual([n.name for n in self.configuration.nodes], ["node1", "node2"])
        node = self.configuration.nodes[0]
        self.assertIs(self.configuration.application("node1"), node)
        self.assertIsNone(self.configuration.application("node3"))
        self.assertEqual(node.ports, Ports(tcPort=4001))
        self.assertEqual(node.httpHost, "2001:db8::21")
        (proxy,) = self.configuration.proxies
        self.assertEqual((proxy.oosCheck, proxy.oosForce), (1.0, 5.0))

    def test_dns(self) -> None:
        """
        DNs are found by number; the switch's realm is its domain.
        """
        dn = self.configuration.dn("1001")
        assert isinstance(dn, Extension)
        self.assertEqual(dn.contact, "*")
        self.assertIsNone(self.configuration.dn("1002"))
        self.assertEqual([t.prefix for t in self.configuration.trunks], ["9"])
        self.assertEqual(self.configuration.clusterNodes.maxExpires, 600)
        self.assertEqual(self.configuration.switch.realm, "Example.com")

    def test_clusterNodesHasDefaults(self) -> None:
        """
        The VoIP Service may be left out, and so may the store.
        """
        bare = parseConfiguration(SWITCH, SOURCE)
        self.assertEqual(bare.clusterNodes.maxExpires, 3600)
        self.assertIsNone(bare.store)

    def test_pairHost(self) -> None:
        """
        The name of a node inside the cluster is in lower case.
        """
        self.assertEqual(self.configuration.pairHost("Node1"), "node1.example.com")

    def test_store(self) -> None:
        """
        Clients find the embedded store, or the members of an etcd.
        """
        store = self.configuration.store
        assert store is not None
        self.assertEqual(store.urls, ("http://192.0.2.10:2379",))
        six = Store(name="s", listen="::1", port=1)
        self.assertEqual(six.urls, ("http://[::1]:1",))
        etcd = Store(name="s", endpoints=("http://192.0.2.1:2379",))
        self.assertEqual((etcd.urls, etcd.httpHost), (etcd.endpoints, ""))

    def test_httpAddress(self) -> None:
        """
        HTTP listens on the main address, or where it is told to.
        """
        proxy = Proxy(name="p", sipAddress="192.0.2.1", httpAddress="127.0.0.1")
        self.assertEqual((proxy.address, proxy.httpHost), ("192.0.2.1", "127.0.0.1"))

    def test_passwordMakesHA1(self) -> None:
        """
        A password serves any realm and algorithm.
        """
        expected = md5(b"1001:other:secret").hexdigest().encode()
        found = self.configuration.ha1For(b"1001", b"other", "MD5")
        self.assertEqual(found, expected)

    def test_givenHA1(self) -> None:
        """
        A given HA1 serves its algorithm and the switch's realm only.
        """
        text = f"""{SWITCH}realm = "r"
        [[extension]]
        number = "1001"
        ha1 = {{ MD5 = "{"AB" * 16}" }}
        """
        configuration = parseConfiguration(text, SOURCE)
        self.assertEqual(configuration.ha1For(b"1001", b"r", "MD5"), b"ab" * 16)
        self.assertIsNone(configuration.ha1For(b"1001", b"r", "SHA-256"))
        self.assertIsNone(configuration.ha1For(b"1001", b"s", "MD5"))

    def test_nobodyElseHasHA1(self) -> None:
        """
        Unknown numbers, other kinds of DN and bytes that are no text have none.
        """
        for user in (b"1002", b"9", b"\xff"):
            self.assertIsNone(self.configuration.ha1For(user, b"x", "MD5"))

    def test_secretsAreNotShown(self) -> None:
        """
        A configuration can be logged.
        """
        self.assertNotIn("'secret'", repr(self.configuration))

    def test_valuesCanBeMadeWithoutAFile(self) -> None:
        """
        A test or another application builds a configuration of values.
        """
        made = Configuration(
            self.configuration.switch,
            (Trunk(number="9", contact="sip:192.0.2.9"),),
            (Node(name="n", sipAddress="192.0.2.1"),),
        )
        self.assertEqual((made.nodes[0].sipPort, made.store), (5060, None))


class FaultTests(SynchronousTestCase):
    """
    What is wrong with a file is told, all of it, with its line.
    """

    def faults(self, text: str) -> list[str]:
        """
        What is wrong with C{[switch]} and this text after it.
        """
        error = self.assertRaises(
            BadConfiguration, parseConfiguration, SWITCH + text, SOURCE
        )
        return [line.partition(":")[2] for line in error.lines]

    def test_all(self) -> None:
        """
        Five faults are five lines, in the order of the file.
        """
        found = self.faults("""realms = "x"
[log]
level = "loud"
sip-trace = 1
[[node]]
name = "n1"
sip-address = "here"
[nodes]
""")
        self.assertEqual(
            [": ".join(line.split(": ")[:2]) for line in found],
            [
                "5: switch.realms",
                "7: log.level",
                "8: log.sip-trace",
                "11: node[1].sip-address",
                "12: nodes",
            ],
        )
        self.assertIn("(nearest: realm)", found[0])
        self.assertIn("(nearest: node)", found[4])

    def test_duplicates(self) -> None:
        """
        Numbers and names are unique over all kinds.
        """
        found = self.faults("""
[[routing-point]]
number = "1"
[[trunk]]
number = "1"
contact = "sip:192.0.2.1"
[[node]]
name = "a"
sip-address = "192.0.2.1"
[[pair]]
name = "A"
members = ["a", "a"]
""")
        self.assertEqual(
            found,
            [
                "7: routing-point[1].number: 1 is trunk[1] already",
                "15: pair[1].name: a is node[1] already",
                "16: pair[1].members: want two different nodes",
            ],
        )

    def test_references(self) -> None:
        """
        A pair's members are nodes that are there.
        """
        found = self.faults("""
[[node]]
name = "node1"
sip-address = "192.0.2.1"
[[pair]]
name = "p"
members = ["node1", "nod2"]
""")
        self.assertEqual(
            found, ["11: pair[1].members: no node 'nod2' (nearest: node1)"]
        )

    def test_pairsShareNothing(self) -> None:
        """
        A node is in one pair, and a lock file is of one pair.
        """
        nodes = "".join(
            f'[[node]]\nname = "{name}"\nsip-address = "192.0.2.{n}"\n'
            'certificate = "c"\nprivate-key = "c"\nca = "c"\n'
            for n, name in enumerate("abc", 1)
        )
        found = self.faults(f"""{nodes}
[[pair]]
name = "p"
members = ["a", "b"]
arbiter = "lock-file"
lock-file = "one.lock"
[[pair]]
name = "q"
members = ["a", "c"]
arbiter = "lock-file"
lock-file = "one.lock"
""")
        self.assertEqual(
            [fault.split(": ", 1)[1] for fault in found if "pair[2]" in fault],
            [
                "pair[2].members: a is in the pair p already",
                "pair[2].lock-file: the pair p has the same one",
            ],
        )

    def test_addressesAreTakenOnce(self) -> None:
        """
        Two listeners on one address and port are told once for each option; all
        addresses are everybody's.
        """
        found = self.faults("""
[[node]]
name = "a"
sip-address = "192.0.2.1"
http-port = 0
[node.ports]
default = 5060
[[node]]
name = "b"
sip-address = "0.0.0.0"
http-port = 3001
[[node]]
name = "c"
sip-address = "192.0.2.3"
http-port = 0
[node.ports]
default = 0
TCport = 0
IPport = 0
SmartProxy = 0
""")
        paths = [line.split(": ")[1] for line in found]
        self.assertEqual(len(paths), len(set(paths)))
        self.assertIn("192.0.2.1:5060 is taken by node[1].sip-port already", found[0])
        self.assertIn("node[1].ports.default", paths)
        self.assertIn("node[2].sip-port", paths)
        self.assertIn("node[2].ports.TCport", paths)
        self.assertIn("node[3].sip-port", paths)
        self.assertNotIn("node[3].ports.default", paths)

    def test_secrets(self) -> None:
        """
        An extension has one kind of secret, and a good one.
        """
        empty = Path(self.mktemp())
        empty.write_bytes(b"\n")
        binary = Path(self.mktemp())
        binary.write_bytes(b"\xff\xfe")
        found = self.faults(f"""
[[extension]]
number = "1"
[[extension]]
number = "2"
password = "x"
ha1 = {{ MD5 = "{"a" * 32}" }}
[[extension]]
number = "3"
ha1 = {{ MD5 = "{"a" * 33}" }}
[[extension]]
number = "4"
password-file = "/nowhere"
[[extension]]
number = "5"
password-file = "{empty.absolute()}"
[[extension]]
number = "6"
password-file = "{binary.absolute()}"
""")
        paths = [line.split(": ")[1] for line in found]
        self.assertEqual(
            paths,
            [
                "extension[1]",
                "extension[2]",
                "extension[3].ha1.MD5",
                "extension[4].password-file",
                "extension[5].password-file",
                "extension[6].password-file",
            ],
        )
        self.assertIn("not both password and ha1", found[1])

    def test_filesOfOtherHosts(self) -> None:
        """
        All hosts have one configuration: each needs its own files, nodes the
        passwords, and who only asks needs none.
        """
        text = f"""{SWITCH}
[[extension]]
number = "1"
password-file = "/nowhere/1"
[[store]]
name = "store"
listen = "192.0.2.10"
[[node]]
name = "node1"
sip-address = "192.0.2.21"
[[proxy]]
name = "proxy1"
sip-address = "192.0.2.11"
sip-tls-port = 5061
certificate = "/nowhere/1.pem"
private-key = "/nowhere/1.key"
"""
        keys = ["proxy[1].certificate", "proxy[1].private-key"]
        for name, missing in (
            (None, ["extension[1].password-file", *keys]),
            ("node1", ["extension[1].password-file"]),
            ("proxy1", keys),
        ):
            error = self.assertRaises(
                BadConfiguration, parseConfiguration, text, SOURCE, name
            )
            self.assertEqual([line.split(": ")[1] for line in error.lines], missing)
        for name in ("", "store"):
            found = parseConfiguration(text, SOURCE, name)
            self.assertEqual(len(found.applications), 3)

    def test_passwordFile(self) -> None:
        """
        The first line of the file is the password.
        """
        path = Path(self.mktemp())
        path.write_text("secret\nnote\n")
        configuration = parseConfiguration(
            f'{SWITCH}[[extension]]\nnumber = "1"\npassword-file = "{path.absolute()}"',
            SOURCE,
        )
        dn = configuration.dn("1")
        assert isinstance(dn, Extension)
        self.assertEqual(dn.password, "secret")

    def test_tables(self) -> None:
        """
        What a TLS port, a SIP Proxy, a store and a prefix need.
        """
        found = self.faults("""
[[trunk]]
number = "8"
contact = "sip:192.0.2.1"
replace-prefix = ""
[[voip-service]]
number = "a"
service-type = "sip-cluster-nodes"
[[voip-service]]
number = "b"
service-type = "sip-cluster-nodes"
[[proxy]]
name = "p"
sip-address = "192.0.2.1"
sip-tls-port = 5061
""")
        self.assertEqual(
            found,
            [
                "1: store: SIP Proxies need a cluster store: [[store]] is missing",
                "9: trunk[1].replace-prefix: there is no prefix to replace",
                SECOND,
                "16: proxy[1]: certificate is missing: sip-tls-port needs it",
                "16: proxy[1]: private-key is missing: sip-tls-port needs it",
            ],
        )

    def test_dataCentres(self) -> None:
        """
        A SIP Proxy without a node in its data centre would refuse all calls.
        """
        found = self.faults("""
[[store]]
name = "store"
listen = "192.0.2.10"
[[proxy]]
name = "proxy1"
sip-address = "192.0.2.11"
geo-location = "dc1"
[[proxy]]
name = "proxy2"
sip-address = "192.0.2.12"
[[node]]
name = "node1"
sip-address = "192.0.2.21"
geo-location = "DC1"
""")
        self.assertEqual(
            found,
            [
                "12: proxy[1].geo-location: no node is in 'dc1'",
                "13: proxy[2].geo-location: no node is in ''",
            ],
        )

    def test_stores(self) -> None:
        """
        There is one store, embedded or not.
        """
        found = self.faults("""
[[store]]
name = "a"
[[store]]
name = "b"
listen = "192.0.2.1"
endpoints = ["http://192.0.2.1:2379"]
""")
        self.assertEqual(
            found,
            [
                "6: store[1]: want one of listen and endpoints",
                "8: store[2]: want one of listen and endpoints",
                "8: store[2]: store[1] is the cluster store already",
            ],
        )

    def test_arraysInDoubleBrackets(self) -> None:
        """
        C{[node]} is told to be C{[[node]]}.
        """
        (found,) = self.faults('[node]\nname = "n"')
        self.assertEqual(found, "5: node: write it as [[node]]: there may be several")

    def test_switchIsNeeded(self) -> None:
        """
        A file without a switch says only that.
        """
        error = self.assertRaises(BadConfiguration, parseConfiguration, "", SOURCE)
        self.assertEqual(
            error.lines, ["test.toml:1: switch: the table [switch] is missing"]
        )

    def test_syntax(self) -> None:
        """
        What is no TOML is told with line and column.
        """
        error = self.assertRaises(
            BadConfiguration, parseConfiguration, "a = 1\nb = \n", SOURCE
        )
        self.assertEqual(error.lines, ["test.toml:2:5: not TOML: Invalid value"])
        error = self.assertRaises(BadConfiguration, parseConfiguration, "[a", SOURCE)
        self.assertTrue(error.lines[0].startswith("test.toml:1: not TOML: "))

    def test_nestedTooDeeply(self) -> None:
        """
        What no parser can follow is told in one line, too.
        """
        text = "a = " + "[" * 5000
        error = self.assertRaises(BadConfiguration, parseConfiguration, text, SOURCE)
        self.assertIn("nested too deeply", error.lines[0])

    def test_unreadable(self) -> None:
        """
        A file that is not there, or is no text.
        """
        error = self.assertRaises(
            BadConfiguration, readConfiguration, Path("/nowhere.toml")
        )
        self.assertIn("cannot be read: No such file", str(error))
        path = Path(self.mktemp())
        path.write_bytes(b"a = 1\nb = '\xff'\n")
        error = self.assertRaises(BadConfiguration, readConfiguration, path)
        self.assertEqual(error.lines, [f"{path}:2: not UTF-8 text"])
        path.write_text(CLUSTER)
        self.assertEqual(readConfiguration(path).source, path)

    @given(st.text(alphabet='abnode[]="1.\n', max_size=60))
    def test_anyTextIsGoodOrTold(self, text: str) -> None:
        """
        Whatever stands in a file, only L{BadConfiguration} comes out.
        """
        try:
            parseConfiguration(SWITCH + text, SOURCE)
        except BadConfiguration as e:
            self.assertTrue(all(line.startswith("test.toml:") for line in e.lines))
