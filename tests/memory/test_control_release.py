"""
Calls that are ended, and given other data, by request.
"""

from __future__ import annotations

from typing import Any

from zope.interface.verify import verifyObject

from sipcluster.sessioncontroller.events import UserDataChanged
from sipcluster.sessioncontroller.isessioncontroller import ICallControl, Why
from sipcluster.sessioncontroller.values import decodeCall, encodeCall
from sipcluster.sip.message import Request
from sipcluster.testing.sip_peer import sdp
from tests.memory.controls import WHO, ControlTestCase


class ReleaseTests(ControlTestCase):
    """
    L{ICallControl.release} and L{ICallControl.clear}.
    """

    def test_talking(self) -> None:
        """
        Either party of a call that talks can be taken out of it: both phones get
        a BYE, and the event of the party that was asked for answers the request.
        """
        for dn, other in (("1001", "1002"), ("1002", "1001")):
            self.established()
            self.news()
            self.assertDone(self.control.release(dn, self.connID, WHO))
            self.assertEqual(
                self.news(), [f"Released {dn} Ok !", f"Released {other} Ok"]
            )
            self.answerBye(2)
            self.peer.expectNothing()
            self.assertNoCall()
            self.alice.dialog = self.bob.dialog = None

    def test_cleared(self) -> None:
        """
        To clear a call ends it for all.
        """
        self.established()
        self.news()
        self.assertDone(self.control.clear("1002", self.connID, WHO))
        self.assertEqual(self.news(), ["Released 1002 Ok !", "Released 1001 Ok"])
        self.answerBye(2)
        self.assertNoCall()

    def test_callerWhileItRings(self) -> None:
        """
        A caller that is taken out while it rings is answered 480 and the called
        phone cancelled; the called DN sees the call abandoned.
        """
        for ask in (self.control.release, self.control.clear):
            invite = self.ringing()
            self.news()
            self.assertDone(ask("1001", self.connID, WHO))
            self.assertEqual(
                self.news(), ["Released 1001 Ok !", "Released 1002 Abandoned"]
            )
            self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
            self.bob.refuse(invite, 487)
            self.peer.expectRequest(b"ACK")
            self.assertRefused(480)
            self.assertNoCall()
            self.bob.dialog = None

    def test_calledWhileItRings(self) -> None:
        """
        A called DN that is taken out while it rings has refused: its caller finds
        it busy.
        """
        invite = self.ringing()
        self.news()
        self.assertDone(self.control.release("1002", self.connID, WHO))
        self.assertEqual(
            self.news(),
            ["Released 1002 Rejected !", "Failed 1001 Busy", "Released 1001 Busy"],
        )
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.bob.refuse(invite, 487)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)
        self.assertNoCall()

    def test_answersInTheSameMoment(self) -> None:
        """
        A phone that answers while it is being cancelled is hung up on.
        """
        invite = self.ringing()
        self.assertDone(self.control.release("1002", self.connID, WHO))
        self.assertRefusedAfter(486)
        self.bob.answer(invite, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.answerBye()
        self.assertNoCall()

    def assertRefusedAfter(self, status: int) -> None:
        """
        Alice is refused, whatever else has come.
        """
        assert self.alice.invite is not None
        refused = self.peer.expectResponse(status)
        self.alice.acknowledgeRefusal(refused, self.alice.invite)
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)

    def test_notThere(self) -> None:
        """
        A call that is not there, a DN that is no party of it and one that is out
        of it already are told apart.
        """
        self.established()
        connID = self.connID
        control = self.control
        self.assertNotDone(control.release("1001", "0" * 16, WHO), Why.UNKNOWN_CALL)
        self.assertNotDone(control.release("1003", connID, WHO), Why.NOT_A_PARTY)
        self.assertDone(control.release("1001", connID, WHO))
        self.assertNotDone(control.release("1001", connID, WHO), Why.NOT_A_PARTY)
        self.answerBye(2)
        self.assertNoCall()
        self.assertNotDone(control.release("1001", connID, WHO), Why.UNKNOWN_CALL)

    def test_beforeTheAcknowledgement(self) -> None:
        """
        The BYE to a caller that has not acknowledged its 200 waits for that; its
        DN is out of the call at once.
        """
        invite = self.ringing()
        self.bob.answer(invite, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.news()
        self.assertDone(self.control.release("1001", self.connID, WHO))
        self.assertEqual(self.news(), ["Released 1001 Ok !", "Released 1002 Ok"])
        self.answerBye()
        self.alice.acknowledge()
        self.answerBye()
        self.assertNoCall()


class PartiesTests(ControlTestCase):
    """
    L{ICallControl.partiesOf} and L{ICallControl.partiesIn}.
    """

    def test_states(self) -> None:
        """
        The parties of a call and of a DN are told with their states, while they
        are in it.
        """
        verifyObject(ICallControl, self.control)
        self.assertEqual(list(self.control.partiesOf("1001")), [])
        self.assertEqual(list(self.control.partiesIn("0" * 16)), [])
        self.ringing()
        self.assertEqual(self.states(), {"1001": "Initiated", "1002": "Alerting"})
        (bob,) = self.control.partiesOf("1002")
        self.assertEqual(bob.view.otherDN, "1001")
        self.assertEqual(bob.view.connID, self.connID)
        assert self.rungBy is not None
        self.bob.refuse(self.rungBy, 486)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)
        for dn in ("1001", "1002"):
            self.assertEqual(list(self.control.partiesOf(dn)), [])
        self.assertEqual(self.node.controller.ua.parties, {})

    def test_inOrder(self) -> None:
        """
        The calls of a DN are told in the order in which they were made.
        """
        self.established()
        self.carol.request(b"INVITE", "1002", body=sdp())
        second = self.peer.expectRequest(b"INVITE")
        parties = self.control.partiesOf("1002")
        self.assertEqual([p.state for p in parties], ["Connected", "Alerting"])
        self.assertEqual([p.view.callID for p in parties], [1, 2])
        self.peer.respond(second, 486, b"x")
        self.peer.expectRequest(b"ACK")
        assert self.carol.invite is not None
        self.carol.acknowledgeRefusal(self.peer.expectResponse(486), self.carol.invite)
        self.assertEqual(len(self.control.partiesOf("1002")), 1)
        self.hangUp()

    rungBy: Request | None = None

    def ringing(self, body: bytes = b"") -> Request:
        """
        Alice calls Bob.
        """
        self.rungBy = super().ringing(body)
        return self.rungBy


