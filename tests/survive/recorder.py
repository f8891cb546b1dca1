"""
T-Library clients in a process of their own, which write down all that they are told.

    python -m tests.survive.recorder FILE CLIENT... -- DN...

where a client is C{NAME=ENDPOINT,ENDPOINT}; one whose name begins with C{cut} resets
its connection by itself, again and again.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterable
from typing import Any, TextIO

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import LoopingCall, react
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.tlib.client import LinkState, Times, TLibraryClient
from sipcluster.tlib.codec import Envelope
from sipcluster.tlib.text import render

#: Seconds between two resets, about.
RESETS = 3.0


@implementer(IStreamClientEndpoint)
class Door:
    """
    An endpoint whose connections can be reset.
    """

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint
        self._last: Any = None

    def connect(self, factory: Any) -> Any:
        """
        As any endpoint does.
        """

        def made(protocol: Any) -> Any:
            self._last = protocol
            return protocol

        return self._endpoint.connect(factory).addCallback(made)

    def reset(self) -> None:
        """
        Break what was connected last.
        """
        last, self._last = self._last, None
        if last is not None and last.transport is not None:
            last.transport.abortConnection()


class Recorder(Service):
    """
    One client.
    """

    def __init__(
        self, reactor: Any, name: str, ports: Iterable[str], out: TextIO, dns: list[str]
    ) -> None:
        self._name = name
        self._out = out
        self._dns = dns
        self._doors = [Door(clientFromString(reactor, port)) for port in ports]
        self._client = TLibraryClient(
            self._doors,
            reactor,
            "recorder",
            "secret",
            self._eventReceived,
            chance=random.random,
            linkChanged=self._linkChanged,
            times=Times(connect=1.0, startUp=2.0, keepAlive=2.0, settled=1.0),
        )
        self._resets = LoopingCall(self._reset)
        self._resets.clock = reactor

    def startService(self) -> None:
        super().startService()
        self._client.startService()
        self._client.whenLinked().addCallback(self._register)
        if self._name.startswith("cut"):
            self._resets.start(RESETS, now=False)

    def stopService(self) -> Deferred[None]:
        super().stopService()
        if self._resets.running:
            self._resets.stop()
        self._tell("counts", **self._client.counts())
        return self._client.stopService()

    def _reset(self) -> None:
        self._tell("reset")
        for door in self._doors:
            door.reset()

    def _register(self, _: object) -> None:
        for dn in self._dns:
            self._client.register(dn).addErrback(self._refused, dn)

    def _refused(self, failure: Failure, dn: str) -> None:
        self._tell("refused", dn=dn, why=failure.getErrorMessage())

    def _tell(self, kind: str, **more: object) -> None:
        line = {"client": self._name, "kind": kind, "time": time.time(), **more}
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()

    def _linkChanged(self, state: LinkState) -> None:
        self._tell(
            "link",
            connected=state.connected,
            why=state.why,
            resumed=state.resumed.label if state.resumed is not None else "",
            server=repr(state.info) if state.info is not None else "",
        )

    def _eventReceived(self, event: Envelope) -> None:
        message = event.message
        self._tell(
            "event",
            position=event.position,
            name=type(message).__name__,
            dn=getattr(message, "thisDN", None) or "",
            session=getattr(message, "callUUID", None) or "",
            reference=event.reference,
            text=render(message),
        )


def main(reactor: Any, file: str, *words: str) -> Deferred[None]:
    """
    Record until told to end.
    """
    where = words.index("--")
    out = open(file, "w", encoding="utf-8")  # noqa: SIM115 # until the end
    recorders = []
    for word in words[:where]:
        name, _, ports = word.partition("=")
        recorders.append(
            Recorder(reactor, name, ports.split(","), out, list(words[where + 1 :]))
        )
    for recorder in recorders:
        recorder.startService()
        reactor.addSystemEventTrigger("before", "shutdown", recorder.stopService)
    return Deferred()


if __name__ == "__main__":
    react(main, sys.argv[1:])
