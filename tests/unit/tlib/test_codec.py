"""
Tests for L{sipcluster.tlib.codec}.
"""

from __future__ import annotations

import sys
from typing import Any

import attrs
import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.tlib.codec import (
    DEPTH,
    Envelope,
    decode,
    encode,
    encodeBody,
    frame,
    pack,
    unpack,
)
from sipcluster.tlib.enums import CallState
from sipcluster.tlib.errors import BadMessage, MessageTooLong, TErrorCode
from sipcluster.tlib.messages import (
    EventACK,
    EventError,
    EventRinging,
    LinkPoll,
    Message,
    Opaque,
    RequestAttachUserData,
    RequestMakeCall,
    UnknownMessage,
)
from sipcluster.wire.frames import LIMIT, FrameReader
from tests.unit.tlib.strategies import messages

pack_ = msgspec.msgpack.encode

positions = st.integers(0, 2**64 - 1) | st.sampled_from([0, 2**63, 2**64 - 1])
references = st.integers(0, 2**32 - 1) | st.sampled_from([0, 2**32 - 1])


def payload(*elements: object) -> bytes:
    """
    A frame's content made by hand.
    """
    return pack_(elements)


def unframed(data: bytes) -> bytes:
    """
    The content of the one frame that C{data} is.
    """
    reader = FrameReader()
    reader.receive(data)
    found = reader.nextFrame()
    assert found is not None and not reader.buffered
    return found


class RoundTripTests(SynchronousTestCase):
    """
    What is written is read again.
    """

    @settings(max_examples=300)
    @given(messages(), positions, references)
    def test_anyMessage(self, message: Message, position: int, reference: int) -> None:
        """
        Any message, with unknown numbers, attributes and members of enumerations,
        comes back as it was, and is written alike again.
        """
        data = encode(message, position, reference)
        envelope = decode(unframed(data))
        self.assertEqual(envelope, Envelope(position, reference, message))
        self.assertIs(type(envelope.message), type(message))
        self.assertEqual(encode(envelope.message, position, reference), data)

    @given(messages(), st.lists(st.integers() | st.none(), max_size=3))
    def test_furtherElements(self, message: Message, more: list[Any]) -> None:
        """
        What a later version puts behind the attributes is not looked at.
        """
        more = [one and one % 2**63 for one in more]
        found = msgspec.msgpack.decode(
            unframed(encode(message, 1, 2)),
            type=tuple[int, int, int, dict[int, msgspec.Raw]],
        )
        self.assertEqual(
            decode(payload(*found, *more, "later")), Envelope(1, 2, message)
        )

    def test_oneBodyForAll(self) -> None:
        """
        What all get alike is encoded once; the rest has the same size for all.
        """
        message = EventRinging(thisDN="1001", callState=CallState.OK)
        body = encodeBody(message)
        for position, reference in ((0, 0), (1, 7), (2**64 - 1, 2**32 - 1)):
            data = frame(position, reference, body)
            self.assertEqual(data, encode(message, position, reference))
            self.assertEqual(len(data), 4 + 15 + len(body))
            self.assertEqual(
                decode(unframed(data)), Envelope(position, reference, message)
            )

    def test_anyForm(self) -> None:
        """
        Numbers longer than needed and strings with longer lengths are read alike.
        """
        data = bytes.fromhex(
            "dc0004"  # array of 4, 16 bits
            "cf0000000000000001"  # position
            "d200000007"  # reference, with a sign
            "cd000e"  # RequestMakeCall
            "df00000002"  # map of 2, 32 bits
            "d301d90431303031".replace("d301", "d30000000000000001")
            + "cc05db0000000431303032"
        )
        self.assertEqual(
            decode(data), Envelope(1, 7, RequestMakeCall(thisDN="1001", otherDN="1002"))
        )

    def test_emptyListIsThere(self) -> None:
        """
        A list without pairs is not the same as none.
        """
        for value in ((), None):
            message = EventRinging(userData=value)
            self.assertEqual(decode(unframed(encode(message))).message, message)

    def test_unknownNumberOfEnumeration(self) -> None:
        """
        A member that is not known here is kept as a number.
        """
        message = EventRinging(callState=77, callType=4)
        found = decode(unframed(encode(message))).message
        assert isinstance(found, EventRinging)
        self.assertEqual((found.callState, found.callType), (77, 4))

    def test_unknownMessage(self) -> None:
        """
        So is a message with all that it has.
        """
        data = payload(9, 8, 155, {1: "1001", 40000: ["x", {"y": 1.5}]})
        found = decode(data)
        self.assertEqual(
            found.message,
            UnknownMessage(
                number=155,
                unknown=((1, "1001"), (40000, Opaque(pack_(["x", {"y": 1.5}])))),
            ),
        )
        again = unframed(encode(found.message, found.position, found.reference))
        self.assertEqual(msgspec.msgpack.decode(again), msgspec.msgpack.decode(data))

    def test_knownAttributeThatThisMessageHasNot(self) -> None:
        """
        It is carried like an unknown one, whatever its type.
        """
        found = decode(payload(0, 0, LinkPoll.number, {1: [1, True, None, b"x"]}))
        self.assertEqual(found.message, LinkPoll(unknown=((1, (1, True, None, b"x")),)))

    def test_halfCharacters(self) -> None:
        """
        Text that UTF-8 cannot write does not keep an event back: what cannot be
        written of it is a question mark.
        """
        message = EventRinging(
            thisDN="a\udc80", userData=(("k\ud800", (("\udfff", 5),)),), callID=3
        )
        self.assertEqual(
            decode(unframed(encode(message))).message,
            EventRinging(thisDN="a?", userData=(("k?", (("?", 5),)),), callID=3),
        )


