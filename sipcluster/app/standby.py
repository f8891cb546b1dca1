"""
What a backup answers telephones and SIP Proxies: that another one serves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from attrs import frozen
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.ha.lease import RoleFields
from sipcluster.servicecheck.iservicecheck import PeerRole
from sipcluster.servicecheck.options import ROLE, renderRole
from sipcluster.sip.errors import MalformedMessage, NoTransport
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import IFlow, IMessageReceiver, ITransportLayer
from sipcluster.sip.message import Request, Response, makeResponse

log = Logger()


@implementer(IMessageReceiver)
class Standby:
    """
    Answers each request by itself (RFC 3261 section 8.2.7): OPTIONS by 200, with the
    role that it has, and all others by 503, with the same.

    @ivar counts: what came, by method.
    @ivar speaking: an answer leaves at this moment.
    """

    def __init__(
        self,
        transport: ITransportLayer,
        identifiers: Identifiers,
        fields: Callable[[], RoleFields],
    ) -> None:
        """
        @param fields: the role, asked each time.
        """
        self.counts: Counter[str] = Counter()
        self.speaking = False
        self._transport = transport
        self._tag = identifiers.tag()
        self._fields = fields

    def messageReceived(self, message: Request | Response, flow: IFlow) -> None:
        """
        See L{IMessageReceiver}.
        """
        if isinstance(message, Response):
            # For one who served here: the SIP Proxy sends it to who does now.
            self.counts["responses"] += 1
            return
        method = message.method
        if method == b"ACK":
            self.counts["acks"] += 1
            return
        try:
            self._answer(message, flow, 200 if method == b"OPTIONS" else 503)
        except MalformedMessage as e:
            self.counts["malformed"] += 1
            log.debug("nothing can be said to {flow}: {why}", flow=flow.remote, why=e)
        except NoTransport as e:
            self.counts["noWay"] += 1
            log.debug("no way to answer {flow}: {why}", flow=flow.remote, why=e)

    def flowFailed(self, flow: IFlow, why: str) -> None:
        """
        See L{IMessageReceiver}.
        """

    def _answer(self, request: Request, flow: IFlow, status: int) -> None:
        self.counts["options" if status == 200 else "refused"] += 1
        fields = self._fields()
        role = renderRole(PeerRole(fields.primary, fields.epoch, fields.pair))
        response = makeResponse(
            request, status, toTag=self._tag, headers=[(ROLE, role)]
        )
        way = self._transport.responseFlow(request.via, flow)
        self.speaking = True
        try:
            way.send(response.render())
        finally:
            self.speaking = False


@implementer(IMessageReceiver)
@frozen
class Seeing:
    """
    Tells somebody of each message that comes.
    """

    _receiver: IMessageReceiver
    _seen: Callable[[], None]

    def messageReceived(self, message: Request | Response, flow: IFlow) -> None:
        """
        See L{IMessageReceiver}.
        """
        self._seen()
        self._receiver.messageReceived(message, flow)

    def flowFailed(self, flow: IFlow, why: str) -> None:
        """
        See L{IMessageReceiver}.
        """
        self._receiver.flowFailed(flow, why)
