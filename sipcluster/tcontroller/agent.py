"""
An agent at a DN: what goes with its state, and the two clocks that it has: that of
its after-call work, and the time that it is given when the client that logged it in
has gone.
"""

from __future__ import annotations

from typing import Any

from attrs import define, evolve, field
from twisted.internet.interfaces import IDelayedCall

from sipcluster.tcontroller.asking import Asked, wrapUpWord
from sipcluster.tcontroller.iagent import AgentInputs, IAgentKeeper, Office
from sipcluster.tcontroller.values import UNTIMED, AgentState, AgentValue, Mode
from sipcluster.tlib.enums import AgentStatus, AgentWorkMode
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventAgentLogin,
    EventAgentLogout,
    EventAgentNotReady,
    EventAgentReady,
)
from sipcluster.tlib.messages.base import AgentEvent
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList, get, update

#: The states, for people.
WORDS = {
    AgentState.NOT_READY: "not ready",
    AgentState.READY: "ready",
    AgentState.AFTER_CALL_WORK: "after-call work",
}


_STATUSES = {
    AgentState.LOGGED_OUT: AgentStatus.LOGGED_OUT,
    AgentState.READY: AgentStatus.READY,
    AgentState.AFTER_CALL_WORK: AgentStatus.AFTER_CALL_WORK,
}


