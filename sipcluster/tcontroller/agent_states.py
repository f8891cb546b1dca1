"""
The machine of an agent: what each request does in each state.
"""

from __future__ import annotations

from typing import Any, cast

from attrs import evolve
from automat import TypeMachine, TypeMachineBuilder

from sipcluster.tcontroller.agent import WORDS, Agent, by
from sipcluster.tcontroller.asking import Asked, wrapUpWord
from sipcluster.tcontroller.iagent import AgentInputs, IAgentKeeper, Office
from sipcluster.tcontroller.values import AgentState, AgentValue, Mode
from sipcluster.tlib.enums import AgentWorkMode
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import EventAgentIdleReasonSet


def _build() -> TypeMachine[AgentInputs, Agent]:
    m = TypeMachineBuilder(AgentInputs, Agent)
    loggedOut = m.state("LoggedOut")
    notReady = m.state("NotReady")
    ready = m.state("Ready")
    afterCallWork = m.state("AfterCallWork")

    @loggedOut.upon(AgentInputs.login).to(notReady)
    def login(agent: AgentInputs, s: Agent, asked: Asked) -> None:
        s.begin(asked, AgentState.NOT_READY)

    @loggedOut.upon(AgentInputs.loginReady).to(ready)
    def loginReady(agent: AgentInputs, s: Agent, asked: Asked) -> None:
        s.begin(asked, AgentState.READY)

    @notReady.upon(AgentInputs.login).loop()
    @notReady.upon(AgentInputs.loginReady).loop()
    @ready.upon(AgentInputs.login).loop()
    @ready.upon(AgentInputs.loginReady).loop()
    @afterCallWork.upon(AgentInputs.login).loop()
    @afterCallWork.upon(AgentInputs.loginReady).loop()
    def isLoggedIn(agent: AgentInputs, s: Agent, asked: Asked) -> None:
        # The same agent: another one is refused, or displaces this one, before.
        if asked.client.application == s.application:
            s.clientBack(asked.client.id)
        s.refuse(asked, TErrorCode.ALREADY_IN_STATE)

    @loggedOut.upon(AgentInputs.logout).loop()
    @loggedOut.upon(AgentInputs.ready).loop()
    @loggedOut.upon(AgentInputs.notReady).loop()
    @loggedOut.upon(AgentInputs.workNow).loop()
    @loggedOut.upon(AgentInputs.workLater).loop()
    @loggedOut.upon(AgentInputs.setReason).loop()
    def nobody(agent: AgentInputs, s: Agent, asked: Asked) -> None:
        s.refuse(asked, TErrorCode.NOT_WHILE_LOGGED_OUT)

    @notReady.upon(AgentInputs.logout).to(loggedOut)
    @ready.upon(AgentInputs.logout).to(loggedOut)
    @afterCallWork.upon(AgentInputs.logout).to(loggedOut)
    def logout(agent: AgentInputs, s: Agent, asked: Asked) -> None:
        s.end(asked.requester, asked.mode, by("logout", asked))

    @notReady.upon(AgentInputs.expelled).to(loggedOut)
    @ready.upon(AgentInputs.expelled).to(loggedOut)
    @afterCallWork.upon(AgentInputs.expelled).to(loggedOut)
    def expel(agent: AgentInputs, s: Agent, why: str, code: str) -> None:
        s.end(None, Mode(reasons=(("ReasonCode", code),)), why)

    @notReady.upon(AgentInputs.ready).to(ready)
    @afterCallWork.upon(AgentInputs.ready).to(ready)
    def becomeReady(agent: AgentInputs, s: Agent, asked: Asked) -> None:
        s.asked = None
        s.enter(AgentState.READY, asked.mode, "ready", by("asked", asked))
        s.tellState(asked.requester)

    @ready.upon(AgentInputs.notReady).to(notReady)
    @afterCallWork.upon(AgentInputs.notReady).to(notReady)
    def becomeNotReady(agent: AgentInputs, s: Agent, asked: Asked) -> None:
        s.asked = None
        s.enter(AgentState.NOT_READY, asked.mode, "not ready", by("asked", asked))
        s.tellState(asked.requester)

    @ready.upon(AgentInputs.ready).loop()
    @notReady.upon(AgentInputs.notReady).loop()
    def again(agent: AgentInputs, s: Agent, asked: Asked) -> None:
        if s.asked is None and asked.mode == s.mode:
            s.refuse(asked, TErrorCode.ALREADY_IN_STATE)
            return
        s.asked = None
        s.enter(s.state, asked.mode, WORDS[s.state], by("asked", asked))
        s.tellState(asked.requester)

    @ready.upon(AgentInputs.workNow).to(afterCallWork)
    @notReady.upon(AgentInputs.workNow).to(afterCallWork)
    def workNow(agent: AgentInputs, s: Agent, asked: Asked) -> None:
        _work(s, s.wrapUpFor(asked), asked.mode, by("asked", asked))
        s.tellState(asked.requester)

    @ready.upon(AgentInputs.workLater).loop()
    @notReady.upon(AgentInputs.workLater).loop()
    def workLater(agent: AgentInputs, s: Agent, asked: Asked) -> None:
        s.asked = s.wrapUpFor(asked)
        s.why = by("after-call work asked for during the call", asked)
        word = wrapUpWord(s.asked)
        s.tellState(
            asked.requester,
            (("ReasonCode", "PendingACW"), ("WrapUpTime", word)),
            AgentWorkMode.AFTER_CALL_WORK if s.state is AgentState.READY else None,
        )

    @afterCallWork.upon(AgentInputs.workNow).loop()
    @afterCallWork.upon(AgentInputs.workLater).loop()
    def workLonger(agent: AgentInputs, s: Agent, asked: Asked) -> None:
        if asked.wrapUpTime is None:
            s.refuse(asked, TErrorCode.ALREADY_IN_STATE)
            return
        if asked.wrapUpTime:
            s.startWrapUp(s.left() + asked.wrapUpTime)
            why = by("more time asked for", asked)
            s.enter(s.state, s.mode, "after-call work", why)
        s.tellState(asked.requester)

    @ready.upon(AgentInputs.wrapUpDue).to(afterCallWork)
    @notReady.upon(AgentInputs.wrapUpDue).to(afterCallWork)
    def wrapUp(agent: AgentInputs, s: Agent, seconds: float, connID: str) -> None:
        _work(s, seconds, Mode(AgentWorkMode.AFTER_CALL_WORK), f"call {connID} ended")
        s.tellState(None)

    @afterCallWork.upon(AgentInputs.wrapUpDue).loop()
    def wrapUpAnew(agent: AgentInputs, s: Agent, seconds: float, connID: str) -> None:
        s.startWrapUp(max(seconds, s.left()))
        s.enter(s.state, s.mode, "after-call work", f"call {connID} ended")
        s.tellState(None)

    @afterCallWork.upon(AgentInputs.overReady).to(ready)
    def overReady(agent: AgentInputs, s: Agent) -> None:
        _over(s, AgentState.READY)

    @afterCallWork.upon(AgentInputs.overNotReady).to(notReady)
    def overNotReady(agent: AgentInputs, s: Agent) -> None:
        _over(s, AgentState.NOT_READY)

    @notReady.upon(AgentInputs.setReason).loop()
    @afterCallWork.upon(AgentInputs.setReason).loop()
    def setReason(agent: AgentInputs, s: Agent, asked: Asked) -> None:
        mode = evolve(s.mode, reasons=asked.mode.reasons)
        s.enter(s.state, mode, WORDS[s.state], by("reason given", asked))
        s.tell(EventAgentIdleReasonSet, asked.requester, mode)

    @ready.upon(AgentInputs.setReason).loop()
    def noReason(agent: AgentInputs, s: Agent, asked: Asked) -> None:
        s.refuse(asked, TErrorCode.INVALID_STATE, "the agent is ready")

    @ready.upon(AgentInputs.silent).to(notReady)
    def noLongerReady(agent: AgentInputs, s: Agent, why: str, code: str) -> None:
        s.asked = None
        mode = Mode(reasons=(("ReasonCode", code),))
        s.enter(AgentState.NOT_READY, mode, "not ready", why)
        s.tellState(None)

    for state in (loggedOut, notReady, afterCallWork):
        state.upon(AgentInputs.silent).loop().returns(None)

    # Nobody is there any more, or the clock was stopped.
    for state in (loggedOut, notReady, ready):
        state.upon(AgentInputs.overReady).loop().returns(None)
        state.upon(AgentInputs.overNotReady).loop().returns(None)
    loggedOut.upon(AgentInputs.wrapUpDue).loop().returns(None)
    loggedOut.upon(AgentInputs.expelled).loop().returns(None)
    return m.build()


