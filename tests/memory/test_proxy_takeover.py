"""
What a SIP Proxy does when another member of a pair takes over.
"""

from __future__ import annotations

from sipcluster.app.settings import Application, Node, Pair
from sipcluster.servicecheck.announce import Announcer
from sipcluster.servicecheck.iservicecheck import Member, PeerRole
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import IFlow, Target
from sipcluster.sip.message import Request, makeResponse
from sipcluster.sip.transactions import TransactionLayer
from sipcluster.sipproxy import takeover
from sipcluster.testing.clock import runFor
from sipcluster.testing.records import RecordingReceiver
from tests.memory.proxies import (
    ALICE,
    BOB,
    DOMAIN,
    NODE1,
    NODE2,
    PROXY1,
    PROXY2,
    Peer,
    ProxyTestCase,
    grantsRegister,
)

BOB_URI = f"sip:bob@{DOMAIN}"
LEG_URI = f"sip:leg@node1.{DOMAIN}"
NODE3 = "192.0.2.23"
ROLE = b"X-SIPCluster-Role"


class Roled(Peer):
    """
    A member of a pair that is asked by the SIP Proxies.

    @ivar role: what it says it is.
    @ivar mute: it does not answer OPTIONS.
    """

    role = PeerRole(False, 0, "node1")
    mute = False

    def asked(self, request: Request, flow: IFlow) -> bool:
        """
        Answer OPTIONS.
        """
        if request.method != b"OPTIONS":
            return False
        if not self.mute:
            self.respond(request, 200, (ROLE, self.rendered), flow=flow)
        return True

    @property
    def rendered(self) -> bytes:
        """
        The role as it stands in a header.
        """
        name = b"primary" if self.role.primary else b"backup"
        return b"%b;epoch=%d;pair=node1" % (name, self.role.epoch)


class PairTestCase(ProxyTestCase):
    """
    One pair of two scripted members behind two proxies: C{node1} is the primary of
    epoch 7, C{node2} the backup.
    """

    def nodes(self) -> tuple[Application, ...]:
        """
        One pair.
        """
        return (
            Node(name="node1a", sipAddress=NODE1),
            Node(name="node1b", sipAddress=NODE2),
            Pair(name="node1", members=("node1a", "node1b")),
        )

    def setUp(self) -> None:
        """
        The backup is known, too.
        """
        super().setUp()
        self.alice = self.phone(ALICE)
        self.bob = self.phone(BOB)
        self.announcers: dict[str, Announcer] = {}

    def node(self, host: str) -> Peer:
        """
        A member.
        """
        peer = Roled(self.network, host)
        self.transports.append(peer.transport)
        peer.role = PeerRole(host == NODE1, 7, "node1")
        peer.answers += [peer.asked, grantsRegister(peer)]
        return peer

    @property
    def first(self) -> Roled:
        """
        The primary of epoch 7.
        """
        assert isinstance(self.node1, Roled)
        return self.node1

    @property
    def second(self) -> Roled:
        """
        The one that takes over.
        """
        assert isinstance(self.node2, Roled)
        return self.node2

    def announces(self, node: Roled, epoch: int, primary: bool = True) -> list[Request]:
        """
        A member says what it has become, to both proxies.

        @return: the OPTIONS.
        """
        node.role = PeerRole(primary, epoch, "node1")
        sent = []
        for proxy in (PROXY1, PROXY2):
            data = self.request(
                "OPTIONS",
                f"sip:{proxy}:5060",
                f"node1.{DOMAIN}",
                f"X-SIPCluster-Role: {node.rendered.decode()}",
                callID=f"announce-{proxy}",
            )
            node.send(data, node.flow(to=proxy))
            sent.append(self.parsed(data))
        self.settle()
        return sent

    def takesOver(self) -> None:
        """
        The first member dies and the second goes on.
        """
        self.network.kill(NODE1)
        self.settle(0.2)
        self.announces(self.second, 8)
        self.second.take(200)
        self.second.take(200)

    def calls(self) -> Request:
        """
        Alice calls Bob; the INVITE as the first member has it.
        """
        self.alice.send(self.invite(BOB_URI, ALICE, branch="z9hG4bKcall"))
        self.settle()
        invite = self.first.take(b"INVITE")
        assert isinstance(invite, Request)
        self.alice.take(100)
        return invite

    def counter(self, name: str) -> int:
        """
        How often something happened at the first proxy.
        """
        counters = self.proxy1.status()["counters"]
        assert isinstance(counters, dict)
        value = counters.get(name, 0)
        assert isinstance(value, int)
        return value


