"""
What can be asked of two calls of one DN.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from sipcluster.sessioncontroller.call import Call
from sipcluster.sessioncontroller.call_asked import checkUserData
from sipcluster.sessioncontroller.call_control import CallControl
from sipcluster.sessioncontroller.isessioncontroller import CallRefused, Why
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

    # IExchange

    def callOf(self, connID: str) -> Call | None:
        """
        See L{IExchange<sipcluster.sessioncontroller.call_transfers.IExchange>}.
        """
        return self.calls.get(connID)

    def consultation(
        self, about: Call, party: Party, asked: Undertaking
    ) -> Deferred[str]:
        """
        See L{IExchange<sipcluster.sessioncontroller.call_transfers.IExchange>}.
        """
        assert asked.where is not None
        self.notFull()
        call = self.newCall(party.view.thisDN, asked.where.user)
        call.userData = (*about.userData, *asked.userData)
        call.consults = about.connID
        call.conference = asked.conference
        call.heldFor = asked.sent
        return self.makeFor(call, asked.where, asked.requester)
