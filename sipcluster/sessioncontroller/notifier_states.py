"""
The states of one subscription (RFC 6665): when it may notify, and when it ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import define
from automat import TypeMachine, TypeMachineBuilder

from sipcluster.sip.machine import indexed, stateName
from sipcluster.sip.timers import TimerSet

#: Seconds between two NOTIFYs that nobody asked for (RFC 3842 section 3.9).
GAP = 1.0


class SubscriptionInputs(Protocol):
    """
    What may happen to a subscription.
    """

    def subscribed(self) -> None:
        "A SUBSCRIBE has made it, or made it live on: to be answered by a NOTIFY."

    def changed(self) -> None:
        "What is subscribed to is not as it was."

    def rested(self) -> None:
        "The time between two NOTIFYs is over."

    def confirmed(self) -> None:
        "The NOTIFY under way was taken."

    def failed(self) -> None:
        "The NOTIFY under way was not taken: nobody is there any more."

    def end(self, reason: bytes) -> None:
        "It is to end, for a reason of RFC 6665 section 4.1.3."


@define(eq=False)
class SubscriptionCore:
    """
    What the machine works on.

    @ivar notify: sends a NOTIFY; with a reason, the last one.  The answer must not
        come before it returns.
    @ivar gone: the subscription takes no more requests; called once.
    @ivar wanted: another NOTIFY is due after the one under way.
    @ivar atOnce: and without a pause.
    """

    timers: TimerSet
    notify: Callable[[bytes], None]
    gone: Callable[[], None]
    wanted: bool = False
    atOnce: bool = False
    reason: bytes = b""

    def over(self) -> None:
        """
        Nothing more comes of it: let go of whoever has it, or the two would hold
        each other.
        """
        self.timers.stopAll()
        self.notify = _tellNobody
        self.gone = _nobody


def _tellNobody(reason: bytes) -> None:
    "It has ended."


def _nobody() -> None:
    "It has ended."


def _build() -> TypeMachine[SubscriptionInputs, SubscriptionCore]:
    m = TypeMachineBuilder(SubscriptionInputs, SubscriptionCore)
    active = m.state("Active")
    notifying = m.state("Notifying")
    resting = m.state("Resting")
    ending = m.state("Ending")
    terminated = m.state("Terminated")

    @active.upon(SubscriptionInputs.subscribed).to(notifying)
    @active.upon(SubscriptionInputs.changed).to(notifying)
    @resting.upon(SubscriptionInputs.subscribed).to(notifying)
    def notify(subscription: SubscriptionInputs, s: SubscriptionCore) -> None:
        s.timers.stop("gap")
        s.wanted = s.atOnce = False
        s.notify(b"")

    @notifying.upon(SubscriptionInputs.changed).loop()
    @resting.upon(SubscriptionInputs.changed).loop()
    def notifyLater(subscription: SubscriptionInputs, s: SubscriptionCore) -> None:
        s.wanted = True

    @notifying.upon(SubscriptionInputs.subscribed).loop()
    def notifyNext(subscription: SubscriptionInputs, s: SubscriptionCore) -> None:
        s.wanted = s.atOnce = True

    @notifying.upon(SubscriptionInputs.confirmed).to(resting)
    def rest(subscription: SubscriptionInputs, s: SubscriptionCore) -> None:
        if s.atOnce:
            subscription.subscribed()
        else:
            s.timers.start("gap", GAP, subscription.rested)

    @resting.upon(SubscriptionInputs.rested).to(active)
    def again(subscription: SubscriptionInputs, s: SubscriptionCore) -> None:
        if s.wanted:
            subscription.changed()

    @active.upon(SubscriptionInputs.end).to(terminated)
    @resting.upon(SubscriptionInputs.end).to(terminated)
    def end(
        subscription: SubscriptionInputs, s: SubscriptionCore, reason: bytes
    ) -> None:
        s.timers.stopAll()
        s.notify(reason)
        s.gone()
        s.over()

    @notifying.upon(SubscriptionInputs.end).to(ending)
    def endLater(
        subscription: SubscriptionInputs, s: SubscriptionCore, reason: bytes
    ) -> None:
        # NOTIFYs are sent one after the other: the last one must come last.
        s.timers.stopAll()
        s.reason = reason
        s.gone()

    @notifying.upon(SubscriptionInputs.failed).to(terminated)
    def fail(subscription: SubscriptionInputs, s: SubscriptionCore) -> None:
        s.gone()
        s.over()

    @ending.upon(SubscriptionInputs.confirmed).to(terminated)
    def sayEnd(subscription: SubscriptionInputs, s: SubscriptionCore) -> None:
        s.notify(s.reason)
        s.over()

    @ending.upon(SubscriptionInputs.failed).to(terminated)
    def failAtEnd(subscription: SubscriptionInputs, s: SubscriptionCore) -> None:
        s.over()

    # The answer to the last NOTIFY, and what comes too late.
    for state in (active, resting, terminated):
        state.upon(SubscriptionInputs.confirmed).loop().returns(None)
        state.upon(SubscriptionInputs.failed).loop().returns(None)
    for state in (active, notifying, ending, terminated):
        state.upon(SubscriptionInputs.rested).loop().returns(None)
    for state in (ending, terminated):
        state.upon(SubscriptionInputs.subscribed).loop().returns(None)
        state.upon(SubscriptionInputs.changed).loop().returns(None)
        state.upon(SubscriptionInputs.end).loop().returns(None)
    return m.build()


_machine = indexed(_build())


def subscriptionMachine(core: SubscriptionCore) -> SubscriptionInputs:
    """
    Make the machine of one subscription.
    """
    return _machine(core)


def subscriptionState(machine: SubscriptionInputs) -> str:
    """
    C{"Active"}, C{"Notifying"}, C{"Resting"}, C{"Ending"} or C{"Terminated"}.
    """
    return stateName(machine)
