"""
Tests for L{sipcluster.tlib.attributes}, L{sipcluster.tlib.enums} and
L{sipcluster.tlib.errors}.
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.tlib import enums
from sipcluster.tlib.attributes import (
    ATTRIBUTES,
    BY_FIELD,
    BY_NAME,
    BY_TAG,
    Kind,
    fieldOf,
    readerOf,
    timeOf,
)
from sipcluster.tlib.enums import CallState, Labelled
from sipcluster.tlib.errors import BadMessage, TErrorCode

ENUMERATIONS = [
    found
    for found in vars(enums).values()
    if isinstance(found, type) and issubclass(found, Labelled) and found is not Labelled
]


class TableTests(SynchronousTestCase):
    """
    The table of attributes.
    """

    def test_unambiguous(self) -> None:
        """
        Each number, name and field stands for one attribute.
        """
        for table in (BY_TAG, BY_NAME, BY_FIELD):
            self.assertEqual(len(table), len(ATTRIBUTES))

    def test_numbersAreWithoutGaps(self) -> None:
        """
        They count from 1: none was ever given back.
        """
        self.assertEqual(sorted(BY_TAG), list(range(1, len(ATTRIBUTES) + 1)))

    def test_fields(self) -> None:
        """
        A field begins with the first word in lower case, whole acronyms included.
        """
        for name, field in (
            ("ThisDN", "thisDN"),
            ("ThisDNRole", "thisDNRole"),
            ("ANI", "ani"),
            ("DNIS", "dnis"),
            ("ConnID", "connID"),
            ("CallUUID", "callUUID"),
            ("AgentID", "agentID"),
            ("time", "time"),
            ("DTMFDigits", "dtmfDigits"),
            ("ISLinkList", "isLinkList"),
        ):
            self.assertEqual(fieldOf(name), field)

    def test_enumerationsHaveMembers(self) -> None:
        """
        Those and no others, PartyState apart, whose values are added.
        """
        for one in ATTRIBUTES:
            if one.name != "PartyState":
                self.assertEqual(one.kind is Kind.ENUMERATION, bool(one.members))

    def test_secrets(self) -> None:
        """
        What stands in no log.
        """
        self.assertEqual(
            {one.name for one in ATTRIBUTES if one.secret},
            {"ApplicationPassword", "Password", "SessionID"},
        )


class ReaderTests(SynchronousTestCase):
    """
    L{readerOf} lets values of the attribute's type through, and no others.
    """

    GOOD: dict[str, list[Any]] = {
        "ThisDN": ["", "1001", "ü"],
        "InfoStatus": [0, -(2**31), 2**31 - 1],
        "CallID": [0, 2**64 - 1],
        "ConnID": ["0" * 16, "006c02462a161006"],
        "CallUUID": ["0123456789abcdef" * 2],
        "Capabilities": [b"", b"\0" * 64],
        "CallState": [0, 6, 33, 34, 2**32 - 1],
        "UserData": [(), (("a", 1), ("a", b"\0"))],
        "time": [(0, 0), (2**40 - 1, 999_999)],
    }

    BAD: dict[str, list[Any]] = {
        "ThisDN": [1, b"1001", None, True, []],
        "InfoStatus": ["1", 2**31, -(2**31) - 1, 1.0, True, None],
        "CallID": [-1, 2**64, "1", True, None],
        "ConnID": ["", "0" * 15, "0" * 17, "A" * 16, "0" * 15 + "\n", 5, b"0" * 16],
        "CallUUID": ["0" * 16, "G" * 32, 0, None],
        "Capabilities": ["", 0, [0], None],
        "CallState": [-1, 2**32, "Ok", True, None],
        "UserData": [{"a": 1}, ["a"], "", None],
        "time": [[1], [1, 2, 3], [1, 10**6], [-1, 0], [1, -1], [1.5, 0], 5, [2**40, 0]],
    }

    def test_good(self) -> None:
        """
        Values of the type come through as they are.
        """
        for name, values in self.GOOD.items():
            read = readerOf(BY_NAME[name])
            for value in values:
                self.assertEqual(read(value), value)

    def test_bad(self) -> None:
        """
        Others raise, and the error says what is wanted.
        """
        for name, values in self.BAD.items():
            read = readerOf(BY_NAME[name])
            for value in values:
                self.assertTrue(str(self.assertRaises(ValueError, read, value)))

    def test_arraysBecomeTuples(self) -> None:
        """
        A decoded array is a tuple afterwards, as messages are values.
        """
        self.assertEqual(readerOf(BY_NAME["time"])([1, 2]), (1, 2))
        read = readerOf(BY_NAME["UserData"])
        self.assertEqual(read([["a", [["b", 1]]]]), (("a", (("b", 1),)),))

    def test_members(self) -> None:
        """
        A number that is known becomes its member, another one stays a number.
        """
        read = readerOf(BY_NAME["CallState"])
        self.assertIs(read(6), CallState.BUSY)
        self.assertIs(type(read(77)), int)

    @given(
        st.sampled_from(ATTRIBUTES),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(), inner, max_size=2)
            ),
            max_leaves=5,
        ),
    )
    def test_anythingElse(self, attribute: Any, value: Any) -> None:
        """
        Whatever was decoded, it comes through or L{ValueError} is raised.
        """
        try:
            read = readerOf(attribute)(value)
        except ValueError:
            return
        self.assertEqual(read, readerOf(attribute)(read))


class EnumerationTests(SynchronousTestCase):
    """
    Enumerations count from 0 in the order of the field's lists.
    """

    def test_numbers(self) -> None:
        """
        Some that a stranger's client would have as literals.
        """
        for member, number, label in (
            (enums.CallType.CONSULT, 4, "Consult"),
            (enums.CallState.OK, 0, "Ok"),
            (enums.CallState.SIT_INVALIDNUM, 11, "SitInvalidnum"),
            (enums.CallState.HELD, 33, "Held"),
            (enums.DNRole.OBSERVER, 10, "Observer"),
            (enums.AgentWorkMode.AFTER_CALL_WORK, 3, "AfterCallWork"),
            (enums.AddressType.OTHER, 14, "Other"),
            (enums.RouteType.CALL_DISCONNECT, 14, "CallDisconnect"),
            (enums.TreatmentType.RAN, 18, "RAN"),
            (enums.ForwardMode.NONE, 0, "None"),
            (enums.AddressInfoType.QUEUE_LOGIN_AUDIT, 11, "QueueLoginAudit"),
            (enums.AddressInfoType.NUMBER_OF_IDLE_TRUNKS, 14, "NumberOfIdleTrunks"),
            (enums.AddressInfoType.QUEUE_STATUS, 18, "QueueStatus"),
            (enums.AgentStatus.WALK_AWAY, 5, "WalkAway"),
            (enums.PartyState.FAILED, 0xF, "Failed"),
            (enums.PartyState.UNCERTAIN, 0x20000, "Uncertain"),
        ):
            self.assertEqual((int(member), member.label), (number, label))

    def test_labelsAreUnambiguous(self) -> None:
        """
        No enumeration has a name twice, nor a number.
        """
        self.assertEqual(len(ENUMERATIONS), 23)
        for one in ENUMERATIONS:
            self.assertEqual(len({member.label for member in one}), len(one))
            self.assertEqual(len(one.__members__), len(one))

    def test_onTheWire(self) -> None:
        """
        A member is written as its number.
        """
        for one in ENUMERATIONS:
            for member in one:
                self.assertEqual(
                    msgspec.msgpack.encode(member), msgspec.msgpack.encode(int(member))
                )
                self.assertIs(one(int(member)), member)


class TimeTests(SynchronousTestCase):
    """
    L{timeOf}.
    """

    def test_rounded(self) -> None:
        """
        Times are rounded to microseconds, and never have a million of them.
        """
        self.assertEqual(timeOf(5.0), (5, 0))
        self.assertEqual(timeOf(1_700_000_000.000001), (1_700_000_000, 1))
        self.assertEqual(timeOf(4.9999999), (5, 0))


class ErrorTests(SynchronousTestCase):
    """
    Error codes are the field's.
    """

    def test_codes(self) -> None:
        """
        Their numbers and texts.
        """
        self.assertEqual(TErrorCode.INVALID_CONNID, 56)
        self.assertEqual(TErrorCode.INCOMPATIBLE, 1141)
        self.assertEqual(TErrorCode(119).text, "Bad password")
        self.assertTrue(all(code.text for code in TErrorCode))

    def test_badMessage(self) -> None:
        """
        A message that cannot be read is an invalid attribute, where nothing else
        is said.
        """
        error = BadMessage("because")
        self.assertEqual(str(error), "because")
        self.assertEqual(
            (error.code, error.reference, error.number, error.fatal),
            (TErrorCode.INVALID_ATTRIBUTE, 0, None, False),
        )
