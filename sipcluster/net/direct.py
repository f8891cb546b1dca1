"""
Writing to a socket at once.

A transport of Twisted keeps what is written until its reactor comes round: three
system calls for each piece (wait for writing, send, wait no more), and as much
again in Python.  Who writes many small pieces to many connections, as a T-Library
port does with each event, pays for that more than for everything else together.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IPullProducer
from zope.interface import implementer


def takesAtOnce(transport: Any) -> bool:
    """
    Whether a L{DirectWriter} can write to a transport: not where there is TLS in
    between, and not where a reactor leaves its sockets blocking, as that for the
    completion ports of Windows does: one full socket would hold up everybody.
    """
    handle = transport.getHandle()
    return isinstance(handle, socket.socket) and not handle.getblocking()


@implementer(IPullProducer)
class DirectWriter:
    """
    Writes to the socket of a TCP transport as long as it takes everything, and
    through the transport when it does not; order is kept.  What goes wrong with the
    connection is left to the transport to find.
    """

    __slots__ = (
        "_paused",
        "_registering",
        "_resumed",
        "_send",
        "_through",
        "_transport",
    )

    def __init__(
        self,
        transport: Any,
        paused: Callable[[], object],
        resumed: Callable[[], object],
    ) -> None:
        """
        @param transport: a connected one that L{takesAtOnce}; nobody else writes
            to it or is its producer.
        @param paused: called when the socket takes no more for now.
        @param resumed: called when all that was written is on its way again.
        """
        self._transport = transport
        self._send = transport.getHandle().send
        self._paused = paused
        self._resumed = resumed
        self._through = False
        self._registering = False

    def write(self, data: bytes) -> None:
        """
        Send bytes, or keep them to be sent as soon as that is possible.
        """
        if self._through:
            self._transport.write(data)
            return
        try:
            sent = self._send(data)
        except OSError:  # full, or broken, which the transport will see
            sent = 0
        if sent < len(data):
            self._wait(data[sent:] if sent else data)

    def _wait(self, data: bytes) -> None:
        self._through = True
        self._transport.write(data)
        # This asks for more at once, which means nothing yet.
        self._registering = True
        self._transport.registerProducer(self, False)
        self._registering = False
        self._paused()

    def stop(self) -> None:
        """
        Leave the connection to the transport: it is being closed.
        """
        self._through = True
        self._transport.unregisterProducer()

    # What the transport says of its buffer.

    def resumeProducing(self) -> None:
        """
        See L{IPullProducer}: the transport has sent all that it had.
        """
        if not self._registering:
            self._transport.unregisterProducer()
            self._through = False
            self._resumed()

    def stopProducing(self) -> None:
        """
        See L{IPullProducer}: the connection is lost.
        """
        self._through = True
