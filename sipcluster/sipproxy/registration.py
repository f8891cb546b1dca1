"""
Stores what a node grants (RFC 3261 section 10.3 steps 7 and 8).
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipcluster.registrar.iregistrar import IRegistrationStore, TooManyBindings
from sipcluster.registrar.register import (
    Place,
    StaleRegister,
    Update,
    contactOf,
    update,
)
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.message import Response
from sipcluster.sip.uri import SIPURI
from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.steps.record_route import needsFlow
from sipcluster.sipproxy.tokens import FlowTokens
from sipcluster.sipproxy.topology import Topology

log = Logger()


class Registration:
    """
    Writes bindings down, and gives all that there are back to who registered.
    """

    def __init__(
        self,
        topology: Topology,
        store: IRegistrationStore,
        tokens: FlowTokens,
        wallTime: Callable[[], float],
    ) -> None:
        self._topology = topology
        self._store = store
        self._tokens = tokens
        self._wallTime = wallTime

    def granted(
        self,
        context: RequestContext,
        response: Response,
        reply: Callable[[Response], None],
    ) -> None:
        """
        Store what a 2xx grants, then send it on with all bindings in Contact.

        @param reply: sends a response back; called once, at the latest when the
            store gives up waiting for the cluster.
        """
        uri = context.request.toAddress.uri
        assert isinstance(uri, SIPURI)  # the register step has seen to that
        aor = self._topology.aor(uri)
        try:
            wanted = self._update(context, response, aor)
        except StaleRegister:
            # A later one has been here: the device knows better by now.
            reply(_refusal(response, 500))
            return
        except MalformedMessage as e:
            log.error("a node granted what cannot be stored: {why}", why=e, aor=aor)
            reply(_refusal(response, 400))
            return
        if wanted.empty:
            reply(self._withBindings(response, aor))
            return

        def stored(_: None) -> None:
            reply(self._withBindings(response, aor))

        def failed(failure: Failure) -> None:
            if isinstance(failure.value, TooManyBindings):
                reply(_refusal(response, 403))
                return
            # Kept here and on its way: better than to turn a phone away.
            log.error("{aor} stored here only: {why}", aor=aor, why=failure.value)
            reply(self._withBindings(response, aor))

        storing: Deferred[None] = self._store.update(
            aor, wanted.changes, wanted.removed
        )
        storing.addCallbacks(stored, failed)
        storing.addErrback(lambda f: log.failure("answering REGISTER", failure=f))

    def _update(
        self, context: RequestContext, response: Response, aor: bytes
    ) -> Update:
        """
        What becomes of the bindings, and how the device is reached.
        """
        flow = context.flow
        token, received = b"", None
        if b"path" not in context.request.headers.keys and needsFlow(context):
            token = self._tokens.sign(flow.token)
            if not flow.reliable:
                received = flow.remote
        place = Place(self._topology.name, token, flow.transportName, received)
        current = self._store.bindings(aor)
        now = self._wallTime()
        return update(context.request, response, aor, current, place, now)

    def _withBindings(self, response: Response, aor: bytes) -> Response:
        """
        The 2xx with every binding of the address-of-record.
        """
        now = self._wallTime()
        contacts = [contactOf(b, now) for b in self._store.bindings(aor)]
        headers = response.headers.replace(b"Contact", *contacts)
        return response.replacing(headers=headers)


def _refusal(response: Response, status: int) -> Response:
    headers = response.headers.remove(b"Contact")
    return response.replacing(headers=headers, status=status)
