"""
What is written down of the sessions of a T-Library port.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

#: DNs on one page.
PAGE = 100


@frozen
class SessionValue:
    """
    A session.

    @ivar number: names it in what was told.
    @ivar epoch: which its client gives when it comes back.
    @ivar since: when it began, in seconds since 1970.
    @ivar client: its application and where it is, for people.
    @ivar left: seconds until it ends unless its client comes back; L{None}: the
        client is connected.
    @ivar last: position of the last message, unless what was told knows better.
    @ivar lost: after the first and up to the second position: what the client never
        gets.
    @ivar dormant: the client has to be told anew of all that it has registered.
    """

    sessionID: str
    application: str
    number: int
    epoch: int
    since: float = 0.0
    client: str = ""
    mask: bytes | None = None
    left: float | None = None
    last: int = 0
    lost: tuple[int, int] = (0, 0)
    dormant: bool = False


class Pages:
    """
    The DNs of a session as they are written down.
    """

    __slots__ = ("_pages", "_where")

    def __init__(self) -> None:
        self._pages: list[dict[str, None]] = []
        self._where: dict[str, int] = {}

    def __len__(self) -> int:
        """
        How many pages there are, empty ones included.
        """
        return len(self._pages)

    def of(self, page: int) -> Iterable[str]:
        """
        The DNs on a page.
        """
        return self._pages[page] if page < len(self._pages) else ()

    def add(self, dn: str) -> int:
        """
        @return: the page of a DN that was not there.
        """
        pages = self._pages
        if not pages or len(pages[-1]) >= PAGE:
            pages.append({})
        self.put(len(pages) - 1, dn)
        return len(pages) - 1

    def put(self, page: int, dn: str) -> None:
        """
        Put a DN on a page.
        """
        while page >= len(self._pages):
            self._pages.append({})
        self._pages[page][dn] = None
        self._where[dn] = page

    def remove(self, dn: str) -> int:
        """
        @return: the page on which a DN was.
        """
        page = self._where.pop(dn)
        del self._pages[page][dn]
        return page


def pageKey(session: str, page: int) -> str:
    """
    The key of some DNs.
    """
    return f"{session}/{page}"


def requestKey(session: str, reference: int) -> str:
    """
    The key of a request.
    """
    return f"{session}/{reference}"
