"""
The network of a simulated world: late, lossy, and sometimes cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import define

from sipcluster.testing.memory_sockets import Address
from sipcluster.testing.network import MemoryNetwork
from sipcluster.testing.simulation.chance import Chance
from sipcluster.testing.simulation.clock import WorldClock
from sipcluster.testing.simulation.story import Story

if TYPE_CHECKING:
    from sipcluster.testing.simulation.processes import Process


@define
class Weather:
    """
    What chance does to each message.

    @ivar delay: seconds that every message takes at least.
    @ivar jitter: seconds that may be added.
    @ivar loss: share of the datagrams that are lost.
    @ivar twice: share of those that arrive twice.
    @ivar late: share of those that arrive up to C{lateness} seconds later, after
        those that were sent after them.
    """

    delay: float = 0.001
    jitter: float = 0.004
    loss: float = 0.0
    twice: float = 0.0
    late: float = 0.0
    lateness: float = 0.6

    def calm(self) -> None:
        """
        Nothing is lost, doubled or late any more.
        """
        self.loss = self.twice = self.late = 0.0


class SimulatedNetwork(MemoryNetwork):
    """
    Carries messages between processes, each of which is a host.

    @ivar weather: what happens to messages.
    @ivar processes: by their hosts.
    """

    def __init__(self, clock: WorldClock, chance: Chance, story: Story) -> None:
        self.weather = Weather()
        self.processes: dict[str, Process] = {}
        self._chance = chance
        self._story = story
        self._cuts: dict[int, tuple[frozenset[str], frozenset[str]]] = {}
        self._number = 0
        super().__init__(clock)

    @property
    def delay(self) -> float:
        """
        Seconds from write to arrival.
        """
        return self.weather.delay + self._chance.random() * self.weather.jitter

    @delay.setter
    def delay(self, delay: float) -> None:
        self.weather.delay = delay

    # Cuts.

    def cut(self, sources: frozenset[str], targets: frozenset[str]) -> int:
        """
        Lose whatever some hosts send to some others; the other way it arrives.

        @return: what L{mend} wants.
        """
        self._number += 1
        self._cuts[self._number] = (sources, targets)
        return self._number

    def mend(self, number: int) -> None:
        """
        End a cut.
        """
        self._cuts.pop(number, None)

    def heal(self) -> None:
        """
        End all cuts.
        """
        self._cuts.clear()
        super().heal()

    def reaches(self, source: str, destination: str) -> bool:
        """
        Whether anything arrives now.
        """
        for sources, targets in self._cuts.values():
            if source in sources and destination in targets:
                return False
        return super().reaches(source, destination)

    # Carrying.

    def carry(self, data: bytes, source: Address, destination: Address) -> None:
        """
        Take one datagram.
        """
        chance, weather = self._chance, self.weather
        fate = ""
        if not self.reaches(source[0], destination[0]):
            fate = " (cut off)"
        elif chance.happens(weather.loss):
            fate = " (lost)"
        times = 0 if fate else 1
        if times and chance.happens(weather.twice):
            times, fate = 2, " (twice)"
        self.told(data, source[0], destination[0], fate)
        for _ in range(times):
            delay = self.delay
            if chance.happens(weather.late):
                delay += chance.random() * weather.lateness
            self.clock.callLater(delay, self._arrive, data, source, destination)

    def _arrive(self, data: bytes, source: Address, destination: Address) -> None:
        self._when(destination[0], super()._arrive, data, source, destination)

    def _unreachable(self, source: Address, destination: Address) -> None:
        self._when(source[0], super()._unreachable, source, destination)

    def happens(self, host: str, call: Callable[..., object], *args: object) -> None:
        """
        Something reaches a process: now, when it goes on, or never.
        """
        process = self.processes.get(host)
        if process is None or process.running:
            self._when(host, call, *args)

    def _when(self, host: str, call: Callable[..., object], *args: object) -> None:
        process = self.processes.get(host)
        if process is not None and process.frozen:
            process.backlog.append((call, args))
        else:
            call(*args)

    def told(self, data: bytes, source: str, destination: str, fate: str) -> None:
        """
        Write a message into the story.
        """
        method = _after(data, b"\r\nCSeq: ", b"\r\n")
        if method.endswith("OPTIONS"):
            return  # there is too much of it
        first = data[: data.find(b"\r\n")].decode("utf-8", "replace")
        call = _after(data, b"\r\nCall-ID: ", b"\r\n")
        if first.startswith("SIP/2.0"):
            first = f"{first[8:]} ({method})"
        first = f"{first} [{_after(data, b'branch=z9hG4bK', b';')[:6]}]"
        self._story.tell(
            self.clock.seconds(),
            "sends",
            self._name(source),
            f"{first}{fate}",
            self._name(destination),
            call,
        )

    def _name(self, host: str) -> str:
        process = self.processes.get(host)
        return host if process is None else process.name


def _after(data: bytes, mark: bytes, end: bytes) -> str:
    """
    What stands between two marks; empty when they are not there.
    """
    at = data.find(mark)
    if at < 0:
        return ""
    start = at + len(mark)
    return data[start : data.find(end, start)].decode("utf-8", "replace")
