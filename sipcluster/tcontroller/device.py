"""
A DN: in service or out of service, on or off hook, what it has switched on, and the
agent at it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from zope.interface import implementer

from sipcluster.sessioncontroller.events import PartyView
from sipcluster.sessioncontroller.isessioncontroller import (
    DN,
    DNFeatures,
    ExtensionDN,
)
from sipcluster.tcontroller.agent import Agent
from sipcluster.tcontroller.agent_states import restored
from sipcluster.tcontroller.history import PAGE, History
from sipcluster.tcontroller.iagent import IAgentKeeper
from sipcluster.tcontroller.surroundings import Surroundings
from sipcluster.tcontroller.values import DNValue, Entry, Hook, Monitor
from sipcluster.tlib.messages import (
    EventDNBackInService,
    EventDNOutOfService,
    EventOffHook,
    EventOnHook,
)
from sipcluster.tlib.messages.base import DNEvent
from sipcluster.tserver.itserver import ClientView
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVValue

#: What keeps a DN out of service: its device, or that no client that may own it has
#: registered it (O02).
DEVICE, OWNER = "device", "owner"


@implementer(IAgentKeeper)
class Device:
    """
    One DN.

    @ivar dn: as the Session Controller knows it.
    @ivar outOfService: why it is out of service, by what must change; empty: it is
        in service.
    @ivar since: when that last changed, in seconds since 1970; 0: since the start.
    @ivar calls: what it does in each of its calls, by ConnID.
    @ivar agent: L{None}: nobody is logged in.
    @ivar history: L{None}: nothing has happened.
    @ivar touched: it is not as it was when it was made.
    @ivar monitors: who wants to hear its calls, by the DN of the supervisor.
    @ivar clients: the application of each client that has registered it, by the id
        of its session.
    """

    __slots__ = (
        "_shared",
        "_talked",
        "agent",
        "calls",
        "clients",
        "dn",
        "features",
        "history",
        "monitors",
        "number",
        "outOfService",
        "since",
        "touched",
    )

    def __init__(self, dn: DN, shared: Surroundings) -> None:
        self.dn = dn
        self.number = dn.number
        self.outOfService: dict[str, str] = {}
        self.since = 0.0
        self.features = DNFeatures()
        self.calls: dict[str, Hook] = {}
        self.agent: Agent | None = None
        self.history: History | None = None
        self.touched = False
        self.clients: dict[str, str] = {}
        self.monitors: dict[str, Monitor] = {}
        self._shared = shared
        self._talked = False
        if isinstance(dn, ExtensionDN):
            if not dn.contact:
                self.outOfService[DEVICE] = "no telephone has registered"
            elif self._owned:
                self.outOfService[OWNER] = _UNOWNED

    @property
    def _owned(self) -> bool:
        """
        It is in service only while one of the owners has registered it.
        """
        dn = self.dn
        return bool(self._shared.owners and isinstance(dn, ExtensionDN) and dn.contact)

    # IAgentKeeper

    def note(self, what: str, why: str) -> None:
        """
        Add a line to the history.
        """
        history = self.history
        if history is None:
            history = self.history = History()
        history.add(Entry(self._shared.office.wallTime(), what, why))
        self._shared.noted(self.number, history.page)
        self.changed()

    def changed(self) -> None:
        """
        See L{IAgentKeeper}.
        """
        self.touched = True
        self._shared.touch(self.number)

    def agentEnded(self, agent: Agent) -> None:
        """
        See L{IAgentKeeper}.
        """
        agent.stop()
        self.agent = None
        self._shared.agents.pop(agent.agentID, None)

    @property
    def lines(self) -> tuple[Entry, ...]:
        """
        What happened, the oldest first.
        """
        return () if self.history is None else self.history.lines

    @property
    def shared(self) -> Surroundings:
        """
        What it shares with the other DNs.
        """
        return self._shared

    def tell(
        self, kind: type[DNEvent], requester: Requester | None = None, **besides: Any
    ) -> None:
        """
        Give an event to the clients of the DN.
        """
        office = self._shared.office
        if requester is None and not office.publisher.watched(self.number):
            return
        event = kind(thisDN=self.number, time=office.now(), **besides)
        office.publisher.publish(self.number, event, requester)

    # Service

    @property
    def inService(self) -> bool:
        """
        It can be called.
        """
        return not self.outOfService

    def block(self, cause: str, why: str) -> None:
        """
        Something keeps it out of service.
        """
        known = self.outOfService.get(cause)
        if known is not None:
            return
        was = self.inService
        self.outOfService[cause] = why
        self.changed()
        if was:
            self.since = self._shared.office.wallTime()
            self.note("out of service", why)
            self.tell(EventDNOutOfService)
            if (
                self.agent is not None
                and self._shared.office.settings.logoutOutOfService
            ):
                self.agent.inputs.expelled(why, "OutOfService")

    def unblock(self, cause: str, why: str) -> None:
        """
        It does so no more.
        """
        if self.outOfService.pop(cause, None) is None:
            return
        self.changed()
        if self.inService:
            self.since = self._shared.office.wallTime()
            self.note("in service", why)
            self.tell(EventDNBackInService)

    # Calls

    @property
    def offHook(self) -> bool:
        """
        It has a call in which it is not only alerted.
        """
        return any(hook is not Hook.ALERTING for hook in self.calls.values())

    def alerted(self, view: PartyView) -> None:
        """
        It rings.
        """
        self.calls.setdefault(view.connID, Hook.ALERTING)
        self.changed()

    def began(self, view: PartyView, hook: Hook) -> None:
        """
        It is about to be told that it dials, or is connected.
        """
        was = self.offHook
        self.calls[view.connID] = hook
        self._talked = self._talked or hook is Hook.CONNECTED
        self.changed()
        if was:
            return
        self.tell(
            EventOffHook,
            connID=view.connID,
            callID=view.callID or None,
            callUUID=view.callUUID,
        )
        if self.agent is not None:
            self.agent.callBegan()

    def moved(self, view: PartyView) -> None:
        """
        It is in another call, or in the same one with somebody else.
        """
        hook = self.calls.pop(view.previousConnID, None)
        if hook is not None:
            self.calls[view.connID] = hook
            self.changed()

    def ending(self, connID: str) -> bool:
        """
        It is about to be told that it is out of a call.  After-call work begins
        before that is told, so that nobody thinks the agent free in between.

        @return: it goes on hook by it.
        """
        hook = self.calls.pop(connID, Hook.ALERTING)
        self.changed()
        if hook is Hook.ALERTING or self.offHook:
            return False
        talked, self._talked = self._talked, False
        if self.agent is not None:
            self.agent.callsEnded(connID, talked)
        return True

    def ended(self, view: PartyView) -> None:
        """
        It was told, and is on hook now.
        """
        self.tell(
            EventOnHook,
            connID=view.connID,
            callID=view.callID or None,
            callUUID=view.callUUID,
        )

    def unanswered(self, action: KVValue | None) -> None:
        """
        A call that was routed to it has rung in vain.

        @param action: C{NO_ANSWER_ACTION}.
        """
        agent = self.agent
        if agent is None:
            return
        if action == "notready":
            agent.inputs.silent("a call has rung in vain", "NoAnswer")
        elif action == "logout":
            agent.inputs.expelled("a call has rung in vain", "NoAnswer")
        self.changed()

    def _callLost(self, connID: str) -> None:
        """
        A call has not outlived the process that had it, and nobody has said so.
        """
        if self.ending(connID):
            self.tell(EventOnHook, connID=connID)

    # Clients

    def registered(self, client: ClientView) -> None:
        """
        A client has registered it.
        """
        self.clients[client.id] = client.application
        agent = self.agent
        if agent and not agent.client and agent.application == client.application:
            agent.clientBack(client.id)
        if client.application in self._shared.owners:
            self.unblock(OWNER, f"{client.application} has registered it")

    def unregistered(self, client: ClientView) -> None:
        """
        A client has given it back, or is no more.
        """
        self.clients.pop(client.id, None)
        agent = self.agent
        if agent is not None and agent.client == client.id:
            self._clientLost(agent)
        if self._owned and not self._shared.owners.intersection(self.clients.values()):
            self.block(OWNER, f"{client.application} has it no longer registered")

    def _clientLost(self, agent: Agent) -> None:
        """
        The client that has logged the agent in has gone.
        """
        heir = self._clientOf(agent.application)
        if heir:
            agent.clientBack(heir)
        else:
            agent.clientGone()

    def _clientOf(self, application: str) -> str:
        """
        The session of another client of an application; C{""}: there is none.
        """
        found = (one for one, name in self.clients.items() if name == application)
        return next(found, "")

    # As a value

    def value(self, history: bool = True) -> DNValue:
        """
        Write it down.

        @param history: with what happened.
        """
        return DNValue(
            self.number,
            tuple(self.outOfService.items()),
            self.since,
            self.features,
            tuple(self.calls.items()),
            None if self.agent is None else self.agent.value(),
            self.lines if history else (),
            self._talked,
            tuple(self.monitors.values()),
        )

    def restore(self, value: DNValue) -> None:
        """
        Be what was written down; nobody is told.
        """
        self.touched = True
        self.outOfService = dict(value.outOfService)
        if not self._owned:
            self.outOfService.pop(OWNER, None)
        self.since = value.since
        for number in range(0, len(value.history), PAGE):
            page = value.history[number : number + PAGE]
            self.remember(number // PAGE, page)
        if not isinstance(self.dn, ExtensionDN):
            return
        self.features = value.features
        self.calls = dict(value.calls)
        self._talked = value.talked
        self.monitors = {one.monitoring.supervisor: one for one in value.monitors}
        if value.agent is not None:
            office = self._shared.office
            self.agent = restored(self, office, value.agent, self.offHook)
            self._shared.agents[value.agent.agentID] = self

    def remember(self, number: int, lines: Sequence[Entry]) -> None:
        """
        Have a page of a history of before.
        """
        history = self.history or History()
        history.take(number, lines)
        self.history = history

    def settle(self, hasCall: Callable[[str], bool]) -> None:
        """
        All that was written down has been restored, the sessions of clients as well,
        and each has told what it has registered: what is gone is gone.

        @param hasCall: whether there is a call, by its ConnID.
        """
        for connID in [each for each in self.calls if not hasCall(each)]:
            self._callLost(connID)
        if self.monitors:
            self._shared.supervisors.settle(self)
        agent = self.agent
        if agent is not None and agent.client and agent.client not in self.clients:
            self._clientLost(agent)
        if self._owned and not self._shared.owners.intersection(self.clients.values()):
            self.block(OWNER, _UNOWNED)

    def stop(self) -> None:
        """
        Keep its agent no more.
        """
        if self.agent is not None:
            self.agent.stop()
            self.agent = None


_UNOWNED = "no client that may own it has registered it"
