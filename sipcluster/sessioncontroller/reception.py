"""
What a Session Controller does with the requests that reach its node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import evolve
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.registrar.register import Lifetimes, grant
from sipcluster.sessioncontroller.acceptance import (
    ALLOW,
    Unacceptable,
    checkExtensions,
    checkSession,
    checkTimer,
    wrongMethod,
)
from sipcluster.sessioncontroller.authentication import (
    Authenticator,
    Refused,
    numberOf,
)
from sipcluster.sessioncontroller.call import Call
from sipcluster.sessioncontroller.call_numbers import CallNumbers
from sipcluster.sessioncontroller.events import CallEvent, Role
from sipcluster.sessioncontroller.identity import NOBODY, callerOf
from sipcluster.sessioncontroller.in_dialog import refusalAck
from sipcluster.sessioncontroller.isessioncontroller import (
    Asked,
    ExtensionDN,
    IDialPlan,
    TrunkDN,
)
from sipcluster.sessioncontroller.useragent import UserAgent
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.headers import Headers
from sipcluster.sip.isip import IFlow, IRequestReceiver
from sipcluster.sip.message import Request, Response, makeResponse
from sipcluster.sip.sanity import checkRequest
from sipcluster.sip.server_transaction import ServerTransaction
from sipcluster.sip.uri import SIPURI

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.notifier import ISubscriptions

log = Logger()

#: Methods that mean something inside a dialog.
_IN_DIALOG = frozenset((b"INVITE PRACK UPDATE BYE INFO MESSAGE OPTIONS REFER").split())

#: Seconds for Retry-After when there are too many calls.
_RETRY_AFTER = Headers.of((b"Retry-After", b"5"))

_ABILITIES = (
    (b"Allow", ALLOW),
    (b"Accept", b"application/sdp"),
    (b"Accept-Encoding", b"identity"),
    (b"Accept-Language", b"en"),
    (b"Supported", b"100rel, timer, replaces, tdialog, norefersub"),
)


@implementer(IRequestReceiver)
class Reception:
    """
    Takes requests, and makes calls of INVITEs.

    Requests that do not come from a SIP Proxy of the configuration are refused
    with 403, OPTIONS aside: whatever a node believes of a request, it believes
    because a proxy has written it there.

    @ivar ua: what all legs share.
    @ivar calls: live calls by ConnID.
    @ivar role: the value of C{X-SIPCluster-Role} in answers to OPTIONS.
    @ivar stopping: nothing new is taken.
    @ivar numbers: those of the calls.
    @ivar subscriptions: takes SUBSCRIBEs; L{None} where nothing can be subscribed
        to.
    """

    ua: UserAgent
    subscriptions: ISubscriptions | None = None

    def __init__(
        self,
        authenticator: Authenticator,
        plan: IDialPlan,
        lifetimes: Lifetimes,
        publish: Callable[[CallEvent], None],
        role: bytes,
    ) -> None:
        self._authenticator = authenticator
        self._plan = plan
        self._lifetimes = lifetimes
        self._publish = publish
        self.role = role
        self.stopping = False
        self._tookOver: float | None = None
        self.calls: dict[str, Call] = {}
        self.numbers = CallNumbers()

    @property
    def full(self) -> bool:
        """
        Whether no new call is taken.
        """
        return self.stopping or len(self.calls) >= self.ua.limits.calls

    def newCall(self, ani: str, dnis: str) -> Call:
        """
        Make a call.
        """
        identifiers = self.ua.identifiers
        connID = identifiers.tag().decode()
        return Call(
            self.agentOf(connID),
            self._plan,
            self._publish,
            self.callEnded,
            connID,
            identifiers.uuid().decode(),
            ani,
            dnis,
            self.ua.wallTime(),
            self.numbers.next(),
        )

    def noteConsultation(self, call: Call, dn: str) -> None:
        """
        A DN calls: see whether that is about a call that it holds.
        """

    def agentOf(self, connID: str) -> UserAgent:
        """
        What a call is given to work with.
        """
        return self.ua

    # IRequestReceiver

    def requestReceived(self, transaction: ServerTransaction) -> None:
        # Whatever else goes wrong is logged and answered 500 one floor below.
        try:
            self._take(transaction)
        except MalformedMessage as e:
            self.ua.count("malformed")
            log.warn(
                "malformed {method}: {why}",
                method=transaction.request.method.decode("ascii", "replace"),
                why=e,
            )
            self._respond(transaction, e.status)

    def ackReceived(self, ack: Request, flow: IFlow) -> None:
        leg = self.ua.legs.get(ack.toTag)
        if leg is None or leg.callID != ack.callID:
            self.ua.count("strayAcks")
        elif self.ua.proxies.at(flow.remote[0]) is None:
            self.ua.count("untrusted")
        else:
            leg.ackReceived(ack)

    def strayCancel(self, cancel: Request, flow: IFlow) -> bool:
        return False

    def strayResponse(self, response: Response, flow: IFlow) -> None:
        status = response.status
        if response.cseq.method != b"INVITE" or status < 200:
            return
        if status < 300:
            leg = self.ua.legs.get(response.fromTag)
            if leg is not None and leg.callID == response.callID:
                leg.acceptedAgain(response)
        elif (
            self.ua.proxies.at(flow.remote[0]) is not None
            and response.via.host.lower() == self.ua.contactHost.lower()
        ):
            # Another process has sent the INVITE, and had no time for the ACK.
            flow.send(refusalAck(response).render())

    # Requests

    def _take(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        checkRequest(request)
        method = request.method
        trusted = self.ua.proxies.at(transaction.flow.remote[0]) is not None
        if not trusted and method != b"OPTIONS":
            self.ua.count("untrusted")
            self._respond(transaction, 403)
        elif (
            method == b"SUBSCRIBE"
            and self.subscriptions is not None
            and request.toTag not in self.ua.legs
        ):
            self.subscriptions.subscribeReceived(transaction)
        elif request.toTag:
            self._takeInDialog(transaction)
        elif method == b"INVITE":
            self._takeInvite(transaction)
        elif method == b"OPTIONS":
            self._takeOptions(transaction, trusted)
        elif method == b"REGISTER":
            self._takeRegister(transaction)
        elif method == b"REFER":
            self.takeRefer(transaction)
        else:
            self._refuse(transaction, wrongMethod(method))

    def _takeInDialog(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        leg = self.ua.legs.get(request.toTag)
        if leg is None or leg.callID != request.callID:
            self.ua.count("unknownDialogs")
            again = request.method == b"BYE" and self._hasTakenOver()
            self._respond(transaction, 200 if again else 481)
            return
        method = request.method
        wrong = None
        if method not in _IN_DIALOG:
            wrong = wrongMethod(method)
        elif method != b"BYE":
            wrong = checkExtensions(request)
            if wrong is None and method in (b"INVITE", b"UPDATE"):
                wrong = checkSession(request)
        if wrong is not None:
            self._refuse(transaction, wrong)
            return
        try:
            leg.requestReceived(transaction)
        except MalformedMessage:
            raise
        except Exception:
            log.failure("{method}", method=method.decode(), leg=leg.id.decode())
            self._respond(transaction, 500)
            if leg.call is not None:
                leg.call.breakDown()

    def _takeOptions(self, transaction: ServerTransaction, trusted: bool) -> None:
        request = transaction.request
        wrong = checkExtensions(request)
        if wrong is not None:
            self._refuse(transaction, wrong)
        elif self.stopping:
            self._respond(transaction, 503)
        else:
            headers = Headers.of(*_ABILITIES)
            if trusted:
                headers = headers.append(b"X-SIPCluster-Role", self.role)
            self._respond(transaction, 200, headers)
            # SIP Proxies ask all the time: nothing is worth remembering of it.
            transaction.forget()

    def _takeRegister(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        wrong = checkExtensions(request)
        if wrong is not None:
            self._refuse(transaction, wrong)
            return
        sender = self._authenticator.identify(request)
        if isinstance(sender, Refused):
            self._respond(transaction, sender.status, sender.headers)
            return
        if self._authenticator.leadsAstray(request):
            self._respond(transaction, 403)
            return
        self._respond(transaction, *grant(request, self._lifetimes))

    def _takeInvite(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        if self.full:
            self.ua.count("overload")
            self._respond(transaction, 503, _RETRY_AFTER)
            return
        wrong = checkExtensions(request)
        if wrong is not None:
            self._refuse(transaction, wrong)
            return
        sender = self._authenticator.identify(request)
        if isinstance(sender, Refused):
            self._respond(transaction, sender.status, sender.headers)
            return
        wrong = checkSession(request)
        if wrong is None and b"Session-Expires" in request.headers:
            wrong = checkTimer(request, self.ua.limits.shortestSession)
        if wrong is None and request.maxForwards == 0:
            wrong = Unacceptable(483)
        if wrong is not None:
            self._refuse(transaction, wrong)
            return
        if b"Replaces" in request.headers:
            self.takeReplacing(transaction, sender)
        else:
            self._beginCall(transaction, sender)

    def takeReplacing(
        self, transaction: ServerTransaction, sender: ExtensionDN | TrunkDN
    ) -> None:
        """
        An INVITE came that is to take the place of another one.

        @raise MalformedMessage: it cannot be read.
        """
        self._respond(transaction, 481)

    def takeRefer(self, transaction: ServerTransaction) -> None:
        """
        A REFER came outside of a dialog.

        @raise MalformedMessage: it cannot be read.
        """
        self._refuse(transaction, wrongMethod(b"REFER"))

    def _beginCall(
        self, transaction: ServerTransaction, sender: ExtensionDN | TrunkDN
    ) -> None:
        request = transaction.request
        uri = request.requestURI
        dialled = numberOf(uri)
        internal = isinstance(sender, ExtensionDN)
        caller = callerOf(request, sender)
        # Nobody is to see the number of a caller from outside that is not shown.
        ani = NOBODY if caller.hidden and not internal else caller.number
        call = self.newCall(ani, dialled)
        if internal:
            self.noteConsultation(call, ani)
        party = call.addParty(ani, Role.ORIGINATION, internal)
        if caller.hidden:
            party.view = evolve(party.view, hidden=True)
        leg = call.addLeg(party, True, request.callID)
        leg.proxy = self.ua.proxies.at(transaction.flow.remote[0])
        try:
            leg.take(transaction)
        except MalformedMessage:
            leg.finish()
            raise
        self.calls[call.connID] = call
        secure = isinstance(uri, SIPURI) and uri.secure
        call.begin(
            leg,
            Asked(
                dialled,
                uri.bareHost if isinstance(uri, SIPURI) else self.ua.domain.decode(),
                sender,
            ),
            caller.shown(self.ua.domain, secure),
            caller.fields(self.ua.domain),
        )

    def _refuse(self, transaction: ServerTransaction, wrong: Unacceptable) -> None:
        self._respond(transaction, wrong.status, wrong.headers, wrong.reason)

    def _respond(
        self,
        transaction: ServerTransaction,
        status: int,
        headers: Headers | None = None,
        reason: bytes = b"",
    ) -> None:
        if status >= 300:
            self.ua.count(f"refused{status}")
        transaction.respond(
            makeResponse(
                transaction.request,
                status,
                reason,
                self.ua.identifiers.tag(),
                headers or (),
            )
        )

    def takenOver(self) -> None:
        """
        This process goes on with what another one has done.
        """
        self._tookOver = self.ua.timers.clock.seconds()

    def _hasTakenOver(self) -> bool:
        """
        Whether a far end may still wait for the other process to answer: that may have
        ended a call, and gone before it could say so.
        """
        took = self._tookOver
        now = self.ua.timers.clock.seconds()
        return took is not None and now - took < 64 * self.ua.t.t1

    def callEnded(self, call: Call) -> None:
        """
        A call has let go of everything.
        """
        self.calls.pop(call.connID, None)
