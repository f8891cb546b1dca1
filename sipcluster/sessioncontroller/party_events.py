"""
Call-control events of calls whose parties change.

What a T-Library server makes of them: each is the event of the field that is called
after it, PartyChanged EventPartyChanged and so on; Muted is EventMuteOn.
"""

from __future__ import annotations

from attrs import frozen

from sipcluster.sessioncontroller.events import CallEvent

__all__ = (
    "ListenDisconnected",
    "ListenReconnected",
    "Muted",
    "NetworkReached",
    "PartyAdded",
    "PartyChanged",
    "PartyDeleted",
    "Unmuted",
)


@frozen
class NetworkReached(CallEvent):
    """
    The call of the party has left the switch.
    """


@frozen
class PartyChanged(CallEvent):
    """
    The party talks to another one from now on, or is in another call: its view says
    in which, and C{previousConnID} in which it was.
    """


@frozen
class PartyAdded(CallEvent):
    """
    There is one party more: the other one of the view.
    """


@frozen
class PartyDeleted(CallEvent):
    """
    There is one party less: the other one of the view.
    """


@frozen
class ListenDisconnected(CallEvent):
    """
    The other party of the view hears nothing any more.
    """


@frozen
class ListenReconnected(CallEvent):
    """
    It hears the others again.
    """


@frozen
class Muted(CallEvent):
    """
    The others do not hear the party any more.
    """


@frozen
class Unmuted(CallEvent):
    """
    The others hear the party again.
    """
