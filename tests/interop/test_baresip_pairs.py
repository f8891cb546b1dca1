"""
Two real telephones on a cluster whose nodes are pairs, of which primaries are killed.
"""

from __future__ import annotations

import json
import os
import signal
from typing import ClassVar

from tests.interop.baresip import after
from tests.interop.shared import reactor
from tests.interop.status import fetch, until
from tests.interop.test_baresip import TONES, BaresipTestCase

#: The members of each pair of the lab.
PAIRS = {"node1": ("node1a", "node1b"), "node2": ("node2a", "node2b")}


class PairTestCase(BaresipTestCase):
    """
    The telephones use UDP, at different proxies.
    """

    base = "10.9.9"
    paired = True
    outbound: ClassVar[dict[str, str]] = {
        "1001": "sip:10.9.9.11",
        "1002": "sip:10.9.9.12",
    }

    def primary(self, pair: str) -> str:
        """
        The member of a pair that serves; C{""}: none does.
        """
        for name in PAIRS[pair]:
            if self.cluster.status(name).get("pair", {}).get("role") == "primary":
                return name
        return ""

    def carries(self) -> str:
        """
        The pair that has a call.
        """
        for pair in PAIRS:
            name = self.primary(pair)
            if name and self.cluster.status(name).get("calls"):
                return pair
        raise AssertionError("no pair has a call")

    async def whole(self) -> None:
        """
        Wait until each pair has a primary and a backup that has everything.
        """

        def isWhole() -> bool:
            for members in PAIRS.values():
                found = [self.cluster.status(one).get("pair", {}) for one in members]
                roles = sorted(str(one.get("role")) for one in found)
                if roles != ["backup", "primary"] or not all(
                    one.get("inSync") for one in found
                ):
                    return False
            return True

        await until(reactor, isWhole, 20.0, "both pairs are whole", 0.1)

    async def killed(self) -> None:
        """
        The primary that has the call is killed, and the other member serves.
        """
        await self.whole()
        pair = self.carries()
        name = self.primary(pair)
        address = self.cluster.address(name)
        _, body = fetch(self.cluster.namespace, address, "/health/ready")
        os.kill(json.loads(body)["pid"], signal.SIGKILL)
        await until(
            reactor,
            lambda: self.primary(pair) not in ("", name),
            10.0,
            "the other member serves",
            0.05,
        )


class PairTests(PairTestCase):
    """
    Two telephones have a call.
    """

    async def test_talking(self) -> None:
        """
        Two telephones talk, the primary is killed, and they go on: each hears the
        other, holds and resumes, and hangs up.
        """
        await self.called(self.one, self.two)
        await self.killed()
        await self.one.hears(reactor, TONES["1002"])
        await self.two.hears(reactor, TONES["1001"])
        await self.held(self.one, self.two)
        await self.hungUp(self.two, self.one)

    async def test_ringing(self) -> None:
        """
        A telephone rings, the primary is killed, and it is answered; another is
        cancelled.
        """
        for answers in (True, False):
            for phone in (self.one, self.two):
                phone.forget()
            self.one.say("dial", "sip:1002@lab.example")
            await self.two.told(reactor, "CALL_INCOMING")
            await self.one.told(reactor, "CALL_RINGING")
            await until(reactor, after(1), 2.0, "it rings for a while", 0.1)
            await self.killed()
            if answers:
                self.two.say("accept")
                for phone in (self.one, self.two):
                    await phone.told(reactor, "CALL_ESTABLISHED")
                await self.one.hears(reactor, TONES["1002"])
                await self.two.hears(reactor, TONES["1001"])
            self.one.say("hangup")
            for phone in (self.one, self.two):
                await phone.told(reactor, "CALL_CLOSED")
