"""
Calls that ring, and are answered or sent elsewhere by request.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipcluster.sessioncontroller.events import Cause
from sipcluster.sessioncontroller.isessioncontroller import (
    Asked,
    Destination,
    IDialPlan,
    Refusal,
    Why,
)
from sipcluster.sip.message import Request
from sipcluster.testing.sip_peer import sdp
from tests.memory.controls import WHO, ControlTestCase


class RingingTestCase(ControlTestCase):
    """
    It rings at Bob's.

    @ivar rung: the INVITE that Bob's telephone got.
    """

    def setUp(self) -> None:
        super().setUp()
        self.rung = self.ringing()
        self.news()

    def busy(self) -> None:
        """
        Bob does not want to.
        """
        self.bob.refuse(self.rung, 486)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)
        self.assertNoCall()

    def goOn(self) -> None:
        """
        Bob has answered, and both talk.
        """
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.hangUp()

    def answer(self, dn: str = "1002") -> Deferred[None]:
        """
        Ask Bob's telephone to answer.
        """
        return self.control.answer(dn, self.connID, WHO)


class AnswerTests(RingingTestCase):
    """
    L{ICallControl.answer}.
    """

    def test_answers(self) -> None:
        """
        The telephone gets a NOTIFY that asks it to talk, in the dialog that its 180
        has made, and answers the call: that answers the request.
        """
        done = self.answer()
        notify = self.peer.expectRequest(b"NOTIFY")
        assert self.bob.dialog is not None
        self.assertEqual(notify.toTag, self.bob.dialog.localTag)
        self.assertEqual(notify.callID, self.rung.callID)
        self.assertEqual(notify.headers.first(b"Event"), b"talk")
        self.assertEqual(notify.headers.first(b"Subscription-State"), b"active")
        self.assertEqual(len(notify.contacts), 1)
        self.assertEqual(notify.body, b"")
        self.peer.respond(notify, 200)
        self.assertNoResult(done)
        self.bob.answer(self.rung, 200, sdp("bob"))
        self.assertEqual(self.news(), ["Answered 1002 !", "Answered 1001"])
        self.assertDone(done)
        self.goOn()

    def test_answersBeforeItSaysSo(self) -> None:
        """
        The 200 of the INVITE may come first.
        """
        done = self.answer()
        notify = self.peer.expectRequest(b"NOTIFY")
        self.bob.answer(self.rung, 200, sdp("bob"))
        self.assertEqual(self.news(), ["Answered 1002 !", "Answered 1001"])
        self.assertDone(done)
        self.peer.respond(notify, 200)
        self.goOn()

    def test_beforeItRings(self) -> None:
        """
        A telephone that has not said anything yet is asked when it has: before
        there is no dialog.
        """
        self.busy()
        self.bob.dialog = None
        self.alice.request(b"INVITE", "1002", body=sdp())
        self.rung = self.peer.expectRequest(b"INVITE")
        self.news()
        done = self.answer()
        self.peer.respond(self.rung, 100)
        self.peer.expectNothing()
        self.bob.answer(self.rung, 180)
        self.peer.respond(self.peer.expectRequest(b"NOTIFY"), 200)
        self.peer.expectResponse(180)
        self.bob.answer(self.rung, 180)
        self.peer.expectNothing()
        self.bob.answer(self.rung, 200, sdp("bob"))
        self.pump()
        self.assertDone(done)
        self.goOn()

    def test_cannot(self) -> None:
        """
        A telephone that does not know the event, and says so in whatever way, rings
        on.
        """
        for status in (489, 481, 405, 501, 403):
            done = self.answer()
            self.peer.respond(self.peer.expectRequest(b"NOTIFY"), status)
            self.pump()
            refused = self.assertNotDone(done, Why.UNSUPPORTED)
            self.assertIn(f"it answered {status}", refused.text)
        self.assertEqual(self.states()["1002"], "Alerting")
        self.assertEqual(self.news(), [])
        self.busy()

    def test_doesNot(self) -> None:
        """
        One that says yes and does nothing is waited for 10 seconds; if somebody
        lifts it after that, the call is answered as usual.
        """
        done = self.answer()
        self.peer.respond(self.peer.expectRequest(b"NOTIFY"), 200)
        self.run_(9.9)
        self.assertNoResult(done)
        self.run_(0.2)
        self.assertNotDone(done, Why.TIMEOUT)
        self.bob.answer(self.rung, 200, sdp("bob"))
        self.assertEqual(self.news(), ["Answered 1002", "Answered 1001"])
        self.goOn()

    def test_saysNothing(self) -> None:
        """
        So is one that does not answer the NOTIFY at all.
        """
        done = self.answer()
        self.run_(10.1)
        self.assertNotDone(done, Why.TIMEOUT)
        self.run_(60)
        self.peer.inbox.clear()
        self.busy()

    def test_wrongState(self) -> None:
        """
        Who does not ring cannot answer, nor who was asked already.
        """
        self.assertNotDone(self.answer("1001"), Why.WRONG_STATE)
        done = self.answer()
        self.assertNotDone(self.answer(), Why.WRONG_STATE)
        self.peer.respond(self.peer.expectRequest(b"NOTIFY"), 200)
        self.bob.answer(self.rung, 200, sdp("bob"))
        self.pump()
        self.assertDone(done)
        self.assertNotDone(self.answer(), Why.WRONG_STATE)
        self.goOn()

    def test_endsMeanwhile(self) -> None:
        """
        When the call ends, or leaves the telephone, who has asked is told.
        """
        for how in ("caller", "called", "request", "redirect"):
            done = self.answer()
            notify = self.peer.expectRequest(b"NOTIFY")
            if how == "called":
                self.bob.refuse(self.rung, 486)
                self.peer.expectRequest(b"ACK")
                self.assertRefused(486)
            else:
                if how == "caller":
                    self.alice.cancel()
                    self.peer.expectResponse(200)
                    status = 487
                elif how == "request":
                    self.control.release("1002", self.connID)
                    status = 486
                else:
                    self.control.redirect("1002", self.connID, "1003")
                    status = 486
                self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
                self.bob.refuse(self.rung, 487)
                self.peer.expectRequest(b"ACK")
                if how == "redirect":
                    invite = self.peer.expectRequest(b"INVITE")
                    self.peer.respond(invite, 486, b"carol")
                    self.peer.expectRequest(b"ACK")
                self.assertRefused(status)
            self.assertNotDone(done, Why.DISCONNECTED)
            self.peer.respond(notify, 200)
            self.assertNoCall()
            if how != "redirect":
                self.bob.dialog = None
                self.rung = self.ringing()


class RedirectTests(RingingTestCase):
    """
    L{ICallControl.redirect}.
    """

    def redirect(self, destination: str, dn: str = "1002") -> Deferred[None]:
        """
        Send the call elsewhere.
        """
        return self.control.redirect(dn, self.connID, destination, WHO)

    def cancelled(self) -> None:
        """
        Bob's telephone stops ringing.
        """
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.bob.refuse(self.rung, 487)
        self.peer.expectRequest(b"ACK")

    def test_ringsElsewhere(self) -> None:
        """
        Bob's telephone is cancelled, and Carol's rings, in the same call; the caller
        is told nothing, and talks to Carol in the end.
        """
        done = self.redirect("1003")
        self.assertDone(done)
        self.assertEqual(self.news(), ["Released 1002 Redirected !", "Alerting 1003"])
        self.cancelled()
        invite = self.peer.expectRequest(b"INVITE")
        self.assertEqual(invite.uri, b"sip:1003@lab.example")
        self.assertEqual(invite.fromAddress.uri.render(), b"sip:1001@lab.example")
        self.assertEqual(self.states(), {"1001": "Initiated", "1003": "Alerting"})
        self.peer.expectNothing()
        self.carol.answer(invite, 200, sdp("carol"))
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.assertEqual(self.news(), ["Answered 1003", "Answered 1001"])
        self.assertEqual(self.sink.events[-1].party.otherDN, "1003")
        self.hangUp()

    def test_toTrunk(self) -> None:
        """
        A DN may send its calls where it may call itself: outside too.
        """
        self.assertDone(self.redirect("95551234"))
        self.cancelled()
        invite = self.peer.expectRequest(b"INVITE")
        self.assertEqual(invite.uri, b"sip:5551234@203.0.113.9")
        self.assertEqual(self.sink.events[-1].party.callType.value, "Outbound")
        self.peer.respond(invite, 486, b"x")
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)

    def test_nowhere(self) -> None:
        """
        A destination that is none, or the same telephone, is refused, and it rings
        on.
        """
        for number in ("7777", "1002", ""):
            self.assertNotDone(self.redirect(number), Why.INVALID_DESTINATION)
        # The caller itself has its line in use.
        self.assertNotDone(self.redirect("1001"), Why.BUSY)
        self.assertEqual(self.news(), [])
        self.assertEqual(self.states()["1002"], "Alerting")
        self.busy()

    def test_wrongState(self) -> None:
        """
        Only who rings can be redirected.
        """
        self.assertNotDone(self.redirect("1003", "1001"), Why.WRONG_STATE)
        self.bob.answer(self.rung, 200, sdp("bob"))
        self.pump()
        self.assertNotDone(self.redirect("1003"), Why.WRONG_STATE)
        self.goOn()

    def test_answeredInTheSameMoment(self) -> None:
        """
        A telephone that answers while it is being cancelled is hung up on.
        """
        self.assertDone(self.redirect("1003"))
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.bob.answer(self.rung, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.answerBye()
        invite = self.peer.expectRequest(b"INVITE")
        self.peer.respond(invite, 486, b"x")
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)

    def test_again(self) -> None:
        """
        A call may be sent on and on, but not for ever.
        """
        self.assertDone(self.redirect("1003"))
        self.cancelled()
        dns = ["1003", "1002"] * 20
        for step in range(13):
            self.peer.expectRequest(b"INVITE")
            self.assertDone(self.redirect(dns[step + 1], dns[step]))
        self.peer.expectRequest(b"INVITE")
        self.assertNotDone(self.redirect(dns[14], dns[13]), Why.LIMIT)
        self.alice.cancel()
        self.run_(40)
        self.peer.inbox.clear()
        self.assertNoCall()


@implementer(IDialPlan)
class SlowPlan:
    """
    A dial plan whose answers the test gives, and that forwards calls of Bob to Carol.

    @ivar waiting: who waits for an answer.
    @ivar forwards: by cause.
    """

    def __init__(self, plan: IDialPlan) -> None:
        self.plan = plan
        self.waiting: list[Deferred[Destination | Refusal]] = []
        self.forwards: dict[Cause, str] = {}
        self.asked: list[Asked] = []
        self.cancelled = 0

    def route(self, asked: Asked) -> Deferred[Destination | Refusal]:
        """
        See L{IDialPlan}.
        """
        self.asked.append(asked)

        def cancelled(_: object) -> None:
            self.cancelled += 1

        made: Deferred[Destination | Refusal] = Deferred(cancelled)
        self.waiting.append(made)
        return made

    def answer(self) -> None:
        """
        Give the oldest answer.
        """
        made = self.waiting.pop(0)
        self.plan.route(self.asked[-1]).chainDeferred(made)

    def instead(
        self, asked: Asked, destination: Destination, cause: Cause
    ) -> Deferred[Destination | Refusal] | None:
        """
        See L{IDialPlan}.
        """
        to = self.forwards.get(cause)
        if to is None or destination.dn != "1002":
            return None
        return self.plan.route(Asked(to, asked.host, asked.caller))


class SlowPlanTests(RingingTestCase):
    """
    Things happen while a redirection waits for the dial plan.
    """

    def setUp(self) -> None:
        super().setUp()
        controller = self.node.controller
        self.plan = SlowPlan(controller._plan)
        controller._plan = self.plan
        (call,) = controller.calls.values()
        call._plan = self.plan
        self.done = self.control.redirect("1002", self.connID, "1003", WHO)
        self.assertNoResult(self.done)
        self.assertEqual(self.news(), [])

    def test_later(self) -> None:
        """
        It rings on until the plan has answered.
        """
        self.plan.answer()
        self.assertDone(self.done)
        self.assertEqual(self.news(), ["Released 1002 Redirected !", "Alerting 1003"])
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.bob.refuse(self.rung, 487)
        self.peer.expectRequest(b"ACK")
        self.peer.respond(self.peer.expectRequest(b"INVITE"), 486, b"x")
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)

    def test_answered(self) -> None:
        """
        When Bob answers meanwhile, he has the call.
        """
        self.bob.answer(self.rung, 200, sdp("bob"))
        self.pump()
        self.plan.answer()
        self.assertNotDone(self.done, Why.WRONG_STATE)
        self.goOn()

    def test_ended(self) -> None:
        """
        When the call ends meanwhile, the plan is asked no longer.
        """
        for how in ("caller", "called"):
            if how == "caller":
                self.alice.cancel()
                self.peer.expectResponse(200)
                self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
                self.bob.refuse(self.rung, 487)
                self.peer.expectRequest(b"ACK")
                self.assertRefused(487)
            else:
                self.bob.refuse(self.rung, 486)
                self.peer.expectRequest(b"ACK")
                self.assertRefused(486)
            self.assertNotDone(self.done, Why.DISCONNECTED)
            self.assertNoCall()
            if how == "caller":
                self.bob.dialog = None
                self.alice.request(b"INVITE", "1002", body=sdp())
                self.pump()
                self.plan.waiting.clear()
                self.rung = self.goesTo("1002")
                self.done = self.control.redirect("1002", self.connID, "1003", WHO)
        self.assertEqual(self.plan.cancelled, 2)

    def goesTo(self, dn: str) -> Request:
        """
        The dial plan has found where the call goes.
        """
        (call,) = self.node.controller.calls.values()
        assert call._routing is not None
        self.plan.plan.route(self.plan.asked[-1]).chainDeferred(call._routing)
        return self.peer.expectRequest(b"INVITE")


class ForwardTests(ControlTestCase):
    """
    A dial plan that knows where a call goes that its destination did not take.
    """

    def setUp(self) -> None:
        super().setUp()
        controller = self.node.controller
        plan = SlowPlan(controller._plan)
        plan.forwards = {Cause.BUSY: "1003", Cause.NO_ANSWER: "7777"}
        plan.route = lambda asked: plan.plan.route(asked)  # type: ignore[method-assign]
        controller._plan = plan
        self.rung = self.ringing()
        self.news()

    def test_busy(self) -> None:
        """
        A call to who is busy goes on to where the plan says, and the DN sees it
        forwarded.
        """
        self.bob.refuse(self.rung, 486)
        self.peer.expectRequest(b"ACK")
        self.assertEqual(self.news(), ["Released 1002 Forwarded", "Alerting 1003"])
        invite = self.peer.expectRequest(b"INVITE")
        self.carol.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)
        self.assertEqual(
            self.news(),
            ["Released 1003 Busy", "Failed 1001 Busy", "Released 1001 Busy"],
        )

    def test_nowhere(self) -> None:
        """
        When that is no destination, the caller is told so.
        """
        self.run_(120.1)
        self.assertEqual(
            self.news(),
            [
                "Released 1002 Forwarded",
                "Failed 1001 SitInvalidnum",
                "Released 1001 SitInvalidnum",
            ],
        )
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.bob.refuse(self.rung, 487)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(404)

    def test_otherwise(self) -> None:
        """
        For another cause the call fails with it.
        """
        self.bob.refuse(self.rung, 603)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(603)
        self.assertEqual(self.news()[0], "Released 1002 Rejected")
