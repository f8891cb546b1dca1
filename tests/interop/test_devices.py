"""
Real telephones and what a node does with them besides calls: registrations as it
sees them, message waiting, digits, call forwarding.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from sipcluster.tlib import messages
from sipcluster.tlib.enums import ForwardMode
from tests.interop.baresip import Baresip
from tests.interop.shared import ClusterTestCase, lacking, reactor
from tests.interop.sound import RATE, Ear, share
from tests.interop.status import until
from tests.interop.tlib_client import TLibClient

BASE = "10.9.7"

#: What each telephone plays, in hertz; the first proxy is for odd numbers.
TONES = {"1001": 440, "1002": 600, "1003": 700}
HOSTS = {"1001": 101, "1002": 102, "1003": 103}


def configured(toml: str) -> str:
    """
    The lab's configuration, in which one telephone is sent telephone events, and
    one is asked all the time.
    """
    for number, options in (
        ("1002", 'dtmf-method = "rfc4733"\n'),
        ("1003", "oos-check = 1\noos-force = 2\n"),
    ):
        line = f'[[extension]]\nnumber = "{number}"\n'
        assert line in toml
        toml = toml.replace(line, line + options)
    return toml


class DevicesTests(ClusterTestCase):
    """
    Telephones that are baresip, one node, two SIP Proxies.

    @ivar client: at the TCport of the node, where it has registered their DNs.
    """

    programs = ("baresip",)
    base = BASE
    hosts = tuple(HOSTS.values())
    change = staticmethod(configured)

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        for module in ("ctrl_tcp", "mwi"):
            if not Path(f"/usr/lib/baresip/modules/{module}.so").exists():
                lacking(f"baresip has no {module} module here")
        # Each node knows its own calls only: there is one.
        if "node2" in self.cluster.programs:
            await self.cluster.programs.pop("node2").stop(reactor)
        await until(
            reactor,
            lambda: all(
                self.cluster.servedBy(proxy) == {"node1"}
                for proxy in ("proxy1", "proxy2")
            ),
            10.0,
            "one node is in service",
        )
        self.client = await TLibClient.open(
            reactor,
            self.cluster.namespace,
            self.cluster.address("node1"),
            3001,
            dns=list(TONES),
        )
        self.addCleanup(self.client.leave)
        self.client.take()

    async def phone(self, number: str, waits: bool = True, **more: Any) -> Baresip:
        """
        Start a telephone, and wait until its DN is in service.
        """
        phone = await Baresip.start(
            reactor,
            number,
            f"{self.base}.{HOSTS[number]}",
            self.bridge.phones[list(HOSTS).index(number)],
            self.work / number,
            f"sip:{self.base}.{11 if number in ('1001', '1003') else 12}",
            TONES[number],
            **more,
        )
        self.addCleanup(self.end, phone)
        if waits:
            event = await self.told(messages.EventDNBackInService)
            self.assertEqual(event.thisDN, number)
        return phone

    async def end(self, phone: Baresip) -> None:
        """
        End a telephone; it takes its binding back.
        """
        if phone.program.running:
            await phone.stop(reactor)
        shutil.rmtree(self.work / phone.number, ignore_errors=True)

    async def told(self, kind: Any, seconds: float = 10.0) -> Any:
        """
        Wait for a T-Event.
        """
        return await self.client.told(reactor, kind, seconds)

    async def ask(self, request: Any, answer: Any) -> Any:
        """
        Ask for something, and wait for the event that says it is done.
        """
        self.client.request(request)
        return await self.told(answer)

    async def talk(self, caller: Baresip, callee: Baresip) -> str:
        """
        One telephone calls the other, and is answered.

        @return: the ConnID.
        """
        caller.say("dial", f"sip:{callee.number}@lab.example")
        await callee.told(reactor, "CALL_INCOMING")
        callee.say("accept")
        for phone in (caller, callee):
            await phone.told(reactor, "CALL_ESTABLISHED")
        event = await self.told(messages.EventEstablished)
        connID: str = event.connID
        await caller.hears(reactor, TONES[callee.number])
        self.client.take()
        return connID

    async def shows(self, phone: Baresip, state: str) -> None:
        """
        Wait until a telephone has written what the last NOTIFY said.
        """
        account = f"Message-Account: sip:{phone.number}@lab.example"

        def isShown() -> bool:
            _, _, last = phone.program.said().rpartition("----- MWI")
            return f"Messages-Waiting: {state}" in last and account in last

        await until(reactor, isShown, 5.0, f"messages waiting: {state}")

    async def hears(self, phone: Baresip, frequency: int) -> None:
        """
        Wait until a tone, and nothing else, arrives at a telephone.  What it has
        written of its call ends with the first change of the session.
        """
        with Ear.at(phone.namespace, phone.address) as ear:
            sound: list[int] = []

            def long() -> bool:
                sound.extend(ear.heard())
                return len(sound) > RATE

            await until(reactor, long, 5.0, f"sound at {phone.number}")
        self.assertGreater(share(sound[-RATE // 2 :], frequency), 0.9)

    async def test_registrations(self) -> None:
        """
        A DN is in service while its telephone is registered, whichever SIP Proxy
        it uses.
        """
        for number in ("1001", "1002"):
            phone = await self.phone(number)
            await phone.stop(reactor)
            event = await self.told(messages.EventDNOutOfService)
            self.assertEqual(event.thisDN, number)

    async def test_options(self) -> None:
        """
        A telephone that is asked by OPTIONS and does not answer is out of service
        long before its registration ends, and in service when it answers again.
        """
        phone = await self.phone("1003")
        phone.program.process.send_signal(19)
        event = await self.told(messages.EventDNOutOfService)
        self.assertEqual(event.thisDN, "1003")
        phone.program.process.send_signal(18)
        await self.told(messages.EventDNBackInService)

    async def test_messageWaiting(self) -> None:
        """
        A telephone that has subscribed shows that there are messages, and that
        there are none any more, through either SIP Proxy.
        """
        for number in ("1001", "1002"):
            phone = await self.phone(number, account=";mwi=yes", modules=["mwi"])
            await self.shows(phone, "no")
            for request, event, state in (
                (
                    messages.RequestSetMessageWaitingOn,
                    messages.EventMessageWaitingOn,
                    "yes",
                ),
                (
                    messages.RequestSetMessageWaitingOff,
                    messages.EventMessageWaitingOff,
                    "no",
                ),
            ):
                await self.ask(request(thisDN=number), event)
                await self.shows(phone, state)

    async def test_digits(self) -> None:
        """
        Digits reach the one telephone by INFO and the other one as telephone
        events; both are heard as before afterwards.
        """
        one, two = await self.phone("1001"), await self.phone("1002")
        connID = await self.talk(one, two)
        for sender, receiver in ((one, two), (two, one)):
            receiver.forget()
            await self.ask(
                messages.RequestSendDTMF(
                    thisDN=sender.number, connID=connID, dtmfDigits="12#0*9"
                ),
                messages.EventDTMFSent,
            )
            pressed: list[str] = []

            def all_(phone: Baresip = receiver, pressed: list[str] = pressed) -> bool:
                pressed[:] = [
                    str(event["param"]) for event in phone.seen("CALL_DTMF_START")
                ]
                return len(pressed) >= 6

            try:
                await until(reactor, all_, 5.0, "all digits")
            except AssertionError as e:
                raise AssertionError(f"{e}: {receiver.events}") from None
            self.assertEqual("".join(pressed), "12#0*9")
            await self.hears(one, TONES["1002"])
            await self.hears(two, TONES["1001"])
        one.say("hangup")
        await two.told(reactor, "CALL_CLOSED")

    async def test_forwarded(self) -> None:
        """
        A call is forwarded at once, or when the telephone that it was for is busy;
        one to a DN that is not to be disturbed finds it busy.
        """
        one, two = await self.phone("1001"), await self.phone("1002")
        three = await self.phone("1003")
        await self.ask(
            messages.RequestCallForwardSet(
                thisDN="1002",
                otherDN="1003",
                forwardMode=ForwardMode.UNCONDITIONAL,
            ),
            messages.EventForwardSet,
        )
        one.say("dial", "sip:1002@lab.example")
        await three.told(reactor, "CALL_INCOMING")
        self.assertEqual(two.seen("CALL_INCOMING"), [])
        three.say("accept")
        await one.told(reactor, "CALL_ESTABLISHED")
        one.say("hangup")
        await three.told(reactor, "CALL_CLOSED")
        for phone in (one, two, three):
            phone.forget()
        await self.ask(
            messages.RequestCallForwardSet(
                thisDN="1002", otherDN="1003", forwardMode=ForwardMode.ON_BUSY
            ),
            messages.EventForwardSet,
        )
        one.say("dial", "sip:1002@lab.example")
        await two.told(reactor, "CALL_INCOMING")
        two.say("hangup")
        await three.told(reactor, "CALL_INCOMING")
        three.say("accept")
        await one.told(reactor, "CALL_ESTABLISHED")
        await one.hears(reactor, TONES["1003"])
        one.say("hangup")
        await three.told(reactor, "CALL_CLOSED")
        await self.ask(
            messages.RequestCallForwardCancel(thisDN="1002"),
            messages.EventForwardCancel,
        )
        for phone in (one, two):
            phone.forget()
        await self.ask(messages.RequestSetDNDOn(thisDN="1002"), messages.EventDNDOn)
        one.say("dial", "sip:1002@lab.example")
        closed = await one.told(reactor, "CALL_CLOSED")
        self.assertIn("486", str(closed))
        self.assertEqual(two.seen("CALL_INCOMING"), [])
        await self.ask(messages.RequestSetDNDOff(thisDN="1002"), messages.EventDNDOff)
