"""
The Wireshark dissector of the documentation, with tshark on captures that the tests
write.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Iterable
from pathlib import Path
from runpy import run_path
from typing import Any

from attrs import define, field
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import TestCase

from sipcluster.tlib.codec import encode
from sipcluster.tlib.enums import CallType
from sipcluster.tlib.messages import (
    EventDialing,
    EventError,
    EventRinging,
    Message,
    RequestMakeCall,
)
from tests.loopback.processes import TOP

TSHARK = shutil.which("tshark")

DISSECTOR = TOP / "docs" / "protocols" / "sipcluster_tlibrary.lua"
VECTORS = TOP / "tests" / "vectors" / "tlibrary"

#: Both ends of all captures.
LOOPBACK = b"\x7f\0\0\1"
SERVER, CLIENT = 3001, 40001

SYN, ACK, PUSH = 0x02, 0x10, 0x08


def checksum(data: bytes) -> int:
    """
    The checksum of the Internet (RFC 1071).
    """
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@define
class Capture:
    """
    A capture file of TCP connections, one after another, in the classic pcap format
    with raw IP packets.

    @ivar sent: sequence number of the next byte, of the client and of the server.
    """

    server: int = SERVER
    client: int = CLIENT
    sent: dict[bool, int] = field(factory=dict)
    data: bytes = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    packets: int = 0

    def open(self, client: int = CLIENT) -> None:
        """
        The three packets of the beginning.

        @param client: the client's port.
        """
        self.client = client
        self.sent = {True: 1000, False: 5000}
        self.packet(True, flags=SYN)
        self.sent[True] += 1
        self.packet(False, flags=SYN | ACK)
        self.sent[False] += 1
        self.packet(True)

    def packet(self, fromClient: bool, data: bytes = b"", flags: int = ACK) -> None:
        """
        Add a packet.
        """
        ends = (self.client, self.server) if fromClient else (self.server, self.client)
        segment = struct.pack(
            ">HHIIBBHHH",
            *ends,
            self.sent[fromClient],
            self.sent[not fromClient] if flags & ACK else 0,
            0x50,
            flags,
            65535,
            0,
            0,
        )
        segment += data
        pseudo = LOOPBACK * 2 + struct.pack(">BBH", 0, 6, len(segment))
        segment = (
            segment[:16] + struct.pack(">H", checksum(pseudo + segment)) + segment[18:]
        )
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, 6, 0)
        head += LOOPBACK * 2
        head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
        size = len(head) + len(segment)
        self.data += struct.pack("<IIII", 1_795_165_200, self.packets, size, size)
        self.data += head + segment
        self.packets += 1
        self.sent[fromClient] += len(data)

    def say(self, fromClient: bool, data: bytes, pieces: int = 1400) -> None:
        """
        Add data, in packets of a size.
        """
        for start in range(0, len(data), pieces):
            self.packet(fromClient, data[start : start + pieces], ACK | PUSH)


class DissectorTests(TestCase):
    """
    What tshark shows.
    """

    timeout = 60
    skip = None if TSHARK else "tshark is not installed"

    async def tshark(self, capture: Capture, *arguments: str) -> str:
        """
        Let tshark look at a capture.
        """
        file = Path(self.mktemp()).absolute()
        file.write_bytes(capture.data)
        assert TSHARK is not None
        out, err, status = await getProcessOutputAndValue(
            TSHARK,
            ["-X", f"lua_script:{DISSECTOR}", "-r", str(file), *arguments],
            env={**os.environ, "HOME": self.mktemp(), "TZ": "UTC"},
        )
        words = [
            line
            for line in err.decode().splitlines()
            if not line.startswith("Running as user")
        ]
        self.assertEqual((status, words), (0, []))
        return str(out.decode())

    async def fields(
        self,
        capture: Capture,
        *names: str,
        wanted: str = "tlib",
        more: Iterable[str] = (),
    ) -> list[list[str]]:
        """
        The values of fields: a row for each packet that a filter lets through,
        several values of one packet joined by bars.
        """
        columns = [word for name in names for word in ("-e", name)]
        out = await self.tshark(
            capture,
            *("-Y", wanted, "-T", "fields", "-E", "aggregator=|", *columns, *more),
        )
        return [line.split("\t") for line in out.splitlines()]

    def messages(self, *rows: tuple[bool, Message, int, int]) -> Capture:
        """
        A capture with a packet for each message.
        """
        capture = Capture()
        capture.open()
        for fromClient, message, position, reference in rows:
            capture.say(fromClient, encode(message, position, reference))
        return capture

    async def test_sessionOfThePage(self) -> None:
        """
        Every frame of the session by hand is shown with its name, number, position
        and reference, and none is malformed.
        """
        play = run_path(str(TOP / "docs" / "tlibrary_session.py"))["play"]
        frames = [frame for frame in play().frames if frame is not None]
        capture = Capture()
        capture.open()
        for sender, data in frames:
            capture.say(sender == "client", data)
        rows = await self.fields(
            capture,
            *("tlib.name", "tlib.number", "tlib.position", "tlib.reference"),
            "tlib.malformed",
        )
        self.assertEqual(len(rows), len(frames))
        self.assertEqual(
            [row[0] for row in rows][:7],
            [
                "RequestRegisterClient",
                "EventServerInfo",
                "EventLinkConnected",
                "RequestRegisterAddress",
                "EventRegistered",
                "EventRinging",
                "RequestAnswerCall",
            ],
        )
        self.assertEqual(rows[4], ["EventRegistered", "53", "1", "2", ""])
        self.assertEqual({row[4] for row in rows}, {""})

    async def test_attributes(self) -> None:
        """
        Each attribute is a field of its own type to filter by: text, numbers of 64
        bits, members of enumerations, times, bytes, the pairs of lists.
        """
        capture = self.messages(
            (
                False,
                EventRinging(
                    time=(1_795_165_200, 250_000),
                    thisDN="1002",
                    connID="006c02462a161006",
                    callID=2**64 - 1,
                    callType=CallType.INBOUND,
                    userData=(
                        ("CUSTOMER", "Zoë"),
                        ("TRIES", -2),
                        ("ROUTE", (("SKILL", "billing"),)),
                    ),
                    unknown=((60001, "later"),),
                ),
                2**64 - 1,
                0,
            )
        )
        (row,) = await self.fields(
            capture,
            *("tlib.ThisDN", "tlib.ConnID", "tlib.CallID", "tlib.CallType"),
            *("tlib.time", "tlib.key", "tlib.value", "tlib.position", "tlib.unknown"),
            wanted='tlib.ThisDN == "1002" && tlib.CallType == 2 && tlib.key == "SKILL"',
        )
        self.assertEqual(
            row,
            [
                "1002",
                "006c02462a161006",
                str(2**64 - 1),
                "2",
                "Nov 20, 2026 09:00:00.250000000 UTC",
                "CUSTOMER|TRIES|ROUTE|SKILL",
                "Zoë|-2|billing",
                str(2**64 - 1),
                "attribute 60001: 'later'",
            ],
        )
        tree = await self.tshark(capture, "-O", "tlib")
        self.assertIn("T-Library (sipcluster), EventRinging (60)", tree)
        self.assertIn("AttributeCallType: Inbound (2)", tree)

    async def test_framesInSegments(self) -> None:
        """
        Frames are found however TCP has cut them: several in a packet, one in
        several, the length itself cut.
        """
        messages = [EventDialing(thisDN=str(n), callID=n) for n in range(40)]
        stream = b"".join(encode(one, n + 1) for n, one in enumerate(messages))
        for pieces in (3, 7, 100, 1400):
            capture = Capture()
            capture.open()
            capture.say(False, stream, pieces)
            rows = await self.fields(capture, "tlib.CallID", "tlib.malformed")
            seen = [value for row in rows for value in row[0].split("|")]
            self.assertEqual(seen, [str(n) for n in range(40)])
            self.assertEqual({row[1] for row in rows}, {""})

    async def test_answers(self) -> None:
        """
        A request and its answer point at one another, and refusals are remarked.
        """
        capture = self.messages(
            (True, RequestMakeCall(thisDN="1001", otherDN="1002"), 0, 7),
            (True, RequestMakeCall(thisDN="1001", otherDN="9999"), 0, 8),
            (False, EventDialing(thisDN="1001"), 1, 7),
            (False, EventError(errorCode=71, errorMessage="no"), 2, 8),
        )
        rows = await self.fields(
            capture,
            *("frame.number", "tlib.answered_in", "tlib.request_in", "tlib.refused"),
            more=("-2",),
        )
        first = int(rows[0][0])
        self.assertEqual(
            rows,
            [
                [str(first), str(first + 2), "", ""],
                [str(first + 1), str(first + 3), "", ""],
                [str(first + 2), "", str(first), ""],
                [str(first + 3), "", str(first + 1), rows[3][3]],
            ],
        )
        self.assertTrue(rows[3][3])

    async def test_anyPort(self) -> None:
        """
        Other ports than the usual ones are recognised by what is in them; what is
        something else is left alone.
        """
        capture = Capture(server=45678)
        capture.open()
        capture.say(True, encode(RequestMakeCall(thisDN="1", otherDN="2"), 0, 1))
        rows = await self.fields(capture, "tlib.name")
        self.assertEqual(rows, [["RequestMakeCall"]])
        other = Capture(server=45679)
        other.open()
        other.say(True, b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
        self.assertEqual(await self.fields(other, "tlib.name"), [])

    async def test_goldenVectors(self) -> None:
        """
        Each golden vector that can be read is shown with its name and attributes,
        and each that cannot is shown as malformed.
        """
        capture = Capture()
        meanings = {}
        for port, file in enumerate(sorted(VECTORS.glob("*.hex")), 20000):
            meaning = json.loads(file.with_suffix(".json").read_text())
            if meaning.get("error", {}).get("fatal", True):
                meanings[str(port)] = {**meaning, "name": file.stem}
                capture.open(port)
                capture.say(True, bytes.fromhex(file.read_text()))
        self.assertGreater(len(meanings), 50)
        rows = await self.fields(
            capture, "tcp.srcport", "tlib.number", "tlib.position", "tlib.malformed"
        )
        self.assertEqual([row[0] for row in rows], list(meanings))
        for which, number, position, malformed in rows:
            meaning = meanings[which]
            if "error" in meaning:
                self.assertTrue(malformed and not number, meaning["name"])
            else:
                self.assertEqual(
                    (number, position, malformed),
                    (str(meaning["number"]), str(meaning["position"]), ""),
                    meaning["name"],
                )

    async def test_garbage(self) -> None:
        """
        Bytes that mean nothing are malformed, and no error of the dissector.
        """
        state: Any = 12345
        for turn in range(12):
            noise = bytearray()
            for _ in range(200):
                state = state * 1103515245 + 12345 & 0x7FFFFFFF
                noise.append(state >> 16 & 0xFF)
            capture = Capture()
            capture.open()
            capture.say(turn % 2 == 0, struct.pack(">I", 200) + bytes(noise))
            out = await self.tshark(capture, "-O", "tlib")
            self.assertNotIn("Lua Error", out)
            self.assertIn("Malformed", out)
