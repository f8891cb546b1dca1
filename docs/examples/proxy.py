"""
A SIP Proxy beside somebody's own services: twistd -ny docs/examples/proxy.py
"""

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application, MultiService
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.web.server import Site
from twisted.web.static import Data

from sipcluster.app.listening import Listening, makeLocator, makeTransport
from sipcluster.app.proxy import makeProxy
from sipcluster.app.runtime import ProxyRuntime
from sipcluster.app.settings import Configuration, Node, Proxy, Switch


def makeService(reactor, settings, httpPort):
    node = Node(name="node1", sipAddress="127.0.0.21")
    runtime = ProxyRuntime(
        name=settings.name,
        configuration=Configuration(
            Switch(name="lab", domain="lab.example"), applications=(settings, node)
        ),
        clock=reactor,
        transport=makeTransport(reactor, settings),
        locator=makeLocator(reactor, settings),
    )
    ours = MultiService()
    Listening(makeProxy(runtime)).setServiceParent(ours)
    endpoint = TCP4ServerEndpoint(reactor, httpPort, interface="127.0.0.1")
    site = Site(Data(b"Somebody's own page.", "text/plain"))
    StreamServerEndpointService(endpoint, site).setServiceParent(ours)
    return ours


application = Application("ours")
PROXY = Proxy(name="proxy1", sipAddress="127.0.0.1")
makeService(reactor, PROXY, 8000).setServiceParent(application)
