"""
What a session remembers: the messages that its client has not acknowledged, and
the answers of its last requests.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from sipcluster.tserver.limits import Limits
from sipcluster.tserver.outgoing import Entry

if TYPE_CHECKING:
    from sipcluster.tserver.outbox import Sheet

#: Answers that a client may have missed, of which the other member is told.
MISSED = 1000


class Journal:
    """
    Messages in order, each with the position after that of the one before.

    @ivar entries: those that are kept; the first has the position C{first}, the
        last one C{last}.
    @ivar first: C{last + 1} when none is kept.
    @ivar last: 0 before the first message.
    @ivar size: bytes of all that are kept.
    @ivar forgotten: where the last one that was forgotten is written down, which
        says how far the session has got.
    @ivar missed: answers that the client has perhaps never got, with all else.
    """

    __slots__ = (
        "_missedUntil",
        "entries",
        "first",
        "forgotten",
        "last",
        "missed",
        "size",
    )

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque()
        self.first = 1
        self.last = 0
        self.size = 0
        self.forgotten: Sheet | None = None
        self.missed: list[Sheet] = []
        self._missedUntil = 0

    def append(self, entry: Entry) -> int:
        """
        Add a message.

        @return: its position.
        """
        self.entries.append(entry)
        self.size += entry.size
        self.last += 1
        return self.last

    def skip(self) -> int:
        """
        Give a position to a message that is not kept, in a journal that is empty.
        """
        self.last += 1
        self.first = self.last + 1
        return self.last

    def miss(self, entry: Entry) -> None:
        """
        A message that the client never gets answers a request, which the client may
        repeat.
        """
        if entry.sheet is not None and len(self.missed) < MISSED:
            self.missed.append(entry.sheet)
            entry.sheet.needed += 1
            self._missedUntil = self.last

    def forgetFirst(self) -> Entry:
        """
        Forget the oldest one.
        """
        entry = self.entries.popleft()
        self.first += 1
        self.size -= entry.size
        if entry.sheet is not None:
            before, self.forgotten = self.forgotten, entry.sheet
            if before is not None:
                before.release()
        return entry

    def acknowledge(self, position: int) -> None:
        """
        Forget all up to a position.
        """
        if self.missed and position > self._missedUntil:
            self._repeated()
        entries = self.entries
        count = min(position + 1 - self.first, len(entries))
        if count <= 0:
            return
        size, forgotten = self.size, self.forgotten
        for _ in range(count):
            entry = entries.popleft()
            size -= entry.size
            if entry.sheet is not None:
                if forgotten is not None:
                    forgotten.release()
                forgotten = entry.sheet
        self.first += count
        self.size, self.forgotten = size, forgotten

    def clear(self, until: int = 0) -> None:
        """
        Forget all: the client never gets it.

        @param until: a position that no message to come may have, nor one before.
        """
        for entry in self.entries:
            if entry.reference:
                self.miss(entry)
        while self.entries:
            self.forgetFirst()
        self.last = max(self.last, until)
        self.first = self.last + 1
        self._missedUntil = self.last

    def end(self) -> None:
        """
        Nobody wants anything of it any more.
        """
        while self.entries:
            self.forgetFirst()
        before, self.forgotten = self.forgotten, None
        if before is not None:
            before.release()
        self._repeated()

    def missNoted(self, sheet: Sheet) -> None:
        """
        The same of a message of which the journal is a receiver already.
        """
        self.missed.append(sheet)
        self._missedUntil = self.last

    def _repeated(self) -> None:
        missed, self.missed = self.missed, []
        for sheet in missed:
            sheet.release()

    def adopt(self, told: Mapping[int, Entry], last: int, floor: int) -> None:
        """
        Begin with what was written down elsewhere.

        @param told: some messages by position.  All up to one that is missing were
            acknowledged.
        @param last: position of the last message, unless C{told} knows better.
        @param floor: position of the last one that the client never gets.
        """
        self.last = last = max(last, floor, *told)
        first = last
        while first > floor and first in told:
            first -= 1
        self.first = first + 1
        for position in range(self.first, last + 1):
            entry = told[position]
            self.entries.append(entry)
            self.size += entry.size
            if entry.sheet is not None:
                entry.sheet.needed += 1
        self._missedUntil = last
        for position in sorted(told):
            if position <= first and told[position].reference and floor:
                self.miss(told[position])

    def after(self, position: int) -> Iterator[Entry]:
        """
        The messages after a position that L{reaches}.
        """
        return islice(self.entries, position + 1 - self.first, None)

    def reaches(self, position: int) -> bool:
        """
        Whether all messages after a position are kept.
        """
        return self.first - 1 <= position <= self.last

    def over(self, limits: Limits) -> bool:
        """
        Whether it holds more than it may.
        """
        return (
            self.size > limits.journalBytes
            or len(self.entries) > limits.journalMessages
        )

    def halfEmpty(self, limits: Limits) -> bool:
        """
        Whether as much again fits into it.
        """
        return (
            2 * self.size <= limits.journalBytes
            and 2 * len(self.entries) <= limits.journalMessages
        )


class Answers:
    """
    The answers of the last requests, with their positions, by ReferenceID.
    """

    __slots__ = ("_answers", "_limits", "_size")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._answers: OrderedDict[int, tuple[int, Entry]] = OrderedDict()
        self._size = 0

    def __contains__(self, reference: int) -> bool:
        return reference in self._answers

    def get(self, reference: int) -> tuple[int, Entry] | None:
        """
        The answer of a request and its position; L{None}: it is not known.
        """
        return self._answers.get(reference)

    def add(self, position: int, entry: Entry) -> None:
        """
        A request was answered.
        """
        answers = self._answers
        before = answers.pop(entry.reference, None)
        if before is not None:
            self._size -= before[1].size
        answers[entry.reference] = (position, entry)
        self._size += entry.size
        while len(answers) > self._limits.answers or (
            self._size > self._limits.answerBytes and len(answers) > 1
        ):
            self._size -= answers.popitem(last=False)[1][1].size
