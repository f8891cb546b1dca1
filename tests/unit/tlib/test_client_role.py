"""
Tests for a T-Library client of a pair.
"""

from __future__ import annotations

import itertools
from typing import Any

from sipcluster.testing.clock import runFor
from sipcluster.testing.wire import End, MemoryEndpoint
from sipcluster.tlib.client_start_up import RoleGate
from sipcluster.tlib.client_values import Resume
from sipcluster.tlib.enums import ResumeResult, ServerRole
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventRegistered,
    EventServerInfo,
    LinkClosing,
    RequestRegisterAddress,
    RequestRegisterClient,
)
from tests.unit.tlib.scripted import (
    SESSION,
    Accepted,
    ClientTestCase,
    error,
    info,
    ringing,
)


class PairTests(ClientTestCase):
    """
    A client with the addresses of both members.
    """

    def setUp(self) -> None:
        super().setUp()
        self.came: list[str] = []
        self.changed: list[int | None] = []

        def member(name: str) -> MemoryEndpoint:
            def accept(end: End) -> Accepted:
                self.came.append(name)
                self.accepted.append(Accepted(end))
                return self.accepted[-1]

            return MemoryEndpoint(self.clock, accept, self.delay)

        self.members = [member("a"), member("b")]

    def startPair(self) -> Any:
        """
        Start the client; it comes to the first member.
        """
        return self.start(
            endpoints=self.members,
            roleChanged=lambda found: self.changed.append(found.roleEpoch),
        )

    def await_(self, name: str) -> Accepted:
        """
        Wait until the client has come to a member.
        """
        for _ in range(2000):
            if self.came:
                break
            runFor(self.clock, 0.01)
        self.assertEqual(self.came.pop(0), name)
        self.run_()
        return self.accepted[-1]

    def answer(self, server: Accepted, **more: Any) -> None:
        """
        Answer the client's introduction.
        """
        begin = self.expect(server, RequestRegisterClient)
        server.send(info(**more), 0, begin.reference)
        self.run_()

    def test_backup(self) -> None:
        """
        It leaves a backup at once, and is at the other member within a quarter of a
        second.
        """
        client = self.startPair()
        self.answer(self.await_("a"), role=ServerRole.BACKUP)
        self.assertTrue(self.accepted[-1].lost)
        self.assertIsNone(client.info)
        self.assertEqual(client.failure, "it is backup")
        before = self.clock.seconds()
        server = self.await_("b")
        self.assertLess(self.clock.seconds() - before, 0.25)
        self.answer(server, roleEpoch=4)
        self.assertIsNotNone(client.info)
        self.assertEqual(self.changed, [])

    def test_alternating(self) -> None:
        """
        While both are backups it goes from one to the other, the more slowly the
        longer that lasts.
        """
        self.startPair()
        times = []
        for name in "abababab":
            server = self.await_(name)
            times.append(self.clock.seconds())
            self.answer(server, role=ServerRole.BACKUP)
        pauses = [b - a for a, b in itertools.pairwise(times)]
        self.assertLess(pauses[0], 0.3)
        self.assertGreater(pauses[-1], 0.9)
        self.assertEqual(self.states, [])

    def test_roleChanged(self) -> None:
        """
        The application is told when another member has become primary; the session
        goes on.
        """
        client = self.startPair()
        self.answer(self.await_("a"), roleEpoch=4)
        self.accepted[-1].send(LinkClosing())
        self.run_()
        self.answer(self.await_("a"), role=ServerRole.BACKUP)
        self.answer(self.await_("b"), result=ResumeResult.RESUMED, roleEpoch=5)
        self.assertEqual(self.changed, [5])
        self.assertEqual(self.states[-1].resumed, ResumeResult.RESUMED)
        self.assertEqual(client.info.roleEpoch, 5)

    def test_stalePrimary(self) -> None:
        """
        A member that does not know yet that another one is primary is left.
        """
        client = self.startPair()
        self.answer(self.await_("a"), roleEpoch=5)
        self.accepted[-1].send(LinkClosing())
        self.run_()
        self.answer(self.await_("a"), roleEpoch=4)
        self.assertIsNone(client.info)
        self.assertEqual(client.failure, "it is primary of epoch 4 no more")
        self.answer(self.await_("b"), result=ResumeResult.RESUMED, roleEpoch=6)
        self.assertIsNotNone(client.info)
        self.assertEqual(self.changed, [6])

    def test_frozenPrimary(self) -> None:
        """
        From one that says nothing any more it goes to the other member, and not
        back to it.
        """
        client = self.startPair()
        self.answer(self.await_("a"), roleEpoch=5)
        runFor(self.clock, 19)
        self.assertIsNotNone(client.info)
        runFor(self.clock, 2)
        self.assertIsNone(client.info)
        self.answer(self.await_("b"), result=ResumeResult.RESUMED, roleEpoch=6)
        self.assertIsNotNone(client.info)

    def introduced(self, name: str) -> RequestRegisterClient:
        """
        What the client says of itself at a member.
        """
        begin = self.await_(name).received[0].message
        assert isinstance(begin, RequestRegisterClient)
        return begin

    def closed(self) -> None:
        """
        The server closes the connection.
        """
        self.accepted[-1].send(LinkClosing())
        self.run_()

    def test_saysWhereFrom(self) -> None:
        """
        It says from which primary it has what it resumes; after a snapshot that is
        the one that makes it, as soon as something of it has come.
        """
        client = self.startPair()
        self.assertIsNone(self.introduced("a").roleEpoch)
        self.answer(self.accepted[-1], roleEpoch=5)
        self.accepted[-1].send(ringing(1), 1)
        self.run_()
        self.assertEqual(client.resume, Resume(SESSION, 7, 1, 5))
        self.closed()
        self.assertEqual(self.introduced("a").roleEpoch, 5)
        self.answer(self.accepted[-1], result=ResumeResult.RESUMED, roleEpoch=6)
        self.closed()
        self.assertEqual(self.introduced("a").roleEpoch, 6)
        for _ in range(2):
            self.answer(self.accepted[-1], result=ResumeResult.SNAPSHOT, roleEpoch=8)
            self.closed()
            self.assertEqual(self.introduced("a").roleEpoch, 6)
        self.answer(self.accepted[-1], result=ResumeResult.SNAPSHOT, roleEpoch=8)
        self.accepted[-1].send(ringing(2), 9)
        self.closed()
        self.assertEqual(self.introduced("a").roleEpoch, 8)
        self.assertEqual(client.resume, Resume(SESSION, 7, 9, 8))
        self.answer(self.accepted[-1], result=ResumeResult.LOST, roleEpoch=9)
        self.closed()
        self.assertEqual(self.introduced("a").roleEpoch, 9)

    def test_writtenDown(self) -> None:
        """
        It is written down with the place, and a place without it is read.
        """
        place = Resume(SESSION, 7, 1, 5)
        self.assertEqual(Resume.fromText(place.asText()), place)
        older = '{"session": "5e55", "epoch": 7, "position": 1}'
        self.assertEqual(Resume.fromText(older).roleEpoch, 0)

    def test_registersAgain(self) -> None:
        """
        When another primary does not know all that it was told, it registers again
        what that one may not know: once, and not after a snapshot of the same one.
        """
        client = self.startPair()
        asked = [client.register(dn) for dn in ("1001", "1002")]
        self.answer(self.await_("a"), roleEpoch=5)
        server = self.accepted[-1]
        for position, dn in enumerate(("1001", "1002"), 1):
            reference = self.expect(server, RequestRegisterAddress).reference
            server.send(EventRegistered(time=(1, 0), thisDN=dn), position, reference)
        self.run_()
        for each in asked:
            self.successResultOf(each)
        self.closed()
        self.answer(self.await_("a"), result=ResumeResult.SNAPSHOT, roleEpoch=6)
        server = self.accepted[-1]
        references = [
            self.expect(server, RequestRegisterAddress).reference for _ in range(2)
        ]
        told = EventRegistered(time=(1, 0), thisDN="1001", snapshot=1)
        server.send(told, 10)
        server.send(error(TErrorCode.ALREADY_IN_STATE), 11, references[0])
        server.send(EventRegistered(time=(1, 0), thisDN="1002"), 12, references[1])
        self.run_()
        self.assertEqual(self.positions(), [1, 2, 10, 11, 12])
        last = self.events[-1].message
        assert isinstance(last, EventRegistered)
        self.assertEqual(last.snapshot, 1)
        self.closed()
        self.answer(self.await_("a"), result=ResumeResult.SNAPSHOT, roleEpoch=6)
        self.assertEqual(self.accepted[-1].received, [])

    def test_applicationFails(self) -> None:
        """
        What the application raises does not hinder the link.
        """
        client = self.start(endpoints=self.members, roleChanged=lambda found: 1 / 0)
        self.answer(self.await_("a"), roleEpoch=5)
        self.accepted[-1].send(LinkClosing())
        self.run_()
        self.answer(self.await_("a"), roleEpoch=6)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertIsNotNone(client.info)


class GateTests(ClientTestCase):
    """
    L{RoleGate} forgets.
    """

    def found(self, epoch: int | None) -> EventServerInfo:
        """
        What a server says.
        """
        return info(roleEpoch=epoch)

    def test_forgets(self) -> None:
        """
        An older epoch is believed when there was no link for long: somebody may
        have set the pair up anew.
        """
        gate = RoleGate()
        self.assertTrue(gate.passes(self.found(None), 0, 60))
        self.assertFalse(gate.linked(self.found(5)))
        self.assertFalse(gate.passes(self.found(4), 1000, 60))
        gate.left(1000)
        self.assertFalse(gate.passes(self.found(None), 1059, 60))
        self.assertTrue(gate.passes(self.found(5), 1059, 60))
        self.assertTrue(gate.passes(self.found(1), 1061, 60))
        self.assertFalse(gate.linked(self.found(1)))
