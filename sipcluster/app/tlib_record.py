"""
Recorded T-Library sessions: a file with a line of JSON for each message, and what is
made of it later.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import IO, Any

from attrs import evolve, fields, frozen
from twisted.internet.defer import Deferred

from sipcluster.tlib.codec import Envelope
from sipcluster.tlib.messages import Message
from sipcluster.tlib.text import BadText, parse, render

#: What a line begins with: the file is of this kind, in this version.
KIND = {"kind": "T-Library session", "version": 1}

#: Attributes that name something of one session, and are another in the next.
NAMES = ("connID", "previousConnID", "transferConnID", "conferenceConnID")


class BadRecord(ValueError):
    """
    A file is no recorded session; the text says where and why.
    """


@frozen
class Entry:
    """
    One message of a recorded session.

    @ivar seconds: since the beginning of the record.
    @ivar sent: by us; else received.
    @ivar node: where it came from or went to.
    """

    seconds: float
    sent: bool
    node: str
    envelope: Envelope


class Recorder:
    """
    Writes a session down as it happens.
    """

    def __init__(self, file: IO[str], now: float) -> None:
        """
        @param now: the beginning, in seconds of whatever clock.
        """
        self._file = file
        self._since = now
        self._line(KIND)

    def add(self, now: float, sent: bool, node: str, envelope: Envelope) -> None:
        """
        Write one message down.
        """
        message = envelope.message
        self._line(
            {
                "seconds": round(now - self._since, 6),
                "direction": "sent" if sent else "received",
                "node": node,
                "text": render(message, envelope.position, envelope.reference),
            }
        )

    def _line(self, value: object) -> None:
        self._file.write(json.dumps(value) + "\n")
        self._file.flush()


def readRecord(lines: Iterable[str]) -> Iterator[Entry]:
    """
    Read a recorded session.

    @raise BadRecord: it is none.
    """
    for number, line in enumerate(lines, 1):
        try:
            found: Any = json.loads(line)
            if number == 1:
                if found != KIND:
                    raise BadRecord("line 1: not a recorded T-Library session")
                continue
            yield Entry(
                float(found["seconds"]),
                found["direction"] == "sent",
                str(found["node"]),
                parse(found["text"]),
            )
        except BadText as e:
            raise BadRecord(f"line {number}: {e}") from e
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as e:
            raise BadRecord(f"line {number}: no message of a session: {e}") from e


class Likeness:
    """
    Tells which events of a session that is played again are those of the record, and
    how what the record names is named now.

    An event is that of the record when it is the next one of this kind at this DN.

    @ivar left: recorded events that have not come.
    @ivar unexpected: events that are not in the record.
    """

    def __init__(self, recorded: Iterable[Message]) -> None:
        self.left: list[Message] = list(recorded)
        self.unexpected: list[Message] = []
        self._names: dict[str, str] = {}
        self._waiting: list[tuple[Message, Deferred[None]]] = []

    def whenCame(self, recorded: Message) -> Deferred[None]:
        """
        @return: fires when a recorded event has come; it may be cancelled.
        """
        came: Deferred[None] = Deferred()
        self._waiting.append((recorded, came))
        self._look()
        return came

    def came(self, event: Message) -> None:
        """
        An event has come.
        """
        for index, recorded in enumerate(self.left):
            if _sort(recorded) == _sort(event):
                del self.left[index]
                self._note(recorded, event)
                self._look()
                return
        self.unexpected.append(event)

    def _note(self, recorded: Message, event: Message) -> None:
        for name in NAMES:
            then, now = getattr(recorded, name, None), getattr(event, name, None)
            if then and now:
                self._names.setdefault(then, now)

    def _look(self) -> None:
        waiting, self._waiting = self._waiting, []
        for recorded, came in waiting:
            if any(one is recorded for one in self.left):
                self._waiting.append((recorded, came))
            else:
                came.callback(None)

    def translated(self, request: Message) -> Message:
        """
        A recorded request with the names of now.
        """
        here = {one.name for one in fields(type(request))}
        changes: dict[str, Any] = {
            name: self._names[value]
            for name in NAMES
            if name in here and (value := getattr(request, name)) in self._names
        }
        return evolve(request, **changes) if changes else request


def _sort(event: Message) -> tuple[int, object]:
    return event.number, getattr(event, "thisDN", None)
