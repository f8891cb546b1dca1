"""
Consultation and transfer by request.
"""

from __future__ import annotations

import gc
from typing import Any
from weakref import ReferenceType, ref

from sipcluster.sessioncontroller.isessioncontroller import Destination, Why
from tests.memory.controls import WHO
from tests.memory.conversations import NUMBERS, Conversation

#: What Carol's consultation by Bob begins with.
CONSULTS = [
    "c1 Held B/dest A/orig",
    "c2 Offered B/orig C/dest from c1 !",
    "c2 Alerting C/dest B/orig from c1",
    "c2 Progressed C/dest B/orig from c1",
]
ANSWERED = [
    "c2 Answered C/dest B/orig from c1",
    "c2 Answered B/orig C/dest from c1",
]
TRANSFERRED = [
    "c2 Released B/orig C/dest Transferred from c1 !",
    "c1 Released B/dest A/orig Transferred",
    "c1 PartyChanged A/orig C/dest by B/TransferredBy Transferred",
    "c1 PartyChanged C/dest A/orig by B/TransferredBy Transferred from c2",
]


class TransferTestCase(Conversation):
    """
    Alice has called Bob, who talks to her.
    """

    def setUp(self) -> None:
        super().setUp()
        self.c1 = self.talk("A", "B")
        self.rows()

    def complete(self, c2: str) -> None:
        """
        Bob leaves both calls.
        """
        self.done(self.controller.completeTransfer("1002", self.c1, c2, WHO))


