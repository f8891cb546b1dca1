"""
The torture messages of RFC 4475 and RFC 5118 at a listening node: a user agent
server that authenticates.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.authentication import Authenticator
from sipcluster.sessioncontroller.isessioncontroller import TrunkDN
from sipcluster.sip.framing import parseDatagram
from sipcluster.sip.message import Response
from tests.memory.nodes import NODE, TRUNK, NodeTestCase
from tests.torture.corpora import rfc4475, rfc5118

#: The status of the answer; 0: no answer, and it is counted.
Outcome = int

#: Section, file, answer to a stranger, answer to someone who is believed, and why.
#: All requests are for domains and users that are not ours, so that a call that
#: is understood ends with 404.
RFC4475: list[tuple[str, str, Outcome, Outcome, str]] = [
    ("3.1.1.1", "wsinv", 481, 481, "understood: a request inside an unknown dialog"),
    ("3.1.1.2", "intmeth", 501, 501, "a method that is legal and unknown"),
    ("3.1.1.3", "esc01", 401, 404, "escapes in the user part"),
    ("3.1.1.4", "escnull", 401, 200, "a NUL in a user part is part of the name"),
    ("3.1.1.5", "esc02", 501, 501, "a method with percent signs is no REGISTER"),
    ("3.1.1.6", "lwsdisp", 200, 200, "no blank before the bracket"),
    ("3.1.1.7", "longreq", 401, 404, "very long values"),
    ("3.1.1.8", "dblreq", 401, 200, "the REGISTER counts, what follows does not"),
    ("3.1.1.9", "semiuri", 200, 200, "semicolons in a user part"),
    ("3.1.1.10", "transports", 200, 200, "transports nobody knows further down"),
    ("3.1.1.11", "mpart01", 405, 405, "a MESSAGE outside of a dialog is not served"),
    ("3.1.1.12", "unreason", 0, 0, "a response to nothing"),
    ("3.1.1.13", "noreason", 0, 0, "a response to nothing"),
    ("3.1.2.1", "badinv01", 400, 400, "stray separators"),
    ("3.1.2.2", "clerr", 400, 400, "shorter than announced"),
    ("3.1.2.3", "ncl", 400, 400, "a negative length"),
    ("3.1.2.4", "scalar02", 400, 400, "numbers too large"),
    ("3.1.2.5", "scalarlg", 0, 0, "a response is never answered"),
    ("3.1.2.6", "quotbal", 400, 400, "a quoted string without an end"),
    ("3.1.2.7", "ltgtruri", 400, 400, "a Request-URI in brackets"),
    ("3.1.2.8", "lwsruri", 400, 400, "blanks in the Request-URI"),
    ("3.1.2.9", "lwsstart", 400, 400, "more than one blank in the request line"),
    ("3.1.2.10", "trws", 200, 200, "blanks after the version are let pass"),
    ("3.1.2.11", "escruri", 400, 400, "headers in the Request-URI"),
    ("3.1.2.12", "baddate", 401, 404, "nobody reads the Date"),
    ("3.1.2.13", "regbadct", 400, 400, "a Contact that needs brackets"),
    ("3.1.2.14", "badaspec", 400, 400, "blanks within brackets"),
    ("3.1.2.15", "baddn", 200, 200, "a display name without quotes is let pass"),
    ("3.1.2.16", "badvers", 505, 505, "another version"),
    ("3.1.2.17", "mismatch01", 400, 400, "CSeq of another method"),
    ("3.1.2.18", "mismatch02", 400, 400, "CSeq of another unknown method"),
    ("3.1.2.19", "bigcode", 0, 0, "a response is never answered"),
    ("3.2.1", "badbranch", 200, 200, "the cookie alone is no branch"),
    ("3.3.1", "insuf", 400, 400, "mandatory headers missing"),
    ("3.3.2", "unkscm", 416, 416, "an unknown scheme"),
    ("3.3.3", "novelsc", 416, 416, "a scheme that is not SIP"),
    ("3.3.4", "unksm2", 401, 400, "nothing that could be registered"),
    ("3.3.5", "bext01", 420, 420, "Require: what it names is not known"),
    ("3.3.6", "invut", 401, 415, "a body that is no SDP"),
    ("3.3.7", "regaut01", 401, 200, "an unknown scheme of credentials"),
    ("3.3.8", "multi01", 400, 400, "twice what may be once"),
    ("3.3.9", "mcl01", 400, 400, "two lengths that differ"),
    ("3.3.10", "bcast", 0, 0, "a response to nothing, least of all to everyone"),
    ("3.3.11", "zeromf", 200, 200, "an OPTIONS for the node itself needs no hop"),
    ("3.3.12", "cparam01", 401, 200, "unknown Contact parameters are kept"),
    ("3.3.13", "cparam02", 401, 200, "unknown URI parameters are kept"),
    ("3.3.14", "regescrt", 401, 200, "an escaped Route in a Contact is kept"),
    ("3.3.15", "sdp01", 401, 406, "who calls does not take SDP"),
    ("3.4.1", "inv2543", 401, 404, "an INVITE of RFC 2543 is served"),
    ("", "test", 0, 0, "described nowhere: it has no version"),
]

#: The same for RFC 5118.
RFC5118: list[tuple[str, str, Outcome, Outcome, str]] = [
    ("4.1", "ipv6-good", 401, 200, "an IPv6 reference"),
    ("4.2", "ipv6-bad", 400, 400, "an IPv6 address without brackets"),
    ("4.3", "port-ambiguous", 401, 200, "what looks like a port is none"),
    ("4.4", "port-unambiguous", 401, 200, "a port behind the brackets"),
    ("4.5", "via-received-param-with-delim", 481, 481, "received in brackets"),
    ("4.5", "via-received-param-no-delim", 200, 200, "received without brackets"),
    ("4.6", "ipv6-in-sdp", 401, 404, "IPv6 in SDP"),
    ("4.7", "mult-ip-in-header", 481, 481, "hops of both families"),
    ("4.8", "mult-ip-in-sdp", 401, 404, "both families in SDP"),
    ("4.9", "ipv4-mapped-ipv6", 401, 404, "IPv4 in IPv6"),
    ("4.10", "ipv6-bug-abnf-3-colons", 200, 200, "what a faulty grammar makes"),
    ("4.10", "ipv6-correct-abnf-2-colons", 200, 200, "what the right one makes"),
]


class TortureTests(NodeTestCase):
    """
    A SIP Proxy passes each message on by itself, as a datagram.
    """

    def became(self, data: bytes) -> Outcome:
        """
        What the node says to a message.
        """
        before = len(self.network.carried)
        self.peer.send(data)
        self.run_(0.1)
        answers = []
        for sent, source, _ in list(self.network.carried)[before:]:
            if source[0] == NODE:
                message = parseDatagram(sent)
                assert isinstance(message, Response)
                answers.append(message.status)
        self.assertTrue(len(answers) <= 1, answers)
        return answers[0] if answers else 0

    def dropped(self) -> int:
        """
        How many messages were counted that had no answer.
        """
        counts = self.node.runtime.transport.status()["counts"]  # type: ignore[attr-defined]
        layer = self.node.controller.ua.layer.status()
        return int(counts.get("malformed", 0)) + layer["stray"] + layer["malformed"]

    def checkTable(
        self,
        corpus: dict[str, bytes],
        table: list[tuple[str, str, Outcome, Outcome, str]],
        believed: bool,
    ) -> None:
        """
        Send everything; the outcomes must be those of the table.
        """
        self.assertEqual(set(corpus), {name for _, name, *_ in table})
        wrong = []
        for section, name, challenged, understood, why in table:
            wanted = understood if believed else challenged
            dropped = self.dropped()
            got = self.became(corpus[name])
            if got != wanted or (not got and self.dropped() == dropped):
                wrong.append((section, name, wanted, got, why))
            self.run_(40)
            self.assertEqual(self.node.status()["calls"], 0, why)
        self.assertEqual(wrong, [])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_rfc4475(self) -> None:
        """
        Each message of RFC 4475 has the outcome that the RFC wants; who could
        be served is asked who he is.
        """
        self.checkTable(rfc4475(), RFC4475, False)

    def test_rfc5118(self) -> None:
        """
        So has each message of RFC 5118.
        """
        self.checkTable(rfc5118(), RFC5118, False)

    def believe(self) -> None:
        """
        Take every sender for a trunk.
        """
        trunk = TrunkDN("9", b"sip:" + TRUNK.encode(), TRUNK)
        self.patch(Authenticator, "identify", lambda self, request: trunk)

    def test_rfc4475Believed(self) -> None:
        """
        The same from somebody who need not be asked: what is understood is acted
        on, and refused for its body, its extensions or its destination.
        """
        self.believe()
        self.checkTable(rfc4475(), RFC4475, True)

    def test_rfc5118Believed(self) -> None:
        """
        So with RFC 5118.
        """
        self.believe()
        self.checkTable(rfc5118(), RFC5118, True)


class OldPeerTests(NodeTestCase):
    """
    A peer of RFC 2543: no branch, no tag, no Max-Forwards, no Contact.
    """

    def test_served(self) -> None:
        """
        Its INVITE makes a call, whose requests to it go to the URI in From
        (RFC 4475 section 3.4.1).
        """
        self.patch(
            Authenticator,
            "identify",
            lambda *_: TrunkDN("9", b"sip:" + TRUNK.encode(), TRUNK),
        )
        data = rfc4475()["inv2543"].replace(
            b"INVITE sip:UserB@example.com", b"INVITE sip:1002@lab.example"
        )
        data = data.replace(b"iftgw.example.com", b"192.0.2.11", 1)
        self.peer.send(data)
        invite = self.peer.expectRequest(b"INVITE")
        self.assertEqual(invite.maxForwards, 69)
        self.bob.answer(invite, 200, invite.body)
        self.peer.expectRequest(b"ACK")
        response = self.peer.expectResponse(200)
        head, _, _ = data.partition(b"\r\n\r\n")
        ack = head.replace(b"INVITE", b"ACK")
        to = response.headers.first(b"To") or b""
        old = b"To: sip:+16505552222@ss1.example.net;user=phone"
        self.peer.send(ack.replace(old, b"To: " + to) + b"\r\n\r\n")
        self.pump()
        self.assertEqual(self.node.status()["calls"], 1)
        self.peer.expectResponse(200, self.bob.within(b"BYE"))
        bye = self.peer.expectRequest(b"BYE")
        # Its Record-Route is that of a strict router, too.
        self.assertEqual(bye.uri, b"sip:UserB@example.com;maddr=ss1.example.com")
        self.assertEqual(
            bye.headers.all(b"Route"),
            [b"<sip:+13035551111@ift.client.example.net;user=phone>"],
        )
        self.peer.respond(bye, 200)
        self.assertNoCall()
