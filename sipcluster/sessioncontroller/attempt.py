"""
One request on its way to the far end, through one SIP Proxy after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.sessioncontroller.isessioncontroller import ProxyAddress
from sipcluster.sip.adoption import InviteClientValue, writeClient
from sipcluster.sip.isip import ITransactionUser, Target
from sipcluster.sip.message import Request, Response

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.useragent import UserAgent
    from sipcluster.sip.transactions import ClientTransaction

log = Logger()

Received = Callable[[Response, Request], None]
Lost = Callable[[int, str], None]


class Attempt:
    """
    Sends a request, and sends it again through another SIP Proxy while nothing
    at all came back: when a transaction fails or times out, when the proxy
    itself answers 503, or when the service checker finds the proxy dead.

    @ivar proxy: the SIP Proxy it goes through.
    """

    __slots__ = (
        "_cancelled",
        "_lost",
        "_make",
        "_received",
        "_status",
        "_tried",
        "_try",
        "_ua",
        "proxy",
    )

    def __init__(
        self,
        ua: UserAgent,
        make: Callable[[ProxyAddress], Request],
        received: Received | None = None,
        lost: Lost | None = None,
    ) -> None:
        """
        @param make: makes the request for one SIP Proxy; called anew for each.
        @param received: takes each response and the request as it was sent;
            L{None} if nobody wants to know.
        @param lost: takes the status that stands for an answer that does not
            come, and why: 408, 500 when nothing could be sent, 503 when no SIP
            Proxy takes it.
        """
        self._ua = ua
        self._make: Callable[[ProxyAddress], Request] | None = make
        self._received = received
        self._lost = lost
        self._tried: tuple[str, ...] = ()
        self._status = 500
        self._cancelled = False
        self._try: _Try | None = None
        self.proxy: ProxyAddress | None = None

    @property
    def request(self) -> Request | None:
        """
        The request as it was sent last, our Via on top; L{None} before, and
        once its transaction is gone.
        """
        current = self._try
        if current is None or current.transaction is None:
            return None
        return current.transaction.request

    def start(self, preferred: ProxyAddress | None = None) -> None:
        """
        Send it, through C{preferred} if that serves.
        """
        ua = self._ua
        proxy = ua.proxies.choose(preferred, self._tried)
        make = self._make
        if proxy is None or make is None:
            self._lose(self._status, "no SIP Proxy answers")
            return
        self._tried = (*self._tried, proxy.name)
        self.proxy = proxy
        ua.attempts.add(self)
        current = self._try = _Try(self)
        current.transaction = ua.layer.request(
            make(proxy), proxy.target, current, sentBy=ua.contactHost
        )

    def value(self) -> InviteClientValue | None:
        """
        Write an INVITE down.

        @return: L{None} once its transaction is over.
        """
        current = self._try
        if current is None or current.transaction is None:
            return None
        return writeClient(current.transaction)

    @property
    def tried(self) -> tuple[str, ...]:
        """
        The names of the SIP Proxies that it was sent through.
        """
        return self._tried

    def adopt(self, value: InviteClientValue, tried: tuple[str, ...]) -> None:
        """
        Go on with an INVITE that another process has sent.

        @raise MalformedMessage: it cannot be read.
        """
        ua = self._ua
        self._tried = tried
        self._cancelled = value.cancel is not None
        self.proxy = ua.proxies.at(value.target.host)
        current = self._try = _Try(self)
        current.transaction = ua.layer.adoptClient(value, current)
        if value.state != "Calling":
            current.answered = True
            self._make = None
            current.transaction.broken = _outlives
        ua.attempts.add(self)

    @property
    def sent(self) -> tuple[bytes, Target] | None:
        """
        A request that is no INVITE as it was sent last, and where to; L{None} once
        its transaction is over.
        """
        current = self._try
        if current is None or current.transaction is None:
            return None
        return current.transaction.data, current.transaction.target

    def repeat(self, request: Request, target: Target) -> None:
        """
        Send a request that is no INVITE again that another process has sent.

        @param request: our Via on top.
        """
        ua = self._ua
        self.proxy = proxy = ua.proxies.at(target.host)
        self._tried = () if proxy is None else (proxy.name,)
        ua.attempts.add(self)
        current = self._try = _Try(self)
        current.transaction = ua.layer.repeat(request, target, current)

    def cancel(self, fields: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        """
        Give an INVITE up; what became of it is told as always.
        """
        self._cancelled = True
        if self._try is not None and self._try.transaction is not None:
            self._try.transaction.cancel(fields)

    def proxyGone(self, name: str) -> None:
        """
        A SIP Proxy is out of service: wait no longer if it is ours and nobody
        has answered.

        Where no other one serves it may be this node that nobody hears: then it is
        sent again until its time is up, or another process goes on with it, which
        somebody hears.
        """
        current = self._try
        if current is None or self.proxy is None or self.proxy.name != name:
            return
        self.touch()
        if not current.answered and self._ua.proxies.serves(self._tried):
            self.another(current, "out of service", 408)

    def touch(self) -> None:
        """
        The call may have changed.
        """
        self._ua.touch()

    def abandon(self) -> None:
        """
        Nobody wants to know any more.
        """
        self._received = self._lost = None

    # What a try tells

    def isCurrent(self, one: _Try) -> bool:
        """
        Whether this is the try that counts.
        """
        return self._try is one

    def another(self, one: _Try, why: str, status: int) -> None:
        """
        Try the next SIP Proxy, if there is one.
        """
        if self._cancelled or one.answered:
            self._lose(status, why)
            return
        if one.transaction is not None:
            # It may ring after all: then it is to stop.
            one.transaction.cancel()
        self._ua.count("proxiesChanged")
        name = "" if self.proxy is None else self.proxy.name
        log.warn("no answer through {proxy}: {why}", proxy=name, why=why)
        self._status = status
        self.start()

    def settle(self, one: _Try) -> None:
        """
        Somebody has answered: it is sent to nobody else.
        """
        if self._try is one:
            self._make = None

    def tell(self, response: Response, request: Request) -> None:
        """
        Pass a response on.
        """
        if self._received is not None:
            self._received(response, request)

    def _lose(self, status: int, why: str) -> None:
        lost = self._lost
        self._end()
        if lost is not None:
            lost(status, why)

    def ended(self, one: _Try) -> None:
        """
        The transaction of a try is gone.
        """
        if self._try is one:
            self._end()

    def _end(self) -> None:
        """
        Let go of everything that points back here.
        """
        self._ua.attempts.discard(self)
        self._try = None
        self._make = None
        self.abandon()


def _outlives(why: str) -> None:
    """
    The SIP Proxy of an INVITE that has an answer is gone.  It rings all the same, and
    whoever goes on there passes its responses, its CANCEL and its ACK on.
    """


@implementer(ITransactionUser)
class _Try:
    """
    The user of one transaction of an L{Attempt}.

    @ivar answered: a response has come: the request has reached somebody.
    """

    __slots__ = ("answered", "attempt", "transaction")

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.transaction: ClientTransaction | None = None
        self.answered = False

    def responseReceived(self, response: Response) -> None:
        attempt = self.attempt
        if response.status > 100:
            attempt.touch()
        if not attempt.isCurrent(self):
            # A slow one after all; only a 2xx makes something that must be
            # undone.
            if not 200 <= response.status < 300:
                return
        elif response.status == 503 and not self.answered:
            attempt.another(self, "503", 503)
            return
        if not self.answered:
            self.answered = True
            attempt.settle(self)
            if self.transaction is not None and response.cseq.method == b"INVITE":
                self.transaction.broken = _outlives
        if self.transaction is not None:
            attempt.tell(response, self.transaction.request)
            if response.status >= 200 and response.cseq.method != b"INVITE":
                attempt.abandon()  # nothing more can come

    def transactionTimedOut(self) -> None:
        self.attempt.touch()
        if self.attempt.isCurrent(self):
            self.attempt.another(self, "no answer", 408)

    def transportFailed(self, why: str) -> None:
        self.attempt.touch()
        if self.attempt.isCurrent(self):
            self.attempt.another(self, why, 500)

    def transactionTerminated(self) -> None:
        self.attempt.touch()
        self.transaction = None
        self.attempt.ended(self)
