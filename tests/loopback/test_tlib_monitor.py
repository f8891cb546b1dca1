"""
C{sipclusterctl tlib} against a T-Library port.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, deferLater
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from sipcluster.app import tlib_session
from sipcluster.app.control import parser
from sipcluster.app.control_cluster import Cluster, Refused
from sipcluster.app.tlib_monitor import work
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventDialing,
    EventHeld,
    EventReleased,
    EventRinging,
    Message,
    RequestHoldCall,
    RequestMakeCall,
    RequestReleaseCall,
)
from sipcluster.tserver.itserver import ClientView, IRequests
from sipcluster.wire.correlation import Requester
from tests.loopback.processes import Running
from tests.loopback.tlib_port import Port

reactor: Any = _reactor


@implementer(IRequests)
class Calls:
    """
    A switch of a few lines: each call gets another ConnID, and held is what exists.
    """

    numbers = (
        RequestMakeCall.number,
        RequestHoldCall.number,
        RequestReleaseCall.number,
    )

    def __init__(self, port: Port) -> None:
        self._server = port.server
        self.calls = 0
        self.failing = False

    def requested(self, request: Any, requester: Requester, client: ClientView) -> None:
        server, dn = self._server, request.thisDN
        connID = f"{self.calls:016x}"
        if isinstance(request, RequestMakeCall):
            self.calls += 1
            connID = f"{self.calls:016x}"
            server.publish(dn, EventDialing(thisDN=dn, connID=connID), requester)
            other = request.otherDN or ""
            server.publish(other, EventRinging(thisDN=other, connID=connID))
        elif request.connID != connID:
            server.refuse(requester, TErrorCode.INVALID_CONNID)
        elif isinstance(request, RequestHoldCall):
            event: Message = EventHeld(thisDN=dn, connID=connID)
            if self.failing:
                event = EventReleased(thisDN=dn, connID=connID)
            server.publish(dn, event, requester)
        else:
            server.publish(dn, EventReleased(thisDN=dn, connID=connID), requester)


class MonitorTests(TestCase):
    """
    Each action, in this process.
    """

    timeout = 30

    async def setUp(self) -> None:  # type: ignore[override] # trial takes both
        """
        A port, a password and an empty folder.
        """
        self.port = Port()
        self.calls = Calls(self.port)
        self.port.server.add(self.calls)
        self.number = await self.port.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.port.stop()))
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        (self.folder / "password").write_text("secret\n")
        self.out: list[str] = []
        self.err = io.StringIO()
        self.patch(sys, "stderr", self.err)

    async def do(self, *words: str, **more: str) -> int:
        """
        One command.

        @return: its exit status.
        """
        options = {
            "address": f"127.0.0.1:{self.number}",
            "application": "recorder",
            "password-file": str(self.folder / "password"),
            **more,
        }
        line = ["tlib"]
        for name, value in options.items():
            line += [f"--{name}", value]
        given = parser().parse_args([*line, *words])
        return await work(reactor, Cluster(given), given, self.write)

    def write(self, text: str) -> None:
        """
        Take what is printed.
        """
        self.out.append(text)

    def soon(self, happens: Callable[[], object]) -> None:
        """
        Do something when the DN 1001 is registered.
        """

        def look() -> None:
            if self.port.server.watched("1001"):
                loop.stop()
                happens()

        loop = LoopingCall(look)
        loop.start(0.01)

    async def sessionsEnd(self) -> None:
        """
        Wait until the server has none.
        """
        while self.port.server.sessions:
            await deferLater(reactor, 0.01)

    def lines(self) -> list[str]:
        """
        The first line of each message that was printed.
        """
        return [text.split("\n")[1] for text in self.out]

    async def test_monitor(self) -> None:
        """
        Events of the DNs are printed in the field's look, after the moment.
        """
        event = EventRinging(thisDN="1001", callID=5)
        self.soon(lambda: self.port.server.publish("1001", event))
        status = await self.do("monitor", "1001", "1001", events="2")
        self.assertEqual(status, 0)
        self.assertEqual(
            self.lines(),
            [
                "EventLinkConnected (95)",
                "EventRegistered (53)",
                "EventRinging (60)",
            ],
        )
        self.assertRegex(
            self.out[2],
            r"^@\d\d:\d\d:\d\d\.\d{4}\n"
            r"EventRinging \(60\)\n"
            r"\tAttributeEventSequenceNumber\t0000000000000002\n"
            r"[^$]*\tAttributeThisDN\t'1001'\n",
        )
        self.assertIn("linked to sipcluster", self.err.getvalue())
        await self.sessionsEnd()

    async def test_json(self) -> None:
        """
        For programs, one line of JSON for each.
        """
        await self.do("--json", "monitor", "1001", events="1")
        found = [json.loads(line) for line in self.out]
        self.assertEqual([one["name"] for one in found][1], "EventRegistered")
        self.assertEqual(found[1]["attributes"]["ThisDN"], "1001")

    async def test_seconds(self) -> None:
        """
        It ends by itself; a DN that the switch does not have is told.
        """
        status = await self.do("monitor", "x", seconds="0.3")
        self.assertEqual(status, 1)
        self.assertIn("x: 59 DN is not configured", self.err.getvalue())

    async def test_send(self) -> None:
        """
        A request is sent, its DN registered before, and its answer printed.
        """
        status = await self.do("send", "MakeCall", "thisDN=1001", "otherDN=1002")
        self.assertEqual(status, 0)
        self.assertEqual(self.lines()[-1], "EventDialing (61)")

    async def test_sendAndStay(self) -> None:
        """
        With C{--stay} the DN is watched after that.
        """
        words = ("MakeCall", "thisDN=1001", "otherDN=1001")
        status = await self.do("send", *words, "--stay", events="3")
        self.assertEqual(status, 0)
        self.assertEqual(self.lines()[-2:], ["EventDialing (61)", "EventRinging (60)"])

    async def test_refused(self) -> None:
        """
        A refusal is told, and is the exit status.
        """
        words = ("HoldCall", "thisDN=1001", f"connID={'7' * 16}")
        self.assertEqual(await self.do("send", *words), 1)
        self.assertIn("RequestHoldCall: 56", self.err.getvalue())

    async def test_wrongPassword(self) -> None:
        """
        So is a server that does not want us.
        """
        (self.folder / "password").write_text("wrong")
        self.assertEqual(await self.do("monitor", "1001"), 1)
        self.assertIn("119 Bad password", self.err.getvalue())

    async def test_nobody(self) -> None:
        """
        A port that nobody listens at is told after a while.
        """
        self.patch(tlib_session, "LINK", 0.1)
        self.assertEqual(await self.do("monitor", "1", address="127.0.0.1:1"), 1)
        self.assertIn("no link to 127.0.0.1:1 in 0.1 seconds: ", self.err.getvalue())

    async def test_oneOfTwo(self) -> None:
        """
        So is one of several ports, and the others are watched.
        """
        self.patch(tlib_session, "LINK", 0.2)
        words = ("--address", "127.0.0.1:1", "--seconds", "0.5")
        self.assertEqual(await self.do(*words, "monitor", "1001"), 0)
        self.assertIn("linked to sipcluster", self.err.getvalue())
        self.assertIn("no link to 127.0.0.1:1 in 0.2 seconds: ", self.err.getvalue())

    async def test_pipe(self) -> None:
        """
        Whoever has seen enough may close the pipe.
        """

        def write(text: str) -> None:
            raise BrokenPipeError

        self.write = write  # type: ignore[method-assign]
        self.assertEqual(await self.do("monitor", "1001"), 0)

    async def record(self) -> str:
        """
        Record a session with requests.
        """
        file = str(self.folder / "session")
        status = await self.do(
            *("record", file, "1001", "1002"),
            *("--do", "MakeCall thisDN=1001 otherDN=1002", "--do", "wait 0.05"),
            *("--do", f"HoldCall thisDN=1001 connID={1:016x}"),
            *("--do", f"ReleaseCall thisDN=1001 connID={1:016x}"),
        )
        self.assertEqual(status, 0, self.err.getvalue())
        del self.out[:]
        return file

    async def test_replay(self) -> None:
        """
        A record is printed as it was, requests among the events.
        """
        file = await self.record()
        self.assertEqual(await self.do("replay", file, "--speed", "20"), 0)
        self.assertEqual(
            self.lines(),
            [
                *("EventLinkConnected (95)", *["EventRegistered (53)"] * 2),
                *("RequestMakeCall (14)", "EventDialing (61)", "EventRinging (60)"),
                *("RequestHoldCall (18)", "EventHeld (66)"),
                *("RequestReleaseCall (17)", "EventReleased (65)"),
            ],
        )
        self.assertIn(" sent\n", self.out[3])
        self.assertNotIn(" sent\n", self.out[4])
        self.assertEqual(self.calls.calls, 1)

    async def test_playAgain(self) -> None:
        """
        Its requests can be sent again, with the names that things have now, and the
        same events are expected.
        """
        file = await self.record()
        status = await self.do("replay", file, "--send")
        self.assertEqual(status, 0, self.err.getvalue())
        self.assertEqual(self.calls.calls, 2)
        self.assertEqual(
            self.out[-1],
            "6 events in the record: 6 came again, 0 are missing, 0 are new\n",
        )

    async def test_playAgainOtherwise(self) -> None:
        """
        When other events come, they are named.
        """
        self.patch(tlib_session, "PATIENCE", 0.1)
        file = await self.record()
        self.calls.failing = True
        self.assertEqual(await self.do("replay", file, "--send"), 1)
        self.assertEqual(
            self.out[-3:],
            [
                "missing: EventHeld of 1001\n",
                "not in the record: EventReleased of 1001\n",
                "6 events in the record: 5 came again, 1 are missing, 1 are new\n",
            ],
        )

    async def test_mistakes(self) -> None:
        """
        What cannot be done is refused before anybody connects.
        """
        there = self.folder / "there"
        there.write_text("{}")
        for words, more, why in (
            (("send", "Xyzzy"), {}, "no request Xyzzy"),
            (("replay", "/nowhere"), {}, "/nowhere"),
            (("replay", str(there)), {}, "not a recorded T-Library session"),
            (("record", str(there), "1001"), {}, "File exists"),
            (("record", "x", "1", "--do", "wait x"), {}, "want wait SECONDS"),
            (("record", "x", "1", "--do", ""), {}, "no request"),
            (("monitor", "1"), {"address": "somewhere"}, "want HOST:PORT"),
            (("monitor", "1"), {"password-file": "/nowhere"}, "/nowhere"),
            (("monitor", "1"), {"ca": str(there)}, "holds no CA certificates"),
        ):
            with self.assertRaises(Refused) as caught:
                await self.do(*words, **more)
            self.assertIn(why, str(caught.exception))
        self.assertEqual(self.port.server.counts["sessions"], 0)

    async def test_command(self) -> None:
        """
        The command of the shell ends at SIGINT, its session with it.
        """
        process = Running(
            [
                sys.executable,
                "-c",
                "import sys; from sipcluster.app.control import main; sys.exit(main())",
                *("tlib", "--address", f"127.0.0.1:{self.number}"),
                *("--application", "recorder"),
                *("--password-file", str((self.folder / "password").absolute())),
                *("monitor", "1001"),
            ]
        )
        self.addCleanup(process.kill)
        await process.says("EventRegistered (53)")
        process.signal("INT")
        self.assertEqual(await process.ended, 0, process.err)
        await self.sessionsEnd()
