"""
The torture messages of RFC 4475 and RFC 5118 at a listening SIP Proxy.
"""

from __future__ import annotations

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.framing import parseDatagram
from sipcluster.sip.isip import IFlow
from sipcluster.sip.message import Request, Response
from tests.memory.proxies import (
    ALICE,
    NODE1,
    NODE2,
    PROXY1,
    PROXY2,
    Peer,
    ProxyTestCase,
)
from tests.torture.corpora import rfc4475, rfc5118

#: What becomes of a message from a stranger: C{node}: a node gets it, all but
#: what a proxy must change byte for byte, and the node's 200 goes back; a number:
#: it is refused with that, and no node sees it; C{drop}: nothing happens, and it
#: is counted.
Outcome = str | int

#: Section, file, what becomes of it, and why.
RFC4475: list[tuple[str, str, Outcome, str]] = [
    ("3.1.1.1", "wsinv", "node", "its Route names this proxy"),
    ("3.1.1.2", "intmeth", "node", "a proxy passes methods that it does not know"),
    ("3.1.1.3", "esc01", "node", "escapes in the Request-URI stay as they are"),
    ("3.1.1.4", "escnull", "node", "a NUL in a user part is part of the name"),
    ("3.1.1.5", "esc02", "node", "a method with percent signs is no REGISTER"),
    ("3.1.1.6", "lwsdisp", "node", "no blank before the bracket"),
    ("3.1.1.7", "longreq", "node", "large: it leaves over TCP"),
    ("3.1.1.8", "dblreq", "node", "the REGISTER counts, what follows does not"),
    ("3.1.1.9", "semiuri", "node", "semicolons in a user part"),
    ("3.1.1.10", "transports", "node", "transports nobody knows further down"),
    ("3.1.1.11", "mpart01", 403, "its Route leads elsewhere: no relay for strangers"),
    ("3.1.1.12", "unreason", "drop", "a response to nothing"),
    ("3.1.1.13", "noreason", "drop", "a response to nothing"),
    ("3.1.2.1", "badinv01", 400, "stray separators"),
    ("3.1.2.2", "clerr", 400, "shorter than announced"),
    ("3.1.2.3", "ncl", 400, "a negative length"),
    ("3.1.2.4", "scalar02", 400, "numbers too large"),
    ("3.1.2.5", "scalarlg", "drop", "a response is never answered"),
    ("3.1.2.6", "quotbal", 400, "a quoted string without an end"),
    ("3.1.2.7", "ltgtruri", 400, "a Request-URI in brackets"),
    ("3.1.2.8", "lwsruri", 400, "blanks in the Request-URI"),
    ("3.1.2.9", "lwsstart", 400, "more than one blank in the request line"),
    ("3.1.2.10", "trws", "node", "blanks after the version are let pass"),
    ("3.1.2.11", "escruri", 400, "headers in the Request-URI"),
    ("3.1.2.12", "baddate", "node", "nobody reads the Date"),
    ("3.1.2.13", "regbadct", 400, "a Contact that needs brackets"),
    ("3.1.2.14", "badaspec", 400, "blanks within brackets"),
    ("3.1.2.15", "baddn", "node", "a display name without quotes is let pass"),
    ("3.1.2.16", "badvers", 505, "another version"),
    ("3.1.2.17", "mismatch01", 400, "CSeq of another method"),
    ("3.1.2.18", "mismatch02", 400, "CSeq of another unknown method"),
    ("3.1.2.19", "bigcode", "drop", "a response is never answered"),
    ("3.2.1", "badbranch", "node", "the cookie alone is no branch"),
    ("3.3.1", "insuf", 400, "mandatory headers missing"),
    ("3.3.2", "unkscm", 416, "an unknown scheme"),
    ("3.3.3", "novelsc", 416, "a scheme that is not SIP"),
    ("3.3.4", "unksm2", 400, "nothing that could be registered"),
    ("3.3.5", "bext01", 420, "Proxy-Require: what it names is not known"),
    ("3.3.6", "invut", "node", "bodies are the user agents' business"),
    ("3.3.7", "regaut01", "node", "the node asks for credentials that it knows"),
    ("3.3.8", "multi01", 400, "twice what may be once"),
    ("3.3.9", "mcl01", 400, "two lengths that differ"),
    ("3.3.10", "bcast", "drop", "a response to nothing, least of all to everyone"),
    ("3.3.11", "zeromf", 483, "no hop left"),
    ("3.3.12", "cparam01", "node", "unknown Contact parameters are kept"),
    ("3.3.13", "cparam02", "node", "unknown URI parameters are kept"),
    ("3.3.14", "regescrt", "node", "an escaped Route in a Contact is kept"),
    ("3.3.15", "sdp01", "node", "what is accepted is the user agents' business"),
    ("3.4.1", "inv2543", "node", "an INVITE of RFC 2543 is served"),
    ("", "test", "drop", "described nowhere: it has no version"),
]

#: The same for RFC 5118.
RFC5118: list[tuple[str, str, Outcome, str]] = [
    ("4.1", "ipv6-good", "node", "an IPv6 reference"),
    ("4.2", "ipv6-bad", 400, "an IPv6 address without brackets"),
    ("4.3", "port-ambiguous", "node", "what looks like a port is none"),
    ("4.4", "port-unambiguous", "node", "a port behind the brackets"),
    ("4.5", "via-received-param-with-delim", "node", "received in brackets"),
    ("4.5", "via-received-param-no-delim", "node", "received without brackets"),
    ("4.6", "ipv6-in-sdp", "node", "bodies are not looked into"),
    ("4.7", "mult-ip-in-header", "node", "hops of both families"),
    ("4.8", "mult-ip-in-sdp", "node", "bodies are not looked into"),
    ("4.9", "ipv4-mapped-ipv6", "node", "IPv4 in IPv6"),
    ("4.10", "ipv6-bug-abnf-3-colons", "node", "what a faulty grammar makes"),
    ("4.10", "ipv6-correct-abnf-2-colons", "node", "what the right one makes"),
]

