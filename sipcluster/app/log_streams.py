"""
What a process writes down: one record of JSON lines, and one text stream for each
subsystem.

The record C{NAME.jsonl} has one flat object a line.  The text streams carry the
names of the field's log threads: C{NAME.session-controller.log},
C{NAME.call-manager.log} with the SIP messages, and so on.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

import msgspec
from twisted.internet.interfaces import IReactorTime
from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    formatEvent,
)
from zope.interface import implementer

from sipcluster.app.log_files import LogFile
from sipcluster.app.settings import Log

#: Seconds that a line waits to be written at most.
DELAY = 0.1

#: Text streams by log namespace; the longest that fits is taken.
SUBSYSTEMS = {
    "sipcluster.sessioncontroller": "session-controller",
    "sipcluster.sip": "call-manager",
    "sipcluster.servicecheck": "service-checker",
    "sipcluster.net": "transport",
    "sipcluster.sipproxy": "sip-proxy",
    "sipcluster.registrar": "registrar",
    "sipcluster.cluster": "cluster",
    "sipcluster.interactionproxy": "interaction-proxy",
    "sipcluster.tcontroller": "t-controller",
    "sipcluster.smartproxy": "smart-proxy",
}

#: The stream of everything else: the process itself, Twisted.
OTHERS = "system-monitor"

#: The namespace of the record of a SIP message.
MESSAGES = "sipcluster.sip.message"

_LEVELS = {level: index for index, level in enumerate(LogLevel.iterconstants())}

_BRANCH = re.compile(r"(?i);\s*branch\s*=\s*([^\s;,]+)")

_WARN = _LEVELS[LogLevel.warn]

#: Whose information is for those who debug: Twisted's own about ports and
#: factories.
_CHATTER = ("log_legacy", "twisted.web.", "twisted.names.")

#: Whose information a person wants to see at once; not what comes with each call.
_SHOWN = ("sipcluster.app.", "sipcluster.servicecheck.", "twisted.runner.procmon")

#: Values that no log may hold: digest responses and media keys.
_RESPONSE = re.compile(rb'(?i)(\bresponse\s*=\s*)(?:"[^"]*"?|[^\s,;"]+)')
_KEY = re.compile(rb"(?i)(\binline:)[^\s|;]+")


def masked(data: bytes) -> bytes:
    """
    A SIP message without its secrets: the C{response} of Authorization and
    Proxy-Authorization, and the keys of C{a=crypto} lines (RFC 4568).
    """
    lower = data.lower()
    if b"authorization" in lower:
        data = _RESPONSE.sub(rb'\1"***"', data)
    if b"inline:" in lower:
        data = _KEY.sub(rb"\1***", data)
    return data


class _Stamps:
    """
    Renders times as UTC, the expensive part once a second.
    """

    def __init__(self) -> None:
        self._second = -1
        self._rendered = ""

    def __call__(self, seconds: float) -> str:
        whole = int(seconds)
        if whole != self._second:
            self._second = whole
            self._rendered = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
        return f"{self._rendered}.{int((seconds - whole) * 1000000):06d}Z"


def text(value: object) -> object:
    """
    A value as JSON can hold it: bytes and all else that is no plain value become
    strings.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


class SIPRecord(msgspec.Struct, omit_defaults=True):
    """
    One SIP message in the record.
    """

    ts: str
    level: str
    ns: str
    app: str
    msg: str
    dir: str
    transport: str
    local: str
    remote: str
    text: str
    callID: str = ""
    callUUID: str = ""
    cseq: str = ""
    branch: str = ""


