import random

from twisted.internet import reactor
from twisted.internet.endpoints import clientFromString

from sipcluster.tlib.client import TLibraryClient
from sipcluster.tlib.messages import EventRinging, RequestAnswerCall


def eventReceived(event):
    print(event.message)
    if isinstance(event.message, EventRinging):
        dn, connID = event.message.thisDN, event.message.connID
        client.request(RequestAnswerCall(thisDN=dn, connID=connID)).addErrback(print)


port = clientFromString(reactor, "tcp:127.0.0.21:3001")
client = TLibraryClient(
    [port], reactor, "desktop", "secret", eventReceived, chance=random.random
)
client.startService()
client.register("1001").addErrback(print)
reactor.run()
