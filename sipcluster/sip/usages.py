"""
The INVITE usage of a dialog (RFC 5057): who may send an INVITE when, what an
INVITE or UPDATE of the other side is answered at the wrong time (RFC 3261 section
14, RFC 3311).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import define
from automat import TypeMachine, TypeMachineBuilder
from twisted.logger import Logger

from sipcluster.sip.machine import indexed, stateName
from sipcluster.sip.message import Request
from sipcluster.sip.offer_answer import CROSSED, IMPATIENT, Refusal
from sipcluster.sip.timers import TimerQueue, TimerSet

log = Logger()

#: How often a re-INVITE is sent again after 491.
MAX_GLARES = 5

GONE = Refusal(481)


class InviteUsage(Protocol):
    """
    What may happen to the INVITE usage of a dialog.
    """

    def established(self) -> None:
        "The first INVITE is over: its 2xx was received, or ours acknowledged."

    def invite(self, send: Callable[[], None]) -> None:
        "We want to send a re-INVITE."

    def answered(self) -> None:
        "Our re-INVITE has a final response other than 491."

    def crossed(self) -> None:
        "Our re-INVITE was answered 491."

    def retry(self) -> None:
        "The time to wait after a 491 is over."

    def inviteReceived(self) -> Refusal | None:
        "A re-INVITE arrives."

    def inviteEnded(self) -> None:
        "Their re-INVITE is over: our 2xx acknowledged, or another one sent."

    def end(self) -> None:
        "BYE sent or received, or the dialog is lost."


@define(eq=False)
class _Core:
    """
    @ivar owner: whether we made the Call-ID, that is sent the first INVITE.
    @ivar chance: gives a number from 0 up to but not including 1.
    @ivar wanted: sends the re-INVITE that waits.
    @ivar sending: sends the one that is under way again.
    @ivar glares: how often in a row it was answered 491.
    """

    owner: bool
    timers: TimerSet
    chance: Callable[[], float]
    wanted: Callable[[], None] | None = None
    sending: Callable[[], None] | None = None
    glares: int = 0

    def send(self, send: Callable[[], None]) -> None:
        self.sending = send
        try:
            send()
        except Exception:
            log.failure("re-INVITE")

    def glareSeconds(self) -> float:
        """
        How long to wait after a 491 (RFC 3261 section 14.1): in units of 10 ms,
        2.1 to 4 s for the owner of the Call-ID, and up to 2 s for the other.
        """
        if self.owner:
            return 2.1 + 0.01 * int(self.chance() * 191)
        return 0.01 * int(self.chance() * 201)


def _build() -> TypeMachine[InviteUsage, _Core]:
    m = TypeMachineBuilder(InviteUsage, _Core)
    early = m.state("Early")
    confirmed = m.state("Confirmed")
    inviting = m.state("Inviting")
    backingOff = m.state("Backing off")
    invited = m.state("Invited")
    both = m.state("Invited while backing off")
    terminated = m.state("Terminated")
    living = (early, confirmed, inviting, backingOff, invited, both)

    @early.upon(InviteUsage.established).to(confirmed)
    @invited.upon(InviteUsage.inviteEnded).to(confirmed)
    @backingOff.upon(InviteUsage.retry).to(confirmed)
    def free(usage: InviteUsage, s: _Core) -> None:
        if s.wanted is not None:
            send, s.wanted = s.wanted, None
            usage.invite(send)

    @inviting.upon(InviteUsage.answered).to(confirmed)
    def done(usage: InviteUsage, s: _Core) -> None:
        s.glares = 0
        s.sending = None
        free(usage, s)

    @confirmed.upon(InviteUsage.invite).to(inviting)
    def invite(usage: InviteUsage, s: _Core, send: Callable[[], None]) -> None:
        s.send(send)

    @early.upon(InviteUsage.invite).loop()
    @inviting.upon(InviteUsage.invite).loop()
    @backingOff.upon(InviteUsage.invite).loop()
    @invited.upon(InviteUsage.invite).loop()
    @both.upon(InviteUsage.invite).loop()
    def inviteLater(usage: InviteUsage, s: _Core, send: Callable[[], None]) -> None:
        s.wanted = send

    @inviting.upon(InviteUsage.crossed).to(backingOff)
    def backOff(usage: InviteUsage, s: _Core) -> None:
        s.glares += 1
        if s.glares > MAX_GLARES:
            s.glares = 0  # it is given up
        elif s.wanted is None:
            s.wanted = s.sending
        s.sending = None
        s.timers.start("glare", s.glareSeconds(), usage.retry)

    both.upon(InviteUsage.inviteEnded).to(backingOff).returns(None)
    both.upon(InviteUsage.retry).to(invited).returns(None)
    confirmed.upon(InviteUsage.inviteReceived).to(invited).returns(None)
    backingOff.upon(InviteUsage.inviteReceived).to(both).returns(None)

    @early.upon(InviteUsage.inviteReceived).loop()
    def refuseEarly(usage: InviteUsage, s: _Core) -> Refusal | None:
        return CROSSED if s.owner else IMPATIENT

    inviting.upon(InviteUsage.inviteReceived).loop().returns(CROSSED)
    invited.upon(InviteUsage.inviteReceived).loop().returns(IMPATIENT)
    both.upon(InviteUsage.inviteReceived).loop().returns(IMPATIENT)
    terminated.upon(InviteUsage.inviteReceived).loop().returns(GONE)

    for state in living:

        @state.upon(InviteUsage.end).to(terminated)
        def end(usage: InviteUsage, s: _Core) -> None:
            s.timers.stopAll()
            s.wanted = s.sending = None

    # Late, and harmless.
    terminated.upon(InviteUsage.end).loop().returns(None)
    terminated.upon(InviteUsage.invite).loop().returns(None)
    for state in (confirmed, inviting, backingOff, invited, both, terminated):
        state.upon(InviteUsage.established).loop().returns(None)
    for state in (early, confirmed, backingOff, invited, both, terminated):
        state.upon(InviteUsage.answered).loop().returns(None)
        state.upon(InviteUsage.crossed).loop().returns(None)
    for state in (early, confirmed, inviting, invited, terminated):
        state.upon(InviteUsage.retry).loop().returns(None)
    for state in (early, confirmed, inviting, backingOff, terminated):
        state.upon(InviteUsage.inviteEnded).loop().returns(None)
    return m.build()


_machine = indexed(_build(), frozenset(["inviteReceived"]))


def inviteUsage(
    queue: TimerQueue,
    owner: bool,
    chance: Callable[[], float],
    early: bool = True,
) -> InviteUsage:
    """
    Make the INVITE usage of one dialog.

    A re-INVITE that cannot be sent at once waits, the latest one only; one that
    is answered 491 is sent again after the time of RFC 3261 section 14.1,
    unless a later one waits, at most L{MAX_GLARES} times.

    @param owner: whether we sent the first INVITE.
    @param chance: gives a number from 0 up to but not including 1.
    @param early: false for a dialog that is confirmed already, as one that was
        taken over from another process.
    """
    usage = _machine(_Core(owner, TimerSet(queue), chance))
    if not early:
        usage.established()
    return usage


def usageState(usage: InviteUsage) -> str:
    """
    C{"Early"}, C{"Confirmed"}, C{"Inviting"}, C{"Backing off"}, C{"Invited"},
    C{"Invited while backing off"} or C{"Terminated"}.
    """
    return stateName(usage)


class UpdateRule:
    """
    When an UPDATE of the other side may come (RFC 3311 section 5.2).

    What is said of offers there is the business of C{OfferAnswer}.
    """

    __slots__ = ("_answering",)

    def __init__(self) -> None:
        self._answering = False

    def received(self, update: Request) -> Refusal | None:
        """
        An UPDATE arrives.

        @return: how to refuse it, or L{None}: it is to be answered then.
        """
        if self._answering:
            return IMPATIENT
        self._answering = True
        return None

    def answered(self) -> None:
        """
        The final response to it leaves.
        """
        self._answering = False
