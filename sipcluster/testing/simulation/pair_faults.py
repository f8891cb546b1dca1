"""
What goes wrong with pairs, and what is asked of them: one class each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipcluster.testing.simulation.faults import Fault
from sipcluster.testing.simulation.operations import Operation
from sipcluster.testing.simulation.pairs import Pair
from sipcluster.testing.simulation.servers import Server

if TYPE_CHECKING:
    from sipcluster.testing.simulation.world import World

#: Seconds after the end of what was wrong with a pair until all must be well again.
RECOVERS = 12.0

#: Seconds that a misfortune waits for its moment.
WAITS = 4.0


class OfPair(Fault):
    """
    Something happens to a pair.  In a gentle world the pair is well before, and there
    is time for it to be so again.
    """

    #: By how much the time in which it is not well may be longer.
    besides = 0.0

    def do(self, world: World) -> str | None:
        if not world.pairs:
            return None
        pair = world.pairs[self.other % len(world.pairs)]
        if world.gentle:
            if not (pair.whole and world.clock.seconds() >= world.wellAt):
                return None
            world.wellAt = world.clock.seconds() + self.seconds + RECOVERS
        return self.act(world, pair)

    def act(self, world: World, pair: Pair) -> str | None:
        """
        Do it.

        @return: what was done; L{None}: it could not be.
        """
        raise NotImplementedError

    def member(self, pair: Pair) -> Server:
        """
        The primary, or sometimes the backup.
        """
        primary = pair.primary or pair.members[self.who % 2]
        return primary if self.who % 4 else pair.other(primary)


class OfMember(OfPair):
    """
    Something happens to a member: most often to the primary, and then at a moment when
    it has just been told something, or is about to tell others.
    """

    def act(self, world: World, pair: Pair) -> str | None:
        server = self.member(pair)
        if not server.running or server.frozen:
            return None
        if server is not pair.primary:
            return self.strike(world, server, "not primary")
        if self.who % 3 == 0:
            return self.strike(world, server, "primary")
        over: list[bool] = []

        def strike() -> None:
            if over:
                return
            over.append(True)
            one = pair.primary
            if one is not None and one.running and not one.frozen:
                done = self.strike(world, one, "primary")
                world.tell("does", "world", f"{type(self).__name__}: {done}")

        count = 1 + self.who % 13
        pause = (0.0, 0.0, 0.0005, 0.002)[self.who % 4]
        pair.trap(count, lambda: world.clock.callLater(pause, strike))
        world.clock.callLater(WAITS, strike)
        world.wellAt += WAITS
        return f"{server.name} comes to grief after {count} more messages or events"

    def strike(self, world: World, server: Server, role: str) -> str:
        """
        Do it now.

        @return: what was done.
        """
        raise NotImplementedError


class KillMember(OfMember):
    """
    A member is killed, and started again.
    """

    weight = 3
    lasts = (0.2, 12.0)

    def strike(self, world: World, server: Server, role: str) -> str:
        server.kill()

        def again() -> None:
            if not server.running:
                world.tell("does", server.name, "starts again")
                server.start()

        world.clock.callLater(self.seconds, again)
        return f"{server.name} ({role}) is killed, for {self.seconds} s"


class FreezeMember(OfMember):
    """
    A member stands still for a while: often for longer than its lease.
    """

    weight = 3
    lasts = (0.2, 12.0)

    @property
    def seconds(self) -> float:
        """
        See L{Fault.seconds}.
        """
        low, high = self.lasts
        return round(low + (high - low) * self.amount, 3)

    def strike(self, world: World, server: Server, role: str) -> str:
        server.freeze()
        life = server.life

        def on() -> None:
            if server.running and server.life == life and server.frozen:
                world.tell("does", server.name, "goes on")
                server.thaw()

        world.clock.callLater(self.seconds, on)
        return f"{server.name} ({role}) stands still for {self.seconds} s"


class CutLink(OfPair):
    """
    The members do not reach each other, both ways or one way.
    """

    weight = 2
    lasts = (0.2, 40.0)

    def act(self, world: World, pair: Pair) -> str | None:
        one, two = (frozenset([server.host]) for server in pair.members)
        cuts = []
        if self.who % 3 != 1:
            cuts.append(world.network.cut(one, two))
        if self.who % 3 != 2:
            cuts.append(world.network.cut(two, one))

        def mend() -> None:
            world.tell("does", "network", f"members of {pair.name} meet again")
            for number in cuts:
                world.network.mend(number)

        world.clock.callLater(self.seconds, mend)
        way = ("both ways", "one way", "the other way")[self.who % 3]
        return f"the link of {pair.name} is cut {way} for {self.seconds} s"


class LoseArbiter(OfPair):
    """
    The arbiter is away for a member or both, or its answers are lost; the disk with
    the lock files is slow, full, read-only, or fails.
    """

    weight = 2
    lasts = (0.5, 30.0)

    def act(self, world: World, pair: Pair) -> str | None:
        if pair.arbiter == "lock-file":
            return self._disk(world, pair)
        servers = [self.member(pair)] if self.who % 2 else list(pair.members)
        servers = [one for one in servers if one.running]
        stores = [one.store for one in servers]
        deaf = self.other % 3 == 0
        for store in stores:
            if deaf:
                store.deaf = 0.3 + 0.7 * self.amount
            else:
                store.away = True

        def back() -> None:
            world.tell("does", "store", f"is back for {pair.name}")
            for one, store in zip(servers, stores, strict=True):
                store.deaf = 0.0
                if one.store is store and one.running:
                    store.comesBack()

        world.clock.callLater(self.seconds, back)
        how = "loses answers" if deaf else "is away"
        names = ", ".join(one.name for one in servers)
        return f"the store {how} for {names}, for {self.seconds} s"

    def _disk(self, world: World, pair: Pair) -> str | None:
        disk = pair.disk
        how = ("slow", "full", "read-only", "failing")[self.who % 4]
        if world.gentle and how in ("read-only", "failing"):
            how = "slow"  # else there is no arbiter on that host any more
        if how == "slow":
            disk.delay = self.amount * (0.3 if world.gentle else 4.0)
        elif how == "full":
            disk.files.full = True
        elif how == "read-only":
            disk.files.readOnly = True
        else:
            disk.broken = True

        def heal() -> None:
            world.tell("does", "disk", f"of {pair.name} is well again")
            disk.heal()

        world.clock.callLater(self.seconds, heal)
        return f"the disk of {pair.name} is {how} for {self.seconds} s"


class LoseBoth(OfPair):
    """
    The members reach neither each other nor, one of them, the arbiter.
    """

    lasts = (0.5, 30.0)

    def act(self, world: World, pair: Pair) -> str | None:
        if world.gentle:
            return None
        link = CutLink(self.at, self.who, self.other, self.amount)
        arbiter = LoseArbiter(self.at, self.who + 1, self.other, self.amount)
        return f"{link.act(world, pair)}, {arbiter.act(world, pair)}"


class Switchover(OfPair):
    """
    Somebody wants the other member to serve.
    """

    weight = 2
    lasts = (0.0, 0.0)

    def act(self, world: World, pair: Pair) -> str | None:
        server = pair.primary
        if server is None or server.frozen or not server.running:
            return None
        served = pair.of(server)
        assert served is not None

        def done(why: str) -> None:
            world.note(server.name, f"switchover: {why or 'done'}")
            if why and world.gentle:
                world.breaks(f"no switchover from {server.name}: {why}")

        served.switchover().addCallback(done)
        return f"{server.name} is told to give the role away"


class Restart(OfPair):
    """
    A member is stopped in order, and started again, as for an upgrade.
    """

    weight = 1
    lasts = (2.0, 10.0)

    def act(self, world: World, pair: Pair) -> str | None:
        server = self.member(pair)
        if not server.running or server.frozen:
            return None
        life = server.life
        stopped = server.stop()
        ended: list[object] = []
        if stopped is not None:
            stopped.addBoth(ended.append)

        def again() -> None:
            if server.running and server.life == life:
                if server.frozen:
                    world.clock.callLater(1.0, again)
                    return
                if not ended and world.gentle:
                    world.breaks(f"{server.name} does not stop")
                server.kill()
            if not server.running:
                world.tell("does", server.name, "starts again")
                server.start()

        world.clock.callLater(self.seconds, again)
        return f"{server.name} is stopped, and started after {self.seconds} s"


#: Those that are drawn from, besides others.
PAIR_FAULTS: tuple[type[Operation], ...] = (
    KillMember,
    FreezeMember,
    CutLink,
    LoseArbiter,
    LoseBoth,
    Switchover,
    Restart,
)
