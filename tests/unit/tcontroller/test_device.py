"""
Tests for L{sipcluster.tcontroller.device} and L{sipcluster.tcontroller.controller}.
"""

from __future__ import annotations

from typing import Any

from zope.interface.verify import verifyObject

from sipcluster.servicecheck.iservicecheck import IDeviceObserver
from sipcluster.sessioncontroller.isessioncontroller import (
    DNFeatures,
    ForwardMode,
    IEventSink,
    IFeatures,
)
from sipcluster.sessioncontroller.party_events import PartyChanged
from sipcluster.tcontroller import controller
from sipcluster.tcontroller.features import FORWARD_MODES
from sipcluster.tcontroller.history import HISTORY
from sipcluster.tcontroller.iagent import IAgentKeeper
from sipcluster.tcontroller.itcontroller import (
    AgentSettings,
    IDNStates,
)
from sipcluster.tcontroller.requests import REQUESTS
from sipcluster.tcontroller.values import decodeDN, encodeDN
from sipcluster.tlib import enums
from sipcluster.tlib.enums import AddressInfoType, AgentWorkMode
from sipcluster.tlib.messages import (
    RequestAgentLogin,
    RequestAgentNotReady,
    RequestAgentReady,
    RequestCallForwardCancel,
    RequestCallForwardSet,
    RequestSetDNDOff,
    RequestSetDNDOn,
    RequestSetMessageWaitingOff,
    RequestSetMessageWaitingOn,
)
from sipcluster.tserver.itserver import IClientObserver, IRequests, ISnapshot
from sipcluster.wire.kvlist import get
from tests.unit.tcontroller.fakes import (
    CONN,
    DESKTOP,
    NOON,
    STATISTICS,
    Alerting,
    Answered,
    Failed,
    Offered,
    Released,
    TControllerTestCase,
)

OTHER = "2" * 16


