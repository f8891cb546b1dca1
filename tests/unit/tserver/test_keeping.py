"""
Tests for T-Library sessions that outlive the process that began them.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.testing.tlib_peer import TLibPeer
from sipcluster.tlib.enums import RegisterMode, ResumeResult
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventACK,
    EventDialing,
    EventError,
    EventRegistered,
    EventRinging,
    RequestMakeCall,
    RequestRegisterAddress,
    RequestSetInputMask,
    RequestUnregisterAddress,
)
from tests.unit.tserver import pairs
from tests.unit.tserver.pairs import DNS, PortPair


def ringing(pair: PortPair, dn: str, ani: str) -> EventRinging:
    """
    An event.
    """
    return EventRinging(time=pair.server.now(), thisDN=dn, ani=ani)


class KeptCase(SynchronousTestCase):
    """
    A pair with a link that takes a millisecond.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.pair = PortPair(self.clock)

    def publish(self, dn: str, *anis: str) -> None:
        """
        Publish events, each in a turn of its own.
        """
        for ani in anis:
            self.pair.server.publish(dn, ringing(self.pair, dn, ani))
            self.clock.advance(0)

    def takeOver(self, *peers: TLibPeer) -> None:
        """
        Kill the primary, and let the backup serve.
        """
        self.pair.kill()
        for peer in peers:
            assert peer.connection is not None
            peer.connection.user = None  # nobody is told any more
            peer.drop()
        self.pair.takeOver()

    def assertKept(self) -> None:
        """
        Check that what is written down is what there is.
        """
        if not self.pair.life.member.journal.inSync:
            self.pair.join()
        self.pair.run_(0.05)
        self.assertEqual(self.pair.life.keeper.differing(), [])
        self.assertEqual(self.pair.life.keeper.counts, {})
        self.assertEqual(
            self.pair.life.member.journal.replica.all(),
            self.pair.backup.journal.replica.all(),
        )


def anis(peer: TLibPeer) -> list[str]:
    """
    Whose calls a client has seen ring, ever.
    """
    return [
        one.message.ani or ""
        for one in peer.all
        if isinstance(one.message, EventRinging)
    ]


class HeldTests(KeptCase):
    """
    Nothing leaves before the other member has it.
    """

    def test_held(self) -> None:
        """
        An event is with its client when the other member has acknowledged it.
        """
        peer = self.pair.peer("1000")
        self.publish("1000", "a")
        self.assertEqual(anis(peer), [])
        self.clock.advance(0.001)
        self.assertEqual(anis(peer), [])
        self.pair.run_(0.005)
        self.assertEqual(anis(peer), ["a"])
        self.assertKept()

    def test_whatWasNotSavedWasNotSent(self) -> None:
        """
        What the other member has not got, no client has; it gets what it lacks
        otherwise.
        """
        peer = self.pair.peer("1000")
        self.publish("1000", "a", "b")
        self.pair.run_(0.005)
        self.publish("1000", "c")
        self.takeOver(peer)
        self.pair.connect(peer)
        assert peer.info is not None
        self.assertEqual(peer.info.resumeResult, ResumeResult.RESUMED)
        self.publish("1000", "d")
        self.pair.run_(0.005)
        self.assertEqual(anis(peer), ["a", "b", "d"])

    def test_closing(self) -> None:
        """
        A connection is closed after the last that was said.
        """
        peer = self.pair.peer("1000")
        connection = peer.connection
        assert connection is not None
        peer.sendBytes(b"\x00\x00\x00\x01\xc1")
        self.assertEqual(connection.closed, "")
        self.pair.run_(0.01)
        self.assertEqual(connection.closed, "closed")
        self.assertIsNotNone(peer.cut)

    def test_connectionGoneMeanwhile(self) -> None:
        """
        What is held for a connection that is lost is sent to nobody, and the others
        get theirs.
        """
        first, second = self.pair.peer("1000"), self.pair.peer("1000")
        self.publish("1000", "a")
        first.drop()
        self.pair.run_(0.01)
        self.assertEqual((anis(first), anis(second)), ([], ["a"]))
        self.pair.connect(first)
        self.assertEqual(anis(first), ["a"])
        self.assertKept()


