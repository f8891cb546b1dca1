"""
Tests for sipcluster.sessioncontroller.values.
"""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sessioncontroller.events import CallType, Role
from sipcluster.sessioncontroller.isessioncontroller import DTMFMethod
from sipcluster.sessioncontroller.session_refresh import Refresh
from sipcluster.sessioncontroller.values import (
    CallValue,
    LegValue,
    PartyValue,
    UndertakingValue,
    decodeCall,
    encodeCall,
)
from sipcluster.sip.dialog import Dialog
from sipcluster.wire.correlation import Requester

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
    holding=st.booleans(),
    refresh=st.none() | st.builds(Refresh, seconds=numbers, byFarEnd=st.booleans()),
    dtmfMethod=st.sampled_from(DTMFMethod),
)
undertakings = st.builds(
    UndertakingValue,
    kind=words,
    party=numbers,
    requester=st.none() | st.builds(Requester, client=words, reference=numbers),
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
    userData=st.recursive(
        words | st.integers(-(2**31), 2**31 - 1) | octets,
        lambda deeper: st.lists(st.tuples(words, deeper), max_size=3).map(tuple),
        max_leaves=4,
    ).flatmap(lambda value: st.just((("k", value),))),
    callID=numbers,
    undertakings=st.lists(undertakings, max_size=2).map(tuple),
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
