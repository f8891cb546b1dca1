"""
The story of a run: what was done, and what was said because of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

from attrs import frozen


@frozen
class Entry:
    """
    One line.

    @ivar time: seconds since the world began.
    @ivar kind: C{"does"}: an operation or a fault; C{"sends"}: a message;
        C{"notes"}: what somebody saw.
    @ivar source: who.
    @ivar target: to whom; empty for what is no message.
    @ivar text: what.
    @ivar call: Call-ID, ConnID or whatever else it belongs to; may be empty.
    """

    time: float
    kind: str
    source: str
    target: str
    text: str
    call: str = ""

    def __str__(self) -> str:
        to = f" -> {self.target}" if self.target else ""
        return f"{self.time:10.4f} {self.kind:5} {self.source}{to}: {self.text}"


class Story:
    """
    All of it, in order.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def tell(
        self,
        time: float,
        kind: str,
        source: str,
        text: str,
        target: str = "",
        call: str = "",
    ) -> None:
        """
        Add a line.
        """
        self.entries.append(Entry(time, kind, source, target, text, call))

    def done(self) -> list[Entry]:
        """
        What was done, without what was said.
        """
        return [entry for entry in self.entries if entry.kind == "does"]

    def around(self, seconds: float, most: int = 200) -> list[Entry]:
        """
        The end of it.

        @param most: lines at most.
        """
        if not self.entries:
            return []
        since = self.entries[-1].time - seconds
        found = [entry for entry in self.entries if entry.time >= since]
        return found[-most:]

    def of(self, call: str) -> list[Entry]:
        """
        What belongs to one call.
        """
        return [entry for entry in self.entries if entry.call == call]

    def lines(self) -> Iterator[str]:
        """
        Every line.
        """
        return map(str, self.entries)

    def digest(self) -> str:
        """
        What only the same story has.
        """
        made = blake2b(digest_size=16)
        for line in self.lines():
            made.update(line.encode("utf-8", "replace") + b"\n")
        return made.hexdigest()
