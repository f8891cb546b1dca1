"""
A call: its legs, its parties, and what passes between them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from sipcluster.sessioncontroller.call_resuming import Resuming
from sipcluster.sessioncontroller.events import (
    Acknowledged,
    Answered,
    CallEvent,
    ModificationAnswered,
    ModificationAsked,
    ModificationWithdrawn,
    Offered,
    Progressed,
    Refused,
    RelayAnswered,
    Relayed,
    Released,
)
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.refers import ReferAsked
from sipcluster.sessioncontroller.values import CallValue

log = Logger()

#: Digits in an INFO: what telephones may tell media servers.
_DIGITS = frozenset([b"application/dtmf-relay", b"application/dtmf"])


class Call(Resuming):
    """
    Two legs and their parties, under one ConnID and CallUUID.
    """

    __slots__ = ()

    def legEvent(self, leg: Leg, event: CallEvent) -> None:
        """
        Something happened on a leg.
        """
        if not leg.server or not self.serviceEvent(leg, event):
            _HANDLERS[type(event)](self, leg, event)

    def _modificationWithdrawn(self, leg: Leg, event: ModificationWithdrawn) -> None:
        other = self.other(leg)
        if other is not None:
            other.machine.withdrawModification()

    def _relayed(self, leg: Leg, event: Relayed) -> None:
        other = self.other(leg)
        status = 480 if other is None else 0
        if other is not None and other.server and not _areDigits(event):
            # It would do what a far end says: to this call, and to others.
            log.warn(
                "{dn} has nothing to say to {server}",
                dn=leg.party.view.thisDN,
                server=other.server,
                connID=self.connID,
            )
            self._ua.count("notForServers")
            status = 415
        if other is None or status:
            leg.machine.relayAnswered(
                RelayAnswered(event.party, event.time, event.serial, status)
            )
        else:
            other.machine.relay(event)

    def _released(self, leg: Leg, event: Released) -> None:
        """
        One side is out: so is the other, unless others go on.
        """
        if not self.goesOnWithout(leg, event):
            self.release(event.cause, event.reason, leg.party)

    def abandon(self) -> None:
        """
        Another process goes on with it: nothing more is done here.
        """
        routing, self._routing = self._routing, None
        if routing is not None:
            routing.cancel()
        for party in self.parties:
            party.forget()
        for leg in self.legs:
            leg.call = leg.peer = None
        self.leaving = None

    # Writing down

    def value(self) -> CallValue:
        """
        Write the call down.
        """
        parties = self.parties
        return CallValue(
            connID=self.connID,
            callUUID=self.callUUID,
            callType=self.callType,
            ani=self.ani,
            dnis=self.dnis,
            created=self.created,
            parties=tuple(party.value(self.callType) for party in parties),
            legs=tuple(
                leg.value(-1 if leg.server else parties.index(leg.party))
                for leg in self.legs
            ),
            redirections=self.redirections,
            userData=self.userData,
            callID=self.callID,
            undertakings=self.undertakingValues(),
            making=self.makingValue(),
            heard=b"" if self._work is None else self._work.heard,
            busy=0.0 if self._busy is None else self._busy.left,
            queue=self.queueValue(),
            consults=self.consults,
            conference=self.conference,
            heldFor=self.heldFor,
            leaving=-1 if self.leaving is None else self.legs.index(self.leaving),
        )


def _areDigits(event: Relayed) -> bool:
    """
    Whether what a far end sends is digits, or says nothing.
    """
    if event.method != b"INFO":
        return False
    kinds = [value for name, value in event.fields if name.lower() == b"content-type"]
    kind = b",".join(kinds).partition(b";")[0].strip().lower()
    return not event.body or kind in _DIGITS


_HANDLERS: dict[type[CallEvent], Callable[[Call, Leg, Any], None]] = {
    Offered: Call._offered,
    Progressed: Call._progressed,
    Answered: Call._answered,
    Refused: Call._refused,
    Acknowledged: Call._acknowledged,
    ModificationAsked: Call._modificationAsked,
    ModificationAnswered: Call._modificationAnswered,
    ModificationWithdrawn: Call._modificationWithdrawn,
    Relayed: Call._relayed,
    RelayAnswered: Call._relayAnswered,
    Released: Call._released,
    ReferAsked: Call._referAsked,
}
