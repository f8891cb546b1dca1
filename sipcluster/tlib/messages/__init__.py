"""
The messages of T-Library: one class each, with the field's names and numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

from sipcluster.tlib.messages import (
    agents,
    call_events,
    call_requests,
    out_of_scope,
    routing,
    services,
    session,
)
from sipcluster.tlib.messages.agents import *  # noqa: F403
from sipcluster.tlib.messages.base import Message as Message
from sipcluster.tlib.messages.base import Opaque as Opaque
from sipcluster.tlib.messages.base import Time as Time
from sipcluster.tlib.messages.base import UnknownMessage as UnknownMessage
from sipcluster.tlib.messages.call_events import *  # noqa: F403
from sipcluster.tlib.messages.call_requests import *  # noqa: F403
from sipcluster.tlib.messages.out_of_scope import *  # noqa: F403
from sipcluster.tlib.messages.routing import *  # noqa: F403
from sipcluster.tlib.messages.services import *  # noqa: F403
from sipcluster.tlib.messages.session import *  # noqa: F403

_MODULES = (
    *(session, call_requests, call_events, agents, services, routing),
    out_of_scope,
)

#: Every class of messages that stands for one number, by it.
MESSAGES: Mapping[int, type[Message]] = {
    found.number: found
    for module in _MODULES
    for found in vars(module).values()
    if isinstance(found, type)
    and issubclass(found, Message)
    and isinstance(vars(found).get("number"), int)
}


def isRequest(number: int) -> bool:
    """
    Whether a message asks for something.
    """
    found = MESSAGES.get(number)
    return found is not None and found.__name__.startswith("Request")


def isEvent(number: int) -> bool:
    """
    Whether a message tells of something.
    """
    found = MESSAGES.get(number)
    return found is not None and found.__name__.startswith("Event")
