"""
Consultation, transfer and conference by request, with baresip: who hears whom at each
step, how loud, and who hears nothing.
"""

from __future__ import annotations

from typing import Any

from sipcluster.tlib import messages
from sipcluster.tlib.enums import TreatmentType
from sipcluster.tlib.messages import Message
from tests.interop.baresip import Baresip, after
from tests.interop.shared import reactor
from tests.interop.sound import RATE, Ear, level
from tests.interop.status import until
from tests.interop.test_media import QUEUE, MediaTestCase
from tests.interop.test_tlib import TONES
from tests.scenarios.table import NUMBERS

#: How loud telephones play, as tests.interop.sound writes it; G.711 and the mixer
#: leave it so.
_LOUD = 8000

#: What is silence: less than two steps of mu-law around nothing.
_SILENT = 20


class TalkingTestCase(MediaTestCase):
    """
    A has called B.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.a, self.b, self.c = (self.phones[letter] for letter in "ABC")
        self.first = await self.talking()

    async def talking(self) -> str:
        """
        A calls B, who answers.

        @return: the ConnID.
        """
        self.a.say("dial", NUMBERS["B"])
        await self.answered(self.b)
        one: Any = await self.clients["B"].told(reactor, messages.EventEstablished)
        await self.a.told(reactor, "CALL_ESTABLISHED")
        return str(one.connID)

    async def answered(self, phone: Baresip) -> None:
        """
        A telephone rings, and answers, unless it does so by itself.
        """
        if phone not in [self.phones[letter] for letter in self.phoneAccounts]:
            await phone.told(reactor, "CALL_INCOMING")
            phone.forget()
            phone.say("accept")
        await phone.told(reactor, "CALL_ESTABLISHED")

    def by(self, request: type[Message], letter: str = "B", **more: Any) -> Any:
        """
        A request of a party of the first call.
        """
        named = {"thisDN": NUMBERS[letter], "connID": self.first, **more}
        return request(**named)

    async def asks(
        self, request: type[Message], answer: type[Message], **more: Any
    ) -> Any:
        """
        B's client asks.
        """
        return await self.ask(self.clients["B"], self.by(request, **more), answer)

    async def consults(self, request: type[Message]) -> str:
        """
        B's client asks for a consultation with C; both telephones answer.

        @return: the ConnID.
        """
        client = self.clients["B"]
        self.b.forget()
        client.request(self.by(request, otherDN=NUMBERS["C"]))
        await self.answered(self.b)
        await self.answered(self.c)
        one: Any = await client.told(reactor, messages.EventEstablished)
        self.assertEqual(one.previousConnID, self.first)
        return str(one.connID)

    async def levels(self, phone: Baresip) -> dict[str, int]:
        """
        How loud a telephone hears each of the others, for a short while.
        """
        heard: list[int] = []
        with Ear.at(phone.namespace, phone.address) as ear:
            await until(reactor, after(6), 2.0, "a little time", 0.05)
            heard.extend(ear.heard())
        return {
            letter: round(level(heard[-RATE // 5 :], TONES[letter])) for letter in "ABC"
        }

    async def hear(self, **whom: str) -> None:
        """
        Each of some telephones hears these others as loud as they are, and of
        nobody else anything.
        """
        for letter, others in whom.items():
            for left in reversed(range(20)):
                found = await self.levels(self.phones[letter])
                if all(
                    abs(found[one] - _LOUD) < _LOUD / 8
                    if one in others
                    else found[one] < _LOUD / 50 * len(others) + _SILENT
                    for one in "ABC"
                ):
                    break
                self.assertTrue(left, f"{letter} hears {found}, not {others!r}")

    async def closed(self, *phones: Baresip) -> None:
        """
        Telephones hang up, and nothing is left.
        """
        for phone in phones:
            phone.say("hangup")

        def over() -> bool:
            status = self.cluster.status("node1")
            return not status.get("calls", 1) and not status.get("dialogs", 1)

        await until(reactor, over, 5.0, "no call is left")
        await self.mediaIdle()


class TransferTests(TalkingTestCase):
    """
    B lets A talk to C.
    """

    async def test_consultation(self) -> None:
        """
        While B asks C, A hears nothing; then A and C hear each other.
        """
        await self.hear(A="B", B="A")
        consultation = await self.consults(messages.RequestInitiateTransfer)
        await self.hear(A="", B="C", C="B")
        await self.asks(
            messages.RequestCompleteTransfer,
            messages.EventReleased,
            transferConnID=consultation,
        )
        await self.hear(A="C", C="A")
        await self.hear(B="")
        await self.closed(self.c)

    async def test_singleStep(self) -> None:
        """
        C is called without being asked, and hears A and A alone.
        """
        await self.asks(
            messages.RequestSingleStepTransfer,
            messages.EventReleased,
            otherDN=NUMBERS["C"],
        )
        await self.answered(self.c)
        await self.hear(A="C", C="A")
        await self.closed(self.a)

    async def test_whileRinging(self) -> None:
        """
        B leaves while C rings.
        """
        client = self.clients["B"]
        self.b.forget()
        client.request(self.by(messages.RequestInitiateTransfer, otherDN=NUMBERS["C"]))
        await self.answered(self.b)
        dialing: Any = await client.told(reactor, messages.EventDialing)
        await self.c.told(reactor, "CALL_INCOMING")
        await self.asks(
            messages.RequestCompleteTransfer,
            messages.EventReleased,
            transferConnID=dialing.connID,
        )
        await self.answered(self.c)
        await self.hear(A="C", C="A")
        await self.closed(self.c)


class AlternateTests(TalkingTestCase):
    """
    B talks to A and to C by turns.  When somebody tells baresip to answer a second
    call it holds the first one itself, and nobody else can take it back; it does not
    when it answers by itself.
    """

    phoneAccounts = {"B": ";answermode=auto"}

    async def test_alternate(self) -> None:
        """
        The one who waits hears nothing; at last C is left.
        """
        held = self.first
        present = await self.consults(messages.RequestInitiateTransfer)
        for one, other in (("A", "C"), ("C", "A")):
            await self.asks(
                messages.RequestAlternateCall,
                messages.EventRetrieved,
                connID=held,
                previousConnID=present,
            )
            held, present = present, held
            await self.hear(**{one: "B", "B": one, other: ""})
        await self.asks(
            messages.RequestReconnectCall,
            messages.EventReleased,
            connID=held,
            previousConnID=present,
        )
        await self.hear(A="B", B="A", C="")
        await self.closed(self.a)


class ConferenceTests(TalkingTestCase):
    """
    B takes C into the call.
    """

    async def confer(self) -> None:
        """
        B asks C, and all three talk.
        """
        consultation = await self.consults(messages.RequestInitiateConference)
        await self.asks(
            messages.RequestCompleteConference,
            messages.EventReleased,
            conferenceConnID=consultation,
        )
        await self.hear(A="BC", B="AC", C="AB")

    async def test_muted(self) -> None:
        """
        Who is muted is not heard and hears; who is deaf is heard and hears nothing.
        """
        await self.confer()
        await self.asks(messages.RequestSetMuteOn, messages.EventMuteOn)
        await self.hear(A="C", B="AC", C="A")
        await self.asks(messages.RequestSetMuteOff, messages.EventMuteOff)
        await self.hear(A="BC", B="AC", C="AB")
        await self.asks(
            messages.RequestListenDisconnect,
            messages.EventListenDisconnected,
            otherDN=NUMBERS["A"],
        )
        await self.hear(A="", B="AC", C="AB")
        await self.asks(
            messages.RequestListenReconnect,
            messages.EventListenReconnected,
            otherDN=NUMBERS["A"],
        )
        await self.hear(A="BC", B="AC", C="AB")
        await self.closed(self.a, self.b, self.c)

    async def test_deleted(self) -> None:
        """
        Who is taken out hears nothing, and the other two go on without a media
        server.
        """
        await self.confer()
        await self.asks(
            messages.RequestDeleteFromConference,
            messages.EventPartyDeleted,
            otherDN=NUMBERS["C"],
        )
        await self.hear(A="B", B="A", C="")
        await self.mediaIdle()
        await self.closed(self.a)

    async def test_mutedInCall(self) -> None:
        """
        Who is muted in a call of two is not heard and hears.
        """
        await self.asks(messages.RequestSetMuteOn, messages.EventMuteOn)
        await self.hear(A="", B="A")
        await self.asks(messages.RequestSetMuteOff, messages.EventMuteOff)
        await self.hear(A="B", B="A")
        await self.closed(self.a)


class RecordingTests(MediaTestCase):
    """
    A caller leaves a message.
    """

    async def test_recorded(self) -> None:
        """
        What a caller has said is played to him.
        """
        phone = self.phones["A"]
        phone.say("dial", QUEUE)
        asked: Any = await self.router.told(reactor, messages.EventRouteRequest, 10.0)
        party = {"thisDN": QUEUE, "connID": asked.connID}
        await self.ask(
            self.router,
            messages.RequestApplyTreatment(
                **party,
                treatmentType=TreatmentType.RECORD_USER_ANNOUNCEMENT,
                treatmentParms=(("USER_ID", "A"), ("TOTAL_TIMEOUT", 2)),
            ),
            messages.EventTreatmentApplied,
        )
        ended: Any = await self.router.told(reactor, messages.EventTreatmentEnd, 10.0)
        name = dict(ended.extensions)["USER_ANN_ID"]
        self.assertRegex(name, "^A/")
        await self.ask(
            self.router,
            messages.RequestApplyTreatment(
                **party,
                treatmentType=TreatmentType.PLAY_ANNOUNCEMENT,
                treatmentParms=(("PROMPT", (("1", (("USER_ANN_ID", name),)),)),),
            ),
            messages.EventTreatmentApplied,
        )
        await self.hears(phone, "A", 0.9)
        phone.say("hangup")
        await self.mediaIdle()


class SupervisionTests(TalkingTestCase):
    """
    C supervises B, who talks to A.
    """

    async def mode(self, mode: str) -> None:
        """
        C is heard in another way.
        """
        on = mode == "mute"
        await self.ask(
            self.clients["C"],
            self.by(
                messages.RequestSetMuteOn if on else messages.RequestSetMuteOff,
                "C",
                extensions=(("MonitorMode", mode),),
            ),
            messages.EventMuteOn if on else messages.EventMuteOff,
        )

    async def test_modes(self) -> None:
        """
        A supervisor hears both; nobody hears him, then the one whom he coaches, then
        both. When he leaves they go on without the media server.
        """
        await self.ask(
            self.clients["C"],
            messages.RequestMonitorNextCall(thisDN=NUMBERS["C"], otherDN=NUMBERS["B"]),
            messages.EventMonitoringNextCall,
        )
        await self.answered(self.c)
        await self.hear(A="B", B="A", C="AB")
        await self.mode("coach")
        await self.hear(A="B", B="AC", C="AB")
        await self.mode("connect")
        await self.hear(A="BC", B="AC", C="AB")
        await self.mode("mute")
        await self.hear(A="B", B="A", C="AB")
        self.c.say("hangup")
        await self.mediaIdle()
        await self.hear(A="B", B="A")
        await self.closed(self.a)