class LimitTests(SynchronousTestCase):
    """
    A message fits into a frame, or is refused before it is sent.
    """

    def test_longest(self) -> None:
        """
        Exactly a full frame goes, one byte more does not.
        """
        spare = LIMIT - len(encode(EventACK(thisDN="x" * 60000))) + 4
        longest = EventACK(thisDN="x" * (60000 + spare))
        self.assertEqual(len(unframed(encode(longest))), LIMIT)
        error = self.assertRaises(
            MessageTooLong, encodeBody, EventACK(thisDN="x" * (60001 + spare))
        )
        self.assertIn("EventACK", str(error))


class BadTests(SynchronousTestCase):
    """
    Whatever is wrong is told by L{BadMessage}.
    """

    def bad(self, data: bytes) -> BadMessage:
        """
        What is wrong with a frame's content.
        """
        error = self.assertRaises(BadMessage, decode, data)
        assert isinstance(error, BadMessage)
        self.assertTrue(error.why)
        self.assertLess(len(error.why), 200)
        return error

    def test_noMessage(self) -> None:
        """
        What is not one array of the right elements cannot be answered.
        """
        for data in (
            b"",
            b"\xc1",
            b"\x94",
            payload(),
            payload(1, 2, 3),
            payload(1, 2, 3, None),
            payload(1, 2, 3, [1]),
            payload(1, 2, 3, {"a": 1}),
            payload(1, 2, 3, {-1: 1}),
            payload(1, 2, 3, {70000: 1}),
            payload(-1, 2, 3, {}),
            payload(1, -2, 3, {}),
            payload(1, 2**32, 3, {}),
            payload(1, 2, -3, {}),
            payload(1, 2, 2**16, {}),
            payload("1", 2, 3, {}),
            payload(1, 2.5, 3, {}),
            payload(True, 2, 3, {}),
            payload(None, 2, 3, {}),
            payload(1, 2, 3, {}) + b"\0",
            payload(1, 2, 3, {1: "a"})[:-1],
            pack_({1: 2}),
            pack_("x"),
            pack_(5),
            b"\x91" * 60000,
            b"\xdd\xff\xff\xff\xff",
            b"\x94\x01\x02\x03\xdf\xff\xff\xff\xff",
        ):
            error = self.bad(data)
            self.assertEqual((error.fatal, error.reference), (True, 0))
            self.assertIsNone(error.number)

    def test_wrongType(self) -> None:
        """
        An attribute of another type is named, and the request can be answered.
        """
        for attributes, name in (
            ({1: 1001}, "ThisDN"),
            ({1: None}, "ThisDN"),
            ({1: True}, "ThisDN"),
            ({5: ["1002"]}, "OtherDN"),
            ({27: {"a": 1}}, "UserData"),
            ({27: [["a", 1.5]]}, "UserData"),
            ({43: "Regular"}, "MakeCallType"),
            ({27: msgspec.Raw(b"\xd7\xff" + b"\xff" * 8)}, "UserData"),
            ({1: msgspec.Raw(b"\xa1\xff")}, "ThisDN"),
            ({27: msgspec.Raw(b"\x81\x80\x01")}, "UserData"),
        ):
            error = self.bad(payload(3, 7, RequestMakeCall.number, attributes))
            self.assertIn(f"Attribute{name}:", error.why)
            self.assertEqual(
                (error.fatal, error.reference, error.number, error.code),
                (False, 7, RequestMakeCall.number, TErrorCode.INVALID_ATTRIBUTE),
            )

    def test_deepList(self) -> None:
        """
        Lists nested deeper than allowed are one bad attribute, at any depth.
        """
        for depth in (17, 100, 300):
            value = b"\x91\x92\xa1k" * depth + b"\x90"
            data = b"\x94\x01\x02\x1e\x81\x1b" + value
            error = self.bad(data)
            self.assertIn("AttributeUserData", error.why)
        fits = b"\x94\x01\x02\x1e\x81\x1b" + b"\x91\x92\xa1k" * 15 + b"\x90"
        self.assertIsInstance(decode(fits).message, RequestAttachUserData)

    def test_deepUnknown(self) -> None:
        """
        Unknown values may stand in one another thirty-two deep.
        """
        head = b"\x94\x01\x02\x0e\x81\xcd\xff\xff"
        found = decode(head + b"\x91" * DEPTH + b"\x01").message
        self.assertEqual(len(found.unknown), 1)
        for depth in (DEPTH + 1, 200, 800):
            error = self.bad(head + b"\x91" * depth + b"\x01")
            self.assertTrue(error.fatal)

    def test_badUnknownValueIsCarried(self) -> None:
        """
        What is wrong inside of a value that nobody here reads is not our business.
        """
        value = b"\xa2\xff\xfe"
        data = b"\x94\x01\x02\x0e\x82\x01\xa11\xcd\xff\xff" + value
        found = decode(data)
        self.assertEqual(
            found.message,
            RequestMakeCall(thisDN="1", unknown=((0xFFFF, Opaque(value)),)),
        )
        self.assertTrue(encode(found.message).endswith(b"\xcd\xff\xff" + value))

    @settings(max_examples=500)
    @given(st.binary(max_size=200))
    @example(b"\x94\x00\x00\x00\x81\x00\xc7\x00\xff")
    def test_anyBytes(self, data: bytes) -> None:
        """
        Any bytes are a message, or L{BadMessage} is raised.
        """
        self.either(data)

    @settings(max_examples=500)
    @given(messages(), st.data())
    def test_anyDamage(self, message: Message, data: st.DataObject) -> None:
        """
        So are messages of which a few bytes are others.
        """
        damaged = bytearray(unframed(encode(message, 1, 2)))
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(damaged) - 1))
            if data.draw(st.booleans()):
                damaged[at] = data.draw(st.integers(0, 255))
            else:
                damaged[at:at] = data.draw(st.binary(max_size=3))
        self.either(bytes(damaged))

    def either(self, data: bytes) -> None:
        """
        A message, which comes through another encoding and decoding, or our error.
        """
        try:
            envelope = decode(data)
        except BadMessage as e:
            self.assertTrue(e.why)
            return
        again = unframed(
            encode(envelope.message, envelope.position, envelope.reference)
        )
        self.assertEqual(decode(again), envelope)

    def test_noRoomIsTakenForWhatIsNotThere(self) -> None:
        """
        Lengths that lie cost no memory.
        """
        for data in (
            b"\x94\x01\x02\x0e\x81\x1b\xdd\xff\xff\xff\xff",
            b"\x94\x01\x02\x0e\x81\x01\xdb\xff\xff\xff\xff",
            b"\x94\x01\x02\x0e\xdf\xff\xff\xff\xff",
        ):
            before = sys.getallocatedblocks()
            self.bad(data)
            self.assertLess(sys.getallocatedblocks() - before, 1000)


