"""
Tests for L{sipcluster.tcontroller.keeping}.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from sipcluster.ha.ikeeping import IKept
from sipcluster.sessioncontroller.isessioncontroller import ExtensionDN, TrunkDN
from sipcluster.tcontroller.controller import TController
from sipcluster.tcontroller.history import HISTORY, PAGE, PAGES, History
from sipcluster.tcontroller.itcontroller import AgentSettings
from sipcluster.tcontroller.keeping import KeptDNs, KeptHistories
from sipcluster.tcontroller.values import Entry
from sipcluster.tlib.enums import AgentWorkMode
from sipcluster.tlib.messages import (
    RequestAgentLogin,
    RequestAgentNotReady,
    RequestAgentReady,
    RequestCallForwardSet,
    RequestSetDNDOn,
)
from sipcluster.tserver.itserver import ClientView
from tests.unit.kept import Lives, Others
from tests.unit.tcontroller.fakes import (
    CONN,
    DESKTOP,
    DESKTOP2,
    DNS,
    NOON,
    STATISTICS,
    Alerting,
    Answered,
    Offered,
    Released,
    TControllerTestCase,
)
from tests.unit.tcontroller.test_order import Disorder, anything

OTHER = "2" * 16


class KeptTestCase(TControllerTestCase):
    """
    Tests of a T-Controller whose process can be replaced by another one at the end
    of a turn.

    @ivar dns: those of the next process.
    @ivar registered: what the sessions of clients say when all is restored.
    """

    dns = DNS

    def setUp(self) -> None:
        self.registered: dict[str, tuple[ClientView, ...]] = {}
        self.lives: Lives | None = None
        super().setUp()

    def make(self) -> TController:
        """
        Make a T-Controller, in a new life of a member that knows what was written
        down before.
        """
        if self.lives is None:
            self.lives = Lives(self, self.clock)
        else:
            self.lives.next()
        self.keeper = self.lives.keeper
        self.journal = self.lives.journal
        # The T-Library ports come first.
        self.keeper.keep(Others("tlib-session", self._register))
        return TController(
            self.clock,
            lambda: NOON + self.clock.seconds(),
            self.port,
            self.dns,
            self.settings,
            self.port,
            self.owners,
            self.keeper,
        )

    def _register(self) -> None:
        for dn, clients in self.registered.items():
            for client in clients:
                self.controller.addressRegistered(client, dn)

    def move(
        self,
        clients: dict[str, tuple[ClientView, ...]] | None = None,
        after: float = 0.0,
    ) -> list[str]:
        """
        This process dies, and another one goes on.

        @param clients: those whose sessions were kept, by DN.
        @param after: so many seconds later.

        @return: what it tells at once.
        """
        assert self.lives is not None
        self.lives.die()
        hasCall = self.controller.hasCall
        self.controller.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(after)
        self.registered = clients or {}
        self.controller = self.make()
        self.controller.hasCall = hasCall
        self.controller.messageWaitingChanged = self._waitingChanged
        begin = len(self.port.told)
        self.lives.begin()
        return self.since(begin)


class KeptTests(KeptTestCase):
    """
    What another process goes on with.
    """

    settings = AgentSettings(wrapUpTime=20.0, logoutGrace=30.0)

    def login(self, dn: str = "1001") -> None:
        """
        An agent logs in at a DN that is in service.
        """
        self.controller.addressRegistered(DESKTOP, dn)
        self.controller.deviceInService(dn)
        self.ask(RequestAgentLogin(thisDN=dn, agentID="7001"))
        self.ask(RequestAgentReady(thisDN=dn))

    def test_provides(self) -> None:
        """
        Both kinds are what a keeper takes.
        """
        verifyObject(IKept, KeptDNs({}, lambda connID: True))
        verifyObject(IKept, KeptHistories({}))

    def test_nothingHappened(self) -> None:
        """
        Of DNs to which nothing has happened nothing is written down.
        """
        self.keeper.flush()
        self.assertEqual(self.journal.snapshot("dn"), {})
        self.assertEqual(self.journal.snapshot("dn-history"), {})

    def test_onceATurn(self) -> None:
        """
        However much happens to a DN in a turn, it is written down once, and its
        history apart from it.
        """
        self.login()
        before = self.journal.position
        self.keeper.flush()
        self.assertEqual(self.journal.position - before, 2)
        self.assertEqual(list(self.journal.snapshot("dn")), ["1001"])
        self.assertEqual(list(self.journal.snapshot("dn-history")), ["1001/0"])

    def test_agentsAndFeatures(self) -> None:
        """
        Agents, what is switched on, the service of DNs and their histories are
        the same there, and nobody is told anything.
        """
        self.login()
        self.ask(RequestSetDNDOn(thisDN="1001"))
        self.ask(RequestCallForwardSet(thisDN="1002", otherDN="1003"))
        before = [self.controller.explain(dn.number) for dn in DNS]
        self.assertEqual(self.move({"1001": (DESKTOP,)}), [])
        after = [self.controller.explain(dn.number) for dn in DNS]
        self.assertEqual(after, before)
        self.controller.deviceInService("1001")
        self.assertEqual(self.wait(1000), [])

    def test_afterCallWorkGoesOn(self) -> None:
        """
        After-call work lasts as long as it would have.
        """
        self.login()
        self.talk()
        self.happen(Released)
        self.wait(5)
        self.move({"1001": (DESKTOP,)}, after=3)
        self.assertEqual(self.wait(11.9), [])
        self.assertEqual(self.wait(0.2), ["EventAgentReady"])

    def test_afterCallWorkThatIsOverMeanwhile(self) -> None:
        """
        When its time has passed while nobody was there, it ends at once.
        """
        self.login()
        self.talk()
        self.happen(Released)
        self.move({"1001": (DESKTOP,)}, after=100)
        self.assertEqual(self.wait(0), ["EventAgentReady"])

    def test_afterCallWorkWaitsForACall(self) -> None:
        """
        After-call work that waits because the agent has a call passes no time.
        """
        self.login()
        self.talk()
        self.happen(Released)
        self.happen(Offered, connID=OTHER)
        self.move({"1001": (DESKTOP,)}, after=100)
        self.assertEqual(self.wait(100), [])
        self.happen(Released, connID=OTHER)
        self.assertEqual(self.wait(19.9), [])
        self.assertEqual(self.wait(0.2), ["EventAgentReady"])

    def test_untimed(self) -> None:
        """
        After-call work without an end has none there either.
        """
        self.login()
        more = (("WrapUpTime", "untimed"),)
        self.ask(
            RequestAgentNotReady(
                thisDN="1001", workMode=AgentWorkMode.AFTER_CALL_WORK, extensions=more
            )
        )
        self.move({"1001": (DESKTOP,)}, after=100)
        self.assertEqual(self.wait(1000), [])

    def test_talkedBefore(self) -> None:
        """
        An agent that has talked, and dials again, has after-call work at the end.
        """
        self.login()
        self.talk()
        self.happen(Offered, connID=OTHER)
        self.happen(Released)
        self.move({"1001": (DESKTOP,)})
        self.assertIn("EventAgentNotReady", self.happen(Released, connID=OTHER))

    def test_graceGoesOn(self) -> None:
        """
        The time of an agent whose client had gone goes on.
        """
        self.login()
        self.controller.clientGone(DESKTOP, ["1001"])
        self.wait(10)
        self.move(after=5)
        self.assertEqual(self.wait(14.9), [])
        self.assertEqual(self.wait(0.2), ["EventAgentLogout"])

    def test_clientOfBeforeIsGone(self) -> None:
        """
        An agent whose client's session was not kept gets its time of grace.
        """
        self.login()
        self.move({"1001": (STATISTICS,)})
        self.assertEqual(self.wait(29.9), [])
        self.assertEqual(self.wait(0.2), ["EventAgentLogout"])

    def test_anotherClientIsThere(self) -> None:
        """
        Another client of the same application takes it over.
        """
        self.login()
        self.controller.addressRegistered(DESKTOP2, "1001")
        self.move({"1001": (DESKTOP2,)})
        self.assertEqual(self.wait(1000), [])
        self.controller.clientGone(DESKTOP2, ["1001"])
        self.assertEqual(self.wait(30), ["EventAgentLogout"])

    def test_clientIsGoneThereLater(self) -> None:
        """
        The client that was kept goes: its agent follows it.
        """
        self.login()
        self.move({"1001": (DESKTOP,)})
        self.controller.clientGone(DESKTOP, ["1001"])
        self.assertEqual(self.wait(30), ["EventAgentLogout"])

    def test_callThatIsLost(self) -> None:
        """
        A call that has not outlived its process is over for its DNs: on hook, and
        after-call work for who was connected.
        """
        self.controller.hasCall = lambda connID: connID != CONN
        self.login()
        self.talk()
        self.happen(Alerting, "1002")
        self.happen(Answered, "1003", connID=OTHER)
        told = self.move({"1001": (DESKTOP,)})
        self.assertEqual(told, ["EventAgentNotReady", "EventOnHook"])
        self.assertEqual(self.port.events[-1].connID, CONN)
        self.assertEqual(self.controller.snapshot("1002")[0], ("status", 2))
        self.assertEqual(
            self.happen(Released, "1003", connID=OTHER)[-1:], ["EventOnHook"]
        )

    def test_goneFromTheSwitch(self) -> None:
        """
        A DN that is not of the switch any more, or is no extension any more, is
        given up, at the other member as well.
        """
        self.login("1001")
        self.login("1002")
        self.dns = (TrunkDN("1002", b"sip:192.0.2.8", "192.0.2.8"),)
        self.assertEqual(self.move(), [])
        self.assertEqual(list(self.journal.snapshot("dn")), ["1002"])
        self.assertEqual(list(self.journal.snapshot("dn-history")), ["1002/0"])
        self.assertEqual(list(self.controller.agents()), [])
        self.assertIsNone(self.controller.explain("1001"))
        self.assertEqual(self.wait(1000), [])

    def test_atAPlaceOfItsOwnNow(self) -> None:
        """
        A DN that has been given a place of its own comes into service by its
        device, as ever.
        """
        self.happen(Alerting)
        self.happen(Released)
        self.dns = (ExtensionDN("1001", contact=b"sip:agent@192.0.2.4"),)
        self.move()
        self.controller.deviceInService("1001")
        self.assertEqual(self.controller.snapshot("1001")[0], ("status", 0))

    def test_garbage(self) -> None:
        """
        An entry that cannot be read is lost, and nothing else.
        """
        self.login()
        self.keeper.flush()
        self.journal.change("dn", "1002", b"\xc1")
        self.journal.change("dn", "1003", b"\x01")
        self.journal.change("dn-history", "1003/0", b"\x01")
        self.journal.change("dn-history", "1003/x", b"\x92\x00\x90")
        self.keeper.end()
        self.controller.stop()
        self.registered = {"1001": (DESKTOP,)}
        self.controller = self.make()
        self.keeper.begin()
        self.assertEqual(len(self.flushLoggedErrors()), 4)
        self.assertEqual(len(list(self.controller.agents())), 1)


class OwnerTests(KeptTestCase):
    """
    DNs that are in service while a client has registered them.
    """

    owners: tuple[str, ...] = ("desktop",)

    def test_stillThere(self) -> None:
        """
        While the session of that client is kept, nothing is told.
        """
        self.controller.deviceInService("1004")
        self.controller.addressRegistered(DESKTOP, "1004")
        self.assertEqual(self.move({"1004": (DESKTOP,)}), [])
        self.assertEqual(self.controller.snapshot("1004")[0], ("status", 0))

    def test_gone(self) -> None:
        """
        When it was not, the DN is out of service.
        """
        self.controller.deviceInService("1004")
        self.controller.addressRegistered(DESKTOP, "1004")
        self.assertEqual(self.move(), ["EventDNOutOfService"])

    def test_noLongerOwned(self) -> None:
        """
        With other settings it needs nobody.
        """
        self.controller.deviceInService("1004")
        self.controller.addressRegistered(DESKTOP, "1004")
        self.controller.clientGone(DESKTOP, ["1004"])
        self.owners = ()
        self.move()
        self.assertEqual(self.controller.snapshot("1004")[0], ("status", 0))


class AnythingTests(Disorder, KeptTestCase):
    """
    Random requests, calls, losses of clients, time, and deaths of processes.
    """

    def start(self, kept: AgentSettings) -> None:
        """
        See L{Disorder}.
        """
        self.lives = None
        self.sessions: dict[str, dict[ClientView, None]] = {}
        super().start(kept)

    def do(self, what: str, *how: Any) -> None:
        """
        See L{Disorder}: as its port would, it asks for a client only what that has
        registered.
        """
        if what == "ask":
            request, client = how
            self.register(client, request.thisDN)
        elif what == "register":
            self.sessions.setdefault(how[0], {})[how[1]] = None
        elif what == "unregister":
            self.sessions.get(how[0], {}).pop(how[1], None)
        elif what == "gone":
            for clients in self.sessions.values():
                clients.pop(how[0], None)
        super().do(what, *how)

    def check(self) -> None:
        """
        See L{Disorder}.
        """
        self.keeper.flush()
        self.assertEqual(self.keeper.differing(), [])
        super().check()

    def register(self, client: ClientView, dn: str) -> None:
        """
        A client registers a DN, unless it has.
        """
        if client not in self.sessions.setdefault(dn, {}):
            self.do("register", dn, client)

    def takeOver(self) -> None:
        """
        See L{Disorder}.
        """
        before = [self.controller.explain(dn.number) for dn in DNS]
        clients = {dn: tuple(each) for dn, each in self.sessions.items()}
        self.assertEqual(self.move(clients), [])
        after = [self.controller.explain(dn.number) for dn in DNS]
        self.assertEqual(after, before)

    @hypothesis(max_examples=60, deadline=None)
    @anything
    def test_anything(self, seed: int, steps: int, kept: AgentSettings) -> None:
        """
        After each turn everything is written down as it is; another process has
        the same DNs, agents and histories, and tells nobody anything.
        """
        self.play(seed, steps, kept)


def read(history: History) -> list[tuple[int, tuple[Entry, ...]]]:
    """
    All pages of a history.
    """
    pages = (history.read(page) for page in history.pages())
    return [page for page in pages if page is not None]


class HistoryTests(TControllerTestCase):
    """
    The pages of a history.
    """

    @given(st.integers(0, 200), st.randoms(use_true_random=False))
    def test_pages(self, count: int, chance: Any) -> None:
        """
        Pages hold all lines that there are, each once, and in whatever order they
        are read they make the same history.
        """
        history = History()
        for number in range(count):
            history.add(Entry(float(number), f"line {number}"))
        pages = read(history)
        self.assertGreaterEqual(sum(len(lines) for _, lines in pages), min(count, 50))
        self.assertEqual(len(history.lines), min(count, HISTORY))
        if count:
            last = history.read(history.page)
            assert last is not None
            self.assertIn(history.lines[-1], last[1])
        chance.shuffle(pages)
        again = History()
        for first, lines in pages:
            again.take(first, lines)
        self.assertEqual(again.lines, history.lines)
        self.assertEqual(again.count, history.count)
        self.assertEqual(
            sorted(read(again), key=lambda page: page[0]),
            sorted(read(history), key=lambda page: page[0]),
        )

    def test_pageIsShort(self) -> None:
        """
        A new line writes at most one page.
        """
        history = History()
        for number in range(3 * PAGE * PAGES):
            history.add(Entry(float(number), "x"))
            page = history.read(history.page)
            assert page is not None
            first, lines = page
            self.assertLessEqual(len(lines), PAGE)
            self.assertEqual(first * PAGE + len(lines), history.count)
