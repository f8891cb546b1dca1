"""
A user agent server with the SIP stack alone: twistd -ny docs/examples/uas.py
"""

import os

from twisted.application.service import Application, Service
from twisted.internet import reactor
from zope.interface import implementer

from sipcluster.net.transport import SIPTransport
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import IRequestReceiver
from sipcluster.sip.message import makeResponse
from sipcluster.sip.sanity import checkRequest
from sipcluster.sip.transactions import TransactionLayer


@implementer(IRequestReceiver)
class UAS(Service):
    def __init__(self, reactor, host, port):
        self.address, self.identifiers = (host, port), Identifiers(os.urandom)
        self.transport = SIPTransport(reactor, None, os.urandom)
        self.layer = TransactionLayer(reactor, self.transport, self, self.identifiers)
        self.transport.receiver = self.layer

    def startService(self):
        self.listening = self.transport.listenUDP(*self.address)

    def stopService(self):
        self.layer.stop()
        return self.transport.stop()

    def requestReceived(self, transaction):
        request, status = transaction.request, 200
        checkRequest(request)  # what it raises is answered
        headers = [(b"Allow", b"OPTIONS, REGISTER")]
        if request.method == b"REGISTER":
            for contact in request.contacts:
                granted = contact.with_(b"expires", b"60")
                headers.append((b"Contact", granted.render()))
        elif request.method != b"OPTIONS":
            status = 405
        tag = self.identifiers.tag()
        transaction.respond(makeResponse(request, status, b"", tag, headers))

    def ackReceived(self, ack, flow): ...

    def strayResponse(self, response, flow): ...


application = Application("uas")
UAS(reactor, "127.0.0.1", 5060).setServiceParent(application)