class UnknownValueTests(SynchronousTestCase):
    """
    Values of unknown attributes can be packed and unpacked one by one.
    """

    def test_plain(self) -> None:
        """
        Text, numbers, bytes, truth, nothing and arrays of them are themselves.
        """
        for value in ("x", 5, -1, 2**64 - 1, b"\0", True, None, (), ("a", (1, None))):
            self.assertEqual(unpack(pack(value)), value)

    def test_opaque(self) -> None:
        """
        Everything else is kept as it is encoded: other types, and longer forms.
        """
        for value in (b"\xcb" + b"\0" * 8, b"\x80", b"\xcd\x00\x07", b"\xd4\x01\x00"):
            self.assertEqual(unpack(value), Opaque(value))
            self.assertEqual(pack(Opaque(value)), value)

    def test_none(self) -> None:
        """
        What is no value, or more than one, is refused.
        """
        for data in (b"", b"\xc1", b"\x01\x02", b"\x91" * 50 + b"\x01", b"\x91" * 9000):
            self.assertRaises(ValueError, unpack, data)

    def test_messagesStayValues(self) -> None:
        """
        A message with unknown attributes can be compared, and can be a key.
        """
        one = EventError(unknown=((999, Opaque(b"\x80")), (998, ("a",))))
        self.assertEqual(len({one, attrs.evolve(one)}), 1)
