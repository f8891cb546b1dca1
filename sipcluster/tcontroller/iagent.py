"""
What an agent needs around it, and what may happen to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from zope.interface import Attribute, Interface

from sipcluster.tcontroller.asking import Asked
from sipcluster.tcontroller.itcontroller import AgentSettings
from sipcluster.tlib.attributes import timeOf
from sipcluster.tserver.itserver import IEventPublisher

if TYPE_CHECKING:
    from sipcluster.tcontroller.agent import Agent


@define
class Office:
    """
    What all agents of a T-Controller share.

    @ivar wallTime: seconds since 1970.
    @ivar moment: the time of the call event that is being told, so that what it
        entails is not later than what follows it; L{None} else.
    @ivar publisher: the TCport.
    """

    clock: IReactorTime
    wallTime: Callable[[], float]
    publisher: IEventPublisher
    settings: AgentSettings = field(factory=AgentSettings)
    moment: float | None = None

    def now(self) -> tuple[int, int]:
        """
        AttributeTime of an event.
        """
        return timeOf(self.wallTime() if self.moment is None else self.moment)


class IAgentKeeper(Interface):
    """
    Keeps an agent: the DN at which it is.
    """

    number: str = Attribute("The DN.")

    def note(what: str, why: str) -> None:
        """
        Something happened, and why.
        """

    def changed() -> None:
        """
        The agent is not as it was; C{note} says so, too.
        """

    def agentEnded(agent: Agent) -> None:
        """
        The agent has logged out.
        """


class AgentInputs(Protocol):
    """
    What may happen to an agent.
    """

    def login(self, asked: Asked) -> None:
        "It logs in, to be not ready."

    def loginReady(self, asked: Asked) -> None:
        "It logs in, to be ready at once: WorkMode AutoIn."

    def logout(self, asked: Asked) -> None:
        "It logs out."

    def ready(self, asked: Asked) -> None:
        "It wants to be ready."

    def notReady(self, asked: Asked) -> None:
        "It wants to be not ready."

    def workNow(self, asked: Asked) -> None:
        "It wants after-call work, and has no call: WorkMode AfterCallWork."

    def workLater(self, asked: Asked) -> None:
        "It wants after-call work when the call that it has will have ended."

    def setReason(self, asked: Asked) -> None:
        "It says why it is not ready."

    def wrapUpDue(self, seconds: float, connID: str) -> None:
        "Its last call ends, and after-call work follows."

    def overReady(self) -> None:
        "The time of after-call work is over; it was ready before."

    def overNotReady(self) -> None:
        "The time of after-call work is over; it was not ready before."

    def silent(self, why: str, code: str) -> None:
        "It has let a call ring in vain, and is not to get another one."

    def expelled(self, why: str, code: str) -> None:
        "It is logged out without having asked."
