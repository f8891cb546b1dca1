"""
What people and T-Library clients do in a simulated world: one class each.

An operation is a value, drawn before the run begins; it is told whom it concerns by
numbers, so that it can be done, or left out, whatever else is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

from attrs import frozen

from sipcluster.testing.simulation.chance import Chance
from sipcluster.testing.simulation.clients import AGENTS, CONTROLS, Client
from sipcluster.testing.simulation.processes import Process
from sipcluster.testing.simulation.telephones import Telephone

if TYPE_CHECKING:
    from sipcluster.testing.simulation.world import World

P = TypeVar("P", bound=Process)

#: How people take calls: seconds until they answer, below 0 a refusal.
_PATIENCE = (0.05, 0.5, 1.0, 2.0, 5.0, 20.0, 100.0, -486.0, -603.0, -480.0)


@frozen
class Operation:
    """
    Something that is done at a time.

    @cvar weight: how often, among others.
    @ivar at: seconds since the world began.
    @ivar who: a number that chooses whom it concerns.
    @ivar other: another one.
    @ivar amount: from 0 up to 1: how much, or how long.
    """

    weight: ClassVar[int] = 1

    at: float
    who: int
    other: int
    amount: float

    @classmethod
    def draw(cls, chance: Chance, at: float) -> Operation:
        """
        One of this kind.
        """
        return cls(
            round(at, 3),
            chance.below(1000),
            chance.below(1000),
            min(round(chance.random(), 4), 0.9999),
        )

    def do(self, world: World) -> str | None:
        """
        Do it.

        @return: what was done; L{None}: it could not be.
        """
        raise NotImplementedError

    def pick(self, world: World, kind: type[P], number: int) -> P | None:
        """
        One of the processes of a kind that run now.
        """
        found = [
            process
            for process in world.processes
            if isinstance(process, kind)
            and process.kind.startswith(kind.kind)
            and process.running
            and not process.frozen
        ]
        return found[number % len(found)] if found else None


class OfPhone(Operation):
    """
    Something that a person does with a telephone.
    """

    def do(self, world: World) -> str | None:
        phone = self.pick(world, Telephone, self.who)
        if phone is None:
            return None
        done = self.act(world, phone)
        return None if done is None else f"{phone.name} {done}"

    def act(self, world: World, phone: Telephone) -> str | None:
        """
        Do it.

        @return: what was done; L{None}: it could not be.
        """
        raise NotImplementedError


class Dial(OfPhone):
    """
    Somebody calls somebody, who takes it or not.
    """

    weight = 12

    def act(self, world: World, phone: Telephone) -> str | None:
        numbers = [one for one in world.numbers if one != phone.number]
        number = numbers[self.other % len(numbers)]
        patience = _PATIENCE[int(self.amount * len(_PATIENCE))]
        if not phone.dial(number):
            return None
        for other in world.processes:
            if isinstance(other, Telephone) and other.number == number:
                other.patience = patience
        return f"calls {number}, who takes it after {patience:g}"


class HangUp(OfPhone):
    """
    Somebody ends a call, takes it back, or does not take it.
    """

    weight = 8

    def act(self, world: World, phone: Telephone) -> str | None:
        return "hangs up" if phone.hangUp() else None


class Hold(OfPhone):
    """
    Somebody presses "hold", or presses it again.
    """

    weight = 4

    def act(self, world: World, phone: Telephone) -> str | None:
        call = phone.call
        if call is None:
            return None
        on = not call.direction
        if not call.hold(on):
            return None
        return "holds" if on else "retrieves"


class Leave(OfPhone):
    """
    A telephone is switched off in order, and on again after a while.
    """

    def act(self, world: World, phone: Telephone) -> str | None:
        if not phone.wanted:
            return None
        phone.leave()
        seconds = 1 + 20 * self.amount
        life = phone.life

        def back() -> None:
            if phone.running and phone.life == life and not world.ending:
                phone.comeBack()

        world.clock.callLater(seconds, back)
        return f"unregisters, and comes back after {seconds:.1f} s"


class Move(OfPhone):
    """
    A telephone registers with another SIP Proxy.
    """

    weight = 2

    def act(self, world: World, phone: Telephone) -> str | None:
        if not phone.wanted:
            return None
        phone.moveTo(self.other)
        return f"registers through {phone.proxies[0]}"


class OfClient(Operation):
    """
    Something that a T-Library client asks for.
    """

    def do(self, world: World) -> str | None:
        client = self.pick(world, Client, self.who)
        if client is None:
            return None
        dn = world.numbers[self.other % len(world.numbers)]
        done = self.act(world, client, dn)
        return None if done is None else f"{client.name} {done}"

    def act(self, world: World, client: Client, dn: str) -> str | None:
        """
        Do it.

        @return: what was done; L{None}: it could not be.
        """
        raise NotImplementedError


class MakeCall(OfClient):
    """
    A client calls a DN from another one.
    """

    weight = 4

    def act(self, world: World, client: Client, dn: str) -> str | None:
        others = [number for number in world.numbers if number != dn]
        other = others[int(self.amount * len(others))]
        return f"calls {other} from {dn}" if client.makeCall(dn, other) else None


class Control(OfClient):
    """
    A client asks something of a call that it sees: answer, hold, retrieve, release,
    attach data.
    """

    weight = 8

    def act(self, world: World, client: Client, dn: str) -> str | None:
        busy = [one for one, calls in sorted(client.seen.calls.items()) if calls]
        if not busy:
            return None
        dn = busy[self.other % len(busy)]
        what = int(self.amount * CONTROLS)
        done = client.control(what, dn, self.other)
        return f"asks {what} of the call of {dn}" if done else None


class Agent(OfClient):
    """
    An agent logs in or out, or changes its state.
    """

    weight = 5

    def act(self, world: World, client: Client, dn: str) -> str | None:
        agent = f"agent{self.who % 3}"
        what = int(self.amount * AGENTS)
        done = client.agent(what, dn, agent)
        return f"asks {what} for {agent} at {dn}" if done else None


#: Those that are drawn from.
OPERATIONS: tuple[type[Operation], ...] = (
    Dial,
    HangUp,
    Hold,
    Leave,
    Move,
    MakeCall,
    Control,
    Agent,
)
