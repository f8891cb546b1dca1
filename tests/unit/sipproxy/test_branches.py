"""
Branches that every SIP Proxy of the cluster gives alike.
"""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.servicecheck.iservicecheck import Member
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import Target
from sipcluster.sip.message import Request, Response, makeResponse, parseMessage
from sipcluster.sipproxy.branches import LENGTH, Branches, placeOf
from sipcluster.sipproxy.destinations import Destination, Hop

SECRET = b"s" * 32
KEY = b"0123abcd"
PLACE = b"4567cdef"
SENT: Mapping[str, str] = {
    "transport": "UDP",
    "host": "198.51.100.1",
    "parameters": ";branch=z9hG4bKx;received=198.51.100.1;rport=5060",
    "tag": "f",
    "callID": "call",
    "cseq": "7",
}


def arrived(method: str = "INVITE", **how: str) -> Request:
    """
    A request as it came.
    """
    it = {**SENT, **how}
    message = parseMessage(
        (
            f"{method} sip:b@example.com SIP/2.0\r\n"
            f"Via: SIP/2.0/{it['transport']} {it['host']}{it['parameters']}\r\n"
            f"From: <sip:a@example.com>;tag={it['tag']}\r\n"
            "To: <sip:b@example.com>\r\n"
            f"Call-ID: {it['callID']}\r\n"
            f"CSeq: {it['cseq']} {method}\r\n\r\n"
        ).encode()
    )
    assert isinstance(message, Request)
    return message


def answered(request: Request, branch: bytes) -> Response:
    """
    The response to it as it was forwarded.
    """
    via = b"SIP/2.0/UDP 192.0.2.11:5060;branch=" + branch
    forwarded = request.replacing(headers=request.headers.prepend(b"Via", via))
    return makeResponse(forwarded, 200, toTag=b"t")


class BranchesTests(SynchronousTestCase):
    """
    RFC 3261 section 16.11.
    """

    def setUp(self) -> None:
        self.branches = Branches(SECRET, {b"node1.example.com"})

    def of(self, request: Request) -> bytes:
        """
        The branch of a request.
        """
        return self.branches.of(request, PLACE, KEY)

    def test_sameForAllMethods(self) -> None:
        """
        CANCEL and ACK have the branch of their INVITE, from any process with the
        same secret; it ends with the key of loop detection.
        """
        branch = self.of(arrived())
        other = Branches(b"o" * 32, {b"node1.example.com"})
        self.assertNotEqual(other.of(arrived(), PLACE, KEY), branch)
        other.agree(SECRET)
        self.assertTrue(other.shared)
        for method in ("INVITE", "CANCEL", "ACK"):
            self.assertEqual(other.of(arrived(method), PLACE, KEY), branch)
        self.assertEqual(len(branch), LENGTH)
        self.assertTrue(branch.endswith(KEY))

    def test_differs(self) -> None:
        """
        It differs with all that tells requests apart, with where the responses go,
        and with where the request goes.
        """
        branches = [
            self.of(arrived(**{name: value}))
            for name, value in {
                "host": "198.51.100.2",
                "parameters": ";branch=z9hG4bKy;received=198.51.100.1;rport=5060",
                "tag": "g",
                "callID": "other",
                "cseq": "8",
                "transport": "UDP",
            }.items()
        ]
        for parameters in (
            ";branch=z9hG4bKx;received=198.51.100.2;rport=5060",
            ";branch=z9hG4bKx;received=198.51.100.1;rport=5061",
            ";branch=z9hG4bKx;received=198.51.100.1;rport",
            ";branch=z9hG4bKx;received=198.51.100.1",
            ";branch=z9hG4bKx",
            "",
        ):
            branches.append(self.of(arrived(parameters=parameters)))
        branches.append(self.branches.of(arrived(), KEY, KEY))
        branches.append(self.branches.of(arrived(), PLACE, PLACE))
        self.assertEqual(len(set(branches)), len(branches))

    def test_newConnection(self) -> None:
        """
        On a stream the port does not matter: a caller that connects anew has
        another one.  Of a pair not even the address does.
        """
        ports = {
            self.of(
                arrived(
                    transport="TCP",
                    parameters=f";branch=z9hG4bKx;received=1.2.3.4;rport={port}",
                )
            )
            for port in (5060, 40001)
        }
        self.assertEqual(len(ports), 1)
        members = {
            self.of(arrived(host=host, parameters=f";branch=z9hG4bKx{more}"))
            for host in ("node1.example.com", "NODE1.example.com")
            for more in ("", ";rport", ";received=192.0.2.22;rport=5060")
        }
        self.assertEqual(len(members), 1)

    def test_verifies(self) -> None:
        """
        A response to what was forwarded verifies; one with any other branch does
        not, nor one that goes nowhere.
        """
        request = arrived()
        branch = self.of(request)
        self.assertTrue(self.branches.verifies(answered(request, branch)))
        for other in (
            branch[:-1],
            branch + b"0",
            branch.upper(),
            b"y" + branch[1:],
            Identifiers(bytes).branch(),
            Identifiers(bytes).branch() + PLACE + KEY,
        ):
            self.assertFalse(self.branches.verifies(answered(request, other)))
        alone = answered(request, branch)
        alone = alone.replacing(headers=alone.headers.replace(b"Via", b"SIP/2.0/UDP a"))
        self.assertFalse(self.branches.verifies(alone))

    @given(
        st.text("ab\0 ", max_size=4),
        st.text("ab\0 ", max_size=4),
        st.text("ab\0 ", max_size=4),
        st.text("ab\0 ", max_size=4),
    )
    def test_noTwoAlike(self, one: str, other: str, third: str, fourth: str) -> None:
        """
        Nobody can write into one field what belongs into another.
        """

        def code(branch: str, callID: str) -> bytes:
            request = arrived(
                parameters=f';branch="{branch}"', callID=f"x{callID}x", tag="f"
            )
            return self.of(request)

        self.assertEqual(
            code(one, other) == code(third, fourth), (one, other) == (third, fourth)
        )


class PlaceTests(SynchronousTestCase):
    """
    Where a request goes.
    """

    def test_places(self) -> None:
        """
        A contact is the same wherever it is reached, a pair whoever is primary.
        """
        one, other = Target("UDP", "192.0.2.1", 5060), Target("UDP", "192.0.2.2", 5060)
        contact = Destination(b"sip:b@192.0.2.1")
        self.assertEqual(placeOf(contact, Hop(one)), placeOf(contact, Hop(other)))
        contact.located = True
        self.assertNotEqual(placeOf(contact, Hop(one)), placeOf(contact, Hop(other)))
        pair = [
            placeOf(Destination(), Hop(target, None, Member(name, target, "node1")))
            for name, target in (("a", one), ("b", other))
        ]
        self.assertEqual(pair[0], pair[1])
        places = {placeOf(Destination(), Hop(target)) for target in (one, other)}
        self.assertEqual(len(places | set(pair)), 3)