class SeamTests(TControllerTestCase):
    """
    The seams of the T-Controller.
    """

    def test_provides(self) -> None:
        """
        It is what its neighbours take it for.
        """
        for seam in (
            IEventSink,
            IRequests,
            ISnapshot,
            IClientObserver,
            IDeviceObserver,
            IFeatures,
            IDNStates,
        ):
            verifyObject(seam, self.controller)
        for device in self.controller._devices.values():
            verifyObject(IAgentKeeper, device)

    def test_answersTheRequestsOfAgentsAndDNs(self) -> None:
        """
        Its requests are those of tlibrary 2.2 about agents, do not disturb,
        forwarding, waiting messages and supervision; not to reserve an agent.
        """
        self.assertEqual(
            sorted(self.controller.numbers),
            [8, 9, 10, 11, 12, 13, 34, 35, 46, 47, 130, 139, 140],
        )

    def test_ourOwnFault(self) -> None:
        """
        A fault of this program is logged, and the request is refused with 52.
        """

        def broken(*_: Any) -> None:
            raise ZeroDivisionError

        number = RequestSetDNDOn.number
        self.patch(controller, "REQUESTS", {**REQUESTS, number: broken})
        self.assertEqual(self.ask(RequestSetDNDOn(thisDN="1001")), ["52"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class ServiceTests(TControllerTestCase):
    """
    In service and out of service (tlibrary 3.10).
    """

    def state(self, dn: str) -> object:
        """
        What is said of a DN.
        """
        found = self.controller.explain(dn)
        assert found is not None
        return found["state"]

    def test_atFirst(self) -> None:
        """
        A telephone that registers is out of service until it has; all others are
        in service.
        """
        self.assertEqual(
            {dn: self.state(dn) for dn in ("1001", "1004", "8000", "5000")},
            {
                "1001": "out of service",
                "1004": "in service",
                "8000": "in service",
                "5000": "in service",
            },
        )

    def test_comesAndGoes(self) -> None:
        """
        Each change is told once.
        """
        self.controller.deviceInService("1001")
        self.controller.deviceInService("1001")
        self.controller.deviceOutOfService("1001", "the registration expired")
        self.controller.deviceOutOfService("1001", "the registration expired")
        self.assertEqual(self.since(0), ["EventDNBackInService", "EventDNOutOfService"])
        found = self.controller.explain("1001")
        assert found is not None
        self.assertEqual(found["why"], "the registration expired")
        self.assertEqual(found["since"], NOON)

    def test_trunks(self) -> None:
        """
        A trunk that does not answer is told to those who watch it.
        """
        self.controller.deviceOutOfService("8000", "no answer to OPTIONS")
        self.assertEqual(self.since(0), ["EventDNOutOfService"])

    def test_unknown(self) -> None:
        """
        A DN that is not of the switch is left alone.
        """
        self.controller.deviceInService("4711")
        self.controller.deviceOutOfService("4711", "gone")
        self.controller.addressRegistered(DESKTOP, "4711")
        self.controller.addressUnregistered(DESKTOP, "4711")
        self.assertEqual(self.port.told, [])
        self.assertIsNone(self.controller.explain("4711"))

    def test_nobodyWatches(self) -> None:
        """
        Where nobody has registered a DN no event is made.
        """
        self.port.dns = set()
        self.controller.deviceInService("1001")
        self.happen(Offered)
        self.assertEqual(self.port.events, [])

    def test_counted(self) -> None:
        """
        The status has counts.
        """
        self.ask(RequestAgentLogin(thisDN="1001", agentID="7001"))
        self.assertEqual(
            self.controller.status(), {"agents": {"NotReady": 1}, "outOfService": 3}
        )


class OwnedTests(TControllerTestCase):
    """
    DNs that are always at the same place, where C{dn-owner-applications} is set (O02
    to O04).
    """

    owners = ("desktop",)

    def test_inServiceWhileRegistered(self) -> None:
        """
        Such a DN is in service while a client of such an application has it
        registered.
        """
        self.controller.addressRegistered(STATISTICS, "1004")
        self.assertEqual(self.since(0), [])
        self.controller.addressRegistered(DESKTOP, "1004")
        self.assertEqual(self.since(0), ["EventDNBackInService"])
        self.controller.clientGone(STATISTICS, ["1004"])
        self.controller.clientAway(DESKTOP, ["1004"])
        self.assertEqual(self.since(1), [])
        self.controller.clientGone(DESKTOP, ["1004"])
        self.assertEqual(self.since(1), ["EventDNOutOfService"])

    def test_deviceAsWell(self) -> None:
        """
        Its device must be there, too.
        """
        self.controller.deviceOutOfService("1004", "no answer to OPTIONS")
        self.controller.addressRegistered(DESKTOP, "1004")
        self.assertEqual(self.since(0), [])
        self.controller.deviceInService("1004")
        self.assertEqual(self.since(0), ["EventDNBackInService"])

    def test_telephonesThatRegister(self) -> None:
        """
        A telephone that registers itself needs no client.
        """
        self.controller.deviceInService("1001")
        self.controller.addressRegistered(DESKTOP, "1001")
        self.controller.clientGone(DESKTOP, ["1001"])
        self.assertEqual(self.since(0), ["EventDNBackInService"])


class HookTests(TControllerTestCase):
    """
    On and off hook.
    """

    def test_caller(self) -> None:
        """
        EventOffHook comes before the first event of a call, EventOnHook after the
        last, with the ids of the call.
        """
        self.assertEqual(self.happen(Offered), ["EventOffHook", "Offered"])
        self.assertEqual(self.happen(Answered), ["Answered"])
        self.assertEqual(self.happen(Released), ["Released", "EventOnHook"])
        for event in self.port.events:
            self.assertEqual((event.connID, event.callID), ("006c02462a161006", 7))

    def test_called(self) -> None:
        """
        Ringing is on hook.
        """
        self.assertEqual(self.happen(Alerting), ["Alerting"])
        self.assertEqual(self.happen(Answered), ["EventOffHook", "Answered"])
        self.assertEqual(self.happen(Released), ["Released", "EventOnHook"])

    def test_notAnswered(self) -> None:
        """
        A call that only rang does not move the hook.
        """
        self.happen(Alerting)
        self.assertEqual(self.happen(Released), ["Released"])

    def test_busy(self) -> None:
        """
        A caller who hears that the other is busy is off hook until he hangs up.
        """
        self.happen(Offered)
        self.assertEqual(self.happen(Failed), ["Failed"])
        self.assertEqual(self.happen(Released), ["Released", "EventOnHook"])

    def test_twoCalls(self) -> None:
        """
        With two calls it goes off hook once and on hook once; one that only rings
        does not keep it off hook.
        """
        self.happen(Offered)
        self.assertEqual(self.happen(Offered, connID=OTHER), ["Offered"])
        self.happen(Alerting, connID="3" * 16)
        self.assertEqual(self.happen(Released), ["Released"])
        self.assertEqual(
            self.happen(Released, connID=OTHER), ["Released", "EventOnHook"]
        )
        self.assertEqual(get(self.controller.snapshot("1001"), "status"), 2)
        self.controller.deviceInService("1001")
        self.assertEqual(get(self.controller.snapshot("1001"), "status"), 1)

    def test_otherCall(self) -> None:
        """
        A DN that goes from one call to another stays off hook until it leaves that
        one; where it only rings, it is off hook from when it answers.
        """
        self.talk()
        moved = {"connID": OTHER, "previousConnID": CONN}
        self.assertEqual(self.happen(PartyChanged, **moved), ["PartyChanged"])
        self.assertEqual(
            self.happen(Released, connID=OTHER), ["Released", "EventOnHook"]
        )
        self.happen(Alerting)
        self.assertEqual(self.happen(PartyChanged, **moved), ["PartyChanged"])
        self.assertEqual(
            self.happen(Answered, connID=OTHER), ["EventOffHook", "Answered"]
        )
        self.assertEqual(
            self.happen(Released, connID=OTHER), ["Released", "EventOnHook"]
        )

    def test_otherParty(self) -> None:
        """
        Whom it talks to does not move the hook.
        """
        self.talk()
        self.assertEqual(self.happen(PartyChanged), ["PartyChanged"])
        self.assertEqual(self.happen(Released), ["Released", "EventOnHook"])

    def test_unknownRelease(self) -> None:
        """
        The end of a call whose beginning was not seen is passed on.
        """
        self.assertEqual(self.happen(Released), ["Released"])

    def test_others(self) -> None:
        """
        Trunks, routing points and numbers outside have no hook.
        """
        for dn in ("8000", "5000", "4711"):
            self.assertEqual(self.happen(Offered, dn), ["Offered"])
            self.assertEqual(self.happen(Released, dn), ["Released"])


class FeatureTests(TControllerTestCase):
    """
    Do not disturb, call forwarding, waiting messages.
    """

    def test_dnd(self) -> None:
        """
        It is told, the dial plan can see it, and to ask twice is refused with 43.
        """
        self.assertEqual(self.ask(RequestSetDNDOn(thisDN="1001")), ["EventDNDOn*"])
        self.assertTrue(self.controller.features("1001").dnd)
        self.assertEqual(self.ask(RequestSetDNDOn(thisDN="1001")), ["43"])
        self.assertEqual(self.ask(RequestSetDNDOff(thisDN="1001")), ["EventDNDOff*"])
        self.assertEqual(self.ask(RequestSetDNDOff(thisDN="1001")), ["43"])
        self.assertEqual(self.controller.features("1001"), DNFeatures())
        self.assertEqual(self.controller.features("4711"), DNFeatures())

    def test_onlyExtensions(self) -> None:
        """
        A routing point cannot be disturbed.
        """
        self.assertEqual(self.ask(RequestSetDNDOn(thisDN="5000")), ["1141"])

    def test_forward(self) -> None:
        """
        Forwarding is told with destination and mode, replaced by another, and
        cancelled.
        """
        asked = RequestCallForwardSet(
            thisDN="1001", otherDN="1002", forwardMode=enums.ForwardMode.ON_BUSY
        )
        self.assertEqual(self.ask(asked), ["EventForwardSet*"])
        self.assertEqual(self.last.otherDN, "1002")
        self.assertEqual(self.last.forwardMode, enums.ForwardMode.ON_BUSY)
        self.assertEqual(self.ask(asked), ["43"])
        unconditional = RequestCallForwardSet(thisDN="1001", otherDN="1003")
        self.assertEqual(self.ask(unconditional), ["EventForwardSet*"])
        self.assertEqual(
            self.controller.features("1001"),
            DNFeatures(forwardMode=ForwardMode.UNCONDITIONAL, forwardTo="1003"),
        )
        other = RequestCallForwardCancel(
            thisDN="1001", forwardMode=enums.ForwardMode.ON_BUSY
        )
        self.assertEqual(self.ask(other), ["43"])
        cancel = RequestCallForwardCancel(thisDN="1001")
        self.assertEqual(self.ask(cancel), ["EventForwardCancel*"])
        self.assertEqual(self.last.otherDN, "1003")
        self.assertEqual(self.ask(cancel), ["43"])

    def test_badForwarding(self) -> None:
        """
        To itself, to nowhere or to no number is refused with 71; without or with an
        unknown mode with 53.
        """
        for bad in ("1001", "", "10 02", "1" * 65):
            asked = RequestCallForwardSet(thisDN="1001", otherDN=bad)
            self.assertEqual(self.ask(asked), ["71"], bad)
        for mode in (enums.ForwardMode.NONE, 77):
            asked = RequestCallForwardSet(
                thisDN="1001", otherDN="1002", forwardMode=mode
            )
            self.assertEqual(self.ask(asked), ["53"])

    def test_modesAgree(self) -> None:
        """
        The two enumerations of forward modes have the same words.
        """
        self.assertEqual(
            {ours.value: theirs.label for ours, theirs in FORWARD_MODES.items()},
            {mode.label: mode.label for mode in enums.ForwardMode},
        )

    def test_messageWaiting(self) -> None:
        """
        It is told to clients, and to whoever tells telephones.
        """
        on = RequestSetMessageWaitingOn(thisDN="1001")
        off = RequestSetMessageWaitingOff(thisDN="1001")
        self.assertEqual(self.ask(on), ["EventMessageWaitingOn*"])
        self.assertEqual(self.ask(on), ["43"])
        self.assertEqual(self.ask(off), ["EventMessageWaitingOff*"])
        self.assertEqual(self.ask(off), ["43"])
        self.assertEqual(self.waiting, [("1001", True), ("1001", False)])
        self.controller.messageWaitingChanged = None
        self.assertEqual(self.ask(on), ["EventMessageWaitingOn*"])


class SnapshotTests(TControllerTestCase):
    """
    What a client that comes later is told.
    """

    def test_snapshot(self) -> None:
        """
        All that is known of a DN, in the keys of the protocol page.
        """
        self.assertEqual(
            self.controller.snapshot("1001"),
            (("status", 2), ("AgentStatus", 0), ("dnd", 0), ("fwd", ""), ("mwl", 0)),
        )
        self.controller.deviceInService("1001")
        self.ask(RequestAgentLogin(thisDN="1001", agentID="7001"))
        self.ask(
            RequestAgentNotReady(
                thisDN="1001",
                workMode=AgentWorkMode.WALK_AWAY,
                reasons=(("ReasonCode", "tea"),),
            )
        )
        self.ask(RequestSetDNDOn(thisDN="1001"))
        self.ask(RequestCallForwardSet(thisDN="1001", otherDN="1002"))
        self.ask(RequestSetMessageWaitingOn(thisDN="1001"))
        self.happen(Alerting)
        self.assertEqual(
            self.controller.snapshot("1001"),
            (
                ("status", 1),
                ("AgentStatus", 5),
                ("AgentID", "7001"),
                ("wm", 6),
                ("ReasonCode", "tea"),
                ("dnd", 1),
                ("fwd", "1002"),
                ("mwl", 1),
            ),
        )

    def test_otherDNs(self) -> None:
        """
        Of a trunk or a routing point it is known whether it is in service; of an
        unknown one nothing.
        """
        self.assertEqual(self.controller.snapshot("5000"), (("status", 0),))
        self.assertEqual(self.controller.snapshot("4711"), ())

    def test_queries(self) -> None:
        """
        RequestQueryAddress finds agent, forwarding and waiting messages here.
        """
        info = self.controller.addressInfo

        def found() -> list[object]:
            return [
                info[kind]("1001")
                for kind in (
                    AddressInfoType.AGENT_STATUS,
                    AddressInfoType.CALL_FORWARDING_STATUS,
                    AddressInfoType.SEND_ALL_CALLS_STATUS,
                    AddressInfoType.MESSAGE_WAITING_STATUS,
                )
            ]

        self.assertEqual(found(), [0, 0, 0, 0])
        self.ask(RequestAgentLogin(thisDN="1001", agentID="7001"))
        self.ask(RequestAgentReady(thisDN="1001"))
        self.ask(RequestCallForwardSet(thisDN="1001", otherDN="1002"))
        self.ask(RequestSetMessageWaitingOn(thisDN="1001"))
        self.assertEqual(found(), [2, 1, 1, 1])
        self.assertEqual(info[AddressInfoType.AGENT_STATUS]("4711"), 0)


class ExplainTests(TControllerTestCase):
    """
    What people are told.
    """

    settings = AgentSettings(wrapUpTime=20.0)

    def test_explain(self) -> None:
        """
        A DN says what it is, since when and why, and what happened to it.
        """
        self.controller.addressRegistered(DESKTOP, "1001")
        self.controller.deviceInService("1001")
        self.ask(RequestAgentLogin(thisDN="1001", agentID="7001"))
        self.wait(5)
        self.talk()
        self.happen(Released)
        self.wait(5)
        self.controller.clientGone(DESKTOP, ["1001"])
        found = self.controller.explain("1001")
        assert found is not None
        agent = found.pop("agent")
        history = found.pop("history")
        assert isinstance(history, list)
        self.assertEqual(
            found,
            {
                "dn": "1001",
                "type": "extension",
                "state": "in service",
                "since": NOON,
                "why": "",
                "hook": "on hook",
                "calls": [],
                "dnd": False,
                "forward": "",
                "messageWaiting": False,
                "supervisors": [],
                "clients": [],
            },
        )
        self.assertEqual(
            agent,
            {
                "agentID": "7001",
                "queue": "",
                "state": "AfterCallWork",
                "since": NOON + 5,
                "why": "call 006c02462a161006 ended",
                "workMode": "AfterCallWork",
                "reasons": {},
                "loggedIn": NOON,
                "application": "desktop",
                "clientGone": True,
                "loggedOutIn": 30.0,
                "wrapUpTime": 20,
                "wrapUpLeft": 15,
                "wrapUpAsked": None,
            },
        )
        self.assertEqual(
            [(line["what"], line["why"]) for line in history],
            [
                ("in service", "its device is there"),
                ("agent 7001 logged in", "login by desktop"),
                ("not ready", "login by desktop"),
                ("after-call work", "call 006c02462a161006 ended"),
                ("client gone", "desktop has gone"),
            ],
        )

    def test_calls(self) -> None:
        """
        Its calls are there, with what it does in each.
        """
        self.happen(Offered)
        self.happen(Alerting, connID=OTHER)
        found = self.controller.explain("1001")
        assert found is not None
        self.assertEqual(
            (found["hook"], found["calls"]),
            (
                "off hook",
                [
                    {"connID": "006c02462a161006", "hook": "dialing"},
                    {"connID": OTHER, "hook": "alerting"},
                ],
            ),
        )

    def test_historyIsBounded(self) -> None:
        """
        Only the last lines are kept.
        """
        for _ in range(HISTORY):
            self.ask(RequestSetDNDOn(thisDN="1001"))
            self.ask(RequestSetDNDOff(thisDN="1001"))
        found = self.controller.explain("1001")
        assert found is not None
        history = found["history"]
        assert isinstance(history, list)
        self.assertEqual(len(history), HISTORY)

    def test_all(self) -> None:
        """
        There is a row for each DN.
        """
        self.ask(RequestAgentLogin(thisDN="1001", agentID="7001"))
        self.ask(RequestCallForwardSet(thisDN="1002", otherDN="1003"))
        rows = {row["dn"]: row for row in self.controller.explained()}
        self.assertEqual(
            [
                (row["agent"], row["agentState"], row["forward"])
                for row in rows.values()
            ],
            [
                ("7001", "NotReady", ""),
                ("", "", "1003 (Unconditional)"),
                *[("", "", "")] * 4,
            ],
        )
        self.assertEqual(rows["5000"]["type"], "routing point")


class ValueTests(TControllerTestCase):
    """
    DNs and agents as values.
    """

    settings = AgentSettings(wrapUpTime=20.0, logoutGrace=30.0)

    def moved(self) -> None:
        """
        Give all DNs to another T-Controller, and go on with that.
        """
        written = [encodeDN(value) for value in self.controller.values()]
        self.controller.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.controller = self.make()
        for data in written:
            self.controller.restore(decodeDN(data))
        self.assertEqual(
            [encodeDN(value) for value in self.controller.values()], written
        )

    def test_goesOn(self) -> None:
        """
        Another T-Controller takes over a DN whose agent is in after-call work and
        whose client has gone: nobody is told, both clocks go on.
        """
        self.controller.addressRegistered(DESKTOP, "1001")
        self.controller.deviceInService("1001")
        reasons = (("ReasonCode", "x"), ("more", (("deep", 1),)))
        self.ask(RequestAgentLogin(thisDN="1001", agentID="7001", reasons=reasons))
        self.ask(RequestSetDNDOn(thisDN="1001"))
        self.talk()
        self.happen(Released)
        self.controller.clientGone(DESKTOP, ["1001"])
        self.wait(5)
        begin = len(self.port.told)
        self.moved()
        self.assertEqual(self.since(begin), [])
        self.assertEqual(self.wait(14.9), [])
        self.assertEqual(self.wait(0.2), ["EventAgentNotReady"])
        self.assertEqual(self.last.reasons, reasons)
        self.assertEqual(self.wait(10), ["EventAgentLogout"])

    def test_inACall(self) -> None:
        """
        After-call work that was asked for, or is due, follows the call there.
        """
        self.ask(RequestAgentLogin(thisDN="1001", agentID="7001"))
        self.talk()
        self.moved()
        self.assertEqual(
            self.happen(Released), ["EventAgentNotReady", "Released", "EventOnHook"]
        )

    def test_oneDNOfAnAgent(self) -> None:
        """
        Who is logged in where is known there, too.
        """
        self.ask(RequestAgentLogin(thisDN="1001", agentID="7001"))
        self.moved()
        again = RequestAgentLogin(thisDN="1002", agentID="7001")
        self.assertEqual(self.ask(again), ["42"])

    def test_goneFromTheSwitch(self) -> None:
        """
        A DN that is not of the switch any more is left out.
        """
        value = decodeDN(encodeDN(next(iter(self.controller.values()))))
        self.controller.restore(
            type(value)("4711", agent=None, features=DNFeatures(dnd=True))
        )
        self.assertIsNone(self.controller.explain("4711"))

    def test_garbage(self) -> None:
        """
        What is no DN is a L{ValueError}.
        """
        self.assertRaises(ValueError, decodeDN, b"\x01")
