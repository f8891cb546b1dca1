"""
The seam of those who say where the calls at a routing point go, and what their
callers hear meanwhile.
"""

from __future__ import annotations

import enum

from attrs import frozen
from twisted.internet.defer import Deferred
from zope.interface import Interface

from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList

__all__ = (
    "IRouting",
    "IRoutingClients",
    "RouteType",
    "Treatment",
    "TreatmentType",
)


class RouteType(enum.Enum):
    """
    How a call is to be routed: the words of the field.
    """

    UNKNOWN = "Unknown"
    DEFAULT = "Default"
    LABEL = "Label"
    OVERWRITE_DNIS = "OverwriteDNIS"
    DDD = "DDD"
    IDDD = "IDDD"
    DIRECT = "Direct"
    REJECT = "Reject"
    ANNOUNCEMENT = "Announcement"
    POST_FEATURE = "PostFeature"
    DIRECT_AGENT = "DirectAgent"
    PRIORITY = "Priority"
    DIRECT_PRIORITY = "DirectPriority"
    AGENT_ID = "AgentID"
    CALL_DISCONNECT = "CallDisconnect"


class TreatmentType(enum.Enum):
    """
    What a caller is given: the words of the field.
    """

    UNKNOWN = "Unknown"
    IVR = "IVR"
    MUSIC = "Music"
    RING_BACK = "RingBack"
    SILENCE = "Silence"
    BUSY = "Busy"
    COLLECT_DIGITS = "CollectDigits"
    PLAY_ANNOUNCEMENT = "PlayAnnouncement"
    PLAY_ANNOUNCEMENT_AND_DIGITS = "PlayAnnouncementAndDigits"
    VERIFY_DIGITS = "VerifyDigits"
    RECORD_USER_ANNOUNCEMENT = "RecordUserAnnouncement"
    DELETE_USER_ANNOUNCEMENT = "DeleteUserAnnouncement"
    CANCEL_CALL = "CancelCall"
    PLAY_APPLICATION = "PlayApplication"
    SET_DEFAULT_ROUTE = "SetDefaultRoute"
    TEXT_TO_SPEECH = "TextToSpeech"
    TEXT_TO_SPEECH_AND_DIGITS = "TextToSpeechAndDigits"
    FAST_BUSY = "FastBusy"
    RAN = "RAN"


@frozen
class Treatment:
    """
    What is to be given to a caller.

    @ivar parameters: TreatmentParms, as the asking program has sent them.
    """

    kind: TreatmentType
    parameters: KVList = ()


class IRouting(Interface):
    """
    What can be asked of a call at a routing point, and of one that is made for one.

    Each is answered as the methods of L{ICallControl
    <sipcluster.sessioncontroller.icallcontrol.ICallControl>} are.
    """

    def route(
        dn: str,
        connID: str,
        destination: str,
        routeType: RouteType = RouteType.UNKNOWN,
        userData: KVList = (),
        extensions: KVList = (),
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        Say where a call goes.  Answered by C{RouteUsed} of the routing point.

        @param extensions: C{NO_ANSWER_TIMEOUT} and the like, for this call only.
        """

    def applyTreatment(
        dn: str,
        connID: str,
        treatment: Treatment,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        Give a caller something.  Answered by C{TreatmentApplied} or
        C{TreatmentNotApplied} of the routing point.
        """

    def makePredictiveCall(
        dn: str,
        destination: str,
        timeout: float = 0.0,
        userData: KVList = (),
        extensions: KVList = (),
        requester: Requester | None = None,
    ) -> Deferred[str]:
        """
        Call a number for a routing point or a trunk group, where the call goes when
        somebody answers.  Answered by C{Offered} of the DN.

        @param timeout: seconds that it may ring; 0: what is usual.

        @return: fires with the ConnID.
        """


class IRoutingClients(Interface):
    """
    Knows who says where the calls at routing points go.
    """

    def routed(dn: str) -> bool:
        """
        Whether somebody is connected who does so for a routing point.
        """
