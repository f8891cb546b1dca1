"""
What passes a T-Library port, given to those who want to read it; and how events go
to many clients, read by somebody or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from attrs import evolve
from twisted.logger import Logger

from sipcluster.tlib.codec import Envelope, frame
from sipcluster.tlib.messages import Message
from sipcluster.tserver.itserver import ITrace, Receiver
from sipcluster.tserver.outbox import Outbox
from sipcluster.tserver.outgoing import Entry, Outgoing
from sipcluster.tserver.stream import Stream

log = Logger()

#: What must not be written down, and what stands in its place.
_SECRETS = ("applicationPassword", "password")
_MASKED = "*****"


class Tracing:
    """
    Of one port.

    @ivar trace: L{None} when nobody wants to read it; then it costs nothing.
    """

    __slots__ = ("_outbox", "_port", "trace")

    def __init__(
        self, port: str, trace: ITrace | None, outbox: Outbox | None = None
    ) -> None:
        self._port = port
        self._outbox = outbox
        self.trace = trace

    def received(self, client: str, envelope: Envelope) -> None:
        """
        A client sent something.
        """
        if self.trace is not None:
            message: Any = envelope.message
            for secret in _SECRETS:
                if getattr(message, secret, None) is not None:
                    message = evolve(message, **{secret: _MASKED})
            sender = Receiver(client, envelope.position, envelope.reference)
            with log.failuresHandled("trace"):
                self.trace.messageReceived(self._port, sender, message)

    def sent(
        self, client: str, position: int, reference: int, message: Message
    ) -> None:
        """
        One client is given something.
        """
        if self.trace is not None:
            self._sent([Receiver(client, position, reference)], message)

    def distribute(self, streams: Iterable[Stream], event: Outgoing, dn: str) -> None:
        """
        Give an event to many clients.

        @raise MessageTooLong: it does not fit into a frame; nobody has got it.
        """
        entry = event.entry
        if self._outbox is not None:
            entry = self._outbox.note(entry)
        if self.trace is None:
            distribute(streams, event, entry, dn, self._outbox)
            return
        receivers: list[Receiver] = []
        for stream in streams:
            before = stream.journal.last
            distribute((stream,), event, entry, dn, self._outbox)
            if stream.journal.last != before:
                receivers.append(Receiver(stream.name, stream.journal.last))
        if receivers:
            self._sent(receivers, event.message)

    def _sent(self, receivers: Sequence[Receiver], message: Message) -> None:
        if self.trace is not None:
            with log.failuresHandled("trace"):
                self.trace.messageSent(self._port, receivers, message)


def distribute(
    streams: Iterable[Stream],
    event: Outgoing,
    entry: Entry,
    dn: str,
    outbox: Outbox | None,
) -> None:
    """
    Give an event to many clients.

    @param entry: its encoded form.
    @param outbox: by which they get it; L{None}: they get it at once.
    """
    body, size, receivers = entry.body, entry.size, entry.receivers
    hold: Callable[[Any], object] | None = None
    if outbox is not None:
        hold = outbox.writes.append
    for stream in streams:
        if stream.direct:
            # As Stream.send does it, without the calls.
            journal = stream.journal
            journal.entries.append(entry)
            journal.size = whole = journal.size + size
            journal.last = position = journal.last + 1
            if hold is None or receivers is None:
                stream.write(frame(position, 0, body))
            else:
                receivers += (stream.number, position)
                hold((stream.held, frame(position, 0, body)))
            limits = stream.limits
            if (
                whole > limits.journalBytes
                or len(journal.entries) > limits.journalMessages
            ):
                stream.overfull()
        else:
            stream.deliver(event, dn, entry)
