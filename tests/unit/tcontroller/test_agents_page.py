"""
The table of docs/agents.rst: what happens to an agent, in each state.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import sipcluster
from sipcluster.tcontroller.itcontroller import AgentSettings
from sipcluster.tcontroller.values import AgentState
from sipcluster.tlib.enums import AgentWorkMode
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    Message,
    RequestAgentLogin,
    RequestAgentLogout,
    RequestAgentNotReady,
    RequestAgentReady,
    RequestAgentSetIdleReason,
)
from tests.unit.tcontroller.fakes import DESKTOP, Released, TControllerTestCase

PAGE = Path(sipcluster.__file__).parent.parent / "docs" / "agents.rst"

ACW = AgentWorkMode.AFTER_CALL_WORK

#: What is done, by what the page calls it.
Action = Callable[["PageTests"], list[str]]


def asked(request: Message) -> Action:
    """
    A request, without a call.
    """
    return lambda test: test.ask(request)


def inACall(request: Message) -> Action:
    """
    A request during a call.
    """

    def do(test: PageTests) -> list[str]:
        test.talk()
        return test.ask(request)

    return do


def login(agentID: str = "7001", **more: Any) -> Message:
    """
    A login.
    """
    return RequestAgentLogin(thisDN="1001", agentID=agentID, **more)


def called(test: PageTests) -> list[str]:
    """
    A call, up to its end.
    """
    test.talk()
    return [name for name in test.happen(Released) if "Agent" in name]


def gone(test: PageTests) -> list[str]:
    """
    The client that logged the agent in goes, and does not come back.
    """
    test.controller.clientGone(DESKTOP, ["1001"])
    # The time of after-call work is longer than the grace of this test.
    return test.wait(10)


LUNCH = (("ReasonCode", "lunch"),)

ROWS: dict[str, Action] = {
    "RequestAgentLogin": asked(login()),
    "RequestAgentLogin, WorkMode AutoIn": asked(login(workMode=AgentWorkMode.AUTO_IN)),
    "RequestAgentLogin of another agent": asked(login("7002")),
    "RequestAgentReady": asked(
        RequestAgentReady(thisDN="1001", workMode=AgentWorkMode.AUTO_IN)
    ),
    "RequestAgentReady, another WorkMode": asked(
        RequestAgentReady(thisDN="1001", workMode=AgentWorkMode.MANUAL_IN)
    ),
    "RequestAgentNotReady": asked(RequestAgentNotReady(thisDN="1001")),
    "RequestAgentNotReady, another ReasonCode or WorkMode": asked(
        RequestAgentNotReady(thisDN="1001", reasons=LUNCH)
    ),
    "RequestAgentNotReady, WorkMode AfterCallWork, without a call": asked(
        RequestAgentNotReady(thisDN="1001", workMode=ACW)
    ),
    "the same during a call": inACall(
        RequestAgentNotReady(thisDN="1001", workMode=ACW)
    ),
    "the same, with WrapUpTime": asked(
        RequestAgentNotReady(
            thisDN="1001", workMode=ACW, extensions=(("WrapUpTime", 10),)
        )
    ),
    "RequestAgentSetIdleReason": asked(
        RequestAgentSetIdleReason(thisDN="1001", reasons=LUNCH)
    ),
    "RequestAgentLogout": asked(RequestAgentLogout(thisDN="1001")),
    "the last call ends, wrap-up time 20 s": called,
    "the wrap-up time is over": lambda test: test.wait(20),
    "the client that logged in has gone, and the grace is over": gone,
}


class PageTests(TControllerTestCase):
    """
    The page says what the code does.
    """

    settings = AgentSettings(wrapUpTime=20.0, logoutGrace=10.0)

    def state(self) -> AgentState:
        """
        The state of the agent.
        """
        for value in self.controller.values():
            if value.agent is not None and value.dn == "1001":
                return value.agent.state
        return AgentState.LOGGED_OUT

    def put(self, state: AgentState) -> None:
        """
        Begin anew, with an agent in a state.
        """
        TControllerTestCase.setUp(self)
        self.controller.addressRegistered(DESKTOP, "1001")
        if state is not AgentState.LOGGED_OUT:
            ready = state is not AgentState.NOT_READY
            mode = AgentWorkMode.AUTO_IN if ready else None
            self.ask(login(workMode=mode))
        if state is AgentState.AFTER_CALL_WORK:
            self.ask(RequestAgentNotReady(thisDN="1001", workMode=ACW))
        assert self.state() is state

    def cell(self, state: AgentState, action: Action) -> str:
        """
        What happens.
        """
        self.put(state)
        told = [name.rstrip("*") for name in action(self)]
        words = [
            f"{name} {TErrorCode(int(name)).text}" if name.isdigit() else name
            for name in told
        ]
        now = self.state()
        if now is not state:
            words.append(f"**{now.value}**")
        return ", ".join(words) or "nothing"

    def table(self) -> str:
        """
        The whole table.
        """
        lines = [
            ".. list-table::",
            "   :header-rows: 1",
            "   :stub-columns: 1",
            "",
            "   * - what happens",
            *(f"     - {state.value}" for state in AgentState),
        ]
        for name, action in ROWS.items():
            lines.append(f"   * - {name}")
            lines += [f"     - {self.cell(state, action)}" for state in AgentState]
        return "\n".join(lines) + "\n"

    def test_table(self) -> None:
        """
        The table of the page is what happens.
        """
        found = self.table()
        page = PAGE.read_text()
        self.assertIn(found, page, f"docs/agents.rst wants this table:\n{found}")

    def test_settings(self) -> None:
        """
        The page names the settings.
        """
        page = PAGE.read_text()
        for name in (
            "wrap-up-time",
            "agent-logout-grace",
            "logout-on-out-of-service",
            "dn-owner-applications",
        ):
            self.assertIn(f"``{name}``", page)
