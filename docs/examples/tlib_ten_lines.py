import random

from twisted.internet import reactor
from twisted.internet.endpoints import clientFromString

from sipcluster.tlib.client import TLibraryClient
from sipcluster.tlib.text import render


def printed(event):
    print(render(event.message, event.position, event.reference))


members = ("tcp:127.0.0.21:3001", "tcp:127.0.0.23:3001")  # of the pair node1
ports = [clientFromString(reactor, member) for member in members]
client = TLibraryClient(
    ports, reactor, "desktop", "secret-desktop", printed, chance=random.random
)
client.startService()
client.register("1001").addErrback(print)
reactor.run()
