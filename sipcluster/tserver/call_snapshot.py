"""
What a client that registers a DN is told of its calls.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen
from zope.interface import implementer

from sipcluster.sessioncontroller.events import Role
from sipcluster.sessioncontroller.isessioncontroller import ICallControl, PartyStatus
from sipcluster.tlib.enums import PartyState
from sipcluster.tserver.itserver import ISnapshot
from sipcluster.tserver.party_attributes import CALL_TYPES
from sipcluster.wire.kvlist import KVList, KVValue

#: The states of a party in the field's flags.  Whoever has had EventDialing is
#: connected to the switch, and to nobody else yet.
PARTY_STATES: Mapping[str, int] = {
    "Initiated": PartyState.CONNECTED | PartyState.DIALING,
    "Alerting": int(PartyState.ALERTING),
    "Connected": int(PartyState.CONNECTED),
    "Hold": int(PartyState.HELD),
    "Failed": int(PartyState.FAILED),
    "Queued": int(PartyState.QUEUED),
}


def partyState(party: PartyStatus) -> int:
    """
    The state of a party in the field's flags.
    """
    state = PARTY_STATES.get(party.state, int(PartyState.NULL))
    if party.muted:
        state |= PartyState.NO_TALK
    if party.deaf:
        state |= PartyState.NO_LISTEN
    if party.view.thisRole is Role.OBSERVER:
        state |= PartyState.AUDIT
    return state


@frozen
@implementer(ISnapshot)
class CallSnapshot:
    """
    The calls of a DN, numbered from 1 in the order in which they began: C{conn-n}
    the ConnID, C{ct-n} the call type, C{ps-n} the state of the party.
    """

    _control: ICallControl

    def snapshot(self, dn: str) -> KVList:
        """
        See L{ISnapshot}.
        """
        pairs: list[tuple[str, KVValue]] = []
        for index, party in enumerate(self._control.partiesOf(dn), 1):
            pairs += (
                (f"conn-{index}", party.view.connID),
                (f"ct-{index}", int(CALL_TYPES[party.view.callType])),
                (f"ps-{index}", partyState(party)),
            )
        return tuple(pairs)
