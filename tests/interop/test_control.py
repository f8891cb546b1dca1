"""
Calls that a T-Library client makes, holds, retrieves and ends, with telephones that
know nothing of it: what they hear, and what they are sent.
"""

from __future__ import annotations

from typing import ClassVar

from twisted.internet.defer import gatherResults

from sipcluster.tlib import messages
from sipcluster.tlib.messages import Message
from tests.interop.baresip import after
from tests.interop.cluster import Cluster
from tests.interop.shared import reactor
from tests.interop.sound import RATE, Ear, share
from tests.interop.status import until
from tests.interop.test_baresip import TONES, BaresipTestCase
from tests.interop.test_sipp import CALLED, CALLER, SIPpTestCase
from tests.interop.tlib_client import TLibClient

#: The TCport of a node of the lab.
_TCPORT = 3001

ONE, TWO = "1001", "1002"


class Desktop:
    """
    A T-Library client of one node that asks for one call.

    @ivar connID: of the call.
    """

    def __init__(self, client: TLibClient) -> None:
        self.client = client
        self.connID = ""

    @classmethod
    async def of(cls, cluster: Cluster) -> Desktop:
        """
        Connect to the first node.
        """
        node = cluster.address("node1")
        return cls(
            await TLibClient.open(
                reactor, cluster.namespace, node, _TCPORT, dns=(ONE, TWO)
            )
        )

    async def told(self, kind: type[Message], dn: str) -> Message:
        """
        Wait for an event of a DN.
        """
        while True:
            event = await self.client.told(reactor, kind, 10.0)
            if getattr(event, "thisDN", "") == dn:
                return event

    def calls(self) -> None:
        """
        Have one telephone call the other.
        """
        self.client.request(messages.RequestMakeCall(thisDN=ONE, otherDN=TWO))

    async def dials(self) -> None:
        """
        The caller's telephone has answered.
        """
        event = await self.told(messages.EventDialing, ONE)
        assert isinstance(event, messages.EventDialing)
        assert event.connID is not None
        self.connID = event.connID

    async def hold(self, dn: str) -> None:
        """
        Let a DN hold.
        """
        self.client.request(messages.RequestHoldCall(thisDN=dn, connID=self.connID))
        await self.told(messages.EventHeld, dn)

    async def retrieve(self, dn: str) -> None:
        """
        Let it be back.
        """
        request = messages.RequestRetrieveCall(thisDN=dn, connID=self.connID)
        self.client.request(request)
        await self.told(messages.EventRetrieved, dn)

    async def release(self, dn: str) -> None:
        """
        End the call.
        """
        self.client.request(messages.RequestReleaseCall(thisDN=dn, connID=self.connID))
        await self.told(messages.EventReleased, ONE if dn == TWO else TWO)


class SoundTests(BaresipTestCase):
    """
    Two baresips: what they hear of one another.
    """

    outbound: ClassVar[dict[str, str]] = {
        ONE: "sip:10.9.8.11",
        TWO: "sip:10.9.8.12",
    }

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.desktop = await Desktop.of(self.cluster)
        self.addCleanup(self.desktop.client.leave)

    async def connected(self) -> None:
        """
        A call made by request connects the two, who lift their telephones.
        """
        self.desktop.calls()
        incoming = await self.one.told(reactor, "CALL_INCOMING")
        self.assertIn(f"sip:{TWO}@", str(incoming))
        self.one.say("accept")
        await self.desktop.dials()
        incoming = await self.two.told(reactor, "CALL_INCOMING")
        self.assertIn(f"sip:{ONE}@", str(incoming))
        self.two.say("accept")
        await self.desktop.told(messages.EventEstablished, ONE)
        await self.sound()

    async def silence(self) -> None:
        """
        Neither telephone is sent anything for a while.
        """
        await until(reactor, after(3), 2.0, "the last packets", 0.1)
        with (
            Ear.at(self.one.namespace, self.one.address) as one,
            Ear.at(self.two.namespace, self.two.address) as two,
        ):
            await until(reactor, after(6), 2.0, "a little time", 0.1)
            self.assertEqual((one.heard(), two.heard()), ([], []))

    async def sound(self) -> None:
        """
        Each telephone is sent the other's tone.
        """
        for phone, tone in ((self.one, TONES[TWO]), (self.two, TONES[ONE])):
            with Ear.at(phone.namespace, phone.address) as ear:
                samples: list[int] = []

                def enough(ear: Ear = ear, samples: list[int] = samples) -> bool:
                    samples.extend(ear.heard())
                    return len(samples) > RATE // 2

                await until(reactor, enough, 5.0, f"sound at {phone.number}")
            self.assertGreater(share(samples[-RATE // 4 :], tone), 0.9)

    async def closed(self) -> None:
        """
        Both telephones have been hung up.
        """
        for phone in (self.one, self.two):
            await phone.told(reactor, "CALL_CLOSED")

    async def test_conversation(self) -> None:
        """
        Held by either DN nothing is sent either way, retrieved all is as before; the
        call ends by request.
        """
        await self.connected()
        for dn in (ONE, TWO):
            await self.desktop.hold(dn)
            await self.silence()
            await self.desktop.retrieve(dn)
            await self.sound()
        await self.desktop.release(TWO)
        await self.closed()

    async def test_telephoneHoldsMeanwhile(self) -> None:
        """
        A telephone that holds and resumes by itself while a DN holds by request does
        not bring the sound back; to retrieve does.
        """
        await self.connected()
        await self.desktop.hold(ONE)
        await self.silence()
        for phone in (self.two, self.one):
            phone.say("hold")
            await until(reactor, after(3), 2.0, "it holds", 0.1)
            phone.say("resume")
            await until(reactor, after(3), 2.0, "it resumes", 0.1)
        await self.silence()
        await self.desktop.retrieve(ONE)
        await self.sound()
        self.one.say("hangup")
        await self.closed()


class MessageTests(SIPpTestCase):
    """
    Two SIPps: what they are sent, message by message.
    """

    async def test_conversation(self) -> None:
        """
        A call by request, hold and retrieve, and the end, as in the scenarios;
        nothing is sent twice.
        """
        await self.register(CALLER, CALLED)
        [one] = await self.waiting(CALLER, "caller-by-request")
        [two] = await self.waiting(CALLED, "callee-by-request")
        desktop = await Desktop.of(self.cluster)
        self.addCleanup(desktop.client.leave)
        desktop.calls()
        await desktop.dials()
        await desktop.told(messages.EventEstablished, ONE)
        await desktop.hold(ONE)
        await desktop.retrieve(ONE)
        await desktop.release(ONE)
        for report in await gatherResults([one, two]):
            self.assertAsWritten(report)

    async def test_nobodyThere(self) -> None:
        """
        A call from a telephone that is not registered is refused.
        """
        desktop = await Desktop.of(self.cluster)
        self.addCleanup(desktop.client.leave)
        request = messages.RequestMakeCall(thisDN="1019", otherDN=TWO)
        register = messages.RequestRegisterAddress(thisDN="1019")
        desktop.client.request(register)
        desktop.client.request(request)
        error = await desktop.told(messages.EventError, "1019")
        assert isinstance(error, messages.EventError)
        self.assertEqual(error.errorCode, 58)
