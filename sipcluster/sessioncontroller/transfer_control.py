"""
What can be asked of two calls of one DN.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from sipcluster.sessioncontroller.call import Call
from sipcluster.sessioncontroller.call_asked import checkUserData
from sipcluster.sessioncontroller.call_control import CallControl
from sipcluster.sessioncontroller.isessioncontroller import (
    CallRefused,
    ExtensionDN,
    Why,
)
from sipcluster.sessioncontroller.itransfers import ITransfers
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.undertakings import Undertaking
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList


@implementer(ITransfers)
class TransferControl(CallControl):
    """
    Finds the calls, and has them consult, transfer and merge.
    """

    def consult(
        self,
        dn: str,
        connID: str,
        destination: str,
        userData: KVList = (),
        conference: bool = False,
        requester: Requester | None = None,
    ) -> Deferred[str]:
        """
        See L{ITransfers}.
        """

        def act() -> Deferred[str]:
            call, party = self._find(dn, connID)
            where = self.wish(dn, destination)
            data = checkUserData(userData)
            self.notFull()
            return call.consultFor(party, where, data, conference, requester)

        return self._later(act)

    def completeTransfer(
        self,
        dn: str,
        heldConnID: str,
        connID: str,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        See L{ITransfers}.
        """
        try:
            held, party = self._find(dn, heldConnID)
            call, consulting = self._find(dn, connID)
            if party.state != "Hold":
                raise CallRefused(Why.WRONG_STATE, "the first call is not held")
            held.transferTo(party, call, consulting, requester)
        except CallRefused as e:
            return fail(e)
        return succeed(None)

    def muteTransfer(
        self,
        dn: str,
        connID: str,
        destination: str,
        userData: KVList = (),
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        See L{ITransfers}.
        """

        def act() -> Deferred[None]:
            call, party = self._find(dn, connID)
            where = self.wish(dn, destination)
            data = checkUserData(userData)
            self.notFull()
            done = call.consultFor(party, where, data, False, requester, True)
            return done.addCallback(lambda _: None)

        return self._later(act)

    def singleStepTransfer(
        self,
        dn: str,
        connID: str,
        destination: str,
        userData: KVList = (),
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        See L{ITransfers}.
        """

        def act() -> Deferred[None]:
            call, party = self._find(dn, connID)
            where = self.wish(dn, destination)
            data = checkUserData(userData)
            return call.singleStepFor(party, where, data, requester)

        return self._later(act)

    def alternate(
        self,
        dn: str,
        heldConnID: str,
        connID: str,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        See L{ITransfers}.
        """

        def act() -> Deferred[None]:
            held, party = self._find(dn, heldConnID)
            call, theirs = self._find(dn, connID)
            return held.alternateWith(party, call, theirs, requester)

        return self._later(act)

    def reconnect(
        self,
        dn: str,
        heldConnID: str,
        connID: str,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        See L{ITransfers}.
        """
        try:
            held, party = self._find(dn, heldConnID)
            call, consulting = self._find(dn, connID)
            held.reconnectFrom(party, call, consulting, requester)
        except CallRefused as e:
            return fail(e)
        return succeed(None)

    # Consultations by telephones

    def noteConsultation(self, call: Call, dn: str) -> None:
        """
        See L{Reception<sipcluster.sessioncontroller.reception.Reception>}.
        """
        live = [party for party in self.ua.parties.get(dn, ()) if party.live]
        if len(live) == 1 and live[0].state == "Hold":
            about = self.calls.get(live[0].view.connID)
            if about is not None:
                call.consults = about.connID
                call.userData = about.userData

    # IExchange

    def callOf(self, connID: str) -> Call | None:
        """
        See L{IExchange<sipcluster.sessioncontroller.call_consulting.IExchange>}.
        """
        call = self.calls.get(connID)
        if call is not None:
            call.touch()
        return call

    def extensionOf(self, dn: str) -> ExtensionDN | None:
        """
        See L{IExchange<sipcluster.sessioncontroller.call_consulting.IExchange>}.
        """
        return self._authenticator.directory.extension(dn)

    def consultation(
        self, about: Call, party: Party, asked: Undertaking
    ) -> Deferred[str]:
        """
        See L{IExchange<sipcluster.sessioncontroller.call_consulting.IExchange>}.
        """
        assert asked.where is not None
        self.notFull()
        call = self.newCall(party.view.thisDN, asked.where.user)
        call.userData = (*about.userData, *asked.userData)
        call.consults = about.connID
        call.conference = asked.conference
        call.heldFor = asked.sent
        if asked.kind != "mute":
            return self.makeFor(call, asked.where, asked.requester)
        made = self.makeFor(call, asked.where, None)
        done = call.leaveWhenItRings(call.parties[0], made, asked.requester)
        return done.addCallback(lambda _: call.connID)
