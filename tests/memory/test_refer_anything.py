"""
Whatever telephones transfer, take over and pick up, while people and programs do
whatever they like: nothing breaks, who is connected hears the other one, and nothing is
left.
"""

from __future__ import annotations

from tests.memory import test_transfers_anything
from tests.memory.conversations import Line, replacing
from tests.memory.nodes import DOMAIN
from tests.memory.test_replaces import speaksOf


class AnythingTests(test_transfers_anything.AnythingTests):
    """
    Runs by chance, each of which is told by its seed.
    """

    def person(self) -> None:
        """
        Somebody does something at a telephone.
        """
        chance = self.chance.random()
        talking = [line for line in self.lines if line.talks and line.phone.dialog]
        if chance < 0.2 and talking:
            self.refers(self.chance.choice(talking), talking)
        elif chance < 0.3:
            self.replaces()
        else:
            super().person()

    def refers(self, line: Line, talking: list[Line]) -> None:
        """
        A telephone transfers.
        """
        if self.chance.random() < 0.5:
            others = [one for one in talking if one.phone.number == line.phone.number]
            other = self.chance.choice(
                others if self.chance.random() < 0.9 else talking
            )
            line.refer(replacing(other).encode())
        else:
            number = self.chance.choice((*self.numbers, "77"))
            line.refer(f"<sip:{number}@{DOMAIN}>".encode())

    def replaces(self) -> None:
        """
        A telephone takes the place of another one.
        """
        legs = [
            leg
            for call in self.controller.calls.values()
            for leg in call.telephones
            if leg.dialog is not None
        ]
        if legs:
            leg = self.chance.choice(legs)
            line = self.desks[self.chance.choice("ABC")].newLine()
            fields = [(b"Replaces", speaksOf(leg))]
            request = line.phone.request(b"INVITE", "1002", fields, line.description())
            line.begins(request)
