"""
T-Library clients of a cluster that runs as processes of its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from sipcluster.tlib import messages
from sipcluster.tlib.codec import Envelope, decode, encode
from sipcluster.tlib.messages import Message
from sipcluster.wire.frames import FrameReader
from tests.interop.namespaces import Namespace
from tests.interop.status import until
from tests.scenarios.compare import Got


class TLibClient(Protocol):
    """
    One client at one port.

    @ivar got: the events that came and were not taken, in order.
    """

    def __init__(self) -> None:
        self.got: list[Got] = []
        self._reader = FrameReader()
        self._reference = 0
        self._position = 0

    @classmethod
    async def open(
        cls,
        reactor: Any,
        namespace: Namespace,
        address: str,
        port: int,
        application: str = "desktop",
        dns: Sequence[str] = (),
    ) -> TLibClient:
        """
        Connect, and register DNs.
        """
        client = cls()
        with namespace.entered():
            connecting = connectProtocol(
                TCP4ClientEndpoint(reactor, address, port, timeout=5), client
            )
        await connecting
        client.request(
            messages.RequestRegisterClient(
                applicationName=application,
                applicationPassword=f"secret-{application}",
                protocolVersion=1,
            )
        )
        await client.told(reactor, messages.EventLinkConnected)
        for dn in dns:
            client.request(messages.RequestRegisterAddress(thisDN=dn))
        for _ in dns:
            await client.told(reactor, messages.EventRegistered)
        return client

    def dataReceived(self, data: bytes) -> None:
        """
        Take what the server sends.
        """
        self._reader.receive(data)
        while (payload := self._reader.nextFrame()) is not None:
            self._received(decode(payload))

    def _received(self, envelope: Envelope) -> None:
        if isinstance(envelope.message, messages.LinkPoll):
            self._send(messages.LinkPollAnswer(), 0)
            return
        if envelope.position:
            assert envelope.position == self._position + 1, envelope
            self._position = envelope.position
        self.got.append(Got(envelope.message, envelope.reference, time.time()))

    def request(self, message: Message) -> int:
        """
        Ask for something.

        @return: the ReferenceID.
        """
        self._reference += 1
        self._send(message, self._reference)
        return self._reference

    def _send(self, message: Message, reference: int) -> None:
        assert self.transport is not None
        self.transport.write(encode(message, self._position, reference))

    def take(self) -> list[Got]:
        """
        What has come since the last time.
        """
        got, self.got = self.got, []
        return got

    async def told(
        self, reactor: Any, kind: type[Message], seconds: float = 5.0
    ) -> Message:
        """
        Wait for a message, and take it and all before it.
        """

        def found() -> bool:
            return any(isinstance(one.message, kind) for one in self.got)

        try:
            await until(reactor, found, seconds, kind.__name__, 0.02)
        except AssertionError as e:
            raise AssertionError(f"{e}: {self.got}") from None
        while not isinstance((one := self.got.pop(0)).message, kind):
            pass
        return one.message

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Be connected no more.
        """
        self.connected = 0

    def leave(self) -> None:
        """
        End the session in order.
        """
        if self.transport is not None and self.connected:
            self._send(messages.LinkClosing(), 0)
            self.transport.loseConnection()