class DrivenAgainTests(PairTestCase):
    """
    What the member that failed may not have passed on is sent again.
    """

    def test_inviteWithoutResponse(self) -> None:
        """
        An INVITE that the first member has not answered goes to the second one as
        soon as that says that it is primary, under the same branch.
        """
        invite = self.calls()
        self.takesOver()
        again = self.second.take(b"INVITE")
        self.assertEqual(again.via.branch, invite.via.branch)
        self.second.respond(again, 180)
        self.settle()
        self.alice.take(180)
        self.second.respond(again, 200)
        self.settle()
        self.alice.take(200)
        self.assertEqual(self.counter("drivenAgain"), 1)
        self.assertAllGone()

    def test_tryingDoesNotCount(self) -> None:
        """
        A 100 is no sign that the other member knows of the call.
        """
        invite = self.calls()
        self.first.respond(invite, 100)
        self.settle()
        self.takesOver()
        again = self.second.take(b"INVITE")
        self.second.respond(again, 486)
        self.settle()
        self.alice.take(486)
        self.second.take(b"ACK")
        self.alice.send(self.request("ACK", BOB_URI, ALICE, branch="z9hG4bKcall"))
        self.assertAllGone()

    def test_retransmittedUntilAnswered(self) -> None:
        """
        What is sent again is retransmitted again.
        """
        invite = self.calls()
        self.first.respond(invite, 100)
        self.settle()
        self.takesOver()
        self.settle(1.6)
        self.assertEqual(self.second.names(), [b"INVITE"] * 3)
        self.second.respond(self.second.take(b"INVITE"), 486)
        self.settle()
        self.alice.take(486)

    def test_ringingIsNotSentAgain(self) -> None:
        """
        An INVITE that rings is known to the second member: its responses come from
        there, and so the CANCEL goes there.
        """
        invite = self.calls()
        self.first.respond(invite, 180)
        self.settle()
        self.alice.take(180)
        self.takesOver()
        self.assertEqual(self.second.names(), [])
        self.second.respond(invite, 183)
        self.settle()
        self.alice.take(183)
        self.alice.send(self.request("CANCEL", BOB_URI, ALICE, branch="z9hG4bKcall"))
        self.settle()
        self.alice.take(200)
        cancel = self.second.take(b"CANCEL")
        self.assertEqual(cancel.via.branch, invite.via.branch)
        self.second.respond(cancel, 200)
        self.second.respond(invite, 487)
        self.settle()
        self.second.take(b"ACK")
        self.alice.take(487)
        self.alice.send(self.request("ACK", BOB_URI, ALICE, branch="z9hG4bKcall"))
        self.assertAllGone()

    def test_cancelThatWaits(self) -> None:
        """
        A CANCEL that the first member has not answered goes to the second.
        """
        invite = self.calls()
        self.first.respond(invite, 180)
        self.settle()
        self.network.powerOff(NODE1)
        self.alice.send(self.request("CANCEL", BOB_URI, ALICE, branch="z9hG4bKcall"))
        self.settle()
        self.announces(self.second, 8)
        cancel = self.second.take(b"CANCEL")
        self.second.respond(cancel, 200)
        self.second.respond(invite, 487)
        self.settle()
        self.alice.take(487)
        self.alice.send(self.request("ACK", BOB_URI, ALICE, branch="z9hG4bKcall"))
        self.assertAllGone()

    def test_cancelledBeforeItRang(self) -> None:
        """
        One that the caller has given up is not made again; if the second member
        knows of it all the same, it hears of the CANCEL.
        """
        invite = self.calls()
        self.network.powerOff(NODE1)
        self.alice.send(self.request("CANCEL", BOB_URI, ALICE, branch="z9hG4bKcall"))
        self.settle()
        self.announces(self.second, 8)
        self.alice.take(487)
        self.assertNotIn(b"INVITE", self.second.names())
        cancel = self.second.take(b"CANCEL")
        self.assertEqual(cancel.via.branch, invite.via.branch)
        self.second.respond(cancel, 481)
        self.alice.send(self.request("ACK", BOB_URI, ALICE, branch="z9hG4bKcall"))
        self.settle(40)
        self.assertAllGone()

    def test_refusalIsAcknowledgedThere(self) -> None:
        """
        The ACK of a refusal that the second member repeats goes to it.
        """
        invite = self.calls()
        self.first.respond(invite, 486)
        self.settle()
        self.first.take(b"ACK")
        self.takesOver()
        self.second.respond(invite, 486)
        self.settle()
        self.second.take(b"ACK")

    def test_otherRequests(self) -> None:
        """
        A BYE that the first member has not answered goes to the second, and so do an
        INFO and a REGISTER.
        """
        self.network.powerOff(NODE1)
        for method in ("BYE", "INFO", "NOTIFY"):
            self.alice.send(
                self.request(method, LEG_URI, ALICE, toTag="t", callID=method)
            )
        self.settle()
        self.announces(self.second, 8)
        for name in (b"BYE", b"INFO", b"NOTIFY"):
            self.second.respond(self.second.take(name), 200)
        self.settle()
        self.assertEqual(self.alice.names(), [200, 200, 200])
        self.assertAllGone()

    def test_askedAtOnce(self) -> None:
        """
        Also without its own word the second member is found, by the next question.
        """
        self.calls()
        self.network.kill(NODE1)
        self.second.role = PeerRole(True, 8, "node1")
        self.settle(5.0)
        self.second.take(b"INVITE")

    def test_responsesGoThere(self) -> None:
        """
        The response to a request of the pair goes to whoever is primary now; a 180
        that may have been lost is sent once more.
        """
        self.register(self.bob, "bob")
        data = self.fromNode("INVITE", f"sip:bob@{BOB}:5060", branch="z9hG4bKfrom")
        self.first.send(data)
        self.settle()
        invite = self.bob.take(b"INVITE")
        self.bob.respond(invite, 180)
        self.settle()
        self.first.take(180)
        self.takesOver()
        self.second.take(180)
        self.bob.respond(invite, 200)
        self.settle()
        self.second.take(200)

    def test_largeRequest(self) -> None:
        """
        What goes over TCP for its size is driven again over a connection of its own.
        """
        self.alice.send(
            self.invite(BOB_URI, ALICE, "X-Filler: " + 1400 * "x"),
            self.alice.flow("TCP"),
        )
        self.settle()
        ((invite, flow),) = self.first.received
        self.first.respond(invite, 100, flow=flow)
        self.settle()
        self.takesOver()
        ((again, flow),) = self.second.received
        self.assertEqual(again.via.branch, invite.via.branch)
        self.assertTrue(flow.reliable)
        self.second.respond(again, 486, flow=flow)
        self.settle()
        self.alice.take(486)


