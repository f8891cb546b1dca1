"""
What can be asked of calls of more than two parties.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipcluster.sessioncontroller.call import Call
from sipcluster.sessioncontroller.iconferences import IConferences
from sipcluster.sessioncontroller.isessioncontroller import CallRefused, Why
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.transfer_control import TransferControl
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList


@implementer(IConferences)
class ConferenceControl(TransferControl):
    """
    Finds the calls, and has them confer.
    """

    def completeConference(
        self,
        dn: str,
        heldConnID: str,
        connID: str,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        See L{IConferences}.
        """

        def act() -> Deferred[None]:
            held, party = self._find(dn, heldConnID)
            call, consulting = self._find(dn, connID)
            return held.conferWith(party, call, consulting, requester)

        return self._later(act)

    def singleStepConference(
        self,
        dn: str,
        connID: str,
        destination: str,
        userData: KVList = (),
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        See L{IConferences}.
        """

        def act() -> Deferred[None]:
            call, party = self._find(dn, connID)
            where = self.wish(dn, destination)
            return call.addFor(party, where, userData, requester)

        return self._later(act)

    def deleteFromConference(
        self,
        dn: str,
        connID: str,
        other: str,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        See L{IConferences}.
        """
        return self._atOnce(
            dn,
            connID,
            lambda call, party: call.deleteParty(
                party, _member(call, other), requester
            ),
        )

    def listenDisconnect(
        self,
        dn: str,
        connID: str,
        listener: str,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        See L{IConferences}.
        """
        return self._listen(dn, connID, listener, False, requester)

    def listenReconnect(
        self,
        dn: str,
        connID: str,
        listener: str,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        See L{IConferences}.
        """
        return self._listen(dn, connID, listener, True, requester)

    def mute(
        self, dn: str, connID: str, on: bool, requester: Requester | None = None
    ) -> Deferred[None]:
        """
        See L{IConferences}.
        """
        return self._atOnce(
            dn, connID, lambda call, party: call.muteFor(party, on, requester)
        )

    def _listen(
        self,
        dn: str,
        connID: str,
        listener: str,
        on: bool,
        requester: Requester | None,
    ) -> Deferred[None]:
        return self._atOnce(
            dn,
            connID,
            lambda call, party: call.listenFor(
                party, _member(call, listener), on, requester
            ),
        )


def _member(call: Call, dn: str) -> Party:
    """
    A live party, of this switch or outside.

    @raise CallRefused: there is none, or more than one.
    """
    found = [one for one in call.parties if one.view.thisDN == dn and one.live]
    if len(found) != 1:
        raise CallRefused(Why.INVALID_DESTINATION, "it is no party of the call")
    return found[0]
