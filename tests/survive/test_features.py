"""
Calls that meet survive their primary: real processes, a real media server, telephones
with sound, and T-Library clients that resume.
"""

from __future__ import annotations

import random
from typing import Any, ClassVar

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint
from zope.interface import implementer

from sipcluster.tlib import messages
from sipcluster.tlib.client import LinkState, Times, TLibraryClient
from sipcluster.tlib.codec import Envelope
from sipcluster.tlib.enums import MonitorNextCallType, TreatmentType
from sipcluster.tlib.messages import Message
from tests.interop.baresip import Baresip
from tests.interop.namespaces import Namespace
from tests.interop.shared import reactor
from tests.interop.sound import RATE, Ear, share
from tests.interop.status import until
from tests.interop.test_baresip_pairs import PAIRS, PairTestCase

#: The routing point of the lab.
QUEUE = "5000"

#: What telephones play into their calls, in hertz.
TONES = {"1001": 440, "1002": 600, "1003": 700}

#: Events that say nothing of calls.
_BESIDES = ("EventOffHook", "EventOnHook", "EventRegistered")


@implementer(IStreamClientEndpoint)
class Inside:
    """
    Connects from within a namespace.
    """

    def __init__(self, namespace: Namespace, address: str, port: int) -> None:
        self._namespace = namespace
        self._where = (address, port)

    def connect(self, protocolFactory: Any) -> Any:
        """
        See C{IStreamClientEndpoint}.
        """
        with self._namespace.entered():
            endpoint = TCP4ClientEndpoint(reactor, *self._where, timeout=2)
            return endpoint.connect(protocolFactory)


class Desktop:
    """
    A T-Library client of a pair, which goes on where it was when its link is lost.

    @ivar told: events of calls: name and DN, each once.
    @ivar resumed: what became of its session, at each link.
    """

    def __init__(self, inside: list[Inside], application: str, dns: list[str]) -> None:
        self.events: list[Message] = []
        self.resumed: list[str] = []
        self._dns = dns
        self._client = TLibraryClient(
            inside,
            reactor,
            application,
            f"secret-{application}",
            self._received,
            chance=random.random,
            linkChanged=self._linked,
            times=Times(connect=1.0, startUp=2.0, keepAlive=2.0),
        )
        self._client.startService()

    async def register(self) -> None:
        """
        Register its DNs.
        """
        for dn in self._dns:
            await self._client.register(dn)

    def ask(self, message: Message) -> Deferred[Any]:
        """
        Ask for something.
        """
        return self._client.request(message)

    def stop(self) -> Any:
        """
        End it.
        """
        return self._client.stopService()

    def _received(self, envelope: Envelope) -> None:
        self.events.append(envelope.message)

    def _linked(self, state: LinkState) -> None:
        if state.resumed is not None:
            self.resumed.append(state.resumed.label)

    def named(self, name: str, dn: str) -> list[Any]:
        """
        The events of this name that a DN was told.
        """
        return [
            one
            for one in self.events
            if type(one).__name__ == name and getattr(one, "thisDN", None) == dn
        ]

    def rows(self, dn: str) -> list[str]:
        """
        What a DN was told of calls.
        """
        return [
            type(one).__name__.removeprefix("Event")
            for one in self.events
            if getattr(one, "thisDN", None) == dn
            and getattr(one, "connID", None)
            and type(one).__name__ not in _BESIDES
        ]


