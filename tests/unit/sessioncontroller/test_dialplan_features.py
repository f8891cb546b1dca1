"""
Tests for sipcluster.sessioncontroller.dialplan: do-not-disturb and forwarding.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipcluster.sessioncontroller.dialplan import (
    MAX_FORWARDS,
    Directory,
    FeatureDialPlan,
    StaticDialPlan,
)
from sipcluster.sessioncontroller.events import CallType, Cause
from sipcluster.sessioncontroller.isessioncontroller import (
    DN,
    Asked,
    Destination,
    DNFeatures,
    DTMFMethod,
    ExtensionDN,
    ForwardMode,
    IDialPlan,
    IFeatures,
    Refusal,
    TrunkDN,
)

ALICE = ExtensionDN("1001")
CARRIER = TrunkDN(
    "9",
    b"sip:carrier.example",
    "carrier.example",
    "9",
    "",
    dtmfMethod=DTMFMethod.RFC4733,
)
BUSY = Refusal(486, Cause.BUSY, CallType.INTERNAL)
CIRCLE = Refusal(480, Cause.UNREACHABLE, CallType.INTERNAL)


@implementer(IFeatures)
class Features:
    """
    Features that a test sets.
    """

    def __init__(self) -> None:
        self.on: dict[str, DNFeatures] = {}

    def features(self, dn: str) -> DNFeatures:
        """
        See L{IFeatures}.
        """
        return self.on.get(dn, DNFeatures())

    def forward(self, dn: str, mode: ForwardMode, to: str, dnd: bool = False) -> None:
        """
        Set a DN's call forwarding.
        """
        self.on[dn] = DNFeatures(dnd=dnd, forwardMode=mode, forwardTo=to)


class FeatureDialPlanTests(SynchronousTestCase):
    """
    What is switched on at a DN decides where its calls go.
    """

    def setUp(self) -> None:
        numbers = [ExtensionDN(str(number)) for number in range(1002, 1012)]
        dns: list[DN] = [ALICE, CARRIER, *numbers]
        self.features = Features()
        self.directory = Directory("lab.example", dns)
        self.plan = FeatureDialPlan(
            StaticDialPlan(self.directory), self.directory, self.features
        )

    def asked(self, user: str, caller: DN = ALICE, redirected: bool = False) -> Asked:
        """
        A wish of somebody.
        """
        return Asked(user, "lab.example", caller, redirected)

    def found(self, user: str, caller: DN = ALICE) -> Destination:
        """
        Where a number leads.
        """
        found = self.route(user, caller)
        assert isinstance(found, Destination)
        return found

    def route(self, user: str, caller: DN = ALICE) -> Destination | Refusal:
        """
        What a number leads to.
        """
        return self.successResultOf(self.plan.route(self.asked(user, caller)))

    def instead(
        self, destination: Destination, cause: Cause, caller: DN = ALICE
    ) -> Destination | Refusal | None:
        """
        What takes the place of a destination.
        """
        made = self.plan.instead(self.asked("1002", caller), destination, cause)
        return None if made is None else self.successResultOf(made)

    def test_provides(self) -> None:
        """
        It is a dial plan, and asks what knows features.
        """
        verifyObject(IDialPlan, self.plan)
        verifyObject(IFeatures, self.features)

    def test_nothingOn(self) -> None:
        """
        Where nothing is switched on it says what the plan below it says.
        """
        found = self.found("1002")
        self.assertEqual((found.dn, found.forwardedBy), ("1002", ()))
        self.assertEqual(self.route("7777"), Refusal(404, Cause.INVALID_NUMBER))
        for cause in Cause:
            self.assertIsNone(self.instead(found, cause))

    def test_doNotDisturb(self) -> None:
        """
        A DN that is not to be disturbed is busy; it may call out itself.
        """
        self.features.on["1002"] = DNFeatures(dnd=True)
        self.assertEqual(self.route("1002"), BUSY)
        self.assertEqual(self.found("1003", ExtensionDN("1002")).dn, "1003")

    def test_unconditional(self) -> None:
        """
        All calls go where they are forwarded, do-not-disturb or not.
        """
        for mode in (ForwardMode.UNCONDITIONAL, ForwardMode.SEND_ALL_CALLS):
            for dnd in (False, True):
                self.features.forward("1002", mode, "1003", dnd)
                found = self.found("1002")
                self.assertEqual(found.dn, "1003")
                self.assertEqual(found.forwardedBy, ("1002",))
                self.assertIs(found.callType, CallType.INTERNAL)

    def test_noNumber(self) -> None:
        """
        A mode without a number forwards nothing.
        """
        self.features.forward("1002", ForwardMode.UNCONDITIONAL, "")
        self.assertEqual(self.found("1002").dn, "1002")

    def test_onBusy(self) -> None:
        """
        Forwarding on busy takes place when the telephone is busy or declines,
        and with do-not-disturb; not when it does not answer.
        """
        for mode in (ForwardMode.ON_BUSY, ForwardMode.ON_BUSY_AND_NO_ANSWER):
            self.features.forward("1002", mode, "1003")
            found = self.found("1002")
            self.assertEqual(found.dn, "1002")
            for cause in (Cause.BUSY, Cause.REJECTED):
                other = self.instead(found, cause)
                assert isinstance(other, Destination)
                self.assertEqual(other.dn, "1003")
                self.assertEqual(other.forwardedBy, ("1002",))
            self.features.forward("1002", mode, "1003", dnd=True)
            self.assertEqual(self.found("1002").dn, "1003")
        self.features.forward("1002", ForwardMode.ON_BUSY, "1003")
        self.assertIsNone(self.instead(found, Cause.NO_ANSWER))

    def test_onNoAnswer(self) -> None:
        """
        Forwarding on no answer takes place when nobody answers or the telephone
        is not there; not when it is busy or the number is wrong.
        """
        for mode in (ForwardMode.ON_NO_ANSWER, ForwardMode.ON_BUSY_AND_NO_ANSWER):
            self.features.forward("1002", mode, "1003")
            found = self.found("1002")
            for cause in (Cause.NO_ANSWER, Cause.UNREACHABLE, Cause.LOST):
                other = self.instead(found, cause)
                assert isinstance(other, Destination)
                self.assertEqual(other.dn, "1003")
            for cause in (Cause.INVALID_NUMBER, Cause.FORBIDDEN, Cause.OVERLOAD):
                self.assertIsNone(self.instead(found, cause))
        self.features.forward("1002", ForwardMode.ON_NO_ANSWER, "1003")
        self.assertIsNone(self.instead(found, Cause.BUSY))
        self.features.forward("1002", ForwardMode.ON_NO_ANSWER, "1003", dnd=True)
        self.assertEqual(self.route("1002"), BUSY)

    def test_chain(self) -> None:
        """
        Who is forwarded to may forward as well, and may be busy.
        """
        self.features.forward("1002", ForwardMode.UNCONDITIONAL, "1003")
        self.features.forward("1003", ForwardMode.ON_BUSY, "1004")
        found = self.found("1002")
        self.assertEqual(found.dn, "1003")
        other = self.instead(found, Cause.BUSY)
        assert isinstance(other, Destination)
        self.assertEqual((other.dn, other.forwardedBy), ("1004", ("1002", "1003")))
        self.features.on["1003"] = DNFeatures(dnd=True)
        self.assertEqual(self.route("1002"), BUSY)

    def test_circle(self) -> None:
        """
        Forwarding in a circle ends the call, by whatever modes it is made.
        """
        self.features.forward("1002", ForwardMode.UNCONDITIONAL, "1003")
        self.features.forward("1003", ForwardMode.UNCONDITIONAL, "1002")
        self.assertEqual(self.route("1002"), CIRCLE)
        self.features.forward("1004", ForwardMode.UNCONDITIONAL, "1004")
        self.assertEqual(self.route("1004"), CIRCLE)
        self.features.forward("1003", ForwardMode.ON_NO_ANSWER, "1002")
        found = self.found("1002")
        self.assertEqual(self.instead(found, Cause.NO_ANSWER), CIRCLE)

    def test_tooMany(self) -> None:
        """
        A long chain of DNs that forward ends the call.
        """
        for number in range(1002, 1002 + MAX_FORWARDS):
            self.features.forward(
                str(number), ForwardMode.UNCONDITIONAL, str(number + 1)
            )
        last = str(1002 + MAX_FORWARDS)
        self.assertEqual(self.found("1002").dn, last)
        self.features.forward(last, ForwardMode.UNCONDITIONAL, "1011")
        self.assertEqual(self.route("1002"), CIRCLE)

    def test_toCaller(self) -> None:
        """
        Forwarding to the caller finds it busy.
        """
        self.features.forward("1002", ForwardMode.UNCONDITIONAL, "1001")
        self.assertEqual(self.route("1002"), BUSY)

    def test_fromTrunk(self) -> None:
        """
        A call from a trunk stays an inbound one.
        """
        self.features.forward("1002", ForwardMode.UNCONDITIONAL, "1003")
        self.assertIs(self.found("1002", CARRIER).callType, CallType.INBOUND)

    def test_toTrunk(self) -> None:
        """
        A DN may forward to whatever it may call, also what comes from a trunk:
        its own right counts, and not that of the caller, which still may not
        call there itself.
        """
        self.features.forward("1002", ForwardMode.UNCONDITIONAL, "90123")
        for caller in (ALICE, CARRIER):
            found = self.found("1002", caller)
            self.assertEqual(found.uri, b"sip:0123@carrier.example")
            self.assertIs(found.callType, CallType.OUTBOUND)
            self.assertIs(found.dtmfMethod, DTMFMethod.RFC4733)
            self.assertIsNone(self.instead(found, Cause.BUSY))
        self.assertEqual(self.route("90123", CARRIER), Refusal(403, Cause.FORBIDDEN))

    def test_redirected(self) -> None:
        """
        A telephone that redirects to a DN that forwards to a trunk gets there:
        whoever set that forwarding had the right to.
        """
        self.features.forward("1002", ForwardMode.UNCONDITIONAL, "90123")
        made = self.plan.route(self.asked("1002", ALICE, True))
        found = self.successResultOf(made)
        assert isinstance(found, Destination)
        self.assertIs(found.callType, CallType.OUTBOUND)

    def test_doesNotAnswer(self) -> None:
        """
        A telephone that is known not to answer is not called: calls go where it
        forwards them on no answer, or nowhere.
        """
        self.plan.unanswering = lambda dn: dn == "1002"
        self.assertEqual(
            self.route("1002"), Refusal(480, Cause.UNREACHABLE, CallType.INTERNAL)
        )
        self.features.forward("1002", ForwardMode.ON_BUSY, "1003")
        self.assertEqual(
            self.route("1002"), Refusal(480, Cause.UNREACHABLE, CallType.INTERNAL)
        )
        self.features.forward("1002", ForwardMode.ON_NO_ANSWER, "1003")
        self.assertEqual(self.found("1002").dn, "1003")
        self.assertEqual(self.found("90123").dn, "0123")

    def test_slowPlan(self) -> None:
        """
        A plan that takes its time is waited for at each step, and cancelled
        with the wish.
        """
        below = SlowPlan()
        plan = FeatureDialPlan(below, self.directory, self.features)
        self.features.forward("1002", ForwardMode.UNCONDITIONAL, "1003")
        made = plan.route(self.asked("1002"))
        below.answer(self.directory)
        self.assertNoResult(made)
        self.assertEqual(below.waiting[0][0].user, "1003")
        below.answer(self.directory)
        found = self.successResultOf(made)
        assert isinstance(found, Destination)
        self.assertEqual(found.dn, "1003")
        made = plan.route(self.asked("1002"))
        below.answer(self.directory)
        made.addErrback(lambda failure: None)
        made.cancel()
        self.assertTrue(below.waiting[0][1].called)


@implementer(IDialPlan)
class SlowPlan:
    """
    A dial plan that is asked by hand.
    """

    def __init__(self) -> None:
        self.waiting: list[tuple[Asked, Deferred[Destination | Refusal]]] = []

    def route(self, asked: Asked) -> Deferred[Destination | Refusal]:
        """
        See L{IDialPlan}.
        """
        made: Deferred[Destination | Refusal] = Deferred()
        self.waiting.append((asked, made))
        return made

    def instead(
        self, asked: Asked, destination: Destination, cause: Cause
    ) -> Deferred[Destination | Refusal] | None:
        """
        See L{IDialPlan}.
        """
        return None

    def answer(self, directory: Directory) -> None:
        """
        Answer the oldest wish.
        """
        asked, made = self.waiting.pop(0)
        made.callback(StaticDialPlan(directory).find(asked))
