"""
REGISTER through SIP Proxies.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred, fail

from sipcluster.cluster.icluster import StoreAway
from sipcluster.registrar.iregistrar import ALL, All, Binding
from sipcluster.registrar.memory import MemoryRegistrationStore
from sipcluster.sip.isip import IFlow
from sipcluster.sip.message import Request, Response
from tests.memory.proxies import (
    ALICE,
    BOB,
    DOMAIN,
    PROXY1,
    PROXY2,
    Peer,
    ProxyTestCase,
)

ALICE_AOR = f"sip:alice@{DOMAIN}".encode()


class RegisterTests(ProxyTestCase):
    """
    A node decides, the proxy stores.
    """

    def answering(self, status: int, *headers: tuple[bytes, bytes]) -> None:
        """
        Let the nodes give this answer to each REGISTER.
        """
        for node in (self.node1, self.node2):

            def answer(request: Request, flow: IFlow, node: Peer = node) -> bool:
                if request.method != b"REGISTER":
                    return False
                node.respond(request, status, *headers, flow=flow)
                return True

            node.answers[1:] = [answer]

    def asks(self, peer: Peer, status: int, *more: str) -> Response:
        """
        Send a REGISTER of alice's, for an answer.
        """
        data = self.request(
            "REGISTER",
            f"sip:{DOMAIN}",
            peer.host,
            *more,
            to=f"sip:alice@{DOMAIN}",
            callID="reg-alice",
            cseq=self.sequence + 1,
        )
        peer.send(data)
        self.settle()
        response = peer.take(status)
        assert isinstance(response, Response)
        return response

    def test_stored(self) -> None:
        """
        What a node grants is stored, and the 200 has it.
        """
        alice = self.phone(ALICE)
        response = self.register(alice, "alice")
        self.assertEqual(
            response.headers.all(b"Contact"),
            [f"<sip:alice@{ALICE}:5060>;expires=600".encode()],
        )
        [binding] = self.store.bindings(ALICE_AOR)
        self.assertEqual(binding.contact, f"sip:alice@{ALICE}:5060".encode())
        self.assertEqual(binding.proxy, "proxy1")
        self.assertEqual(binding.flow, b"")
        self.assertEqual(binding.transport, "UDP")
        self.assertAllGone()

    def test_allBindings(self) -> None:
        """
        The 200 lists every binding there is, also those made elsewhere; a
        REGISTER without Contact asks for nothing else.
        """
        alice, other = self.phone(ALICE), self.phone(BOB)
        self.register(alice, "alice")
        second = self.register(other, "alice", flow=other.flow(to=PROXY2))
        self.assertEqual(len(second.headers.all(b"Contact")), 2)
        self.assertEqual(len(self.asks(alice, 200).headers.all(b"Contact")), 2)

    def test_proxyForDomain(self) -> None:
        """
        A phone that calls a proxy its domain has the same address-of-record.
        """
        alice = self.phone(ALICE)
        alice.send(
            self.request(
                "REGISTER",
                f"sip:{PROXY1}",
                ALICE,
                f"Contact: <sip:alice@{ALICE}>",
                to=f"sip:alice@{PROXY1}",
            )
        )
        self.settle()
        alice.take(200)
        self.assertEqual(len(self.store.bindings(ALICE_AOR)), 1)

    def test_takenBack(self) -> None:
        """
        Expires 0 removes one binding, C{*} all of them.
        """
        alice = self.phone(ALICE)
        self.register(alice, "alice")
        self.register(alice, "alice", f"<sip:alice@{ALICE}:5070>", cseq=2)
        self.assertEqual(self.store.count, 2)
        response = self.register(alice, "alice", expires="0", cseq=3)
        self.assertEqual(len(response.headers.all(b"Contact")), 1)
        response = self.register(alice, "alice", "*", expires="0", cseq=4)
        self.assertEqual(response.headers.all(b"Contact"), [])
        self.assertEqual(self.store.count, 0)

    def test_otherAnswersGoBack(self) -> None:
        """
        Challenges and refusals go back as the node gave them, and nothing is
        stored.
        """
        alice = self.phone(ALICE)
        for status, header in (
            (401, (b"WWW-Authenticate", b'Digest realm="example.com", nonce="n"')),
            (403, (b"Warning", b"no")),
            (423, (b"Min-Expires", b"60")),
        ):
            self.answering(status, header)
            response = self.asks(alice, status, f"Contact: <sip:alice@{ALICE}>")
            self.assertEqual(response.headers.all(header[0]), [header[1]])
        self.assertEqual(self.store.count, 0)
        self.assertAllGone()

    def test_outOfOrder(self) -> None:
        """
        An older REGISTER that comes late changes nothing: 500.
        """
        alice = self.phone(ALICE)
        self.register(alice, "alice", cseq=9)
        data = self.request(
            "REGISTER",
            f"sip:{DOMAIN}",
            ALICE,
            f"Contact: <sip:alice@{ALICE}:5060>;expires=0",
            to=f"sip:alice@{DOMAIN}",
            callID=f"reg-alice-{ALICE}",
            cseq=8,
        )
        alice.send(data)
        self.settle()
        self.assertEqual(alice.take(500).headers.all(b"Contact"), [])
        self.assertEqual(self.store.count, 1)

    def test_tooMany(self) -> None:
        """
        More than ten bindings are refused: 403.
        """
        alice = self.phone(ALICE)
        for port in range(10):
            self.register(
                alice, "alice", f"<sip:alice@{ALICE}:{6000 + port}>", cseq=port + 1
            )
        self.asks(alice, 403, f"Contact: <sip:alice@{ALICE}:7000>")
        self.assertEqual(self.store.count, 10)

    def test_nonsenseGranted(self) -> None:
        """
        A node that grants what cannot be stored does no harm: 400.
        """
        alice = self.phone(ALICE)
        self.answering(200, (b"Contact", b"<mailto:alice@example.com>;expires=5"))
        self.asks(alice, 400, "Contact: <mailto:alice@example.com>")
        self.asks(alice, 200, f"Contact: <sip:alice@{ALICE}>")
        self.assertEqual(self.store.count, 0)
        self.assertAllGone()

    def test_path(self) -> None:
        """
        A phone behind an edge proxy is called through it (RFC 3327).
        """
        edge = self.phone(BOB)
        edge.send(
            self.request(
                "REGISTER",
                f"sip:{DOMAIN}",
                BOB,
                "Contact: <sip:alice@10.0.0.9:5060>",
                f"Path: <sip:x@{BOB};lr>",
                to=f"sip:alice@{DOMAIN}",
            )
        )
        self.settle()
        edge.take(200)
        self.node1.send(self.fromNode("INVITE", f"sip:alice@{DOMAIN}"))
        self.settle()
        invite = edge.take(b"INVITE")
        self.assertEqual(invite.uri, b"sip:alice@10.0.0.9:5060")
        self.assertEqual(invite.headers.all(b"Route"), [f"<sip:x@{BOB};lr>".encode()])

    def test_deviceWithTwoFlows(self) -> None:
        """
        Of several flows of one device only one is used for a call (RFC 5626).
        """
        alice = self.phone(ALICE)
        for node in (self.node1, self.node2):
            node.answers[1:] = [self.echoing(node)]
        for number in (1, 2):
            self.register(
                alice,
                "alice",
                f"<sip:alice@{ALICE}:{5059 + number}>;reg-id={number}"
                ';+sip.instance="<urn:uuid:1>"',
                cseq=number,
            )
        self.assertEqual(self.store.count, 2)
        self.node1.send(self.fromNode("INVITE", f"sip:alice@{DOMAIN}"))
        self.settle()
        invites = [
            data
            for data, _, to in self.network.carried
            if to[0] == ALICE and data.startswith(b"INVITE")
        ]
        self.assertEqual(len(invites), 1)

    def echoing(self, node: Peer):  # type: ignore[no-untyped-def]
        """
        Grant each Contact as it came.
        """

        def answer(request: Request, flow: IFlow) -> bool:
            contacts = [
                (b"Contact", value + b";expires=600")
                for value in request.headers.values(b"Contact")
            ]
            node.respond(request, 200, *contacts, flow=flow)
            return True

        return answer


class AwayStore(MemoryRegistrationStore):
    """
    A location service whose cluster does not answer.
    """

    def update(
        self,
        aor: bytes,
        changes: Sequence[Binding],
        removed: Sequence[bytes] | All = (),
    ) -> Deferred[None]:
        """
        Keep it here, and fail.
        """
        super().update(aor, changes, removed)
        return fail(StoreAway("no answer"))


class StoreAwayTests(ProxyTestCase):
    """
    The cluster store is away.
    """

    def test_servedAllTheSame(self) -> None:
        """
        A phone is registered here when the cluster store does not answer.
        """
        alice = self.phone(ALICE)
        self.proxy1.proxy.registration._store = AwayStore(self.wallTime)
        response = self.register(alice, "alice")
        self.assertEqual(len(response.headers.all(b"Contact")), 1)
        self.assertAllGone()

    def test_status(self) -> None:
        """
        What a proxy knows is told in plain values.
        """
        alice = self.phone(ALICE)
        self.register(alice, "alice")
        status = self.proxy1.status()
        self.assertEqual(status["registrations"], 1)
        self.assertEqual(
            status["nodes"], {"node1": "in service", "node2": "in service"}
        )
        self.assertEqual(status["proxies"], {"proxy2": "in service"})
        self.assertEqual(status["degraded"], "")
        self.store.degraded = True
        self.assertTrue(self.proxy1.status()["degraded"])
        [one] = self.proxy1.registrations()
        self.assertEqual(one["aor"], ALICE_AOR.decode())
        self.assertEqual(one["expires"], 600)
        self.assertEqual(list(self.proxy1.calls()), [])
        self.store.update(ALICE_AOR, (), ALL)
        self.assertEqual(list(self.proxy1.registrations()), [])
