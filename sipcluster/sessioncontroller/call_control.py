"""
What can be asked of the calls of a node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from sipcluster.sessioncontroller.call import Call
from sipcluster.sessioncontroller.events import Cause
from sipcluster.sessioncontroller.isessioncontroller import (
    CallRefused,
    ICallControl,
    PartyStatus,
    Why,
)
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.reception import Reception
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList

T = TypeVar("T")


@implementer(ICallControl)
class CallControl(Reception):
    """
    Finds the call and the party, and has the call do it.
    """

    def makeCall(
        self,
        dn: str,
        destination: str,
        userData: KVList = (),
        requester: Requester | None = None,
    ) -> Deferred[str]:
        """
        See L{ICallControl}.
        """
        return fail(CallRefused(Why.UNSUPPORTED))

    def answer(
        self, dn: str, connID: str, requester: Requester | None = None
    ) -> Deferred[None]:
        """
        See L{ICallControl}.
        """
        return fail(CallRefused(Why.UNSUPPORTED))

    def release(
        self, dn: str, connID: str, requester: Requester | None = None
    ) -> Deferred[None]:
        """
        See L{ICallControl}.
        """
        return self._atOnce(
            dn, connID, lambda call, party: call.releaseParty(party, requester)
        )

    def clear(
        self, dn: str, connID: str, requester: Requester | None = None
    ) -> Deferred[None]:
        """
        See L{ICallControl}.
        """
        return self._atOnce(
            dn,
            connID,
            lambda call, party: call.release(Cause.OK, b"", party, requester),
        )

    def hold(
        self, dn: str, connID: str, requester: Requester | None = None
    ) -> Deferred[None]:
        """
        See L{ICallControl}.
        """
        return fail(CallRefused(Why.UNSUPPORTED))

    def retrieve(
        self, dn: str, connID: str, requester: Requester | None = None
    ) -> Deferred[None]:
        """
        See L{ICallControl}.
        """
        return fail(CallRefused(Why.UNSUPPORTED))

    def redirect(
        self,
        dn: str,
        connID: str,
        destination: str,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        See L{ICallControl}.
        """
        return fail(CallRefused(Why.UNSUPPORTED))

    def sendDTMF(
        self,
        dn: str,
        connID: str,
        digits: str,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        See L{ICallControl}.
        """
        return fail(CallRefused(Why.UNSUPPORTED))

    def changeUserData(
        self,
        dn: str,
        connID: str,
        attach: KVList = (),
        update: KVList = (),
        delete: Sequence[str] = (),
        deleteAll: bool = False,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        See L{ICallControl}.
        """
        return self._atOnce(
            dn,
            connID,
            lambda call, party: call.changeUserData(
                party, attach, update, delete, deleteAll, requester
            ),
        )

    def partiesOf(self, dn: str) -> Sequence[PartyStatus]:
        """
        See L{ICallControl}.
        """
        return _statuses(self.ua.parties.get(dn, ()))

    def partiesIn(self, connID: str) -> Sequence[PartyStatus]:
        """
        See L{ICallControl}.
        """
        call = self.calls.get(connID)
        return () if call is None else _statuses(call.parties)

    def _find(self, dn: str, connID: str) -> tuple[Call, Party]:
        """
        Find a live party.

        @raise CallRefused: there is none.
        """
        call = self.calls.get(connID)
        if call is None:
            raise CallRefused(Why.UNKNOWN_CALL)
        party = call.partyOf(dn)
        if party is None:
            raise CallRefused(Why.NOT_A_PARTY)
        return call, party

    def _atOnce(
        self, dn: str, connID: str, act: Callable[[Call, Party], None]
    ) -> Deferred[None]:
        """
        Do what needs no waiting.
        """
        try:
            act(*self._find(dn, connID))
        except CallRefused as e:
            return fail(e)
        return succeed(None)


def _statuses(parties: Sequence[Party] | dict[Party, None]) -> list[PartyStatus]:
    return [PartyStatus(party.view, party.state) for party in parties if party.live]
