"""
Tests for L{sipcluster.app.ladder}.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app import ladder

PROXY, NODE, PHONE = "192.0.2.11:5060", "192.0.2.21:5060", "192.0.2.1:40000"

UUID = "0123456789abcdef0123456789abcdef"


def message(app: str, second: float, way: str, remote: str, **keys: Any) -> Any:
    """
    The record of a SIP message.

    @param second: of its time.
    """
    return {
        "ts": f"2026-11-20T18:00:{second:09.6f}Z",
        "ns": "sipcluster.sip.message",
        "app": app,
        "dir": way,
        "local": PROXY if app == "proxy1" else NODE,
        "remote": remote,
        "msg": "INVITE sip:2@lab.example SIP/2.0",
        "text": "INVITE sip:2@lab.example SIP/2.0\r\n\r\nv=0",
        "callID": "a",
        "cseq": "1 INVITE",
        "branch": "z1",
        **keys,
    }


class LogFolder(SynchronousTestCase):
    """
    Logs in a folder.
    """

    def setUp(self) -> None:
        """
        An empty folder.
        """
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def write(self, name: str, *records: Any, age: float = 0) -> None:
        """
        Write the record of one process.

        @param age: seconds since it was written.
        """
        path = self.folder / name
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        os.utime(path, (1000 - age, 1000 - age))


class RelatedTests(LogFolder):
    """
    What belongs to a call is found over any number of steps.
    """

    def related(self, call: str) -> set[str]:
        """
        All ids of the call in the folder.
        """
        return ladder.related(ladder.logFiles([self.folder]), call)

    def test_transitive(self) -> None:
        """
        Call-ID to CallUUID to the other Call-ID, over several files.
        """
        self.write("a.jsonl", {"callID": "a", "callUUID": UUID})
        self.write(
            "b.jsonl",
            {"callID": "b", "callUUID": UUID.upper(), "connID": "00AB"},
            {"callID": "other", "callUUID": "f" * 32},
            {"callID": "b", "otherCallID": "c"},
        )
        everything = {"a", "b", "c", UUID, "00ab"}
        for one in ("a", "c", UUID, UUID.upper(), "00AB"):
            self.assertEqual(self.related(one), everything)
        self.assertEqual(self.related("other"), {"other", "f" * 32})
        self.assertEqual(self.related("nothing"), set())

    def test_nilBindsNothing(self) -> None:
        """
        The nil UUID of those who have none is no id.
        """
        self.write(
            "a.jsonl",
            {"callID": "a", "callUUID": ladder.NIL},
            {"callID": "b", "callUUID": ladder.NIL},
        )
        self.assertEqual(self.related("a"), {"a"})

    def test_brokenLines(self) -> None:
        """
        The last line of a process that was killed disturbs nobody.
        """
        (self.folder / "a.jsonl").write_text('{"callID": "a"}\n{"callID": "a", "te')
        files = ladder.logFiles([self.folder])
        self.assertEqual(self.related("a"), {"a"})
        self.assertEqual(ladder.records(files, {"a"}), [{"callID": "a"}])

    def test_rotatedFiles(self) -> None:
        """
        Rotated records are read too, the oldest first; other files are not.
        """
        self.write("a.jsonl", {"callID": "a", "n": 3})
        self.write("a.jsonl.1", {"callID": "a", "n": 2}, age=10)
        self.write("a.jsonl.10", {"callID": "a", "n": 1}, age=20)
        self.write("a.jsonl.gz", {"callID": "a", "n": 0})
        self.write("a.sip-proxy.log", {"callID": "a", "n": 0})
        found = ladder.records(ladder.logFiles([self.folder]), {"a"})
        self.assertEqual([record["n"] for record in found], [1, 2, 3])


class MessagesTests(SynchronousTestCase):
    """
    What one member sent and another received is one arrow.
    """

    def test_oneArrow(self) -> None:
        """
        Sent by one, received by the other, whichever wrote it down first.
        """
        found = [
            message("node1", 1.0, "in", PROXY),
            message("proxy1", 1.0, "out", NODE),
        ]
        (arrow,) = ladder.messages(found)
        self.assertEqual((arrow.source, arrow.target), ("proxy1", "node1"))
        self.assertEqual(arrow.label, "INVITE 2@lab.example (SDP)")
        self.assertFalse(arrow.lost)

    def test_retransmissions(self) -> None:
        """
        Each sending is one arrow; one that never came says so.
        """
        found = [
            message("proxy1", 1.0, "out", NODE),
            message("proxy1", 1.5, "out", NODE),
            message("node1", 1.6, "in", PROXY),
        ]
        self.assertEqual([a.lost for a in ladder.messages(found)], [False, True])

    def test_strangers(self) -> None:
        """
        A telephone has its address as its name; its messages are one record.
        """
        found = [
            message("proxy1", 1.0, "in", PHONE),
            message(
                "proxy1", 1.1, "out", PHONE, msg="SIP/2.0 100 Trying", text="SIP/2.0"
            ),
        ]
        arrows = ladder.messages(found)
        self.assertEqual(
            [(a.source, a.target, a.label, a.lost) for a in arrows],
            [
                (PHONE, "proxy1", "INVITE 2@lab.example (SDP)", False),
                ("proxy1", PHONE, "100 Trying (INVITE)", False),
            ],
        )

    def test_connectionsFromAnyPort(self) -> None:
        """
        A member that opened a connection is known by its host alone.
        """
        found = [
            message("proxy1", 1.0, "out", "192.0.2.21:5060"),
            message("node1", 1.1, "in", "192.0.2.11:49152"),
        ]
        (arrow,) = ladder.messages(found)
        self.assertEqual((arrow.source, arrow.target), ("proxy1", "node1"))

    def test_tlib(self) -> None:
        """
        T-Library messages stand between the SIP ones, with the client's name.
        """
        event = {
            "ts": "2026-11-20T18:00:00.9Z",
            "ns": "sipcluster.tlib.message",
            "app": "node1",
            "dir": "out",
            "local": "TCport",
            "remote": "desktop",
            "msg": "EventRinging (60)",
            "dn": "1002",
        }
        asked = {**event, "dir": "in", "msg": "RequestAnswerCall (16)", "dn": ""}
        found = [message("node1", 0.5, "in", PROXY), event, asked]
        drawn = ladder.messages(found)
        self.assertEqual(
            [(d.source, d.target, d.label) for d in drawn[1:]],
            [
                ("node1", "desktop", "EventRinging (60) 1002"),
                ("desktop", "node1", "RequestAnswerCall (16)"),
            ],
        )

    def test_tlibApplications(self) -> None:
        """
        An application is one column, whichever of its clients it was and how many,
        and what several applications got is an arrow to each.
        """
        event = {
            "ts": "2026-11-20T18:00:00.9Z",
            "ns": "sipcluster.tlib.message",
            "app": "node1",
            "dir": "out",
            "remote": "desktop at 192.0.2.1:4001, wall at [2001:db8::1]:5, "
            "desktop at 192.0.2.1:4002 and 12 more",
            "msg": "EventHeld (66)",
        }
        asked = {**event, "dir": "in", "remote": "desktop at 192.0.2.1:4003"}
        drawn = ladder.messages([message("node1", 0.5, "in", PROXY), event, asked])
        self.assertEqual(
            [(d.source, d.target) for d in drawn[1:]],
            [("node1", "desktop"), ("node1", "wall"), ("desktop", "node1")],
        )

    def test_notes(self) -> None:
        """
        Other records of the call stand between the arrows.
        """
        note = {"ts": "2026-11-20T18:00:01.0Z", "ns": "x", "app": "node1", "msg": "hi"}
        found = [note, message("node1", 0.5, "in", PROXY)]
        drawn = ladder.messages(found)
        self.assertEqual([(d.source, d.target) for d in drawn][1], ("node1", ""))


class DrawTests(SynchronousTestCase):
    """
    A ladder can be read.
    """

    def test_ladder(self) -> None:
        """
        Columns, arrows both ways over several columns, notes.
        """
        found = [
            message("proxy1", 1.0, "in", PHONE),
            message("proxy1", 1.25, "out", NODE),
            message("node1", 1.3, "in", PROXY),
            {
                "ts": "2026-11-20T18:00:01.400000Z",
                "ns": "sipcluster.sessioncontroller",
                "app": "node1",
                "msg": "a call begins",
            },
            message("node1", 1.5, "out", PHONE, msg="SIP/2.0 200 OK", text=""),
        ]
        drawn = ladder.messages(found)
        head, first, second, note, last = ladder.draw(drawn)
        for name in (PHONE, "proxy1", "node1"):
            self.assertIn(name, head)
        self.assertRegex(first, r"^18:00:01.000000 +\|-* INVITE 2@.* -*>\| +\|$")
        self.assertRegex(second, r"^18:00:01.250000 +\| +\|-* INVITE .* -*>\|$")
        self.assertRegex(note, r"\* a call begins$")
        self.assertRegex(last, r"^18:00:01.500000 +\|<-* 200 OK \(INVITE\) -*\|$")
        self.assertEqual({len(first), len(second), len(last)}, {len(last)})

    def test_verbose(self) -> None:
        """
        The whole messages follow their arrows.
        """
        drawn = ladder.messages([message("proxy1", 1.0, "in", PHONE)])
        lines = list(ladder.draw(drawn, verbose=True))
        self.assertEqual(lines[2].strip(), "INVITE sip:2@lab.example SIP/2.0")
        self.assertEqual(lines[-1], "")

    def test_toItself(self) -> None:
        """
        A message that a member sent to itself is no long arrow.
        """
        drawn = ladder.messages([message("proxy1", 1.0, "out", PROXY)])
        self.assertIn("|]", list(ladder.draw(drawn))[1])

    def test_lost(self) -> None:
        """
        What did not come says so.
        """
        found = [
            message("node1", 0.5, "in", PHONE, branch="z0", msg="ACK sip:2 SIP/2.0"),
            message("proxy1", 1.0, "out", NODE, msg="BYE 2 SIP/2.0"),
        ]
        self.assertIn("(not r", "\n".join(ladder.draw(ladder.messages(found))))
