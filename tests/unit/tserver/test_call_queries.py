"""
Tests for sipcluster.tserver.call_queries and sipcluster.tserver.call_snapshot.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.sessioncontroller.events import CallType, Role
from sipcluster.sessioncontroller.isessioncontroller import PartyStatus
from sipcluster.tlib import enums
from sipcluster.tlib.codec import missing
from sipcluster.tlib.enums import (
    AddressInfoType,
    AddressType,
    CallInfoType,
    DNRole,
    PartyState,
)
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventAddressInfo,
    EventPartyInfo,
    Message,
    RequestQueryAddress,
    RequestQueryCall,
)
from sipcluster.tserver.call_queries import CallQueries
from sipcluster.tserver.call_snapshot import CallSnapshot
from sipcluster.tserver.itserver import ClientView, IRequests, ISnapshot
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList
from tests.unit.tserver.call_fakes import (
    ALICE,
    BOB,
    CONN,
    UUID,
    FakeAddresses,
    FakeControl,
    RecordingPublisher,
)

WHO = Requester("client", 17)
CLIENT = ClientView("client", "desktop")
OTHER = "00000000000000aa"


class SnapshotTests(SynchronousTestCase):
    """
    What a client that registers a DN is told of its calls.
    """

    def test_idle(self) -> None:
        """
        Nothing, when there are none.
        """
        snapshot = CallSnapshot(FakeControl())
        verifyObject(ISnapshot, snapshot)
        self.assertEqual(snapshot.snapshot("1001"), ())

    def test_calls(self) -> None:
        """
        Each call has its ConnID, its type and the state of the DN in it.
        """
        second = evolve(
            ALICE,
            connID=OTHER,
            thisRole=Role.DESTINATION,
            callType=CallType.INBOUND,
        )
        control = FakeControl(
            [
                PartyStatus(ALICE, "Hold"),
                PartyStatus(BOB, "Connected"),
                PartyStatus(second, "Alerting"),
            ]
        )
        self.assertEqual(
            CallSnapshot(control).snapshot("1001"),
            (
                ("conn-1", CONN),
                ("ct-1", enums.CallType.INTERNAL),
                ("ps-1", PartyState.HELD),
                ("conn-2", OTHER),
                ("ct-2", enums.CallType.INBOUND),
                ("ps-2", PartyState.ALERTING),
            ),
        )

    def test_states(self) -> None:
        """
        Each state of a party is one of the field's; plain numbers, as they go
        into a list.
        """
        for state, flags in (
            ("Null", 0),
            ("Initiated", 0x1000C),
            ("Alerting", 0xA),
            ("Connected", 0xC),
            ("Hold", 0xE),
            ("Failed", 0xF),
            ("Queued", 9),
        ):
            self.assertState(PartyStatus(ALICE, state), flags)

    def test_bits(self) -> None:
        """
        Who is not heard, who does not hear, and who supervises is so besides.
        """
        observer = evolve(ALICE, thisRole=Role.OBSERVER)
        for party, flags in (
            (PartyStatus(ALICE, "Connected", muted=True), 0x2C),
            (PartyStatus(ALICE, "Hold", deaf=True), 0x1E),
            (PartyStatus(observer, "Connected"), 0x8C),
            (PartyStatus(observer, "Connected", muted=True), 0xAC),
        ):
            self.assertState(party, flags)

    def assertState(self, party: PartyStatus, flags: int) -> None:
        """
        A party is told as this number.
        """
        control = FakeControl([party])
        found = dict(CallSnapshot(control).snapshot("1001"))["ps-1"]
        self.assertEqual(found, flags)
        self.assertIs(type(found), int)


class _Status:
    """
    Another snapshot.
    """

    def snapshot(self, dn: str) -> KVList:
        return (("status", 1),)


class QueryTestCase(SynchronousTestCase):
    """
    Alice has called Bob, who rings.
    """

    def setUp(self) -> None:
        self.control = FakeControl(
            [PartyStatus(ALICE, "Initiated"), PartyStatus(BOB, "Alerting")]
        )
        self.port = RecordingPublisher()
        self.queries = self.make()

    def make(self, **more: Any) -> CallQueries:
        """
        The queries of a port.
        """
        return CallQueries(
            self.control, self.port, FakeAddresses(), lambda: 5.5, **more
        )

    def ask(self, request: Message) -> Any:
        """
        The answer; the code of a refusal.
        """
        self.port.answers.clear()
        self.port.refusals.clear()
        self.queries.requested(request, WHO, CLIENT)
        if self.port.refusals:
            ((who, code, _),) = self.port.refusals
            self.assertEqual(self.port.answers, [])
            self.assertEqual(who, WHO)
            return code
        ((who, answer),) = self.port.answers
        self.assertEqual(who, WHO)
        self.assertEqual(missing(answer), ())
        return answer


class QueryCallTests(QueryTestCase):
    """
    RequestQueryCall.
    """

    def test_seam(self) -> None:
        """
        Two requests are answered.
        """
        verifyObject(IRequests, self.queries)
        self.assertEqual(set(self.queries.numbers), {2, 108})

    def test_parties(self) -> None:
        """
        The parties of a call, the caller first, and the call as its events
        describe it.
        """
        for kind in (None, CallInfoType.PARTIES_QUERY):
            answer = self.ask(
                RequestQueryCall(thisDN="1002", connID=CONN, callInfoType=kind)
            )
            self.assertEqual(
                answer,
                EventPartyInfo(
                    connID=CONN,
                    callID=7,
                    callUUID=UUID,
                    callType=enums.CallType.INTERNAL,
                    thisDN="1002",
                    thisDNRole=DNRole.DESTINATION,
                    otherDN="1001",
                    otherDNRole=DNRole.ORIGINATION,
                    ani="1001",
                    dnis="1002",
                    time=(5, 500_000),
                    callInfoType=CallInfoType.PARTIES_QUERY,
                    extensions=(
                        ("parties", 2),
                        ("dn-1", "1001"),
                        ("role-1", DNRole.ORIGINATION),
                        ("ps-1", 0x1000C),
                        ("dn-2", "1002"),
                        ("role-2", DNRole.DESTINATION),
                        ("ps-2", 0xA),
                    ),
                ),
            )

    def test_status(self) -> None:
        """
        The state of one's own party.
        """
        answer = self.ask(
            RequestQueryCall(
                thisDN="1002", connID=CONN, callInfoType=CallInfoType.STATUS_QUERY
            )
        )
        self.assertEqual(answer.extensions, (("ps-1", 0xA),))
        self.assertEqual(answer.callInfoType, CallInfoType.STATUS_QUERY)

    def test_noSuchCall(self) -> None:
        """
        A call that there is not, or that the DN is no party of, has an invalid
        ConnID.
        """
        for dn, connID in (("1001", OTHER), ("1003", CONN)):
            self.assertEqual(
                self.ask(RequestQueryCall(thisDN=dn, connID=connID)),
                TErrorCode.INVALID_CONNID,
            )

    def test_unknownKind(self) -> None:
        """
        A kind of query that there is not is an invalid attribute.
        """
        self.assertEqual(
            self.ask(RequestQueryCall(thisDN="1001", connID=CONN, callInfoType=9)),
            TErrorCode.INVALID_ATTRIBUTE,
        )


class QueryAddressTests(QueryTestCase):
    """
    RequestQueryAddress.
    """

    def about(self, dn: str, kind: int) -> Any:
        """
        AttributeInfoStatus and AttributeExtensions; the code of a refusal.
        """
        answer = self.ask(RequestQueryAddress(thisDN=dn, addressInfoType=kind))
        if isinstance(answer, TErrorCode):
            return answer
        assert isinstance(answer, EventAddressInfo)
        self.assertEqual((answer.thisDN, answer.infoType), (dn, kind))
        return answer.infoStatus, answer.extensions

    def test_status(self) -> None:
        """
        In a call, or idle.
        """
        kind = AddressInfoType.ADDRESS_STATUS
        self.assertEqual(self.about("1001", kind), (1, None))
        self.assertEqual(self.about("1003", kind), (0, None))

    def test_type(self) -> None:
        """
        What the DN is.
        """
        kind = AddressInfoType.ADDRESS_TYPE
        self.assertEqual(self.about("1001", kind), (AddressType.DN, None))
        self.assertEqual(self.about("5000", kind), (AddressType.ROUTE_DN, None))

    def test_calls(self) -> None:
        """
        How many calls, and which.
        """
        kind = AddressInfoType.CALLS_QUERY
        calls = (("conn-1", CONN), ("ct-1", 1), ("ps-1", 0x1000C))
        self.assertEqual(self.about("1001", kind), (1, calls))
        self.assertEqual(self.about("1003", kind), (0, None))

    def test_queued(self) -> None:
        """
        How many calls wait at a routing point.
        """
        waits = PartyStatus(evolve(BOB, thisDN="5000"), "Queued")
        self.control.parties = [waits, evolve(waits, state="Alerting"), waits]
        kind = AddressInfoType.NUMBER_OF_CALLS_IN_QUEUE
        self.assertEqual(self.about("5000", kind), (2, None))

    def test_wholeStatus(self) -> None:
        """
        Everything that a registration tells.
        """
        self.queries = self.make(snapshots=[CallSnapshot(self.control), _Status()])
        calls = (("conn-1", CONN), ("ct-1", 1), ("ps-1", 0x1000C), ("status", 1))
        kind = AddressInfoType.DN_STATUS
        self.assertEqual(self.about("1001", kind), (1, calls))
        self.assertEqual(self.about("1003", kind), (0, (("status", 1),)))

    def test_knownByOthers(self) -> None:
        """
        What others know of DNs is answered, too, and goes before what is known
        here.
        """
        self.queries = self.make(
            infos={
                AddressInfoType.AGENT_STATUS: lambda dn: 2,
                AddressInfoType.ADDRESS_STATUS: lambda dn: 7,
                AddressInfoType.CALL_FORWARDING_STATUS: lambda dn: (("fwd", "1"),),
            }
        )
        self.assertEqual(self.about("1001", AddressInfoType.AGENT_STATUS), (2, None))
        self.assertEqual(
            self.about("1001", AddressInfoType.CALL_FORWARDING_STATUS),
            (7, (("fwd", "1"),)),
        )
        self.assertEqual(self.about("1001", AddressInfoType.DN_STATUS), (7, None))

    def test_notKnown(self) -> None:
        """
        What nobody knows is not supported; a DN that there is not, not
        configured.
        """
        for kind in (AddressInfoType.AGENT_STATUS, 999):
            self.assertEqual(self.about("1001", kind), TErrorCode.UNSUPPORTED_OPERATION)
        self.assertEqual(
            self.about("1999", AddressInfoType.ADDRESS_STATUS),
            TErrorCode.DN_NOT_CONFIGURED,
        )

    def test_broken(self) -> None:
        """
        A fault of who knows is answered, and logged.
        """

        def broken(dn: str) -> int:
            raise ValueError("broken")

        self.queries = self.make(infos={AddressInfoType.AGENT_STATUS: broken})
        self.assertEqual(
            self.about("1001", AddressInfoType.AGENT_STATUS),
            TErrorCode.INTERNAL_ERROR,
        )
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
