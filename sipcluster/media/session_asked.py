"""
Requests that the media server sends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.media.session_owner import Answered
from sipcluster.sip.errors import SIPError
from sipcluster.sip.isip import ITransactionUser, Target
from sipcluster.sip.message import Request, Response
from sipcluster.sip.transactions import TransactionLayer

log = Logger()


@implementer(ITransactionUser)
@define(eq=False)
class Asked:
    """
    One request inside a dialog, sent to the first place that can be reached.

    @ivar answered: told once what came of it; 408 when nothing did.
    @ivar over: called afterwards.
    """

    layer: TransactionLayer
    request: Request
    answered: Answered | None
    over: Callable[[], None]
    targets: list[Target] = field(factory=list)

    def located(self, targets: Sequence[Target]) -> None:
        """
        It is known where it goes.
        """
        self.targets = list(targets)[:3]
        self._next()

    def nowhere(self, failure: Failure) -> None:
        """
        It is not.
        """
        log.warn("{uri}: {why}", uri=self.request.uri, why=failure.getErrorMessage())
        self.ended(408, None)

    def _next(self) -> None:
        if not self.targets:
            self.ended(408, None)
            return
        target = self.targets.pop(0)
        try:
            self.layer.request(self.request, target, self)
        except SIPError as e:
            log.warn("{target}: {why}", target=target.host, why=e)
            self._next()

    def responseReceived(self, response: Response) -> None:
        if response.status >= 200:
            self.ended(response.status, response)

    def transactionTimedOut(self) -> None:
        self.ended(408, None)

    def transportFailed(self, why: str) -> None:
        self._next()

    def transactionTerminated(self) -> None:
        """
        All is said.
        """

    def ended(self, status: int, response: Response | None) -> None:
        """
        It was answered, or will not be.
        """
        answered, self.answered = self.answered, None
        if answered is not None:
            try:
                answered(status, response)
            except Exception:
                log.failure("answer to {method}", method=self.request.method)
            self.over()
