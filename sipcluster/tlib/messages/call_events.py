"""
What happens to calls.
"""

from __future__ import annotations

from attrs import frozen

from sipcluster.tlib.messages.base import CALL, CallEvent, DNEvent


class EventQueued(CallEvent):
    """
    The call waits at the queue or routing point.
    """

    __slots__ = ()
    number = 57
    mandatory = (*CALL, "thisQueue")


class EventDiverted(CallEvent):
    """
    It has left the queue for another DN.
    """

    __slots__ = ()
    number = 58
    mandatory = (*CALL, "thisQueue")


class EventAbandoned(CallEvent):
    """
    The caller has given up before the DN answered.
    """

    __slots__ = ()
    number = 59
    mandatory = (*CALL, "callState")


class EventRinging(CallEvent):
    """
    A call comes to the DN.
    """

    __slots__ = ()
    number = 60
    mandatory = (*CALL, "callState")


class EventDialing(CallEvent):
    """
    The DN calls.
    """

    __slots__ = ()
    number = 61


class EventNetworkReached(CallEvent):
    """
    Its call has left the switch.
    """

    __slots__ = ()
    number = 62


class EventDestinationBusy(CallEvent):
    """
    Its call did not reach whom it wants; CallState says why.
    """

    __slots__ = ()
    number = 63
    mandatory = (*CALL, "callState")


class EventEstablished(CallEvent):
    """
    The DN is connected.
    """

    __slots__ = ()
    number = 64
    mandatory = (*CALL, "callState")


class EventReleased(CallEvent):
    """
    The DN has left its call.
    """

    __slots__ = ()
    number = 65
    mandatory = (*CALL, "callState")


class EventHeld(CallEvent):
    """
    The DN has put the others on hold.
    """

    __slots__ = ()
    number = 66


class EventRetrieved(CallEvent):
    """
    It has taken them back.
    """

    __slots__ = ()
    number = 67


class EventPartyChanged(CallEvent):
    """
    The other party is another one now.
    """

    __slots__ = ()
    number = 68
    mandatory = (*CALL, "callState")


class EventPartyAdded(CallEvent):
    """
    A party has joined.
    """

    __slots__ = ()
    number = 69
    mandatory = (
        "time",
        "connID",
        "callType",
        "thisDN",
        "thisDNRole",
        "otherDN",
        "otherDNRole",
    )


class EventPartyDeleted(CallEvent):
    """
    A party has left, and others stay.
    """

    __slots__ = ()
    number = 70
    mandatory = (*CALL, "callState")


class EventAttachedDataChanged(CallEvent):
    """
    The data of the call is another one; ThirdPartyDN: who changed it.
    """

    __slots__ = ()
    number = 85
    mandatory = ("time", "connID", "callID", "callType", "thisDN")


@frozen(kw_only=True, repr=False)
class EventDTMFSent(CallEvent):
    """
    Digits were sent.
    """

    number = 98
    mandatory = ("time", "connID", "thisDN")

    dtmfDigits: str | None = None


class EventListenDisconnected(CallEvent):
    """
    A party hears nothing any more.
    """

    __slots__ = ()
    number = 106
    mandatory = ("time", "thisDN")


class EventListenReconnected(CallEvent):
    """
    It hears again.
    """

    __slots__ = ()
    number = 107
    mandatory = ("time", "thisDN")


class EventCallInfoChanged(CallEvent):
    """
    What is known of the call has changed.
    """

    __slots__ = ()
    number = 112
    mandatory = ("time", "connID", "thisDN")


class EventMuteOn(DNEvent):
    """
    Nobody hears the DN.
    """

    __slots__ = ()
    number = 145


class EventMuteOff(DNEvent):
    """
    The DN is heard again.
    """

    __slots__ = ()
    number = 146


class EventBridged(CallEvent):
    """
    Another line of the same DN has the call.
    """

    __slots__ = ()
    number = 151
    mandatory = ("time", "connID", "thisDN")
