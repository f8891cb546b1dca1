"""
Calls as recorders see them: each call with its parties, whatever DNs those are, and
what happens to them.

A call is named by its CallUUID, a party by its PartyUUID, which is made of the
CallUUID and the DN: every process that has the call gives it the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

from attrs import define, field

from sipcluster.sessioncontroller.events import (
    CallEvent,
    CallType,
    Cause,
    PartyView,
    Released,
    ThirdParty,
    UserDataChanged,
)
from sipcluster.sessioncontroller.isessioncontroller import ICallControl, PartyStatus
from sipcluster.sessioncontroller.party_events import PartyChanged
from sipcluster.sessioncontroller.queue_events import Diverted
from sipcluster.tlib.attributes import timeOf
from sipcluster.tlib.enums import MediaType
from sipcluster.tlib.messages import (
    EventCallCreated,
    EventCallDataChanged,
    EventCallDeleted,
    EventCallPartyAdded,
    EventCallPartyDeleted,
    EventCallPartyMoved,
    EventCallPartyState,
    Message,
)
from sipcluster.tserver.call_snapshot import partyState
from sipcluster.tserver.party_attributes import CALL_STATES, CALL_TYPES, ROLES
from sipcluster.wire.kvlist import KVList

#: The events after which a party is in its call no more.
_LAST = (Released, Diverted)


def partyUUID(callUUID: str, dn: str) -> str:
    """
    Names a DN in a call.
    """
    return blake2b(f"{callUUID} {dn}".encode(), digest_size=16).hexdigest()


@define
class SeenCall:
    """
    A call as it was told last.

    @ivar parties: AttributePartyState and AttributePartyRole by DN.
    """

    connID: str
    callUUID: str
    callID: int
    callType: CallType
    ani: str
    dnis: str
    userData: KVList
    about: str
    parties: dict[str, tuple[int, int]] = field(factory=dict)

    def notice(self, time: float) -> dict[str, Any]:
        """
        What each event says of it.
        """
        return {
            "time": timeOf(time),
            "callUUID": self.callUUID,
            "connID": self.connID,
        }

    def partyNotice(self, time: float, dn: str) -> dict[str, Any]:
        """
        What each event says of a party of it.
        """
        state, role = self.parties[dn]
        return {
            **self.notice(time),
            "partyUUID": partyUUID(self.callUUID, dn),
            "thisDN": dn,
            "partyState": state,
            "partyRole": role,
        }

    def by(self, third: ThirdParty | None) -> str | None:
        """
        AttributeCtrlParty.
        """
        return None if third is None else partyUUID(self.callUUID, third.dn)


class CallNotices:
    """
    Makes the events of calls as such.

    @ivar calls: those that were told of, by ConnID; empty while nobody wants to know.
    """

    def __init__(self, node: str) -> None:
        """
        @param node: name of the node: AttributeNodeID.
        """
        self._node = node
        self.calls: dict[str, SeenCall] = {}
        self.control: ICallControl | None = None

    def begin(self) -> None:
        """
        See all calls that there are.
        """
        self.calls.clear()
        assert self.control is not None
        for connID in self.control.connIDs():
            for party in self.control.partiesIn(connID):
                call = self.calls.get(connID)
                if call is None:
                    call = self.calls[connID] = _seen(party.view)
                call.parties[party.view.thisDN] = _standing(party)

    # What there is

    def snapshot(self, connID: str, time: float) -> Iterator[Message]:
        """
        One call, as if it had just begun; nothing when it is not there.
        """
        call = self.calls.get(connID)
        if call is not None:
            yield self._created(call, time)
            for dn in call.parties:
                yield EventCallPartyAdded(**call.partyNotice(time, dn))

    # What happens

    def about(self, event: CallEvent) -> tuple[str, ...]:
        """
        The calls of which an event tells, by ConnID.
        """
        view = event.party
        if type(event) is PartyChanged and view.previousConnID in self.calls:
            return view.connID, view.previousConnID
        return (view.connID,)

    def of(self, event: CallEvent) -> Iterator[Message]:
        """
        What comes of an event.
        """
        view = event.party
        call = self.calls.get(view.connID)
        stands = self._standing(view)
        if call is None:
            if stands is None:
                return
            call = self.calls[view.connID] = _seen(view)
            yield self._created(call, event.time)
        yield from self._data(call, event)
        before = self.calls.get(view.previousConnID)
        if isinstance(event, _LAST):
            yield from self._deleted(call, event)
        elif stands is None:
            return
        elif (
            type(event) is PartyChanged
            and before is not None
            and before is not call
            and view.thisDN in before.parties
        ):
            yield from self._moved(before, call, event, stands)
        else:
            yield from self._stands(call, event, stands)

    def _standing(self, view: PartyView) -> tuple[int, int] | None:
        """
        How a party stands now; L{None}: it is in its call no more.
        """
        assert self.control is not None
        for party in self.control.partiesIn(view.connID):
            if party.view.thisDN == view.thisDN:
                return _standing(party)
        return None

    def _created(self, call: SeenCall, time: float) -> Message:
        about = self.calls.get(call.about)
        outgoing = call.callType is CallType.OUTBOUND
        return EventCallCreated(
            **call.notice(time),
            callID=call.callID,
            callType=CALL_TYPES[call.callType],
            ani=call.ani or None,
            dnis=call.dnis or None,
            dialedNumber=(call.dnis or None) if outgoing else None,
            userData=call.userData or None,
            origConnID=call.about or None,
            origCallUUID=None if about is None else about.callUUID,
            nodeID=self._node or None,
            mediaType=MediaType.VOICE,
        )

    def _data(self, call: SeenCall, event: CallEvent) -> Iterator[Message]:
        """
        What has changed of the call itself.
        """
        view = event.party
        changed: dict[str, Any] = {}
        if isinstance(event, UserDataChanged) and call.userData != view.userData:
            call.userData = changed["userData"] = view.userData
        if call.callType is CallType.UNKNOWN is not view.callType:
            call.callType = view.callType
            changed["callType"] = CALL_TYPES[view.callType]
        if changed:
            yield EventCallDataChanged(**call.notice(event.time), **changed)

    def _stands(
        self, call: SeenCall, event: CallEvent, stands: tuple[int, int]
    ) -> Iterator[Message]:
        """
        A party is there.
        """
        dn = event.party.thisDN
        stood = call.parties.get(dn)
        if stands != stood:
            call.parties[dn] = stands
            kind = EventCallPartyAdded if stood is None else EventCallPartyState
            yield kind(
                **call.partyNotice(event.time, dn),
                cause=_cause(event),
                ctrlParty=call.by(event.third),
            )

    def _moved(
        self,
        before: SeenCall,
        call: SeenCall,
        event: CallEvent,
        stands: tuple[int, int],
    ) -> Iterator[Message]:
        """
        A party has come from another call, which may end by it.
        """
        dn = event.party.thisDN
        del before.parties[dn]
        call.parties[dn] = stands
        yield EventCallPartyMoved(
            **call.partyNotice(event.time, dn),
            origCallUUID=before.callUUID,
            origConnID=before.connID,
            refParty=partyUUID(before.callUUID, dn),
            ctrlParty=call.by(event.third),
            cause=_cause(event),
        )
        yield from self._ended(before, event, call)

    def _deleted(self, call: SeenCall, event: CallEvent) -> Iterator[Message]:
        """
        A party is gone, and the call with the last one.
        """
        dn = event.party.thisDN
        if dn in call.parties:
            notice = call.partyNotice(event.time, dn)
            del call.parties[dn]
            notice["partyState"] = 0
            yield EventCallPartyDeleted(
                **notice, cause=_cause(event), ctrlParty=call.by(event.third)
            )
        yield from self._ended(call, event)

    def _ended(
        self, call: SeenCall, event: CallEvent, into: SeenCall | None = None
    ) -> Iterator[Message]:
        if not call.parties:
            del self.calls[call.connID]
            yield EventCallDeleted(
                **call.notice(event.time),
                cause=_cause(event),
                refConnID=None if into is None else into.connID,
            )


def _seen(view: PartyView) -> SeenCall:
    return SeenCall(
        view.connID,
        view.callUUID,
        view.callID,
        view.callType,
        view.ani,
        view.dnis,
        view.userData,
        view.previousConnID if view.callType is CallType.CONSULT else "",
    )


def _standing(party: PartyStatus) -> tuple[int, int]:
    return partyState(party), int(ROLES[party.view.thisRole])


def _cause(event: CallEvent) -> int:
    """
    AttributeCause.
    """
    cause = getattr(event, "cause", event.why)
    assert isinstance(cause, Cause)
    return int(CALL_STATES[cause])