class GapTests(PairTestCase):
    """
    For a moment nobody serves.
    """

    def test_newCallWaits(self) -> None:
        """
        A call that comes while there is no primary is made as soon as there is one.
        """
        self.network.kill(NODE1)
        self.alice.send(self.invite(BOB_URI, ALICE, callID="finds-out"))
        self.settle()
        self.alice.send(self.invite(BOB_URI, ALICE, callID="waits"))
        self.alice.send(self.request("BYE", LEG_URI, ALICE, toTag="t", callID="waits2"))
        self.settle(0.3)
        self.assertEqual(self.alice.names(), [100, 100])
        self.assertEqual(self.second.names(), [])
        self.announces(self.second, 8)
        self.assertEqual(self.second.names(), [b"INVITE", b"INVITE", b"BYE", 200, 200])
        for method in (b"INVITE", b"INVITE"):
            self.second.respond(self.second.take(method), 486)
        self.second.respond(self.second.take(b"BYE"), 200)
        self.settle()
        self.assertEqual(sorted(self.alice.names()), [100, 100, 200, 486, 486])
        self.settle(40)
        self.assertAllGone()

    def test_nobodyTakesOver(self) -> None:
        """
        Nothing waits for ever: after ten seconds the answer is 503, and at once from
        then on.
        """
        self.calls()
        self.network.kill(NODE1)
        self.settle(1)
        self.alice.send(self.invite(BOB_URI, ALICE, callID="waits"))
        self.settle(8)
        self.assertNotIn(503, self.alice.names())
        self.settle(2)
        self.alice.take(503)
        self.alice.take(503)
        self.alice.send(self.invite(BOB_URI, ALICE, callID="late"))
        self.settle()
        self.alice.take(503)
        self.assertEqual(self.proxy1.status()["waitingForMembers"], 0)
        self.settle(40)
        self.assertAllGone()

    def test_notTooManyWait(self) -> None:
        """
        There is a limit to what waits.
        """
        self.patch(takeover, "MOST_PARKED", 2)
        self.network.kill(NODE1)
        self.proxy1.nodes.doubt("node1a")
        self.settle(0.1)
        for number in range(4):
            self.alice.send(self.invite(BOB_URI, ALICE, callID=f"call{number}"))
        self.settle(0.1)
        self.assertEqual(sorted(self.alice.names()), [100] * 4 + [503] * 2)
        self.assertEqual(self.counter("waitingRefused"), 2)

    def test_callerIsGone(self) -> None:
        """
        A proxy that stops lets go of what waits.
        """
        self.network.kill(NODE1)
        self.proxy1.nodes.doubt("node1a")
        self.settle(0.1)
        self.alice.send(self.invite(BOB_URI, ALICE))
        self.settle(0.1)
        self.proxy1.layer.stop()
        self.announces(self.second, 8)
        self.assertNotIn(b"INVITE", self.second.names())
        self.assertEqual(self.proxy1.status()["waitingForMembers"], 0)

    def test_cancelledWhileItWaits(self) -> None:
        """
        A caller that gives up is answered at once, and the call is not made.
        """
        self.network.kill(NODE1)
        self.settle(7)
        self.alice.send(self.invite(BOB_URI, ALICE, branch="z9hG4bKw"))
        self.settle()
        self.alice.send(self.request("CANCEL", BOB_URI, ALICE, branch="z9hG4bKw"))
        self.settle()
        self.alice.take(487)
        self.announces(self.second, 8)
        self.assertNotIn(b"INVITE", self.second.names())

    def test_backupRefuses(self) -> None:
        """
        A 503 of a member that has become backup is not told to the caller: the
        request goes on at the primary, under its branch.
        """
        invite = self.calls()
        self.first.role = PeerRole(False, 8, "node1")
        self.first.respond(invite, 503, (ROLE, self.first.rendered))
        self.settle()
        self.first.take(b"ACK")
        self.assertEqual(self.alice.names(), [])
        self.announces(self.second, 8)
        again = self.second.take(b"INVITE")
        self.assertEqual(again.via.branch, invite.via.branch)
        self.assertEqual(self.counter("refusedByBackup"), 1)

    def test_refusedThoughItAnnounced(self) -> None:
        """
        A 503 that was sent before a member became primary changes nothing: the
        request is repeated, and answered.
        """
        self.network.kill(NODE1)
        self.settle(0.1)
        self.announces(self.second, 8)
        self.alice.send(self.invite(BOB_URI, ALICE))
        self.settle()
        invite = self.second.take(b"INVITE")
        self.second.respond(invite, 503, (ROLE, b"backup;epoch=7;pair=node1"))
        self.settle(0.6)
        again = self.second.take(b"INVITE")
        self.second.respond(again, 486)
        self.settle()
        self.alice.take(486)
        self.assertNotIn(503, self.alice.names())

    def test_trueOverload(self) -> None:
        """
        A 503 of the primary itself goes back.
        """
        invite = self.calls()
        self.first.respond(invite, 503, (ROLE, self.first.rendered))
        self.settle()
        self.alice.take(503)

    def test_noBackupIsCalled(self) -> None:
        """
        A backup is in service, but gets no requests.
        """
        for number in range(4):
            self.alice.send(self.invite(BOB_URI, ALICE, callID=f"call{number}"))
        self.settle()
        self.assertEqual(self.first.names(), [b"INVITE"] * 4)
        self.assertEqual(self.second.names(), [])


