"""
Queries: what a T-Library client asks of calls and of DNs, and no call changes by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.sessioncontroller.isessioncontroller import ICallControl, PartyStatus
from sipcluster.tlib.attributes import timeOf
from sipcluster.tlib.enums import AddressInfoType, AddressType, CallInfoType
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventAddressInfo,
    EventPartyInfo,
    Message,
    RequestQueryAddress,
    RequestQueryCall,
)
from sipcluster.tserver.call_snapshot import CallSnapshot, partyState
from sipcluster.tserver.itserver import (
    ClientView,
    IAddresses,
    IEventPublisher,
    IRequests,
    ISnapshot,
)
from sipcluster.tserver.party_attributes import ROLES, partyAttributes
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList, KVValue

log = Logger()

#: What is known of a DN: a number (AttributeInfoStatus), or pairs
#: (AttributeExtensions).
AddressInfo: TypeAlias = Callable[[str], "int | KVList"]


@implementer(IRequests)
class CallQueries:
    """
    Answers RequestQueryCall and RequestQueryAddress at one T-Library port.

    Of a DN it knows itself: C{AddressStatus} (InfoStatus 0 idle, 1 in a call),
    C{NumberOfCallsInQueue} (InfoStatus: how many calls wait at the routing point),
    C{AddressType} (InfoStatus: the type), C{CallsQuery} (InfoStatus: how many calls;
    Extensions: those of the snapshot) and C{DNStatus} (InfoStatus as for
    AddressStatus; Extensions: the whole snapshot, as in EventRegistered).  Others
    add what they know.
    """

    numbers = frozenset([RequestQueryAddress.number, RequestQueryCall.number])

    def __init__(
        self,
        control: ICallControl,
        publisher: IEventPublisher,
        addresses: IAddresses,
        wallTime: Callable[[], float],
        snapshots: Sequence[ISnapshot] = (),
        infos: Mapping[AddressInfoType, AddressInfo] | None = None,
    ) -> None:
        """
        @param snapshots: all of the port, that of the calls included.
        @param infos: what others know of DNs; taken before what is known here.
        """
        self._control = control
        self._publisher = publisher
        self._addresses = addresses
        self._wallTime = wallTime
        self._snapshots = tuple(snapshots)
        self._calls = CallSnapshot(control)
        self._infos: dict[int, AddressInfo] = {
            AddressInfoType.ADDRESS_STATUS: self._status,
            AddressInfoType.ADDRESS_TYPE: self._type,
            AddressInfoType.NUMBER_OF_CALLS_IN_QUEUE: self._queued,
            AddressInfoType.CALLS_QUERY: self._calls.snapshot,
            AddressInfoType.DN_STATUS: self._wholeSnapshot,
        }
        for kind, info in (infos or {}).items():
            self._infos[kind] = info

    def requested(
        self, request: Message, requester: Requester, client: ClientView
    ) -> None:
        """
        See L{IRequests}.
        """
        try:
            if isinstance(request, RequestQueryCall):
                self._queryCall(request, requester)
            elif isinstance(request, RequestQueryAddress):
                self._queryAddress(request, requester)
        except Exception:
            log.failure("query {number}", number=request.number)
            self._publisher.refuse(requester, TErrorCode.INTERNAL_ERROR)

    # Calls

    def _queryCall(self, request: RequestQueryCall, requester: Requester) -> None:
        parties = self._control.partiesIn(request.connID or "")
        mine = [one for one in parties if one.view.thisDN == request.thisDN]
        if not mine:
            self._publisher.refuse(requester, TErrorCode.INVALID_CONNID)
            return
        kind = request.callInfoType
        if kind is None or kind == CallInfoType.PARTIES_QUERY:
            extensions = _parties(parties)
        elif kind == CallInfoType.STATUS_QUERY:
            extensions = (("ps-1", partyState(mine[0])),)
        else:
            self._publisher.refuse(requester, TErrorCode.INVALID_ATTRIBUTE)
            return
        self._publisher.answer(
            requester,
            EventPartyInfo(
                **partyAttributes(mine[0].view),
                time=timeOf(self._wallTime()),
                callInfoType=CallInfoType.PARTIES_QUERY if kind is None else kind,
                extensions=extensions,
            ),
        )

    # Addresses

    def _queryAddress(self, request: RequestQueryAddress, requester: Requester) -> None:
        dn = request.thisDN or ""
        if self._addresses.addressType(dn) is None:
            self._publisher.refuse(requester, TErrorCode.DN_NOT_CONFIGURED)
            return
        kind = request.addressInfoType
        info = self._infos.get(kind) if kind is not None else None
        if kind is None or info is None:
            self._publisher.refuse(
                requester,
                TErrorCode.UNSUPPORTED_OPERATION,
                f"nothing is known of {_name(kind)}",
            )
            return
        found = info(dn)
        if isinstance(found, int):
            status, extensions = found, None
        else:
            extensions = found or None
            status = (
                len(self._control.partiesOf(dn))
                if kind == AddressInfoType.CALLS_QUERY
                else self._numberOf(AddressInfoType.ADDRESS_STATUS, dn)
            )
        self._publisher.answer(
            requester,
            EventAddressInfo(
                thisDN=dn,
                time=timeOf(self._wallTime()),
                infoType=kind,
                infoStatus=status,
                extensions=extensions,
            ),
        )

    def _numberOf(self, kind: AddressInfoType, dn: str) -> int:
        found = self._infos[kind](dn)
        return found if isinstance(found, int) else 0

    def _status(self, dn: str) -> int:
        return 1 if self._control.partiesOf(dn) else 0

    def _queued(self, dn: str) -> int:
        return sum(one.state == "Queued" for one in self._control.partiesOf(dn))

    def _type(self, dn: str) -> int:
        return int(self._addresses.addressType(dn) or AddressType.UNKNOWN)

    def _wholeSnapshot(self, dn: str) -> KVList:
        return tuple(pair for one in self._snapshots for pair in one.snapshot(dn))


def _parties(parties: Sequence[PartyStatus]) -> KVList:
    """
    The parties of a call, the caller first: C{parties} how many, then C{dn-n},
    C{role-n} and C{ps-n} of each, from 1.
    """
    pairs: list[tuple[str, KVValue]] = [("parties", len(parties))]
    for index, party in enumerate(parties, 1):
        pairs += (
            (f"dn-{index}", party.view.thisDN),
            (f"role-{index}", int(ROLES[party.view.thisRole])),
            (f"ps-{index}", partyState(party)),
        )
    return tuple(pairs)


def _name(kind: int | None) -> str:
    return kind.label if isinstance(kind, AddressInfoType) else str(kind)
