"""
Tests for L{sipcluster.app.log_streams}.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.internet.task import Clock
from twisted.logger import Logger, LogLevel, LogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app.log_records import masked
from sipcluster.app.log_streams import (
    LogStreams,
    console,
    consoleOfFailures,
)
from sipcluster.app.settings import Log
from sipcluster.sip.framing import parseDatagram

INVITE = b"\r\n".join(
    [
        b"INVITE sip:1002@lab.example SIP/2.0",
        b"v: SIP/2.0/UDP 192.0.2.1:5060 ;rport; Branch=z9hG4bK1, SIP/2.0/UDP b",
        b"Via: SIP/2.0/UDP c;branch=z9hG4bK2",
        b"i: call@192.0.2.1",
        b"CSeq: 2 INVITE",
        b"Session-ID: 0123456789abcdef0123456789abcdef;remote=00",
        b'Authorization: Digest username="1001", Response="0a1b", nc=1,',
        b" response=00ff00ff",
        b"From: <sip:1001@lab.example>;tag=1",
        b"To: <sip:1002@lab.example>",
        b"Max-Forwards: 70",
        b"Content-Length: 0",
        b"",
        b"",
    ]
)

#: A wall-clock time, 2001-09-09T01:46:40.25Z.
NOW = 1000000000.25


@frozen
class FakeFlow:
    """
    As much of a flow as a trace wants.
    """

    transportName: str = "UDP"
    local: tuple[str, int] = ("192.0.2.11", 5060)
    remote: tuple[str, int] = ("2001:db8::1", 5070)


class LogStreamsTests(SynchronousTestCase):
    """
    L{LogStreams} writes each event to the record and to its subsystem's stream.
    """

    def setUp(self) -> None:
        """
        Streams into a folder, and a publisher of events.
        """
        self.folder = Path(self.mktemp())
        self.clock = Clock()
        self.streams = self.build()
        self.log = Logger(
            "sipcluster.sipproxy.proxy", observer=LogPublisher(self.streams)
        )

    def build(self, **settings: Any) -> LogStreams:
        """
        Streams with these settings.
        """
        return LogStreams(
            self.clock, lambda: NOW, "proxy1", Log(directory=self.folder, **settings)
        )

    def records(self) -> list[dict[str, Any]]:
        """
        What is in the record by now.
        """
        path = self.folder / "proxy1.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def test_folder(self) -> None:
        """
        Beginning makes the folder, and tells when that cannot be.
        """
        self.streams.startService()
        self.assertEqual(self.records(), [])
        self.streams.stopService()
        self.folder = self.folder / "proxy1.jsonl" / "below"
        self.assertRaises(OSError, self.build().startService)

    def test_tlib(self) -> None:
        """
        A T-Library message is a record, and stands in the stream of its port:
        CTI and TCO in the field's words.
        """
        text = "EventRinging (60)\n\tAttributeThisDN\t'1001'"
        self.assertTrue(self.streams.tlibWanted)
        self.assertFalse(self.build(tlibTrace=False).tlibWanted)
        self.streams.tlibMessage(
            "TCport", False, "desktop:0a1b", text, "0" * 16, "1" * 32, "1001", 7
        )
        self.streams.tlibMessage("default", True, "routing:0a1c", "LinkPoll (1000)")
        self.clock.advance(0.1)
        event, poll = self.records()
        self.assertEqual(
            event,
            {
                "ts": "2001-09-09T01:46:40.250000Z",
                "level": "debug",
                "ns": "sipcluster.tlib.message",
                "app": "proxy1",
                "msg": "EventRinging (60)",
                "dir": "out",
                "local": "TCport",
                "remote": "desktop:0a1b",
                "text": text,
                "connID": "0" * 16,
                "callUUID": "1" * 32,
                "dn": "1001",
                "ref": 7,
            },
        )
        self.assertEqual((poll["dir"], poll["local"]), ("in", "default"))
        for stream, shown in (
            ("t-controller", f"-> desktop:0a1b\n{text}\n"),
            ("session-controller", "<- routing:0a1c\nLinkPoll (1000)\n"),
        ):
            found = (self.folder / f"proxy1.{stream}.log").read_text()
            self.assertEqual(found, f"2001-09-09T01:46:40.250000Z {shown}")

    def test_tlibClients(self) -> None:
        """
        Which T-Library clients come, are refused and are cut off stands with the
        T-Controller, where operators are told to look.
        """
        log = Logger("sipcluster.tserver.link", observer=LogPublisher(self.streams))
        log.info("{client} has left", client="desktop at 192.0.2.1:4001")
        self.clock.advance(0.1)
        found = (self.folder / "proxy1.t-controller.log").read_text()
        self.assertIn("desktop at 192.0.2.1:4001 has left", found)

    def test_flatRecord(self) -> None:
        """
        An event is one flat object with its keys, bytes as text.
        """
        self.log.info("for {aor}", aor=b"sip:\xff", count=2, none=None, odd=[1])
        self.clock.advance(0.1)
        (record,) = self.records()
        self.assertRegex(record.pop("ts"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        self.assertEqual(
            record,
            {
                "level": "info",
                "ns": "sipcluster.sipproxy.proxy",
                "app": "proxy1",
                "msg": "for b'sip:\\xff'",
                "aor": "sip:\\xff",
                "count": 2,
                "none": None,
                "odd": "[1]",
            },
        )

    def test_textStream(self) -> None:
        """
        The subsystem's stream has a line for a person; what belongs to none goes
        to the system monitor.
        """
        self.log.warn("hello {who}", who="there")
        self.streams({"log_level": LogLevel.info, "log_format": "other"})
        self.streams.stopService()
        text = (self.folder / "proxy1.sip-proxy.log").read_text()
        self.assertIn("warn     [sipcluster.sipproxy.proxy] hello there\n", text)
        text = (self.folder / "proxy1.system-monitor.log").read_text()
        self.assertEqual(text, "2001-09-09T01:46:40.250000Z info     [-] other\n")

    def test_oldEvents(self) -> None:
        """
        The keys of Twisted's older log say nothing and are left out.
        """
        event = {
            "log_namespace": "log_legacy",
            "log_level": LogLevel.warn,
            "log_format": "x",
            "isError": 0,
        }
        self.streams(event)
        self.streams.stopService()
        self.assertEqual(set(self.records()[0]), {"ts", "level", "ns", "msg", "app"})

    def test_chatter(self) -> None:
        """
        What Twisted says of its own ports and factories is for those who debug.
        """
        for namespace in (
            "log_legacy",
            "twisted.application._client_service.ClientService",
            "twisted.web.client._HTTP11ClientFactory",
        ):
            event = {"log_namespace": namespace, "log_level": LogLevel.info}
            self.streams({**event, "log_format": "Starting factory"})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_failure(self) -> None:
        """
        An error of the program has its traceback in both.
        """
        try:
            raise ValueError("oops")
        except ValueError:
            self.log.failure("while testing", failure=Failure())
        self.streams.stopService()
        self.assertIn("ValueError: oops", self.records()[0]["traceback"])
        text = (self.folder / "proxy1.sip-proxy.log").read_text()
        self.assertIn("ValueError: oops", text)

    def test_levels(self) -> None:
        """
        What is below the level is not written.
        """
        self.log.debug("quiet")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.log.info("loud")
        self.clock.advance(0.1)
        self.assertEqual([record["msg"] for record in self.records()], ["loud"])

    def test_off(self) -> None:
        """
        Without a folder nothing is written, and messages are not even looked at.
        """
        streams = LogStreams(self.clock, lambda: NOW, "proxy1", Log())
        streams({"log_level": LogLevel.critical, "log_format": "x"})
        self.assertIsNone(streams.trace)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertIsNone(self.build(sipTrace=False).trace)

    def test_flushedSoon(self) -> None:
        """
        A line is written after at most 0.1 seconds, with those after it.
        """
        self.log.info("1")
        self.clock.advance(0.09)
        self.log.info("2")
        self.assertFalse(self.folder.exists())
        self.clock.advance(0.02)
        self.assertEqual([record["msg"] for record in self.records()], ["1", "2"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_writtenAtTheEnd(self) -> None:
        """
        Stopping writes what waits, and leaves no timer.
        """
        self.streams.stopService()
        self.log.info("1")
        self.streams.stopService()
        self.assertEqual(len(self.records()), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.streams.status(), {"failures": 0})

    def test_sipMessage(self) -> None:
        """
        A message in bytes has what tells its call in the record, and no secret.
        """
        trace = self.streams.trace
        assert trace is not None
        trace(True, INVITE, FakeFlow())
        self.streams.stopService()
        (record,) = self.records()
        text = record.pop("text")
        self.assertEqual(
            record,
            {
                "ts": "2001-09-09T01:46:40.250000Z",
                "level": "debug",
                "ns": "sipcluster.sip.message",
                "app": "proxy1",
                "msg": "INVITE sip:1002@lab.example SIP/2.0",
                "dir": "in",
                "transport": "UDP",
                "local": "192.0.2.11:5060",
                "remote": "[2001:db8::1]:5070",
                "callID": "call@192.0.2.1",
                "callUUID": "0123456789abcdef0123456789abcdef",
                "cseq": "2 INVITE",
                "branch": "z9hG4bK1",
            },
        )
        self.assertEqual(text.encode(), masked(INVITE))
        stream = (self.folder / "proxy1.call-manager.log").read_bytes()
        self.assertEqual(
            stream,
            b"2001-09-09T01:46:40.250000Z <- UDP [2001:db8::1]:5070\n"
            + masked(INVITE)
            + b"\n",
        )

    def test_parsedMessage(self) -> None:
        """
        A parsed message is written as it is rendered.
        """
        message = parseDatagram(INVITE)
        self.streams.sipMessage(False, message, FakeFlow())
        self.streams.stopService()
        (record,) = self.records()
        self.assertEqual((record["dir"], record["callID"]), ("out", "call@192.0.2.1"))

    def test_optionsAreTheServiceCheckers(self) -> None:
        """
        OPTIONS and their answers have a stream of their own.
        """
        message = b"SIP/2.0 200 OK\r\nCSeq: 1 OPTIONS\r\n\r\n"
        self.streams.sipMessage(False, message, FakeFlow())
        self.streams.stopService()
        stream = (self.folder / "proxy1.service-checker.log").read_bytes()
        self.assertIn(b"-> UDP", stream)

    def test_garbage(self) -> None:
        """
        Bytes that are no message are written as they are.
        """
        self.streams.sipMessage(True, b"\xff\x00:junk", FakeFlow())
        self.streams.stopService()
        (record,) = self.records()
        self.assertEqual(record["text"], "\\xff\x00:junk")
        self.assertNotIn("callID", record)


class MaskTests(SynchronousTestCase):
    """
    L{masked} leaves no secret.
    """

    def test_responses(self) -> None:
        """
        The digest response is gone, however it is spelled; the rest stays.
        """
        found = masked(INVITE)
        self.assertNotIn(b"0a1b", found)
        self.assertNotIn(b"00ff", found)
        self.assertIn(b'Response="***", nc=1', found)
        proxy = b'PROXY-AUTHORIZATION: Digest nonce="n", response = "ab'
        self.assertEqual(
            masked(proxy), b'PROXY-AUTHORIZATION: Digest nonce="n", response = "***"'
        )

    def test_othersKeepTheirWords(self) -> None:
        """
        A message without credentials is not touched.
        """
        message = b"MESSAGE sip:a SIP/2.0\r\n\r\nresponse=yes"
        self.assertIs(masked(message), message)

    def test_mediaKeys(self) -> None:
        """
        The keys of a=crypto lines are gone.
        """
        line = (
            b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3|2^20|1:4\r\n"
        )
        self.assertEqual(
            masked(line),
            b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***|2^20|1:4\r\n",
        )


class ConsoleTests(SynchronousTestCase):
    """
    The console shows what a person wants to see at once.
    """

    def setUp(self) -> None:
        """
        Catch standard output.
        """
        self.out = io.StringIO()
        self.patch(sys, "stdout", self.out)

    def event(self, level: LogLevel, namespace: str, text: str) -> dict[str, Any]:
        """
        One event.
        """
        return {
            "log_level": level,
            "log_namespace": namespace,
            "log_format": text,
            "log_time": NOW,
        }

    def test_information(self) -> None:
        """
        Information about processes is shown, of calls and of Twisted only what
        is worse.
        """
        observer = console()
        observer(self.event(LogLevel.debug, "sipcluster.app.process", "a"))
        observer(self.event(LogLevel.info, "sipcluster.app.process", "b"))
        observer(self.event(LogLevel.info, "sipcluster.sessioncontroller.call", "c"))
        observer(self.event(LogLevel.info, "twisted.web", "c"))
        observer(self.event(LogLevel.warn, "twisted.web", "d"))
        event = self.event(LogLevel.info, "twisted.runner.procmon", "[{tag}] {line}")
        observer({**event, "tag": "node1", "line": ""})
        observer({**event, "tag": "node1", "line": "e"})
        lines = self.out.getvalue().splitlines()
        self.assertEqual([line[9:] for line in lines], ["b", "d", "[node1] e"])

    def test_failures(self) -> None:
        """
        A member of a lab shows failures, with tracebacks.
        """
        observer = consoleOfFailures()
        observer(self.event(LogLevel.error, "sipcluster.app", "a"))
        event = self.event(LogLevel.critical, "sipcluster.app", "b")
        observer({**event, "log_failure": Failure(ValueError("oops"))})
        self.assertIn(" b\n", self.out.getvalue())
        self.assertIn("ValueError: oops", self.out.getvalue())

    def test_outputIsTakenEarly(self) -> None:
        """
        C{twistd} puts the log in the place of standard output later.
        """
        observer = console()
        self.patch(sys, "stdout", None)
        observer(self.event(LogLevel.info, "sipcluster.app.x", "b"))
        self.assertIn(" b\n", self.out.getvalue())
