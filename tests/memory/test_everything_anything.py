"""
Whatever is asked of calls, consultations, conferences, routing points and treatments,
and whatever telephones, media servers and routing clients do meanwhile: nothing breaks,
and nothing is left.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from sipcluster.sessioncontroller.irouting import Treatment, TreatmentType
from sipcluster.sip.message import Message
from sipcluster.testing.media_server import ScriptedMediaServer, ScriptedMediaService
from sipcluster.testing.telephone import settle
from sipcluster.wire.correlation import Requester
from tests.memory import test_transfers_anything
from tests.memory.conversations import NUMBERS
from tests.memory.nodes import DOMAIN, PROXY1, PROXY2
from tests.memory.routing import Clients

#: What is asked besides.
WISHES = (
    *("completeConference",) * 4,
    *("singleStepConference",) * 2,
    *("deleteFromConference", "listenDisconnect", "listenReconnect", "mute"),
    *("route",) * 4,
    *("treat",) * 2,
)

_TREATMENTS = (
    TreatmentType.MUSIC,
    TreatmentType.RING_BACK,
    TreatmentType.SILENCE,
    TreatmentType.COLLECT_DIGITS,
)


class EverythingTests(test_transfers_anything.AnythingTests):
    """
    As L{test_transfers_anything.AnythingTests}, and all the rest.
    """

    runs = 40
    numbers = ("1001", "1002", "1003", "5000", "5000")

    def setUp(self) -> None:
        super().setUp()
        ua = self.controller.ua
        ua.routing.clients = Clients("5000")
        ua.media = ScriptedMediaService("media1.example", "media2.example")
        ua.music = lambda dn: "file:music" if dn == "1003" else ""
        self.servers = [
            ScriptedMediaServer(self.peer, "media1.example", PROXY1),
            ScriptedMediaServer(self.peer, "media2.example", PROXY1, 40000),
        ]

    def oneRun(self, seed: int) -> None:
        """
        One run, with servers that work again.
        """
        for server in self.servers:
            server.refuses = server.refusesInfo = 0
        service = self.controller.ua.media
        assert isinstance(service, ScriptedMediaService)
        service.gone.clear()
        service.sticky.clear()
        super().oneRun(seed)
        for server in self.servers:
            self.assertEqual(server.live, [])

    @property
    def everybody(self) -> list[Any]:
        """
        All who take messages.
        """
        return [*self.desks.values(), *self.servers]

    def settle(self) -> None:
        settle({PROXY1: self.peer, PROXY2: self.peer2}, self.everybody)

    def deliver(self) -> None:
        self.pump()
        for address, peer in ((PROXY1, self.peer), (PROXY2, self.peer2)):
            if peer.inbox:
                message: Message = peer.inbox.pop(0)
                for one in self.everybody:
                    if one.owns(message):
                        one.reached(address, peer)
                        one.received(message)
                        return

    def assertMedia(self, call: Any) -> None:
        legs = [leg for leg in call.telephones if leg.party.live]
        usual = all(
            leg.media is None and not leg.party.standing.muted and leg.peer in legs
            for leg in legs
        )
        if usual and not any(leg.holding for leg in legs):
            super().assertMedia(call)

    def assertLegal(self) -> None:
        self.sink.events[:] = [
            event for event in self.sink.events if event.party.thisDN != "5000"
        ]
        super().assertLegal()

    def person(self) -> None:
        chance = self.chance
        what = chance.random()
        server = chance.choice(self.servers)
        if what < 0.04:
            server.refuses = chance.choice((0, 0, 486, 503))
        elif what < 0.08 and server.live:
            session = chance.choice(server.live)
            if session.dialog is not None and what < 0.06:
                server.hangUp(session)
            elif session.dialog is not None:
                server.say(session, reason="done", digits="12")
        elif what < 0.14:
            talking = [line for line in self.lines if line.talks]
            if talking:
                to = f"<sip:{chance.choice(self.numbers)}@{DOMAIN}>"
                chance.choice(talking).refer(to.encode())
        else:
            super().person()

    def wish(self) -> None:
        chance, control = self.chance, self.controller
        if chance.random() < 0.5 or not control.calls:
            super().wish()
            return
        who = Requester("any", len(self.asked) + 1)
        dn = NUMBERS[chance.choice("ABC")]
        other = NUMBERS[chance.choice("ABC")]
        what = chance.choice(WISHES)
        mine = control.partiesOf(dn)
        held = [one.view.connID for one in mine if one.state == "Hold"]
        rest = [one.view.connID for one in mine if one.state != "Hold"]
        calls = list(control.calls)
        done: Deferred[Any]
        if what == "completeConference":
            one, two = chance.choice(held or calls), chance.choice(rest or calls)
            done = control.completeConference(dn, one, two, who)
        elif what == "mute":
            one = chance.choice(rest or calls)
            done = control.mute(dn, one, chance.random() < 0.6, who)
        elif what in ("route", "treat"):
            queued = [one.view.connID for one in control.partiesOf("5000")]
            one = chance.choice(queued or calls)
            if what == "route":
                to = chance.choice((*self.numbers, "77"))
                done = control.route("5000", one, to, requester=who)
            else:
                treatment = Treatment(chance.choice(_TREATMENTS))
                done = control.applyTreatment("5000", one, treatment, who)
        else:
            one = chance.choice(rest or calls)
            done = getattr(control, what)(dn, one, other, requester=who)
        results: list[object] = []
        done.addCallbacks(
            lambda _: results.append(True), lambda f: results.append(f.value)
        )
        self.asked.append((what, done, results))