class StaleTests(PairTestCase):
    """
    A member that was replaced, and does not know it.
    """

    def test_announcedTooLate(self) -> None:
        """
        A member that says it is primary in an old epoch is not believed, and told the
        present one.
        """
        self.announces(self.second, 8)
        self.second.received.clear()
        self.announces(self.first, 7)
        refusal = self.first.take(403)
        self.assertEqual(refusal.headers.first(ROLE), b"backup;epoch=8;pair=node1")
        self.assertEqual(self.counter("announcedTooLate"), 1)
        self.alice.send(self.invite(BOB_URI, ALICE))
        self.settle()
        self.second.take(b"INVITE")

    def test_requestsAreRefused(self) -> None:
        """
        A request of a member that was replaced goes nowhere.
        """
        self.register(self.bob, "bob")
        self.first.mute = True
        self.announces(self.second, 8)
        self.first.send(self.fromNode("INVITE", f"sip:bob@{BOB}:5060"))
        self.first.send(self.fromNode("BYE", f"sip:bob@{BOB}:5060", toTag="t"))
        self.first.send(self.fromNode("ACK", f"sip:bob@{BOB}:5060", toTag="t"))
        self.settle()
        refusal = self.first.take(403)
        self.assertEqual(refusal.headers.first(ROLE), b"backup;epoch=8;pair=node1")
        self.assertEqual(self.bob.names(), [])
        self.assertEqual(self.counter("fromStaleMember"), 3)

    def test_responsesAreDropped(self) -> None:
        """
        So does a response.
        """
        invite = self.calls()
        self.first.respond(invite, 180)
        self.settle()
        self.alice.take(180)
        self.first.mute = True
        self.announces(self.second, 8)
        self.first.respond(invite, 200)
        self.settle()
        self.assertEqual(self.alice.names(), [])
        self.second.respond(invite, 200)
        self.settle()
        self.alice.take(200)

    def test_overAStream(self) -> None:
        """
        On a connection a member is known by its host.
        """
        self.register(self.bob, "bob")
        self.first.mute = True
        self.announces(self.second, 8)
        for member in (self.first, self.second):
            member.send(
                self.fromNode("INVITE", f"sip:bob@{BOB}:5060", transport="TCP"),
                member.flow("TCP"),
            )
            self.settle()
        self.first.take(403)
        self.assertEqual(self.bob.names(), [b"INVITE"])

    def test_unreadable(self) -> None:
        """
        What a member that was replaced sends may be anything.
        """
        invite = self.calls()
        self.first.mute = True
        self.announces(self.second, 8)
        data = self.fromNode("INVITE", f"sip:bob@{BOB}:5060")
        self.first.send(data.replace(b"Via: SIP/2.0/UDP", b"Via: nonsense"))
        self.first.send(data.replace(b"CSeq: 1 INVITE", b"CSeq: INVITE"))
        answer = makeResponse(invite, 503, headers=[(ROLE, b"backup;epoch=x;;=")])
        for broken in (
            answer.render(),
            answer.render().replace(b"CSeq: 1 ", b"CSeq: x "),
            answer.render().replace(b"z9hG4bK", b"z9hG4bKno"),
            answer.render().replace(b"backup", b"\xff\xfe"),
        ):
            self.first.send(broken)
        self.settle()
        self.assertNotIn(503, self.alice.names())
        self.second.respond(self.second.take(b"INVITE"), 486)
        self.settle()
        self.alice.take(486)

    def test_backupSends(self) -> None:
        """
        What a backup sends while another member serves is dropped, and the backup is
        asked at once: when it has become primary, the repetition passes.
        """
        self.register(self.bob, "bob")
        self.second.role = PeerRole(True, 8, "node1")
        data = self.fromNode("INVITE", f"sip:bob@{BOB}:5060")
        self.second.send(data)
        self.settle()
        self.assertEqual(self.bob.names(), [])
        self.second.send(data)
        self.settle()
        self.bob.take(b"INVITE")

    def test_backupSendsInTheGap(self) -> None:
        """
        While nobody else serves it is believed.
        """
        self.register(self.bob, "bob")
        self.network.kill(NODE1)
        self.settle(7)
        self.second.send(self.fromNode("INVITE", f"sip:bob@{BOB}:5060"))
        self.settle()
        self.bob.take(b"INVITE")

    def test_primaryAgain(self) -> None:
        """
        A member that was replaced and becomes primary again is believed again.
        """
        self.announces(self.second, 8)
        self.announces(self.first, 9)
        self.alice.send(self.invite(BOB_URI, ALICE))
        self.settle()
        self.first.take(b"INVITE")

    def test_strangersSay(self) -> None:
        """
        What a telephone says of its role is not believed.
        """
        data = self.request(
            "OPTIONS",
            f"sip:{PROXY1}:5060",
            ALICE,
            "X-SIPCluster-Role: primary;epoch=99;pair=node1",
        )
        self.alice.send(data)
        self.settle()
        self.assertIsNone(self.alice.take(200).headers.first(ROLE))
        self.assertEqual(self.proxy1.nodes.epoch("node1"), 7)

    def test_anotherPairsName(self) -> None:
        """
        Neither is what a member says of another pair.
        """
        data = self.request(
            "OPTIONS",
            f"sip:{PROXY1}:5060",
            f"node1.{DOMAIN}",
            "X-SIPCluster-Role: primary;epoch=99;pair=node7",
        )
        self.second.send(data)
        self.settle()
        self.second.take(403)
        self.assertEqual(self.proxy1.nodes.epoch("node1"), 7)


