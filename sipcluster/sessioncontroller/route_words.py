"""
What a routing client says of a route besides: the words of the field.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.isessioncontroller import CallRefused, Why
from sipcluster.sessioncontroller.waiting import Overrides
from sipcluster.wire.kvlist import KVList

#: Seconds that a routed call may ring at most.
MOST_RINGING = 3600

#: Numbers in one C{NO_ANSWER_OVERFLOW}.
MOST_OVERFLOWS = 8

#: What may become of the agent who does not answer.
ACTIONS = ("none", "notready", "logout")


def overridesOf(extensions: KVList) -> Overrides:
    """
    Read C{NO_ANSWER_TIMEOUT}, C{NO_ANSWER_OVERFLOW} and C{NO_ANSWER_ACTION}.

    @raise CallRefused: one of them makes no sense.
    """
    if not extensions:
        return _USUAL
    words = dict(extensions)
    timeout = number(words.get("NO_ANSWER_TIMEOUT", 0), "NO_ANSWER_TIMEOUT")
    if not 0 <= timeout <= MOST_RINGING:
        raise CallRefused(Why.BAD_VALUE, f"NO_ANSWER_TIMEOUT: 0 to {MOST_RINGING}")
    overflow = _text(words.get("NO_ANSWER_OVERFLOW", ""), "NO_ANSWER_OVERFLOW")
    numbers = tuple(one.strip() for one in overflow.split(",") if one.strip())
    if len(numbers) > MOST_OVERFLOWS:
        raise CallRefused(
            Why.BAD_VALUE, f"NO_ANSWER_OVERFLOW: at most {MOST_OVERFLOWS} numbers"
        )
    action = _text(words.get("NO_ANSWER_ACTION", ""), "NO_ANSWER_ACTION")
    if action and action not in ACTIONS:
        raise CallRefused(
            Why.BAD_VALUE, f"NO_ANSWER_ACTION: one of {', '.join(ACTIONS)}"
        )
    return Overrides(timeout, numbers, action)


_USUAL = Overrides()


def number(value: object, name: str) -> float:
    """
    A number, or text that is one.

    @raise CallRefused: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise CallRefused(Why.BAD_VALUE, f"{name}: want a number")
    try:
        found = float(value)
    except ValueError:
        raise CallRefused(Why.BAD_VALUE, f"{name}: want a number") from None
    if not -1e9 < found < 1e9:
        raise CallRefused(Why.BAD_VALUE, f"{name}: want a number")
    return found


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise CallRefused(Why.BAD_VALUE, f"{name}: want text")
    return value
