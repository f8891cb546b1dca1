"""
Writes down every event of some DNs, and misses none: neither when the connection is
lost, nor when it is itself killed and started again, nor when another member of a
pair serves: ports are those of both members.

    python docs/examples/tlib_client.py tcp:127.0.0.21:3001,tcp:127.0.0.23:3001 \
        desktop desktop.password events.jsonl 1001 1002
"""

import json
import os
import random
import sys

from twisted.application.service import Service
from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString

from sipcluster.tlib.client import Resume, TLibraryClient
from sipcluster.tlib.text import render


class Recorder(Service):
    """
    One line for each event: its text, and where to go on after it.
    """

    def __init__(self, reactor, ports, application, password, path, dns, **more):
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self.dns = dns
        self.client = TLibraryClient(
            [clientFromString(reactor, port) for port in ports.split(",")],
            reactor,
            application,
            password,
            self.eventReceived,
            chance=random.random,
            linkChanged=self.linkChanged,
            resume=self.lastLine(),
            keepSession=True,  # stopping is no end: we come back
            **more,
        )

    def lastLine(self):
        "Where the last whole line says that we were; a piece of one is cut off."
        with open(self.file, "rb", closefd=False) as file:
            lines = file.read().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        os.truncate(self.file, sum(map(len, whole)))
        return Resume.fromText(json.loads(whole[-1])["resume"]) if whole else None

    def eventReceived(self, event):
        "One write: the event is on the disk with its place in the stream, or not."
        if event.position:
            line = {
                "resume": self.client.resume.asText(),
                "text": render(event.message, event.position, event.reference),
            }
            os.write(self.file, json.dumps(line).encode() + b"\n")

    def linkChanged(self, link):
        print("linked" if link.connected else f"not linked: {link.why}", flush=True)

    def register(self, info):
        for dn in self.dns:
            self.client.register(dn).addErrback(self.refused, dn)

    def refused(self, failure, dn):
        print(f"refused: {dn} {failure.getErrorMessage()}", flush=True)

    def startService(self):
        super().startService()
        self.client.startService()
        self.client.whenLinked().addCallback(self.register).addErrback(self.refused, "")

    def stopService(self):
        super().stopService()
        return self.client.stopService()


def main(reactor, ports, application, passwordFile, path, *dns):
    with open(passwordFile) as file:
        password = file.read().strip()
    recorder = Recorder(reactor, ports, application, password, path, dns)
    recorder.startService()
    reactor.addSystemEventTrigger("before", "shutdown", recorder.stopService)
    return Deferred()


if __name__ == "__main__":
    task.react(main, sys.argv[1:])
