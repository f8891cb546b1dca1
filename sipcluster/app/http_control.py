"""
What a process can be asked to do over HTTP, by who knows the control password.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hmac import compare_digest
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.server import NOT_DONE_YET

log = Logger()

#: What an order does: fires with why it was not done, C{""} when it was.
Order = Callable[[], "Deferred[str]"]


class Orders:
    """
    Takes POST requests below C{/control}.

    @ivar refused: how many had no right to ask.
    """

    def __init__(self, password: str, orders: Mapping[bytes, Order]) -> None:
        """
        @param password: C{""}: nobody may ask.
        @param orders: by their paths.
        """
        self.refused = 0
        self._password = password.encode()
        self._orders = orders

    def take(self, request: Request) -> Any:
        """
        Answer a request now or later, as C{Resource.render} does.
        """
        order = self._orders.get(request.path)
        if order is None:
            return _answer(request, 404, "there is no such order")
        shown = request.getHeader(b"authorization") or b""
        if not self._password:
            return _answer(request, 403, "the configuration has no control-password")
        if not compare_digest(shown, b"Bearer " + self._password):
            self.refused += 1
            log.warn(
                "{path} refused to {client}: wrong control password",
                path=request.path.decode("ascii", "replace"),
                client=str(request.getClientAddress()),
            )
            return _answer(request, 401, "wrong control password")
        gone: list[Failure] = []
        request.notifyFinish().addErrback(gone.append)

        def done(why: str) -> None:
            if not gone:
                body = _answer(request, 409 if why else 200, why)
                request.write(body)
                request.finish()

        def failed(failure: Failure) -> None:
            log.failure("an order", failure)
            done(failure.getErrorMessage() or type(failure.value).__name__)

        log.info("asked for {path}", path=request.path.decode("ascii", "replace"))
        answered = maybeDeferred(order).addCallbacks(done, failed)
        answered.addErrback(lambda f: log.failure("answering an order", f))
        return NOT_DONE_YET


def _answer(request: Request, code: int, why: str) -> bytes:
    request.setResponseCode(code)
    request.setHeader(b"content-type", b"application/json")
    request.setHeader(b"cache-control", b"no-store")
    return msgspec.json.encode({"done": code == 200, "why": why}) + b"\n"
