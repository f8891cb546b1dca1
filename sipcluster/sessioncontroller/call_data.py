"""
The data of a call: what all its parts work on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from sipcluster.sessioncontroller.events import (
    CallEvent,
    CallType,
    Cause,
    Fields,
    Offered,
)
from sipcluster.sessioncontroller.isessioncontroller import Asked
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.undertakings import Undertakings
from sipcluster.wire.kvlist import KVList

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.call import Call
    from sipcluster.sessioncontroller.isessioncontroller import (
        Destination,
        IDialPlan,
    )
    from sipcluster.sessioncontroller.useragent import UserAgent
    from sipcluster.sessioncontroller.waiting import Waiting
    from sipcluster.sip.timers import Timer


class CallData:
    """
    Legs and their parties, under one ConnID and CallUUID.

    @ivar legs: live legs, the caller's first; also those to media servers.
    @ivar parties: all there have been, the caller's first.
    @ivar sessionID: the CallUUID, for messages.
    @ivar consults: the ConnID of the call about which it is; C{""}: it is no
        consultation.
    @ivar conference: the consultation is to become a conference, not a transfer.
    @ivar heldFor: that call was held for it.
    @ivar leaving: the leg of who leaves the call as soon as the one answers who is
        called instead; L{None}: nobody does.
    """

    __slots__ = (
        "__weakref__",
        "_asked",
        "_busy",
        "_ended",
        "_fields",
        "_first",
        "_from",
        "_instead",
        "_led",
        "_made",
        "_offer",
        "_plan",
        "_publish",
        "_queue",
        "_routing",
        "_second",
        "_tried",
        "_ua",
        "_work",
        "ani",
        "callID",
        "callType",
        "callUUID",
        "conference",
        "connID",
        "consults",
        "created",
        "dnis",
        "heldFor",
        "leaving",
        "legs",
        "parties",
        "redirections",
        "sessionID",
        "userData",
    )

    def __init__(
        self,
        ua: UserAgent,
        plan: IDialPlan,
        publish: Callable[[CallEvent], None],
        ended: Callable[[Call], None],
        connID: str,
        callUUID: str,
        ani: str,
        dnis: str,
        created: float,
        callID: int = 0,
    ) -> None:
        self._ua = ua
        self._plan = plan
        self._publish = publish
        self._ended = ended
        self.connID = connID
        self.callUUID = callUUID
        self.sessionID = callUUID.encode()
        self.ani = ani
        self.dnis = dnis
        self.created = created
        self.callID = callID
        self.callType = CallType.UNKNOWN
        self.legs: list[Leg] = []
        self.parties: list[Party] = []
        self.userData: KVList = ()
        self.redirections = 0
        self.consults = ""
        self.conference = False
        self.heldFor = False
        self.leaving: Leg | None = None
        self._made = 0
        self._fields: Fields = ()
        self._asked: Asked | None = None
        self._offer: Offered | None = None
        self._from = b""
        self._tried: set[str] = set()
        self._first: Leg | None = None
        self._second: Leg | None = None
        self._routing: Deferred[Any] | None = None
        self._led: Asked | None = None
        self._instead: tuple[Destination, Cause] | None = None
        self._busy: Timer | None = None
        self._work: Undertakings | None = None
        self._queue: Waiting | None = None
        ua.touch()

    @property
    def agent(self) -> UserAgent:
        """
        What it was given to work with.
        """
        return self._ua

    def touch(self) -> None:
        """
        It may have changed.
        """
        self._ua.touch()

    @property
    def told(self) -> bool:
        """
        Whether anybody knows of it: a telephone that was called, or who takes its
        events.
        """
        return (
            len(self.parties) > 1
            or any(party.state != "Null" for party in self.parties)
            or any(not leg.incoming for leg in self.legs)
        )
