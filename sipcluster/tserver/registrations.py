"""
Who has registered which DN.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from attrs import frozen
from twisted.logger import Logger

from sipcluster.tlib.enums import AddressType, ControlMode, RegisterMode
from sipcluster.tlib.errors import MessageTooLong, TErrorCode
from sipcluster.tlib.messages import (
    EventRegistered,
    EventUnregistered,
    RequestRegisterAddress,
    RequestUnregisterAddress,
)
from sipcluster.tserver.outgoing import Outgoing

if TYPE_CHECKING:
    from sipcluster.tserver.server import TServer
    from sipcluster.tserver.session import Session
    from sipcluster.tserver.stream import Stream

log = Logger()

#: DNs of an ended session that are forgotten in one turn of the reactor.
FORGOTTEN = 2000


@frozen
class Registration:
    """
    How a client has registered a DN.
    """

    mode: int = RegisterMode.SHARE
    control: int = ControlMode.DEFAULT


#: Most are like this, and are this one.
USUAL = Registration()


class Refused(Exception):
    """
    A request is not done.
    """

    def __init__(self, code: TErrorCode, text: str = "") -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


class Registrations:
    """
    All of a port.

    @ivar count: pairs of a client and a DN.
    """

    def __init__(self, server: TServer) -> None:
        self.count = 0
        self._server = server
        self._streams: dict[str, dict[Stream, Session]] = {}
        #: Those who have a DN for themselves.
        self._private: dict[str, Session] = {}

    def of(self, dn: str) -> Iterable[Stream]:
        """
        The clients of a DN, in the order in which they registered it.
        """
        return self._streams.get(dn, ())

    def controlled(self, dn: str) -> bool:
        """
        Whether a DN has a client that may ask for more than events.
        """
        sessions = self._streams.get(dn)
        return sessions is not None and any(
            session.view.mayControl for session in sessions.values()
        )

    def __contains__(self, dn: str) -> bool:
        return dn in self._streams

    def __len__(self) -> int:
        """
        How many DNs have clients.
        """
        return len(self._streams)

    def register(
        self, session: Session, reference: int, request: RequestRegisterAddress
    ) -> None:
        """
        Do what a client wants, and answer it.

        @raise Refused: it cannot be done.
        """
        dn = request.thisDN or ""
        found = self._check(session, dn, request)
        server = self._server
        self._note(session, dn, found)
        if session.pages is not None:
            session.pageChanged(session.pages.add(dn))
        server.tellObservers("addressRegistered", session.view, dn)
        server.give(session, reference, self._registered(dn))
        # Not before: what the observers do is in the snapshot.
        self._streams.setdefault(dn, {})[session.stream] = session

    def _note(self, session: Session, dn: str, found: Registration) -> None:
        session.dns[dn] = found
        self.count += 1
        if found.mode == RegisterMode.PRIVATE:
            self._private[dn] = session

    def restore(
        self, session: Session, page: int, dn: str, found: Registration
    ) -> None:
        """
        A client has registered a DN at another process.  One that is not of the
        switch any more is left out.
        """
        if self._server.addresses.addressType(dn) is None:
            return
        self._note(session, dn, found)
        if session.pages is not None:
            session.pages.put(page, dn)
        self._streams.setdefault(dn, {})[session.stream] = session

    def _check(
        self, session: Session, dn: str, request: RequestRegisterAddress
    ) -> Registration:
        server = self._server
        kind = server.addresses.addressType(dn)
        if kind is None:
            raise Refused(TErrorCode.DN_NOT_CONFIGURED)
        if request.addressType not in (None, AddressType.UNKNOWN, kind):
            raise Refused(
                TErrorCode.INVALID_ATTRIBUTE, f"AddressType: the DN is a {kind.label}"
            )
        if dn in session.dns:
            raise Refused(TErrorCode.ALREADY_IN_STATE, "DN is already registered")
        mode = request.registerMode or RegisterMode.SHARE
        control = request.controlMode or ControlMode.DEFAULT
        if mode not in RegisterMode._value2member_map_:
            raise Refused(TErrorCode.INVALID_ATTRIBUTE, "RegisterMode")
        if control not in ControlMode._value2member_map_:
            raise Refused(TErrorCode.INVALID_ATTRIBUTE, "ControlMode")
        if dn in self._private or (
            mode == RegisterMode.PRIVATE and dn in self._streams
        ):
            raise Refused(
                TErrorCode.RESOURCE_SEIZED, "Another client has registered the DN"
            )
        if len(session.dns) >= server.limits.registrations:
            raise Refused(
                TErrorCode.RESOURCE_UNAVAILABLE,
                f"At most {server.limits.registrations} DNs may be registered",
            )
        if mode or control:
            return Registration(mode, control)
        return USUAL

    def _registered(self, dn: str, snapshot: int | None = None) -> Outgoing:
        server = self._server
        now = server.now()
        event = Outgoing(
            EventRegistered(
                time=now,
                thisDN=dn,
                extensions=server.snapshot(dn) or None,
                snapshot=snapshot,
            )
        )
        try:
            assert event.entry
        except MessageTooLong:
            # Better than nothing: the client will have the DN's next events.
            log.error("the state of DN {dn} does not fit into a message", dn=dn)
            event = Outgoing(EventRegistered(time=now, thisDN=dn, snapshot=snapshot))
        return event

    def tellSnapshot(self, session: Session, dn: str) -> None:
        """
        Tell a client, which has missed events, the present state of a DN.
        """
        event = self._registered(dn, 1)
        position = session.stream.send(event.entry)
        name = session.stream.name
        self._server.tracing.sent(name, position, 0, event.message)

    def unregister(
        self, session: Session, reference: int, request: RequestUnregisterAddress
    ) -> None:
        """
        Do what a client wants, and answer it.

        @raise Refused: it cannot be done.
        """
        dn = request.thisDN or ""
        if dn not in session.dns:
            raise Refused(TErrorCode.NOT_REGISTERED)
        self._forget(session, dn)
        server = self._server
        event = Outgoing(EventUnregistered(time=server.now(), thisDN=dn))
        server.give(session, reference, event)
        server.tellObservers("addressUnregistered", session.view, dn)

    def _forget(self, session: Session, dn: str) -> None:
        if session.dns.pop(dn, None) is None:
            return
        self.count -= 1
        if session.pages is not None:
            session.pageChanged(session.pages.remove(dn))
        session.stream.lacking.discard(dn)
        if self._private.get(dn) is session:
            del self._private[dn]
        streams = self._streams.get(dn)
        if streams is not None:
            streams.pop(session.stream, None)
            if not streams:
                del self._streams[dn]

    def sessionEnded(self, session: Session) -> None:
        """
        Forget what a session had registered, many DNs after a while only.
        """
        dns = tuple(session.dns)
        if self._server.stopped:
            self.count -= len(dns)
            session.dns.clear()
            self._streams.clear()
            self._private.clear()
        else:
            self._forgetSome(session)
        self._server.tellObservers("clientGone", session.view, dns)

    def _forgetSome(self, session: Session) -> None:
        for dn in tuple(islice(session.dns, FORGOTTEN)):
            self._forget(session, dn)
        if session.dns:
            self._server.turns.later(partial(self._forgetSome, session))
