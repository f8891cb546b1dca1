"""
What telephones hear of a media server: in a queue, in a menu, in a conference.
"""

from __future__ import annotations

from typing import Any

from sipcluster.tlib import messages
from sipcluster.tlib.enums import RouteType, TreatmentType
from sipcluster.tlib.messages import Message
from tests.interop.baresip import Baresip
from tests.interop.shared import reactor
from tests.interop.sound import RATE, Ear, share
from tests.interop.status import fetch, until
from tests.interop.test_tlib import TONES, ScenarioTestCase
from tests.interop.tlib_client import TLibClient
from tests.scenarios.table import NUMBERS

QUEUE = "5000"


class MediaTestCase(ScenarioTestCase):
    """
    Telephones are baresip; a client routes what comes to the routing point.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        for letter in "ABC":
            await self.startPhone(letter)
        for letter in "ABC":
            await self.registered(letter)
        await self.inService()
        await self.connect()
        self.router = await TLibClient.open(
            reactor,
            self.cluster.namespace,
            self.cluster.address("node1"),
            3000,
            "routing",
            [QUEUE],
        )
        self.addCleanup(self.router.leave)

    async def ask(
        self, client: TLibClient, request: Message, answer: type[Message]
    ) -> Any:
        """
        Ask for something, and wait for the answer.
        """
        reference = client.request(request)

        def answered() -> Any:
            return next((o for o in client.got if o.reference == reference), None)

        got = await until(reactor, answered, 10.0, f"{request}: {client.got}", 0.02)
        self.assertIsInstance(got.message, answer, f"{got}")
        return got.message

    async def listen(self, phone: Baresip, seconds: float = 0.5) -> list[int]:
        """
        What arrives at a telephone from now on.
        """
        heard: list[int] = []
        with Ear.at(phone.namespace, phone.address) as ear:

            def enough() -> bool:
                heard.extend(ear.heard())
                return len(heard) > RATE * seconds

            await until(reactor, enough, 5.0, f"{phone.number} hears something")
        return heard

    async def hears(self, phone: Baresip, letters: str, level: float = 0.2) -> None:
        """
        A telephone hears these others, and nobody else.
        """
        found: dict[str, float] = {}

        async def once() -> bool:
            heard = await self.listen(phone)
            for letter in "ABC":
                found[letter] = share(heard[-RATE // 2 :], TONES[letter])
            return all(
                (found[letter] > level) == (letter in letters) for letter in "ABC"
            )

        for _ in range(10):
            if await once():
                return
        self.fail(f"{phone.number} hears {found}, not {letters}")

    async def mediaIdle(self) -> None:
        """
        The media server has no session left.
        """

        def idle() -> bool:
            address = self.cluster.address("media1")
            status, body = fetch(self.cluster.namespace, address, "/status")
            return status == 200 and b'"calls": 0' in body

        await until(reactor, idle, 5.0, "the media server has no session")


class QueueTests(MediaTestCase):
    """
    A caller in a queue.
    """

    async def waiting(self) -> dict[str, Any]:
        """
        A calls the queue.

        @return: what names its party.
        """
        self.phones["A"].say("dial", QUEUE)
        asked: Any = await self.router.told(reactor, messages.EventRouteRequest, 10.0)
        return {"thisDN": QUEUE, "connID": asked.connID}

    async def test_music(self) -> None:
        """
        The caller hears music, types digits at the menu, and then talks to whom the
        call is routed to.
        """
        party = await self.waiting()
        await self.ask(
            self.router,
            messages.RequestApplyTreatment(**party, treatmentType=TreatmentType.MUSIC),
            messages.EventTreatmentApplied,
        )
        heard = await self.listen(self.phones["A"], 1.0)
        self.assertGreater(max(heard), 1000)
        await self.ask(
            self.router,
            messages.RequestApplyTreatment(
                **party,
                treatmentType=TreatmentType.PLAY_ANNOUNCEMENT_AND_DIGITS,
                treatmentParms=(
                    ("PROMPT", (("1", (("INTERRUPTABLE", 1), ("ID", 2))),)),
                    ("MAX_DIGITS", 3),
                ),
            ),
            messages.EventTreatmentApplied,
        )
        for digit in "159":
            self.phones["A"].say("sndcode", digit)
        ended: Any = await self.router.told(reactor, messages.EventTreatmentEnd, 10.0)
        self.assertEqual(ended.collectedDigits, "159")
        await self.ask(
            self.router,
            messages.RequestRouteCall(
                **party, otherDN=NUMBERS["B"], routeType=RouteType.DEFAULT
            ),
            messages.EventRouteUsed,
        )
        await self.phones["B"].told(reactor, "CALL_INCOMING")
        self.phones["B"].say("accept")
        await self.phones["B"].told(reactor, "CALL_ESTABLISHED")
        await self.hears(self.phones["A"], "B")
        await self.hears(self.phones["B"], "A")
        await self.mediaIdle()
        self.phones["A"].say("hangup")
        await self.phones["B"].told(reactor, "CALL_CLOSED")

    async def test_callerLeaves(self) -> None:
        """
        A caller who hangs up in the music leaves nothing at the media server.
        """
        party = await self.waiting()
        await self.ask(
            self.router,
            messages.RequestApplyTreatment(**party, treatmentType=TreatmentType.MUSIC),
            messages.EventTreatmentApplied,
        )
        await self.listen(self.phones["A"])
        self.phones["A"].say("hangup")
        await self.mediaIdle()


class ConferenceTests(MediaTestCase):
    """
    Three who talk.
    """

    async def test_three(self) -> None:
        """
        Each hears both others; when one leaves, the other two go on without a media
        server.
        """
        a, b, c = (self.phones[letter] for letter in "ABC")
        a.say("dial", NUMBERS["B"])
        await b.told(reactor, "CALL_INCOMING")
        b.say("accept")
        await a.told(reactor, "CALL_ESTABLISHED")
        client = self.clients["A"]
        one: Any = await client.told(reactor, messages.EventEstablished)
        party = {"thisDN": NUMBERS["A"], "connID": one.connID}
        client.request(
            messages.RequestSingleStepConference(**party, otherDN=NUMBERS["C"])
        )
        await c.told(reactor, "CALL_INCOMING")
        c.say("accept")
        await c.told(reactor, "CALL_ESTABLISHED")
        await self.hears(a, "BC")
        await self.hears(b, "AC")
        await self.hears(c, "AB")
        b.say("hangup")
        await self.hears(a, "C")
        await self.hears(c, "A")
        await self.mediaIdle()
        a.say("hangup")
        await c.told(reactor, "CALL_CLOSED")