class TakeOverTests(KeptCase):
    """
    A client resumes at the other member.
    """

    def test_resumed(self) -> None:
        """
        It gets what it missed under the same positions, and is registered.
        """
        peer, away = self.pair.peer("1000"), self.pair.peer("1000", "1001")
        away.drop()
        self.publish("1000", "a", "b")
        self.pair.run_(0.005)
        self.takeOver(peer)
        for one in (peer, away):
            self.pair.connect(one)
            assert one.info is not None
            self.assertEqual(one.info.resumeResult, ResumeResult.RESUMED)
        self.publish("1001", "c")
        self.publish("1000", "d")
        self.pair.run_(0.005)
        self.assertEqual(anis(peer), ["a", "b", "d"])
        self.assertEqual(anis(away), ["a", "b", "c", "d"])
        for one in (peer, away):
            positions = [each.position for each in one.all if each.position]
            self.assertEqual(positions, list(range(1, len(positions) + 1)))
        self.assertKept()

    def test_twice(self) -> None:
        """
        It does so again at the next takeover.
        """
        peer = self.pair.peer("1000")
        for ani in "abc":
            self.publish("1000", ani)
            self.pair.run_(0.005)
            self.pair.join() if ani != "a" else None
            self.takeOver(peer)
            self.pair.connect(peer)
            self.assertEqual(peer.info.resumeResult, ResumeResult.RESUMED)  # type: ignore[union-attr]
        self.assertEqual(anis(peer), ["a", "b", "c"])

    def test_acknowledgedIsForgotten(self) -> None:
        """
        What clients have acknowledged is written over, and the session's position
        is known all the same.
        """
        peer = self.pair.peer("1000")
        for number in range(50):
            self.publish("1000", str(number))
            self.pair.run_(0.005)
            peer.acknowledge()
        entries = self.pair.backup.journal.replica.entries("tlib-event TCport")
        self.assertLess(len(entries), 5)
        self.takeOver(peer)
        self.pair.connect(peer)
        self.assertEqual(peer.info.resumeResult, ResumeResult.RESUMED)  # type: ignore[union-attr]
        self.publish("1000", "z")
        self.pair.run_(0.005)
        self.assertEqual(anis(peer)[-1], "z")
        self.assertEqual(peer.handled, 52)
        self.assertKept()

    def test_sessionThatIsGone(self) -> None:
        """
        Of one that has ended nothing is kept.
        """
        peer = self.pair.peer("1000", "1001")
        self.publish("1000", "a")
        self.pair.run_(0.005)
        peer.leave()
        self.pair.run_(0.01)
        kinds = {kind for kind, _ in self.pair.backup.journal.replica.all()}
        self.assertEqual(kinds - {"tlib-event TCport"}, set())
        self.takeOver()
        self.pair.connect(peer)
        self.assertEqual(peer.info.resumeResult, ResumeResult.LOST)  # type: ignore[union-attr]

    def test_retention(self) -> None:
        """
        A session whose client was away already has what is left of its time; the
        others have all of it.
        """
        away, peer = self.pair.peer("1000"), self.pair.peer("1000")
        away.drop()
        self.pair.run_(50)
        self.takeOver(peer)
        self.pair.run_(9)
        self.assertEqual(len(self.pair.server.sessions), 2)
        self.pair.run_(2)
        self.assertEqual(len(self.pair.server.sessions), 1)
        self.pair.run_(48)
        self.pair.connect(peer)
        self.assertEqual(peer.info.resumeResult, ResumeResult.RESUMED)  # type: ignore[union-attr]

    def test_registrations(self) -> None:
        """
        All that was registered is, in its mode; what was given back is not.
        """
        peer = self.pair.peer(*DNS)
        for dn in DNS[:30]:
            peer.request(RequestUnregisterAddress(thisDN=dn))
        peer.request(
            RequestRegisterAddress(thisDN="1003", registerMode=RegisterMode.PRIVATE)
        )
        self.pair.run_(0.1)
        self.assertKept()
        self.takeOver(peer)
        (session,) = self.pair.server.sessions.values()
        self.assertEqual(list(session.dns), [*DNS[30:], "1003"])
        other = self.pair.peer()
        reference = other.request(RequestRegisterAddress(thisDN="1003"))
        self.pair.run_(0.01)
        error = other.expect(EventError, reference=reference)
        self.assertEqual(error.errorCode, TErrorCode.RESOURCE_SEIZED)
        self.assertEqual(self.pair.server.registrations.count, 11)

    def test_mask(self) -> None:
        """
        Its mask is kept.
        """
        peer = self.pair.peer("1000")
        reference = peer.request(RequestSetInputMask(inputMask=bytes(64)))
        self.pair.run_(0.01)
        peer.expect(EventACK, reference=reference)
        self.takeOver(peer)
        self.pair.connect(peer)
        self.publish("1000", "a")
        self.pair.run_(0.01)
        self.assertEqual(anis(peer), [])
        self.assertKept()

    def test_abandoned(self) -> None:
        """
        Who is primary no more ends all without a word, and the other member goes
        on.
        """
        peer = self.pair.peer("1000")
        self.publish("1000", "a")
        connection, life = peer.connection, self.pair.life
        assert connection is not None
        before = len(peer.all)
        self.pair.kill()
        life.server.abandon()
        self.assertEqual(connection.closed, "aborted")
        self.assertEqual(len(peer.all), before)
        self.assertEqual(life.server.sessions, {})
        self.assertEqual(list(life.keeper.differing()), [])
        self.pair.takeOver()
        peer.connection = None
        self.pair.connect(peer)
        self.assertEqual(peer.info.resumeResult, ResumeResult.RESUMED)  # type: ignore[union-attr]

    def test_dnGone(self) -> None:
        """
        A DN that is not of the switch any more is registered no more.
        """
        peer = self.pair.peer("1000", "1001")
        self.patch(pairs, "DNS", DNS[1:])
        self.takeOver(peer)
        (session,) = self.pair.server.sessions.values()
        self.assertEqual(list(session.dns), ["1001"])
        self.assertKept()

    def test_applicationGone(self) -> None:
        """
        A session of an application that may not connect any more is lost, and
        nothing else is.
        """
        self.pair.peer("1000")
        other = self.pair.peer("1000", application="wallboard")
        self.pair.life.server.sessions[other.info.sessionID[-16:]]  # type: ignore[union-attr,index]
        self.pair.kill()
        applications = dict(self.pair.server.applications)
        del applications["desktop"]
        self.patch(pairs, "APPLICATIONS", applications)
        self.pair.takeOver()
        self.assertEqual(len(self.pair.server.sessions), 1)
        self.assertEqual(self.pair.life.restored.failed, 1)
        self.flushLoggedErrors(ValueError)


