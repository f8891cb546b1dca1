"""
Scenarios at a pair whose primary is killed after one of the steps: telephones and
clients go on with the other member, and nobody sees a difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import evolve

from sipcluster.app import node
from sipcluster.app.pair import PairProcess
from sipcluster.app.settings import TLibApplication
from sipcluster.sip.isip import Target
from sipcluster.testing.media_server import (
    ScriptedMediaServer,
    ScriptedMediaService,
)
from sipcluster.testing.telephone import Telephone, settle
from sipcluster.tlib.enums import ResumeResult
from sipcluster.tlib.messages import (
    EventServerInfo,
    Message,
    RequestRegisterAddress,
)
from tests.memory.desks import DeskTelephone, observe
from tests.memory.nodes import (
    DOMAIN,
    OTHER_NODE,
    PROXY1,
    PROXY2,
    THEN,
    TRUNK,
)
from tests.memory.pairs import PairTestCase
from tests.memory.telephony import DESKTOP, MONITOR, Client
from tests.scenarios.playing import Play
from tests.scenarios.table import NUMBERS, Scenario, Step, number


class PairDesksTestCase(PairTestCase):
    """
    Telephones A, B and C, and O behind a trunk, and a client for each DN.

    @cvar portName: the port at which the clients are that ask.
    @cvar letters: the DNs that have a client of their own.
    """

    portName = "TCport"
    letters = "ABC"

    def member(self, name: str, address: str) -> PairProcess:
        self.configuration = evolve(
            self.configuration, tlibApplications=(DESKTOP, MONITOR)
        )
        return super().member(name, address)

    def setUp(self) -> None:
        super().setUp()
        far = self.phone(NUMBERS["O"], TRUNK)
        far.password = b""
        phones = {"A": self.alice, "B": self.bob, "C": self.carol, "O": far}
        self.desks = {
            letter: DeskTelephone(one, f"phone{letter}", 4000 + 100 * index)
            for index, (letter, one) in enumerate(phones.items())
        }
        self.ports: dict[str, str] = {}
        self.clients = {
            letter: self.client(self.portName, [NUMBERS[letter]])
            for letter in self.letters
        }
        dns = [NUMBERS[letter] for letter in self.letters]
        self.witnesses = {
            port: self.client(port, dns, MONITOR) for port in ("default", "TCport")
        }

    def client(
        self, port: str, dns: Sequence[str], application: TLibApplication = DESKTOP
    ) -> Client:
        """
        A client of the primary that has registered DNs.
        """
        client = Client(self.one.ports[port][0], self.now, application)
        client.open()
        reference = client.registerClient()
        self.pump()
        client.info = client.expect(EventServerInfo, reference=reference)
        for dn in dns:
            client.request(RequestRegisterAddress(thisDN=dn))
        self.pump()
        client.take()
        return client

    def now(self) -> float:
        """
        What the wall clock says.
        """
        return THEN + self.clock.seconds()

    def settle(self) -> None:
        """
        Let all that is under way arrive, and the telephones do what it wants.
        """
        peers = {PROXY1: self.peer, PROXY2: self.peer2}
        settle(peers, list(self.desks.values()))

    def crash(self) -> None:
        """
        The primary is killed, and everybody goes to the other member.
        """
        self.kill(self.one)
        for _ in range(60):
            self.run_(0.1)
            self.settle()
        for proxy in (self.peer, self.peer2):
            proxy.target = Target("UDP", OTHER_NODE, 5060)
            proxy.disconnect()
        named = {id(one): port for port, one in self.witnesses.items()}
        for client in (*self.clients.values(), *self.witnesses.values()):
            assert client.connection is not None and client.info is not None
            client.connection.user = None
            client.drop()
            port = named.get(id(client), self.portName)
            client.server = self.two.ports[port][0]
            client.open()
            reference = client.registerClient(
                sessionID=client.info.sessionID,
                epoch=client.info.epoch,
                roleEpoch=client.info.roleEpoch,
            )
            self.pump()
            info = client.expect(EventServerInfo, reference=reference)
            self.assertEqual(info.resumeResult, ResumeResult.RESUMED)
        for _ in range(10):
            self.run_(0.1)
            self.settle()
        for letter, client in (*self.clients.items(), *self.witnesses.items()):
            told = [
                got
                for got in client.take()
                if type(got.message).__name__ not in _OF_THE_LINK
            ]
            self.assertEqual(told, [], f"{letter} is told of it")

    def play(self, scenario: Scenario, crash: int) -> None:
        """
        Do what the steps say, and compare after each one what all clients got.

        @param crash: the step after which the primary is killed.
        """
        play = Play(scenario, self.portName)
        self.named = play.comparison.calls
        for index, step in enumerate(scenario.steps):
            reference = self.perform(step, play.request(step))
            witnesses = {name: one.take() for name, one in self.witnesses.items()}
            clients = {letter: one.take() for letter, one in self.clients.items()}
            wrong = play.wrong(step, play.rows(step), reference, witnesses, clients)
            where = f"{scenario.name}, killed after step {crash + 1}: {step.what}"
            if wrong:
                self.fail(f"{where}:\n" + "\n".join(wrong))
            if index == crash:
                self.crash()
        for desk in self.desks.values():
            self.assertFalse(desk.talks, f"{scenario.name}, {crash}: {desk.number}")
        if crash < len(scenario.steps):
            self.assertEqual(list(self.two.calls()), [])
            assert self.two.keeper is not None
            self.assertEqual(self.two.keeper.differing(), [])

    def perform(self, step: Step, request: Message | None) -> int:
        """
        Do what a step says.

        @return: the ReferenceID of the request; 0: there is none.
        """
        what, letter, *more = step.do
        reference = 0
        if request is not None:
            if what == "RequestRouteCall" and isinstance(more[-1], int):
                self.desks[more[0]].refuses = more[-1]
            reference = self.clients[letter].request(request)
        elif what == "call":
            desk = self.desks[letter]
            desk.call(number(more[0]), DOMAIN if letter == "O" else "")
        elif what == "wait":
            self.run_(more[0])
        else:
            self._press(what, letter, list(more))
        self.pump()
        self.settle()
        return reference

    def _press(self, what: str, letter: str, more: list[Any]) -> None:
        """
        Somebody does something with a telephone.
        """
        desk = self.desks[letter]
        getattr(Telephone, what)(desk.at(what, ()), *more)


class _Services(ScriptedMediaService):
    """
    The media servers as a node has them.
    """

    def startAsking(self) -> None:
        "They are in service."

    def stopAsking(self) -> None:
        "Nothing is to be stopped."

    def status(self) -> dict[str, object]:
        "Nothing to say."
        return {}


class PairMediaTestCase(PairDesksTestCase):
    """
    With a scripted media server; C{("type", "A", "12")}: it has got digits.
    """

    def setUp(self) -> None:
        self.patch(node, "makeMediaServices", lambda *_: _Services("media1.example"))
        super().setUp()
        self.server = ScriptedMediaServer(self.peer, "media1.example", PROXY1)

    def settle(self) -> None:
        peers = {PROXY1: self.peer, PROXY2: self.peer2}
        everybody = [*self.desks.values(), self.server]
        settle(peers, everybody)  # type: ignore[arg-type] # as one

    def _press(self, what: str, letter: str, more: list[Any]) -> None:
        if what == "type":
            (session,) = self.server.live
            self.server.say(session, reason="digits", digits=more[0])
        elif what == "observe":
            serving = self.two if self.two.life is not None else self.one
            assert isinstance(serving.life, node.NodeMember)
            connID = self.named["c1"]["connID"]
            observe(serving.life.controller, connID, letter, more)
        else:
            super()._press(what, letter, more)


#: What the change of the primary itself tells a client.
_OF_THE_LINK = ("EventServerInfo", "EventLinkConnected", "EventLinkDisconnected")
