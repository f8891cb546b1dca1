"""
Tests for L{sipcluster.tcontroller.agent} and L{sipcluster.tcontroller.agent_states}.
"""

from __future__ import annotations

from typing import Any

from sipcluster.tcontroller.agent_states import _machine
from sipcluster.tcontroller.itcontroller import AgentSettings
from sipcluster.tcontroller.values import AgentState
from sipcluster.testing.machines import inputs, states, unanswered
from sipcluster.tlib.enums import AgentWorkMode
from sipcluster.tlib.messages import (
    RequestAgentLogin,
    RequestAgentLogout,
    RequestAgentNotReady,
    RequestAgentReady,
    RequestAgentSetIdleReason,
)
from tests.unit.tcontroller.fakes import (
    CONN,
    DESKTOP,
    DESKTOP2,
    STATISTICS,
    Answered,
    Cause,
    Failed,
    Offered,
    Released,
    TControllerTestCase,
)

ACW = AgentWorkMode.AFTER_CALL_WORK
AUX = AgentWorkMode.AUX_WORK


def login(agentID: str = "7001", dn: str = "1001", **more: Any) -> RequestAgentLogin:
    """
    A login.
    """
    return RequestAgentLogin(thisDN=dn, agentID=agentID, **more)


def ready(dn: str = "1001", **more: Any) -> RequestAgentReady:
    """
    Be ready.
    """
    return RequestAgentReady(thisDN=dn, **more)


def notReady(dn: str = "1001", **more: Any) -> RequestAgentNotReady:
    """
    Be not ready.
    """
    return RequestAgentNotReady(thisDN=dn, **more)


def logout(dn: str = "1001", **more: Any) -> RequestAgentLogout:
    """
    Log out.
    """
    return RequestAgentLogout(thisDN=dn, **more)


class MachineTests(TControllerTestCase):
    """
    The machine of an agent.
    """

    def test_everyInputIsAnsweredInEveryState(self) -> None:
        """
        Nothing that a client, a call or a clock can cause is unexpected in any
        state.
        """
        self.assertEqual(unanswered(_machine, inputs(_machine)), set())

    def test_statesHaveTheNamesOfTheValues(self) -> None:
        """
        The states of the machine are those of L{AgentState}.
        """
        self.assertEqual(states(_machine), {state.value for state in AgentState})