class AnnouncerTests(PairTestCase):
    """
    L{Announcer} tells the SIP Proxies.
    """

    def setUp(self) -> None:
        """
        The second member is a transaction layer.
        """
        super().setUp()
        self.seen: list[int] = []
        self.network.kill(NODE2)
        transport = self.network.host(NODE2)
        self.transports.append(transport)
        identifiers = Identifiers(self.network.entropy)
        self.layer = TransactionLayer(
            self.clock, transport, RecordingReceiver(), identifiers
        )
        transport.receiver = self.layer
        self.announcer = Announcer(
            self.clock,
            self.layer,
            identifiers,
            f"sip:node1.{DOMAIN}".encode(),
            [
                Member(name, Target("UDP", host, 5060), name)
                for name, host in (("proxy1", PROXY1), ("proxy2", PROXY2))
            ],
            self.seen.append,
        )

    def test_all(self) -> None:
        """
        Each SIP Proxy is told, and then no more.
        """
        self.announcer.announce(PeerRole(True, 8, "node1"))
        self.assertEqual(self.announcer.unanswered, ("proxy1", "proxy2"))
        self.settle()
        self.assertEqual(self.announcer.unanswered, ())
        for proxy in (self.proxy1, self.proxy2):
            primary = proxy.nodes.primary("node1")
            assert primary is not None
            self.assertEqual(primary.name, "node1b")
        self.assertEqual(self.seen, [])
        runFor(self.clock, 40)
        self.assertEqual(self.counter("announced"), 1)

    def test_lost(self) -> None:
        """
        One that does not answer is told again soon, and not for ever.
        """
        self.network.partition(NODE2)
        self.announcer.announce(PeerRole(True, 8, "node1"))
        self.settle(0.25)
        self.network.heal()
        self.settle(0.2)
        self.assertEqual(self.announcer.unanswered, ())
        self.network.powerOff(PROXY2)
        self.announcer.announce(PeerRole(True, 9, "node1"))
        self.settle(30)
        self.assertEqual(self.announcer.unanswered, ("proxy2",))
        self.settle(20)
        self.assertEqual(self.announcer.unanswered, ())
        self.assertEqual(self.layer.status()["noninviteClient"], 0)

    def test_refusedPort(self) -> None:
        """
        A SIP Proxy that starts a moment later is told by then.
        """
        self.network.kill(PROXY2)
        self.announcer.announce(PeerRole(True, 8, "node1"))
        self.settle(1.0)
        self.assertEqual(self.announcer.unanswered, ("proxy2",))
        self.proxy2 = self.proxy("proxy2", PROXY2)
        self.settle(2.0)
        self.assertEqual(self.announcer.unanswered, ())

    def test_superseded(self) -> None:
        """
        A member learns that a SIP Proxy knows of a later primary.
        """
        self.announces(self.first, 9)
        self.announcer.announce(PeerRole(True, 8, "node1"))
        self.settle()
        self.assertEqual(self.seen, [9, 9])
        self.assertEqual(self.announcer.unanswered, ())

    def test_stopped(self) -> None:
        """
        A member that has ceased to be primary tells nothing.
        """
        self.announcer.announce(PeerRole(True, 8, "node1"))
        self.announcer.stop()
        self.settle(1)
        # The SIP Proxies may ask whether it was this member that has told them so.
        self.assertEqual(self.layer.status()["noninviteClient"], 0)
        self.assertEqual(self.announcer.unanswered, ())