#: Headers that a proxy changes.
CHANGED = {b"via", b"max-forwards", b"route", b"record-route", b"content-length"}


class TortureTests(ProxyTestCase):
    """
    One stranger sends each message by itself, as a datagram.
    """

    proxyNames = ("services", "proxy2")

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.phone(ALICE)
        self.reached: list[Request] = []
        for node in (self.node1, self.node2):
            node.answers.append(self.accepting(node))
            node.answers.insert(0, self.noting)

    def noting(self, request: Request, flow: IFlow) -> bool:
        """
        Remember what a node got, probes aside.
        """
        if len(request.vias) > 1:
            self.reached.append(request)
        return False

    def accepting(self, node: Peer):  # type: ignore[no-untyped-def]
        """
        Say 200 to anything.
        """

        def answer(request: Request, flow: IFlow) -> bool:
            if request.method != b"ACK":
                node.respond(request, 200, flow=flow)
            return True

        return answer

    def send(self, data: bytes) -> list[int]:
        """
        Send a datagram; the statuses of the final responses of the proxy.
        """
        before = len(self.network.carried)
        self.alice.send(data)
        self.settle(0.4)
        statuses = []
        for sent, source, to in list(self.network.carried)[before:]:
            if source[0] == PROXY1 and to[0] not in (NODE1, NODE2, PROXY2):
                message = parseDatagram(sent)
                assert isinstance(message, Response)
                statuses.append(message.status)
        return [status for status in statuses if status >= 200]

    def became(self, data: bytes) -> Outcome:
        """
        What became of a message.
        """
        statuses = self.send(data)
        if self.reached:
            self.assertUntouched(data, self.reached[0])
            self.assertEqual(set(statuses), {200})
            return "node"
        if statuses:
            self.assertEqual(len(set(statuses)), 1)
            return statuses[0]
        status = self.proxy1.proxy.counters["strayResponses"]
        counts = self.proxy1.runtime.transport.status()["counts"]  # type: ignore[attr-defined]
        malformed = self.proxy1.layer.status()["malformed"]
        self.assertEqual(status + counts.get("malformed", 0) + malformed, 1)
        return "drop"

    def assertUntouched(self, data: bytes, got: Request) -> None:
        """
        Whatever a proxy need not change arrives as it was sent.
        """
        try:
            sent = parseDatagram(data)
        except MalformedMessage:
            self.fail("forwarded though it cannot be read")
        assert isinstance(sent, Request)
        self.assertEqual(got.method, sent.method)
        self.assertEqual(got.uri, sent.uri)
        self.assertEqual(got.body, sent.body)
        pairs = zip(sent.headers.lines, sent.headers.keys, strict=True)
        kept = [line for line, key in pairs if key not in CHANGED]
        pairs = zip(got.headers.lines, got.headers.keys, strict=True)
        self.assertEqual(kept, [line for line, key in pairs if key not in CHANGED])
        self.assertEqual(len(got.vias), len(sent.vias) + 1)
        hops = sent.maxForwards
        self.assertEqual(got.maxForwards, 70 if hops is None else hops - 1)

    def checkTable(
        self,
        corpus: dict[str, bytes],
        table: list[tuple[str, str, Outcome, str]],
    ) -> None:
        """
        Send everything; the outcomes must be those of the table.
        """
        self.assertEqual(set(corpus), {name for _, name, _, _ in table})
        wrong = []
        for section, name, wanted, why in table:
            case = TortureTests("send")
            case.setUp()
            outcome = case.became(corpus[name])
            if outcome != wanted:
                wrong.append(f"{section} {name}: {outcome}, not {wanted}: {why}")
            case.assertAllGone()
        self.assertEqual(wrong, [])

    def test_rfc4475(self) -> None:
        """
        The messages of RFC 4475 fare as the RFC wants, and leave nothing behind.
        """
        self.checkTable(rfc4475(), RFC4475)

    def test_rfc5118(self) -> None:
        """
        The messages of RFC 5118 fare as the RFC wants, and leave nothing behind.
        """
        self.checkTable(rfc5118(), RFC5118)

    def test_contactsAreKept(self) -> None:
        """
        Contacts with parameters that nobody knows are stored and given back.
        """
        corpus = rfc4475()
        for name, wanted in (
            ("cparam01", b"unknownparam"),
            ("cparam02", b"unknownparam"),
            ("regescrt", b"Route="),
            ("escnull", b"%00"),
        ):
            case = TortureTests("send")
            case.setUp()
            case.send(corpus[name])
            stored = [b.contact + b.contactParameters for b in case.store.allBindings()]
            self.assertTrue(stored, name)
            for contact in stored:
                self.assertIn(wanted, contact, name)

    def test_routeOfANode(self) -> None:
        """
        A node may use a Route to elsewhere: the message with the multipart body
        goes there as section 16.6 step 6 of RFC 3261 wants it for a strict
        router, its body untouched.
        """
        data = rfc4475()["mpart01"]
        sent = parseDatagram(data)
        assert isinstance(sent, Request)
        before = len(self.network.carried)
        self.node1.send(data)
        self.settle()
        [got] = [
            parseDatagram(datagram)
            for datagram, _, to in list(self.network.carried)[before:]
            if to == ("127.0.0.1", 5080)
        ]
        assert isinstance(got, Request)
        self.assertEqual(got.uri, b"sip:127.0.0.1:5080")
        self.assertEqual(got.headers.all(b"Route"), [b"<%b>" % sent.uri])
        self.assertEqual(got.body, sent.body)
