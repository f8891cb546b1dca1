"""
What an agent asks for: requests, checked and made plain.
"""

from __future__ import annotations

from typing import TypeVar

from attrs import field, frozen

from sipcluster.tcontroller.values import UNTIMED, Mode
from sipcluster.tlib.enums import AgentWorkMode
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tserver.itserver import ClientView
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList, KVValue, get, size

#: Characters that an agent id, a queue or a number may have.
LONGEST_NAME = 64

#: Bytes that an agent's Reasons, which are kept, may need.
LONGEST_REASONS = 4096

#: Seconds of after-call work that can be asked for.
LONGEST_WRAP_UP = 86400

#: What stands in WrapUpTime for after-call work that only a request ends.
UNTIMED_WORD = "untimed"

#: Work modes by the request that may carry them; the first is meant by none.
LOGIN_MODES = (
    AgentWorkMode.UNKNOWN,
    AgentWorkMode.MANUAL_IN,
    AgentWorkMode.AUTO_IN,
    AgentWorkMode.AUX_WORK,
)
READY_MODES = (
    AgentWorkMode.UNKNOWN,
    AgentWorkMode.MANUAL_IN,
    AgentWorkMode.AUTO_IN,
    AgentWorkMode.RETURN_BACK,
)
NOT_READY_MODES = (
    AgentWorkMode.UNKNOWN,
    AgentWorkMode.AUX_WORK,
    AgentWorkMode.AFTER_CALL_WORK,
    AgentWorkMode.NO_CALL_DISCONNECT,
    AgentWorkMode.WALK_AWAY,
    AgentWorkMode.RETURN_BACK,
)

T = TypeVar("T")


class CannotBe(Exception):
    """
    A request is refused before anything has changed.

    @ivar text: for people; C{""}: the text of the code.
    """

    def __init__(self, code: TErrorCode, text: str = "") -> None:
        super().__init__(text or code.text)
        self.code = code
        self.text = text


@frozen
class Asked:
    """
    One request about an agent.

    @ivar wrapUpTime: WrapUpTime of its Extensions; L{None}: not there.
    """

    requester: Requester
    client: ClientView
    mode: Mode = field(factory=Mode)
    agentID: str = ""
    queue: str = ""
    wrapUpTime: float | None = None


def workMode(value: int | None, allowed: tuple[AgentWorkMode, ...]) -> AgentWorkMode:
    """
    The work mode of a request.

    @raise CannotBe: it is none of those that this request may have.
    """
    if value is None:
        return allowed[0]
    for mode in allowed:
        if mode == value:
            return mode
    names = ", ".join(mode.label for mode in allowed)
    raise CannotBe(TErrorCode.INVALID_ATTRIBUTE, f"WorkMode: want one of {names}")


def reasonsOf(reasons: KVList | None, extensions: KVList | None) -> KVList:
    """
    The Reasons of a request.  Some clients put their ReasonCode into Extensions.

    @raise CannotBe: they are too long to be kept.
    """
    found = tuple(reasons or ())
    code = get(tuple(extensions or ()), "ReasonCode")
    if code is not None and get(found, "ReasonCode") is None:
        found = (*found, ("ReasonCode", code))
    if size(found) > LONGEST_REASONS:
        raise CannotBe(
            TErrorCode.INVALID_ATTRIBUTE,
            f"Reasons: at most {LONGEST_REASONS} bytes are kept",
        )
    return found


def wrapUpTimeOf(extensions: KVList | None) -> float | None:
    """
    WrapUpTime of the Extensions of a request: a number of seconds, or C{untimed}.

    @return: L{None}: not there.

    @raise CannotBe: it is no such time.
    """
    value: KVValue | None = get(tuple(extensions or ()), "WrapUpTime")
    if value is None:
        return None
    if value == UNTIMED_WORD:
        return UNTIMED
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:9])
    if isinstance(value, int) and 0 <= value <= LONGEST_WRAP_UP:
        return float(value)
    raise CannotBe(
        TErrorCode.INVALID_ATTRIBUTE,
        f"WrapUpTime: want 0 to {LONGEST_WRAP_UP} seconds, or {UNTIMED_WORD}",
    )


def nameOf(value: str | None, code: TErrorCode, what: str) -> str:
    """
    An agent id, a queue or a number.

    @return: C{""}: none was given.

    @raise CannotBe: with the C{code}: it cannot be one.
    """
    if not value:
        return ""
    if len(value) > LONGEST_NAME or not value.isprintable() or value != value.strip():
        raise CannotBe(
            code,
            f"{what}: want at most {LONGEST_NAME} printable characters without "
            "blanks around them",
        )
    return value


def wrapUpWord(seconds: float) -> int | str:
    """
    A time of after-call work as it stands in WrapUpTime.
    """
    # Rounded as timers are read: 19.9996 s are 20.
    return UNTIMED_WORD if seconds == UNTIMED else round(seconds)
