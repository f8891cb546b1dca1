"""
Whatever happens, T-Library clients see a legal order of events (tlibrary 3.10, 3.11).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sipcluster.tcontroller.asking import (
    LOGIN_MODES,
    NOT_READY_MODES,
    READY_MODES,
)
from sipcluster.tcontroller.itcontroller import AgentSettings
from sipcluster.tcontroller.values import AgentState, decodeDN, encodeDN
from sipcluster.tlib.enums import AgentWorkMode, ForwardMode
from sipcluster.tlib.messages import (
    Message,
    RequestAgentLogin,
    RequestAgentLogout,
    RequestAgentNotReady,
    RequestAgentReady,
    RequestAgentSetIdleReason,
    RequestCallForwardCancel,
    RequestCallForwardSet,
    RequestSetDNDOff,
    RequestSetDNDOn,
    RequestSetMessageWaitingOff,
    RequestSetMessageWaitingOn,
)
from tests.unit.tcontroller.fakes import (
    DESKTOP,
    DESKTOP2,
    STATISTICS,
    Alerting,
    Answered,
    Failed,
    Offered,
    Released,
    TControllerTestCase,
)

EXTENSIONS = ("1001", "1002", "1003", "1004")
AGENTS = ("7001", "7002", "7003")
CLIENTS = (DESKTOP, DESKTOP2, STATISTICS)

#: What must not be seen twice without the other in between, and which comes first.
PAIRS = {
    "EventOffHook": ("EventOnHook", "hook"),
    "EventOnHook": ("EventOffHook", "hook"),
    "EventDNDOn": ("EventDNDOff", "dnd"),
    "EventDNDOff": ("EventDNDOn", "dnd"),
    "EventMessageWaitingOn": ("EventMessageWaitingOff", "waiting"),
    "EventMessageWaitingOff": ("EventMessageWaitingOn", "waiting"),
    "EventDNOutOfService": ("EventDNBackInService", "service"),
    "EventDNBackInService": ("EventDNOutOfService", "service"),
}

#: What was as if it had been seen at the start.
FIRST = {
    "hook": "EventOnHook",
    "dnd": "EventDNDOff",
    "waiting": "EventMessageWaitingOff",
    "service": "EventDNOutOfService",
}


class Watcher:
    """
    Believes nothing but what a client is told, and complains of what cannot be.
    """

    def __init__(self) -> None:
        self.agents: dict[str, str] = {}
        self.entering: str | None = None
        self.last: dict[tuple[str, str], str] = {
            ("1004", "service"): "EventDNBackInService"
        }
        self.forwarded: set[str] = set()

    def saw(self, name: str, dn: str, event: Any) -> None:
        """
        One thing told.

        @param event: L{None} for a call event.
        """
        if self.entering is not None:
            assert (dn, name) in (
                (self.entering, "EventAgentReady"),
                (self.entering, "EventAgentNotReady"),
            ), f"{name} of {dn} right after EventAgentLogin of {self.entering}"
            self.entering = None
        if name in PAIRS:
            other, kind = PAIRS[name]
            before = self.last.get((dn, kind), FIRST[kind])
            assert before == other, f"{name} of {dn} after {before}"
            self.last[dn, kind] = name
        elif name == "EventAgentLogin":
            assert dn not in self.agents, f"two agents at {dn}"
            assert event.agentID not in self.agents.values(), "at two DNs"
            self.agents[dn] = event.agentID
            self.entering = dn
        elif name.startswith("EventAgent"):
            assert self.agents.get(dn) == event.agentID, f"{name} of {event.agentID}"
            if name == "EventAgentLogout":
                del self.agents[dn]
        elif name == "EventForwardSet":
            self.forwarded.add(dn)
        elif name == "EventForwardCancel":
            assert dn in self.forwarded
            self.forwarded.discard(dn)
        elif name in ("Offered", "Answered", "Failed"):
            hook = self.last.get((dn, "hook"))
            assert hook == "EventOffHook", f"{name} of {dn} on hook"


class Chance:
    """
    Chooses what happens next; the same seed chooses the same.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def _of(self, choices: Sequence[Any]) -> Any:
        return self._random.choice(choices)

    def _agentRequest(self, dn: str) -> Message:
        """
        A request about an agent; one in ten has a work mode or a time that it
        cannot have.
        """
        wild = self._random.random() < 0.1
        kinds = [RequestAgentLogin, RequestAgentReady, RequestAgentLogout]
        kinds += [RequestAgentNotReady] * 3 + [RequestAgentSetIdleReason]
        kind = self._of(kinds)
        modes = list(AgentWorkMode) if wild else [None, *MODES.get(kind, ())]
        times = ["soon", -1] if wild else [None, None, None, 0, 5, "untimed"]
        time = self._of(times)
        more: dict[str, Any] = {
            "workMode": self._of(modes),
            "reasons": self._of([None, None, (("ReasonCode", "tea"),)]),
            "extensions": None if time is None else (("WrapUpTime", time),),
        }
        if kind is RequestAgentLogin:
            # Mostly each agent is at its own DN.
            own = AGENTS[int(dn) % len(AGENTS)]
            more["agentID"] = self._of([own, own, own, *AGENTS])
        request: Message = kind(thisDN=dn, **more)
        return request

    def _featureRequest(self, dn: str) -> Message:
        """
        A request about what a DN has switched on.
        """
        kind = self._of(
            [
                RequestSetDNDOn,
                RequestSetDNDOff,
                RequestSetMessageWaitingOn,
                RequestSetMessageWaitingOff,
                RequestCallForwardSet,
                RequestCallForwardCancel,
            ]
        )
        more: dict[str, Any] = {}
        if issubclass(kind, RequestCallForwardSet | RequestCallForwardCancel):
            more["forwardMode"] = self._of([None, None, *ForwardMode])
        if kind is RequestCallForwardSet:
            more["otherDN"] = self._of(EXTENSIONS)
        request: Message = kind(thisDN=dn, **more)
        return request

    def action(self) -> tuple[Any, ...]:
        """
        What happens next, and its arguments.
        """
        dn, client = self._of(EXTENSIONS), self._of(CLIENTS)
        what = self._of(ACTIONS)
        if what == "agent":
            return "ask", self._agentRequest(dn), client
        if what == "feature":
            return "ask", self._featureRequest(dn), client
        if what == "call":
            return what, dn, self._of([Offered, Alerting])
        if what in ("answer", "fail", "release"):
            return what, self._random.randrange(10)
        if what in ("register", "unregister"):
            return what, dn, client
        if what == "gone":
            return what, client
        if what == "device":
            return what, dn, self._of([True, True, False])
        if what == "wait":
            return what, self._of([0.0, 1.0, 4.0, 10.0, 40.0])
        return (what,)


