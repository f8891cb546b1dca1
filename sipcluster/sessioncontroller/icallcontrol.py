"""
The seam of those who control calls: what can be asked of the calls of a node, and
why it is refused.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from attrs import frozen
from twisted.internet.defer import Deferred
from zope.interface import Interface

from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.events import PartyView


class Why(enum.Enum):
    """
    Why a request of call control was refused.
    """

    UNSUPPORTED = "not supported"
    UNKNOWN_CALL = "there is no such call"
    NOT_A_PARTY = "the DN is no party of this call"
    WRONG_STATE = "the party's state does not allow it"
    INVALID_DN = "the DN cannot make calls"
    INVALID_DESTINATION = "no such destination"
    OUT_OF_SERVICE = "the DN is out of service"
    BUSY = "busy"
    NO_ANSWER = "no answer"
    REJECTED = "the telephone refused"
    TIMEOUT = "the telephone did not answer in time"
    DISCONNECTED = "the call has ended meanwhile"
    BAD_VALUE = "a value is not allowed"
    LIMIT = "too many at one time"
    FAILED = "it failed"


class CallRefused(Exception):
    """
    A request of call control was not done; nothing has changed by it.

    @ivar why: for the asking program.
    @ivar text: for people.
    """

    def __init__(self, why: Why, text: str = "") -> None:
        super().__init__(text or why.value)
        self.why = why
        self.text = text or why.value


@frozen
class PartyStatus:
    """
    One party of a live call.

    @ivar state: in the words of ECMA-269: Initiated, Alerting, Connected, Hold,
        Failed, Queued.
    @ivar muted: nobody is to hear it.
    @ivar deaf: it is to hear nobody.
    """

    view: PartyView
    state: str
    muted: bool = False
    deaf: bool = False


class ICallControl(Interface):
    """
    What can be asked of the calls of this node.

    Each request is answered by a call-control event that carries the
    C{requester}, at the moment it is due.  Each method returns a Deferred that
    fires after that event was published, and fails with L{CallRefused} when it
    will not be; it may take as long as a telephone takes, but not for ever.
    """

    def makeCall(
        dn: str,
        destination: str,
        userData: KVList = (),
        requester: Requester | None = None,
    ) -> Deferred[str]:
        """
        Call a DN's telephone, and from there a number.  Answered by C{Offered}
        of the DN once its telephone has answered.

        @return: fires with the ConnID then.
        """

    def answer(
        dn: str, connID: str, requester: Requester | None = None
    ) -> Deferred[None]:
        """
        Let a ringing telephone answer.  Answered by C{Answered} of the DN.
        """

    def release(
        dn: str, connID: str, requester: Requester | None = None
    ) -> Deferred[None]:
        """
        Take a party out of its call.  Answered by C{Released} of the DN.
        """

    def clear(
        dn: str, connID: str, requester: Requester | None = None
    ) -> Deferred[None]:
        """
        End a call for all parties.  Answered by C{Released} of the DN.
        """

    def hold(
        dn: str, connID: str, requester: Requester | None = None
    ) -> Deferred[None]:
        """
        Put the others on hold.  Answered by C{Held} of the DN.
        """

    def retrieve(
        dn: str, connID: str, requester: Requester | None = None
    ) -> Deferred[None]:
        """
        Be back.  Answered by C{Retrieved} of the DN.
        """

    def redirect(
        dn: str, connID: str, destination: str, requester: Requester | None = None
    ) -> Deferred[None]:
        """
        Send a call that rings at the DN elsewhere.  Answered by C{Released} of
        the DN with C{Cause.REDIRECTED}.
        """

    def sendDTMF(
        dn: str, connID: str, digits: str, requester: Requester | None = None
    ) -> Deferred[None]:
        """
        Send digits to the other party in the name of the DN.  Answered by
        C{DTMFSent}.
        """

    def changeUserData(
        dn: str,
        connID: str,
        attach: KVList = (),
        update: KVList = (),
        delete: Sequence[str] = (),
        deleteAll: bool = False,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        Change what is attached to a call: first what is to be deleted, then
        C{update} replaces the pairs of each key or adds it, then C{attach} adds
        pairs.  Answered by C{UserDataChanged} of the DN.
        """

    def partiesOf(dn: str) -> Sequence[PartyStatus]:
        """
        The live parties of a DN, in the order of their calls.
        """

    def partiesIn(connID: str) -> Sequence[PartyStatus]:
        """
        The live parties of a call, the caller first; empty when there is none.
        """

    def connIDs() -> Sequence[str]:
        """
        The ConnIDs of all calls, in the order in which they began.
        """

    def awaits(requester: Requester) -> bool:
        """
        Whether what somebody has asked for is not done yet, so that it will be
        answered: by its event, or by what those are told that L{refusalsTo} names.
        Asked after a call has come from another process.
        """

    def refusalsTo(tell: Callable[[Requester, CallRefused], object]) -> None:
        """
        Name somebody who is told what will not be done of what another process was
        asked for: nobody here has a Deferred of it.
        """
