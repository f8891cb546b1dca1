"""
The tables of L{tests.scenarios} with real telephones: baresip where it can do what
the step says, SIPp where it cannot; and T-Library clients over TCP.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tests.interop.baresip import Baresip, after
from tests.interop.phones import Phone, listens
from tests.interop.shared import ClusterTestCase, lacking, reactor
from tests.interop.sipp import Report
from tests.interop.status import fetch, until
from tests.interop.tlib_client import TLibClient
from tests.scenarios import agents, digits, dn_states, holding, two_party, user_data
from tests.scenarios.compare import Comparison, Got
from tests.scenarios.playing import Play
from tests.scenarios.table import NUMBERS, Scenario, Step, number

BASE = "10.9.8"

#: The last number of each telephone's address.
HOSTS = {"A": 101, "B": 102, "C": 103, "O": 40}

PORTS = {"default": 3000, "TCport": 3001}

#: What telephones play into their calls, in hertz.
TONES = {"A": 440, "B": 600, "C": 700, "O": 800}

#: Seconds that the events of a step may take; nobody answers within 5.
_PATIENCE = 15.0

#: What is different from the lab.
_SETTINGS = {
    "no-answer-timeout": "5",
    "min-expires": "2",
    "agent-logout-grace": f"{agents.SECONDS}",
}


def configured(**settings: str) -> Callable[[str], str]:
    """
    The lab's configuration with other settings of the VoIP Service.
    """
    lines = "".join(
        f"{name} = {value}\n"
        for name, value in {**_SETTINGS, **_kebab(settings)}.items()
    )

    def change(toml: str) -> str:
        service = 'service-type = "sip-cluster-nodes"\n'
        toml = toml.replace(service, service + lines)
        for table in ("[[node]]\n", "[[proxy]]\n"):
            toml = toml.replace(table, f'{table}geo-location = "dc1"\n')
        return toml

    return change


def _kebab(settings: Mapping[str, str]) -> dict[str, str]:
    return {
        "".join(f"-{one.lower()}" if one.isupper() else one for one in name): value
        for name, value in settings.items()
    }


class ScenarioTestCase(ClusterTestCase):
    """
    One node, two SIP Proxies, and telephones each in a network namespace of its own.

    @cvar phoneSettings: further lines of baresip's configuration.
    @cvar phoneAccounts: further account parameters of those that are baresip.
    @ivar phones: those that are baresip, by their letters.
    @ivar runs: those that are SIPp: their reports.
    """

    programs = ("baresip", "sipp")
    base = BASE
    hosts = tuple(HOSTS.values())
    change = staticmethod(configured())
    phoneSettings = ""
    phoneAccounts: Mapping[str, str] = {}

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        if not Path("/usr/lib/baresip/modules/ctrl_tcp.so").exists():
            lacking("baresip has no ctrl_tcp module here")
        self.phones: dict[str, Baresip] = {}
        self.runs: dict[str, Any] = {}
        name = f"{type(self).__name__}.{self._testMethodName}"
        self.scenario = _SCENARIOS.get(name, _NONE)
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

    # Telephones

    async def startPhones(self) -> None:
        """
        Start the telephones that the scenario needs.
        """
        for letter in sorted(_letters(self.scenario)):
            scripted = _scripted(self.scenario, letter)
            if scripted is not None:
                await self.register(letter)
                await self.script(letter, *scripted)
            elif letter in "ABCO" and not _registers(self.scenario, letter):
                await self.startPhone(letter)
        for letter in self.phones:
            if letter != "O":
                await self.registered(letter)

    async def startPhone(self, letter: str) -> None:
        """
        Start a baresip.
        """
        phone = await Baresip.start(
            reactor,
            NUMBERS[letter],
            f"{BASE}.{HOSTS[letter]}",
            self.namespace(letter),
            self.work / letter,
            f"sip:{BASE}.{11 if letter in 'AO' else 12}",
            TONES[letter],
            account=self.phoneAccounts.get(letter, ""),
            registers=letter != "O",
            settings=self.phoneSettings,
        )
        self.phones[letter] = phone
        self.addCleanup(self.endPhone, phone)

    def namespace(self, letter: str) -> Any:
        """
        The host of a telephone.
        """
        return self.bridge.phones[list(HOSTS).index(letter)]

    async def endPhone(self, phone: Baresip) -> None:
        """
        End it; it takes its binding back.
        """
        await phone.stop(reactor)
        shutil.rmtree(phone.folder, ignore_errors=True)

    async def registered(self, letter: str) -> None:
        """
        Wait until the proxies know where a telephone is.
        """
        await until(
            reactor,
            lambda: all(
                len(self.cluster.registered(proxy, NUMBERS[letter])) == 1
                for proxy in ("proxy1", "proxy2")
            ),
            10.0,
            f"{letter} is registered",
            0.05,
        )

    def sipp(self, letter: str) -> Phone:
        """
        A telephone that is SIPp.
        """
        proxy = f"{BASE}.{11 if letter == 'A' else 12}:5060"
        return Phone(NUMBERS[letter], f"{BASE}.{HOSTS[letter]}", proxy)

    async def register(self, letter: str, scenario: str = "register-for") -> None:
        """
        Let SIPp register, or give its registration back.
        """
        brief = any(step.do[0] == "expire" for step in self.scenario.steps)
        run = self.sipp(letter).run(scenario, keys={"seconds": "2" if brief else "300"})
        if scenario != "unregister" and not brief:
            self.addCleanup(self.unregister, letter)
        folder = self.work / f"{letter}-{scenario}-{reactor.seconds()}"
        report: Report = await run.run(folder, self.namespace(letter))
        self.assertAsWritten(report, True)

    async def unregister(self, letter: str) -> None:
        """
        Leave nothing behind.
        """
        if letter in self.runs and not self.runs[letter].called:
            self.runs[letter].addErrback(lambda failure: None)
            self.runs[letter].cancel()
            await self.runs[letter]
        if self.cluster.registered("proxy1", NUMBERS[letter]):
            await self.register(letter, "unregister")

    async def script(self, letter: str, scenario: str, keys: dict[str, str]) -> None:
        """
        Let SIPp wait for a call.
        """
        phone, namespace = self.sipp(letter), self.namespace(letter)
        run = phone.answer(scenario, keys={"user": phone.number, **keys}, seconds=60)
        self.runs[letter] = run.run(self.work / f"{letter}-answers", namespace)
        await until(
            reactor,
            lambda: self.runs[letter].called or listens(namespace, phone.address),
            5.0,
            f"{scenario} listens",
            0.02,
        )

    # Clients

    async def connect(self) -> None:
        """
        A client at the TCport for each DN, and one at each port that sees all.
        """
        node = self.cluster.address("node1")
        hub = self.cluster.namespace

        async def client(port: str, application: str, dns: str) -> TLibClient:
            made = await TLibClient.open(
                reactor,
                hub,
                node,
                PORTS[port],
                application,
                [NUMBERS[letter] for letter in dns],
            )
            self.addCleanup(made.leave)
            return made

        self.clients = {
            letter: await client("TCport", "desktop", letter) for letter in "ABC"
        }
        self.witnesses = {port: await client(port, "monitor", "ABC") for port in PORTS}

    # Playing

    async def play(self) -> None:
        """
        Do what the steps say, and compare after each one what all clients got.
        """
        await self.startPhones()
        await self.inService()
        await self.connect()
        play = Play(self.scenario, comparison=Comparison(precision=2.0))
        for step in self.scenario.steps:
            request = play.request(step)
            reference = 0
            if request is not None:
                reference = self.clients[step.do[1]].request(request)
            await self.perform(step)
            rows = play.rows(step)
            mine = rows["own"]
            error = step.do[1] if step.error else ""
            due = {
                **{(port, ""): len(rows[port]) for port in self.witnesses},
                **{
                    ("", letter): sum(row.this == letter for row in mine)
                    + (letter == error)
                    for letter in self.clients
                },
            }
            got = await self.take(due)
            witnesses = {port: got[port, ""] for port in self.witnesses}
            clients = {letter: got["", letter] for letter in self.clients}
            wrong = play.wrong(step, rows, reference, witnesses, clients)
            if wrong:
                self.fail("\n".join((f"{step.what}:", *wrong, self.said())))
        await self.over()

    def said(self) -> str:
        """
        What telephones wrote about errors, for the message of a failure.
        """
        files = self.work.glob("*/errors.log")
        return "\n".join(file.read_text("utf-8", "replace")[:4000] for file in files)

    async def inService(self) -> None:
        """
        Wait until the node has heard of the telephones.
        """

        def known() -> bool:
            address = self.cluster.address("node1")
            status, body = fetch(self.cluster.namespace, address, "/dns")
            states = {one["dn"]: one["state"] for one in json.loads(body or b"[]")}
            return status == 200 and all(
                states[NUMBERS[letter]] == "in service"
                for letter in {*self.phones, *self.runs} - {"O"}
            )

        await until(reactor, known, 10.0, "the node knows the telephones", 0.05)

    async def take(
        self, due: Mapping[tuple[str, str], int]
    ) -> dict[tuple[str, str], list[Got]]:
        """
        Take as many events as are due; all, when they do not come.

        @param due: how many, by port of one that sees all, or letter of a DN whose
            client it is.
        """

        def events(port: str, letter: str) -> list[Got]:
            return (self.witnesses[port] if port else self.clients[letter]).got

        def come() -> bool:
            return all(len(events(*key)) >= count for key, count in due.items())

        try:
            await until(reactor, come, _PATIENCE, "events", 0.02)
        except AssertionError:
            due = {key: len(events(*key)) for key in due}
        taken = {}
        for key, count in due.items():
            got = events(*key)
            taken[key] = got[:count]
            del got[:count]
        return taken

    async def over(self) -> None:
        """
        Nothing else comes, all calls are over, and SIPp saw what it wanted.
        """
        for letter, run in self.runs.items():
            report = await run
            self.assertEqual(report.status, 0, f"{letter}: {report.why}")
        await until(
            reactor,
            lambda: not self.cluster.status("node1").get("calls", 1),
            5.0,
            "no call is left",
        )
        await until(reactor, after(3), 2.0, "nothing more", 0.1)
        for client in (*self.clients.values(), *self.witnesses.values()):
            self.assertEqual(client.take(), [])

    async def perform(self, step: Step) -> None:
        """
        Do what a step says, as far as telephones do it.
        """
        what, letter, *more = step.do
        phone = self.phones.get(letter)
        if what in ("register", "unregister"):
            await self.register(letter, "register-for" if what == "register" else what)
        elif what == "leave":
            self.clients.pop(letter).leave()
        elif phone is not None:
            await self._act(phone, what, more)

    async def _act(self, phone: Baresip, what: str, more: list[Any]) -> None:
        if what == "call":
            phone.say("dial", f"sip:{number(more[0])}@lab.example")
        elif what in ("answer", "RequestMakeCall"):
            await phone.told(reactor, "CALL_INCOMING")
            refuses = bool(more) and isinstance(more[-1], int)
            phone.say("hangup" if refuses else "accept")
            phone.forget()
        elif what in ("hangUp", "giveUp"):
            phone.say("hangup")
        elif what == "refuse":
            await phone.told(reactor, "CALL_INCOMING")
            phone.say("hangup")  # 486
        elif what == "hold":
            phone.say("hold")
        elif what == "retrieve":
            phone.say("resume")


def _letters(scenario: Scenario) -> set[str]:
    """
    Whom a scenario needs.
    """
    found = {row.this for row in scenario.rows}
    for step in scenario.steps:
        found |= {one[-1:] for one in step.do[1:3] if isinstance(one, str)}
    return found & set("ABCO")


def _registers(scenario: Scenario, letter: str) -> bool:
    """
    Whether a scenario is about the registration of a telephone.
    """
    return any(
        step.do[0] == "register" and step.do[1] == letter for step in scenario.steps
    )


def _scripted(scenario: Scenario, letter: str) -> tuple[str, dict[str, str]] | None:
    """
    What SIPp must play in place of a baresip, which cannot do it.
    """
    for step in scenario.steps:
        what, who, *more = step.do
        if who != letter:
            continue
        if what == "RequestAnswerCall":
            return "callee-talks", {}
        if what == "deflect":
            return "callee-deflects", {"elsewhere": NUMBERS[more[0]]}
        if what == "refuse" and more[0] == 603:
            return "callee-rings-and-declines", {}
    return None


#: Of a test that plays none.
_NONE = Scenario("", "", "", ())

#: The scenarios of test methods, by class and method.
_SCENARIOS: dict[str, Scenario] = {}

ALL = (
    *two_party.SCENARIOS,
    *digits.SCENARIOS,
    *holding.SCENARIOS,
    *user_data.SCENARIOS,
    *dn_states.SCENARIOS,
    *agents.SCENARIOS,
)

T = TypeVar("T", bound=type[ScenarioTestCase])


def plays(setting: str, *sections: str) -> Callable[[T], T]:
    """
    Give a class a test for each scenario of some sections.

    @param setting: name of the setting that they need; C{""}: none.
    """

    def wanted(scenario: Scenario) -> bool:
        names = {name for name, _ in scenario.settings} - {"agentLogoutGrace"}
        return names == ({setting} if setting else set()) and (
            scenario.section in sections or not sections
        )

    def add(cls: T) -> T:
        for scenario in filter(wanted, ALL):

            async def test(self: ScenarioTestCase) -> None:
                await self.play()

            name = f"test_{scenario.name}"
            test.__name__ = name
            test.__qualname__ = f"{cls.__qualname__}.{name}"
            test.__doc__ = f"{scenario.title}."
            setattr(cls, name, test)
            _SCENARIOS[f"{cls.__name__}.{name}"] = scenario
        return cls

    return add


@plays("", "3.1")
class TwoPartyTests(ScenarioTestCase):
    """
    Two-party calls and how they fail: call model 3.1.
    """


@plays("", "3.2")
class HoldingTests(ScenarioTestCase):
    """
    Hold and retrieve: call model 3.2.
    """


@plays("", "3.9")
class UserDataTests(ScenarioTestCase):
    """
    User data: call model 3.9.
    """


@plays("", "3.10")
class DNStateTests(ScenarioTestCase):
    """
    DN states: call model 3.10.
    """


@plays("", "3.11")
class AgentStateTests(ScenarioTestCase):
    """
    Agent states: call model 3.11.
    """


@plays("eventAbandoned")
class EventAbandonedTests(ScenarioTestCase):
    """
    What needs C{event-abandoned = "external"}.
    """

    change = staticmethod(configured(eventAbandoned='"external"'))


@plays("wrapUpTime")
class WrapUpTimeTests(ScenarioTestCase):
    """
    What needs C{wrap-up-time}.
    """

    change = staticmethod(configured(wrapUpTime=f"{agents.SECONDS}"))
