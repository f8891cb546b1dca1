"""
Tests for the registration of DNs.
"""

from __future__ import annotations

from typing import Any

from sipcluster.testing.tlib_peer import Addresses, TLibPeer
from sipcluster.tlib.enums import AddressType, ControlMode, RegisterMode
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventRegistered,
    EventRinging,
    EventUnregistered,
    Message,
    RequestMakeCall,
    RequestQueryServer,
    RequestRegisterAddress,
    RequestUnregisterAddress,
)
from sipcluster.tserver.itserver import ClientView
from tests.unit.tserver.ports import Observer, PortCase, anis


class RegistrationTests(PortCase):
    """
    RequestRegisterAddress and RequestUnregisterAddress.
    """

    def refused(self, peer: TLibPeer, dn: str, code: TErrorCode, **more: Any) -> None:
        """
        Check that a DN cannot be registered so.
        """
        reference = peer.request(RequestRegisterAddress(thisDN=dn, **more))
        error = self.assertRefused(peer, reference, code)
        self.assertEqual(error.thisDN, dn)

    def test_snapshot(self) -> None:
        """
        EventRegistered tells the present state of the DN, as all know it; then its
        events follow, and those of no other DN.
        """
        self.snapshot.known["1001"] = (("status", 1), ("conn-1", "00" * 8))
        peer = self.peer()
        registered = peer.register("1001")
        self.assertEqual(registered.thisDN, "1001")
        self.assertEqual(registered.extensions, self.snapshot.known["1001"])
        self.assertIsNone(registered.snapshot)
        self.publish("1001", "1", "2")
        self.publish("1002", "3")
        self.assertEqual(anis(peer), ["1", "2"])
        self.assertTrue(self.server.watched("1001"))
        self.assertFalse(self.server.watched("1002"))

    def test_snapshotThatFails(self) -> None:
        """
        One who fails to say what he knows costs nobody else anything.
        """

        class Broken:
            def snapshot(self, dn: str) -> None:
                raise RuntimeError("broken")

        broken: Any = Broken()
        self.server._snapshots.insert(0, broken)
        self.snapshot.known["1001"] = (("status", 0),)
        registered = self.peer().register("1001")
        self.assertEqual(registered.extensions, (("status", 0),))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_snapshotTooLong(self) -> None:
        """
        A state that does not fit into a message is left out, and the DN is
        registered.
        """
        self.snapshot.known["1001"] = (("much", "x" * 70000),)
        peer = self.peer("1001")
        self.publish("1001", "1")
        self.assertEqual(anis(peer), ["1"])

    def test_unknownDN(self) -> None:
        """
        Only DNs of the switch can be registered, and as what they are.
        """
        peer = self.peer()
        self.refused(peer, "2000", TErrorCode.DN_NOT_CONFIGURED)
        self.refused(
            *(peer, "1001", TErrorCode.INVALID_ATTRIBUTE),
            addressType=AddressType.ROUTE_DN,
        )
        for kind in (AddressType.UNKNOWN, AddressType.DN):
            peer.register("1001", addressType=kind)
            peer.request(RequestUnregisterAddress(thisDN="1001"))

    def test_badModes(self) -> None:
        """
        Modes that nobody knows are refused.
        """
        peer = self.peer()
        code = TErrorCode.INVALID_ATTRIBUTE
        self.refused(peer, "1001", code, registerMode=9)
        self.refused(peer, "1001", code, controlMode=9)

    def test_twice(self) -> None:
        """
        A DN is registered once by each client.
        """
        peer = self.peer("1001")
        self.refused(peer, "1001", TErrorCode.ALREADY_IN_STATE)
        self.publish("1001", "1")
        self.assertEqual(anis(peer), ["1"])

    def test_private(self) -> None:
        """
        A DN that one client has for itself is no one else's, until it is given back
        or the client is gone.
        """
        first, second = self.peer("1001"), self.peer()
        private = {"registerMode": RegisterMode.PRIVATE}
        self.refused(second, "1001", TErrorCode.RESOURCE_SEIZED, **private)
        second.register("1002", **private)
        self.refused(first, "1002", TErrorCode.RESOURCE_SEIZED)
        second.drop()
        self.refused(first, "1002", TErrorCode.RESOURCE_SEIZED)
        second.resume()
        second.request(RequestUnregisterAddress(thisDN="1002"))
        first.register("1002")
        second.register("1003", **private)
        second.leave()
        first.register("1003", **private)

    def test_monitor(self) -> None:
        """
        A DN that is registered to be watched has events, and takes no requests.
        """
        peer = self.peer()
        peer.register(
            "1001", registerMode=RegisterMode.MONITOR, controlMode=ControlMode.LOCAL
        )
        self.publish("1001", "1")
        self.assertEqual(anis(peer), ["1"])
        reference = peer.request(RequestMakeCall(thisDN="1001", otherDN="1002"))
        self.assertRefused(peer, reference, TErrorCode.NOT_REGISTERED)

    def test_unregister(self) -> None:
        """
        EventUnregistered is the last message of a DN.
        """
        peer = self.peer("1001", "1002")
        reference = peer.request(RequestUnregisterAddress(thisDN="1001"))
        self.publish("1001", "1")
        self.publish("1002", "2")
        peer.expect(EventUnregistered, reference=reference, thisDN="1001")
        self.assertEqual(anis(peer), ["2"])
        again = peer.request(RequestUnregisterAddress(thisDN="1001"))
        self.assertRefused(peer, again, TErrorCode.NOT_REGISTERED)
        self.assertEqual(self.server.status()["registrations"], 1)
        self.assertEqual(self.server.status()["watchedDNs"], 1)

    def test_limit(self) -> None:
        """
        A client can register only so many DNs.
        """
        self.server = self.makeServer(registrations=2)
        peer = self.peer("1001", "1002")
        self.refused(peer, "1003", TErrorCode.RESOURCE_UNAVAILABLE)
        self.peer("1003")

    def test_observers(self) -> None:
        """
        Who wants to know is told of each registration before the client's
        EventRegistered is made, and of each end.
        """
        case = self

        class Changing(Observer):
            def addressRegistered(self, client: ClientView, dn: str) -> None:
                super().addressRegistered(client, dn)
                case.snapshot.known[dn] = (("owner", client.application),)
                # Covered by the snapshot.
                case.server.publish(dn, case.ringing(dn, "0"))

        self.observer = Changing()
        self.server = self.makeServer()
        peer = self.peer()
        registered = peer.register("1001")
        self.assertEqual(registered.extensions, (("owner", "desktop"),))
        peer.expectNothing()
        peer.request(RequestUnregisterAddress(thisDN="1001"))
        self.assertEqual(
            self.observer.told,
            [("registered", "desktop", "1001"), ("unregistered", "desktop", "1001")],
        )


