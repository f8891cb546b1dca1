"""
DNs and agents as values: everything that another T-Controller needs in order to go
on with them.

The live objects (L{Device<sipcluster.tcontroller.device.Device>}, L{Agent
<sipcluster.tcontroller.agent.Agent>}) write themselves into these and are made from
these again.  A link between nodes carries them, tests compare them.  Times that
run are written down as what is left of them, never as when they end.
"""

from __future__ import annotations

import enum
import math
from typing import Any

import attrs
import msgspec
from attrs import field, frozen

from sipcluster.sessioncontroller.isessioncontroller import DNFeatures
from sipcluster.sessioncontroller.isupervision import Monitoring
from sipcluster.tlib.enums import AgentWorkMode
from sipcluster.wire.kvlist import asKVList

#: After-call work that only a request ends.
UNTIMED = math.inf


class AgentState(enum.Enum):
    """
    The states of an agent.
    """

    LOGGED_OUT = "LoggedOut"
    NOT_READY = "NotReady"
    READY = "Ready"
    AFTER_CALL_WORK = "AfterCallWork"


@frozen
class Mode:
    """
    What an agent has said of itself with its state.

    @ivar workMode: as in its request.
    @ivar reasons: as in its request: C{ReasonCode} and whatever else.
    """

    workMode: AgentWorkMode = AgentWorkMode.UNKNOWN
    # A KVList; msgspec decodes no recursive types.
    reasons: tuple[tuple[str, Any], ...] = ()


@frozen
class AgentValue:
    """
    One agent at one DN.

    @ivar agentID: the employee id that it logged in with (W03).
    @ivar queue: the ThisQueue of its login, repeated in its events; C{""}: none.
    @ivar before: what it was when after-call work began, and will be afterwards:
        L{AgentState.READY} or L{AgentState.NOT_READY}.
    @ivar wrapUpTime: seconds of after-call work that follow each of its calls; 0:
        none; L{UNTIMED}: until it asks for something else.
    @ivar asked: seconds of after-call work that it asked for during the call that
        it has; L{None}: it did not.
    @ivar left: seconds of after-call work to go, L{UNTIMED} when nothing ends it
        but a request; 0 when it is not in after-call work.
    @ivar application: name of the application that logged it in.
    @ivar client: id of the session that did; C{""}: it has gone.
    @ivar graceLeft: seconds until it is logged out because that client has gone;
        L{None}: it has not.
    @ivar loggedIn: when, in seconds since 1970.
    @ivar since: when it came into its state, in seconds since 1970.
    @ivar why: why it is in its state, for people.
    """

    agentID: str
    state: AgentState
    mode: Mode = field(factory=Mode)
    queue: str = ""
    before: AgentState = AgentState.NOT_READY
    modeBefore: Mode = field(factory=Mode)
    wrapUpTime: float = 0.0
    asked: float | None = None
    left: float = 0.0
    application: str = ""
    client: str = ""
    graceLeft: float | None = None
    loggedIn: float = 0.0
    since: float = 0.0
    why: str = ""


class Hook(enum.IntEnum):
    """
    What a DN does in one of its calls.

    Alerting: it rings.  Dialing: it has asked for the call, and is not connected.
    Connected: it is, or has been and is on hold.
    """

    ALERTING = 0
    DIALING = 1
    CONNECTED = 2


@frozen
class Monitor:
    """
    A supervisor who wants to hear the calls of a DN.

    @ivar once: the next one only.
    @ivar due: ConnIDs of those that are to be asked to take it in.
    """

    monitoring: Monitoring
    once: bool = True
    due: tuple[str, ...] = ()


@frozen
class Entry:
    """
    One line of a DN's history.

    @ivar time: seconds since 1970.
    @ivar what: what happened.
    @ivar why: why, or who asked for it.
    """

    time: float
    what: str
    why: str = ""


@frozen
class DNValue:
    """
    One DN.

    @ivar outOfService: why it is out of service, by what must change before it is
        in service again (C{"device"}, C{"owner"}); empty: it is in service.
    @ivar since: when that last changed, in seconds since 1970; 0: since the start.
    @ivar calls: what it does in each of its calls, by ConnID.
    @ivar agent: L{None}: nobody is logged in.
    @ivar history: the oldest first.
    @ivar talked: it has been connected since it went off hook.
    @ivar monitors: who wants to hear it.
    """

    dn: str
    outOfService: tuple[tuple[str, str], ...] = ()
    since: float = 0.0
    features: DNFeatures = field(factory=DNFeatures)
    calls: tuple[tuple[str, Hook], ...] = ()
    agent: AgentValue | None = None
    history: tuple[Entry, ...] = ()
    talked: bool = False
    monitors: tuple[Monitor, ...] = ()

    @property
    def offHook(self) -> bool:
        """
        It has a call in which it is not only alerted.
        """
        return any(hook is not Hook.ALERTING for _, hook in self.calls)


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[DNValue] | None = None


def encodeDN(value: DNValue) -> bytes:
    """
    Write a DN down.
    """
    return _encoder.encode(value)


def decodeDN(data: bytes) -> DNValue:
    """
    Read what L{encodeDN} wrote; fields that are not known are left out.

    @raise ValueError: it is no DN.
    """
    global _decoder
    if _decoder is None:
        _decoder = msgspec.msgpack.Decoder(DNValue)
    value = _decoder.decode(data)
    if value.agent is None:
        return value
    agent = attrs.evolve(
        value.agent,
        mode=_mode(value.agent.mode),
        modeBefore=_mode(value.agent.modeBefore),
    )
    return attrs.evolve(value, agent=agent)


def _mode(mode: Mode) -> Mode:
    """
    Make key-value lists of what was decoded as plain lists.
    """
    return attrs.evolve(mode, reasons=asKVList(mode.reasons))
