"""
T-Library clients of a simulated world.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sipcluster.testing.simulation.processes import Process
from sipcluster.tlib.client import (
    LinkState,
    RequestFailed,
    Resume,
    Times,
    TLibraryClient,
)
from sipcluster.tlib.codec import Envelope
from sipcluster.tlib.enums import AgentWorkMode, ResumeResult
from sipcluster.tlib.messages import (
    Message,
    RequestAgentLogin,
    RequestAgentLogout,
    RequestAgentNotReady,
    RequestAgentReady,
    RequestAnswerCall,
    RequestAttachUserData,
    RequestHoldCall,
    RequestMakeCall,
    RequestReleaseCall,
    RequestRetrieveCall,
)

if TYPE_CHECKING:
    from sipcluster.testing.simulation.world import World

#: The TCport of every node.
PORT = 3001


@define
class Disk:
    """
    What outlives a process.

    @ivar resume: where to go on, as text; empty: nowhere.
    """

    resume: str = ""


@define
class Seen:
    """
    A call as events tell of it.

    @ivar calls: by DN: ConnIDs that have not been released.
    """

    calls: dict[str, list[str]] = field(factory=dict)


#: What ends a DN's part in a call.
_ENDS = frozenset(["EventReleased", "EventAbandoned", "EventDiverted"])

#: What begins it.
_BEGINS = frozenset(["EventDialing", "EventRinging", "EventQueued"])


class Client(Process):
    """
    One of them, at one node, that has registered all DNs.  It writes down where it
    is after each event, and goes on there when it is started again.

    @ivar client: in this life; L{None}: none.
    @ivar seen: what it believes of calls.
    @ivar node: the host of its node.
    @ivar nodes: the hosts of all that stand for it.
    """

    kind = "client"

    #: The TCP port to which it connects.
    port = PORT

    def __init__(
        self,
        world: World,
        name: str,
        host: str,
        place: str,
        node: str,
        other: str = "",
    ) -> None:
        """
        @param node: the host of its node.
        @param other: that of the other member of a pair.
        """
        super().__init__(world, name, host, place)
        self.client: TLibraryClient | None = None
        self.disk = Disk()
        self.seen = Seen()
        self.node = node
        self.nodes = [each for each in (node, other) if each]

    def begin(self) -> None:
        """
        See L{Process.begin}.
        """
        text = self.disk.resume
        self.client = TLibraryClient(
            [self.endpoint(each, self.port) for each in self.nodes],
            self.clock,
            self.name,
            f"secret-{self.name}",
            self._received,
            chance=self.chance.random,
            linkChanged=self._linkChanged,
            resume=Resume.fromText(text) if text else None,
            times=Times(reconnect=5.0),
        )
        self.client.startService()
        for dn in self.addresses():
            self.client.register(dn).addErrback(self._failed)

    def addresses(self) -> list[str]:
        """
        The DNs that it registers.
        """
        return [*self.world.numbers, *self.world.queues]

    def killed(self) -> None:
        """
        See L{Process.killed}.
        """
        self.client = None

    def stop(self) -> Deferred[Any] | None:
        """
        See L{Process.stop}.
        """
        return None if self.client is None else self.client.stopService()

    def _linkChanged(self, state: LinkState) -> None:
        if not self.clock.dead:
            what = state.resumed.label if state.resumed is not None else state.why
            self.note(f"link: {what}")
            if not state.connected:
                self.world.checks.tlib.unlinked(self, state.why)
            if state.resumed is not None and state.resumed != ResumeResult.RESUMED:
                self.seen.calls.clear()
            if state.resumed is not None and self.client is not None:
                resume = self.client.resume
                self.world.checks.tlib.linked(self, resume, state.resumed)
                self.disk.resume = "" if resume is None else resume.asText()

    def _received(self, envelope: Envelope) -> None:
        if self.clock.dead or not envelope.position or self.client is None:
            return
        resume = self.client.resume
        assert resume is not None
        self.disk.resume = resume.asText()
        self._look(envelope.message)
        name = type(envelope.message).__name__
        dn = getattr(envelope.message, "thisDN", None) or ""
        call = getattr(envelope.message, "connID", None) or ""
        self.note(f"{name} {dn} {call} ({envelope.position})", call)
        self.world.checks.tlib.received(self, resume, envelope)

    def _look(self, message: Message) -> None:
        dn = getattr(message, "thisDN", None) or ""
        call = getattr(message, "connID", None) or ""
        name = type(message).__name__
        known = self.seen.calls.setdefault(dn, [])
        if name in _BEGINS and call not in known:
            known.append(call)
        elif name == "EventPartyChanged" and call not in known:
            previous = getattr(message, "previousConnID", None) or ""
            if previous in known:
                known[known.index(previous)] = call
        elif name in _ENDS and call in known:
            known.remove(call)

    # What is asked

    def ask(self, message: Message) -> bool:
        """
        Ask the node for something.
        """
        if self.client is None or self.frozen:
            return False
        name = type(message).__name__
        self.client.request(message).addErrback(self._failed, name)
        return True

    def _failed(self, failure: Failure, name: str = "") -> None:
        failure.trap(RequestFailed)
        if not self.clock.dead:
            why = type(failure.value).__name__
            self.note(f"{why}: {failure.value} {name}".rstrip())

    def makeCall(self, dn: str, other: str) -> bool:
        """
        Call a DN from another one.
        """
        return self.ask(RequestMakeCall(thisDN=dn, otherDN=other))

    def control(self, what: int, dn: str, number: int) -> bool:
        """
        Ask something of a call that it sees.
        """
        calls = self.seen.calls.get(dn)
        if not calls:
            return False
        call = calls[-1]
        if what == len(_CONTROLS):
            data = ((f"key{number % 3}", f"value {number}"),)
            return self.ask(
                RequestAttachUserData(thisDN=dn, connID=call, userData=data)
            )
        return self.ask(_CONTROLS[what](thisDN=dn, connID=call))

    def agent(self, what: int, dn: str, agent: str) -> bool:
        """
        Log an agent in or out, or change its state.
        """
        if what == 0:
            return self.ask(
                RequestAgentLogin(
                    thisDN=dn, agentID=agent, workMode=AgentWorkMode.MANUAL_IN
                )
            )
        return self.ask(_AGENTS[what - 1](thisDN=dn))


_CONTROLS: tuple[Any, ...] = (
    RequestAnswerCall,
    RequestHoldCall,
    RequestRetrieveCall,
    RequestReleaseCall,
)

#: How many things may be asked of a call.
CONTROLS = len(_CONTROLS) + 1

_AGENTS: tuple[Any, ...] = (
    RequestAgentLogout,
    RequestAgentReady,
    RequestAgentNotReady,
)

#: How many things may be asked of an agent.
AGENTS = len(_AGENTS) + 1