#: Work modes that a request can have.
MODES = {
    RequestAgentLogin: LOGIN_MODES,
    RequestAgentReady: READY_MODES,
    RequestAgentNotReady: (*NOT_READY_MODES, *[AgentWorkMode.AFTER_CALL_WORK] * 4),
}

#: Those that come more often stand here more often.
ACTIONS = (
    *["agent"] * 9,
    *["feature"] * 2,
    *["call"] * 3,
    *["answer"] * 4,
    "fail",
    *["release"] * 3,
    *["register"] * 2,
    "unregister",
    "gone",
    "device",
    *["wait"] * 3,
    "move",
)


class Disorder(TControllerTestCase):
    """
    Random requests, calls, losses of clients and time.
    """

    def start(self, kept: AgentSettings) -> None:
        """
        Begin anew.
        """
        TControllerTestCase.setUp(self)
        self.settings = kept
        self.controller = self.make()
        self.watcher = Watcher()
        self.seen = self.seenEvents = 0
        self.live: list[tuple[str, str, bool]] = []
        self.serial = 0

    def check(self) -> None:
        """
        Look at what was told since the last time.
        """
        for name, dn, _ in self.port.told[self.seen :]:
            event = None
            if name.startswith("Event"):
                event = self.port.events[self.seenEvents]
                self.seenEvents += 1
            if not name[0].isdigit():
                self.watcher.saw(name, dn, event)
        self.seen = len(self.port.told)
        self.assertIsNone(self.watcher.entering)
        agents = {
            value.dn: value.agent
            for value in self.controller.values()
            if value.agent is not None
        }
        self.assertEqual(
            {dn: agent.agentID for dn, agent in agents.items()}, self.watcher.agents
        )
        expected = 0
        for dn, agent in agents.items():
            self.assertIsNot(agent.state, AgentState.LOGGED_OUT)
            talking = any(one == dn and hooked for _, one, hooked in self.live)
            working = agent.state is AgentState.AFTER_CALL_WORK
            expected += working and not talking and agent.left != float("inf")
            expected += agent.graceLeft is not None
            self.assertTrue(working or agent.left == 0)
            self.assertTrue(talking or agent.asked is None, agent)
        self.assertEqual(len(self.clock.getDelayedCalls()), expected)

    def do(self, what: str, *how: Any) -> None:
        """
        One of the L{ACTIONS}.
        """
        if what == "ask":
            before = len(self.port.told)
            told = self.ask(*how)
            answers = [
                name
                for name, _, reference in self.port.told[before:]
                if reference == self.reference
            ]
            self.assertEqual(len(answers), 1, f"{how}: {told}")
            if answers[0].isdigit():
                self.assertEqual(len(told), 1, f"{how}: {told}")
        elif what == "call":
            self.serial += 1
            dn, kind = how
            self.live.append((f"{self.serial:016x}", dn, kind is Offered))
            self.happen(kind, dn, connID=f"{self.serial:016x}")
        elif what == "wait":
            self.wait(*how)
        elif what == "register":
            dn, client = how
            self.controller.addressRegistered(client, dn)
        elif what == "unregister":
            dn, client = how
            self.controller.addressUnregistered(client, dn)
        elif what == "gone":
            self.controller.clientGone(how[0], EXTENSIONS)
        elif what == "device":
            dn, there = how
            if there:
                self.controller.deviceInService(dn)
            else:
                self.controller.deviceOutOfService(dn, "gone")
        elif what == "move":
            self.takeOver()
        elif self.live:
            index = how[0] % len(self.live)
            connID, dn, hooked = self.live[index]
            if what == "release":
                del self.live[index]
                self.happen(Released, dn, connID=connID)
            elif what == "answer":
                self.live[index] = (connID, dn, True)
                self.happen(Answered, dn, connID=connID)
            elif hooked:
                self.happen(Failed, dn, connID=connID)

    def takeOver(self) -> None:
        """
        Another T-Controller takes over; clients register again there.
        """
        written = [encodeDN(value) for value in self.controller.values()]
        self.controller.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.controller = self.make()
        for data in written:
            self.controller.restore(decodeDN(data))

    def play(self, seed: int, steps: int, kept: AgentSettings) -> None:
        """
        So many actions, and the end of everything.
        """
        chance = Chance(seed)
        self.start(kept)
        for _ in range(steps):
            self.do(*chance.action())
            self.check()
        while self.live:
            self.do("release", 0)
            self.check()
        for dn in EXTENSIONS:
            self.ask(RequestAgentLogout(thisDN=dn))
        self.check()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.watcher.agents, {})
        for (dn, kind), last in self.watcher.last.items():
            if kind == "hook":
                self.assertEqual(last, "EventOnHook", dn)


#: What the tests of random actions are given.
anything = given(
    st.integers(0, 2**32),
    st.integers(0, 150),
    st.builds(
        AgentSettings,
        st.sampled_from([0.0, 8.0]),
        st.sampled_from([None, 0.0, 15.0]),
        st.booleans(),
    ),
)


class OrderTests(Disorder):
    """
    Order, whatever happens.
    """

    @settings(max_examples=100, deadline=None)
    @anything
    def test_order(self, seed: int, steps: int, kept: AgentSettings) -> None:
        """
        Random sequences of requests, call events, client losses and time never
        produce an illegal order of events, two agents at a DN or an agent at two,
        a request with no answer or two, or a clock that is left over.
        """
        self.play(seed, steps, kept)
