"""
Calls to a routing point, and where they go from there.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.irouting import RouteType
from sipcluster.sessioncontroller.isessioncontroller import Why
from sipcluster.sessioncontroller.queue_events import RouteUsed
from sipcluster.testing.sip_peer import sdp
from tests.memory.controls import WHO
from tests.memory.routing import RoutingTestCase


class RouteTests(RoutingTestCase):
    """
    L{IRouting.route} when all goes well.
    """

    def test_flow(self) -> None:
        """
        A call waits at the routing point, whose party has no telephone, and rings and
        is answered where it is sent; it has left the routing point when it rings.
        """
        connID = self.queued()
        self.assertEqual(self.states(), {"1001": "Initiated", "5000": "Queued"})
        queued, asked = self.sink.events[1:3]
        for event in (queued, asked):
            view = event.party
            self.assertEqual((view.thisDN, view.thisQueue), ("5000", "5000"))
            self.assertEqual(view.thisRole.value, "Destination")
            self.assertEqual((view.otherDN, view.otherRole.value), _CALLER)
            self.assertEqual((view.ani, view.dnis), ("1001", "5000"))
            self.assertEqual(view.callType.value, "Internal")
        invite = self.routed(userData=(("k", "v"),))
        self.assertEqual(invite.uri, b"sip:1002@lab.example")
        self.assertNoResult(self.done)
        self.assertEqual(
            self.news(),
            ["UserDataChanged 5000", "UserDataChanged 1001", "Alerting 1002"],
        )
        rings = self.sink.events[-1].party
        self.assertEqual((rings.thisQueue, rings.otherDN), ("5000", "1001"))
        self.assertEqual(rings.userData, (("k", "v"),))
        self.rings(invite)
        self.assertDone(self.done)
        self.assertEqual(
            self.news(),
            [
                "RouteUsed 5000 ! -> 1002",
                "Diverted 5000 Ok -> 1002",
                "Progressed 1002",
            ],
        )
        self.talks(invite)
        self.assertEqual(self.news(), ["Answered 1002", "Answered 1001"])
        self.assertEqual(self.connID, connID)
        self.assertEqual(self.sink.events[-1].party.otherDN, "1002")
        self.hangUp()
        self.assertEqual(self.news(), ["Released 1001 Ok", "Released 1002 Ok"])

    def test_fromTrunk(self) -> None:
        """
        A call from outside is of that type wherever it goes.
        """
        self.queuedFromTrunk()
        invite = self.routed()
        self.bob.answer(invite, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.far.accepted(self.peer.expectResponse(200))
        self.far.acknowledge()
        self.peer.expectNothing()
        types = {event.party.callType.value for event in self.sink.events}
        self.assertEqual(types, {"Inbound"})
        self.hangUp(self.far)

    def test_toTrunk(self) -> None:
        """
        A call may be routed out, even one that came from outside.
        """
        self.queuedFromTrunk()
        invite = self.routed("90401")
        self.assertEqual(invite.uri, b"sip:0401@203.0.113.9")
        self.peer.respond(invite, 183)
        self.peer.expectResponse(183)
        self.assertDone(self.done)
        invited = self.far.invite
        assert invited is not None
        self.far.cancel(invited)
        self.peer.expectResponse(200)
        self.far.acknowledgeRefusal(self.peer.expectResponse(487), invited)
        cancel = self.peer.expectRequest(b"CANCEL")
        self.peer.respond(cancel, 200)
        self.peer.respond(invite, 487)
        self.peer.expectRequest(b"ACK")

    def test_toRoutingPoint(self) -> None:
        """
        A call may be routed to another routing point, and has left the first one then.
        """
        self.queued()
        self.routeType(RouteType.UNKNOWN, "5001")
        self.assertDone(self.done)
        self.assertEqual(
            self.news(),
            [
                "RouteUsed 5000 ! -> 5001",
                "Diverted 5000 Ok -> 5001",
                "Queued 5001",
                "RouteRequested 5001",
            ],
        )
        self.giveUp()
        self.assertEqual(self.news(), ["Released 1001 Ok", "Released 5001 Abandoned"])

    def test_routeTypes(self) -> None:
        """
        What was said of the way is told; the called number may change by it.
        """
        for kind in (
            RouteType.DIRECT,
            RouteType.LABEL,
            RouteType.PRIORITY,
            RouteType.OVERWRITE_DNIS,
        ):
            self.alice.dialog = self.bob.dialog = None
            self.queued()
            invite = self.routed(routeType=kind)
            self.talks(invite)
            used = next(
                e for e in reversed(self.sink.events) if isinstance(e, RouteUsed)
            )
            self.assertIs(used.routeType, kind)
            overwritten = kind is RouteType.OVERWRITE_DNIS
            dnis = self.sink.events[-1].party.dnis
            self.assertEqual(dnis, "1002" if overwritten else "5000")
            self.hangUp()
            self.news()

    def test_agent(self) -> None:
        """
        A call may be routed to the DN at which an agent is logged in.
        """
        routing = self.node.controller.ua.routing
        routing.agentAt = {"007": "1002"}.get
        self.queued()
        self.assertNotDone(
            self.routing.route(
                "5000", self.connID, "008", RouteType.AGENT_ID, requester=WHO
            ),
            Why.INVALID_DESTINATION,
        )
        self.talks(self.routed("007", routeType=RouteType.AGENT_ID))
        self.hangUp()

    def test_rejected(self) -> None:
        """
        A call may be refused, or ended.
        """
        for kind, status, cause in (
            (RouteType.REJECT, 603, "Rejected"),
            (RouteType.CALL_DISCONNECT, 480, "Dropped"),
        ):
            self.queued()
            self.routeType(kind)
            self.assertDone(self.done)
            self.assertRefused(status)
            self.assertEqual(
                self.news(),
                [
                    "RouteUsed 5000 !",
                    f"Released 5000 {cause}",
                    f"Released 1001 {cause}",
                ],
            )
            self.assertNoCall()

    def test_answerDiverts(self) -> None:
        """
        With C{divert-on-ringing=false} a call is at the routing point until it is
        answered elsewhere.
        """
        self.point(divertOnRinging=False)
        self.queued()
        invite = self.routed()
        self.rings(invite)
        self.assertEqual(self.news(), ["Alerting 1002", "Progressed 1002"])
        self.assertEqual(self.states()["5000"], "Queued")
        self.assertNotDone(
            self.routing.route("5000", self.connID, "1003", requester=WHO),
            Why.WRONG_STATE,
        )
        self.talks(invite)
        self.assertEqual(
            self.news(),
            [
                "RouteUsed 5000 ! -> 1002",
                "Diverted 5000 Ok -> 1002",
                "Answered 1002",
                "Answered 1001",
            ],
        )
        self.assertDone(self.done)
        self.hangUp()

    def test_makeCall(self) -> None:
        """
        A call that is made by request may go to a routing point: its caller's
        telephone is brought to who answers.
        """
        self.node.proxies.setInService("proxy2", False)
        made = self.control.makeCall("1001", "5000", requester=WHO)
        mine = self.peer.expectRequest(b"INVITE")
        self.alice.answer(mine, 200, sdp("alice", 4000))
        self.peer.expectRequest(b"ACK")
        self.assertDone(made)
        self.assertEqual(
            self.news(), ["Offered 1001 !", "Queued 5000", "RouteRequested 5000"]
        )
        invite = self.routed()
        self.bob.answer(invite, 200, sdp("bob", 5000))
        self.peer.expectRequest(b"ACK")
        again = self.peer.expectRequest(b"INVITE")
        self.assertIn(b"m=audio 5000", again.body)
        self.alice.answer(again, 200, sdp("alice", 4000))
        self.peer.expectRequest(b"ACK")
        self.peer.expectNothing()
        self.assertDone(self.done)
        self.hangUp()

    def test_redirected(self) -> None:
        """
        A call that rings may be sent to a routing point, by request, by the telephone,
        or because nobody answers.
        """
        for way in ("request", "telephone"):
            self.alice.dialog = self.bob.dialog = None
            self.alice.request(b"INVITE", "1002", body=sdp())
            invite = self.peer.expectRequest(b"INVITE")
            self.rings(invite)
            self.news()
            if way == "request":
                done = self.control.redirect("1002", self.connID, "5000", WHO)
                self.assertDone(done)
                self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
                self.bob.refuse(invite, 487)
            else:
                uri = b"<sip:5000@lab.example>"
                self.bob.refuse(invite, 302, [(b"Contact", uri)])
            self.peer.expectRequest(b"ACK")
            news = self.news()
            self.assertTrue(news[0].startswith("Released 1002 Redirected"))
            self.assertEqual(news[1:], ["Queued 5000", "RouteRequested 5000"])
            self.bob.dialog = None
            again = self.routed()
            self.bob.answer(again, 200, sdp("bob"))
            self.peer.expectRequest(b"ACK")
            self.alice.accepted(self.peer.expectResponse(200))
            self.alice.acknowledge()
            self.hangUp()
            self.news()

    def test_toldAgain(self) -> None:
        """
        A caller that waits for long is told so again, lest its call be given up.
        """
        self.point(routerTimeout=1000.0)
        self.queued()
        before = self.peer.count(180)
        self.run_(125)
        self.assertEqual(self.peer.count(180), before + 2)
        self.giveUp()

    def test_waits(self) -> None:
        """
        A routing point may tell its callers that they wait.
        """
        self.point(ringing=False)
        self.alice.request(b"INVITE", "5000", body=sdp())
        self.peer.expectResponse(182)
        self.giveUp()


class FailureTests(RoutingTestCase):
    """
    What may go wrong.
    """

    def test_abandoned(self) -> None:
        """
        A caller that gives up abandons the routing point.
        """
        self.queued()
        self.giveUp()
        self.assertEqual(self.news(), ["Released 1001 Ok", "Released 5000 Abandoned"])
        self.assertNotDone(
            self.routing.route("5000", "0123456789abcdef", "1002"), Why.UNKNOWN_CALL
        )

    def test_abandonedWhileRouted(self) -> None:
        """
        So does one that gives up while the call is being routed: that is refused.
        """
        self.queued()
        invite = self.routed()
        self.alice.cancel(self.alice.invite)
        self.peer.expectResponse(200)
        self.assertRefusedLater(487)
        self.assertNotDone(self.done, Why.DISCONNECTED)
        self.bob.answer(invite, 180)
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.peer.respond(invite, 487)
        self.peer.expectRequest(b"ACK")
        self.assertEqual(
            self.news(),
            [
                "Alerting 1002",
                "Released 1001 Ok",
                "Released 5000 Abandoned",
                "Released 1002 Abandoned",
            ],
        )

    def test_busy(self) -> None:
        """
        When the destination is busy, whoever has said so is told, and may say
        something else; the call is still at the routing point.
        """
        self.queued()
        invite = self.routed()
        self.bob.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        self.assertNotDone(self.done, Why.BUSY)
        self.assertEqual(self.news(), ["Alerting 1002", "Released 1002 Busy"])
        self.assertEqual(self.states(), {"1001": "Initiated", "5000": "Queued"})
        (party,) = self.control.partiesOf("1001")
        self.assertEqual(party.view.otherDN, "5000")
        again = self.routed()
        self.talks(again)
        self.assertDone(self.done)
        self.hangUp()

    def test_nowhere(self) -> None:
        """
        Destinations that do not exist, the caller's own, the routing point's own, and
        none at all.
        """
        self.queued()
        for number, why in (
            ("7777", Why.INVALID_DESTINATION),
            ("1001", Why.BUSY),
            ("5000", Why.OUT_OF_SERVICE),
            ("", Why.INVALID_DESTINATION),
            ("1" * 256, Why.INVALID_DESTINATION),
        ):
            self.routeType(RouteType.UNKNOWN, number)
            self.assertNotDone(self.done, why)
        for kind in (RouteType.ANNOUNCEMENT,):
            self.routeType(kind, "1002")
            self.assertNotDone(self.done, Why.UNSUPPORTED)
        self.routeType(RouteType.DEFAULT)
        self.assertNotDone(self.done, Why.INVALID_DESTINATION)
        self.assertEqual(self.news(), [])
        self.giveUp()

    def test_twice(self) -> None:
        """
        A call is routed once at a time, and not after it has left the routing point.
        """
        self.queued()
        invite = self.routed()
        second = self.routing.route("5000", self.connID, "1003", requester=WHO)
        self.assertNotDone(second, Why.WRONG_STATE)
        self.rings(invite)
        third = self.routing.route("5000", self.connID, "1003", requester=WHO)
        self.assertNotDone(third, Why.NOT_A_PARTY)
        self.talks(invite)
        self.hangUp()

    def test_recalled(self) -> None:
        """
        A call that has left the routing point and is not answered comes back.
        """
        self.queued()
        invite = self.routed(extensions=(("NO_ANSWER_TIMEOUT", 15),))
        self.rings(invite)
        self.news()
        self.run_(15)
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.peer.respond(invite, 487)
        self.peer.expectRequest(b"ACK")
        self.assertEqual(
            self.news(),
            ["Released 1002 NoAnswer", "Queued 5000", "RouteRequested 5000"],
        )
        again = self.routed()
        self.talks(again)
        self.hangUp()

    def test_overflow(self) -> None:
        """
        It may go elsewhere instead, one number after the other, and back at last.
        """
        self.queued()
        words = (("NO_ANSWER_TIMEOUT", "10"), ("NO_ANSWER_OVERFLOW", "1003"))
        self.ringsInVain(self.routed(extensions=words))
        self.assertEqual(self.news()[-2:], ["Released 1002 NoAnswer", "Alerting 1003"])
        second = self.peer.expectRequest(b"INVITE")
        self.ringsInVain(second, self.carol)
        self.assertEqual(
            self.news()[-3:],
            ["Released 1003 NoAnswer", "Queued 5000", "RouteRequested 5000"],
        )
        self.giveUp()

    def test_noOverflow(self) -> None:
        """
        Or nowhere.
        """
        self.queued()
        words = (("NO_ANSWER_TIMEOUT", 10), ("NO_ANSWER_OVERFLOW", "none"))
        self.ringsInVain(self.routed(extensions=words))
        self.assertRefused(480)
        self.assertEqual(
            self.news()[-3:],
            [
                "Released 1002 NoAnswer",
                "Failed 1001 NoAnswer",
                "Released 1001 NoAnswer",
            ],
        )

    def test_words(self) -> None:
        """
        Overrides that make no sense are refused.
        """
        self.queued()
        for words in (
            (("NO_ANSWER_TIMEOUT", "soon"),),
            (("NO_ANSWER_TIMEOUT", -1),),
            (("NO_ANSWER_TIMEOUT", b"1"),),
            (("NO_ANSWER_OVERFLOW", 5),),
            (("NO_ANSWER_OVERFLOW", "1," * 9),),
            (("NO_ANSWER_ACTION", "sleep"),),
        ):
            done = self.routing.route(
                "5000", self.connID, "1002", extensions=words, requester=WHO
            )
            self.assertNotDone(done, Why.BAD_VALUE)
        self.giveUp()


class DefaultTests(RoutingTestCase):
    """
    What becomes of calls for which nobody says where they go.
    """

    def test_nobody(self) -> None:
        """
        Without a routing client, and without a default, a call is refused.
        """
        self.clients.there.clear()
        self.alice.request(b"INVITE", "5000", body=sdp())
        self.assertRefused(480)
        self.assertEqual(
            self.news(),
            [
                "Offered 1001",
                "Queued 5000",
                "Released 5000 Unreachable",
                "Failed 1001 Unreachable",
                "Released 1001 Unreachable",
            ],
        )

    def test_roundRobin(self) -> None:
        """
        With defaults, each call begins with the next one, and goes on to the others.
        """
        self.clients.there.clear()
        self.point(defaults=("1002", "1003"))
        self.alice.request(b"INVITE", "5000", body=sdp())
        invite = self.peer.expectRequest(b"INVITE")
        self.assertEqual(self.news(), ["Offered 1001", "Queued 5000", "Alerting 1002"])
        self.talks(invite)
        self.assertEqual(
            self.news(),
            [
                "RouteUsed 5000 -> 1002",
                "Diverted 5000 Ok -> 1002",
                "Answered 1002",
                "Answered 1001",
            ],
        )
        self.hangUp()
        self.news()
        self.alice.dialog = self.bob.dialog = None
        self.alice.request(b"INVITE", "5000", body=sdp())
        first = self.peer.expectRequest(b"INVITE")
        self.assertEqual(first.uri, b"sip:1003@lab.example")
        self.carol.refuse(first, 486)
        self.peer.expectRequest(b"ACK")
        second = self.peer.expectRequest(b"INVITE")
        self.assertEqual(second.uri, b"sip:1002@lab.example")
        self.bob.refuse(second, 486)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(480)
        self.assertEqual(
            self.news()[-3:],
            [
                "Released 5000 Unreachable",
                "Failed 1001 Unreachable",
                "Released 1001 Unreachable",
            ],
        )

    def test_silentRouter(self) -> None:
        """
        A routing client that says nothing in time is not waited for.
        """
        self.point(defaults=("1002",))
        self.queued()
        self.run_(10)
        invite = self.peer.expectRequest(b"INVITE")
        late = self.routing.route("5000", self.connID, "1003", requester=WHO)
        self.assertNotDone(late, Why.WRONG_STATE)
        self.talks(invite)
        self.assertEqual(self.counters["routersSilent"], 1)
        self.hangUp()

    def test_routersGone(self) -> None:
        """
        When the last one goes, calls have that time and no more.
        """
        self.point(defaults=("1002",))
        self.queued()
        self.clients.there.clear()
        self.node.controller.routersGone("5000")
        self.run_(10)
        self.talks(self.peer.expectRequest(b"INVITE"))
        self.hangUp()

    def test_notAnswered(self) -> None:
        """
        A default that does not answer is not the last one that is tried, and none is
        tried twice.
        """
        self.clients.there.clear()
        self.point(defaults=("1002", "1003"), noAnswerTimeout=10.0)
        self.alice.request(b"INVITE", "5000", body=sdp())
        self.ringsInVain(self.peer.expectRequest(b"INVITE"))
        self.ringsInVain(self.peer.expectRequest(b"INVITE"), self.carol)
        self.assertRefused(480)
        self.assertNoCall()

    def test_circle(self) -> None:
        """
        Routing points that lead to each other end.
        """
        self.clients.there.clear()
        self.point(defaults=("5001",))
        self.point("5001", defaults=("5000",))
        self.alice.request(b"INVITE", "5000", body=sdp())
        self.assertRefused(480)
        self.assertNoCall()

    def test_asked(self) -> None:
        """
        A routing client may say that a call goes where it would go by default.
        """
        self.point(defaults=("1002",))
        self.queued()
        invite = self.routed("", routeType=RouteType.DEFAULT)
        self.talks(invite)
        self.hangUp()


_CALLER = ("1001", "Origination")