class LoginTests(TControllerTestCase):
    """
    Logging in and out (tlibrary 3.11).
    """

    settings = AgentSettings(location="dc1", logoutGrace=30.0)

    def test_loginLeavesNotReady(self) -> None:
        """
        A login by employee id, without any login object (W03), is answered
        EventAgentLogin, and EventAgentNotReady follows at once.
        """
        self.assertEqual(
            self.ask(login(thisQueue="9000", password="secret")),
            ["EventAgentLogin*", "EventAgentNotReady"],
        )
        entered, state = self.port.events
        self.assertEqual(
            (entered.thisDN, entered.agentID, entered.thisQueue, entered.workMode),
            ("1001", "7001", "9000", AgentWorkMode.UNKNOWN),
        )
        self.assertEqual((state.agentID, state.thisQueue), ("7001", "9000"))
        self.assertEqual(state.time, (1_800_000_000, 250000))

    def test_loginAutoInIsReady(self) -> None:
        """
        With WorkMode AutoIn EventAgentReady follows, and says in which data centre
        the agent is.
        """
        self.assertEqual(
            self.ask(login(workMode=AgentWorkMode.AUTO_IN)),
            ["EventAgentLogin*", "EventAgentReady"],
        )
        self.assertEqual(self.last.reasons, (("site", "dc1"),))
        self.assertEqual(self.last.workMode, AgentWorkMode.AUTO_IN)

    def test_loginAgainIsRefused(self) -> None:
        """
        The same agent at the same DN is logged in already: 43.
        """
        self.ask(login())
        self.assertEqual(self.ask(login()), ["43"])
        self.assertEqual(self.ask(login(workMode=AgentWorkMode.AUTO_IN)), ["43"])

    def test_oneAgentAtADN(self) -> None:
        """
        Another agent cannot log in where one is: 1141.
        """
        self.ask(login())
        self.assertEqual(self.ask(login("7002")), ["1141"])
        self.assertIn("7001 is logged in at 1001", self.port.texts[-1])

    def test_oneDNOfAnAgent(self) -> None:
        """
        An agent cannot log in at a second DN: 42.
        """
        self.ask(login())
        self.assertEqual(self.ask(login(dn="1002")), ["42"])

    def test_badAgentIDs(self) -> None:
        """
        An agent id that is empty, too long, padded with blanks or not printable is
        refused with 192.
        """
        for bad in ("", "7" * 65, " 7001", "70\x0001"):
            self.assertEqual(self.ask(login(bad)), ["192"], bad)

    def test_badWorkModes(self) -> None:
        """
        A work mode that a request cannot have is refused with 53.
        """
        self.assertEqual(self.ask(login(workMode=AgentWorkMode.WALK_AWAY)), ["53"])
        self.ask(login())
        self.assertEqual(self.ask(ready(workMode=ACW)), ["53"])
        self.assertEqual(self.ask(notReady(workMode=77)), ["53"])

    def test_badWrapUpTimes(self) -> None:
        """
        A WrapUpTime that is none is refused with 53, and nobody is logged in.
        """
        for bad in ("soon", -1, 86401, b"20", "²", ""):
            asked = login(extensions=(("WrapUpTime", bad),))
            self.assertEqual(self.ask(asked), ["53"], bad)

    def test_reasonsAreBounded(self) -> None:
        """
        Reasons are kept, so they may not be long: 53.
        """
        self.ask(login())
        self.assertEqual(self.ask(notReady(reasons=(("k", "v" * 5000),))), ["53"])

    def test_logout(self) -> None:
        """
        EventAgentLogout, and another agent can log in.
        """
        self.ask(login())
        self.assertEqual(self.ask(logout()), ["EventAgentLogout*"])
        self.assertEqual(self.last.agentID, "7001")
        self.ask(login("7002"))
        self.assertEqual(self.last.agentID, "7002")
        self.ask(login("7001", "1002"))
        self.assertEqual(self.last.agentID, "7001")

    def test_loggedOut(self) -> None:
        """
        Nothing but a login is possible while logged out: 187.
        """
        for request in (
            logout(),
            ready(),
            notReady(),
            notReady(workMode=ACW),
            RequestAgentSetIdleReason(thisDN="1001"),
        ):
            self.assertEqual(self.ask(request), ["187"])

    def test_otherDNs(self) -> None:
        """
        A routing point or a trunk has no agents: 1141; an unknown DN is 59.
        """
        self.assertEqual(self.ask(login(dn="5000")), ["1141"])
        self.assertEqual(self.ask(login(dn="8000")), ["1141"])
        self.assertEqual(self.ask(login(dn="4711")), ["59"])

    def test_loginWhileTheDNIsOutOfService(self) -> None:
        """
        An agent can log in before its telephone has registered.
        """
        self.assertEqual(self.ask(login())[0], "EventAgentLogin*")


