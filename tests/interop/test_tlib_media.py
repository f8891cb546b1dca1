"""
What telephones hear when T-Library clients make, hold and retrieve their calls and
send digits.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from sipcluster.tlib import messages
from sipcluster.tlib.messages import Message
from tests.interop.baresip import Baresip, after
from tests.interop.shared import reactor
from tests.interop.sound import RATE, Ear, share
from tests.interop.status import until
from tests.interop.test_tlib import TONES, ScenarioTestCase, configured
from tests.scenarios.table import NUMBERS


def byEvents(toml: str) -> str:
    """
    B's telephone is sent digits as telephone events.
    """
    number = f'number = "{NUMBERS["B"]}"\n'
    toml = configured()(toml)
    return toml.replace(number, f'{number}dtmf-method = "rfc4733"\n')


class MediaTestCase(ScenarioTestCase):
    """
    A and B are baresip, and each has a client.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        for letter in "AB":
            await self.startPhone(letter)
        for letter in "AB":
            await self.registered(letter)
        await self.inService()
        await self.connect()
        self.a, self.b = self.phones["A"], self.phones["B"]

    async def ask(self, letter: str, request: Message, answer: type[Message]) -> Any:
        """
        Let a DN's client ask for something, and wait for the answer.
        """
        client = self.clients[letter]
        reference = client.request(request)

        def answered() -> Any:
            for one in client.got:
                if one.reference == reference:
                    return one
            return None

        got = await until(reactor, answered, 10.0, f"{request}: {client.got}", 0.02)
        self.assertIsInstance(got.message, answer)
        client.take()
        return got.message

    async def made(self) -> dict[str, Any]:
        """
        A's client makes a call; both telephones answer.

        @return: what names B's party.
        """
        asking = self.ask(
            "A",
            messages.RequestMakeCall(thisDN=NUMBERS["A"], otherDN=NUMBERS["B"]),
            messages.EventDialing,
        )
        dialing = Deferred.fromCoroutine(asking)
        for phone in (self.a, self.b):
            await phone.told(reactor, "CALL_INCOMING")
            phone.say("accept")
        event = await dialing
        for phone in (self.a, self.b):
            await phone.told(reactor, "CALL_ESTABLISHED")
        return {"thisDN": NUMBERS["B"], "connID": event.connID}

    async def hung(self) -> None:
        """
        A hangs up.
        """
        self.a.say("hangup")
        for phone in (self.a, self.b):
            await phone.told(reactor, "CALL_CLOSED")

    async def silence(self, *phones: Baresip) -> None:
        """
        Nothing arrives at telephones for a while.
        """
        for phone in phones:
            with Ear.at(phone.namespace, phone.address) as ear:
                await until(reactor, after(3), 2.0, "the last packets", 0.1)
                ear.heard()
                await until(reactor, after(6), 2.0, "a little time", 0.1)
                self.assertEqual(ear.heard(), [], f"{phone.number} hears something")

    async def sound(self, phone: Baresip, letter: str) -> None:
        """
        A tone arrives at a telephone.
        """
        with Ear.at(phone.namespace, phone.address) as ear:
            heard: list[int] = []

            def enough() -> bool:
                heard.extend(ear.heard())
                return len(heard) > RATE

            await until(reactor, enough, 5.0, f"{phone.number} hears {letter}")
        self.assertGreater(share(heard[-RATE // 2 :], TONES[letter]), 0.9)


class SpeechTests(MediaTestCase):
    """
    Speech.
    """

    async def test_madeByRequest(self) -> None:
        """
        In a call that was made by request each hears the other one.
        """
        await self.made()
        await self.sound(self.a, "B")
        await self.sound(self.b, "A")
        await self.hung()

    async def test_heldByRequest(self) -> None:
        """
        While a call is held by request nobody hears anything; once it is
        retrieved both do.
        """
        party = await self.made()
        for _ in range(2):
            await self.ask("B", messages.RequestHoldCall(**party), messages.EventHeld)
            await self.silence(self.a, self.b)
            await self.ask(
                "B", messages.RequestRetrieveCall(**party), messages.EventRetrieved
            )
            await self.sound(self.a, "B")
            await self.sound(self.b, "A")
        await self.hung()

    async def test_heldByTelephoneAndByRequest(self) -> None:
        """
        A call that the other telephone holds meanwhile stays held until both are
        back.
        """
        party = await self.made()
        await self.ask("B", messages.RequestHoldCall(**party), messages.EventHeld)
        self.clients["A"].take()
        self.a.say("hold")
        await self.clients["A"].told(reactor, messages.EventHeld)
        await self.ask(
            "B", messages.RequestRetrieveCall(**party), messages.EventRetrieved
        )
        await self.silence(self.b)
        self.a.say("resume")
        await self.clients["A"].told(reactor, messages.EventRetrieved)
        await self.sound(self.a, "B")
        await self.sound(self.b, "A")
        await self.hung()


class DigitTestCase(MediaTestCase):
    """
    Digits that A's client sends.
    """

    async def digits(self) -> None:
        """
        B's telephone gets them, in order, and both hear each other after.
        """
        party = await self.made()
        self.b.forget()
        await self.ask(
            "A",
            messages.RequestSendDTMF(
                thisDN=NUMBERS["A"], connID=party["connID"], dtmfDigits="159#"
            ),
            messages.EventDTMFSent,
        )
        await until(
            reactor, lambda: len(self.b.seen("CALL_DTMF_START")) >= 4, 5.0, "digits"
        )
        found = [event["param"] for event in self.b.seen("CALL_DTMF_START")]
        self.assertEqual(found, list("159#"))
        await self.sound(self.a, "B")
        await self.sound(self.b, "A")
        await self.hung()


class InfoTests(DigitTestCase):
    """
    By INFO.
    """

    async def test_digits(self) -> None:
        """
        They arrive.
        """
        await self.digits()


class TelephoneEventTests(DigitTestCase):
    """
    As telephone events (RFC 4733).
    """

    change = staticmethod(byEvents)

    # Its jitter buffer takes packets of another source for late ones when their
    # sequence numbers happen to be lower.
    phoneSettings = "jitter_buffer_delay 0-0\n"

    async def test_digits(self) -> None:
        """
        They arrive.
        """
        await self.digits()
