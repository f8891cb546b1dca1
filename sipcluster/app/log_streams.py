"""
What a process writes down: one record of JSON lines, and one text stream for each
subsystem.

The record C{NAME.jsonl} has one flat object a line.  The text streams carry the
names of the field's log threads: C{NAME.session-controller.log},
C{NAME.call-manager.log} with the SIP messages, and so on.
"""

from __future__ import annotations

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
from sipcluster.app.log_records import (
    SIPRecord,
    TLibRecord,
    identify,
    masked,
    place,
)
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
    "sipcluster.tserver": "t-controller",
    "sipcluster.smartproxy": "smart-proxy",
    "sipcluster.media": "media-server",
    "sipcluster.mediaservice": "session-controller",
}

#: The stream of everything else: the process itself, Twisted.
OTHERS = "system-monitor"

#: The namespace of the record of a SIP message.
MESSAGES = "sipcluster.sip.message"

#: The namespace of the record of a T-Library message.
TLIB_MESSAGES = "sipcluster.tlib.message"

#: The streams of the T-Library ports: what the field calls the CTI and TCO logs.
TLIB_STREAMS = {"default": "session-controller", "TCport": "t-controller"}

_LEVELS = {level: index for index, level in enumerate(LogLevel.iterconstants())}

_WARN = _LEVELS[LogLevel.warn]

#: Whose information is for those who debug: Twisted's own about ports and
#: factories.
_CHATTER = ("log_legacy", "twisted.application.", "twisted.web.", "twisted.names.")

#: Whose information a person wants to see at once; not what comes with each call.
_SHOWN = ("sipcluster.app.", "sipcluster.servicecheck.", "twisted.runner.procmon")


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


@implementer(ILogObserver)
class LogStreams:
    """
    Takes the log events of a process, and its SIP messages by a way of their own.

    @ivar trace: takes every SIP message, as C{SIPTransport} wants it; L{None}
        when messages are not wanted, so that they cost nothing.
    @ivar tlibWanted: whether L{tlibMessage} is to be called.
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
        self.tlibWanted = self._on and settings.tlibTrace

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
            place(flow.local),
            place(flow.remote),
            shown,
        )
        identify(record, shown)
        self._append("", self._encode(record) + b"\n")
        arrow = "<-" if incoming else "->"
        head = f"{record.ts} {arrow} {record.transport} {record.remote}\n"
        stream = "service-checker" if "OPTIONS" in record.cseq else "call-manager"
        self._append(stream, head.encode("ascii") + data + b"\n")

    def tlibMessage(
        self,
        port: str,
        incoming: bool,
        clients: str,
        text: str,
        connID: str = "",
        callUUID: str = "",
        dn: str = "",
        ref: int = 0,
    ) -> None:
        """
        Take one T-Library message.

        @param port: the name of the T-Library port.
        @param clients: who sent it, or gets it.
        @param text: as L{sipcluster.tlib.text.render} writes it, without secrets.
        """
        record = TLibRecord(
            self._stamp(self._wallTime()),
            "debug",
            TLIB_MESSAGES,
            self._name,
            text.partition("\n")[0],
            "in" if incoming else "out",
            port,
            clients,
            text,
            connID,
            callUUID,
            dn,
            ref,
        )
        self._append("", self._encode(record) + b"\n")
        arrow = "<-" if incoming else "->"
        shown = f"{record.ts} {arrow} {clients}\n{text}\n"
        self._append(TLIB_STREAMS.get(port, OTHERS), shown.encode("utf-8", "replace"))

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