class StateTests(TControllerTestCase):
    """
    Ready and not ready.
    """

    settings = AgentSettings(location="dc1")

    def setUp(self) -> None:
        super().setUp()
        self.ask(login())

    def test_readyAndNotReady(self) -> None:
        """
        Each request is answered by its event, with work mode and reasons; site is
        among the Reasons of EventAgentReady only.
        """
        self.assertEqual(self.ask(ready()), ["EventAgentReady*"])
        self.assertEqual(self.last.reasons, (("site", "dc1"),))
        asked = notReady(workMode=AUX, reasons=(("ReasonCode", "lunch"),))
        self.assertEqual(self.ask(asked), ["EventAgentNotReady*"])
        self.assertEqual(self.last.reasons, (("ReasonCode", "lunch"),))
        self.assertEqual(self.last.workMode, AUX)

    def test_reasonCodeInExtensions(self) -> None:
        """
        A ReasonCode that a client has put into Extensions is as good.
        """
        self.ask(notReady(extensions=(("ReasonCode", 7),)))
        self.assertEqual(self.last.reasons, (("ReasonCode", 7),))

    def test_sameStateAgain(self) -> None:
        """
        What would change nothing is refused with 43; another reason, or another
        work mode, is told.
        """
        self.assertEqual(self.ask(notReady()), ["43"])
        lunch = notReady(reasons=(("ReasonCode", "lunch"),))
        self.assertEqual(self.ask(lunch), ["EventAgentNotReady*"])
        self.assertEqual(self.ask(lunch), ["43"])
        self.ask(ready())
        self.assertEqual(self.ask(ready()), ["43"])
        manual = ready(workMode=AgentWorkMode.MANUAL_IN)
        self.assertEqual(self.ask(manual), ["EventAgentReady*"])

    def test_idleReason(self) -> None:
        """
        RequestAgentSetIdleReason gives a reason to whoever is not ready, and only
        to those.
        """
        asked = RequestAgentSetIdleReason(
            thisDN="1001", reasons=(("ReasonCode", "tea"),)
        )
        self.assertEqual(self.ask(asked), ["EventAgentIdleReasonSet*"])
        self.assertIn(("ReasonCode", "tea"), self.controller.snapshot("1001"))
        self.ask(ready())
        self.assertEqual(self.ask(asked), ["506"])

    def test_anyClientMayAsk(self) -> None:
        """
        A supervisor's client may change the state of an agent that another one
        has logged in.
        """
        self.assertEqual(self.ask(ready(), STATISTICS), ["EventAgentReady*"])


