"""
Forking to several contacts, and the response that goes back.
"""

from __future__ import annotations

from sipcluster.sip.isip import IFlow
from sipcluster.sip.message import Request
from tests.memory.proxies import (
    ALICE,
    BOB,
    CAROL,
    DOMAIN,
    NODE1,
    Peer,
    ProxyTestCase,
)

BOB_URI = f"sip:bob@{DOMAIN}"


class ForkTests(ProxyTestCase):
    """
    One address-of-record, several phones (RFC 3261 section 16.7).
    """

    def phones(self, *qs: str) -> list[Peer]:
        """
        Register that many phones as bob, each with its q value.
        """
        made = []
        for index, q in enumerate(qs):
            phone = self.phone((ALICE, BOB, CAROL)[index])
            contact = f"<sip:bob@{phone.host}:5060>" + (f";q={q}" if q else "")
            self.grant(contact)
            self.register(phone, "bob", contact, cseq=index + 1)
            made.append(phone)
        return made

    def grant(self, contact: str) -> None:
        """
        Let the nodes give the Contact back as it was, q and all.
        """
        for node in (self.node1, self.node2):
            node.answers[1:] = [self.granting(node, contact)]

    def granting(self, node: Peer, contact: str):  # type: ignore[no-untyped-def]
        """
        Answer REGISTER with one contact.
        """

        def answer(request: Request, flow: IFlow) -> bool:
            if request.method != b"REGISTER":
                return False
            value = contact.encode() + b";expires=600"
            node.respond(request, 200, (b"Contact", value), flow=flow)
            return True

        return answer

    def call(self, method: str = "INVITE", *more: str) -> None:
        """
        Call bob from the first node.
        """
        self.node1.send(self.fromNode(method, BOB_URI, *more, branch="z9hG4bKfork"))
        self.settle()

    def test_parallel(self) -> None:
        """
        Contacts of one q ring together; the first 200 goes back and the others
        are cancelled, with the reason.
        """
        one, two = self.phones("", "")
        self.call()
        first, second = one.take(b"INVITE"), two.take(b"INVITE")
        self.assertNotEqual(first.branch, second.branch)
        one.respond(first, 180)
        two.respond(second, 180)
        self.settle()
        self.assertEqual(self.node1.names(), [100, 180, 180])
        two.respond(second, 200)
        self.settle()
        self.node1.take(200)
        cancel = one.take(b"CANCEL")
        self.assertIn(b"completed elsewhere", cancel.headers.first(b"Reason") or b"")
        one.respond(cancel, 200)
        one.respond(first, 487)
        self.settle()
        self.assertNotIn(487, self.node1.names())
        self.assertAllGone()

    def test_bothAnswer(self) -> None:
        """
        Two 200 that cross are both sent back.
        """
        one, two = self.phones("", "")
        self.call()
        one.respond(one.take(b"INVITE"), 200, tag=b"one")
        two.respond(two.take(b"INVITE"), 200, tag=b"two")
        self.settle()
        tags = {self.node1.take(200).toTag, self.node1.take(200).toTag}
        self.assertEqual(tags, {b"one", b"two"})
        self.assertAllGone()

    def test_serial(self) -> None:
        """
        Contacts of a lower q wait until those of a higher one have failed.
        """
        one, two, three = self.phones("0.9", "0.5", "0.9")
        self.call()
        self.assertEqual(two.names(), [])
        one.respond(one.take(b"INVITE"), 486)
        self.settle()
        self.assertEqual(two.names(), [])
        three.respond(three.take(b"INVITE"), 408)
        self.settle()
        invite = two.take(b"INVITE")
        two.respond(invite, 404)
        self.settle()
        # The 486 said the most: it came first among those of its kind.
        self.node1.take(486)
        self.assertAllGone()

    def test_declineEndsAll(self) -> None:
        """
        A 603 ends the search: others are cancelled, those of a lower q are not
        called, and it goes back when all have answered.
        """
        one, two, three = self.phones("", "", "0.1")
        self.call()
        first, second = one.take(b"INVITE"), two.take(b"INVITE")
        one.respond(first, 180)
        self.settle()
        two.respond(second, 603)
        self.settle()
        self.assertNotIn(603, self.node1.names())
        one.respond(one.take(b"CANCEL"), 200)
        one.respond(first, 487)
        self.settle()
        self.node1.take(603)
        self.assertEqual(three.names(), [])
        self.assertAllGone()

    def test_challengesOfAll(self) -> None:
        """
        When the best response is a 401 it carries the challenges of all 401
        and 407.
        """
        one, two = self.phones("", "")
        self.call()
        one.respond(
            one.take(b"INVITE"), 407, (b"Proxy-Authenticate", b'Digest realm="one"')
        )
        two.respond(
            two.take(b"INVITE"), 401, (b"WWW-Authenticate", b'Digest realm="two"')
        )
        self.settle()
        response = self.node1.take(407)
        self.assertEqual(
            response.headers.all(b"Proxy-Authenticate"), [b'Digest realm="one"']
        )
        self.assertEqual(
            response.headers.all(b"WWW-Authenticate"), [b'Digest realm="two"']
        )

    def test_cancelOfAll(self) -> None:
        """
        A CANCEL from upstream goes to every branch, and to none that has not
        begun.
        """
        one, two, three = self.phones("", "", "0.1")
        self.call()
        invites = [(p, p.take(b"INVITE")) for p in (one, two)]
        for phone, invite in invites:
            phone.respond(invite, 180)
        self.settle()
        self.node1.send(self.fromNode("CANCEL", BOB_URI, branch="z9hG4bKfork"))
        self.settle()
        for phone, invite in invites:
            phone.respond(phone.take(b"CANCEL"), 200)
            phone.respond(invite, 487)
        self.settle()
        self.node1.take(487)
        self.assertEqual(three.names(), [])
        self.assertAllGone()

    def test_oneUnreachable(self) -> None:
        """
        A contact that cannot be reached does not keep the others from ringing.
        """
        one, two = self.phones("", "")
        self.network.kill(one.host)
        self.call()
        invite = two.take(b"INVITE")
        two.respond(invite, 486)
        self.settle()
        self.node1.take(486)
        self.assertAllGone()

    def test_unavailableIsNotPassedOn(self) -> None:
        """
        A phone's 503 becomes a 500: it says nothing of the whole cluster.
        """
        [one] = self.phones("")
        self.call()
        one.respond(one.take(b"INVITE"), 503, (b"Retry-After", b"600"))
        self.settle()
        response = self.node1.take(500)
        self.assertNotIn(b"Retry-After", response.headers)

    def test_nonInvite(self) -> None:
        """
        The first 2xx of a forked MESSAGE goes back, the second does not.
        """
        one, two = self.phones("", "")
        self.call("MESSAGE")
        one.respond(one.take(b"MESSAGE"), 200)
        two.respond(two.take(b"MESSAGE"), 202)
        self.settle()
        self.assertEqual(self.node1.names(), [200])
        self.assertAllGone()

    def test_contactWithHeaders(self) -> None:
        """
        What a Contact has and a Request-URI must not have is left out: headers
        and a method (section 16.6 step 2).
        """
        phone = self.phone(ALICE)
        contact = f"<sip:a@{ALICE};method=BYE;x=y?Route=%3Csip:192.0.2.9%3E>"
        self.register(phone, "bob", contact)
        self.call()
        self.assertEqual(phone.take(b"INVITE").uri, f"sip:a@{ALICE};x=y".encode())

    def test_bound(self) -> None:
        """
        No more contacts are tried than C{max-forks} allows.
        """
        phones = self.phones("", "", "")
        self.proxy1.proxy.contacts.maxForks = 2
        self.call()
        called = [p for p in phones if b"INVITE" in p.names()]
        self.assertEqual(len(called), 2)

    def test_breadth(self) -> None:
        """
        Max-Breadth bounds how many ring at the same time, and is shared among
        them (RFC 5393 section 5.3.3).
        """
        one, two, three = self.phones("", "", "")
        self.call("INVITE", "Max-Breadth: 2")
        called = [p for p in (one, two, three) if b"INVITE" in p.names()]
        self.assertEqual(len(called), 2)
        for phone in called:
            invite = phone.take(b"INVITE")
            self.assertEqual(invite.headers.first(b"Max-Breadth"), b"1")
            phone.respond(invite, 486)
        self.settle()
        [last] = [p for p in (one, two, three) if b"INVITE" in p.names()]
        invite = last.take(b"INVITE")
        self.assertEqual(invite.headers.first(b"Max-Breadth"), b"2")

    def test_noBreadth(self) -> None:
        """
        Max-Breadth 0 gives 440.
        """
        self.phones("")
        self.call("INVITE", "Max-Breadth: 0")
        self.node1.take(440)
        self.assertEqual(NODE1, self.node1.host)