class BurstTests(PortCase):
    """
    Very many registrations at one time.
    """

    DNS = [f"{n}" for n in range(20000, 30000)]

    def test_nobodyWaits(self) -> None:
        """
        10 000 registrations in one piece are done some at a time; whoever comes
        meanwhile is served in the next turn, and events go on.
        """
        self.server.addresses = Addresses.of("1001", *self.DNS)
        other = self.peer("1001")
        peer = self.peer()
        connection = peer.connection
        assert connection is not None
        peer.hold()
        for dn in self.DNS:
            peer.request(RequestRegisterAddress(thisDN=dn))
        peer.release()
        limit = self.server.limits.batch
        self.assertEqual(self.server.registrations.count, 1 + limit)
        self.assertTrue(connection.readingPaused)
        other.request(RequestQueryServer())
        self.publish("1001", "1")
        self.assertEqual(len(other.messages), 2)
        turns = 0
        while connection.readingPaused:
            before = self.server.registrations.count
            self.turn()
            self.assertLessEqual(self.server.registrations.count - before, limit)
            turns += 1
        self.assertEqual(turns, len(self.DNS) // limit)
        registered = [m.thisDN for m in peer.messages if isinstance(m, EventRegistered)]
        self.assertEqual(registered, self.DNS)
        self.assertIsNone(peer.cut)

    def test_moreThanTheJournal(self) -> None:
        """
        A client whose acknowledgements wait behind its own requests is not cut off
        for want of them.
        """
        self.server = self.makeServer(journalMessages=200, batch=10)
        peer = self.peer()
        peer.acknowledging = False
        peer.hold()
        for _ in range(1000):
            peer.request(RequestQueryServer())
        peer.release()
        self.run_()
        self.assertIsNone(peer.cut)
        self.assertEqual(len(peer.messages), 1000)

    def test_theEnd(self) -> None:
        """
        The registrations of a client that leaves are forgotten some at a time, too.
        """
        self.server.addresses = Addresses.of(*self.DNS)
        peer = self.peer()
        for dn in self.DNS:
            peer.request(RequestRegisterAddress(thisDN=dn))
        peer.leave()
        self.assertTrue(0 < self.server.registrations.count < len(self.DNS))
        self.assertEqual(self.observer.told[-1][0], "gone")
        self.assertEqual(len(self.observer.told[-1]), 2 + len(self.DNS))
        self.publish(self.DNS[-1], "1")
        self.run_()
        self.assertEqual(self.server.registrations.count, 0)
        self.assertEqual(len(self.server.registrations), 0)
        self.assertNoTimers()


class AllPeersTests(PortCase):
    """
    One event, many clients.
    """

    def test_everyone(self) -> None:
        """
        All clients of a DN get the same event, each with its own position.
        """
        peers = [self.peer("1001") for _ in range(5)]
        peers[0].register("1002")
        self.publish("1001", "1")
        found: list[tuple[int, Message]] = [
            (peer.all[-1].position, peer.all[-1].message) for peer in peers
        ]
        self.assertEqual([position for position, _ in found], [3, 2, 2, 2, 2])
        self.assertEqual(len({repr(message) for _, message in found}), 1)
        self.assertIsInstance(found[0][1], EventRinging)
