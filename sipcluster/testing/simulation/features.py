"""
What people and T-Library clients do with calls that meet: one class each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipcluster.testing.simulation.clients import Client
from sipcluster.testing.simulation.operations import OfClient, OfPhone, Operation
from sipcluster.testing.simulation.telephones import Telephone
from sipcluster.tlib.enums import MergeType, MonitorNextCallType
from sipcluster.tlib.messages import (
    Message,
    RequestAlternateCall,
    RequestCancelMonitoring,
    RequestCompleteConference,
    RequestCompleteTransfer,
    RequestDeleteFromConference,
    RequestInitiateConference,
    RequestInitiateTransfer,
    RequestListenDisconnect,
    RequestListenReconnect,
    RequestMergeCalls,
    RequestMonitorNextCall,
    RequestMuteTransfer,
    RequestReconnectCall,
    RequestSetMuteOff,
    RequestSetMuteOn,
    RequestSingleStepConference,
    RequestSingleStepTransfer,
)

if TYPE_CHECKING:
    from sipcluster.testing.simulation.world import World

#: Seconds after which a person dials whose telephone was to hold.
_DIALS = 0.5

#: Words of C{MonitorMode} and C{MonitorScope}.
_MODES = ("mute", "coach", "connect")
_SCOPES = ("agent", "call")


class OfCall(OfClient):
    """
    Something that is asked of calls that a client sees.

    @cvar calls: how many of them the DN must have.
    """

    calls = 1

    def act(self, world: World, client: Client, dn: str) -> str | None:
        found = [
            number
            for number, calls in sorted(client.seen.calls.items())
            if len(calls) >= self.calls and number in world.numbers
        ]
        if not found:
            return None
        dn = found[self.other % len(found)]
        others = [one for one in (*world.numbers, *world.queues) if one != dn]
        other = others[int(self.amount * len(others))]
        asked = self.ask(dn, client.seen.calls[dn], other)
        if not client.ask(asked):
            return None
        return f"asks {type(asked).__name__} of {dn}, {other}"

    def ask(self, dn: str, calls: list[str], other: str) -> Message:
        """
        What is asked.

        @param other: a DN.
        """
        raise NotImplementedError


class Consult(OfCall):
    """
    Somebody is called about a call.
    """

    weight = 6

    def ask(self, dn: str, calls: list[str], other: str) -> Message:
        kind = (RequestInitiateTransfer, RequestInitiateConference)[self.who % 2]
        return kind(thisDN=dn, connID=calls[-1], otherDN=other)


class Complete(OfCall):
    """
    A consultation becomes a transfer or a conference.
    """

    weight = 8
    calls = 2

    def ask(self, dn: str, calls: list[str], other: str) -> Message:
        held, present = calls[-2:]
        what = self.who % 5
        if what < 2:
            return RequestCompleteTransfer(
                thisDN=dn, connID=present, transferConnID=held
            )
        if what < 4:
            return RequestCompleteConference(
                thisDN=dn, connID=present, conferenceConnID=held
            )
        kind = (MergeType.TRANSFER, MergeType.CONFERENCE)[int(self.amount * 2)]
        return RequestMergeCalls(
            thisDN=dn, connID=held, previousConnID=present, mergeType=kind
        )


class Alternate(OfCall):
    """
    Somebody goes back to the first call, and leaves the other one or not.
    """

    weight = 2
    calls = 2

    def ask(self, dn: str, calls: list[str], other: str) -> Message:
        held, present = calls[-2:]
        kind = (RequestAlternateCall, RequestReconnectCall)[self.who % 2]
        return kind(thisDN=dn, connID=held, previousConnID=present)


class SingleStep(OfCall):
    """
    A call goes on to somebody else, or somebody else comes into it.
    """

    weight = 5

    def ask(self, dn: str, calls: list[str], other: str) -> Message:
        kind = (
            RequestSingleStepTransfer,
            RequestMuteTransfer,
            RequestSingleStepConference,
        )[self.who % 3]
        return kind(thisDN=dn, connID=calls[-1], otherDN=other)


class InConference(OfCall):
    """
    Somebody is taken out of a conference, is not heard, or hears nothing.
    """

    weight = 4

    def ask(self, dn: str, calls: list[str], other: str) -> Message:
        what = self.who % 5
        if what < 2:
            mute = (RequestSetMuteOn, RequestSetMuteOff)[what]
            return mute(thisDN=dn, connID=calls[-1])
        kind = (
            RequestDeleteFromConference,
            RequestListenDisconnect,
            RequestListenReconnect,
        )[what - 2]
        return kind(thisDN=dn, connID=calls[-1], otherDN=other)


class Supervise(OfClient):
    """
    Somebody wants to hear the next call of a DN, or all, or does no longer.
    """

    weight = 2

    def act(self, world: World, client: Client, dn: str) -> str | None:
        others = [number for number in world.numbers if number != dn]
        other = others[int(self.amount * len(others))]
        if self.who % 3 == 0:
            asked: Message = RequestCancelMonitoring(thisDN=other, otherDN=dn)
        else:
            mode, scope = _MODES[self.who // 3 % 3], _SCOPES[self.who // 9 % 2]
            asked = RequestMonitorNextCall(
                thisDN=other,
                otherDN=dn,
                monitorNextCallType=(
                    MonitorNextCallType.ONE_CALL
                    if self.other % 2
                    else MonitorNextCallType.ALL_CALLS
                ),
                extensions=(("MonitorMode", mode), ("MonitorScope", scope)),
            )
        if not client.ask(asked):
            return None
        return f"asks {type(asked).__name__} of {other}, {dn}"


class DialQueue(OfPhone):
    """
    Somebody calls a routing point.
    """

    weight = 8

    def act(self, world: World, phone: Telephone) -> str | None:
        number = world.queues[self.other % len(world.queues)]
        return f"calls {number}" if phone.dial(number) else None


class PhoneConsults(OfPhone):
    """
    Somebody holds a call, and calls somebody else.
    """

    weight = 5

    def act(self, world: World, phone: Telephone) -> str | None:
        call = phone.call
        if call is None or call.direction or not call.hold(True):
            return None
        every = (*world.numbers, *world.queues)
        numbers = [one for one in every if one != phone.number]
        number = numbers[self.other % len(numbers)]
        life = phone.life

        def dial() -> None:
            if phone.running and phone.life == life and not world.ending:
                phone.dial(number, besides=True)

        phone.clock.callLater(_DIALS, dial)
        return f"holds, and calls {number}"


class PhoneTransfers(OfPhone):
    """
    A telephone asks that the other side call somebody else, or that its two calls
    become one.
    """

    weight = 5

    def act(self, world: World, phone: Telephone) -> str | None:
        if len(phone.calls) > 1:
            first, last = phone.calls[-2:]
            if last.dialog is None or last.state != "talking":
                return None
            target = b"<sip:%b@%b?%b>" % (
                last.number.encode(),
                world.domain,
                last.replacing,
            )
            return "connects its two calls" if first.refer(target) else None
        numbers = [one for one in world.numbers if one != phone.number]
        number = numbers[self.other % len(numbers)]
        target = b"<sip:%b@%b>" % (number.encode(), world.domain)
        call = phone.call
        if call is None or not call.refer(target):
            return None
        return f"transfers to {number}"


class HangUpOne(OfPhone):
    """
    Somebody with two calls ends one of them.
    """

    weight = 3

    def act(self, world: World, phone: Telephone) -> str | None:
        if len(phone.calls) < 2:
            return None
        number = 1 + self.other % 2
        phone.hangUp(number)
        return f"hangs up its call {number}"


class Scene(OfClient):
    """
    Somebody calls somebody, who takes the call at once; one of them consults somebody
    else, by request or with the telephone, and so on, one step after the other.
    """

    weight = 14

    #: Seconds between two steps.
    pauses = (0.2, 0.6, 1.5, 4.0)

    def act(self, world: World, client: Client, dn: str) -> str | None:
        phones = {
            one.number: one
            for one in world.processes
            if isinstance(one, Telephone) and one.running and not one.frozen
        }
        free = [number for number, one in phones.items() if not one.calls]
        if len(free) < 3:
            return None
        first = self.other % len(free)
        a, b, c = (free[(first + step) % len(free)] for step in range(3))
        for number in (b, c):
            phones[number].patience = 0.05
        phones[a].dial(b)
        steps = _SCENES[self.who % len(_SCENES)]
        at = 0.0
        for index, step in enumerate(steps):
            at += self.pauses[(self.who // 7 + index * (1 + self.other % 3)) % 4]
            whom = world.numbers.index(b)
            later = step(at, int(self.amount * 1000) + index, whom, self.amount)
            world.clock.callLater(at, self._step, world, later)
        names = ", ".join(step.__name__ for step in steps)
        return f"{a} calls {b}, and then: {names}, {c}"

    def _step(self, world: World, step: Operation) -> None:
        if world.ending:
            return
        done = step.do(world)
        if done is not None:
            world.tell("does", "world", f"{type(step).__name__}: {done}")


#: What happens one after the other.
_SCENES: tuple[tuple[type[Operation], ...], ...] = (
    (Consult, Complete),
    (Consult, Complete, InConference),
    (PhoneConsults, PhoneTransfers),
    (PhoneConsults, Complete),
    (Consult, PhoneTransfers),
    (Consult, Alternate, Alternate, Complete),
    (SingleStep,),
    (SingleStep, InConference, SingleStep),
    (PhoneTransfers,),
    (Supervise, SingleStep),
    (PhoneConsults, Complete, InConference, SingleStep),
)


#: Those that are drawn from besides the usual ones.
FEATURES: tuple[type[Operation], ...] = (
    Consult,
    Complete,
    Alternate,
    SingleStep,
    InConference,
    Supervise,
    DialQueue,
    PhoneConsults,
    PhoneTransfers,
    HangUpOne,
    Scene,
)
