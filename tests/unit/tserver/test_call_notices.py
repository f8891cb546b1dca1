"""
Tests for sipcluster.tserver.call_notices: calls as recorders see them.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sessioncontroller.events import (
    Alerting,
    Answered,
    CallEvent,
    CallType,
    Cause,
    Offered,
    PartyView,
    Released,
    Role,
    ThirdParty,
    Updated,
    UserDataChanged,
)
from sipcluster.sessioncontroller.isessioncontroller import PartyStatus
from sipcluster.sessioncontroller.party_events import Muted, PartyChanged
from sipcluster.sessioncontroller.queue_events import Diverted, Queued
from sipcluster.tlib import enums
from sipcluster.tlib.codec import decode, encode, missing
from sipcluster.tlib.enums import CallState, DNRole
from sipcluster.tserver.call_notices import CallNotices, partyUUID
from tests.unit.tserver.call_fakes import ALICE, BOB, CONN, UUID, FakeControl

NOW = 1_700_000_000.25
OTHER, OTHER_UUID = "006c02462a161007", "f" * 32


class CallNoticesTestCase(SynchronousTestCase):
    """
    Calls that are not there.
    """

    def setUp(self) -> None:
        self.control = FakeControl()
        self.notices = CallNotices("node1")
        self.notices.control = self.control
        self.told: list[Any] = []

    def happens(
        self, kind: type[CallEvent], view: PartyView, state: str = "", **more: Any
    ) -> list[str]:
        """
        Something happens to a party, which is in a state then; C{""}: in none.

        @return: the names of what is told.
        """
        self.control.parties = [
            one
            for one in self.control.parties
            if (one.view.connID, one.view.thisDN) != (view.connID, view.thisDN)
        ]
        if state:
            status = {name: more.pop(name) for name in ("muted",) if name in more}
            self.control.parties.append(PartyStatus(view, state, **status))
        self.told = list(self.notices.of(kind(view, NOW, **more)))
        for one in self.told:
            self.assertEqual(missing(one), ())
            again = decode(encode(one, 1)[4:]).message
            self.assertEqual(type(again), type(one))
        return [type(one).__name__.removeprefix("EventCall") for one in self.told]

    def talk(self) -> None:
        """
        Alice calls Bob, who answers.
        """
        self.happens(Offered, ALICE, "Initiated")
        self.happens(Alerting, BOB, "Alerting")
        self.happens(Answered, BOB, "Connected")
        self.happens(Answered, ALICE, "Connected")

    def test_life(self) -> None:
        """
        Created, added, added, states, deleted, deleted, deleted.
        """
        self.assertEqual(
            self.happens(Offered, ALICE, "Initiated"), ["Created", "PartyAdded"]
        )
        created, added = self.told
        self.assertEqual(
            (created.callUUID, created.connID, created.nodeID), (UUID, CONN, "node1")
        )
        self.assertEqual(added.partyUUID, partyUUID(UUID, "1001"))
        self.assertEqual(added.partyRole, DNRole.ORIGINATION)
        self.assertEqual(added.partyState, 0x1000C)
        self.assertEqual(self.happens(Alerting, BOB, "Alerting"), ["PartyAdded"])
        self.assertEqual(self.happens(Answered, BOB, "Connected"), ["PartyState"])
        self.assertEqual(self.happens(Updated, BOB, "Connected"), [])
        self.assertEqual(self.happens(Answered, ALICE, "Connected"), ["PartyState"])
        self.assertEqual(
            self.happens(Released, ALICE, cause=Cause.OK), ["PartyDeleted"]
        )
        self.assertEqual(
            self.happens(Released, BOB, cause=Cause.LOST), ["PartyDeleted", "Deleted"]
        )
        deleted, over = self.told
        self.assertEqual((deleted.partyState, deleted.cause), (0, CallState.DROPPED))
        self.assertEqual(over.cause, CallState.DROPPED)
        self.assertEqual(self.notices.calls, {})

    def test_unknown(self) -> None:
        """
        The end of a party, or of a call, that was not told of, is none; nor is
        anything else of a party that is not there.
        """
        self.assertEqual(self.happens(Released, ALICE, cause=Cause.OK), [])
        self.assertEqual(self.happens(Answered, ALICE), [])
        self.assertEqual(self.notices.calls, {})
        self.happens(Offered, ALICE, "Initiated")
        self.assertEqual(self.happens(Released, BOB, cause=Cause.BUSY), [])
        self.assertEqual(
            self.happens(Released, ALICE, cause=Cause.OK), ["PartyDeleted", "Deleted"]
        )

    def test_typeLater(self) -> None:
        """
        What kind of call it is may be known later.
        """
        unknown = evolve(ALICE, callType=CallType.UNKNOWN)
        self.happens(Offered, unknown, "Initiated")
        self.assertEqual(
            self.happens(Alerting, BOB, "Alerting"), ["DataChanged", "PartyAdded"]
        )
        self.assertEqual(self.told[0].callType, enums.CallType.INTERNAL)
        self.assertIsNone(self.told[0].userData)

    def test_data(self) -> None:
        """
        What is attached is told once, and also when it is gone.
        """
        self.talk()
        for data, wanted in (((("a", 1),), (("a", 1),)), ((), ())):
            one, two = (evolve(view, userData=data) for view in (ALICE, BOB))
            self.assertEqual(
                self.happens(UserDataChanged, one, "Connected"), ["DataChanged"]
            )
            self.assertEqual(self.told[0].userData, wanted)
            self.assertEqual(self.happens(UserDataChanged, two, "Connected"), [])

    def test_moved(self) -> None:
        """
        A party that comes from another call leaves that one, which ends with the
        last.
        """
        self.talk()
        carol = evolve(
            BOB,
            connID=OTHER,
            callUUID=OTHER_UUID,
            thisDN="1003",
            callType=CallType.CONSULT,
            previousConnID=CONN,
        )
        self.assertEqual(
            self.happens(Alerting, carol, "Alerting"), ["Created", "PartyAdded"]
        )
        self.assertEqual(
            (self.told[0].origConnID, self.told[0].origCallUUID), (CONN, UUID)
        )
        comes = evolve(BOB, thisDN="1003", previousConnID=OTHER)
        third = ThirdParty("1002", Role.TRANSFERRED_BY)
        event = PartyChanged(comes, NOW, third=third, why=Cause.TRANSFERRED)
        self.assertEqual(self.notices.about(event), (CONN, OTHER))
        self.control.parties = [
            one for one in self.control.parties if one.view.connID != OTHER
        ]
        self.assertEqual(
            self.happens(
                PartyChanged, comes, "Alerting", third=third, why=Cause.TRANSFERRED
            ),
            ["PartyMoved", "Deleted"],
        )
        moved, over = self.told
        self.assertEqual(
            (moved.callUUID, moved.origCallUUID, moved.origConnID),
            (UUID, OTHER_UUID, OTHER),
        )
        self.assertEqual(moved.partyUUID, partyUUID(UUID, "1003"))
        self.assertEqual(moved.refParty, partyUUID(OTHER_UUID, "1003"))
        self.assertEqual(moved.ctrlParty, partyUUID(UUID, "1002"))
        self.assertEqual(moved.cause, CallState.TRANSFERRED)
        self.assertEqual((over.callUUID, over.refConnID), (OTHER_UUID, CONN))
        # It is in that call now, whatever its view still says.
        self.assertEqual(self.happens(PartyChanged, comes, "Alerting"), [])

    def test_movedFromNowhere(self) -> None:
        """
        A party that comes from a call that was not told of is new.
        """
        self.talk()
        comes = evolve(BOB, thisDN="1003", previousConnID=OTHER)
        self.assertEqual(self.happens(PartyChanged, comes, "Connected"), ["PartyAdded"])
        self.assertEqual(
            self.notices.about(PartyChanged(comes, NOW)),
            (CONN,),
        )

    def test_bits(self) -> None:
        """
        Muted is a state.
        """
        self.talk()
        self.assertEqual(
            self.happens(Muted, ALICE, "Connected", muted=True), ["PartyState"]
        )
        self.assertEqual(self.told[0].partyState, 0x2C)

    def test_routingPoint(self) -> None:
        """
        A routing point is a party until the call is diverted.
        """
        self.happens(Offered, ALICE, "Initiated")
        point = evolve(BOB, thisDN="5000", thisQueue="5000")
        self.assertEqual(self.happens(Queued, point, "Queued"), ["PartyAdded"])
        self.assertEqual(self.told[0].partyState, 9)
        self.happens(Alerting, BOB, "Alerting")
        third = ThirdParty("1002", Role.DESTINATION)
        self.assertEqual(self.happens(Diverted, point, third=third), ["PartyDeleted"])
        self.assertEqual(self.told[0].ctrlParty, partyUUID(UUID, "1002"))

    def test_begin(self) -> None:
        """
        What there is, is told as if it had just begun; a call that is not there is
        not.
        """
        self.control.parties = [
            PartyStatus(ALICE, "Hold"),
            PartyStatus(BOB, "Connected"),
            PartyStatus(evolve(ALICE, connID=OTHER, callUUID=OTHER_UUID), "Alerting"),
        ]
        self.notices.begin()
        self.assertEqual(list(self.notices.calls), [CONN, OTHER])
        told = list(self.notices.snapshot(CONN, NOW))
        self.assertEqual(
            [getattr(one, "partyState", None) for one in told], [None, 0xE, 0xC]
        )
        self.assertEqual(list(self.notices.snapshot("0" * 16, NOW)), [])
        self.assertEqual(self.happens(Released, BOB, cause=Cause.OK), ["PartyDeleted"])
