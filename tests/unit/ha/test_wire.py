"""
Tests for C{sipcluster.ha.wire}, and for the golden vectors of the HA link.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.ha import wire
from sipcluster.ha.replica import digestOf, headOf
from sipcluster.ha.wire import (
    Ack,
    Ask,
    BadMessage,
    Begin,
    Change,
    Changes,
    Check,
    Complete,
    Hello,
    Message,
    Poll,
    PollAnswer,
    Promise,
    Refusal,
    Refuse,
    State,
    Unknown,
    Want,
    agreed,
    decode,
    encode,
)

HERE = Path(__file__).parents[2] / "vectors" / "ha"

#: The messages of the vectors, by name.
GOOD: dict[str, Message] = {
    "hello": Hello(1, 1, "lab", "node1", "node1a", "sipcluster 0.1"),
    "refuse": Refuse(2, "pair 'node2', want 'node1'"),
    "state-primary": State(1, 7, 7, 4711, 1, 0),
    "state-backup": State(0, 7, 6, 4700, 0, 1),
    "state-short": State(0, 7, 6, 4700),
    "want": Want(7, 6, 4700),
    "want-snapshot": Want(7, 0, 0),
    "begin-changes": Begin(7, 1, 0, 4700, 0, [(5, 310), (6, 4705)], 1),
    "begin-snapshot": Begin(7, 2, 1, 0, 4711, [(6, 4705)], 1),
    "begin-short": Begin(7, 1, 0, 4700, 0, [(5, 310), (6, 4705)]),
    "changes": Changes(
        1,
        4700,
        4711,
        [
            Change("call", "0000000000000001", b"\x81\x01\x02", 4709, 12),
            Change("dn", "1001", None, 4711, 0),
        ],
    ),
    "changes-more": Changes(
        1, 4711, 4712, [Change("call", "0000000000000001", b"\x81\x01\x03", 4712, 0)], 1
    ),
    "changes-empty": Changes(2, 0, 4711, []),
    "changes-short": Changes(1, 4711, 4712, [Change("dn", "1001", None, 4712, 0)]),
    "complete": Complete(1, 4711),
    "ack": Ack(1, 4711, 1),
    "ack-received": Ack(1, 4711, 1, 4712),
    "ack-short": Ack(1, 4711, 1),
    "check": Check(1, 4711, 1, 0xFEDCBA9876543210),
    "poll": Poll(),
    "poll-answer": PollAnswer(),
    "ask": Ask(3, 7, 5000),
    "promise": Promise(3, 7, 5000),
    "promise-none": Promise(3, 7, 0),
    "unknown": Unknown(99),
}

#: Those that we read, but do not write.
READ_ONLY = {"unknown", "state-short", "begin-short", "changes-short", "ack-short"}

#: What is no message.
BAD = (
    *("not-messagepack", "not-an-array", "empty-array", "number-zero"),
    *("hello-short", "hello-wrong-type", "negative-position", "trailing-bytes"),
)


def vector(name: str) -> bytes:
    """
    The bytes of a frame.
    """
    return bytes.fromhex((HERE / f"{name}.hex").read_text())


class VectorTests(SynchronousTestCase):
    """
    The golden vectors are what the code reads and writes.
    """

    def test_allAreTested(self) -> None:
        """
        There is no vector that nobody looks at.
        """
        found = {path.stem for path in HERE.glob("*.hex")}
        self.assertEqual(found, {*GOOD, *(f"bad-{name}" for name in BAD)})

    def test_read(self) -> None:
        """
        Each vector is read as the message that it is, whose fields its JSON file
        says.
        """
        for name, message in GOOD.items():
            self.assertEqual(decode(vector(name)[4:]), message, name)
            told = json.loads((HERE / f"{name}.json").read_text())
            self.assertEqual(told, plain(message), name)

    def test_written(self) -> None:
        """
        Each message is written as its vector.
        """
        for name, message in GOOD.items():
            if name not in READ_ONLY:
                self.assertEqual(encode(message), vector(name), name)

    def test_bad(self) -> None:
        """
        What is no message is refused.
        """
        for name in BAD:
            self.assertRaises(BadMessage, decode, vector(f"bad-{name}")[4:])

    def test_digest(self) -> None:
        """
        The digest of an entry is the one that the specification works out.
        """
        told = json.loads((HERE / "digest.json").read_text())
        for entry in told:
            head = headOf(entry["kind"], entry["key"])
            value = bytes.fromhex(entry["value"])
            self.assertEqual(f"{digestOf(head, value):016x}", entry["digest"])

    def test_page(self) -> None:
        """
        The bytes and the sum on the page are those of the vectors.
        """
        page = HERE.parents[2] / "docs" / "protocols" / "ha.md"
        text = page.read_text()
        shown = text.partition("```hex\n")[2].partition("```")[0]
        self.assertEqual(bytes.fromhex(shown), vector("changes"))
        self.assertIn(str(digestOf(headOf("call", "0" * 15 + "1"), b"\x81\1\2")), text)


def plain(message: Message) -> dict[str, Any]:
    """
    A message as its JSON file has it.
    """
    made: dict[str, Any] = {"message": type(message).__name__}
    for name in message.__struct_fields__:
        value = getattr(message, name)
        if name == "entries":
            value = [
                [
                    one.kind,
                    one.key,
                    one.value and one.value.hex(),
                    one.position,
                    one.age,
                ]
                for one in value
            ]
        made[name] = [list(one) for one in value] if name == "ends" else value
    return made


class MessageTests(SynchronousTestCase):
    """
    Reading what later versions, and strangers, send.
    """

    def test_moreElements(self) -> None:
        """
        Elements that a later version has added are left out.
        """
        pack = msgspec.msgpack.encode
        self.assertEqual(decode(pack([8, 1, 2, 1, 0, "new", {}])), Ack(1, 2, 1))
        changes = decode(pack([6, 1, 0, 1, [["dn", "1", b"x", 1, 0, "new"]], 0, 0]))
        self.assertEqual(changes, Changes(1, 0, 1, [Change("dn", "1", b"x", 1, 0)]))

    def test_laterMessages(self) -> None:
        """
        A message of a later version is told from one that is wrong.
        """
        self.assertEqual(decode(msgspec.msgpack.encode([99, "x"])), Unknown(99))

    @given(st.binary(max_size=60))
    def test_anythingElse(self, data: bytes) -> None:
        """
        Whatever comes is a message, or is refused.
        """
        try:
            decode(data)
        except BadMessage as e:
            self.assertLess(len(str(e)), 200)

    def test_versions(self) -> None:
        """
        Two members speak the highest version that both do; who is more than one
        version off is refused.
        """
        hello = Hello(1, 1, "", "", "")
        self.assertEqual(agreed(hello), 1)
        later = Hello(3, 2, "", "", "")
        self.assertEqual(agreed(later), Refusal.TOO_NEW)
        self.assertEqual(agreed(later, 2, 1), 2)
        self.assertEqual(agreed(later, 4, 3), 3)
        self.assertEqual(agreed(later, 5, 4), Refusal.TOO_OLD)
        self.assertLessEqual(wire.VERSION - wire.OLDEST, 1)

    def test_numbers(self) -> None:
        """
        Each refusal has its number in the log.
        """
        self.assertEqual(Refusal.PAIR.number, "00-53102")
