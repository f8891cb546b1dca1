"""
What is written down of the sessions of a T-Library port.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

#: DNs on one page.
PAGE = 100

#: Holds of the role of primary that a session remembers.
HOLDS = 16

#: What is remembered first where nobody has written down whose a session was.
NOBODY = (0, 0)

#: By whom a session was gone on with: the RoleEpoch of each hold of the role of
#: primary, and the last position that was inherited when it began.
Holds = tuple[tuple[int, int], ...]


def inherited(holds: Holds, epoch: int, last: int) -> Holds:
    """
    The same when another hold of the role has begun.

    @param last: position of the last message that it knows of.
    """
    return (*(holds or (NOBODY,)), (epoch, last))[-HOLDS:]


def shared(holds: Holds, epoch: int, position: int) -> int:
    """
    Up to which position what a client has is what the session has.

    @param epoch: of the hold of the role from which the client has it.
    @param position: the last one that the client has.

    @return: less than C{position}: what comes after it may be of somebody who could
        not tell anybody any more.
    """
    known = False
    for began, last in holds:
        if began > epoch:
            return min(position, last) if known else 0
        known = began in (NOBODY[0], epoch)
    return position if known else 0


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
    @ivar holds: who has gone on with it; an older program writes none.
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
    holds: Holds = ()


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
