"""
Agent states: call model 3.11.  Only the TCport tells of them.
"""

from __future__ import annotations

from typing import Any

from sipcluster.wire.kvlist import KVList
from tests.scenarios.dn_states import told
from tests.scenarios.table import Row, Scenario, Step, answering
from tests.scenarios.two_party import (
    A_ESTABLISHED,
    A_RELEASED,
    B_ESTABLISHED,
    B_RELEASED,
    CALLS,
)

#: Seconds of after-call work, and those that a desktop may be away.
SECONDS = 3

#: Who logs in.
AGENT = "4711"


def agent(
    event: str,
    workMode: str = "",
    reasons: KVList = (),
    extensions: KVList = (),
    this: str = "B",
    who: str = AGENT,
) -> Row:
    """
    An event of the agent at a DN.
    """
    more: list[tuple[str, Any]] = [("agentID", who)]
    if workMode:
        more.append(("workMode", workMode))
    if reasons:
        more.append(("reasons", reasons))
    if extensions:
        more.append(("extensions", extensions))
    return told(event, this, more=tuple(more))


LOGGED_IN = agent("EventAgentLogin", "Unknown")
NOT_READY = agent("EventAgentNotReady", "Unknown")
#: C{site}: C{geo-location} of the node.
READY = agent("EventAgentReady", "Unknown", (("site", "dc1"),))
LOGGED_OUT = agent("EventAgentLogout")
WORKS = agent(
    "EventAgentNotReady", "AfterCallWork", extensions=(("WrapUpTime", SECONDS),)
)

LOGS_IN = Step(
    "B's client logs the agent in",
    ("RequestAgentLogin", "B", (("agentID", AGENT),)),
    (answering(LOGGED_IN), NOT_READY),
)
IS_READY = Step("The agent is ready", ("RequestAgentReady", "B"), (answering(READY),))
LOGS_OUT = Step(
    "The agent logs out", ("RequestAgentLogout", "B"), (answering(LOGGED_OUT),)
)
LUNCH: KVList = (("ReasonCode", "lunch"),)
ANSWERS = Step("B answers", ("answer", "B"), (B_ESTABLISHED, A_ESTABLISHED))

SCENARIOS = (
    Scenario(
        "loggedInReadyNotReadyLoggedOut",
        "An agent logs in, is ready, not ready with a reason, and logs out",
        "3.11",
        (
            LOGS_IN,
            IS_READY,
            Step(
                "The agent goes to lunch",
                (
                    "RequestAgentNotReady",
                    "B",
                    (("workMode", "AuxWork"), ("reasons", LUNCH)),
                ),
                (answering(agent("EventAgentNotReady", "AuxWork", LUNCH)),),
            ),
            LOGS_OUT,
        ),
    ),
    Scenario(
        "loggedInReadyAtOnce",
        "An agent logs in with work mode AutoIn: ready at once",
        "3.11",
        (
            Step(
                "B's client logs the agent in",
                (
                    "RequestAgentLogin",
                    "B",
                    (("agentID", AGENT), ("workMode", "AutoIn")),
                ),
                (
                    answering(agent("EventAgentLogin", "AutoIn")),
                    agent("EventAgentReady", "AutoIn", (("site", "dc1"),)),
                ),
            ),
            LOGS_OUT,
        ),
    ),
    Scenario(
        "afterCallWork",
        "After a call the agent has after-call work, and is ready again",
        "3.11",
        (
            Step(
                "B's client logs the agent in, with WrapUpTime",
                (
                    "RequestAgentLogin",
                    "B",
                    (("agentID", AGENT), ("extensions", (("WrapUpTime", SECONDS),))),
                ),
                (answering(LOGGED_IN), NOT_READY),
            ),
            IS_READY,
            CALLS,
            ANSWERS,
            Step("A hangs up", ("hangUp", "A"), (A_RELEASED, WORKS, B_RELEASED)),
            Step(f"{SECONDS} seconds pass", ("wait", "B", SECONDS), (READY,)),
            LOGS_OUT,
        ),
    ),
    Scenario(
        "afterCallWorkBySetting",
        "The same by the setting wrap-up-time; the agent ends it early",
        "3.11",
        (
            LOGS_IN,
            IS_READY,
            CALLS,
            ANSWERS,
            Step("B hangs up", ("hangUp", "B"), (WORKS, B_RELEASED, A_RELEASED)),
            IS_READY,
            LOGS_OUT,
        ),
        (("wrapUpTime", float(SECONDS)),),
    ),
    Scenario(
        "afterCallWorkByRequest",
        "The agent asks for after-call work",
        "3.11",
        (
            LOGS_IN,
            IS_READY,
            Step(
                "The agent asks for a time",
                (
                    "RequestAgentNotReady",
                    "B",
                    (
                        ("workMode", "AfterCallWork"),
                        ("extensions", (("WrapUpTime", SECONDS),)),
                    ),
                ),
                (answering(WORKS),),
            ),
            Step(f"{SECONDS} seconds pass", ("wait", "B", SECONDS), (READY,)),
            LOGS_OUT,
        ),
    ),
    Scenario(
        "refusals",
        "What an agent cannot do",
        "3.11",
        (
            Step(
                "Ready while logged out",
                ("RequestAgentReady", "B"),
                error="NOT_WHILE_LOGGED_OUT",
            ),
            Step(
                "Not ready while logged out",
                ("RequestAgentNotReady", "B"),
                error="NOT_WHILE_LOGGED_OUT",
            ),
            Step(
                "Logged out while logged out",
                ("RequestAgentLogout", "B"),
                error="NOT_WHILE_LOGGED_OUT",
            ),
            Step(
                "Logged in without AgentID",
                ("RequestAgentLogin", "B"),
                error="INVALID_ATTRIBUTE",
            ),
            Step(
                "Logged in with an empty AgentID",
                ("RequestAgentLogin", "B", (("agentID", ""),)),
                error="AGENT_ID_INVALID",
            ),
            LOGS_IN,
            Step(
                "Logged in twice",
                ("RequestAgentLogin", "B", (("agentID", AGENT),)),
                error="ALREADY_IN_STATE",
            ),
            Step(
                "Another agent at the DN",
                ("RequestAgentLogin", "B", (("agentID", "4712"),)),
                error="INCOMPATIBLE",
            ),
            Step(
                "The agent at another DN",
                ("RequestAgentLogin", "C", (("agentID", AGENT),)),
                error="RESOURCE_SEIZED",
            ),
            Step(
                "Not ready twice",
                ("RequestAgentNotReady", "B"),
                error="ALREADY_IN_STATE",
            ),
            IS_READY,
            Step("Ready twice", ("RequestAgentReady", "B"), error="ALREADY_IN_STATE"),
            LOGS_OUT,
        ),
    ),
    Scenario(
        "desktopGone",
        "The desktop of the agent goes and does not come back in time",
        "3.11",
        (
            LOGS_IN,
            IS_READY,
            Step("B's client leaves", ("leave", "B")),
            Step(
                f"{SECONDS} seconds pass",
                ("wait", "B", SECONDS),
                (agent("EventAgentLogout", reasons=(("ReasonCode", "ClientGone"),)),),
            ),
        ),
        (("agentLogoutGrace", float(SECONDS)),),
    ),
)
