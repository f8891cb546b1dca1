"""
Tests for clients that were told something by a primary that died alone.
"""

from __future__ import annotations

from typing import Any

import msgspec
from attrs import asdict
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.testing.tlib_peer import TLibPeer
from sipcluster.tlib.enums import ResumeResult
from sipcluster.tlib.messages import (
    EventACK,
    EventDialing,
    EventError,
    EventRegistered,
    EventServerInfo,
    RequestMakeCall,
    RequestRegisterAddress,
    RequestSetInputMask,
)
from sipcluster.tserver.keeping import valueOf
from sipcluster.tserver.kept_values import HOLDS, SessionValue, inherited, shared
from sipcluster.tserver.startup import HIGHEST
from tests.unit.tserver.test_keeping import KeptCase, anis

CALL = RequestMakeCall(thisDN="1000", otherDN="1001")


class SharedTests(SynchronousTestCase):
    """
    L{shared} says what two have in common.
    """

    #: Begun in 3; 10 were known in 5, 30 in 8.
    holds = ((3, 0), (5, 10), (8, 30))

    def test_sameHold(self) -> None:
        """
        A client of the last hold has what the session has.
        """
        self.assertEqual(shared(self.holds, 8, 99), 99)

    def test_earlierHold(self) -> None:
        """
        One of an earlier hold has no more of it than the next one inherited, however
        much that one was told by others later.
        """
        self.assertEqual(shared(self.holds, 3, 10), 10)
        self.assertEqual(shared(self.holds, 3, 11), 10)
        self.assertEqual(shared(self.holds, 5, 30), 30)
        self.assertEqual(shared(self.holds, 5, 31), 30)

    def test_foreignHold(self) -> None:
        """
        Nothing is known of what a hold did that was never inherited from, be it
        earlier than all or later, and so of one that is not remembered any more.
        """
        for epoch in (1, 4, 7, 9):
            self.assertEqual(shared(self.holds, epoch, 2), 0, epoch)

    def test_nothing(self) -> None:
        """
        Who has nothing has nothing else.
        """
        for epoch in (1, 3, 4, 9):
            self.assertEqual(shared(self.holds, epoch, 0), 0)

    def test_notWrittenDown(self) -> None:
        """
        Where an older program wrote down nothing, a client may come from any hold
        before.
        """
        holds = inherited((), 7, 20)
        self.assertEqual(holds, ((0, 0), (7, 20)))
        self.assertEqual(shared(holds, 5, 20), 20)
        self.assertEqual(shared(holds, 5, 21), 20)
        self.assertEqual(shared(holds, 7, 21), 21)
        self.assertEqual(shared(holds, 8, 21), 0)

    def test_bound(self) -> None:
        """
        The last holds are remembered.
        """
        holds: Any = ((1, 0),)
        for epoch in range(2, 100):
            holds = inherited(holds, epoch, epoch)
        self.assertEqual(len(holds), HOLDS)
        self.assertEqual(holds[-1], (99, 99))
        oldest = holds[0][0]
        self.assertEqual(shared(holds, oldest, 5), 5)
        self.assertEqual(shared(holds, oldest - 1, 5), 0)


class ValueTests(SynchronousTestCase):
    """
    L{SessionValue} of this version and of the one before.
    """

    def test_older(self) -> None:
        """
        An entry that says nothing of holds is read, and an older program reads one
        that does.
        """
        value = SessionValue("5e55", "desktop", 1, 7, holds=((3, 0),))
        written = asdict(value)
        del written["holds"]
        found = msgspec.msgpack.decode(
            msgspec.msgpack.encode(written), type=SessionValue
        )
        self.assertEqual(found.holds, ())

        class Older(msgspec.Struct):
            sessionID: str
            application: str

        older = msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=Older)
        self.assertEqual(older.sessionID, "5e55")


