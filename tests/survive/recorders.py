"""
T-Library clients of the pairs, as processes of their own.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

from tests.bench.processes import Program
from tests.interop.cluster import TOP
from tests.interop.status import until
from tests.survive.configuration import DNS, PAIRS, Shape
from tests.survive.hosts import Hosts, address
from tests.survive.streams import Stream, read

#: The clients of each pair: the name, and the T-Library port.
CLIENTS = (("default", 3000), ("tc", 3001), ("cut", 3001))


@define
class Recorders:
    """
    One process for each pair.
    """

    hosts: Hosts
    folder: Path
    shape: Shape
    programs: dict[str, Program] = field(factory=dict)

    async def start(self, reactor: IReactorTime) -> None:
        """
        Start them, and wait until each has registered everything.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for pair in self.shape.pairs:
            members = PAIRS[pair][: 2 if self.shape.backups else 1]
            clients = [
                f"{name}="
                + ",".join(f"tcp:{address(member)}:{port}" for member in members)
                for name, port in CLIENTS
            ]
            self.programs[pair] = Program.start(
                [
                    *(sys.executable, "-m", "tests.survive.recorder"),
                    *(str(self._file(pair)), *clients, "--", *map(str, DNS)),
                ],
                self.folder / f"{pair}.out",
                self.hosts["clients"],
                {"PYTHONPATH": str(TOP)},
            )
        for pair in self.shape.pairs:
            await until(
                reactor,
                partial(self._registered, pair),
                30.0,
                f"the T-Library clients of {pair} have registered",
                0.2,
            )

    def _file(self, pair: str) -> Path:
        return self.folder / f"{pair}.jsonl"

    def _registered(self, pair: str) -> bool:
        program = self.programs[pair]
        if not program.running:
            raise AssertionError(f"the recorder has ended: {program.said()}")
        file = self._file(pair)
        if not file.exists():
            return False
        count = file.read_text("utf-8").count('"name": "EventRegistered"')
        return count >= len(CLIENTS) * len(DNS)

    def size(self) -> int:
        """
        How much has been written down.
        """
        return sum(
            file.stat().st_size
            for pair in self.shape.pairs
            if (file := self._file(pair)).exists()
        )

    async def quiet(self, reactor: IReactorTime, seconds: float = 10.0) -> None:
        """
        Wait until nothing comes any more.
        """
        sizes: list[int] = []

        def still() -> bool:
            sizes.append(self.size())
            return len(sizes) > 4 and len(set(sizes[-5:])) == 1

        await until(reactor, still, seconds, "the T-Library clients hear no more", 0.25)

    async def stop(self, reactor: IReactorTime) -> None:
        """
        End them.
        """
        for program in self.programs.values():
            await program.stop(reactor)
        self.programs.clear()

    def streams(self, pair: str) -> dict[str, Stream]:
        """
        What the clients of a pair were told.
        """
        return read(self._file(pair)) if self._file(pair).exists() else {}
