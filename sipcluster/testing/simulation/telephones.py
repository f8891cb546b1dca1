"""
Telephones of a simulated world: user agents with people in front of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import implementer

from sipcluster.sip.dialog import Dialog
from sipcluster.sip.digest import authorize
from sipcluster.sip.errors import SIPError
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import (
    IFlow,
    IMessageReceiver,
    IRequestReceiver,
    ITransactionUser,
    Target,
)
from sipcluster.sip.message import Request, Response, makeResponse
from sipcluster.sip.server_transaction import ServerTransaction
from sipcluster.sip.timers import TimerQueue, TimerValues
from sipcluster.sip.transactions import TransactionLayer
from sipcluster.sip.uri import SIPURI, parseURI
from sipcluster.testing.simulation.exchange import Exchange, outside
from sipcluster.testing.simulation.phone_call import PhoneCall
from sipcluster.testing.simulation.processes import Process

if TYPE_CHECKING:
    from sipcluster.testing.simulation.world import World

#: Seconds for which a telephone registers.
REGISTERED = 120

#: Seconds after which it tries again.
AGAIN = 3.0


@implementer(IMessageReceiver, IRequestReceiver)
class Telephone(Process):
    """
    One of them, with one line.

    It registers and refreshes with the first SIP Proxy that answers, those of its
    data centre first.  The person takes calls after a while, refuses some and lets
    some ring.

    @ivar number: its DN.
    @ivar transportName: C{"UDP"} or C{"TCP"}: a connection to its SIP Proxy.
    @ivar call: the call that it has; L{None}: none.
    @ivar wanted: whether it is to be registered.
    @ivar registeredUntil: seconds of the clock; 0: it is not.
    @ivar patience: seconds after which the person answers next; below 0: the call
        is refused with this status.
    """

    kind = "telephone"

    def __init__(
        self,
        world: World,
        name: str,
        host: str,
        place: str,
        number: str,
        transportName: str = "UDP",
    ) -> None:
        super().__init__(world, name, host, place)
        self.number = number
        self.transportName = transportName
        self.call: PhoneCall | None = None
        self.wanted = True
        self.registeredUntil = 0.0
        self.patience = 1.0

    # Process

    def begin(self) -> None:
        """
        Switch it on.
        """
        self.identifiers = Identifiers(self.chance.entropy)
        self.queue = TimerQueue(self.clock)
        self.layer = TransactionLayer(
            self.clock,
            self.transport,
            self,
            self.identifiers,
            TimerValues(),
            queue=self.queue,
        )
        self.transport.receiver = self
        self.challenges: list[bytes] = []
        self._nonceCount = 0
        self._sequence = 0
        self._callID = self.identifiers.callID()
        self._tag = self.identifiers.tag()
        self._registering = 0
        self._wanted = 0
        self._asking = False
        self.proxies = self.world.proxiesFor(self.place)
        self.wanted = True
        self.clock.callLater(self.chance.random(), self.register)

    def killed(self) -> None:
        """
        It has no call any more, and does not know where it is registered.
        """
        self.call = None
        self.registeredUntil = 0.0

    def quieten(self) -> None:
        """
        The person goes home; the telephone no longer registers itself anew.
        """
        self.wanted = False

    def left(self) -> dict[str, int]:
        """
        See L{Process.left}.
        """
        return {"calls": int(self.call is not None)}

    def lingering(self) -> dict[str, int]:
        """
        See L{Process.lingering}.
        """
        return {"timers": self.queue.pending}

    # What a person does

    def dial(self, number: str) -> bool:
        """
        Call a number.

        @return: whether the line was free.
        """
        if self.call is not None:
            return False
        self.call = PhoneCall.calling(self, number)
        return True

    def hangUp(self) -> bool:
        """
        End the call, whatever it is.
        """
        if self.call is None:
            return False
        self.call.hangUp()
        return True

    def leave(self) -> None:
        """
        Say that it is no longer registered.  Just switched on, it does not know.
        """
        self.wanted = False
        if self.registeredUntil or self._asking or not self._registering:
            self.register(0)

    def comeBack(self) -> None:
        """
        Register again.
        """
        self.wanted = True
        self.register()

    def moveTo(self, number: int) -> None:
        """
        Prefer another SIP Proxy from now on.
        """
        every = self.world.proxiesFor("")
        first = every[number % len(every)]
        self.proxies = [first, *(one for one in self.proxies if one != first)]
        self.register()

    # Registering

    def register(self, seconds: int = REGISTERED) -> None:
        """
        Register, or end that with 0 seconds.
        """
        if seconds and not self.wanted:
            return
        self._wanted = seconds
        if not self._asking:
            self._asking = True
            self._registering += 1
            self._registerNow(0)

    def _registerNow(self, tried: int) -> None:
        """
        Ask; there is one REGISTER at a time (RFC 3261 section 10.2).
        """
        self._sequence += 1
        seconds, number = self._wanted, self._registering
        uri = b"sip:%b" % self.world.domain
        fields = [
            self.contact,
            (b"Expires", b"%d" % seconds),
            *self.credentials(b"REGISTER", uri),
        ]
        request = outside(
            self.aor,
            b"REGISTER",
            uri,
            self.aor,
            self._callID,
            self._tag,
            self._sequence,
            fields,
        )

        def done(response: Response | None) -> None:
            status = 408 if response is None else response.status
            if response is not None and status == 401 and tried < 4:
                self.challenged(response)
                self._registerNow(tried + 1)
            elif status < 300:
                self._registered(seconds, number, target.host)
            else:
                self.note(f"REGISTER: {status}")
                self.proxies = [*self.proxies[1:], self.proxies[0]]
                pause = AGAIN * (0.5 + self.chance.random())
                self.clock.callLater(pause, self._registerNow, 0)

        target = self.target
        self.send(request, target, done)

    def _registered(self, seconds: int, number: int, proxy: str) -> None:
        self._asking = False
        checks = self.world.checks
        if seconds:
            checks.registered(self.number)
        else:
            checks.unregistered(self.number, proxy)
        now = self.clock.seconds()
        self.registeredUntil = now + seconds if seconds else 0.0
        if self._wanted != seconds:
            self.register(self._wanted)
            return
        if seconds:
            self.clock.callLater(
                seconds * (0.4 + 0.2 * self.chance.random()), self._refresh, number
            )

    def _refresh(self, number: int) -> None:
        if number == self._registering and self.wanted:
            self.register()

    # Requests

    @property
    def aor(self) -> bytes:
        """
        Its address-of-record.
        """
        return b"sip:%b@%b" % (self.number.encode(), self.world.domain)

    @property
    def contact(self) -> tuple[bytes, bytes]:
        """
        The Contact field.
        """
        uri = b"sip:%b@%b:5060" % (self.number.encode(), self.host.encode())
        if self.transportName != "UDP":
            uri += b";transport=" + self.transportName.lower().encode()
        return (b"Contact", b"<%b>" % uri)

    @property
    def target(self) -> Target:
        """
        The SIP Proxy that it prefers now.
        """
        return Target(self.transportName, self.proxies[0], 5060)

    def challenged(self, response: Response) -> None:
        """
        Take a 401.
        """
        self.challenges = response.headers.all(b"WWW-Authenticate")
        self._nonceCount = 0

    def credentials(self, method: bytes, uri: bytes) -> list[tuple[bytes, bytes]]:
        """
        The Authorization for the challenge that came last.
        """
        if not self.challenges:
            return []
        self._nonceCount += 1
        password = f"secret-{self.number}".encode()
        value = authorize(
            self.challenges,
            method,
            uri,
            self.number.encode(),
            password,
            self._nonceCount,
        )
        return [(b"Authorization", value)]

    def send(
        self, request: Request, target: Target, done: ITransactionUser | object
    ) -> Exchange:
        """
        Send a request in a transaction.

        @param done: called with the final response, or L{None} when there is none.
        """
        exchange = Exchange(done)
        try:
            exchange.transaction = self.layer.request(request, target, exchange)
        except SIPError:
            self.clock.callLater(0, exchange.transportFailed, "no way")
        return exchange

    def nextHop(self, dialog: Dialog) -> Target:
        """
        Where requests in a dialog go.
        """
        uri = parseURI(dialog.nextHop)
        assert isinstance(uri, SIPURI)
        host = self.world.addressOf(uri.bareHost)
        return Target(self.transportName, host, uri.port or 5060)

    # IMessageReceiver

    def messageReceived(self, message: Request | Response, flow: IFlow) -> None:
        """
        See L{IMessageReceiver}.
        """
        self.layer.messageReceived(message, flow)

    def flowFailed(self, flow: IFlow, why: str) -> None:
        """
        See L{IMessageReceiver}.  Without its connection it cannot be called.
        """
        self.layer.flowFailed(flow, why)
        if flow.reliable and self.wanted:
            self.clock.callLater(0.5 + self.chance.random(), self.register)

    # IRequestReceiver

    def requestReceived(self, transaction: ServerTransaction) -> None:
        """
        See L{IRequestReceiver}.
        """
        request = transaction.request
        call = self.call
        if call is not None and call.owns(request):
            call.requested(transaction)
        elif request.toTag:
            self.respond(transaction, 481)
        elif request.method == b"INVITE":
            if call is not None or not self.wanted:
                self.respond(transaction, 486)
            else:
                call = PhoneCall.called(self, transaction)
                if call.state != "over":
                    self.call = call
        elif request.method in (b"OPTIONS", b"NOTIFY"):
            self.respond(transaction, 200)
        else:
            self.respond(transaction, 481)

    def ackReceived(self, ack: Request, flow: IFlow) -> None:
        """
        See L{IRequestReceiver}.
        """
        if self.call is not None and self.call.owns(ack):
            self.call.acknowledged(ack)

    def strayCancel(self, cancel: Request, flow: IFlow) -> bool:
        """
        See L{IRequestReceiver}.
        """
        return False

    def strayResponse(self, response: Response, flow: IFlow) -> None:
        """
        See L{IRequestReceiver}.
        """

    def respond(
        self,
        transaction: ServerTransaction,
        status: int,
        fields: list[tuple[bytes, bytes]] | None = None,
        body: bytes = b"",
        tag: bytes = b"",
    ) -> Response:
        """
        Answer a request.
        """
        request = transaction.request
        response = makeResponse(
            request,
            status,
            toTag=tag or (b"" if request.toTag else self.identifiers.tag()),
            headers=fields or [],
            body=body,
            contentType=b"application/sdp" if body else b"",
        )
        transaction.respond(response)
        return response
