"""
What leaves a T-Library port that a pair keeps: the other member has it before a client
gets it.

All that clients are told in one turn of the reactor is written down together, each
message once with all its receivers: that is a I{sheet}.  A sheet is needed as long as
one of its receivers may want a message of it again.  Bytes for the clients are
collected, too, and leave when the other member has the sheet.

Acknowledgements change nothing by themselves: what they make superfluous is written
over by the next sheets.  How far a session has got is seen from the sheets alone,
because the last message that a client has forgotten is still needed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.ha.ikeeping import IKeeper, IKept
from sipcluster.tserver.itserver import IConnection
from sipcluster.tserver.outgoing import HEAD, Entry

log = Logger()

#: Bytes after which a sheet ends, and what a receiver takes of them.
FULL, EACH = 131_072, 5

#: Sheets that nobody needs, and their bytes, that wait to be written over.
SPARE, SPARE_BYTES = 1000, 1_048_576

#: Key under which the end of a turn is told; there is never such an entry.
_TURN = "turn"

_encode = msgspec.msgpack.Encoder().encode

#: Messages of a sheet: body, reference, and sessions and positions in turns.
_Told = list[tuple[bytes, int, list[int]]]
_decode = msgspec.msgpack.Decoder(_Told).decode


class Sheet:
    """
    Some messages that clients were told in one turn.

    @ivar key: of its entry.
    @ivar entries: its messages; empty when it is written down.
    @ivar needed: how often one of its messages may be wanted yet; less than that
        before it is written down.
    @ivar size: bytes.
    @ivar value: its entry; L{None} before it is written down.
    """

    __slots__ = ("_spared", "entries", "key", "needed", "size", "value")

    def __init__(self, key: str, spared: Callable[[Sheet], object]) -> None:
        """
        @param spared: told when nobody needs it any more.
        """
        self.key = key
        self.entries: list[Entry] = []
        self.needed = 0
        self.size = 0
        self.value: bytes | None = None
        self._spared = spared

    def release(self) -> None:
        """
        One of its receivers does not need one of its messages any more.
        """
        self.needed -= 1
        if not self.needed and self.value is not None:
            self._spared(self)

    def write(self) -> None:
        """
        Write it down.
        """
        told: _Told = []
        for entry in self.entries:
            receivers, entry.receivers = entry.receivers, None
            if receivers:
                told.append((entry.body, entry.reference, receivers))
                self.needed += len(receivers) // 2
        self.entries = []
        if told:
            self.value = _encode(told)


@implementer(IKept)
class Outbox:
    """
    Of one port.
    """

    def __init__(self, port: str, keeper: IKeeper) -> None:
        self.kind = f"tlib-event {port}"
        self._put = keeper.put
        self._touch = keeper.keep(self)
        self._sheets: dict[str, Sheet] = {}
        self._spare: deque[Sheet] = deque()
        self._spareBytes = 0
        self._next = 1
        # Of the turn that there is.
        self._writes: list[tuple[IConnection, bytes | None]] | None = None
        self._open: list[Sheet] = []
        #: What was restored, until it is settled.
        self._found: list[tuple[Sheet, _Told]] = []

    # What is sent.

    def send(self, connection: IConnection, data: bytes | None) -> None:
        """
        Send bytes when the other member has all up to the end of this turn.

        @param data: L{None}: close the connection.
        """
        self.writes.append((connection, data))

    @property
    def writes(self) -> list[tuple[IConnection, bytes | None]]:
        """
        What leaves after this turn; see L{send}.
        """
        writes = self._writes
        if writes is None:
            self._writes = writes = []
            self._touch(_TURN)
            self._put(_leave, writes)
        return writes

    def note(self, entry: Entry) -> Entry:
        """
        Write a message down in this turn.

        @return: the entry for the journals: who gets it, and its position, are to
            be added to its C{receivers}.
        """
        opened = self._open
        sheet = opened[-1] if opened else self._begin()
        entries = sheet.entries
        if entries:
            sheet.size += EACH * len(entries[-1].receivers or ())
            if sheet.size + entry.size > FULL:
                sheet = self._begin()
        sheet.size += entry.size
        noted = Entry(entry.body, entry.reference, entry.size, sheet, [])
        sheet.entries.append(noted)
        return noted

    def _begin(self) -> Sheet:
        if self._spare:
            old = self._spare.popleft()
            self._spareBytes -= len(old.value or b"")
            key = old.key
        else:
            key = str(self._next)
            self._next += 1
        sheet = self._sheets[key] = Sheet(key, self._spared)
        self._open.append(sheet)
        self._touch(key)
        return sheet

    def _seal(self) -> None:
        """
        The turn is over.
        """
        self._writes = None
        opened, self._open = self._open, []
        for sheet in opened:
            sheet.write()
            if sheet.value is None:
                del self._sheets[sheet.key]
            elif sheet.needed <= 0:
                self._spared(sheet)

    def _spared(self, sheet: Sheet) -> None:
        """
        Nobody needs a sheet any more.
        """
        size = len(sheet.value or b"")
        if len(self._spare) < SPARE and self._spareBytes + size <= SPARE_BYTES:
            self._spare.append(sheet)
            self._spareBytes += size
        elif self._sheets.get(sheet.key) is sheet:
            del self._sheets[sheet.key]
            self._touch(sheet.key)

    def end(self) -> None:
        """
        This process goes on with nothing of it.
        """
        self._sheets.clear()
        self._spare.clear()
        self._open.clear()

    # IKept

    def keys(self) -> Iterable[str]:
        """
        See L{IKept}.
        """
        return list(self._sheets)

    def entry(self, key: str) -> bytes | None:
        """
        See L{IKept}.  Asked at the end of the turn; what comes after that belongs
        to another one.
        """
        self._seal()
        sheet = self._sheets.get(key)
        return None if sheet is None else sheet.value

    def restore(self, key: str, value: bytes, age: float) -> None:
        """
        See L{IKept}.
        """
        told = _decode(value)
        sheet = Sheet(key, self._spared)
        sheet.value = value
        self._next = max(self._next, int(key) + 1)
        self._sheets[key] = sheet
        self._found.append((sheet, told))

    def settle(self) -> Mapping[int, dict[int, Entry]]:
        """
        All is restored.

        @return: for each session's number what it was told, by position.
        """
        found, self._found = self._found, []
        told: dict[int, dict[int, Entry]] = {}
        for sheet, messages in found:
            for body, reference, receivers in messages:
                entry = Entry(body, reference, HEAD + len(body), sheet)
                pairs = iter(receivers)
                for number, position in zip(pairs, pairs, strict=True):
                    told.setdefault(number, {})[position] = entry
        return told

    def restored(self) -> None:
        """
        See L{IKept}: what nobody has taken can be written over.
        """
        for sheet in list(self._sheets.values()):
            if sheet.needed <= 0:
                self._spared(sheet)

    def comparable(self, value: bytes) -> object:
        """
        See L{IKept}.
        """
        return value


@implementer(IConnection)
class HeldConnection:
    """
    A connection whose bytes leave when that is safe.

    @ivar connection: where they leave.
    """

    __slots__ = ("_outbox", "connection", "peer")

    def __init__(self, connection: IConnection, outbox: Outbox) -> None:
        self.peer: Any = connection.peer
        self.connection = connection
        self._outbox = outbox

    def write(self, data: bytes) -> None:
        """
        See L{IConnection}.
        """
        self._outbox.send(self.connection, data)

    def pauseReading(self) -> None:
        """
        See L{IConnection}.
        """
        self.connection.pauseReading()

    def resumeReading(self) -> None:
        """
        See L{IConnection}.
        """
        self.connection.resumeReading()

    def close(self) -> None:
        """
        See L{IConnection}.
        """
        self._outbox.send(self.connection, None)

    def abort(self) -> None:
        """
        See L{IConnection}.
        """
        self.connection.abort()


def _leave(writes: list[tuple[IConnection, bytes | None]]) -> None:
    """
    Send what was held.
    """
    for connection, data in writes:
        try:
            # Asked of each anew: one that was lost meanwhile takes nothing.
            if data is None:
                connection.close()
            else:
                connection.write(data)
        except Exception:
            log.failure("{peer}", peer=connection.peer)
