"""
A node in memory, and an event sink that prints: python docs/examples/call_events.py
"""

from twisted.internet.task import Clock
from zope.interface import implementer

from sipcluster.app.node import makeNode
from sipcluster.app.runtime import NodeRuntime
from sipcluster.app.settings import Configuration, Extension, Node, Proxy, Switch
from sipcluster.sessioncontroller.isessioncontroller import IEventSink
from sipcluster.sip.isip import Target
from sipcluster.testing.clock import runFor
from sipcluster.testing.network import MemoryNetwork
from sipcluster.testing.sip_peer import Phone, peerAt, sdp

NODE, PROXY = "192.0.2.21", "192.0.2.11"
LAB = Configuration(
    Switch(name="lab", domain="lab.example"),
    [Extension(number=number, password="secret") for number in ("1001", "1002")],
    [Node(name="node1", sipAddress=NODE), Proxy(name="proxy1", sipAddress=PROXY)],
)


@implementer(IEventSink)
class Printer:
    def eventHappened(self, event):
        print(f"{event.time:6.1f} s  {event.party.thisDN}  {type(event).__name__}")


clock = Clock()
network = MemoryNetwork(clock)
host, seconds = network.host(NODE), clock.seconds
runtime = NodeRuntime(
    name="node1", configuration=LAB, clock=clock, transport=host, wallTime=seconds
)
makeNode(runtime, [Printer()]).startService()
peer = peerAt(network, clock, PROXY, Target("UDP", NODE, 5060))
alice = Phone(peer, "1001", "lab.example", b"secret", "198.51.100.1", PROXY)
bob = Phone(peer, "1002", "lab.example", b"secret", "198.51.100.2", PROXY)
alice.request(b"INVITE", "1002", body=sdp())
invite = peer.expectRequest(b"INVITE")
bob.answer(invite, 180)
runFor(clock, 3)
bob.answer(invite, 200, sdp("bob"))
peer.expectRequest(b"ACK")
alice.accepted(peer.expectResponse(200))
alice.acknowledge()
runFor(clock, 60)
bob.within(b"BYE")
peer.respond(peer.expectRequest(b"BYE"), 200)