def _work(s: Agent, seconds: float, mode: Mode, why: str) -> None:
    s.before, s.modeBefore = s.state, s.mode
    s.enter(AgentState.AFTER_CALL_WORK, mode, "after-call work", why)
    s.startWrapUp(seconds)


def _over(s: Agent, state: AgentState) -> None:
    s.enter(state, s.modeBefore, WORDS[state], "the time of after-call work is over")
    s.tellState(None)


_machine = _build()
_STATES = {state.name: state for state in _machine.__automat_automaton__.states()}


def _live(agent: Agent) -> Agent:
    # No state of this machine has data of its own.
    state = cast(Any, _STATES[agent.state.value])
    return agent.live(_machine(agent, state))


def nobody(keeper: IAgentKeeper, office: Office, talking: bool) -> Agent:
    """
    Make an agent that is logged out.

    @param talking: the DN has a call in which it is not only alerted.
    """
    return _live(Agent(keeper, office, talking=talking))


def restored(
    keeper: IAgentKeeper, office: Office, value: AgentValue, talking: bool
) -> Agent:
    """
    Make an agent of what was written down; its clocks go on.
    """
    agent = Agent(
        keeper,
        office,
        value.agentID,
        value.queue,
        value.state,
        value.mode,
        value.before,
        value.modeBefore,
        value.wrapUpTime,
        value.asked,
        value.application,
        value.client,
        value.loggedIn,
        value.since,
        value.why,
        talking,
    )
    _live(agent)
    if agent.state is AgentState.AFTER_CALL_WORK:
        agent.startWrapUp(value.left)
    if value.graceLeft is not None:
        agent.startGrace(value.graceLeft)
    return agent
