"""
What can be asked of the calls of a node.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from sipcluster.sessioncontroller.call import Call
from sipcluster.sessioncontroller.call_asked import checkSize, checkUserData
from sipcluster.sessioncontroller.events import CallType, Cause, Fields, Role
from sipcluster.sessioncontroller.idigits import IDigitSender
from sipcluster.sessioncontroller.isessioncontroller import (
    Asked,
    CallRefused,
    Destination,
    ExtensionDN,
    ICallControl,
    PartyStatus,
    Why,
)
from sipcluster.sessioncontroller.isupervision import MonitorMode
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.reception import Reception
from sipcluster.sessioncontroller.standing import AS_USUAL
from sipcluster.sip.grammar import escapeUser
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList

T = TypeVar("T")

#: Characters of a number that is to be called.
MOST_DIALLED = 255

#: What makes telephones answer by themselves.
_AUTO_ANSWER = (
    (b"Call-Info", b"<sip:%b>;answer-after=0"),
    (b"Alert-Info", b"<http://%b>;info=alert-autoanswer;delay=0"),
)


@implementer(ICallControl)
class CallControl(Reception):
    """
    Finds the call and the party, and has the call do it.

    @ivar digits: sends digits; L{None}: nobody does.
    """

    digits: IDigitSender | None = None

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
        return self._later(lambda: self._makeCall(dn, destination, userData, requester))

    def wish(self, dn: str, destination: str) -> Asked:
        """
        Where a DN wants to call.

        @raise CallRefused: it cannot call, or not there.
        """
        extension = self._authenticator.directory.extension(dn)
        if extension is None:
            raise CallRefused(Why.INVALID_DN)
        if not destination or len(destination) > MOST_DIALLED:
            raise CallRefused(Why.INVALID_DESTINATION)
        return Asked(destination, self.ua.domain.decode(), extension)

    def answer(
        self, dn: str, connID: str, requester: Requester | None = None
    ) -> Deferred[None]:
        """
        See L{ICallControl}.
        """
        return self._later(
            lambda: _party(self._find(dn, connID), Call.answerParty, requester)
        )

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
        return self._later(
            lambda: _party(self._find(dn, connID), Call.holdFor, requester)
        )

    def retrieve(
        self, dn: str, connID: str, requester: Requester | None = None
    ) -> Deferred[None]:
        """
        See L{ICallControl}.
        """
        return self._later(
            lambda: _party(self._find(dn, connID), Call.retrieveFor, requester)
        )

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

        def act() -> Deferred[None]:
            call, party = self._find(dn, connID)
            forwarder = self._authenticator.directory.extension(dn)
            return call.redirectParty(party, destination, forwarder, requester)

        return self._later(act)

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

        def act() -> Deferred[None]:
            call, party = self._find(dn, connID)
            if self.digits is None:
                raise CallRefused(Why.UNSUPPORTED)
            return call.sendDigits(party, digits, self.digits, requester)

        return self._later(act)

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

    def connIDs(self) -> Sequence[str]:
        """
        See L{ICallControl}.
        """
        return list(self.calls)

    def awaits(self, requester: Requester) -> bool:
        """
        See L{ICallControl}.
        """
        return any(call.awaits(requester) for call in self.calls.values())

    def refusalsTo(self, tell: Callable[[Requester, CallRefused], object]) -> None:
        """
        See L{ICallControl}.
        """
        self.ua.refusalsTo.append(tell)

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
        call.touch()
        return call, party

    def _makeCall(
        self, dn: str, destination: str, userData: KVList, requester: Requester | None
    ) -> Deferred[str]:
        asked = self.wish(dn, destination)
        data = checkUserData(userData)
        checkSize(data)
        self.notFull()
        call = self.newCall(dn, destination)
        call.userData = data
        return self.makeFor(call, asked, requester)

    def notFull(self) -> None:
        """
        @raise CallRefused: no new call is taken.
        """
        if self.full:
            self.ua.count("overload")
            raise CallRefused(Why.LIMIT)

    def makeFor(
        self, call: Call, asked: Asked, requester: Requester | None
    ) -> Deferred[str]:
        """
        Let a new call begin at the telephone of a DN.

        @param asked: by the DN.
        """
        ua, extension = self.ua, asked.caller
        assert isinstance(extension, ExtensionDN)
        party = call.addParty(extension.number, Role.ORIGINATION, True)
        self.calls[call.connID] = call
        telephone = self.telephoneOf(extension, ua.limits.callerAnswersWithin)
        fields: Fields = ()
        if extension.autoAnswer:
            fields = tuple((name, value % ua.domain) for name, value in _AUTO_ANSWER)
        return call.makeFrom(party, telephone, fields, asked, requester)

    def telephoneOf(
        self, extension: ExtensionDN, within: float = math.inf
    ) -> Destination:
        """
        The telephone of a DN, whatever the DN has switched on.

        @param within: seconds in which it must answer, if those that the DN has are
            more.
        """
        dn = extension.number
        aor = b"sip:%b@%b" % (escapeUser(dn.encode()), self.ua.domain)
        return Destination(
            dn,
            extension.contact or aor,
            aor,
            CallType.UNKNOWN,
            min(extension.noAnswerTimeout, within),
            dtmfMethod=extension.dtmfMethod,
        )

    def _later(self, act: Callable[[], Deferred[T]]) -> Deferred[T]:
        """
        Do what takes its time.
        """
        try:
            return act()
        except CallRefused as e:
            return fail(e)

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


def _party(
    found: tuple[Call, Party],
    act: Callable[[Call, Party, Requester | None], Deferred[None]],
    requester: Requester | None,
) -> Deferred[None]:
    return act(*found, requester)


def _statuses(parties: Sequence[Party] | dict[Party, None]) -> list[PartyStatus]:
    return [_status(party) for party in parties if party.live]


def _status(party: Party) -> PartyStatus:
    standing = party.standing
    if standing is AS_USUAL:
        return PartyStatus(party.view, party.state)
    monitoring = standing.monitoring
    silent = monitoring is not None and monitoring.mode is MonitorMode.SILENT
    return PartyStatus(party.view, party.state, standing.muted or silent, standing.deaf)
