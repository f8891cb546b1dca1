"""
What telephones and T-Library clients wrote down is read and judged.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from shutil import rmtree
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.survive.calls import Call, Calls, longestGap
from tests.survive.capture import kindOf, ofPrimary, packetOf
from tests.survive.cells import CELLS
from tests.survive.judging import Verdict, judge, stateAt
from tests.survive.page import render
from tests.survive.streams import Stream, alike, lawfulParty, numbering, read, sessions
from tests.survive.telephones import Plan
from tests.survive.trunk import answer

A, B = "a" * 32, "b" * 32


def event(position: int, name: str, dn: str = "1001", session: str = A) -> Any:
    """
    One line of a recorder.
    """
    return {
        "client": "tc",
        "kind": "event",
        "time": 100.0 + position,
        "position": position,
        "name": name,
        "dn": dn,
        "session": session,
        "reference": 0,
        "text": f"{name} {dn} {session}",
    }


class Folder(SynchronousTestCase):
    """
    A test with files.
    """

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(rmtree, self.folder)

    def file(self, name: str, *lines: str) -> Path:
        """
        Write one.
        """
        file = self.folder / name
        file.write_text("".join(f"{line}\n" for line in lines))
        return file


class CallsTests(Folder):
    """
    Both ends of a call, out of SIPp's logs.
    """

    def log(self, name: str, *lines: str) -> tuple[str, Path]:
        """
        A log as SIPp writes it.
        """
        return name, self.file(name, *(f"2026-11-21\t00:00:00\t{x}" for x in lines))

    def test_bothEnds(self) -> None:
        """
        What both ends wrote is put together by the Session-ID; a call is whole
        when both came to its end.
        """
        calls = Calls.read(
            [
                self.log(
                    "stays-calls-proxy1",
                    "10.0 invited 1@x 1001 1041",
                    f"10.1 ringing 1@x {A}",
                    f"10.2 answered 1@x {A} <sip:x@node1.lab.example>",
                    f"20.0 ended 1@x {A}",
                    "11.0 invited 2@x 1002 1041",
                ),
                self.log(
                    "stays-called",
                    f"10.05 rings far {A} sip:1041@",
                    f"20.1 ended far {A}",
                ),
            ]
        )
        self.assertEqual(
            calls.calls,
            [
                Call(
                    "stays",
                    "proxy1",
                    "1001",
                    "1041",
                    A,
                    {"invited": 10.0, "ringing": 10.1, "answered": 10.2, "ended": 20.0},
                    {"rings": 10.05, "ended": 20.1},
                ),
                Call("stays", "proxy1", "1002", "1041", "", {"invited": 11.0}),
            ],
        )
        self.assertEqual([call.whole for call in calls.calls], [True, False])
        self.assertEqual(calls.strays, {})

    def test_strays(self) -> None:
        """
        A call that rang and that nobody made is told; broken lines are not.
        """
        calls = Calls.read(
            [self.log("stays-called", f"10.05 rings far {B} sip:1041@", "x", "a b c")]
        )
        self.assertEqual((calls.calls, calls.strays), ([], {B: {"rings": 10.05}}))

    def test_states(self) -> None:
        """
        How far a call was at some time.
        """
        call = Call("answers", "proxy1")
        call.at = {"invited": 1.0, "ringing": 2.0, "answered": 3.0, "ended": 4.0}
        self.assertEqual(
            [stateAt(call, moment) for moment in (0.5, 1.5, 2.5, 3.5, 4.5)],
            ["new", "underWay", "ringing", "established", "over"],
        )

    def test_longestGap(self) -> None:
        """
        The ends count, what is outside does not.
        """
        self.assertEqual(longestGap([0.0, 2.0, 3.0, 9.0], 1.0, 7.0), 4.0)
        self.assertEqual(longestGap([], 1.0, 7.0), 6.0)


class StreamsTests(Folder):
    """
    What T-Library clients were told.
    """

    def test_read(self) -> None:
        """
        A recorder's lines are sorted by client.
        """
        link = {"client": "tc", "kind": "link", "time": 1.0, "why": "", "server": ""}
        lines = [
            {**link, "connected": True, "resumed": "New"},
            {**link, "connected": False, "resumed": "", "time": 5.0},
            {**link, "connected": True, "resumed": "Resumed", "time": 5.5},
            event(1, "EventDialing"),
            event(2, "EventOffHook"),
            {"client": "tc", "kind": "refused", "dn": "1", "why": "no"},
            {"client": "tc", "kind": "counts", "duplicates": 3, "gaps": 0}
            | {"unreadable": 0},
        ]
        stream = read(self.file("r", *map(json.dumps, lines)))["tc"]
        self.assertEqual(len(stream.events), 2)
        self.assertEqual([one["name"] for one in stream.calls], ["EventDialing"])
        self.assertEqual(stream.away(0.0), 0.5)
        self.assertEqual(stream.away(6.0), 0.0)
        self.assertEqual(stream.counts["duplicates"], 3)
        self.assertEqual(stream.refused, ["1: no"])
        self.assertEqual((numbering(stream), sessions(stream)), ([], []))

    def test_numbering(self) -> None:
        """
        A missing position and one that is there twice are found.
        """
        stream = Stream("tc", [event(n, "EventDialing") for n in (1, 2, 2, 4)])
        self.assertEqual(numbering(stream), ["tc: 2 after 2", "tc: 4 after 2"])

    def test_sessions(self) -> None:
        """
        A session that was lost, and one that began twice, are found.
        """
        stream = Stream("tc")
        stream.resumed.update({"New": 2, "Resumed": 5, "Lost": 1})
        self.assertEqual(
            sessions(stream), ["tc: session New, 2 times", "tc: session Lost, 1 times"]
        )

    def test_lawful(self) -> None:
        """
        A part in a call begins once and ends once.
        """
        good = ["EventDialing", "EventEstablished", "EventReleased"]
        self.assertTrue(lawfulParty(good))
        self.assertTrue(lawfulParty(["EventRinging", "EventAbandoned"]))
        for bad in (
            good[:2],
            good[1:],
            [*good, "EventReleased"],
            [*good[:2], *good[1:]],
            ["EventDialing", "EventDialing", "EventReleased"],
            [],
        ):
            self.assertFalse(lawfulParty(bad), bad)

    def test_alike(self) -> None:
        """
        What one was told and another was not is found, and another order.
        """
        one = Stream("one", [event(1, "EventDialing"), event(2, "EventReleased")])
        two = Stream("two", [event(1, "EventDialing")])
        three = Stream("three", list(reversed(one.events)))
        self.assertEqual(alike([one, one]), [])
        self.assertEqual(len(alike([one, two])), 1)
        self.assertEqual(alike([one, three]), ["three and one: another order"])
        self.assertEqual(alike([]), [])


class JudgingTests(SynchronousTestCase):
    """
    A verdict of calls and streams.
    """

    def test_lost(self) -> None:
        """
        A call that ended at one side only is lost, and told.
        """
        kept = Call("answers", "proxy1", session=A)
        kept.at = {"invited": 1.0, "ringing": 1.1, "answered": 1.2, "ended": 9.0}
        kept.far = {"rings": 1.1, "ended": 9.0}
        lost = Call("answers", "proxy2", session=B)
        lost.at = {"invited": 6.0, "ringing": 6.1, "answered": 7.5}
        stream = Stream(
            "tc",
            [
                event(1, "EventDialing"),
                event(2, "EventEstablished"),
                event(3, "EventReleased"),
            ],
        )
        verdict = judge(Calls([kept, lost]), {"node1": {"tc": stream}}, "node1", 5.0)
        self.assertEqual((verdict.established.all, verdict.established.kept), (1, 1))
        self.assertEqual((verdict.established.hurt, verdict.new.lost), (1, 1))
        self.assertEqual(verdict.slowest, 0.1)
        self.assertEqual(len(verdict.faults), 2, verdict.faults)
        self.assertIn("lost, new: answers by proxy2", verdict.faults[0])
        self.assertIn("node1, telephones: tc: answers", verdict.faults[1])

    def test_twice(self) -> None:
        """
        Who rang for a call that was made again elsewhere has been told of its end.
        """
        calls = Calls([], {A: {"rings": 1.0, "ended": 2.0}, B: {"rings": 1.0}})
        verdict = judge(calls, {}, "node1", 0.5)
        self.assertEqual(verdict.faults, [f"a call that nobody made: {B}"])
        self.assertEqual(list(verdict.figures.values()), [1])

    def test_manyFaults(self) -> None:
        """
        Of many faults of a kind some are told, and how many more there were.
        """
        verdict = Verdict()
        verdict.fault("x", map(str, range(9)))
        self.assertEqual(verdict.faults[-2:], ["x: 4", "x: and 4 more"])

    def test_page(self) -> None:
        """
        The page has a row for each cell, and says which did not go well.
        """
        good, bad = Verdict(), Verdict(faults=["lost *all*"])
        good.figures = {"took": 1.5, "sent": {"request OPTIONS": 2}}
        page = render(
            {
                "a": {"title": "all is well", **good.asTable()},
                "b": {"title": "nothing is", **bad.asTable()},
            },
            Plan(),
        )
        self.assertIn("   * - all is well\n", page)
        self.assertIn("     - **no**\n", page)
        self.assertIn("    * sent: 2 request OPTIONS\n", page)
        self.assertIn(r"**fault**: lost \*all\*", page)

    def test_cells(self) -> None:
        """
        Each cell has a name of its own.
        """
        self.assertEqual(len({cell.name for cell in CELLS}), len(list(CELLS)))


class TrunkTests(SynchronousTestCase):
    """
    The other end of the trunk.
    """

    def test_answers(self) -> None:
        """
        OPTIONS are answered, with what an answer repeats; nothing else is.
        """
        said = answer(b"OPTIONS sip:x SIP/2.0\r\nVia: a\r\nX: y\r\nTo: <z>\r\n\r\n")
        self.assertEqual(
            said,
            b"SIP/2.0 200 OK\r\nVia: a\r\nTo: <z>;tag=trunk\r\nContent-Length: 0"
            b"\r\n\r\n",
        )
        self.assertEqual(answer(b"INVITE sip:x SIP/2.0\r\n\r\n"), b"")


class CaptureTests(SynchronousTestCase):
    """
    Packets of a member that is not primary.
    """

    def packet(self, text: str, protocol: int = 17) -> dict[str, Any]:
        """
        As it leaves.
        """
        payload = text.encode()
        rest = b"\x13\xc4\x0b\xb8" + bytes(4)
        if protocol == 6:
            rest = b"\x0b\xb8\x13\xc4" + bytes(8) + b"\x50" + bytes(7)
        length = 20 + len(rest) + len(payload)
        head = b"\x45\0" + length.to_bytes(2, "big") + bytes(5) + bytes([protocol])
        found = packetOf(head + bytes(2) + b"\x0a\0\0\1\x0a\0\0\2" + rest + payload)
        assert found is not None
        return found

    def test_kinds(self) -> None:
        """
        Calls and events are of a primary; OPTIONS, refusals and the store are not.
        """
        said = "\r\nCSeq: 1 {}\r\n\r\n"
        packets = [
            self.packet("OPTIONS sip:x SIP/2.0" + said.format("OPTIONS")),
            self.packet("SIP/2.0 200 OK" + said.format("OPTIONS")),
            self.packet("SIP/2.0 503 No" + said.format("INVITE")),
            self.packet("BYE sip:x SIP/2.0" + said.format("BYE")),
            self.packet("SIP/2.0 200 OK" + said.format("INVITE")),
            self.packet("event", 6),
        ]
        self.assertEqual(
            [kindOf(packet) for packet in ofPrimary(packets)],
            ["request BYE", "response 200 to INVITE", "T-Library"],
        )
        self.assertEqual(packets[5]["to"], "10.0.0.2")

    def test_nothingInside(self) -> None:
        """
        What carries nothing is no packet of interest.
        """
        self.assertIsNone(packetOf(b"\x45" + bytes(8) + b"\x01" + bytes(30)))
        self.assertIsNone(packetOf(b""))