class RequestTests(KeptCase):
    """
    A request is done once, wherever it is answered.
    """

    def makeCall(self, peer: TLibPeer, reference: int = 0) -> int:
        """
        Ask for a call.
        """
        call = RequestMakeCall(thisDN="1000", otherDN="1001")
        return peer.request(call, reference)

    def test_underWay(self) -> None:
        """
        One that somebody is at is not done again, and is answered by who goes on
        with it; what is left of its time goes on, too.
        """
        peer = self.pair.peer("1000")
        reference = self.makeCall(peer)
        self.pair.run_(10)
        self.takeOver(peer)
        self.pair.connect(peer)
        self.makeCall(peer, reference)
        self.pair.run_(0.01)
        self.assertEqual(self.pair.life.calls.done, [])
        (key,) = self.pair.life.calls.asked
        self.pair.life.calls.answer(self.pair.server, key)
        self.pair.run_(0.01)
        peer.expect(EventDialing, reference=reference)
        self.assertKept()

    def test_notSaved(self) -> None:
        """
        One whose effects were not saved is done again.
        """
        peer = self.pair.peer("1000")
        reference = self.makeCall(peer)
        self.takeOver(peer)
        self.pair.connect(peer)
        self.makeCall(peer, reference)
        self.assertEqual(len(self.pair.life.calls.done), 1)

    def test_nobodyIsAtIt(self) -> None:
        """
        One that nobody goes on with is done again.
        """
        peer = self.pair.peer("1000")
        reference = self.makeCall(peer)
        self.pair.run_(0.01)
        self.patch(self.pair.life.calls.__class__, "claims", lambda *_: False)
        self.takeOver(peer)
        self.pair.connect(peer)
        self.makeCall(peer, reference)
        self.assertEqual(len(self.pair.life.calls.done), 1)

    def test_answered(self) -> None:
        """
        One whose answer the client has not got is answered as it was.
        """
        peer = self.pair.peer("1000")
        peer.drop()
        self.pair.connect(peer)
        connection = peer.connection
        assert connection is not None
        connection.stalled = True
        reference = self.makeCall(peer)
        (key,) = self.pair.life.calls.asked
        self.pair.life.calls.answer(self.pair.server, key)
        self.pair.run_(0.01)
        self.takeOver(peer)
        self.pair.connect(peer)
        peer.expect(EventDialing, reference=reference)
        self.makeCall(peer, reference)
        self.pair.run_(0.01)
        peer.expect(EventDialing, reference=reference)
        self.assertEqual(self.pair.life.calls.done, [])
        self.assertKept()

    def test_tooMuchWaits(self) -> None:
        """
        Nothing new is begun while too much waits for the other member.
        """
        peer = self.pair.peer("1000")
        self.patch(self.pair.life.keeper, "full", lambda: True)
        reference = self.makeCall(peer)
        self.pair.run_(0.01)
        error = peer.expect(EventError, reference=reference)
        self.assertEqual(error.errorCode, TErrorCode.RESOURCE_UNAVAILABLE)
        self.assertEqual(self.pair.life.calls.done, [])

    def test_timeOut(self) -> None:
        """
        What is not answered is refused when what was left of its time is over.
        """
        peer = self.pair.peer("1000")
        reference = self.makeCall(peer)
        self.pair.run_(20)
        self.takeOver(peer)
        self.pair.connect(peer)
        self.pair.run_(9)
        self.assertRaises(AssertionError, peer.expect, EventError)
        self.pair.run_(2)
        peer.expect(EventError, reference=reference, errorCode=TErrorCode.TIMEOUT)
        self.assertKept()