class TwoStepTests(TransferTestCase):
    """
    L{ITransfers.consult} and L{ITransfers.completeTransfer}.
    """

    def test_flow(self) -> None:
        """
        Bob consults Carol and leaves both calls to Alice and her.
        """
        c2 = self.consult("B", self.c1, "C")
        self.assertSilent(self.c1, "A", "B")
        self.assertTalk(c2, "B", "C")
        self.assertEqual(self.rows(), CONSULTS + ANSWERED)
        self.complete(c2)
        self.assertEqual(self.rows(), TRANSFERRED)
        self.assertTalk(self.c1, "A", "C")
        self.assertEqual(list(self.controller.calls), [self.c1])
        self.endAll()
        self.assertEqual(
            self.rows(),
            ["c1 Released A/orig C/dest", "c1 Released C/dest A/orig from c2"],
        )

    def test_callerTransfers(self) -> None:
        """
        So may the one who has called.
        """
        c2 = self.consult("A", self.c1, "C")
        self.rows()
        self.done(self.controller.completeTransfer("1001", self.c1, c2, WHO))
        self.assertEqual(
            self.rows(),
            [
                "c2 Released A/orig C/dest Transferred from c1 !",
                "c1 Released A/orig B/dest Transferred",
                "c1 PartyChanged B/dest C/dest by A/TransferredBy Transferred",
                "c1 PartyChanged C/dest B/dest by A/TransferredBy Transferred from c2",
            ],
        )
        self.assertTalk(self.c1, "B", "C")
        self.endAll()

    def test_whileItRings(self) -> None:
        """
        Carol may still ring; when she answers, she talks to Alice.
        """
        c2 = self.consult("B", self.c1, "C", False)
        self.assertEqual(self.rows(), CONSULTS)
        self.complete(c2)
        self.assertEqual(self.rows(), TRANSFERRED)
        self.assertEqual(list(self.controller.calls), [self.c1])
        self.answer("C")
        self.assertEqual(self.rows(), ["c1 Answered C/dest A/orig from c2"])
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_whileItRingsInVain(self) -> None:
        """
        When Carol does not take the call then, it is over.
        """
        c2 = self.consult("B", self.c1, "C", False)
        self.complete(c2)
        self.rows()
        self.desks["C"].ringing.refuse(486)
        self.settle()
        self.assertEqual(
            self.rows(),
            [
                "c1 Released C/dest A/orig Busy from c2",
                "c1 Released A/orig C/dest Busy",
            ],
        )
        self.assertNoCall()

    def test_byTelephone(self) -> None:
        """
        A call that Bob's telephone makes while it holds Alice is a consultation; and
        they may be connected by request.
        """
        self.line("B", self.c1).hold()
        self.settle()
        c2 = self.talk("B", "C")
        self.assertEqual(
            [row for row in self.rows() if "C/" in row][:2],
            ["c2 Offered B/orig C/dest from c1", "c2 Alerting C/dest B/orig from c1"],
        )
        self.complete(c2)
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_trunk(self) -> None:
        """
        Who is consulted may be outside.
        """
        c2 = self.consult("B", self.c1, "O")
        self.complete(c2)
        self.assertTalk(self.c1, "A", "O")
        self.endAll()

    def test_callerFromOutside(self) -> None:
        """
        So may be the caller: the type of the call stays Inbound, and that of the
        consultation is Consult.
        """
        self.endAll()
        self.rows()
        c1 = self.talk("O", "A")
        self.rows()
        c2 = self.consult("A", c1, "C")
        self.done(self.controller.completeTransfer("1001", c1, c2, WHO))
        self.assertTalk(c1, "O", "C")
        types = [
            (event.party.connID == c1, event.party.callType.value)
            for event in self.sink.events
            if event.party.thisDN == NUMBERS["C"]
        ]
        self.assertEqual(set(types), {(False, "Consult"), (True, "Inbound")})
        self.endAll()

    def test_userData(self) -> None:
        """
        A consultation has a copy of what is attached to its call, and more; who comes
        to that call has what is attached there.
        """
        self.controller.changeUserData("1002", self.c1, (("a", "1"),))
        asked = self.controller.consult("1002", self.c1, "1003", (("b", "2"),))
        self.settle()
        c2 = self.successResultOf(asked)
        self.answer("C")
        data = self.legOf("C", c2).party.view.userData
        self.assertEqual(data, (("a", "1"), ("b", "2")))
        self.complete(c2)
        data = self.legOf("C", self.c1).party.view.userData
        self.assertEqual(data, (("a", "1"),))
        self.endAll()

    def test_refused(self) -> None:
        """
        What cannot be is refused, and changes nothing.
        """
        control = self.controller
        self.assertNotDone(control.consult("1003", self.c1, "1001"), Why.NOT_A_PARTY)
        self.assertNotDone(control.consult("1002", "0" * 16, "1003"), Why.UNKNOWN_CALL)
        self.assertNotDone(
            control.consult("1002", self.c1, ""), Why.INVALID_DESTINATION
        )
        c2 = self.consult("B", self.c1, "C", False)
        self.assertNotDone(
            control.completeTransfer("1002", c2, self.c1), Why.WRONG_STATE
        )
        self.assertNotDone(
            control.completeTransfer("1002", self.c1, self.c1), Why.WRONG_STATE
        )
        self.rows()
        self.desks["C"].ringing.refuse(486)
        self.settle()
        self.assertEqual(
            self.rows(),
            [
                "c2 Released C/dest B/orig Busy from c1",
                "c2 Failed B/orig C/dest Busy from c1",
            ],
        )
        self.assertNotDone(
            control.completeTransfer("1002", self.c1, c2), Why.WRONG_STATE
        )
        self.assertEqual(self.states(self.c1), {"1001": "Connected", "1002": "Hold"})
        self.done(control.reconnect("1002", self.c1, c2, WHO))
        self.assertEqual(
            self.rows(),
            [
                "c2 Released B/orig C/dest from c1 !",
                "c1 Retrieved B/dest A/orig",
            ],
        )
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_telephoneBusy(self) -> None:
        """
        When Bob's telephone does not take the consultation, he is back.
        """
        self.desks["B"].refuses = 486
        asked = self.controller.consult("1002", self.c1, "1003", requester=WHO)
        self.settle()
        self.assertNotDone(asked, Why.BUSY)
        self.assertEqual(
            self.rows(), ["c1 Held B/dest A/orig", "c1 Retrieved B/dest A/orig"]
        )
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_heldBefore(self) -> None:
        """
        A call that was held before stays so then.
        """
        self.done(self.controller.hold("1002", self.c1, WHO))
        self.desks["B"].refuses = 486
        asked = self.controller.consult("1002", self.c1, "1003", requester=WHO)
        self.settle()
        self.assertNotDone(asked, Why.BUSY)
        self.assertEqual(self.states(self.c1)["1002"], "Hold")
        self.endAll()

    def test_callerHangsUp(self) -> None:
        """
        When Alice hangs up, the consultation goes on.
        """
        c2 = self.consult("B", self.c1, "C")
        self.rows()
        self.line("A", self.c1).hangUp()
        self.settle()
        self.assertEqual(
            self.rows(), ["c1 Released A/orig B/dest", "c1 Released B/dest A/orig"]
        )
        self.assertTalk(c2, "B", "C")
        self.endAll()

    def test_bothHold(self) -> None:
        """
        Alice may hold, too: Carol hears nothing until she is back.
        """
        self.done(self.controller.hold("1001", self.c1, WHO))
        c2 = self.consult("B", self.c1, "C")
        self.complete(c2)
        self.assertSilent(self.c1, "A", "C")
        self.done(self.controller.retrieve("1001", self.c1, WHO))
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_again(self) -> None:
        """
        A call may be transferred any number of times, there and back.
        """
        for _ in range(12):
            c2 = self.consult("B", self.c1, "C")
            self.complete(c2)
            self.assertTalk(self.c1, "A", "C")
            c3 = self.consult("C", self.c1, "B")
            self.done(self.controller.completeTransfer("1003", self.c1, c3, WHO))
            self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_nothingIsLeft(self) -> None:
        """
        When it is over, nothing keeps the calls, their legs and their parties: they are
        gone without the collection of garbage.
        """
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        left: list[ReferenceType[Any]] = []
        calls = self.controller.calls
        for _ in range(3):
            c2 = self.consult("B", self.c1, "C")
            left.append(ref(calls[c2]))
            self.complete(c2)
            c3 = self.consult("C", self.c1, "B")
            left.append(ref(calls[c3]))
            self.done(self.controller.completeTransfer("1003", self.c1, c3, WHO))
        call = calls[self.c1]
        left += [ref(call), *map(ref, call.legs), *map(ref, call.parties)]
        del call
        self.endAll()
        self.run_(100)
        self.sink.events.clear()
        self.assertEqual([one() for one in left if one() is not None], [])


