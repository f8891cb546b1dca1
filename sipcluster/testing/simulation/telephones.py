"""
Telephones of a simulated world: user agents with people in front of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import implementer

from sipcluster.sip.dialog import Dialog
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import (
    IFlow,
    IMessageReceiver,
    IRequestReceiver,
    Target,
)
from sipcluster.sip.message import Request, Response, makeResponse
from sipcluster.sip.server_transaction import ServerTransaction
from sipcluster.sip.timers import TimerQueue, TimerValues
from sipcluster.sip.transactions import TransactionLayer
from sipcluster.sip.uri import SIPURI, parseURI
from sipcluster.testing.simulation.phone_call import PhoneCall
from sipcluster.testing.simulation.phone_registering import Registering

if TYPE_CHECKING:
    from sipcluster.testing.simulation.world import World


@implementer(IMessageReceiver, IRequestReceiver)
class Telephone(Registering):
    """
    One of them, with one line, or some.

    It registers and refreshes with the first SIP Proxy that answers, those of its
    data centre first.  The person takes calls after a while, refuses some and lets
    some ring.

    @ivar number: its DN.
    @ivar transportName: C{"UDP"} or C{"TCP"}: a connection to its SIP Proxy.
    @ivar calls: those that it has, the latest one last.
    @ivar lines: how many it may have.
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
        lines: int = 1,
    ) -> None:
        super().__init__(world, name, host, place)
        self.number = number
        self.transportName = transportName
        self.calls: list[PhoneCall] = []
        self.lines = lines
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
        self.calls = []
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
        return {"calls": len(self.calls)}

    def lingering(self) -> dict[str, int]:
        """
        See L{Process.lingering}.
        """
        return {"timers": self.queue.pending}

    @property
    def call(self) -> PhoneCall | None:
        """
        The latest of its calls; L{None}: it has none.
        """
        return self.calls[-1] if self.calls else None

    def mediaEnds(self) -> dict[int, tuple[str, int]]:
        """
        By the ports of its calls: whose they are, and to which port they talk; 0: it
        is not to be asked now.
        """
        return {call.port: (self.name, call.talksTo) for call in self.calls}

    # What a person does

    def dial(self, number: str, besides: bool = False) -> bool:
        """
        Call a number.

        @param besides: although there is a call.

        @return: whether a line was free.
        """
        if len(self.calls) >= (self.lines if besides else 1):
            return False
        self.calls.append(PhoneCall.calling(self, number))
        return True

    def hangUp(self, number: int = 0) -> bool:
        """
        End a call, whatever it is.

        @param number: chooses one; 0: the latest one.
        """
        if not self.calls:
            return False
        self.calls[(number - 1) % len(self.calls)].hangUp()
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

    # Requests

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
        call = next((one for one in self.calls if one.owns(request)), None)
        if call is not None:
            call.requested(transaction)
        elif request.toTag:
            self.respond(transaction, 481)
        elif request.method == b"INVITE":
            if not self._takes(request):
                self.respond(transaction, 486)
            else:
                call = PhoneCall.called(self, transaction)
                if call.state != "over":
                    self.calls.append(call)
        elif request.method in (b"OPTIONS", b"NOTIFY"):
            self.respond(transaction, 200)
        else:
            self.respond(transaction, 481)

    def _takes(self, invite: Request) -> bool:
        """
        Whether a line is free: a second one only for what the node calls it for.
        """
        info = invite.headers.first(b"Call-Info") or b""
        most = self.lines if b"answer-after=0" in info else 1
        return self.wanted and len(self.calls) < most

    def ackReceived(self, ack: Request, flow: IFlow) -> None:
        """
        See L{IRequestReceiver}.
        """
        for call in self.calls:
            if call.owns(ack):
                call.acknowledged(ack)

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