class UserDataTests(ControlTestCase):
    """
    L{ICallControl.changeUserData}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.established()
        self.news()

    def change(self, **what: Any) -> tuple[UserDataChanged, ...]:
        """
        Change the data of the call for Bob.
        """
        done = self.control.changeUserData("1002", self.connID, requester=WHO, **what)
        self.assertDone(done)
        self.assertEqual(
            self.news(), ["UserDataChanged 1002 !", "UserDataChanged 1001"]
        )
        events = self.sink.events[-2:]
        assert isinstance(events[0], UserDataChanged)
        assert isinstance(events[1], UserDataChanged)
        self.assertEqual(events[0].party.userData, events[1].party.userData)
        return events[0], events[1]

    def test_changed(self) -> None:
        """
        Pairs are attached, replaced and deleted; each party is told what changed,
        for whom, and what there is now.
        """
        event, other = self.change(attach=(("a", "1"), ("b", 2), ("a", "3")))
        self.assertEqual(event.changed, (("a", "1"), ("b", 2), ("a", "3")))
        self.assertEqual((event.by, other.by), ("1002", "1002"))
        self.assertEqual(event.party.userData, (("a", "1"), ("b", 2), ("a", "3")))
        event, _ = self.change(update=(("a", "x"), ("c", (("d", b"y"),))))
        self.assertEqual(
            event.party.userData, (("a", "x"), ("b", 2), ("c", (("d", b"y"),)))
        )
        event, _ = self.change(delete=("b", "nothing"))
        self.assertEqual(event.deleted, ("b",))
        self.assertEqual(event.party.userData, (("a", "x"), ("c", (("d", b"y"),))))
        event, _ = self.change(deleteAll=True)
        self.assertEqual(event.deleted, ("a", "c"))
        self.assertEqual(event.party.userData, ())
        self.hangUp()

    def test_laterEvents(self) -> None:
        """
        All later events have the data, also that of a party that comes later.
        """
        self.change(attach=(("k", "v"),))
        self.hangUp()
        for event in self.sink.events[-2:]:
            self.assertEqual(event.party.userData, (("k", "v"),))

    def test_beforeItIsAnswered(self) -> None:
        """
        Data is attached while it rings, and known to the DN that it goes to next.
        """
        self.hangUp()
        self.alice.dialog = self.bob.dialog = None
        invite = self.ringing()
        self.news()
        self.control.changeUserData("1001", self.connID, (("k", "v"),), requester=WHO)
        self.assertEqual(
            self.news(), ["UserDataChanged 1001 !", "UserDataChanged 1002"]
        )
        self.bob.refuse(invite, 302, [(b"Contact", b"<sip:1003@lab.example>")])
        self.peer.expectRequest(b"ACK")
        second = self.peer.expectRequest(b"INVITE")
        self.assertEqual(self.sink.events[-1].party.thisDN, "1003")
        self.assertEqual(self.sink.events[-1].party.userData, (("k", "v"),))
        self.carol.refuse(second, 486)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)

    def test_tooMuch(self) -> None:
        """
        More than fits into an event is refused, and changes nothing.
        """
        self.change(attach=(("k", "v" * 30000),))
        more = (("l", "v" * 20000),)
        done = self.control.changeUserData("1001", self.connID, more)
        self.assertNotDone(done, Why.LIMIT)
        (party, _) = self.control.partiesIn(self.connID)
        self.assertEqual(len(party.view.userData), 1)
        self.assertEqual(self.news(), [])
        self.hangUp()

    def test_noData(self) -> None:
        """
        What is no key-value list is refused.
        """
        for bad in ((("k", 1.5),), (("k", 2**31),), ("k",), "kv"):
            wrong: Any = bad
            done = self.control.changeUserData("1001", self.connID, update=wrong)
            self.assertNotDone(done, Why.BAD_VALUE)
        self.hangUp()

    def test_writtenDown(self) -> None:
        """
        The data and the number of a call are in its value.
        """
        self.change(attach=(("k", (("l", b"\x00"),)), ("n", -1)))
        (value,) = self.node.controller.values()
        self.assertEqual(value.userData, (("k", (("l", b"\x00"),)), ("n", -1)))
        self.assertEqual(value.callID, 1)
        self.assertEqual(decodeCall(encodeCall(value)), value)
        self.hangUp()
