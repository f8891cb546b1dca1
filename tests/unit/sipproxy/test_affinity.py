"""
Tests for sipcluster.sipproxy.affinity.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sipproxy.affinity import RINGING, TALKING, CallAffinity

BOTH = ("node1", "node2")


class AffinityTests(SynchronousTestCase):
    """
    Which node has the calls of a DN.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.calls = CallAffinity(self.clock.seconds, 4)

    def test_known(self) -> None:
        """
        A DN is where its oldest call is, until that is over.
        """
        self.assertEqual(self.calls.pairOf(b"1001", BOTH), "")
        self.calls.note(b"1001", b"one", "node2", True)
        self.calls.note(b"1001", b"two", "node1", True)
        self.calls.note(b"1002", b"three", "node1", True)
        self.assertEqual(self.calls.pairOf(b"1001", BOTH), "node2")
        self.assertEqual(self.calls.pairOf(b"1001", ("node1",)), "node1")
        self.calls.forget(b"one")
        self.assertEqual(self.calls.pairOf(b"1001", BOTH), "node1")
        self.calls.forget(b"two")
        self.calls.forget(b"two")
        self.assertEqual(self.calls.pairOf(b"1001", BOTH), "")
        self.assertEqual(self.calls.pairOf(b"1002", BOTH), "node1")

    def test_agesOut(self) -> None:
        """
        What nobody has heard of for long is forgotten.
        """
        self.calls.note(b"1001", b"one", "node1", False)
        self.calls.note(b"1002", b"two", "node1", False)
        self.calls.goesOn(b"two")
        self.calls.goesOn(b"nothing")
        self.clock.advance(RINGING)
        self.assertEqual(self.calls.pairOf(b"1001", BOTH), "")
        self.assertEqual(self.calls.pairOf(b"1002", BOTH), "node1")
        self.clock.advance(TALKING - RINGING)
        self.assertEqual(self.calls.pairOf(b"1002", BOTH), "")
        self.assertEqual(len(self.calls), 0)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["note", "forget", "goesOn", "pairOf"]),
                st.sampled_from([b"1", b"2", b"3"]),
                st.integers(0, 9),
            )
        )
    )
    def test_bounded(self, steps: list[tuple[str, bytes, int]]) -> None:
        """
        However many calls there are, no more are known than may be, and whatever is
        known of a DN is known of a call.
        """
        calls = CallAffinity(Clock().seconds, 4)
        for what, dn, number in steps:
            callID = b"%d" % number
            if what == "note":
                calls.note(dn, callID, "node1", bool(number % 2))
            elif what == "pairOf":
                calls.pairOf(dn, BOTH)
            else:
                getattr(calls, what)(callID)
            self.assertTrue(len(calls) <= 4)
            byDN = sorted(one for known in calls._byDN.values() for one in known)
            self.assertEqual(byDN, sorted(calls._calls))