class WrapUpTests(TControllerTestCase):
    """
    After-call work.
    """

    settings = AgentSettings(wrapUpTime=20.0)

    def setUp(self) -> None:
        super().setUp()
        self.ask(login(workMode=AgentWorkMode.AUTO_IN))

    def test_begins(self) -> None:
        """
        It begins when the last call ends, before that is told, so that nobody
        thinks the agent free in between; after its time the agent is what it was.
        """
        self.talk()
        self.assertEqual(
            self.happen(Released, answered=True),
            ["EventAgentNotReady", "Released", "EventOnHook"],
        )
        told = self.port.events[-2]
        self.assertEqual(told.workMode, ACW)
        self.assertEqual(told.extensions, (("WrapUpTime", 20),))
        self.assertEqual(self.wait(19.9), [])
        self.assertEqual(self.wait(0.2), ["EventAgentReady"])
        self.assertEqual(self.last.workMode, AgentWorkMode.AUTO_IN)

    def test_notReadyBefore(self) -> None:
        """
        Whoever was not ready is not ready afterwards, with the same reason.
        """
        self.ask(notReady(reasons=(("ReasonCode", "lunch"),)))
        self.talk()
        self.happen(Released)
        self.assertEqual(self.wait(20), ["EventAgentNotReady"])
        self.assertEqual(self.last.reasons, (("ReasonCode", "lunch"),))
        self.assertEqual(self.last.workMode, AgentWorkMode.UNKNOWN)

    def test_onlyAfterTheLastCall(self) -> None:
        """
        While there is another call it does not begin.
        """
        self.talk()
        self.happen(Offered, connID="2" * 16)
        self.assertEqual(self.happen(Released), ["Released"])
        self.assertEqual(
            self.happen(Released, connID="2" * 16)[0], "EventAgentNotReady"
        )

    def test_notAfterCallsThatWereNotAnswered(self) -> None:
        """
        A call that nobody took, or a number that was busy, leaves no work.
        """
        self.happen(Offered)
        self.happen(Failed)
        self.assertEqual(self.happen(Released), ["Released", "EventOnHook"])

    def test_endedByRequest(self) -> None:
        """
        Ready and not ready end it, and nothing comes when its time would be over.
        """
        for request, event in (
            (ready(), "EventAgentReady*"),
            (notReady(workMode=AUX), "EventAgentNotReady*"),
            (logout(), "EventAgentLogout*"),
        ):
            self.talk()
            self.happen(Released)
            self.assertEqual(self.ask(request), [event])
            self.assertEqual(self.wait(60), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_timeOfTheLogin(self) -> None:
        """
        WrapUpTime in the Extensions of the login takes the place of the setting; 0
        is none.
        """
        self.ask(logout())
        self.ask(login(extensions=(("WrapUpTime", 5),)))
        self.ask(ready())
        self.talk()
        self.happen(Released)
        self.assertEqual(self.wait(5), ["EventAgentReady"])
        self.ask(logout())
        self.ask(login(extensions=(("WrapUpTime", "0"),)))
        self.talk()
        self.assertEqual(self.happen(Released), ["Released", "EventOnHook"])

    def test_untimed(self) -> None:
        """
        Untimed work lasts until the agent asks for something else.
        """
        self.ask(logout())
        self.ask(login(extensions=(("WrapUpTime", "untimed"),)))
        self.talk()
        self.happen(Released)
        self.assertEqual(self.port.events[-2].extensions, (("WrapUpTime", "untimed"),))
        self.assertEqual(self.wait(100000), [])
        self.assertEqual(self.ask(ready()), ["EventAgentReady*"])

    def test_askedForDuringTheCall(self) -> None:
        """
        Asked for during a call, it begins at the end of it; the answer says so in
        the field's way.
        """
        self.talk()
        asked = notReady(workMode=ACW, extensions=(("WrapUpTime", 60),))
        self.assertEqual(self.ask(asked), ["EventAgentReady*"])
        self.assertEqual(self.last.workMode, ACW)
        self.assertEqual(
            self.last.extensions, (("ReasonCode", "PendingACW"), ("WrapUpTime", 60))
        )
        self.happen(Released)
        self.assertEqual(self.wait(59), [])
        self.assertEqual(self.wait(1), ["EventAgentReady"])
        self.assertEqual(self.last.workMode, AgentWorkMode.AUTO_IN)

    def test_askedForByOneWhoIsNotReady(self) -> None:
        """
        Whoever is not ready stays so until the call ends.
        """
        self.ask(notReady(workMode=AUX))
        self.talk()
        self.assertEqual(self.ask(notReady(workMode=ACW)), ["EventAgentNotReady*"])
        self.assertEqual(self.last.workMode, AUX)
        self.assertEqual(self.happen(Released)[0], "EventAgentNotReady")
        self.assertEqual(self.wait(20), ["EventAgentNotReady"])

    def test_askedForAndTakenBack(self) -> None:
        """
        WrapUpTime 0 asks for none after this call; ready and not ready take back
        what was asked.
        """
        self.talk()
        self.ask(notReady(workMode=ACW, extensions=(("WrapUpTime", 0),)))
        self.assertEqual(self.happen(Released), ["Released", "EventOnHook"])
        self.talk()
        self.ask(notReady(workMode=ACW, extensions=(("WrapUpTime", 60),)))
        again = ready(workMode=AgentWorkMode.AUTO_IN)
        self.assertEqual(self.ask(again), ["EventAgentReady*"])
        self.happen(Released)
        self.assertEqual(self.wait(20), ["EventAgentReady"])

    def test_askedForWithoutACall(self) -> None:
        """
        Without a call it begins at once.
        """
        self.assertEqual(self.ask(notReady(workMode=ACW)), ["EventAgentNotReady*"])
        self.assertEqual(self.last.workMode, ACW)
        self.assertEqual(self.wait(20), ["EventAgentReady"])

    def test_moreTime(self) -> None:
        """
        During it a WrapUpTime is added, 0 asks how much is left, and without one
        the request is refused with 43.
        """
        self.talk()
        self.happen(Released)
        self.wait(15)
        self.assertEqual(self.ask(notReady(workMode=ACW)), ["43"])
        more = notReady(workMode=ACW, extensions=(("WrapUpTime", 30),))
        self.assertEqual(self.ask(more), ["EventAgentNotReady*"])
        self.assertEqual(self.last.extensions, (("WrapUpTime", 35),))
        self.wait(30)
        self.ask(notReady(workMode=ACW, extensions=(("WrapUpTime", 0),)))
        self.assertEqual(self.last.extensions, (("WrapUpTime", 5),))
        self.assertEqual(self.wait(5), ["EventAgentReady"])

    def test_waitsDuringACall(self) -> None:
        """
        A call stops its clock: when the call was not answered it goes on with what
        was left, else it begins anew.
        """
        self.talk()
        self.happen(Released)
        self.wait(15)
        self.happen(Offered)
        self.assertEqual(self.wait(100), [])
        self.assertEqual(self.happen(Released), ["Released", "EventOnHook"])
        self.assertEqual(self.wait(4.9), [])
        self.talk()
        self.wait(100)
        self.assertEqual(self.happen(Released)[0], "EventAgentNotReady")
        self.assertEqual(self.wait(19.9), [])
        self.assertEqual(self.wait(0.2), ["EventAgentReady"])

    def test_noneWithoutASetting(self) -> None:
        """
        Where nothing asks for it there is none.
        """
        self.settings = AgentSettings()
        self.controller = self.make()
        self.ask(login())
        self.talk()
        self.assertEqual(self.happen(Released), ["Released", "EventOnHook"])
        self.talk()
        self.ask(notReady(workMode=ACW))
        self.assertEqual(self.last.extensions[-1], ("WrapUpTime", "untimed"))


class DesktopTests(TControllerTestCase):
    """
    The client that logged an agent in goes.
    """

    settings = AgentSettings(logoutGrace=30.0)

    def setUp(self) -> None:
        super().setUp()
        self.controller.addressRegistered(DESKTOP, "1001")
        self.controller.addressRegistered(STATISTICS, "1001")
        self.ask(login())

    def test_loggedOutAfterItsGrace(self) -> None:
        """
        When it does not come back in time the agent is logged out, with a reason.
        """
        self.controller.clientGone(DESKTOP, ["1001"])
        self.assertEqual(self.wait(29.9), [])
        self.assertEqual(self.wait(0.2), ["EventAgentLogout"])
        self.assertEqual(self.last.reasons, (("ReasonCode", "ClientGone"),))
        self.assertEqual(self.ask(ready()), ["187"])

    def test_awayIsNotGone(self) -> None:
        """
        While its session is kept nothing happens.
        """
        self.controller.clientAway(DESKTOP, ["1001"])
        self.assertEqual(self.wait(1000), [])
        self.controller.clientBack(DESKTOP, ["1001"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_comesBack(self) -> None:
        """
        The same application registers the DN again: the agent stays, and the new
        client is the one that matters.
        """
        self.controller.clientGone(DESKTOP, ["1001"])
        self.wait(20)
        self.controller.addressRegistered(DESKTOP2, "1001")
        self.assertEqual(self.wait(1000), [])
        self.assertEqual(self.ask(login(), DESKTOP2), ["43"])
        self.controller.clientGone(DESKTOP2, ["1001"])
        self.assertEqual(self.wait(30), ["EventAgentLogout"])

    def test_loginWithoutRegistering(self) -> None:
        """
        A login by the same application is refused with 43, and the agent stays.
        """
        self.controller.clientGone(DESKTOP, ["1001"])
        self.assertEqual(self.ask(login(), DESKTOP2), ["43"])
        self.assertEqual(self.wait(1000), [])

    def test_anotherClientOfTheApplication(self) -> None:
        """
        Where a second client of the application has the DN registered, that one
        takes over at once.
        """
        self.controller.addressRegistered(DESKTOP2, "1001")
        self.controller.clientGone(DESKTOP, ["1001"])
        self.assertEqual(self.wait(1000), [])

    def test_othersDoNotMatter(self) -> None:
        """
        A client of another application neither takes over nor takes anything along.
        """
        self.controller.clientGone(STATISTICS, ["1001"])
        self.assertEqual(self.wait(1000), [])
        self.controller.clientGone(DESKTOP, ["1001"])
        self.controller.addressRegistered(STATISTICS, "1001")
        self.assertEqual(self.wait(30), ["EventAgentLogout"])

    def test_unregistering(self) -> None:
        """
        To give the DN back is to go.
        """
        self.controller.addressUnregistered(DESKTOP, "1001")
        self.assertEqual(self.wait(30), ["EventAgentLogout"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_logoutEndsTheGrace(self) -> None:
        """
        An agent that logs out meanwhile leaves no clock behind.
        """
        self.controller.clientGone(DESKTOP, ["1001"])
        self.ask(logout(), STATISTICS)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_elsewhereMeanwhile(self) -> None:
        """
        An agent whose client has gone can log in at another DN: it is logged out
        at the first one before.
        """
        self.controller.clientGone(DESKTOP, ["1001"])
        self.assertEqual(
            self.ask(login(dn="1002"), DESKTOP2),
            ["EventAgentLogout", "EventAgentLogin*", "EventAgentNotReady"],
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_anotherAgentMeanwhile(self) -> None:
        """
        So can another agent at its DN.
        """
        self.controller.clientGone(DESKTOP, ["1001"])
        self.assertEqual(
            self.ask(login("7002"), DESKTOP2),
            ["EventAgentLogout", "EventAgentLogin*", "EventAgentNotReady"],
        )
        self.assertEqual(self.port.events[-3].agentID, "7001")

    def test_refusalChangesNothing(self) -> None:
        """
        Of two agents in the way one may be displaced and the other not: neither is.
        """
        self.ask(login("7002", "1002"), STATISTICS)
        self.controller.clientGone(DESKTOP, ["1001"])
        self.assertEqual(self.ask(login("7001", "1002"), DESKTOP2), ["1141"])
        self.assertEqual(self.ask(ready()), ["EventAgentReady*"])

    def test_atOnceOrNever(self) -> None:
        """
        Without grace it is logged out at once; with none set it stays.
        """
        self.settings = AgentSettings(logoutGrace=0.0)
        self.controller = self.make()
        self.controller.addressRegistered(DESKTOP, "1001")
        self.ask(login())
        self.controller.clientGone(DESKTOP, ["1001"])
        self.assertEqual(self.wait(0.0), ["EventAgentLogout"])
        self.settings = AgentSettings(logoutGrace=None)
        self.controller = self.make()
        self.controller.addressRegistered(DESKTOP, "1001")
        self.ask(login())
        self.controller.clientGone(DESKTOP, ["1001"])
        self.assertEqual(self.wait(100000), [])


class OutOfServiceTests(TControllerTestCase):
    """
    The DN of an agent goes out of service.
    """

    def setUp(self) -> None:
        super().setUp()
        self.controller.deviceInService("1001")
        self.ask(login())

    def test_theAgentStays(self) -> None:
        """
        As in the field without C{logout-on-out-of-service} the agent stays logged
        in; its state can be changed.
        """
        begin = len(self.port.told)
        self.controller.deviceOutOfService("1001", "the registration expired")
        self.assertEqual(self.since(begin), ["EventDNOutOfService"])
        self.assertEqual(self.ask(ready()), ["EventAgentReady*"])

    def test_loggedOut(self) -> None:
        """
        With it the agent is logged out, and cannot log in before the DN is back.
        """
        self.settings = AgentSettings(logoutOutOfService=True)
        self.controller = self.make()
        self.assertEqual(self.ask(login()), ["58"])
        self.controller.deviceInService("1001")
        self.ask(login())
        begin = len(self.port.told)
        self.controller.deviceOutOfService("1001", "the registration expired")
        self.assertEqual(self.since(begin), ["EventDNOutOfService", "EventAgentLogout"])
        self.assertEqual(self.last.reasons, (("ReasonCode", "OutOfService"),))


class CauseTests(TControllerTestCase):
    """
    What follows of how calls end.
    """

    settings = AgentSettings(wrapUpTime=10.0)

    def test_anyCause(self) -> None:
        """
        Whatever the cause, an answered call leaves work.
        """
        for cause in (Cause.OK, Cause.LOST, Cause.SHUTDOWN):
            self.ask(login(workMode=AgentWorkMode.AUTO_IN))
            self.happen(Answered)
            told = self.happen(Released, cause=cause)
            self.assertEqual(told[0], "EventAgentNotReady", cause)
            self.ask(logout())
        self.assertEqual(CONN, self.port.events[-2].connID)
