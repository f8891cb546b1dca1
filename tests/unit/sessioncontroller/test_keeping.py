"""
Tests for sipcluster.sessioncontroller.keeping.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.ha.ikeeping import IKept
from sipcluster.sessioncontroller.events import CallType, Role
from sipcluster.sessioncontroller.keeping import KeptCalls, KeptRefusals
from sipcluster.sessioncontroller.values import (
    AskedValue,
    CallValue,
    LegValue,
    MakingValue,
    PartyValue,
    UndertakingValue,
    decodeCall,
    encodeCall,
)
from sipcluster.sessioncontroller.values_aged import aged, untimed
from sipcluster.sip.adoption import InviteServerValue
from sipcluster.sip.isip import Target
from sipcluster.wire.correlation import Requester

WHO = Requester("desktop", 7)
OTHER = Requester("desktop", 8)

seconds = st.floats(min_value=0, max_value=200)


def callOf(left: float) -> CallValue:
    """
    A call whose times all have so much left.
    """
    invited = InviteServerValue(b"INVITE", Target("UDP", "192.0.2.1", 5060), b"", left)
    return CallValue(
        connID="1" * 16,
        callUUID="2" * 32,
        callType=CallType.INTERNAL,
        ani="1001",
        dnis="1002",
        created=1.0,
        parties=(PartyValue("1001", Role.ORIGINATION, True, "Initiated"),),
        legs=(
            LegValue(
                b"leg",
                True,
                "Proceeding",
                0,
                b"id",
                b"tag",
                None,
                invited=invited,
                ringing=left,
                expiring=left,
            ),
        ),
        undertakings=(UndertakingValue("hold", 0, WHO, left),),
        making=MakingValue(AskedValue("1002", "", "1001"), None, b"", requester=OTHER),
        busy=left,
    )


class AgeTests(SynchronousTestCase):
    """
    L{aged}: a value some seconds later.
    """

    @given(left=seconds, age=st.floats(min_value=0, max_value=400))
    def test_left(self, left: float, age: float) -> None:
        """
        A time that runs has less left, and never nothing, which would be a time that
        does not run; that stays so.
        """
        value = aged(callOf(left), age)
        (leg,), (undertaking,) = value.legs, value.undertakings
        assert leg.invited is not None
        for now in (
            *(leg.ringing, leg.expiring, leg.invited.left),
            *(undertaking.left, value.busy),
        ):
            if left:
                self.assertEqual(now, max(0.001, left - age))
            else:
                self.assertEqual(now, 0.0)

    @given(first=seconds, second=seconds)
    def test_untimed(self, first: float, second: float) -> None:
        """
        Two values that differ in what is left only are the same without it, unless
        one of the times does not run.
        """
        same = untimed(callOf(first)) == untimed(callOf(second))
        self.assertEqual(same, bool(first) is bool(second))


class KeptCallsTests(SynchronousTestCase):
    """
    L{KeptCalls} and L{KeptRefusals}.
    """

    def setUp(self) -> None:
        self.made: list[CallValue] = []
        self.gone: list[CallValue] = []
        made: Any = self.made.append
        self.kept = KeptCalls({}, made, lambda call, value: self.gone.append(value))
        self.refusals = KeptRefusals(made)

    def test_seam(self) -> None:
        """
        Both are what a keeper takes.
        """
        verifyObject(IKept, self.kept)
        verifyObject(IKept, self.refusals)

    def test_nothing(self) -> None:
        """
        There is no entry of what there is not.
        """
        self.assertIsNone(self.kept.entry("0" * 16))
        self.assertIsNone(self.refusals.entry("0" * 16))

    def test_restored(self) -> None:
        """
        A call is made at once, older than it was written, and gone on with when all
        else is there; until then it is known who waits for it.
        """
        value = callOf(5.0)
        self.kept.restore(value.connID, encodeCall(value), 2.0)
        self.assertEqual(self.made, [aged(value, 2.0)])
        self.assertEqual(self.gone, [])
        self.assertTrue(self.kept.awaits(WHO))
        self.assertTrue(self.kept.awaits(OTHER))
        self.assertFalse(self.kept.awaits(Requester("another", 7)))
        self.kept.restored()
        self.assertEqual(self.gone, self.made)
        self.assertFalse(self.kept.awaits(WHO))

    @given(st.binary(max_size=60))
    def test_garbage(self, junk: bytes) -> None:
        """
        What is no call is refused, and nothing is made of it.
        """
        with self.assertRaises(ValueError):
            self.kept.restore("key", junk, 0.0)
        self.assertEqual(self.made, [])

    def test_comparable(self) -> None:
        """
        Entries that differ in how much is left are the same.
        """
        one, other = encodeCall(callOf(5.0)), encodeCall(callOf(4.0))
        self.assertNotEqual(one, other)
        self.assertEqual(self.kept.comparable(one), self.kept.comparable(other))
        self.assertNotEqual(
            self.kept.comparable(one), self.kept.comparable(encodeCall(callOf(0.0)))
        )
        self.assertEqual(decodeCall(one), callOf(5.0))
