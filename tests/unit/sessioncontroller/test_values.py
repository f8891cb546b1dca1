"""
Tests for sipcluster.sessioncontroller.values.
"""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sessioncontroller.events import CallType, Cause, Role
from sipcluster.sessioncontroller.isessioncontroller import Destination, DTMFMethod
from sipcluster.sessioncontroller.session_refresh import Refresh
from sipcluster.sessioncontroller.values import (
    AskedValue,
    CallValue,
    LegValue,
    MakingValue,
    OutgoingInviteValue,
    PartyValue,
    UndertakingValue,
    decodeCall,
    encodeCall,
)
from sipcluster.sip.adoption import InviteClientValue, InviteServerValue
from sipcluster.sip.dialog import Dialog
from sipcluster.sip.isip import Target
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
seconds = st.floats(min_value=0, max_value=200)
targets = st.builds(Target, transportName=words, host=words, port=numbers)
fields = st.lists(st.tuples(octets, octets), max_size=2).map(tuple)
servers = st.builds(
    InviteServerValue, request=octets, source=targets, response=octets, left=seconds
)
clients = st.builds(
    InviteClientValue,
    state=words,
    request=octets,
    target=targets,
    left=seconds,
    cancel=st.none() | fields,
)
outgoing = st.builds(
    OutgoingInviteValue,
    transaction=clients,
    tried=st.lists(words, max_size=2).map(tuple),
    winner=octets,
    acknowledged=st.booleans(),
    own=st.booleans(),
)
destinations = st.builds(
    Destination,
    dn=words,
    uri=octets,
    to=octets,
    callType=st.sampled_from(CallType),
    noAnswerTimeout=seconds,
    forwardedBy=st.lists(words, max_size=2).map(tuple),
    dtmfMethod=st.sampled_from(DTMFMethod),
)
wishes = st.builds(
    AskedValue,
    user=words,
    host=words,
    caller=words,
    redirected=st.booleans(),
    forwarder=words,
)
makings = st.builds(
    MakingValue,
    asked=wishes,
    led=st.none() | wishes,
    caller=octets,
    fields=fields,
    tried=st.lists(words, max_size=2).map(tuple),
    made=numbers,
    routing=st.booleans(),
    instead=st.none() | destinations,
    cause=st.none() | st.sampled_from(Cause),
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
    invited=st.none() | servers,
    inviting=st.none() | outgoing,
    asked=st.none() | servers,
    asking=st.none() | outgoing,
    offered=octets,
    destination=st.none() | destinations,
    earlyMedia=st.lists(st.tuples(octets, octets), max_size=2).map(tuple),
    mediaFork=st.none() | octets,
    ringing=seconds,
    muted=st.booleans(),
    withdrawn=st.booleans(),
    loose=st.booleans(),
    originAddress=octets,
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
    left=seconds,
    where=st.none() | wishes,
)
parties = st.builds(
    PartyValue,
    dn=words,
    role=st.sampled_from(Role),
    internal=st.booleans(),
    state=words,
    answered=st.booleans(),
    otherDN=words,
    otherRole=st.none() | st.sampled_from(Role),
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
    making=st.none() | makings,
    heard=octets,
    busy=seconds,
)


#: What values of the first form hold.
EARLIER = {
    "call": "connID callUUID callType ani dnis created parties legs redirections",
    "leg": "id incoming state party callID localTag dialog early originID held proxy"
    " originVersion sent received allow secure",
    "party": "dn role internal state answered",
}


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

    def test_earlierVersion(self) -> None:
        """
        What was written without the fields that came later is read.
        """
        dialog = Dialog(b"c", b"l", b"r", b"us", b"them", 1, 2, b"sip:x")
        leg = LegValue(b"i", True, "Confirmed", 0, b"c", b"l", dialog)
        party = PartyValue("1", Role.ORIGINATION, True, "Connected", True)
        value = CallValue("c", "u", CallType.INTERNAL, "1", "2", 0.0, (party,), (leg,))
        plain = msgspec.msgpack.decode(encodeCall(value))
        for each, known in (
            (plain, EARLIER["call"]),
            (plain["legs"][0], EARLIER["leg"]),
            (plain["parties"][0], EARLIER["party"]),
        ):
            for name in set(each) - set(known.split()):
                del each[name]
        plain["legs"][0].update(invite=b"INVITE", accepted=b"SIP/2.0 200")
        self.assertEqual(decodeCall(msgspec.msgpack.encode(plain)), value)
