"""
What members of pairs say, judged by their role before anything else looks at it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.servicecheck.iservicecheck import (
    IPrimaryObserver,
    IServiceRegistry,
    Member,
    PeerRole,
)
from sipcluster.servicecheck.roles import ROLE, parseRole, renderRole
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.invite_client import makeAck
from sipcluster.sip.isip import IFlow, IMessageReceiver
from sipcluster.sip.message import Request, Response
from sipcluster.sip.transactions import TransactionLayer
from sipcluster.sip.via import Via

log = Logger()

#: Number in the log: a member that was replaced still sends.
FROM_STALE = "00-53305"

#: How many messages of one member are logged until it is believed again.
_LOGGED = 3


@implementer(IMessageReceiver, IPrimaryObserver)
class MemberGate:
    """
    Stands between the transport and the transaction layer of a SIP Proxy.

    - OPTIONS in which a member says what it has become are answered here, with what
      this SIP Proxy sees in it and with the highest epoch of its pair.
    - What comes from a member that another one has replaced is not passed on: a
      request is refused with the epoch of the other, a response is dropped.
    - What comes from a backup while another member serves is dropped, and the backup
      asked: perhaps it has become primary, and the request comes again.
    - A 503 of a backup is the answer of nobody: the transaction goes on, at the
      primary, as soon as there is one.
    """

    def __init__(
        self,
        layer: TransactionLayer,
        nodes: IServiceRegistry,
        members: Iterable[Member],
        pairHosts: dict[bytes, str],
        counters: Counter[str],
    ) -> None:
        """
        @param pairHosts: from the host in Via to the name of the pair.
        """
        self._layer = layer
        self._nodes = nodes
        self._counters = counters
        self._pairHosts = pairHosts
        self._members = [m for m in members if nodes.hasStandby(m.pair)]
        self._byAddress = {(m.target.host, m.target.port): m for m in self._members}
        self._byHost: dict[str, list[Member]] = {}
        for member in self._members:
            self._byHost.setdefault(member.target.host, []).append(member)
        self._logged: Counter[str] = Counter()
        self._suspects: set[str] = set()
        self._look()
        nodes.observePrimaries(self)

    def primaryChanged(self, pair: str, member: Member | None) -> None:
        """
        See L{IPrimaryObserver}.
        """
        self._look()
        if member is None:
            return
        self._logged.pop(member.name, None)

        def isOfThePair(via: Via) -> bool:
            return self._pairHosts.get(via.host.lower()) == pair

        self._layer.answerElsewhere(isOfThePair)

    def _look(self) -> None:
        """
        Find the hosts with a member that is not the primary of its pair.
        """
        self._suspects = {
            member.target.host
            for member in self._members
            if self._nodes.primary(member.pair) != member
        }

    def _memberAt(self, flow: IFlow) -> Member | None:
        """
        The member that a flow leads to.  A connection from a host with several
        members comes from none that can be told.
        """
        member = self._byAddress.get(flow.remote)
        if member is None and flow.reliable:
            there = self._byHost.get(flow.remote[0], ())
            if len(there) == 1:
                return there[0]
        return member

    # IMessageReceiver

    def messageReceived(self, message: Request | Response, flow: IFlow) -> None:
        """
        See L{IMessageReceiver}.
        """
        if isinstance(message, Request):
            if message.method == b"OPTIONS" and self._told(message, flow):
                return
        elif message.status == 503 and self._refused(message, flow):
            return
        if flow.remote[0] not in self._suspects or self._passes(message, flow):
            self._layer.messageReceived(message, flow)

    def flowFailed(self, flow: IFlow, why: str) -> None:
        """
        See L{IMessageReceiver}.
        """
        member = self._byAddress.get(flow.remote)
        if member is not None and not flow.reliable:
            # Whatever was sent: perhaps nobody listens there any more.
            self._nodes.doubt(member.name)
        self._layer.flowFailed(flow, why)

    # Roles

    def _told(self, options: Request, flow: IFlow) -> bool:
        """
        A member says what it has become.

        @return: whether it was that.
        """
        value = options.headers.first(ROLE)
        if value is None:
            return False
        member = self._memberAt(flow)
        if member is None or options.toTag:
            return False
        role = parseRole(value)
        if self._nodes.told(member.name, role):
            self._counters["announced"] += 1
            self._answer(options, flow, 200, member, role.primary)
        else:
            self._counters["announcedTooLate"] += 1
            self._answer(options, flow, 403, member, False)
        return True

    def _answer(
        self, request: Request, flow: IFlow, status: int, member: Member, primary: bool
    ) -> None:
        seen = PeerRole(primary, self._nodes.epoch(member.pair), member.pair)
        try:
            self._layer.refuse(request, flow, status, ((ROLE, renderRole(seen)),))
        except MalformedMessage as e:
            log.debug("not answered: {why}", why=e)

    def _refused(self, response: Response, flow: IFlow) -> bool:
        """
        A 503 that is perhaps the one of a backup.

        @return: whether it is.
        """
        value = response.headers.first(ROLE)
        member = None if value is None else self._memberAt(flow)
        role = parseRole(value)
        if member is None or role.primary:
            return False
        try:
            transaction = self._layer.answeredBy(response)
        except MalformedMessage:
            return False
        method = b"" if transaction is None else transaction.request.method
        if transaction is None or method == b"OPTIONS":
            return False
        self._counters["refusedByBackup"] += 1
        if method == b"INVITE":
            flow.send(makeAck(transaction.request, response).render())
        known = self._nodes.roleOf(member.name)
        if known is not None and known.primary and role.epoch < known.epoch:
            # It was perhaps under way for longer than what was said since.
            self._nodes.doubt(member.name)
        else:
            self._nodes.told(member.name, role)
        return True

    def _passes(self, message: Request | Response, flow: IFlow) -> bool:
        """
        Whether what comes from a host with a member that is not primary may pass.
        """
        member = self._memberAt(flow)
        nodes = self._nodes
        if member is None:
            return True
        primary = nodes.primary(member.pair)
        if primary == member:
            return True
        if isinstance(message, Response):
            cseq = message.headers.first(b"CSeq") or b""
            if cseq.endswith(b"OPTIONS"):
                return True  # the answer to a question of the service checker
        if nodes.superseded(member.name):
            self._fromStale(message, flow, member)
            return False
        role = nodes.roleOf(member.name)
        if role is not None and not role.primary:
            nodes.doubt(member.name)
            if primary is not None:
                self._counters["fromBackup"] += 1
                return False
        return True

    def _fromStale(
        self, message: Request | Response, flow: IFlow, member: Member
    ) -> None:
        """
        Drop what comes from a member that was replaced, and tell it so.
        """
        what = message.method if isinstance(message, Request) else message.status
        self._counters["fromStaleMember"] += 1
        self._logged[member.name] += 1
        if self._logged[member.name] <= _LOGGED:
            log.error(
                "{number}: {what} of {member}, which another one has replaced: dropped",
                number=FROM_STALE,
                what=what,
                member=member.name,
                epoch=self._nodes.epoch(member.pair),
            )
        if isinstance(message, Request) and message.method != b"ACK":
            self._answer(message, flow, 403, member, False)