class MissedTests(KeptCase):
    """
    A client that has missed events is told anew, wherever it comes back.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.pair = PortPair(self.clock, journalMessages=10)

    def test_dormant(self) -> None:
        """
        One that was away too long gets snapshots, and positions that go on; its
        request is not done twice.
        """
        peer = self.pair.peer("1000", "1001")
        call = RequestMakeCall(thisDN="1000", otherDN="1001")
        reference = peer.request(call)
        peer.drop()
        for number in range(30):
            self.publish("1000", str(number))
        (key,) = self.pair.life.calls.asked
        self.pair.life.calls.answer(self.pair.server, key)
        self.pair.run_(0.01)
        self.assertKept()
        before = peer.handled
        self.takeOver()
        self.pair.connect(peer)
        self.assertEqual(peer.info.resumeResult, ResumeResult.SNAPSHOT)  # type: ignore[union-attr]
        self.pair.run_(0.01)
        got = [one for one in peer.all if one.position > before]
        self.assertEqual(
            [
                one.message.thisDN
                for one in got
                if isinstance(one.message, EventRegistered)
            ],
            ["1000", "1001"],
        )
        peer.request(call, reference)
        self.pair.run_(0.01)
        peer.expect(EventDialing, reference=reference)
        self.assertEqual(self.pair.life.calls.done, [])
        self.assertKept()

    def test_amongSnapshots(self) -> None:
        """
        One that was being told anew is told so once more.
        """
        peer = self.pair.peer(*DNS[:5])
        peer.drop()
        for number in range(30):
            self.publish("1000", str(number))
        peer.open().stalled = True
        info = peer.info
        assert info is not None
        peer.registerClient(sessionID=info.sessionID, epoch=info.epoch)
        self.pair.run_(0.0015)
        self.takeOver(peer)
        self.pair.connect(peer)
        self.assertEqual(peer.info.resumeResult, ResumeResult.SNAPSHOT)  # type: ignore[union-attr]
        self.pair.run_(0.05)
        peer.acknowledge()
        self.publish("1000", "z")
        self.pair.run_(0.01)
        self.assertEqual(anis(peer)[-1], "z")
        self.assertKept()
