"""
T-Library clients of a pair: what they are told is one stream, whoever serves.
"""

from __future__ import annotations

from attrs import evolve

from sipcluster.app.pair import PairProcess
from sipcluster.app.settings import TLibApplication
from sipcluster.sip.isip import Target
from sipcluster.testing.sip_peer import sdp
from sipcluster.testing.tlib_peer import TLibPeer
from sipcluster.tlib.enums import ResumeResult, ServerRole
from sipcluster.tlib.messages import (
    EventDialing,
    EventError,
    EventEstablished,
    EventRegistered,
    EventReleased,
    EventRinging,
    EventServerInfo,
    Message,
    RequestMakeCall,
    RequestRegisterAddress,
)
from tests.memory.nodes import NODE, OTHER_NODE
from tests.memory.pairs import PairTestCase


class ClientsTestCase(PairTestCase):
    """
    A client that has registered the DNs of a call, at each port.
    """

    def member(self, name: str, address: str) -> PairProcess:
        """
        A member that takes T-Library clients.
        """
        desktop = TLibApplication(name="desktop", password="secret")
        self.configuration = evolve(self.configuration, tlibApplications=(desktop,))
        return super().member(name, address)

    def setUp(self) -> None:
        super().setUp()
        self.clients = [self.client("default"), self.client("TCport")]

    def client(self, port: str) -> TLibPeer:
        """
        A client of the primary.
        """
        peer = TLibPeer(self.one.ports[port][0])
        peer.open()
        reference = peer.registerClient()
        self.pump()
        peer.info = peer.expect(EventServerInfo, reference=reference)
        self.assertEqual(peer.info.serverRole, ServerRole.PRIMARY)
        self.assertEqual(peer.info.roleEpoch, 1)
        for dn in ("1001", "1002"):
            peer.request(RequestRegisterAddress(thisDN=dn))
        self.pump()
        return peer

    def follow(
        self, member: PairProcess, result: ResumeResult = ResumeResult.RESUMED
    ) -> None:
        """
        Everybody goes to a member that has become primary.

        @param result: what clients are told there of their sessions.
        """
        address = OTHER_NODE if member is self.two else NODE
        for proxy in (self.peer, self.peer2):
            proxy.target = Target("UDP", address, 5060)
            proxy.disconnect()
        for peer, port in zip(self.clients, ("default", "TCport"), strict=True):
            if peer.connection is not None:
                peer.connection.user = None
                peer.drop()
            peer.server = member.ports[port][0]
            peer.open()
            assert peer.info is not None
            reference = peer.registerClient(
                sessionID=peer.info.sessionID,
                epoch=peer.info.epoch,
                roleEpoch=peer.info.roleEpoch,
            )
            self.pump()
            info = peer.expect(EventServerInfo, reference=reference)
            self.assertEqual(info.resumeResult, result)
            self.assertGreater(info.roleEpoch or 0, peer.info.roleEpoch or 0)
            peer.info = info


class ClientTests(ClientsTestCase):
    """
    What they are told of the call.
    """

    def assertStream(self, *events: type[Message]) -> None:
        """
        Check that each client has got these events of calls, in an unbroken stream.
        """
        calls = (EventDialing, EventRinging, EventEstablished, EventReleased)
        for peer in self.clients:
            got = [one.message for one in peer.all if isinstance(one.message, calls)]
            self.assertEqual([type(one) for one in got], list(events))
            positions = [one.position for one in peer.all if one.position]
            self.assertEqual(positions, list(range(1, len(positions) + 1)))

    def test_killed(self) -> None:
        """
        The primary is killed in a call: the clients resume, and see it end.
        """
        self.established()
        self.kill(self.one)
        self.run_(6)
        self.follow(self.two)
        bye = self.alice.within(b"BYE")
        self.peer.expectResponse(200, bye)
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.pump()
        self.assertStream(
            *(EventDialing, EventRinging, EventEstablished, EventEstablished),
            *(EventReleased, EventReleased),
        )
        assert self.two.keeper is not None
        self.assertEqual(self.two.keeper.differing(), [])

    def test_torn(self) -> None:
        """
        The primary serves alone, and is killed before it meets the other member
        again: the clients were told of a call that nobody knows, and are told so, and
        of what there is.
        """
        self.line.cut()
        self.run_(2)
        self.established()
        self.assertStream(
            EventDialing, EventRinging, EventEstablished, EventEstablished
        )
        before = [peer.handled for peer in self.clients]
        self.kill(self.one)
        self.run_(6)
        self.follow(self.two, ResumeResult.SNAPSHOT)
        self.assertEqual(list(self.two.calls()), [])
        for peer, handled in zip(self.clients, before, strict=True):
            told = [one for one in peer.all if one.position > handled]
            self.assertEqual(
                [(one.position - handled, one.message.thisDN) for one in told],  # type: ignore[attr-defined] # of a DN
                [(1, "1001"), (2, "1002")],
            )
            for one in told:
                assert isinstance(one.message, EventRegistered)
                self.assertEqual(one.message.snapshot, 1)
                self.assertNotIn("conn-1", dict(one.message.extensions or ()))
        self.clients[0].request(RequestMakeCall(thisDN="1001", otherDN="1002"))
        self.run_(1)
        invite = self.peer2.expectRequest(b"INVITE")
        self.peer2.respond(invite, 200, body=sdp())
        self.run_(1)
        for peer, handled in zip(self.clients, before, strict=True):
            positions = [one.position for one in peer.all if one.position > handled]
            self.assertGreater(len(positions), 2)
            self.assertEqual(
                positions, list(range(handled + 1, handled + 1 + len(positions)))
            )
        assert self.two.keeper is not None
        self.assertEqual(self.two.keeper.differing(), [])

    def test_switchover(self) -> None:
        """
        The role is given away and comes back: connections are aborted without a
        word, a client that comes to the backup is sent elsewhere, and the session
        goes on.
        """
        self.established()
        for old, new in ((self.one, self.two), (self.two, self.one)):
            connections = [peer.connection for peer in self.clients]
            old.switchover()
            self.run_(1)
            self.assertEqual(
                [one.closed for one in connections if one], ["aborted", "aborted"]
            )
            for peer in self.clients:
                self.assertIsNone(peer.cut)
            stray = TLibPeer(old.ports["default"][0])
            stray.open()
            stray.registerClient()
            self.assertEqual(
                stray.expect(EventServerInfo).serverRole, ServerRole.BACKUP
            )
            self.run_(4)
            self.follow(new)
        self.assertStream(
            EventDialing, EventRinging, EventEstablished, EventEstablished
        )

    def test_requestUnderWay(self) -> None:
        """
        A request that rings a telephone when the primary dies is not done again,
        and is answered by the other member.
        """
        peer = self.clients[0]
        call = RequestMakeCall(thisDN="1001", otherDN="1002")
        reference = peer.request(call)
        self.pump()
        invite = self.peer2.expectRequest(b"INVITE")
        self.peer2.respond(invite, 180)
        self.pump()
        self.kill(self.one)
        self.run_(6)
        self.follow(self.two)
        peer.request(call, reference)
        self.run_(0.1)
        assert self.two.life is not None
        self.assertEqual(len(self.two.life.controller.calls), 1)
        self.assertEqual(self.two.life.cti.default.counts["repeatedRequests"], 1)
        self.peer2.respond(invite, 200, body=sdp())
        self.run_(0.1)
        peer.expect(EventDialing, reference=reference)
        self.assertEqual(
            [one for one in peer.all if isinstance(one.message, EventError)], []
        )
