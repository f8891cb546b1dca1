"""
What happened to a DN: its last lines, for people.
"""

from __future__ import annotations

from collections.abc import Sequence

from sipcluster.tcontroller.values import Entry

#: Lines that are kept of each DN.
HISTORY = 50

#: Lines that are written down together: more cost more for each new one, fewer
#: cost more for each DN.
PAGE = 10

#: Pages that there can be at a time; a new one takes the name of the oldest.
PAGES = HISTORY // PAGE + 1


class History:
    """
    The last lines of one DN.

    @ivar count: how many lines there have been.
    """

    __slots__ = ("_pages", "count")

    def __init__(self) -> None:
        # By when they were begun: each page is named by that, over and over.
        self._pages: dict[int, list[Entry]] = {}
        self.count = 0

    def add(self, line: Entry) -> None:
        """
        Something happened.
        """
        number = self.count // PAGE
        page = self._pages.get(number)
        if page is None:
            page = self._pages[number] = []
            self._pages.pop(number - PAGES, None)
        page.append(line)
        self.count += 1

    @property
    def lines(self) -> tuple[Entry, ...]:
        """
        The oldest first.
        """
        pages = self._pages
        every = [line for number in sorted(pages) for line in pages[number]]
        return tuple(every[-HISTORY:])

    # Written down

    @property
    def page(self) -> int:
        """
        On which page the last line is.
        """
        return (self.count - 1) // PAGE % PAGES

    def pages(self) -> list[int]:
        """
        Those on which something is.
        """
        return [number % PAGES for number in self._pages]

    def read(self, page: int) -> tuple[int, tuple[Entry, ...]] | None:
        """
        @return: when a page was begun, and what is on it; L{None}: there is no such
            page.
        """
        last = (self.count - 1) // PAGE
        number = last - (last - page) % PAGES
        lines = self._pages.get(number)
        return None if lines is None else (number, tuple(lines))

    def take(self, number: int, lines: Sequence[Entry]) -> None:
        """
        Remember a page of before; they come in any order.

        @param number: when it was begun.

        @raise ValueError: it cannot be one.
        """
        if number < 0 or not 0 < len(lines) <= PAGE:
            raise ValueError(f"page {number} of {len(lines)} lines")
        self._pages[number] = list(lines)
        self.count = max(self.count, number * PAGE + len(lines))
        oldest = (self.count - 1) // PAGE - PAGES
        for each in [each for each in self._pages if each <= oldest]:
            del self._pages[each]