@implementer(ILogObserver)
class LogStreams:
    """
    Takes the log events of a process, and its SIP messages by a way of their own.

    @ivar trace: takes every SIP message, as C{SIPTransport} wants it; L{None}
        when messages are not wanted, so that they cost nothing.
    """

    def __init__(
        self,
        clock: IReactorTime,
        wallTime: Callable[[], float],
        name: str,
        settings: Log,
    ) -> None:
        self._clock = clock
        self._wallTime = wallTime
        self._name = name
        self._settings = settings
        self._least = _LEVELS[LogLevel.lookupByName(settings.level)]
        self._stamp = _Stamps()
        self._encode = msgspec.json.Encoder().encode
        self._files: dict[str, LogFile] = {}
        self._streamOf: dict[str, str] = {}
        self._flushing: Any = None
        self._on = settings.directory is not None
        wanted = self._on and settings.sipTrace
        self.trace: Callable[[bool, Any, Any], None] | None = (
            self.sipMessage if wanted else None
        )

    def __call__(self, event: LogEvent) -> None:
        """
        Take one log event.
        """
        level = event.get("log_level", LogLevel.info)
        namespace = str(event.get("log_namespace") or "-")
        if level is LogLevel.info and namespace.startswith(_CHATTER):
            level = LogLevel.debug
        if not self._on or _LEVELS[level] < self._least:
            return
        stamp = self._stamp(event.get("log_time") or self._wallTime())
        message = formatEvent(event)
        record = {
            "ts": stamp,
            "level": level.name,
            "ns": namespace,
            "msg": message,
        }
        if namespace != "log_legacy":
            for key, value in event.items():
                if not key.startswith("log_") and key not in record:
                    record[key] = text(value)
        record["app"] = self._name
        if "log_failure" in event:
            record["traceback"] = event["log_failure"].getTraceback()
            message = f"{message}\n{record['traceback']}"
        self._append("", self._encode(record) + b"\n")
        line = f"{stamp} {level.name:8} [{namespace}] {message}\n"
        self._append(self._stream(namespace), line.encode("utf-8", "replace"))

    def sipMessage(self, incoming: bool, message: Any, flow: Any) -> None:
        """
        Take one SIP message.

        @param message: a request or a response, or the bytes of one, or bytes
            that are neither.
        """
        raw = message if isinstance(message, bytes) else message.render()
        data = masked(raw)
        shown = data.decode("utf-8", "backslashreplace")
        record = SIPRecord(
            self._stamp(self._wallTime()),
            "debug",
            MESSAGES,
            self._name,
            shown.partition("\r\n")[0],
            "in" if incoming else "out",
            flow.transportName,
            _place(flow.local),
            _place(flow.remote),
            shown,
        )
        _identify(record, shown)
        self._append("", self._encode(record) + b"\n")
        arrow = "<-" if incoming else "->"
        head = f"{record.ts} {arrow} {record.transport} {record.remote}\n"
        stream = "service-checker" if "OPTIONS" in record.cseq else "call-manager"
        self._append(stream, head.encode("ascii") + data + b"\n")

    def startService(self) -> None:
        """
        Begin; called once.

        @raise OSError: the folder cannot be made, or nothing be written there.
            Later failures are counted only.
        """
        if self._settings.directory is not None:
            self._file("").open()

    def stopService(self) -> None:
        """
        Write what waits, and close the files.
        """
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        for file in self._files.values():
            file.close()

    def status(self) -> dict[str, object]:
        """
        Writes that failed.
        """
        return {"failures": sum(file.failures for file in self._files.values())}

    def _stream(self, namespace: str) -> str:
        stream = self._streamOf.get(namespace)
        if stream is None:
            room = ".".join(namespace.split(".")[:2])
            stream = self._streamOf[namespace] = SUBSYSTEMS.get(room, OTHERS)
        return stream

    def _file(self, stream: str) -> LogFile:
        file = self._files.get(stream)
        if file is None:
            directory = self._settings.directory
            assert directory is not None
            name = f"{self._name}.{stream}.log" if stream else f"{self._name}.jsonl"
            file = self._files[stream] = LogFile(
                directory / name, self._settings.maxSize, self._settings.retention
            )
        return file

    def _append(self, stream: str, line: bytes) -> None:
        (self._files.get(stream) or self._file(stream)).append(line)
        if self._flushing is None:
            self._flushing = self._clock.callLater(DELAY, self._flush)

    def _flush(self) -> None:
        self._flushing = None
        for file in self._files.values():
            file.flush()


def _place(address: tuple[str, int]) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _after(message: str, name: str) -> str:
    """
    The value of the first header that is spelled so; empty when there is none.
    """
    start = message.find(name)
    if start < 0:
        return ""
    start += len(name)
    return message[start : message.find("\r\n", start)].strip()


def _identify(record: SIPRecord, message: str) -> None:
    """
    Fill in what tells which call and transaction a message belongs to.
    """
    record.callID = _after(message, "\r\nCall-ID:")
    record.cseq = _after(message, "\r\nCSeq:")
    via = _after(message, "\r\nVia:")
    session = _after(message, "\r\nSession-ID:")
    if not (record.callID and record.cseq and via):
        via = ""
        for line in message.partition("\r\n\r\n")[0].split("\r\n"):
            name, _, value = line.partition(":")
            key = name.rstrip().lower()
            if key in ("call-id", "i"):
                record.callID = record.callID or value.strip()
            elif key == "cseq":
                record.cseq = record.cseq or value.strip()
            elif key == "session-id":
                session = session or value
            elif key in ("via", "v"):
                via = via or value
    record.callUUID = session.partition(";")[0].strip()
    found = _BRANCH.search(via)
    record.branch = found[1] if found else ""


def _written(stream: TextIO, least: int) -> Callable[[LogEvent], None]:
    """
    @param stream: taken now, because C{twistd} puts the log itself in the place
        of C{sys.stdout} later.
    """

    @implementer(ILogObserver)
    class Console:
        def __call__(self, event: LogEvent) -> None:
            level = event.get("log_level", LogLevel.info)
            ours = str(event.get("log_namespace")).startswith(_SHOWN)
            if _LEVELS[level] < (least if ours else max(least, _WARN)):
                return
            if event.get("line") == "":
                return  # of a process that has closed its output
            shown = time.strftime("%H:%M:%S", time.localtime(event.get("log_time")))
            stream.write(f"{shown} {formatEvent(event)}\n")
            if "log_failure" in event:
                stream.write(event["log_failure"].getTraceback())
            stream.flush()

    return Console()


def console() -> Callable[[LogEvent], None]:
    """
    What C{twistd} shows of the log: information and worse, for a person.
    """
    return _written(sys.stdout, _LEVELS[LogLevel.info])


def consoleOfFailures() -> Callable[[LogEvent], None]:
    """
    What the processes of a lab show: why they end, and errors of the program.
    """
    return _written(sys.stdout, _LEVELS[LogLevel.critical])
