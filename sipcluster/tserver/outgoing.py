"""
Events on their way out: encoded when the first client wants one, and then never
again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from sipcluster.tlib.codec import encodeBody
from sipcluster.tlib.messages import Message

if TYPE_CHECKING:
    from sipcluster.tserver.outbox import Sheet


@define(eq=False)
class Entry:
    """
    What journals keep of a message: all of it but its position, so that the
    journals of all clients share it.

    @ivar body: number and attributes, encoded.
    @ivar reference: ReferenceID of the copy; 0: none.
    @ivar size: bytes on the wire.
    @ivar sheet: where it is written down for the other member of a pair; L{None}:
        nowhere.
    @ivar receivers: numbers of the sessions that get it, each with the position
        there, while its sheet is written; else L{None}.
    """

    body: bytes
    reference: int
    size: int
    sheet: Sheet | None = None
    receivers: list[int] | None = None


#: Bytes that a frame has besides the body.
HEAD = 19


class Outgoing:
    """
    An event for as many clients as want it.

    @ivar number: of its message, also as byte and bit of an input mask.
    """

    __slots__ = ("_entry", "bit", "byte", "message", "number")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.number = number = message.number
        self.byte = number >> 3
        self.bit = 1 << (number & 7)
        self._entry: Entry | None = None

    @property
    def entry(self) -> Entry:
        """
        Its encoded form, without reference.

        @raise MessageTooLong: it does not fit into a frame.
        """
        entry = self._entry
        if entry is None:
            body = encodeBody(self.message)
            entry = self._entry = Entry(body, 0, HEAD + len(body))
        return entry

    def referring(self, reference: int) -> Entry:
        """
        Its encoded form as the answer of a request.

        @raise MessageTooLong: it does not fit into a frame.
        """
        entry = self.entry
        if not reference:
            return entry
        return Entry(entry.body, reference, entry.size)


def outgoing(event: Message | Outgoing) -> Outgoing:
    """
    Wrap an event, if it is not yet.
    """
    return event if type(event) is Outgoing else Outgoing(event)  # type: ignore[arg-type]
