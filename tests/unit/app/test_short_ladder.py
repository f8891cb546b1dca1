"""
Tests for L{sipcluster.app.short_ladder}.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app.short_ladder import drawShortly, shortly

PROXY, NODE, OTHER, MEDIA = (f"192.0.2.{last}:5060" for last in (11, 21, 23, 31))
ALICE, BOB = "192.0.2.101:5060", "192.0.2.102:5060"
AT = {"proxy1": PROXY, "node1a": NODE, "node1b": OTHER, "media1": MEDIA}

SDP = "v=0\r\nm=audio 4000 RTP/AVP 0\r\n"


class Story:
    """
    Records of messages, a second after another.
    """

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []
        self._seconds = count()

    def record(self, app: str, ns: str, **keys: Any) -> None:
        """
        One record.
        """
        second = next(self._seconds)
        ts = f"2026-11-20T18:{second // 60:02}:{second % 60:02}.000000Z"
        self.found.append({"ts": ts, "app": app, "ns": ns, **keys})

    def sip(
        self,
        app: str,
        way: str,
        remote: str,
        msg: str,
        cseq: str = "1 INVITE",
        users: tuple[str, str] = ("1001", "1002"),
        tags: tuple[str, str] = ("a", ""),
        call: str = "one",
        body: str = "",
        more: str = "",
    ) -> None:
        """
        One process has seen a SIP message.
        """
        caller, called = (
            f"<sip:{user}@lab.example>" + (f";tag={tag}" if tag else "")
            for user, tag in zip(users, tags, strict=True)
        )
        head = f"{msg}\r\nFrom: {caller}\r\nTo: {called}\r\n{more}\r\n{body}"
        self.record(
            app,
            "sipcluster.sip.message",
            dir=way,
            local=AT[app],
            remote=remote,
            msg=msg,
            text=head,
            callID=call,
            cseq=cseq,
        )

    def through(self, sender: str, receiver: str, msg: str, **keys: Any) -> None:
        """
        A SIP Proxy passes a message on, from an address to another one; members
        write it down.
        """
        members = {address: app for app, address in AT.items()}
        if sender in members:
            self.sip(members[sender], "out", PROXY, msg, **keys)
        self.sip("proxy1", "in", sender, msg, **keys)
        self.sip("proxy1", "out", receiver, msg, **keys)
        if receiver in members:
            self.sip(members[receiver], "in", PROXY, msg, **keys)

    def event(
        self, app: str, name: str, dn: str, way: str = "out", conn: str = ""
    ) -> None:
        """
        A T-Library message.
        """
        self.record(
            app,
            "sipcluster.tlib.message",
            dir=way,
            local="TCport",
            remote="desktop at 192.0.2.1:4",
            msg=name,
            dn=dn,
            connID=conn,
        )

    def arrows(self) -> list[tuple[str, str, str]]:
        """
        What the short ladder has.
        """
        return [(one.source, one.target, one.label) for one in shortly(self.found)]


INVITE = "INVITE sip:1002@lab.example SIP/2.0"


class ShortLadderTests(SynchronousTestCase):
    """
    From end to end.
    """

    def setUp(self) -> None:
        """
        An empty story.
        """
        self.story = Story()

    def test_fromEndToEnd(self) -> None:
        """
        A message has one arrow, however many processes it has passed; telephones
        are named as their numbers; 100 and ACK are left out.
        """
        say = self.story.through
        say(ALICE, NODE, INVITE, body=SDP)
        self.story.sip("proxy1", "out", ALICE, "SIP/2.0 100 Trying")
        out = {"call": "two", "tags": ("n", "")}
        say(NODE, BOB, "INVITE sip:1002-0x5@192.0.2.102 SIP/2.0", body=SDP, **out)
        say(BOB, NODE, "SIP/2.0 200 OK", body=SDP, **out)
        say(NODE, BOB, "ACK sip:1002@192.0.2.102 SIP/2.0", cseq="1 ACK", **out)
        hold = SDP + "a=sendonly\r\n"
        inside = {"call": "two", "tags": ("b", "n"), "users": ("1002", "1001")}
        say(BOB, NODE, "INVITE sip:n SIP/2.0", cseq="7 INVITE", body=hold, **inside)
        self.assertEqual(
            self.story.arrows(),
            [
                ("1001", "node1a", "INVITE 1002 (SDP)"),
                ("node1a", "1002", "INVITE 1002-0x5 (SDP)"),
                ("1002", "node1a", "200 OK (INVITE) (SDP)"),
                ("1002", "node1a", "re-INVITE (SDP sendonly)"),
            ],
        )

    def test_challenges(self) -> None:
        """
        A challenge that was answered is left out, one that was not is there.
        """
        say = self.story.through
        say(ALICE, NODE, INVITE)
        say(NODE, ALICE, "SIP/2.0 401 Unauthorized")
        self.assertEqual(len(self.story.arrows()), 2)
        say(ALICE, NODE, INVITE, cseq="2 INVITE")
        self.assertEqual(self.story.arrows(), [("1001", "node1a", "INVITE 1002")])

    def test_mediaServers(self) -> None:
        """
        What a media server is told, and answers, also by two members of a pair.
        """
        asked = "INVITE sip:msml@192.0.2.31 SIP/2.0"
        self.story.through(NODE, MEDIA, asked)
        self.story.through(MEDIA, NODE, "SIP/2.0 200 OK", body=SDP)
        more: dict[str, Any] = {"tags": ("a", "m"), "cseq": "2 INFO"}
        self.story.through(OTHER, MEDIA, "INFO sip:media SIP/2.0", **more)
        self.story.through(MEDIA, OTHER, "SIP/2.0 200 OK", **more)
        self.assertEqual(
            self.story.arrows(),
            [
                ("node1a", "media1", "INVITE msml"),
                ("media1", "node1a", "200 OK (INVITE) (SDP)"),
                ("node1b", "media1", "INFO"),
                ("media1", "node1b", "200 OK (INFO)"),
            ],
        )

    def test_transfers(self) -> None:
        """
        REFER says where to, NOTIFY how far it is.
        """
        self.story.through(ALICE, NODE, INVITE)
        self.story.through(
            ALICE,
            NODE,
            "REFER sip:n SIP/2.0",
            cseq="2 REFER",
            tags=("a", "n"),
            more="Refer-To: <sip:1003@lab.example>\r\n",
        )
        self.story.through(
            NODE,
            ALICE,
            "NOTIFY sip:1001 SIP/2.0",
            cseq="1 NOTIFY",
            tags=("n", "a"),
            body="SIP/2.0 180 Ringing\r\n",
        )
        self.assertEqual(
            self.story.arrows()[1:],
            [
                ("1001", "node1a", "REFER 1003"),
                ("node1a", "1001", "NOTIFY 180 Ringing"),
            ],
        )

    def test_lastOfAKilledProcess(self) -> None:
        """
        What a SIP Proxy gave to a node that could not write it down any more, and
        what it was given.
        """
        self.story.through(ALICE, NODE, INVITE)
        inside: dict[str, Any] = {"cseq": "2 BYE", "tags": ("a", "n")}
        for way, remote in (("in", ALICE), ("out", NODE)):
            self.story.sip("proxy1", way, remote, "BYE sip:n SIP/2.0", **inside)
        for way, remote in (("in", NODE), ("out", ALICE)):
            self.story.sip("proxy1", way, remote, "SIP/2.0 200 OK", **inside)
        self.assertEqual(
            self.story.arrows()[1:],
            [
                ("1001", "node1a", "BYE (not received)"),
                ("node1a", "1001", "200 OK (BYE)"),
            ],
        )

    def test_withoutANode(self) -> None:
        """
        A call that no node was given is drawn whole.
        """
        self.story.sip("proxy1", "in", ALICE, INVITE)
        self.story.sip("proxy1", "out", ALICE, "SIP/2.0 503 Service Unavailable")
        self.story.sip("proxy1", "out", BOB, INVITE)
        self.assertEqual(len(self.story.arrows()), 3)

    def test_clientsAndNotes(self) -> None:
        """
        Handsets and notes are left out, warnings are not; numbers of messages
        neither are shown.
        """
        self.story.event("node1a", "EventOffHook (86)", "1001")
        self.story.event("node1a", "EventDialing (61)", "1001")
        self.story.event("node1a", "RequestHoldCall (5)", "1001", "in")
        self.story.record("node1a", "sipcluster.x", level="info", msg="quiet")
        self.story.record("node1a", "sipcluster.x", level="warn", msg="loud")
        self.assertEqual(
            self.story.arrows(),
            [
                ("node1a", "desktop", "EventDialing 1001"),
                ("desktop", "node1a", "RequestHoldCall 1001"),
                ("node1a", "", "loud"),
            ],
        )

    def test_drawing(self) -> None:
        """
        Clients stand at the left; columns are as narrow as their words allow.
        """
        self.story.through(ALICE, NODE, INVITE)
        self.story.event("node1a", "EventDialing (61)", "1001")
        self.story.record("node1a", "sipcluster.x", level="warn", msg="loud")
        drawn = list(drawShortly(shortly(self.story.found)))
        self.assertEqual(
            drawn,
            [
                "               desktop    1001             node1a",
                "18:00:02.000      |         |- INVITE 1002 -->|",
                "18:00:03.000      |<--- EventDialing 1001 ----|",
                "18:00:04.000      |         |                 * loud",
            ],
        )

    def test_severalCalls(self) -> None:
        """
        Where there are several calls, events say of which they are.
        """
        for conn in ("0a", "0b", "0a"):
            self.story.event("node1a", "EventReleased (65)", "1001", conn=conn)
        drawn = list(drawShortly(shortly(self.story.found)))
        self.assertEqual(drawn[:2], ["c1 is 0a", "c2 is 0b"])
        self.assertEqual(
            [line.partition("EventReleased ")[2].split(" -")[0] for line in drawn[3:]],
            ["1001 c1", "1001 c2", "1001 c1"],
        )

    def test_empty(self) -> None:
        """
        Nothing is an empty ladder.
        """
        self.assertEqual([line.strip() for line in drawShortly([])], [""])
