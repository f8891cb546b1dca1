"""
The seam of those who make calls of more than two parties.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import Interface

from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList

__all__ = ("MOST_PARTIES", "IConferences")

#: Parties that one conference may have, observers counted.
MOST_PARTIES = 32


class IConferences(Interface):
    """
    What can be asked of a call with a third party, and of who hears whom.

    Each is answered as the methods of L{ICallControl
    <sipcluster.sessioncontroller.icallcontrol.ICallControl>} are.
    """

    def completeConference(
        dn: str,
        heldConnID: str,
        connID: str,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        Make one call of two: those of the consultation come into the held one.
        Answered by C{Released} of the DN in the consultation, before C{Retrieved} and
        C{PartyAdded} in the other.
        """

    def singleStepConference(
        dn: str,
        connID: str,
        destination: str,
        userData: KVList = (),
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        Call somebody into a call.  Answered by C{PartyAdded} of the DN.
        """

    def deleteFromConference(
        dn: str,
        connID: str,
        other: str,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        Take somebody else out of a conference.  Answered by C{PartyDeleted} of the DN.
        """

    def listenDisconnect(
        dn: str,
        connID: str,
        listener: str,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        Let a party of a conference hear nothing.  Answered by C{ListenDisconnected} of
        the DN.
        """

    def listenReconnect(
        dn: str,
        connID: str,
        listener: str,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        Let it hear the others again.  Answered by C{ListenReconnected} of the DN.
        """

    def mute(
        dn: str, connID: str, on: bool, requester: Requester | None = None
    ) -> Deferred[None]:
        """
        Let nobody hear the DN, or let them hear it again.  Answered by C{Muted} or
        C{Unmuted} of the DN.
        """