class FeatureTests(PairTestCase):
    """
    Three telephones; one client of each pair, and one that routes.
    """

    hosts = (101, 102, 103)
    outbound: ClassVar[dict[str, str]] = {
        "1001": "sip:10.9.9.11",
        "1002": "sip:10.9.9.12",
        "1003": "sip:10.9.9.11",
    }
    tones = TONES

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.three = await self.phone("1003", 2)
        await self.registered(self.three)
        await self.whole()
        self.desks = await self.clients("desktop", 3001, list(TONES))
        self.routers = await self.clients("routing", 3000, [QUEUE])

    async def clients(
        self, application: str, port: int, dns: list[str]
    ) -> dict[str, Desktop]:
        """
        A client of each pair.
        """
        found = {}
        for pair, members in PAIRS.items():
            doors = [
                Inside(self.cluster.namespace, self.cluster.address(name), port)
                for name in members
            ]
            found[pair] = client = Desktop(doors, application, dns)
            self.addCleanup(client.stop)
            await client.register()
        return found

    async def happens(self, client: Desktop, name: str, dn: str) -> Any:
        """
        Wait for an event.
        """
        await until(
            reactor,
            lambda: client.named(name, dn),
            10.0,
            f"{name} of {dn}",
            0.05,
        )
        return client.named(name, dn)[-1]

    async def hears(self, phone: Baresip, *others: str) -> None:
        """
        A telephone hears these others, and nobody else.
        """
        found: dict[str, float] = {}
        for _ in range(12):
            heard: list[int] = []
            with Ear.at(phone.namespace, phone.address) as ear:

                def enough(ear: Ear = ear, heard: list[int] = heard) -> bool:
                    heard.extend(ear.heard())
                    return len(heard) > RATE * 0.6

                await until(reactor, enough, 6.0, f"{phone.number} hears something")
            for number, tone in TONES.items():
                found[number] = share(heard[-RATE // 2 :], tone)
            if all((found[one] > 0.2) == (one in others) for one in TONES):
                return
        self.fail(f"{phone.number} hears {found}, not {others}")

    async def takes(self, phone: Baresip) -> None:
        """
        A telephone rings and answers.
        """
        await phone.told(reactor, "CALL_INCOMING")
        phone.forget()
        phone.say("accept")
        await phone.told(reactor, "CALL_ESTABLISHED")

    async def consults(self, kind: type[Message]) -> tuple[Desktop, str, str]:
        """
        1001 calls 1002, who consults 1003.

        @return: the client of the pair that has the calls, and their ConnIDs.
        """
        await self.called(self.one, self.two)
        desk = self.desks[self.carries()]
        first = (await self.happens(desk, "EventEstablished", "1002")).connID
        self.two.forget()
        make: Any = kind
        asked = desk.ask(make(thisDN="1002", connID=first, otherDN="1003"))
        await self.takes(self.two)
        await self.takes(self.three)
        second = (await asked).connID
        await self.happens(desk, "EventEstablished", "1003")
        await self.hears(self.three, "1002")
        return desk, first, second

    def kept(self, desk: Desktop) -> None:
        """
        Its client has missed nothing.
        """
        self.assertEqual(desk.resumed, ["New", "Resumed"])

    async def over(self, *phones: Baresip) -> None:
        """
        Telephones hang up, and nothing is left.
        """
        for phone in phones:
            phone.say("hangup")

        def isOver() -> bool:
            return not any(
                self.cluster.status(self.primary(pair)).get("calls", 1)
                for pair in PAIRS
                if self.primary(pair)
            )

        await until(reactor, isOver, 10.0, "no call is left", 0.2)

    async def test_consultation(self) -> None:
        """
        A call is in consultation: both calls go on, and become one.
        """
        desk, first, second = await self.consults(messages.RequestInitiateTransfer)
        await self.killed()
        await self.hears(self.three, "1002")
        await desk.ask(
            messages.RequestCompleteTransfer(
                thisDN="1002", connID=second, transferConnID=first
            )
        )
        await self.hears(self.one, "1003")
        await self.hears(self.three, "1001")
        self.kept(desk)
        await self.over(self.one)
        for dn, rows in (
            ("1001", ["Dialing", "Established", "PartyChanged", "Released"]),
            ("1003", ["Ringing", "Established", "PartyChanged", "Released"]),
            (
                "1002",
                [
                    *("Ringing", "Established", "Held", "Dialing", "Established"),
                    *("Released", "Released"),
                ],
            ),
        ):
            self.assertEqual(desk.rows(dn), rows, dn)

    async def test_conference(self) -> None:
        """
        A conference of three goes on at the media server, and one leaves it.
        """
        desk, first, second = await self.consults(messages.RequestInitiateConference)
        await desk.ask(
            messages.RequestCompleteConference(
                thisDN="1002", connID=second, conferenceConnID=first
            )
        )
        await self.hears(self.one, "1002", "1003")
        await self.killed()
        for phone in (self.one, self.two, self.three):
            others = [number for number in TONES if number != phone.number]
            await self.hears(phone, *others)
        self.three.say("hangup")
        await self.happens(desk, "EventPartyDeleted", "1001")
        await self.hears(self.one, "1002")
        await self.hears(self.two, "1001")
        self.kept(desk)
        await self.over(self.one)
        for dn, rows in (
            (
                "1001",
                ["Dialing", "Established", "PartyAdded", "PartyDeleted", "Released"],
            ),
            ("1003", ["Ringing", "Established", "PartyChanged", "Released"]),
        ):
            self.assertEqual(desk.rows(dn), rows, dn)

    async def test_routingPoint(self) -> None:
        """
        A caller hears music at a routing point, goes on hearing it, and is sent on.
        """
        self.one.say("dial", f"sip:{QUEUE}@lab.example")
        await until(
            reactor,
            lambda: any(one.rows(QUEUE)[1:] for one in self.routers.values()),
            10.0,
            "the call is to be routed",
            0.05,
        )
        pair = self.carries()
        router = self.routers[pair]
        call = router.named("EventRouteRequest", QUEUE)[-1].connID
        await router.ask(
            messages.RequestApplyTreatment(
                thisDN=QUEUE, connID=call, treatmentType=TreatmentType.MUSIC
            )
        )
        await self.killed()
        with Ear.at(self.one.namespace, self.one.address) as ear:
            await until(reactor, lambda: max(ear.heard(), default=0) > 1000, 5.0, "")
        asked = router.ask(
            messages.RequestRouteCall(thisDN=QUEUE, connID=call, otherDN="1002")
        )
        await self.takes(self.two)
        await asked
        await self.hears(self.one, "1002")
        await self.hears(self.two, "1001")
        self.kept(router)
        await self.over(self.one)
        self.assertEqual(
            router.rows(QUEUE),
            ["Queued", "RouteRequest", "TreatmentApplied", "RouteUsed", "Diverted"],
        )

    async def test_supervision(self) -> None:
        """
        A supervisor goes on hearing both, and nobody hears it.
        """
        for desk in self.desks.values():
            await desk.ask(
                messages.RequestMonitorNextCall(
                    thisDN="1003",
                    otherDN="1002",
                    monitorNextCallType=MonitorNextCallType.ONE_CALL,
                    extensions=(("MonitorMode", "mute"), ("MonitorScope", "call")),
                )
            )
        self.three.forget()
        await self.called(self.one, self.two)
        desk = self.desks[self.carries()]
        await self.takes(self.three)
        await self.hears(self.three, "1001", "1002")
        await self.killed()
        await self.hears(self.three, "1001", "1002")
        await self.hears(self.one, "1002")
        await self.hears(self.two, "1001")
        self.kept(desk)
        await self.over(self.one)
        for dn, rows in (
            ("1001", ["Dialing", "Established", "PartyAdded"]),
            ("1002", ["Ringing", "Established", "PartyAdded"]),
            ("1003", ["Ringing", "Established"]),
        ):
            told = desk.rows(dn)
            self.assertEqual(told[: len(rows)], rows, (dn, told))
            self.assertEqual(told.count("Released"), 1, (dn, told))
            self.assertEqual(told[-1], "Released", (dn, told))
