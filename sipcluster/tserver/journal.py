"""
What a session remembers: the messages that its client has not acknowledged, and
the answers of its last requests.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from itertools import islice

from sipcluster.tserver.limits import Limits
from sipcluster.tserver.outgoing import Entry


class Journal:
    """
    Messages in order, each with the position after that of the one before.

    @ivar entries: those that are kept; the first has the position C{first}, the
        last one C{last}.
    @ivar first: C{last + 1} when none is kept.
    @ivar last: 0 before the first message.
    @ivar size: bytes of all that are kept.
    """

    __slots__ = ("entries", "first", "last", "size")

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque()
        self.first = 1
        self.last = 0
        self.size = 0

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

    def forgetFirst(self) -> Entry:
        """
        Forget the oldest one.
        """
        entry = self.entries.popleft()
        self.first += 1
        self.size -= entry.size
        return entry

    def acknowledge(self, position: int) -> None:
        """
        Forget all up to a position.
        """
        while self.first <= position and self.entries:
            self.forgetFirst()

    def clear(self) -> None:
        """
        Forget all.
        """
        self.entries.clear()
        self.first = self.last + 1
        self.size = 0

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
