"""
The T-Controller: keeps the state of DNs and agents, answers what is asked about them
and tells the clients of the TCport.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.ha.ikeeping import UNKEPT, IKeeper
from sipcluster.servicecheck.iservicecheck import IDeviceObserver
from sipcluster.sessioncontroller.events import (
    Alerting,
    Answered,
    CallEvent,
    Offered,
    Released,
)
from sipcluster.sessioncontroller.isessioncontroller import (
    DN,
    DNFeatures,
    ExtensionDN,
    ForwardMode,
    IEventSink,
    IFeatures,
)
from sipcluster.sessioncontroller.party_events import PartyChanged
from sipcluster.sessioncontroller.queue_events import NO_ANSWER_ACTION
from sipcluster.tcontroller.asking import CannotBe
from sipcluster.tcontroller.device import DEVICE, Device
from sipcluster.tcontroller.explaining import explain, snapshot, summary
from sipcluster.tcontroller.features import FORWARD_MODES
from sipcluster.tcontroller.iagent import Office
from sipcluster.tcontroller.itcontroller import (
    AgentSettings,
    IDNStates,
)
from sipcluster.tcontroller.keeping import KeptDNs, KeptHistories, historyKey
from sipcluster.tcontroller.monitoring import Supervisors
from sipcluster.tcontroller.requests import REQUESTS, asked
from sipcluster.tcontroller.surroundings import Surroundings
from sipcluster.tcontroller.values import DNValue, Hook
from sipcluster.tlib.enums import AddressInfoType, AgentStatus
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import Message
from sipcluster.tlib.messages.base import DNRequest
from sipcluster.tserver.itserver import (
    ClientView,
    IClientObserver,
    IEventPublisher,
    IRequests,
    ISnapshot,
)
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList, get

log = Logger()

_NO_FEATURES = DNFeatures()

#: What a party does after an event.
_HOOKS: Mapping[type[CallEvent], Hook] = {
    Alerting: Hook.ALERTING,
    Offered: Hook.DIALING,
    Answered: Hook.CONNECTED,
}

#: What else changes the calls of a DN.
_OTHERS = frozenset([Released, PartyChanged])

_ALL_CALLS = (ForwardMode.UNCONDITIONAL, ForwardMode.SEND_ALL_CALLS)

_DEFAULTS = AgentSettings()


@implementer(
    IEventSink,
    IRequests,
    ISnapshot,
    IClientObserver,
    IDeviceObserver,
    IFeatures,
    IDNStates,
)
class TController:
    """
    The T-Controller of a node.

    It stands between the Session Controller and what makes T-Events of its events,
    so that EventOffHook comes before the first event of a call, and EventOnHook
    after the last.

    @ivar messageWaitingChanged: called with a DN and whether messages wait for it,
        when that changes; L{None}: nobody wants to know.
    @ivar supervisors: have those listen to calls who want to.
    @ivar hasCall: whether there is a call, by its ConnID; L{None}: it is not known,
        and those that were written down are believed to be there.
    """

    messageWaitingChanged: Callable[[str, bool], None] | None = None
    hasCall: Callable[[str], bool] | None = None

    def __init__(
        self,
        clock: IReactorTime,
        wallTime: Callable[[], float],
        publisher: IEventPublisher,
        dns: Iterable[DN],
        settings: AgentSettings = _DEFAULTS,
        callEvents: IEventSink | None = None,
        owners: Collection[str] = (),
        keeper: IKeeper = UNKEPT,
    ) -> None:
        """
        @param wallTime: seconds since 1970.
        @param publisher: the TCport.
        @param dns: all of the switch.
        @param callEvents: takes the call events after this.
        @param owners: C{dn-owner-applications}: DNs that are always at the same
            place are in service while a client of one of these has registered
            them; empty: always (O02 to O04).
        @param keeper: keeps DNs and agents; sessions of clients are restored
            before, and tell again what they have registered.
        """
        self._office = Office(clock, wallTime, publisher, settings)
        self._agents: dict[str, Device] = {}
        self._devices: dict[str, Device] = {}
        self._touch = keeper.keep(KeptDNs(self._devices, self._callThere))
        self._noted = keeper.keep(KeptHistories(self._devices))
        self.supervisors = Supervisors(self._office, self._devices)
        self._shared = Surroundings(
            self._office,
            frozenset(owners),
            self._agents,
            self._messageWaiting,
            self._touch,
            lambda number, page: self._noted(historyKey(number, page)),
            self.supervisors,
        )
        for dn in dns:
            self._devices[dn.number] = Device(dn, self._shared)
        self._callEvents = callEvents
        self.numbers: Collection[int] = frozenset(REQUESTS)
        #: What is known here of a DN, for RequestQueryAddress.
        self.addressInfo: Mapping[AddressInfoType, Callable[[str], int | KVList]] = {
            AddressInfoType.AGENT_STATUS: self._agentStatus,
            AddressInfoType.CALL_FORWARDING_STATUS: self._forwarding,
            AddressInfoType.SEND_ALL_CALLS_STATUS: self._sendAllCalls,
            AddressInfoType.MESSAGE_WAITING_STATUS: self._waiting,
        }

    def stop(self) -> None:
        """
        Let go of all clocks; nobody is told.
        """
        for device in self._agents.values():
            device.stop()
        self._agents.clear()

    # IEventSink

    def eventHappened(self, event: CallEvent) -> None:
        """
        See L{IEventSink}.
        """
        party, kind = event.party, type(event)
        hook = _HOOKS.get(kind)
        if (hook is None and kind not in _OTHERS) or not party.internal:
            self._next(event)
            return
        self._office.moment = event.time
        try:
            self._tell(event, hook)
        finally:
            self._office.moment = None

    def _tell(self, event: CallEvent, hook: Hook | None) -> None:
        party = event.party
        device = self._devices.get(party.thisDN)
        if device is None or not isinstance(device.dn, ExtensionDN):
            self._next(event)
        elif hook is Hook.ALERTING:
            device.alerted(party)
            self._next(event)
        elif hook is not None:
            device.began(party, hook)
            self._next(event)
            if hook is Hook.CONNECTED and device.monitors:
                self.supervisors.connected(device, party)
        elif type(event) is PartyChanged:
            device.moved(party)
            self._next(event)
        else:
            onHook = device.ending(party.connID)
            self._next(event)
            if onHook:
                device.ended(party)
            if event.extensions:
                device.unanswered(get(event.extensions, NO_ANSWER_ACTION))

    def _next(self, event: CallEvent) -> None:
        if self._callEvents is not None:
            self._callEvents.eventHappened(event)

    # IRequests

    def requested(
        self, request: Message, requester: Requester, client: ClientView
    ) -> None:
        """
        See L{IRequests}.
        """
        publisher = self._office.publisher
        try:
            assert isinstance(request, DNRequest)
            device = self._devices.get(request.thisDN or "")
            if device is None:
                raise CannotBe(TErrorCode.DN_NOT_CONFIGURED)
            if not isinstance(device.dn, ExtensionDN):
                raise CannotBe(TErrorCode.INCOMPATIBLE, "the DN is no extension")
            what = asked(request, requester, client)
            try:
                REQUESTS[request.number](self._shared, device, request, what)
            finally:
                device.changed()
        except CannotBe as e:
            publisher.refuse(requester, e.code, e.text)
        except Exception:
            log.failure("request {number}", number=request.number)
            publisher.refuse(requester, TErrorCode.INTERNAL_ERROR)

    def _callThere(self, connID: str) -> bool:
        return self.hasCall is None or self.hasCall(connID)

    def _messageWaiting(self, dn: str, on: bool) -> None:
        if self.messageWaitingChanged is not None:
            self.messageWaitingChanged(dn, on)

    # IFeatures

    def features(self, dn: str) -> DNFeatures:
        """
        See L{IFeatures}.
        """
        device = self._devices.get(dn)
        return _NO_FEATURES if device is None else device.features

    # ISnapshot, RequestQueryAddress

    def snapshot(self, dn: str) -> KVList:
        """
        See L{ISnapshot}.
        """
        device = self._devices.get(dn)
        return () if device is None else snapshot(device)

    def _agentStatus(self, dn: str) -> int:
        device = self._devices.get(dn)
        if device is None or device.agent is None:
            return int(AgentStatus.LOGGED_OUT)
        return int(device.agent.status)

    def _forwarding(self, dn: str) -> int:
        return int(FORWARD_MODES[self.features(dn).forwardMode])

    def _sendAllCalls(self, dn: str) -> int:
        return int(self.features(dn).forwardMode in _ALL_CALLS)

    def _waiting(self, dn: str) -> int:
        return int(self.features(dn).messageWaiting)

    # IClientObserver

    def addressRegistered(self, client: ClientView, dn: str) -> None:
        """
        See L{IClientObserver}.
        """
        device = self._devices.get(dn)
        if device is not None:
            device.registered(client)

    def addressUnregistered(self, client: ClientView, dn: str) -> None:
        """
        See L{IClientObserver}.
        """
        device = self._devices.get(dn)
        if device is not None:
            device.unregistered(client)

    def clientAway(self, client: ClientView, dns: Collection[str]) -> None:
        """
        See L{IClientObserver}: it may come back, nothing happens.
        """

    def clientBack(self, client: ClientView, dns: Collection[str]) -> None:
        """
        See L{IClientObserver}.
        """

    def clientGone(self, client: ClientView, dns: Collection[str]) -> None:
        """
        See L{IClientObserver}.
        """
        for dn in dns:
            self.addressUnregistered(client, dn)

    # IDeviceObserver

    def deviceInService(self, dn: str) -> None:
        """
        See L{IDeviceObserver}.
        """
        device = self._devices.get(dn)
        if device is not None:
            device.unblock(DEVICE, "its device is there")

    def deviceOutOfService(self, dn: str, why: str) -> None:
        """
        See L{IDeviceObserver}.
        """
        device = self._devices.get(dn)
        if device is not None:
            device.block(DEVICE, why)

    # IDNStates

    def explained(self) -> Iterable[dict[str, object]]:
        """
        See L{IDNStates}.
        """
        for device in self._devices.values():
            yield summary(device)

    def agents(self) -> Iterable[dict[str, object]]:
        """
        See L{IDNStates}.
        """
        for device in self._agents.values():
            yield summary(device)

    def agentAt(self, agentID: str) -> str | None:
        """
        The number of the DN at which an agent is logged in, or L{None}.
        """
        device = self._agents.get(agentID)
        return None if device is None else device.dn.number

    def explain(self, dn: str) -> dict[str, object] | None:
        """
        See L{IDNStates}.
        """
        device = self._devices.get(dn)
        return None if device is None else explain(device)

    def status(self) -> dict[str, object]:
        """
        Counts: agents by their state, DNs out of service.
        """
        agents = Counter(
            device.agent.status.label
            for device in self._agents.values()
            if device.agent is not None
        )
        out = sum(not device.inService for device in self._devices.values())
        return {"agents": dict(agents), "outOfService": out}

    # As values

    def values(self) -> Iterable[DNValue]:
        """
        All DNs, written down.
        """
        for device in self._devices.values():
            yield device.value()

    def restore(self, value: DNValue) -> None:
        """
        Take over a DN that was written down, by a T-Controller that keeps it no
        more; clocks go on, nobody is told.  A DN that is not of the switch any
        more is left out.
        """
        device = self._devices.get(value.dn)
        if device is not None:
            device.restore(value)
