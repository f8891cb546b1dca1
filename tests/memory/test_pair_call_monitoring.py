"""
Recorders of a pair: what they are told of calls is one story, whoever serves.
"""

from __future__ import annotations

from sipcluster.testing.tlib_peer import TLibPeer
from sipcluster.tlib.messages import (
    EventCallCreated,
    EventCallDeleted,
    EventCallPartyAdded,
    EventCallPartyDeleted,
    EventCallPartyState,
    Message,
    RequestStartCallMonitoring,
)
from sipcluster.tlib.messages.routing import CallNotice, PartyNotice
from sipcluster.tserver import call_monitoring
from tests.memory.test_pair_tlib import ClientsTestCase

BEGUN: tuple[type[Message], ...] = (
    EventCallCreated,
    EventCallPartyAdded,
    EventCallPartyAdded,
    EventCallPartyState,
    EventCallPartyState,
)
ENDED: tuple[type[Message], ...] = (
    EventCallPartyDeleted,
    EventCallPartyDeleted,
    EventCallDeleted,
)


class RecorderTests(ClientsTestCase):
    """
    A client at each port has asked for the events of calls.
    """

    def start(self) -> None:
        """
        They ask.
        """
        for peer in self.clients:
            peer.request(RequestStartCallMonitoring())
        self.pump()

    def notices(self, peer: TLibPeer) -> list[CallNotice]:
        """
        What one was told of calls.
        """
        all = [one.message for one in peer.all]
        return [one for one in all if isinstance(one, CallNotice)]

    def assertTold(self, *kinds: type[Message]) -> None:
        """
        Each was told this, of one call and two parties, in an unbroken stream.
        """
        for peer in self.clients:
            told = self.notices(peer)
            self.assertEqual([type(one) for one in told], list(kinds))
            self.assertEqual(len({one.callUUID for one in told}), 1)
            parties = {
                (one.thisDN, one.partyUUID)
                for one in told
                if isinstance(one, PartyNotice)
            }
            self.assertEqual(sorted(dn or "" for dn, _ in parties), ["1001", "1002"])
            positions = [one.position for one in peer.all if one.position]
            self.assertEqual(positions, list(range(1, len(positions) + 1)))

    def ends(self) -> None:
        """
        The call ends at the member that has become primary.
        """
        bye = self.alice.within(b"BYE")
        self.peer.expectResponse(200, bye)
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.pump()

    def test_killed(self) -> None:
        """
        The primary is killed in a call: the other one tells the end of it, of the
        same call and the same parties.
        """
        self.start()
        self.established()
        self.assertTold(*BEGUN)
        self.kill(self.one)
        self.run_(6)
        self.follow(self.two)
        self.ends()
        self.assertTold(*BEGUN, *ENDED)
        assert self.two.keeper is not None
        self.assertEqual(self.two.keeper.differing(), [])

    def test_killedBeforeAllWasTold(self) -> None:
        """
        The primary is killed before it has told what there is: the other one does.
        """
        self.established()
        slow = self.patch(call_monitoring, "MANY", 0)
        self.start()
        self.run_(1)
        self.assertEqual(self.notices(self.clients[0]), [])
        self.kill(self.one)
        slow.restore()
        self.run_(6)
        self.follow(self.two)
        self.run_(1)
        self.ends()
        self.assertTold(*BEGUN[:3], *ENDED)