class AlternateTests(TransferTestCase):
    """
    L{ITransfers.alternate} and L{ITransfers.reconnect}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.c2 = self.consult("B", self.c1, "C")
        self.rows()

    def test_alternate(self) -> None:
        """
        Bob talks to Alice, to Carol and to Alice again.
        """
        control = self.controller
        self.done(control.alternate("1002", self.c1, self.c2, WHO))
        self.assertEqual(
            self.rows(),
            ["c2 Held B/orig C/dest from c1", "c1 Retrieved B/dest A/orig !"],
        )
        self.assertTalk(self.c1, "A", "B")
        self.assertSilent(self.c2, "B", "C")
        self.done(control.alternate("1002", self.c2, self.c1, WHO))
        self.assertEqual(
            self.rows(),
            ["c1 Held B/dest A/orig", "c2 Retrieved B/orig C/dest from c1 !"],
        )
        self.assertTalk(self.c2, "C", "B")
        self.assertSilent(self.c1, "B", "A")
        self.endAll()

    def test_twice(self) -> None:
        """
        What is asked twice is done once.
        """
        one = self.controller.alternate("1002", self.c1, self.c2, WHO)
        two = self.controller.alternate("1002", self.c1, self.c2)
        self.settle()
        self.assertDone(one)
        self.assertNotDone(two, Why.WRONG_STATE)
        self.assertTalk(self.c1, "A", "B")
        self.assertSilent(self.c2, "B", "C")
        self.endAll()

    def test_reconnect(self) -> None:
        """
        Bob leaves Carol and is back with Alice.
        """
        self.done(self.controller.reconnect("1002", self.c1, self.c2, WHO))
        self.assertEqual(
            self.rows(),
            [
                "c2 Released B/orig C/dest from c1 !",
                "c2 Released C/dest B/orig from c1",
                "c1 Retrieved B/dest A/orig",
            ],
        )
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_transferTheOtherWayRound(self) -> None:
        """
        After alternating, the call that is held is the consultation: it stays, and
        Alice comes into it.
        """
        control = self.controller
        self.done(control.alternate("1002", self.c1, self.c2, WHO))
        self.rows()
        self.done(control.completeTransfer("1002", self.c2, self.c1, WHO))
        self.assertTalk(self.c2, "A", "C")
        self.assertEqual(list(control.calls), [self.c2])
        self.endAll()


class MuteTests(TransferTestCase):
    """
    L{ITransfers.muteTransfer}.
    """

    def test_flow(self) -> None:
        """
        Bob leaves both calls as soon as Carol rings.
        """
        asked = self.controller.muteTransfer("1002", self.c1, "1003", requester=WHO)
        self.done(asked)
        self.assertEqual(
            self.rows(),
            [
                "c1 Held B/dest A/orig",
                "c2 Offered B/orig C/dest from c1",
                *CONSULTS[2:],
                *TRANSFERRED,
            ],
        )
        self.answer("C")
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_busy(self) -> None:
        """
        When Carol is busy, Bob is back with Alice.
        """
        self.desks["C"].refuses = 486
        asked = self.controller.muteTransfer("1002", self.c1, "1003", requester=WHO)
        self.settle()
        self.assertNotDone(asked, Why.BUSY)
        self.assertTalk(self.c1, "A", "B")
        self.assertEqual(list(self.controller.calls), [self.c1])
        self.endAll()

    def test_telephoneBusy(self) -> None:
        """
        So he is when his own telephone does not take a second call.
        """
        self.desks["B"].refuses = 486
        asked = self.controller.muteTransfer("1002", self.c1, "1003", requester=WHO)
        self.settle()
        self.assertNotDone(asked, Why.BUSY)
        self.assertTalk(self.c1, "A", "B")
        self.endAll()


class SingleStepTests(TransferTestCase):
    """
    L{ITransfers.singleStepTransfer}.
    """

    def transfer(self, to: str = "1003") -> None:
        """
        Bob leaves the call to somebody.
        """
        data = (("k", "v"),)
        self.done(self.controller.singleStepTransfer("1002", self.c1, to, data, WHO))

    def test_flow(self) -> None:
        """
        Bob is out, and Carol rings for Alice.
        """
        self.transfer()
        self.assertEqual(
            self.rows(),
            [
                "c1 Released B/dest A/orig by C/dest Transferred !",
                "c1 Alerting C/dest A/orig by B/TransferredBy Transferred",
                "c1 PartyChanged A/orig C/dest by B/TransferredBy Transferred",
                "c1 Progressed C/dest A/orig",
            ],
        )
        self.answer("C")
        self.assertEqual(self.rows(), ["c1 Answered C/dest A/orig"])
        self.assertTalk(self.c1, "A", "C")
        data = self.legOf("C", self.c1).party.view.userData
        self.assertEqual(data, (("k", "v"),))
        self.endAll()

    def test_callerLeaves(self) -> None:
        """
        So may Alice leave, for whom Bob then waits.
        """
        asked = self.controller.singleStepTransfer("1001", self.c1, "1003")
        self.done(asked)
        self.answer("C")
        self.assertTalk(self.c1, "B", "C")
        self.endAll()

    def test_held(self) -> None:
        """
        Bob may hold Alice before.
        """
        self.done(self.controller.hold("1002", self.c1, WHO))
        self.transfer()
        self.answer("C")
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_busy(self) -> None:
        """
        Nobody is there for Alice when Carol is busy.
        """
        self.desks["C"].refuses = 486
        self.transfer()
        self.assertEqual(self.rows()[-1], "c1 Released A/orig C/dest Busy")
        self.assertNoCall()

    def test_nowhere(self) -> None:
        """
        A number that leads nowhere is refused, and changes nothing.
        """
        asked = self.controller.singleStepTransfer("1002", self.c1, "7")
        self.settle()
        self.assertNotDone(asked, Why.INVALID_DESTINATION)
        self.assertTalk(self.c1, "A", "B")
        self.assertEqual(self.rows(), [])
        self.endAll()

    def test_heldWhileItRings(self) -> None:
        """
        Alice may hold meanwhile, and be back or not when Carol answers.
        """
        for back in (True, False):
            self.transfer()
            self.done(self.controller.hold("1001", self.c1, WHO))
            if back:
                self.done(self.controller.retrieve("1001", self.c1, WHO))
            self.answer("C")
            if not back:
                self.assertSilent(self.c1, "C")
                self.done(self.controller.retrieve("1001", self.c1, WHO))
            self.assertTalk(self.c1, "A", "C")
            self.endAll()
            self.c1 = self.talk("A", "B")
        self.endAll()

    def test_toWhoWaits(self) -> None:
        """
        Nobody is left to himself, by whatever way.
        """
        control = self.controller
        asked = control.singleStepTransfer("1002", self.c1, "1001")
        self.assertNotDone(asked, Why.INVALID_DESTINATION)
        c2 = self.consult("B", self.c1, "A")
        asked = control.completeTransfer("1002", self.c1, c2)
        self.assertNotDone(asked, Why.WRONG_STATE)
        self.done(control.reconnect("1002", self.c1, c2, WHO))
        self.transfer()
        asked = control.redirect("1003", self.c1, "1001")
        self.assertNotDone(asked, Why.INVALID_DESTINATION)
        self.answer("C")
        self.endAll()

    def test_callerHangsUp(self) -> None:
        """
        Alice may hang up while Carol rings.
        """
        self.transfer()
        self.rows()
        self.line("A", self.c1).hangUp()
        self.settle()
        self.assertEqual(
            self.rows(),
            ["c1 Released A/orig C/dest", "c1 Released C/dest A/orig Abandoned"],
        )
        self.endAll()


class WaitingTests(TransferTestCase):
    """
    Who leaves as soon as somebody else answers, as with a REFER.
    """

    def sendOn(self) -> None:
        """
        Bob is about to leave the call to Carol.
        """
        call = self.controller.calls[self.c1]
        party = self.legOf("B", self.c1).party
        where = self.controller.wish("1002", "1003")
        found = self.successResultOf(call._plan.route(where))
        assert isinstance(found, Destination)
        self.told: list[tuple[str, int]] = []

        def told(leg: object, status: int) -> None:
            self.told.append((leg.party.view.thisDN, status))  # type: ignore[attr-defined]

        self.patch(type(call), "leaverTold", lambda _, leg, status: told(leg, status))
        call.sendOn(party, where, found, waits=True)
        self.settle()

    def test_answers(self) -> None:
        """
        When Carol answers, Bob is out.
        """
        self.sendOn()
        self.answer("C")
        self.assertEqual(
            self.rows(),
            [
                "c1 Alerting C/dest A/orig by B/TransferredBy Transferred",
                "c1 Progressed C/dest A/orig",
                "c1 Released B/dest A/orig by C/dest Transferred",
                "c1 PartyChanged A/orig C/dest by B/TransferredBy Transferred",
                "c1 Answered C/dest A/orig",
            ],
        )
        self.assertEqual(self.told, [("1002", 180), ("1002", 200)])
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_busy(self) -> None:
        """
        When Carol is busy, Bob has Alice back.
        """
        self.desks["C"].refuses = 486
        self.sendOn()
        self.assertEqual(
            self.rows(),
            [
                "c1 Alerting C/dest A/orig by B/TransferredBy Transferred",
                "c1 Released C/dest A/orig Busy",
            ],
        )
        self.assertEqual(self.told, [("1002", 486)])
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_hangsUp(self) -> None:
        """
        Bob may hang up before: then the call goes on without him.
        """
        self.sendOn()
        self.rows()
        self.line("B", self.c1).hangUp()
        self.settle()
        self.assertEqual(
            self.rows(),
            [
                "c1 Released B/dest A/orig by C/dest Transferred",
                "c1 PartyChanged A/orig C/dest by B/TransferredBy Transferred",
            ],
        )
        self.answer("C")
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_callerHangsUp(self) -> None:
        """
        When Alice hangs up, all is over.
        """
        self.sendOn()
        self.line("A", self.c1).hangUp()
        self.settle()
        self.endAll()