class TornTests(KeptCase):
    """
    A client at a pair of which one member goes on without all that there was.
    """

    def setUp(self) -> None:
        super().setUp()
        self.peer = self.pair.peer("1000")
        self.publish("1000", "a")
        self.pair.run_(0.005)
        self.pair.tear()
        self.epoch = self.pair.server.roleEpoch

    def ring(self, *anis: str) -> None:
        """
        Publish events, and let them arrive.
        """
        self.publish("1000", *anis)
        self.pair.run_(0.005)

    def comeBack(self, peer: TLibPeer, roleEpoch: int | None) -> ResumeResult | None:
        """
        Connect a client again.

        @return: what it is told of its session.
        """
        self.pair.connect(peer, roleEpoch=roleEpoch)
        self.pair.run_(0.005)
        assert peer.info is not None
        result = peer.info.resumeResult
        assert result is None or isinstance(result, ResumeResult)
        return result

    def snapshots(self) -> list[str | None]:
        """
        Of which DNs the client has been told anew.
        """
        found = [one.message for one in self.peer.all]
        return [
            one.thisDN
            for one in found
            if isinstance(one, EventRegistered) and one.snapshot
        ]

    def test_collision(self) -> None:
        """
        Positions that it has are given anew to other events: it is told that it has
        missed something, and then all is in order.
        """
        self.ring("b", "c")
        self.takeOver(self.peer)
        self.ring("x", "y", "z")
        before = self.peer.handled
        self.assertEqual(self.comeBack(self.peer, self.epoch), ResumeResult.SNAPSHOT)
        self.assertEqual(self.snapshots(), ["1000"])
        self.ring("n")
        self.assertEqual(anis(self.peer), ["a", "b", "c", "n"])
        positions = [one.position for one in self.peer.all if one.position > before]
        first = self.pair.server.sessions[self.session].stream.lost[1] + 1
        self.assertEqual(positions, [first, first + 1])
        self.assertKept()
        self.peer.drop()
        self.ring("o")
        again = self.pair.server.roleEpoch
        self.assertEqual(self.comeBack(self.peer, again), ResumeResult.RESUMED)
        self.assertEqual(anis(self.peer)[-2:], ["n", "o"])

    @property
    def session(self) -> str:
        """
        Of the only session.
        """
        (session,) = self.pair.server.sessions
        return session

    def test_beyond(self) -> None:
        """
        So it is when the other member has not come as far: its positions go on after
        those that the client has.
        """
        self.ring("b", "c", "d")
        self.takeOver(self.peer)
        handled = self.peer.handled
        self.assertEqual(self.comeBack(self.peer, self.epoch), ResumeResult.SNAPSHOT)
        self.assertEqual(self.snapshots(), ["1000"])
        self.ring("n")
        self.assertEqual(self.peer.handled, handled + 2)
        self.peer.acknowledge()
        self.assertKept()
        self.takeOver(self.peer)
        again = self.pair.server.roleEpoch - 1
        self.assertEqual(self.comeBack(self.peer, again), ResumeResult.RESUMED)
        self.ring("o")
        self.assertEqual(anis(self.peer)[-2:], ["n", "o"])

    def test_incredible(self) -> None:
        """
        A position that nobody can have reached is none.
        """
        self.takeOver(self.peer)
        self.peer.handled = HIGHEST + 1
        self.assertEqual(self.comeBack(self.peer, self.epoch), ResumeResult.LOST)

    def test_nothingAlone(self) -> None:
        """
        Who was told nothing that the other member does not know resumes.
        """
        self.takeOver(self.peer)
        self.ring("x")
        self.assertEqual(self.comeBack(self.peer, self.epoch), ResumeResult.RESUMED)
        self.assertEqual(anis(self.peer), ["a", "x"])
        self.assertKept()

    def test_notSaid(self) -> None:
        """
        A client that does not say from whom it has its events resumes where its
        position fits.
        """
        self.ring("b")
        self.takeOver(self.peer)
        self.ring("x", "y")
        self.pair.join()
        self.takeOver()
        self.assertEqual(self.comeBack(self.peer, None), ResumeResult.RESUMED)
        self.assertEqual(anis(self.peer), ["a", "b", "y"])

    def test_afterTwo(self) -> None:
        """
        It is told so by the primary after the next one, too.
        """
        self.ring("b", "c")
        self.takeOver(self.peer)
        self.ring("x", "y", "z")
        self.pair.join()
        self.takeOver()
        self.assertEqual(self.comeBack(self.peer, self.epoch), ResumeResult.SNAPSHOT)
        holds = self.pair.server.sessions[self.session].holds
        self.assertEqual([epoch for epoch, _ in holds], [1, 2, 3])
        self.assertKept()

    def test_snapshotTwice(self) -> None:
        """
        A client that has not had anything of a snapshot is told anew.
        """
        self.ring("b", "c")
        self.takeOver(self.peer)
        self.ring("x", "y", "z")
        for _ in range(2):
            self.peer.open().stalled = True
            info = self.peer.info
            assert info is not None
            self.peer.registerClient(
                sessionID=info.sessionID, epoch=info.epoch, roleEpoch=self.epoch
            )
            self.pair.run_(0.01)
            self.peer.drop()
        self.assertEqual(self.comeBack(self.peer, self.epoch), ResumeResult.SNAPSHOT)
        self.assertEqual(self.snapshots(), ["1000"])

    def test_registeredAlone(self) -> None:
        """
        What it has registered alone nobody knows; it may register it again, and
        hears so of what is known.
        """
        self.peer.request(RequestRegisterAddress(thisDN="1001"))
        self.pair.run_(0.005)
        self.takeOver(self.peer)
        self.assertEqual(self.comeBack(self.peer, self.epoch), ResumeResult.SNAPSHOT)
        self.assertEqual(self.snapshots(), ["1000"])
        self.peer.clear()
        for dn in ("1000", "1001"):
            self.peer.request(RequestRegisterAddress(thisDN=dn))
        self.pair.run_(0.005)
        self.assertEqual(self.peer.expect(EventError).errorCode, 43)
        self.assertEqual(self.peer.expect(EventRegistered).thisDN, "1001")

    def test_answeredAlone(self) -> None:
        """
        A request that was begun when both knew of it, and then answered alone, is
        answered by the other member as well.
        """
        self.pair.join()
        peer = self.pair.peer("1000")
        reference = peer.request(CALL)
        self.pair.run_(0.005)
        self.pair.tear()
        life = self.pair.life
        (key,) = life.calls.asked
        life.calls.answer(life.server, key)
        self.pair.run_(0.005)
        peer.expect(EventDialing, reference=reference)
        self.takeOver(self.peer, peer)
        self.assertEqual(self.comeBack(peer, self.epoch), ResumeResult.SNAPSHOT)
        self.pair.life.calls.answer(self.pair.server, key)
        self.pair.run_(0.005)
        peer.expect(EventDialing, reference=reference)
        self.assertEqual(self.pair.life.calls.done, [])

    def test_answerReplaced(self) -> None:
        """
        An answer of the other member under a position that the client has otherwise
        comes with another one.
        """
        self.pair.join()
        peer = self.pair.peer("1000")
        reference = peer.request(CALL)
        self.pair.run_(0.005)
        self.pair.tear()
        self.ring("b", "c")
        self.takeOver(self.peer, peer)
        (key,) = self.pair.life.calls.asked
        self.pair.life.calls.answer(self.pair.server, key)
        self.assertEqual(self.comeBack(peer, self.epoch), ResumeResult.SNAPSHOT)
        handled = peer.handled
        peer.request(CALL, reference)
        self.pair.run_(0.005)
        peer.expect(EventDialing, reference=reference)
        self.assertEqual(peer.handled, handled + 1)
        self.assertEqual(self.pair.life.calls.done, [])

    def test_doneAlone(self) -> None:
        """
        A request that the other member has never heard of is done there when it comes
        again.
        """
        reference = self.peer.request(CALL)
        self.pair.run_(0.005)
        self.takeOver(self.peer)
        self.assertEqual(self.comeBack(self.peer, self.epoch), ResumeResult.RESUMED)
        self.peer.request(CALL, reference)
        self.pair.run_(0.005)
        self.assertEqual(len(self.pair.life.calls.done), 1)

    def test_mask(self) -> None:
        """
        A mask that was set alone is given at the start-up.
        """
        self.peer.request(RequestSetInputMask(inputMask=bytes(64)))
        self.pair.run_(0.005)
        self.peer.expect(EventACK)
        self.takeOver(self.peer)
        self.pair.connect(self.peer, roleEpoch=self.epoch, inputMask=bytes(64))
        assert isinstance(self.peer.info, EventServerInfo)
        self.assertEqual(self.peer.info.resumeResult, ResumeResult.SNAPSHOT)
        self.ring("x")
        self.assertEqual(anis(self.peer), ["a"])

    def test_olderMember(self) -> None:
        """
        After a member that writes down no holds a client resumes as far as that can
        be right.
        """
        self.takeOver(self.peer)
        session = self.pair.server.sessions[self.session]
        session.holds = inherited((), self.pair.server.roleEpoch, self.peer.handled)
        self.assertEqual(valueOf(session).holds, session.holds)
        self.assertEqual(self.comeBack(self.peer, self.epoch), ResumeResult.RESUMED)
