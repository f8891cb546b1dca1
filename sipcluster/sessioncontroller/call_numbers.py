"""
The numbers that a node gives its calls, and how they outlive its process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from zope.interface import implementer

from sipcluster.ha.ikeeping import IKept

#: The highest number; after it they begin anew.
HIGHEST = 0x7FFFFFFF

#: How many are written down as given at one time: a new primary leaves out what was
#: not.
BLOCK = 1000

_KEY = "last"


@implementer(IKept)
class CallNumbers:
    """
    Numbers of calls: never 0, and below 2**31.

    There is one entry: up to which number they may have been given.  That of each call
    would be gone with it.

    @ivar touch: called with the key when the entry has changed.
    """

    kind = "call-number"

    def __init__(self) -> None:
        self.touch: Callable[[str], object] = lambda key: None
        self._last = 0
        self._bound = 0

    def next(self) -> int:
        """
        The number of a new call.
        """
        self._last = self._last % HIGHEST + 1
        if self._last > self._bound or self._last == 1:
            self._bound = min(self._last + BLOCK - 1, HIGHEST)
            self.touch(_KEY)
        return self._last

    def given(self, number: int) -> None:
        """
        Another process has given this one, and perhaps does not write that down.
        """
        self._last = max(self._last, number)

    # IKept

    def keys(self) -> Iterable[str]:
        """
        See L{IKept}.
        """
        return [_KEY] if self._bound else []

    def entry(self, key: str) -> bytes | None:
        """
        See L{IKept}.
        """
        return b"%d" % self._bound if self._bound else None

    def restore(self, key: str, value: bytes, age: float) -> None:
        """
        See L{IKept}.
        """
        bound = int(value)
        if not 0 < bound <= HIGHEST:
            raise ValueError(f"no number of a call: {bound}")
        self._last = self._bound = bound

    def restored(self) -> None:
        """
        See L{IKept}.
        """

    def comparable(self, value: bytes) -> object:
        """
        See L{IKept}.
        """
        return value
