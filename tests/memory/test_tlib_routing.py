"""
Routing clients of the default port: what they are told of a call at a routing point,
and what they say.
"""

from __future__ import annotations

from sipcluster.testing.media_server import ScriptedMediaServer, ScriptedMediaService
from sipcluster.testing.telephone import settle
from sipcluster.tlib import messages
from sipcluster.tlib.enums import (
    AgentWorkMode,
    CallState,
    DNRole,
    RouteType,
    TreatmentType,
)
from sipcluster.tlib.errors import TErrorCode
from tests.memory.nodes import PROXY1, PROXY2
from tests.memory.telephony import MONITOR, Client, TelephonyTestCase
from tests.scenarios.table import NUMBERS

RP = "5000"


class RoutingClientTests(TelephonyTestCase):
    """
    A routing client, and others that have registered the same routing point.

    @ivar router: it.
    @ivar monitor: one at the default port that may not ask for anything.
    @ivar desk: one at the T-Controller's port.
    """

    def setUp(self) -> None:
        super().setUp()
        default = self.node.cti.ports["default"][0]
        self.router = self.makeClient(default, [RP])
        self.monitor = self.makeClient(default, [RP], MONITOR)
        self.desk = self.makeClient(self.node.cti.ports["TCport"][0], [RP])
        self.node.controller.ua.media = ScriptedMediaService("media.example")
        self.server = ScriptedMediaServer(self.peer, "media.example", PROXY1)

    def settle(self) -> None:
        peers = {PROXY1: self.peer, PROXY2: self.peer2}
        settle(peers, [*self.telephones.values(), self.server])

    def leave(self) -> None:
        for client in (self.router, self.monitor, self.desk):
            if client.connection is not None:
                client.leave()
        super().leave()

    def told(self, client: Client) -> list[str]:
        """
        Names of the events that a client got, with a C{!} where it is answered.
        """
        return [
            type(got.message).__name__ + ("!" if got.reference else "")
            for got in client.take()
        ]

    def queued(self) -> str:
        """
        Alice calls the routing point.

        @return: the ConnID.
        """
        self.telephones["A"].call(RP)
        self.settle()
        got = [one.message for one in self.router.take()]
        self.assertEqual(
            [type(one) for one in got],
            [messages.EventQueued, messages.EventRouteRequest],
        )
        for one in got:
            assert isinstance(one, messages.EventQueued | messages.EventRouteRequest)
            self.assertEqual((one.thisDN, one.thisQueue), (RP, RP))
            self.assertEqual((one.otherDN, one.ani, one.dnis), ("1001", "1001", RP))
            self.assertEqual(one.thisDNRole, DNRole.DESTINATION)
        assert isinstance(got[0], messages.EventQueued)
        return got[0].connID or ""

    def test_asked(self) -> None:
        """
        All clients of the default port are asked; those of the T-Controller's port are
        told that the call waits, and no more.
        """
        self.queued()
        both = ["EventQueued", "EventRouteRequest"]
        self.assertEqual(self.told(self.monitor), both)
        self.assertEqual(self.told(self.desk), ["EventQueued"])
        self.telephones["A"].giveUp()
        self.settle()
        for client in (self.router, self.monitor, self.desk):
            (got,) = client.take()
            assert isinstance(got.message, messages.EventAbandoned)
            self.assertEqual(got.message.thisDN, RP)

    def test_routed(self) -> None:
        """
        What it says is answered when the call has left the routing point; whoever it
        is sent to is told where it came from.
        """
        connID = self.queued()
        for client in self.clients.values():
            client.take()
        self.router.request(
            messages.RequestRouteCall(
                thisDN=RP,
                connID=connID,
                otherDN="1002",
                routeType=RouteType.DIRECT,
                userData=(("k", "v"),),
            )
        )
        self.settle()
        got = self.router.take()
        self.assertEqual(
            [type(one.message).__name__ for one in got],
            ["EventAttachedDataChanged", "EventRouteUsed", "EventDiverted"],
        )
        used = got[1].message
        assert isinstance(used, messages.EventRouteUsed)
        self.assertTrue(got[1].reference)
        self.assertEqual(
            (used.routeType, used.thirdPartyDN, used.thirdPartyDNRole),
            (RouteType.DIRECT, "1002", DNRole.DESTINATION),
        )
        (rings,) = (one.message for one in self.clients["B"].take())
        assert isinstance(rings, messages.EventRinging)
        self.assertEqual((rings.thisQueue, rings.otherDN), (RP, "1001"))
        self.assertEqual(rings.userData, (("k", "v"),))
        self.telephones["B"].answer()
        self.settle()
        self.assertEqual(self.told(self.clients["B"])[-1], "EventEstablished")
        self.telephones["A"].hangUp()
        self.settle()

    def test_treated(self) -> None:
        """
        What the caller is given is told, and what it dials.
        """
        connID = self.queued()
        self.router.request(
            messages.RequestApplyTreatment(
                thisDN=RP,
                connID=connID,
                treatmentType=TreatmentType.COLLECT_DIGITS,
                treatmentParms=(("MAX_DIGITS", 2),),
            )
        )
        self.settle()
        self.assertEqual(self.told(self.router), ["EventTreatmentApplied!"])
        self.server.say(self.server.live[0], reason="digits", digits="42")
        self.settle()
        (ended,) = (one.message for one in self.router.take())
        assert isinstance(ended, messages.EventTreatmentEnd)
        self.assertEqual(ended.collectedDigits, "42")
        self.server.refuses = 486
        self.router.request(
            messages.RequestGiveMusicTreatment(thisDN=RP, connID=connID)
        )
        self.settle()
        self.assertEqual(self.told(self.router), ["EventTreatmentNotApplied!"])
        self.telephones["A"].hangUp()
        self.settle()

    def test_refused(self) -> None:
        """
        What cannot be is refused: a busy destination, one that does not exist, a call
        that is gone.
        """
        connID = self.queued()
        self.telephones["B"].refuses = 486
        for number, code in (
            ("1002", TErrorCode.DN_BUSY),
            ("7777", TErrorCode.INVALID_CALLED_DN),
        ):
            self.router.request(
                messages.RequestRouteCall(thisDN=RP, connID=connID, otherDN=number)
            )
            self.settle()
            (got,) = self.router.take()
            assert isinstance(got.message, messages.EventError)
            self.assertEqual(got.message.errorCode, code, got.message)
        self.telephones["A"].giveUp()
        self.settle()
        self.router.take()
        self.router.request(
            messages.RequestRouteCall(thisDN=RP, connID=connID, otherDN="1002")
        )
        self.assertEqual(self.told(self.router), ["EventError!"])

    def test_predictive(self) -> None:
        """
        A call is made for the routing point, and waits there when somebody answers.
        """
        self.router.request(
            messages.RequestMakePredictiveCall(thisDN=RP, otherDN="9" + NUMBERS["O"])
        )
        self.settle()
        self.assertEqual(
            self.told(self.router), ["EventDialing!", "EventNetworkReached"]
        )
        self.telephones["O"].answer()
        self.settle()
        got = [one.message for one in self.router.take()]
        self.assertEqual(
            [type(one).__name__ for one in got],
            ["EventEstablished", "EventQueued", "EventRouteRequest"],
        )
        assert isinstance(got[0], messages.EventEstablished)
        self.assertEqual(got[0].callState, CallState.OK)
        self.telephones["O"].hangUp()
        self.settle()
        self.assertEqual(self.told(self.router), ["EventAbandoned"])

    def test_gone(self) -> None:
        """
        Without a routing client, calls go where they go by default; one that only
        sees events is none.
        """
        self.router.leave()
        self.telephones["A"].call(RP)
        self.settle()
        self.assertEqual(self.told(self.monitor), ["EventQueued", "EventReleased"])
        self.assertNoCall()

    def test_goesAway(self) -> None:
        """
        Calls that wait when the last routing client goes, however long they have
        waited, have their time from then on.
        """
        connID = self.queued()
        self.router.request(
            messages.RequestApplyTreatment(
                thisDN=RP, connID=connID, treatmentType=TreatmentType.MUSIC
            )
        )
        self.settle()
        self.run_(30)
        self.monitor.take()
        self.router.leave()
        self.run_(9)
        self.assertEqual(self.told(self.monitor), [])
        self.run_(1.1)
        self.settle()
        self.assertEqual(self.told(self.monitor), ["EventReleased"])
        # It hears that nobody is there, and is hung up on after a while.
        self.run_(31)
        self.settle()
        self.assertNoCall()

    def test_snapshot(self) -> None:
        """
        Who registers a routing point is told of the calls that wait there.
        """
        connID = self.queued()
        another = self.makeClient(self.node.cti.ports["default"][0], [])
        another.register(RP)
        (got,) = another.take()
        assert isinstance(got.message, messages.EventRegistered)
        extensions = dict(got.message.extensions or ())
        self.assertEqual(extensions["conn-1"], connID)
        self.assertEqual(extensions["ps-1"], 9)
        another.leave()
        self.telephones["A"].giveUp()
        self.settle()

    def logsIn(self) -> None:
        """
        An agent is ready at Bob's telephone.
        """
        bob = self.clients["B"]
        bob.request(
            messages.RequestAgentLogin(
                thisDN="1002", agentID="007", workMode=AgentWorkMode.AUTO_IN
            )
        )
        self.settle()
        self.assertEqual(self.told(bob), ["EventAgentLogin!", "EventAgentReady"])

    def toAgent(self, action: str) -> None:
        """
        Alice's call is sent to that agent, and rings in vain.
        """
        connID = self.queued()
        self.router.request(
            messages.RequestRouteCall(
                thisDN=RP,
                connID=connID,
                otherDN="007",
                routeType=RouteType.AGENT_ID,
                extensions=(("NO_ANSWER_TIMEOUT", 10), ("NO_ANSWER_ACTION", action)),
            )
        )
        self.settle()
        self.assertEqual(self.told(self.clients["B"]), ["EventRinging"])
        self.run_(10)
        self.settle()
        self.assertEqual(
            self.told(self.router),
            ["EventRouteUsed!", "EventDiverted", "EventQueued", "EventRouteRequest"],
        )
        self.telephones["A"].giveUp()
        self.settle()
        self.router.take()

    def test_agent(self) -> None:
        """
        A call may be sent to an agent, who is not ready any more, or logged out, when
        it rings in vain.
        """
        self.logsIn()
        self.toAgent("none")
        self.assertEqual(self.told(self.clients["B"]), ["EventReleased"])
        self.toAgent("notready")
        self.assertEqual(
            self.told(self.clients["B"]), ["EventReleased", "EventAgentNotReady"]
        )
        self.toAgent("logout")
        self.assertEqual(
            self.told(self.clients["B"]), ["EventReleased", "EventAgentLogout"]
        )
        connID = self.queued()
        self.router.request(
            messages.RequestRouteCall(
                thisDN=RP, connID=connID, otherDN="007", routeType=RouteType.AGENT_ID
            )
        )
        self.assertEqual(self.told(self.router), ["EventError!"])
        self.telephones["A"].giveUp()
        self.settle()