@define(eq=False)
class Agent:
    """
    One agent at one DN, from its login to its logout.

    @ivar state: that of the machine.
    @ivar talking: its DN has a call in which it is not only alerted.
    """

    _keeper: IAgentKeeper
    _office: Office
    agentID: str = ""
    queue: str = ""
    state: AgentState = AgentState.LOGGED_OUT
    mode: Mode = field(factory=Mode)
    before: AgentState = AgentState.NOT_READY
    modeBefore: Mode = field(factory=Mode)
    wrapUpTime: float = 0.0
    asked: float | None = None
    application: str = ""
    client: str = ""
    loggedIn: float = 0.0
    since: float = 0.0
    why: str = ""
    talking: bool = False
    _left: float = 0.0
    _wrapUp: IDelayedCall | None = None
    _grace: IDelayedCall | None = None
    _inputs: AgentInputs | None = None

    @property
    def inputs(self) -> AgentInputs:
        """
        Its machine.
        """
        assert self._inputs is not None
        return self._inputs

    def live(self, inputs: AgentInputs) -> Agent:
        """
        Be given its machine.
        """
        self._inputs = inputs
        return self

    @property
    def status(self) -> AgentStatus:
        """
        Its state as queries tell it.
        """
        if self.state is AgentState.NOT_READY:
            away = self.mode.workMode is AgentWorkMode.WALK_AWAY
            return AgentStatus.WALK_AWAY if away else AgentStatus.NOT_READY
        return _STATUSES[self.state]

    # What is asked of it

    def login(self, asked: Asked) -> None:
        """
        See L{AgentInputs}.
        """
        if asked.mode.workMode is AgentWorkMode.AUTO_IN:
            self.inputs.loginReady(asked)
        else:
            self.inputs.login(asked)

    def notReady(self, asked: Asked) -> None:
        """
        Not ready, or after-call work: its work mode says which.
        """
        if asked.mode.workMode is not AgentWorkMode.AFTER_CALL_WORK:
            self.inputs.notReady(asked)
        elif self.talking:
            self.inputs.workLater(asked)
        else:
            self.inputs.workNow(asked)

    # Its calls

    def callBegan(self) -> None:
        """
        Its DN has gone off hook: after-call work waits.
        """
        self.talking = True
        if self.state is AgentState.AFTER_CALL_WORK:
            self._left = self.left()
            self._stopWrapUp()

    def callsEnded(self, connID: str, answered: bool) -> None:
        """
        Its DN is about to go on hook.

        @param answered: in one of the calls since it went off hook it was
            connected.
        """
        self.talking = False
        seconds, self.asked = self.asked, None
        if seconds is None and answered:
            seconds = self.wrapUpTime
        if seconds:
            self.inputs.wrapUpDue(seconds, connID)
        elif self.state is AgentState.AFTER_CALL_WORK:
            self.startWrapUp(self._left)

    # After-call work

    def left(self) -> float:
        """
        Seconds of after-call work to go; L{UNTIMED}; 0 in another state.
        """
        if self.state is not AgentState.AFTER_CALL_WORK:
            return 0.0
        if self._wrapUp is None:
            return self._left
        return self._wrapUp.getTime() - self._office.clock.seconds()

    def startWrapUp(self, seconds: float) -> None:
        """
        After-call work has so many seconds to go.  They pass while it has no call.
        """
        self._stopWrapUp()
        self._left = seconds
        if not self.talking and seconds != UNTIMED:
            self._wrapUp = self._office.clock.callLater(seconds, self._wrapUpOver)

    def _stopWrapUp(self) -> None:
        if self._wrapUp is not None:
            self._wrapUp.cancel()
            self._wrapUp = None

    def _wrapUpOver(self) -> None:
        self._wrapUp = None
        if self.before is AgentState.READY:
            self.inputs.overReady()
        else:
            self.inputs.overNotReady()

    def wrapUpFor(self, asked: Asked) -> float:
        """
        Seconds of after-call work that are meant by a request for it.
        """
        if asked.wrapUpTime is not None:
            return asked.wrapUpTime
        return self.wrapUpTime or UNTIMED

    # The client that logged it in

    @property
    def graceLeft(self) -> float | None:
        """
        Seconds until it is logged out because that client has gone; L{None}: it
        has not, or nothing follows from it.
        """
        if self._grace is None:
            return None
        return self._grace.getTime() - self._office.clock.seconds()

    def clientGone(self) -> None:
        """
        That client has gone: unless it comes back in time, the agent is logged out.
        """
        self.client = ""
        grace = self._office.settings.logoutGrace
        self._keeper.note("client gone", f"{self.application} has gone")
        if grace is not None:
            self.startGrace(grace)

    def startGrace(self, seconds: float) -> None:
        """
        It has so many seconds before it is logged out.
        """
        self._stopGrace()
        self._grace = self._office.clock.callLater(seconds, self._graceOver)

    def clientBack(self, client: str) -> None:
        """
        The application is there again.

        @param client: id of its session.
        """
        if not self.client:
            self._keeper.note("client back", f"{self.application} is there again")
        self.client = client
        self._stopGrace()
        self._keeper.changed()

    def _stopGrace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None

    def _graceOver(self) -> None:
        self._grace = None
        self.inputs.expelled(
            f"{self.application} had gone and did not come back", "ClientGone"
        )

    # Used by the machine

    def tell(
        self,
        kind: type[AgentEvent],
        requester: Requester | None,
        mode: Mode,
        extensions: KVList = (),
        **besides: Any,
    ) -> None:
        """
        Give an event to the clients of the DN.
        """
        reasons: KVList = mode.reasons
        location = self._office.settings.location
        if kind is EventAgentReady and location:
            reasons = update(reasons, (("site", location),))
        event = kind(
            thisDN=self._keeper.number,
            agentID=self.agentID,
            thisQueue=self.queue or None,
            reasons=reasons or None,
            extensions=extensions or None,
            time=self._office.now(),
            **besides,
        )
        self._office.publisher.publish(self._keeper.number, event, requester)

    def tellState(
        self,
        requester: Requester | None,
        extensions: KVList = (),
        workMode: AgentWorkMode | None = None,
    ) -> None:
        """
        Tell the clients of the DN in which state it is.
        """
        ready = self.state is AgentState.READY
        if self.state is AgentState.AFTER_CALL_WORK and not extensions:
            extensions = (("WrapUpTime", wrapUpWord(self.left())),)
        self.tell(
            EventAgentReady if ready else EventAgentNotReady,
            requester,
            self.mode,
            extensions,
            workMode=self.mode.workMode if workMode is None else workMode,
        )

    def refuse(self, asked: Asked, code: TErrorCode, text: str = "") -> None:
        """
        Refuse a request.
        """
        self._office.publisher.refuse(asked.requester, code, text)

    def enter(self, state: AgentState, mode: Mode, what: str, why: str) -> None:
        """
        Be in another state, or in the same one in another way.
        """
        if state is not AgentState.AFTER_CALL_WORK:
            self._stopWrapUp()
            self._left = 0.0
        if state is not self.state:
            self.since = self._office.wallTime()
        self.state = state
        self.mode = mode
        self.why = why
        code = get(mode.reasons, "ReasonCode")
        self._keeper.note(what if code is None else f"{what} ({code!s})", why)

    def begin(self, asked: Asked, state: AgentState) -> None:
        """
        Log in.
        """
        self.agentID = asked.agentID
        self.queue = asked.queue
        self.application = asked.client.application
        self.client = asked.client.id
        settings = self._office.settings
        self.wrapUpTime = (
            settings.wrapUpTime if asked.wrapUpTime is None else asked.wrapUpTime
        )
        self.loggedIn = self._office.wallTime()
        given = asked.mode.workMode
        kept = given
        if given not in (AgentWorkMode.AUTO_IN, AgentWorkMode.AUX_WORK):
            kept = AgentWorkMode.UNKNOWN
        why = by("login", asked)
        self._keeper.note(f"agent {self.agentID} logged in", why)
        self.enter(state, evolve(asked.mode, workMode=kept), WORDS[state], why)
        self.tell(EventAgentLogin, asked.requester, asked.mode, workMode=given)
        self.tellState(None)

    def end(self, requester: Requester | None, mode: Mode, why: str) -> None:
        """
        Log out.
        """
        self.asked = None
        self.enter(AgentState.LOGGED_OUT, mode, f"agent {self.agentID} logged out", why)
        self.tell(EventAgentLogout, requester, mode)
        self._keeper.agentEnded(self)

    # As a value

    def value(self) -> AgentValue:
        """
        Write it down.
        """
        return AgentValue(
            self.agentID,
            self.state,
            self.mode,
            self.queue,
            self.before,
            self.modeBefore,
            self.wrapUpTime,
            self.asked,
            self.left(),
            self.application,
            self.client,
            self.graceLeft,
            self.loggedIn,
            self.since,
            self.why,
        )

    def stop(self) -> None:
        """
        Let go of its clocks: this T-Controller keeps it no more.
        """
        self._stopWrapUp()
        self._stopGrace()
        self._inputs = None


def by(what: str, asked: Asked) -> str:
    """
    Who asked, for people.
    """
    return f"{what} by {asked.client.application}"
