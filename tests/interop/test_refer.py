"""
Real telephones transfer: baresip sends a call to somebody, linphone connects two calls.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.interop.baresip import Baresip
from tests.interop.linphone import Linphone
from tests.interop.shared import ClusterTestCase, lacking, reactor
from tests.interop.sound import RATE, Ear, share
from tests.interop.status import until

BASE = "10.9.6"

#: What each telephone plays, in hertz; the first proxy is for odd numbers.
TONES = {"1001": 440, "1002": 600, "1003": 700}
HOSTS = {"1001": 101, "1002": 102, "1003": 103}


class ReferTestCase(ClusterTestCase):
    """
    Three telephones at two SIP Proxies.
    """

    programs: Iterable[str] = ("baresip",)
    base = BASE
    hosts = tuple(HOSTS.values())

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        if not Path("/usr/lib/baresip/modules/ctrl_tcp.so").exists():
            lacking("baresip has no ctrl_tcp module here")

    def outbound(self, number: str) -> str:
        """
        The SIP Proxy that a telephone uses.
        """
        return f"sip:{self.base}.{12 if number == '1002' else 11}"

    async def phone(self, number: str) -> Baresip:
        """
        Start a telephone, and wait until it is registered.
        """
        phone = await Baresip.start(
            reactor,
            number,
            f"{self.base}.{HOSTS[number]}",
            self.bridge.phones[list(HOSTS).index(number)],
            self.work / number,
            self.outbound(number),
            TONES[number],
        )
        self.addCleanup(self.end, phone)
        await self.registered(number)
        return phone

    async def end(self, phone: Baresip) -> None:
        """
        End a telephone; it takes its binding back.
        """
        await phone.stop(reactor)
        shutil.rmtree(self.work / phone.number, ignore_errors=True)

    async def registered(self, number: str) -> None:
        """
        Wait until both proxies know a telephone.
        """
        await until(
            reactor,
            lambda: all(
                len(self.cluster.registered(proxy, number)) == 1
                for proxy in ("proxy1", "proxy2")
            ),
            15.0,
            f"{number} is registered",
            0.05,
        )

    async def takes(self, phone: Baresip) -> None:
        """
        A telephone is called, and answers.
        """
        await phone.told(reactor, "CALL_INCOMING")
        phone.say("accept")
        await phone.told(reactor, "CALL_ESTABLISHED")

    async def talk(self, one: Baresip, other: Baresip) -> None:
        """
        Two telephones hear each other.
        """
        await one.hears(reactor, TONES[other.number])
        await other.hears(reactor, TONES[one.number])

    async def over(self, *phones: Baresip) -> None:
        """
        The first one hangs up, and all have no call any more; nor have the nodes.
        """
        phones[0].say("hangup")
        for phone in phones:
            await phone.told(reactor, "CALL_CLOSED")
        await until(reactor, self.noCall, 5.0, "no call is left")

    def noCall(self) -> bool:
        """
        Whether no node has a call.
        """
        return not any("calls" in left for left in self.cluster.leftovers().values())


class BlindTests(ReferTestCase):
    """
    Telephones that are baresip.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.one, self.two, self.three = [await self.phone(dn) for dn in TONES]
        self.one.say("dial", "sip:1002@lab.example")
        await self.takes(self.two)
        await self.talk(self.one, self.two)
        self.two.forget()

    async def test_answered(self) -> None:
        """
        The second one sends the call to the third, is told that it is answered, and
        is out; the others talk.
        """
        self.two.say("transfer", "sip:1003@lab.example")
        await self.takes(self.three)
        await self.two.told(reactor, "CALL_CLOSED")
        await self.talk(self.one, self.three)
        await self.over(self.one, self.three)

    async def test_declined(self) -> None:
        """
        When the third one does not take it, the second is told so; baresip 1.0 hangs
        up then.
        """
        self.two.say("transfer", "sip:1003@lab.example")
        await self.three.told(reactor, "CALL_INCOMING")
        self.three.say("hangup")
        failed: Any = await self.two.told(reactor, "TRANSFER_FAILED")
        self.assertIn("486", str(failed))
        await self.one.told(reactor, "CALL_CLOSED")
        await until(reactor, self.noCall, 5.0, "no call is left")


class AttendedTests(ReferTestCase):
    """
    A telephone that is linphone between two that are baresip.
    """

    programs = ("baresip", "linphonec")

    async def test_twoCalls(self) -> None:
        """
        It is called, holds, calls somebody else, and connects the two.
        """
        one, three = await self.phone("1001"), await self.phone("1003")
        folder = self.work / "1002"
        two = Linphone.start(
            "1002",
            self.bridge.phones[1],
            folder,
            self.outbound("1002"),
            self.cluster.files.authority,
        )
        self.addCleanup(two.stop, reactor)
        await self.registered("1002")
        one.say("dial", "sip:1002@lab.example")
        await two.told(reactor, "Receiving new incoming call from")
        two.say("answer")
        await one.told(reactor, "CALL_ESTABLISHED")
        two.say("pause")
        await two.told(reactor, "paused")
        two.say("call sip:1003@lab.example")
        await self.takes(three)
        await two.told(reactor, "connected")
        two.say("transfer 1 --to-call 2")
        await two.told(reactor, "ended")
        # baresip 1.0 ends its own record of a call when that is held.
        for phone, other in ((one, three), (three, one)):
            with Ear.at(phone.namespace, phone.address) as ear:
                sound: list[int] = []

                def enough(ear: Ear = ear, sound: list[int] = sound) -> bool:
                    sound.extend(ear.heard())
                    return len(sound) > RATE

                await until(reactor, enough, 5.0, f"{phone.number} hears somebody")
            heard = share(sound[-RATE // 2 :], TONES[other.number])
            self.assertGreater(heard, 0.9, phone.number)
        await self.over(one, three)
