"""
Asking the members of a cluster how they are, over their HTTP ports.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from tests.interop.namespaces import Namespace

#: Seconds that an answer may take; a frozen member gives none.
_PATIENCE = 2.0


def fetch(
    namespace: Namespace | None, host: str, path: str, port: int = 8080
) -> tuple[int, bytes]:
    """
    C{GET} something from a member; it is near, so this waits for it.

    @return: status and body; status 0 when there was no answer.
    """
    with namespace.entered() if namespace is not None else nullcontext():
        connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as e:
            return 0, str(e).encode()
        finally:
            connection.close()


def member(namespace: Namespace | None, host: str) -> dict[str, Any]:
    """
    What C{/status} of a member says; empty when it does not answer.
    """
    status, body = fetch(namespace, host, "/status")
    if status != 200:
        return {}
    answer: dict[str, Any] = json.loads(body)
    return answer


def isReady(namespace: Namespace | None, host: str) -> bool:
    """
    Whether a member says that it can do its work.
    """
    return fetch(namespace, host, "/health/ready")[0] == 200


async def until(
    reactor: IReactorTime,
    condition: Callable[[], object],
    seconds: float,
    what: str,
    every: float = 0.1,
) -> Any:
    """
    Look again and again until something is true.

    @param condition: what to look at; its first true result is returned.

    @raise AssertionError: it was not true within C{seconds}.
    """
    end = reactor.seconds() + seconds
    while not (result := condition()):
        if reactor.seconds() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        await deferLater(reactor, every, lambda: None)
    return result


async def ready(
    reactor: IReactorTime,
    namespace: Namespace | None,
    host: str,
    seconds: float = 30.0,
    check: Callable[[], None] = lambda: None,
) -> None:
    """
    Wait until a member is ready.

    @param check: raises when waiting has become useless.
    """

    def look() -> bool:
        check()
        return isReady(namespace, host)

    await until(reactor, look, seconds, f"{host} is ready")
