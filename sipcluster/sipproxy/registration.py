"""
Stores what a node grants (RFC 3261 section 10.3 steps 7 and 8).
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipcluster.registrar.iregistrar import (
    ALL,
    All,
    Binding,
    IRegistrationStore,
    TooManyBindings,
)
from sipcluster.sip.address import Address
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.grammar import quote
from sipcluster.sip.message import Headers, Response
from sipcluster.sip.parameters import NONE
from sipcluster.sip.uri import SIPURI, OtherURI
from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.steps.record_route import needsFlow
from sipcluster.sipproxy.tokens import FlowTokens
from sipcluster.sipproxy.topology import Topology

log = Logger()

#: Contact parameters that have an attribute of their own in L{Binding}.
_KNOWN = (b"expires", b"q", b"+sip.instance", b"reg-id")


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
        request = context.request
        uri = request.toAddress.uri
        if not isinstance(uri, SIPURI):
            reply(response)
            return
        aor = self._topology.aor(uri)
        try:
            changes, removed = self._changes(context, response, aor)
        except MalformedMessage as e:
            log.error("a node granted what cannot be read: {why}", why=e, aor=aor)
            reply(response.replacing(status=500))
            return
        if not changes and not removed:
            reply(self._withBindings(response, aor))
            return

        def stored(_: None) -> None:
            reply(self._withBindings(response, aor))

        def failed(failure: Failure) -> None:
            if isinstance(failure.value, TooManyBindings):
                reply(response.replacing(headers=_bare(response), status=403))
                return
            # Kept here and on its way: better than to turn a phone away.
            log.error("{aor} stored here only: {why}", aor=aor, why=failure.value)
            reply(self._withBindings(response, aor))

        storing: Deferred[None] = self._store.update(aor, changes, removed)
        storing.addCallbacks(stored, failed)
        storing.addErrback(lambda f: log.failure("answering REGISTER", failure=f))

    def _changes(
        self, context: RequestContext, response: Response, aor: bytes
    ) -> tuple[list[Binding], list[bytes] | All]:
        """
        What there is to store and to remove.
        """
        request = context.request
        asked = request.contacts
        if not asked:
            return [], []
        if any(isinstance(contact.uri, OtherURI) for contact in asked):
            return [], ALL
        changes: list[Binding] = []
        removed: list[bytes] = []
        now = self._wallTime()
        for contact in asked:
            rendered = contact.uri.render()
            grant = _grant(contact, response)
            seconds = 0 if grant is None else grant
            if seconds <= 0:
                removed.append(rendered)
            else:
                changes.append(self._binding(context, contact, aor, now, seconds))
        return changes, removed

    def _binding(
        self,
        context: RequestContext,
        contact: Address,
        aor: bytes,
        now: float,
        seconds: int,
    ) -> Binding:
        request, flow = context.request, context.flow
        parameters = contact.parameters
        rest = parameters
        for name in _KNOWN:
            rest = rest.without(name)
        path = tuple(request.headers.values(b"Path"))
        token, received = b"", None
        if not path and needsFlow(context):
            token = self._tokens.sign(flow.token)
            if not flow.reliable:
                received = flow.remote
        regID = parameters.get(b"reg-id") or b"0"
        return Binding(
            contact=contact.uri.render(),
            aor=aor,
            callID=request.callID,
            cseq=request.cseq.number,
            expiresAt=now + seconds,
            q=contact.q,
            instance=(parameters.get(b"+sip.instance") or b"").strip(b'"<>'),
            path=path,
            proxy=self._topology.name,
            flow=token,
            transport=flow.transportName,
            received=received,
            userAgent=(request.headers.first(b"User-Agent") or b"")[:200],
            contactParameters=b"" if rest is NONE else rest.render(),
            regID=int(regID) if regID.isdigit() and len(regID) < 10 else 0,
            updatedAt=now,
        )

    def _withBindings(self, response: Response, aor: bytes) -> Response:
        """
        The 200 with every binding of the address-of-record.
        """
        headers = response.headers.remove(b"Contact")
        now = self._wallTime()
        for binding in self._store.bindings(aor):
            headers = headers.append(b"Contact", contactValue(binding, now))
        return response.replacing(headers=headers)


def contactValue(binding: Binding, now: float) -> bytes:
    """
    A binding as it stands in the 200 to a REGISTER.
    """
    value = b"<%b>;expires=%d" % (
        binding.contact,
        max(1, round(binding.expiresAt - now)),
    )
    if binding.q != 1.0:
        value += b";q=%.3g" % binding.q
    if binding.instance:
        value += b";+sip.instance=" + quote(b"<%b>" % binding.instance)
    if binding.regID:
        value += b";reg-id=%d" % binding.regID
    return value + binding.contactParameters


def _grant(contact: Address, response: Response) -> int | None:
    """
    For how many seconds a node granted a contact; L{None} when it did not.
    """
    for granted in response.contacts:
        if granted.uri == contact.uri or granted.uri.equivalent(contact.uri):
            return granted.expires if granted.expires is not None else response.expires
    return None


def _bare(response: Response) -> Headers:
    return response.headers.remove(b"Contact")
