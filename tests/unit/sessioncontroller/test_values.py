"""
Tests for sipcluster.sessioncontroller.values.
"""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sessioncontroller.events import CallType, Role
from sipcluster.sessioncontroller.values import (
    CallValue,
    LegValue,
    PartyValue,
    decodeCall,
    encodeCall,
)
from sipcluster.sip.dialog import Dialog

octets = st.binary(max_size=12)
words = st.text(max_size=8)
numbers = st.integers(min_value=0, max_value=2**31)
dialogs = st.builds(
    Dialog,
    callID=octets,
    localTag=octets,
    remoteTag=octets,
    localURI=octets,
    remoteURI=octets,
    localSequence=numbers,
    remoteSequence=st.integers(min_value=-1, max_value=2**31),
    remoteTarget=octets,
    routeSet=st.lists(octets, max_size=2).map(tuple),
    secure=st.booleans(),
    early=st.booleans(),
)
legs = st.builds(
    LegValue,
    id=octets,
    incoming=st.booleans(),
    state=words,
    party=numbers,
    callID=octets,
    localTag=octets,
    dialog=st.none() | dialogs,
    early=st.lists(dialogs, max_size=2).map(tuple),
    invite=octets,
    accepted=octets,
    originID=numbers,
    received=octets,
)
parties = st.builds(
    PartyValue,
    dn=words,
    role=st.sampled_from(Role),
    internal=st.booleans(),
    state=words,
    answered=st.booleans(),
)
calls = st.builds(
    CallValue,
    connID=words,
    callUUID=words,
    callType=st.sampled_from(CallType),
    ani=words,
    dnis=words,
    created=st.floats(allow_nan=False),
    parties=st.lists(parties, max_size=3).map(tuple),
    legs=st.lists(legs, max_size=3).map(tuple),
    userData=st.lists(st.tuples(words, words), max_size=3).map(tuple),
)


class CallValueTests(SynchronousTestCase):
    """
    A call as bytes.
    """

    @given(calls)
    def test_roundTrip(self, value: CallValue) -> None:
        """
        What is written down is read back the same.
        """
        self.assertEqual(decodeCall(encodeCall(value)), value)

    @given(st.binary(max_size=40))
    def test_garbage(self, junk: bytes) -> None:
        """
        What is no call raises ValueError and nothing else.
        """
        self.assertRaises(ValueError, decodeCall, b"\xc1" + junk)

    def test_laterVersion(self) -> None:
        """
        Fields that are not known are left out: a member of the next version may
        have written them.
        """
        value = CallValue("c", "u", CallType.INTERNAL, "1", "2", 0.0, (), ())
        plain = msgspec.msgpack.decode(encodeCall(value))
        plain["colour"] = "red"
        self.assertEqual(decodeCall(msgspec.msgpack.encode(plain)), value)