class TwoPairsTests(PairTestCase):
    """
    There is another pair that can do what comes from outside.
    """

    def nodes(self) -> tuple[Application, ...]:
        """
        The pair, and a node that stands alone.
        """
        return (*super().nodes(), Node(name="node2", sipAddress=NODE3))

    other: Peer

    def node(self, host: str) -> Peer:
        """
        A member, and before the first one the node that stands alone.
        """
        if host == NODE1:
            self.other = ProxyTestCase.node(self, NODE3)
        return super().node(host)

    def test_elsewhere(self) -> None:
        """
        A call that the dead member has not answered goes to the other pair after half
        a second; should the second member know of it, it is cancelled there.
        """
        for number in range(20):
            self.alice.send(
                self.invite(BOB_URI, ALICE, callID=f"call{number}", branch="")
            )
            self.settle()
            if self.first.received:
                break
            self.other.received.clear()
        invite = self.first.take(b"INVITE")
        self.network.kill(NODE1)
        self.settle(1.2)
        there = self.other.take(b"INVITE")
        self.assertNotEqual(there.branch, invite.branch)
        self.announces(self.second, 8)
        cancel = self.second.take(b"CANCEL")
        self.assertEqual(cancel.branch, invite.branch)
        self.second.respond(cancel, 481)
        self.assertNotIn(b"INVITE", self.second.names())
        self.other.respond(there, 486)
        self.settle()
        self.alice.take(486)

    def test_takenOverInTime(self) -> None:
        """
        When the second member has taken over by then the call stays with its pair;
        what comes in the meantime goes to the other one.
        """
        for number in range(20):
            self.alice.send(self.invite(BOB_URI, ALICE, callID=f"call{number}"))
            self.settle()
            if self.first.received:
                break
            self.other.received.clear()
        self.network.kill(NODE1)
        self.proxy1.nodes.doubt("node1a")
        self.settle(0.1)
        for number in range(20, 24):
            self.alice.send(self.invite(BOB_URI, ALICE, callID=f"call{number}"))
        self.settle(0.1)
        self.announces(self.second, 8)
        kept = self.second.take(b"INVITE")
        self.settle(1.0)
        taken = {message.callID for message, _ in self.other.received}
        self.assertLess({b"call20", b"call21", b"call22", b"call23"}, taken)
        self.assertNotIn(kept.callID, taken)
