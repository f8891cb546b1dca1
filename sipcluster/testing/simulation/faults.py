"""
What goes wrong in a simulated world: one class each.  Every fault ends by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipcluster.testing.simulation.operations import Operation
from sipcluster.testing.simulation.processes import Process
from sipcluster.testing.simulation.servers import Server

if TYPE_CHECKING:
    from sipcluster.testing.simulation.world import World


class Fault(Operation):
    """
    Something goes wrong for some seconds.
    """

    #: The shortest and the longest time.
    lasts = (0.5, 20.0)

    @property
    def seconds(self) -> float:
        """
        How long it lasts; short ones more often.
        """
        low, high = self.lasts
        return round(low + (high - low) * self.amount**2, 3)


class Crash(Fault):
    """
    A process is killed, and started again.
    """

    weight = 3

    def do(self, world: World) -> str | None:
        process = self.pick(world, Process, self.who)
        if process is None:
            return None
        process.kill()

        def again() -> None:
            if not process.running:
                world.tell("does", process.name, "starts again")
                process.start()

        world.clock.callLater(self.seconds, again)
        return f"{process.name} is killed, for {self.seconds} s"


class Freeze(Fault):
    """
    A process stands still for a while.
    """

    weight = 3
    lasts = (0.1, 15.0)

    def do(self, world: World) -> str | None:
        process = self.pick(world, Process, self.who)
        if process is None:
            return None
        process.freeze()
        life = process.life

        def on() -> None:
            if process.running and process.life == life and process.frozen:
                world.tell("does", process.name, "goes on")
                process.thaw()

        world.clock.callLater(self.seconds, on)
        return f"{process.name} stands still for {self.seconds} s"


class Cut(Fault):
    """
    Some hosts do not reach some others, one way or both ways.
    """

    weight = 3
    lasts = (0.5, 40.0)

    def do(self, world: World) -> str | None:
        hosts = [process.host for process in world.processes]
        names = {process.host: process.name for process in world.processes}
        if self.other % 3 == 0:  # two hosts
            one = frozenset([hosts[self.who % len(hosts)]])
            two = frozenset([hosts[self.other % len(hosts)]]) - one
        elif self.other % 3 == 1:  # one host and all others
            one = frozenset([hosts[self.who % len(hosts)]])
            two = frozenset(hosts) - one
        else:  # some and the others
            bits = (self.who * 7919 + self.other * 104729) >> 2
            one = frozenset(h for i, h in enumerate(hosts) if bits >> i & 1)
            two = frozenset(hosts) - one
        both = self.who % 2 == 0
        cuts = [world.network.cut(one, two)]
        if both:
            cuts.append(world.network.cut(two, one))

        def mend() -> None:
            world.tell("does", "network", "is whole again")
            for number in cuts:
                world.network.mend(number)

        world.clock.callLater(self.seconds, mend)
        way = "and back " if both else ""
        some = ", ".join(sorted(names[host] for host in one))
        others = ", ".join(sorted(names[host] for host in two))
        return f"{some} to {others} {way}is cut for {self.seconds} s"


class Storm(Fault):
    """
    Messages are lost, doubled, late and out of order.
    """

    weight = 3
    lasts = (1.0, 30.0)

    def do(self, world: World) -> str | None:
        weather = world.network.weather
        weather.loss = (0.02, 0.1, 0.3)[self.who % 3]
        weather.twice = (0.0, 0.1, 0.3)[self.other % 3]
        weather.late = (0.0, 0.1, 0.5)[(self.who + self.other) % 3]
        world.storms += 1
        storm = world.storms

        def calm() -> None:
            if world.storms == storm:
                world.tell("does", "network", "is calm")
                weather.calm()

        world.clock.callLater(self.seconds, calm)
        return (
            f"{weather.loss:.0%} lost, {weather.twice:.0%} twice, "
            f"{weather.late:.0%} late for {self.seconds} s"
        )


class SlowStore(Fault):
    """
    The cluster store is slow, or away, for one member or for all.
    """

    weight = 2
    lasts = (0.5, 30.0)

    def do(self, world: World) -> str | None:
        servers = [one for one in world.processes if isinstance(one, Server)]
        if self.other % 2:
            servers = [servers[self.who % len(servers)]]
        servers = [one for one in servers if one.running]
        away = self.who % 3 == 0
        stores = [one.store for one in servers]
        for store in stores:
            if away:
                store.away = True
            else:
                store.delay = 2.0 * self.amount

        def back() -> None:
            world.tell("does", "store", "is back")
            for one, store in zip(servers, stores, strict=True):
                store.delay = world.storeDelay
                if one.store is store and one.running:
                    store.comesBack()

        world.clock.callLater(self.seconds, back)
        names = ", ".join(one.name for one in servers)
        how = "away" if away else f"slow ({2.0 * self.amount:.2f} s)"
        return f"the store is {how} for {names}, for {self.seconds} s"


class ClockStep(Fault):
    """
    Somebody sets the time of a host, and it is corrected later.
    """

    lasts = (1.0, 40.0)

    def do(self, world: World) -> str | None:
        process = self.pick(world, Process, self.who)
        if process is None:
            return None
        seconds = (-3600.0, -20.0, -1.0, 0.7, 15.0)[self.other % 5]
        process.stepped = seconds

        def back() -> None:
            world.tell("does", process.name, "has the right time again")
            process.stepped = 0.0

        world.clock.callLater(self.seconds, back)
        return f"{process.name} has its clock set by {seconds:g} s"


#: Those that are drawn from.
FAULTS: tuple[type[Operation], ...] = (Crash, Freeze, Cut, Storm, SlowStore, ClockStep)
