"""
Tests for L{sipcluster.sip.session_timer}: RFC 4028.
"""

from __future__ import annotations

import gc
import weakref

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.session_timer import (
    NO_TIMER,
    Agreement,
    IntervalTooSmall,
    SessionExpires,
    _machine,
    agreedAsUAC,
    agreedAsUAS,
    minSE,
    sessionTimer,
    supportsTimer,
)
from sipcluster.sip.timers import TimerQueue
from sipcluster.testing.clock import runFor
from sipcluster.testing.machines import inputs, unanswered
from tests.unit.sip.samples import arriving, request, response

TIMER = (b"Supported", b"100rel, Timer")


def expires(value: bytes) -> tuple[bytes, bytes]:
    return (b"Session-Expires", value)


class HeaderTests(SynchronousTestCase):
    """
    Session-Expires and Min-SE.
    """

    def test_sessionExpires(self) -> None:
        """
        Interval and refresher are read and written; a refresher that is neither
        side is none.
        """
        for value, read, written in (
            (b"1800", SessionExpires(1800), b"1800"),
            (
                b"1800 ; Refresher=UAS",
                SessionExpires(1800, b"uas"),
                b"1800;refresher=uas",
            ),
            (b"90;refresher=me;x", SessionExpires(90), b"90"),
        ):
            self.assertEqual(
                SessionExpires.of(request(b"UPDATE", expires(value))), read
            )
            self.assertEqual(read.render(), written)
        self.assertIsNone(SessionExpires.of(request()))
        bad = request(b"UPDATE", expires(b"soon"))
        self.assertRaises(MalformedMessage, SessionExpires.of, bad)

    def test_minSE(self) -> None:
        """
        Nobody may insist on less than 90 seconds.
        """
        self.assertEqual(minSE(request()), 90)
        self.assertEqual(minSE(request(b"INVITE", (b"Min-SE", b"30"))), 90)
        self.assertEqual(minSE(request(b"INVITE", (b"Min-SE", b"600;x=y"))), 600)

    def test_support(self) -> None:
        """
        The option tag may stand in Supported or Require.
        """
        self.assertTrue(supportsTimer(request(b"INVITE", TIMER)))
        self.assertTrue(supportsTimer(request(b"INVITE", (b"Require", b"timer"))))
        self.assertFalse(supportsTimer(request(b"INVITE", (b"Supported", b"timers"))))


class AgreementTests(SynchronousTestCase):
    """
    What both sides agree on.
    """

    def test_asUAS(self) -> None:
        """
        RFC 4028 table 2, and the shortest interval that all can bear.
        """
        for fields, interval, agreed in (
            ([], 0, NO_TIMER),
            ([TIMER], 0, NO_TIMER),
            ([], 1800, Agreement(1800, True, False, b"1800;refresher=uas")),
            ([TIMER], 1800, Agreement(1800, False, True, b"1800;refresher=uac")),
            (
                [TIMER, (b"Min-SE", b"3600")],
                1800,
                Agreement(3600, False, True, b"3600;refresher=uac"),
            ),
            (
                [TIMER, expires(b"3600;refresher=uas")],
                1800,
                Agreement(1800, True, False, b"1800;refresher=uas"),
            ),
            (
                [TIMER, expires(b"600")],
                1800,
                Agreement(600, False, True, b"600;refresher=uac"),
            ),
            (
                [TIMER, expires(b"7200;refresher=uac")],
                0,
                Agreement(7200, False, True, b"7200;refresher=uac"),
            ),
            # A proxy put it there; the caller does not know of it.
            (
                [expires(b"600;refresher=uac")],
                1800,
                Agreement(600, True, False, b"600;refresher=uas"),
            ),
            (
                [expires(b"60")],
                0,
                Agreement(60, True, False, b"60;refresher=uas"),
            ),
        ):
            self.assertEqual(
                agreedAsUAS(arriving(b"INVITE", *fields), interval), agreed
            )

    def test_tooSmall(self) -> None:
        """
        An interval below what is served is refused with 422 and the least one.
        """
        invite = arriving(b"INVITE", TIMER, expires(b"89"))
        error = self.assertRaises(IntervalTooSmall, agreedAsUAS, invite, 1800)
        self.assertEqual((error.status, error.minimum), (422, 90))
        invite = arriving(b"INVITE", TIMER, expires(b"500"))
        error = self.assertRaises(IntervalTooSmall, agreedAsUAS, invite, 1800, 600)
        self.assertEqual(error.minimum, 600)

    def test_asUAC(self) -> None:
        """
        The 2xx says who refreshes; we do when it says nothing.
        """
        for fields, agreed in (
            ([], NO_TIMER),
            ([expires(b"1800;refresher=uac")], Agreement(1800, True)),
            ([expires(b"1800;refresher=uas")], Agreement(1800, False)),
            ([expires(b"10")], Agreement(90, True)),
        ):
            self.assertEqual(agreedAsUAC(response(arriving(), 200, *fields)), agreed)


class SessionTimerTests(SynchronousTestCase):
    """
    The timer of one session.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.told: list[tuple[float, str]] = []
        self.timer = sessionTimer(
            TimerQueue(self.clock),
            lambda: self.told.append((self.clock.seconds(), "refresh")),
            lambda: self.told.append((self.clock.seconds(), "expired")),
        )

    def test_weRefresh(self) -> None:
        """
        Half of the interval before its end we refresh; each refresh begins the
        interval anew.
        """
        self.timer.refreshed(Agreement(1800, weRefresh=True))
        runFor(self.clock, 900.0)
        self.timer.refreshed(Agreement(600, weRefresh=True))
        runFor(self.clock, 300.0)
        self.assertEqual(self.told, [(900.0, "refresh"), (1200.0, "refresh")])
        self.timer.stop()
        self.timer.stop()
        runFor(self.clock, 9000.0)
        self.assertEqual(len(self.told), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_theyDoNot(self) -> None:
        """
        When no refresh comes the session ends 32 seconds before the interval
        does, or a third of it if that is less.
        """
        self.timer.refreshed(Agreement(1800))
        runFor(self.clock, 1800.0)
        self.assertEqual(self.told, [(1768.0, "expired")])
        self.timer.refreshed(Agreement(1800))
        self.timer.half()
        self.timer.expire()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.setUp()
        self.timer.refreshed(Agreement(90))
        runFor(self.clock, 90.0)
        self.assertEqual(self.told, [(60.0, "expired")])

    def test_noTimer(self) -> None:
        """
        A 2xx without a Session-Expires ends the expectation.
        """
        self.timer.refreshed(Agreement(90))
        self.timer.refreshed(NO_TIMER)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_faults(self) -> None:
        """
        What fails is logged.
        """

        def fail() -> None:
            raise ZeroDivisionError

        timer = sessionTimer(TimerQueue(self.clock), fail, fail)
        timer.refreshed(Agreement(90, weRefresh=True))
        runFor(self.clock, 90.0)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_freed(self) -> None:
        """
        A stopped timer is freed without the garbage collector.
        """
        gc.disable()
        self.addCleanup(gc.enable)
        self.timer.refreshed(Agreement(90, weRefresh=True))
        gone = weakref.ref(self.timer)
        self.timer.stop()
        del self.timer
        self.assertIsNone(gone())

    def test_everythingIsAnsweredInEveryState(self) -> None:
        """
        No input is an unknown transition, whenever it comes.
        """
        self.assertEqual(unanswered(_machine, inputs(_machine)), set())
