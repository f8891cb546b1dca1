"""
The seam of those who consult, transfer and merge calls.

A consultation is a second call of the telephone, in a dialog of its own, whose first
call is held meanwhile.  Both are calls of one node.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import Interface

from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList

__all__ = ("ITransfers",)


class ITransfers(Interface):
    """
    What can be asked of two calls of one DN, and of one that is to leave it.

    Each is answered as the methods of L{ICallControl
    <sipcluster.sessioncontroller.icallcontrol.ICallControl>} are.
    """

    def consult(
        dn: str,
        connID: str,
        destination: str,
        userData: KVList = (),
        conference: bool = False,
        requester: Requester | None = None,
    ) -> Deferred[str]:
        """
        Hold a call, and call somebody about it: C{TInitiateTransfer},
        C{TInitiateConference}.  Answered by C{Offered} of the DN in the new call,
        after C{Held} in the other.

        @param userData: attached to the new call, besides what the other one has.
        @param conference: what it is to become.

        @return: fires with the ConnID of the new call.
        """

    def completeTransfer(
        dn: str,
        heldConnID: str,
        connID: str,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        Connect the others of two calls, and leave them.  The one that is called may
        still ring.  Answered by C{Released} of the DN in the consultation.
        """

    def muteTransfer(
        dn: str,
        connID: str,
        destination: str,
        userData: KVList = (),
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        Call somebody and leave the call to him as soon as he rings.  Answered by
        C{Released} of the DN.
        """

    def singleStepTransfer(
        dn: str,
        connID: str,
        destination: str,
        userData: KVList = (),
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        Leave a call, which goes on to somebody else.  Answered by C{Released} of the
        DN.
        """

    def alternate(
        dn: str,
        heldConnID: str,
        connID: str,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        Hold one call and take the other back.  Answered by C{Retrieved} of the DN,
        after C{Held}.
        """

    def reconnect(
        dn: str,
        heldConnID: str,
        connID: str,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        Give up a consultation, and take the call back about which it was.  Answered by
        C{Released} of the DN, before C{Retrieved}.
        """
