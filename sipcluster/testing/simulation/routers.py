"""
T-Library clients of a simulated world that say where the calls at routing points go.
"""

from __future__ import annotations

from typing import Any

from sipcluster.testing.simulation.clients import Client
from sipcluster.tlib.codec import Envelope
from sipcluster.tlib.enums import RouteType, TreatmentType
from sipcluster.tlib.messages import (
    EventAbandoned,
    EventDiverted,
    EventReleased,
    EventRouteRequest,
    RequestApplyTreatment,
    RequestRouteCall,
)

#: The default port of every node.
DEFAULT = 3000

#: Seconds that a call may wait.
_LONGEST = 40.0

#: What callers are given meanwhile, if anything.
_TREATMENTS: tuple[tuple[TreatmentType, Any], ...] = (
    (TreatmentType.MUSIC, ()),
    (TreatmentType.RING_BACK, ()),
    (TreatmentType.SILENCE, ()),
    (TreatmentType.PLAY_ANNOUNCEMENT, (("PROMPT", (("1", (("ID", 1),)),)),)),
    (TreatmentType.COLLECT_DIGITS, (("MAX_DIGITS", 2),)),
)


class Router(Client):
    """
    One of them, at one node.  It says so after a while, gives callers something before
    or not, says it twice, rejects some, and says nothing of some.  Whoever waits for
    too long is sent away.
    """

    kind = "router"
    port = DEFAULT

    def addresses(self) -> list[str]:
        """
        See L{Client.addresses}.
        """
        return list(self.world.queues)

    def begin(self) -> None:
        """
        See L{Process.begin}.
        """
        self._waiting: dict[tuple[str, str], None] = {}
        super().begin()

    def hangUp(self) -> None:
        """
        Send all away who wait, for all that it knows.
        """
        for dn, connID in self._waiting:
            self._sendAway(dn, connID)

    def _received(self, envelope: Envelope) -> None:
        super()._received(envelope)
        message = envelope.message
        if isinstance(message, EventDiverted | EventReleased | EventAbandoned):
            self._waiting.pop((message.thisDN or "", message.connID or ""), None)
        if isinstance(message, EventRouteRequest) and not self.clock.dead:
            self._decide(message.thisDN or "", message.connID or "")

    def _decide(self, dn: str, connID: str) -> None:
        self._waiting[dn, connID] = None
        self.clock.callLater(_LONGEST, self._sendAway, dn, connID)
        chance = self.chance
        after = chance.choose((0.0, 0.3, 1.0, 4.0))
        if chance.happens(0.4):
            kind, parameters = chance.choose(_TREATMENTS)
            self.ask(
                RequestApplyTreatment(
                    thisDN=dn,
                    connID=connID,
                    treatmentType=kind,
                    treatmentParms=parameters,
                )
            )
            after += chance.choose((0.0, 0.5, 5.0))
        what = chance.random()
        if what < 0.1:
            return  # it goes where calls go by default
        route = RouteType.REJECT if what < 0.2 else RouteType.UNKNOWN
        number = chance.choose(self.world.numbers)
        times = 2 if chance.happens(0.1) else 1
        for _ in range(times):
            self.clock.callLater(after, self._route, dn, connID, number, route)

    def _sendAway(self, dn: str, connID: str) -> None:
        if (dn, connID) in self._waiting:
            self._route(dn, connID, "", RouteType.CALL_DISCONNECT)

    def _route(self, dn: str, connID: str, number: str, kind: RouteType) -> None:
        self.ask(
            RequestRouteCall(
                thisDN=dn, connID=connID, otherDN=number or None, routeType=kind
            )
        )
