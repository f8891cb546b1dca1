"""
A request of a simulated telephone and what comes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zope.interface import implementer

from sipcluster.sip.client_transaction import ClientTransaction
from sipcluster.sip.headers import Headers
from sipcluster.sip.isip import ITransactionUser
from sipcluster.sip.message import Request, Response


@implementer(ITransactionUser)
class Exchange:
    """
    A request and what came of it.
    """

    def __init__(self, done: Any, each: Callable[[Response], None] | None = None):
        """
        @param done: called once with the final response; L{None}: there is none.
        @param each: called with each other response to an INVITE.
        """
        self._done: Callable[[Response | None], None] | None = done
        self._each = each or (lambda response: None)
        self.transaction: ClientTransaction | None = None

    def responseReceived(self, response: Response) -> None:
        """
        See L{ITransactionUser}.
        """
        if response.status < 200 or self._done is None:
            self._each(response)
            return
        done, self._done = self._done, None
        done(response)

    def _failed(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(None)

    def transactionTimedOut(self) -> None:
        """
        See L{ITransactionUser}.
        """
        self._failed()

    def transportFailed(self, why: str) -> None:
        """
        See L{ITransactionUser}.
        """
        self._failed()

    def transactionTerminated(self) -> None:
        """
        See L{ITransactionUser}.
        """


def outside(
    aor: bytes,
    method: bytes,
    uri: bytes,
    to: bytes,
    callID: bytes,
    tag: bytes,
    number: int,
    fields: list[tuple[bytes, bytes]],
    body: bytes = b"",
) -> Request:
    """
    A request outside of a dialog.

    @param aor: whose.
    @param number: of its CSeq.
    """
    headers = [
        (b"Max-Forwards", b"70"),
        (b"From", b"<%b>;tag=%b" % (aor, tag)),
        (b"To", b"<%b>" % to),
        (b"Call-ID", callID),
        (b"CSeq", b"%d %b" % (number, method)),
        *fields,
    ]
    if body:
        headers.append((b"Content-Type", b"application/sdp"))
    headers.append((b"Content-Length", b"%d" % len(body)))
    return Request(method, uri, Headers.of(*headers), body)
