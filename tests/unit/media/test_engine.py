"""
Tests for L{sipcluster.media.engine}.
"""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.media.imedia import Ended, Full, IMediaEngine, NotAcceptable
from tests.unit.media.sessions import PLAIN, Ear, Studio, tone


class EngineTests(SynchronousTestCase):
    """
    One clock for all sessions.
    """

    def setUp(self) -> None:
        self.studio = Studio(most=3)
        self.addCleanup(self._end)

    def _end(self) -> None:
        self.studio.end()
        self.assertEqual(self.studio.clock.getDelayedCalls(), [])
        for engine in (self.studio.server, self.studio.phones):
            self.assertEqual(engine.status()["ports"], 0)

    def test_interface(self) -> None:
        """
        The seam is kept.
        """
        verifyObject(IMediaEngine, self.studio.server)

    def test_fiftyASecond(self) -> None:
        """
        A packet every 20 ms, with time stamps of 160 samples.
        """
        phone, _ = self.studio.call()
        ear = Ear(phone)
        self.studio.run(1.0)
        self.assertEqual(len(ear.packets), 50)
        first = ear.packets[0][1]
        self.assertEqual(
            [(stamp - first) & 0xFFFFFFFF for _, stamp, _ in ear.packets],
            [160 * n for n in range(50)],
        )

    def test_late(self) -> None:
        """
        Who is late once catches up, and is not late afterwards.
        """
        phone, _ = self.studio.call()
        ear = Ear(phone)
        self.studio.run(0.1)
        self.studio.clock.advance(0.07)
        self.studio.until += 0.07
        self.assertEqual(len(ear.packets), 8)
        self.studio.run(1.83)
        self.assertEqual(len(ear.packets), 100)
        status = self.studio.server.status()
        self.assertEqual(status["framesLeftOut"], 0)
        self.assertLess(abs(float(str(status["latest"])) - 0.05), 0.002)
        self.assertEqual(self.studio.server.status()["latest"], 0.0)

    def test_veryLate(self) -> None:
        """
        What cannot be caught up is left out, so that time stamps are time.
        """
        phone, _ = self.studio.call()
        ear = Ear(phone)
        self.studio.run(0.1)
        first = ear.packets[0][1]
        self.studio.clock.advance(2.0)
        self.studio.until += 2.0
        self.studio.run(0.9)
        self.assertEqual(len(ear.packets), 5 + 5 + 45)
        self.assertEqual((ear.packets[-1][1] - first) & 0xFFFFFFFF, 149 * 160)
        self.assertEqual(self.studio.server.status()["framesLeftOut"], 95)

    def test_nothingToDo(self) -> None:
        """
        Without sessions nothing waits for anything.
        """
        _, server = self.studio.call()
        self.assertTrue(self.studio.clock.getDelayedCalls())
        server.stop()
        self.studio.phones.stop()
        self.assertEqual(self.studio.clock.getDelayedCalls(), [])
        self.studio.call()
        self.studio.run(1.0)

    def test_full(self) -> None:
        """
        There is an end to how many there may be.
        """
        ends = [self.studio.call() for _ in range(3)]
        self.assertRaises(Full, self.studio.server.session)
        ends[0][1].stop()
        self.studio.server.session()

    def test_noPorts(self) -> None:
        """
        Without a port there is no session.
        """
        self.studio.network["192.0.2.1"].taken.update(range(30000, 32000))
        self.assertRaises(Full, self.studio.server.session, PLAIN)
        self.assertEqual(self.studio.server.status()["sessions"], 0)

    def test_badOffer(self) -> None:
        """
        An offer that does not suit takes no ports.
        """
        self.assertRaises(NotAcceptable, self.studio.server.session, b"nonsense")
        status = self.studio.server.status()
        self.assertEqual((status["sessions"], status["ports"]), (0, 0))

    def test_callbacksMayStopOthers(self) -> None:
        """
        What is called within a frame may end any session, all of them too.
        """
        _, one = self.studio.call()
        _, other = self.studio.call()
        ended: list[Ended] = []
        one.play([tone(400)], lambda why: self.studio.server.stop(), longest=0.1)
        other.play([tone(400)], ended.append)
        self.studio.run(0.2)
        self.assertEqual(ended, [Ended.STOPPED])
        self.assertEqual(self.studio.server.status()["sessions"], 0)

    def test_callbacksMayFail(self) -> None:
        """
        What a callback raises is logged, and ends nothing.
        """
        phone, one = self.studio.call()
        ear = Ear(phone)

        def fail(why: Ended) -> None:
            raise ZeroDivisionError

        one.play([tone(400)], fail, longest=0.1)
        self.studio.run(0.5)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(ear.packets), 25)

    def test_nothingIsLeft(self) -> None:
        """
        A session that has ended is gone at once, whatever it did, with nothing left
        for the garbage collector.
        """
        phone, server = self.studio.call()
        server.join("c")
        server.play([tone(400)], lambda why: None)
        server.collect(lambda digit: None)
        server.detect(lambda heard: None)
        server.record(Path(self.mktemp()), lambda why, seconds: None)
        server.dial("1")
        self.studio.run(0.5)
        server.stop()
        phone.stop()
        # The one of this method, and that of the call.
        self.assertEqual(sys.getrefcount(server), 2)
