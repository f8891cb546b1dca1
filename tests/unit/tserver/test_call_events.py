"""
Tests for sipcluster.tserver.call_events: call-control events as T-Events.
"""

from __future__ import annotations

from typing import Any

from attrs import asdict, evolve
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.sessioncontroller import events, party_events, queue_events
from sipcluster.sessioncontroller.events import (
    Acknowledged,
    Alerting,
    Answered,
    CallEvent,
    CallType,
    Cause,
    DTMFSent,
    Failed,
    Held,
    Offered,
    Progressed,
    Released,
    Retrieved,
    Role,
    Updated,
    UserDataChanged,
)
from sipcluster.sessioncontroller.isessioncontroller import IEventSink
from sipcluster.tlib import enums
from sipcluster.tlib.codec import missing
from sipcluster.tlib.enums import CallState, DNRole
from sipcluster.tlib.messages import Message
from sipcluster.tserver.call_events import Abandoned, CallEvents
from sipcluster.tserver.party_attributes import CALL_STATES, CALL_TYPES, ROLES
from sipcluster.wire.correlation import Requester
from tests.unit.tserver.call_fakes import ALICE, BOB, CONN, UUID, RecordingPublisher

NOW = 1_700_000_000.25
WHO = Requester("client", 17)


def present(event: Message) -> dict[str, Any]:
    """
    The attributes that an event has.
    """
    return {
        name: value
        for name, value in asdict(event, recurse=False).items()
        if value is not None and name != "unknown"
    }


class TranslationTestCase(SynchronousTestCase):
    """
    One T-Library port.
    """

    def setUp(self) -> None:
        self.port = RecordingPublisher()
        self.events = CallEvents([self.port])

    def translate(self, event: CallEvent) -> Message | None:
        """
        What clients get of an event, if anything.
        """
        self.port.published.clear()
        self.events.eventHappened(event)
        if not self.port.published:
            return None
        ((dn, message, requester),) = self.port.published
        self.assertEqual(dn, event.party.thisDN)
        self.assertEqual(requester, event.requester)
        self.assertEqual(missing(message), ())
        return message

    def name(self, event: CallEvent) -> str:
        """
        Its name.
        """
        return type(self.translate(event)).__name__


class AttributeTests(TranslationTestCase):
    """
    What the events say.
    """

    def test_sink(self) -> None:
        """
        It is an event sink.
        """
        verifyObject(IEventSink, self.events)

    def test_dialing(self) -> None:
        """
        EventDialing names caller and called, and has no AttributeANI.
        """
        message = self.translate(Offered(ALICE, NOW))
        assert message is not None
        self.assertEqual(
            present(message),
            {
                "time": (1_700_000_000, 250_000),
                "connID": CONN,
                "callID": 7,
                "callUUID": UUID,
                "callType": enums.CallType.INTERNAL,
                "callState": CallState.OK,
                "thisDN": "1001",
                "thisDNRole": DNRole.ORIGINATION,
                "otherDN": "1002",
                "otherDNRole": DNRole.DESTINATION,
                "dnis": "1002",
            },
        )

    def test_ringing(self) -> None:
        """
        EventRinging has AttributeANI and AttributeDNIS, and what is attached.
        """
        data = (("a", "b"), ("a", 1), ("list", (("x", b"y"),)))
        message = self.translate(Alerting(evolve(BOB, userData=data), NOW))
        assert message is not None
        self.assertEqual(
            present(message),
            {
                "time": (1_700_000_000, 250_000),
                "connID": CONN,
                "callID": 7,
                "callUUID": UUID,
                "callType": enums.CallType.INTERNAL,
                "callState": CallState.OK,
                "thisDN": "1002",
                "thisDNRole": DNRole.DESTINATION,
                "otherDN": "1001",
                "otherDNRole": DNRole.ORIGINATION,
                "ani": "1001",
                "dnis": "1002",
                "userData": data,
            },
        )

    def test_otherPartyUnknown(self) -> None:
        """
        Without another party there is no AttributeOtherDN, nor its role.
        """
        message = self.translate(
            Released(evolve(BOB, otherDN="", ani=""), NOW, Cause.OK)
        )
        assert message is not None
        self.assertNotIn("otherDN", present(message))
        self.assertNotIn("otherDNRole", present(message))
        self.assertNotIn("ani", present(message))

    def test_names(self) -> None:
        """
        Each call-control event has its T-Event.
        """
        for event, name in (
            (Offered(ALICE, NOW), "EventDialing"),
            (Alerting(BOB, NOW), "EventRinging"),
            (Answered(BOB, NOW), "EventEstablished"),
            (Held(BOB, NOW), "EventHeld"),
            (Retrieved(BOB, NOW), "EventRetrieved"),
            (Failed(ALICE, NOW, Cause.BUSY, 486), "EventDestinationBusy"),
            (Released(ALICE, NOW, Cause.OK, True), "EventReleased"),
            (UserDataChanged(ALICE, NOW), "EventAttachedDataChanged"),
            (DTMFSent(ALICE, NOW), "EventDTMFSent"),
        ):
            self.assertEqual(self.name(event), name)

    def test_quietEvents(self) -> None:
        """
        Provisional responses and refreshes of a session are no T-Events.
        """
        for event in (
            Progressed(BOB, NOW, 180),
            Updated(BOB, NOW),
            Acknowledged(BOB, NOW),
        ):
            self.assertIsNone(self.translate(event))

    def test_outside(self) -> None:
        """
        A party outside the switch has no events.
        """
        outside = evolve(BOB, internal=False, thisDN="5550100")
        self.assertIsNone(self.translate(Alerting(outside, NOW)))

    def test_userData(self) -> None:
        """
        EventAttachedDataChanged carries all that is attached, also when that is
        nothing, and who changed it.
        """
        message = self.translate(UserDataChanged(ALICE, NOW, by="1002"))
        assert message is not None
        self.assertEqual(present(message)["userData"], ())
        self.assertEqual(present(message)["thirdPartyDN"], "1002")
        message = self.translate(
            UserDataChanged(evolve(ALICE, userData=(("a", 1),)), NOW, (("a", 1),))
        )
        assert message is not None
        self.assertEqual(present(message)["userData"], (("a", 1),))
        self.assertNotIn("thirdPartyDN", present(message))

    def test_digits(self) -> None:
        """
        EventDTMFSent says which digits.
        """
        message = self.translate(DTMFSent(ALICE, NOW, "12#"))
        assert message is not None
        self.assertEqual(present(message)["dtmfDigits"], "12#")

    def test_everyValueIsKnown(self) -> None:
        """
        Every cause, call type and role has its word in T-Library.
        """
        self.assertEqual(set(CALL_STATES), set(Cause))
        self.assertEqual(set(CALL_TYPES), set(CallType))
        self.assertEqual(set(ROLES), set(Role))

    def test_everyPublishedEventIsKnown(self) -> None:
        """
        Whatever event sinks get is a T-Event, or known to be none.
        """
        kinds = {
            kind
            for module in (events, party_events, queue_events)
            for kind in vars(module).values()
            if isinstance(kind, type)
            and issubclass(kind, CallEvent)
            and kind is not CallEvent
            and kind.published
        }
        from sipcluster.tserver.call_events import _MAKERS

        self.assertEqual(kinds - set(_MAKERS), {Progressed, Updated})


class EndTests(TranslationTestCase):
    """
    How a party comes out of a call.
    """

    def state(self, event: CallEvent) -> tuple[str, int]:
        """
        Name and AttributeCallState.
        """
        message = self.translate(event)
        assert message is not None
        return type(message).__name__, present(message)["callState"]

    def test_callerGivesUp(self) -> None:
        """
        The ringing DN gets EventAbandoned, the caller EventReleased, both Ok.
        """
        self.assertEqual(
            self.state(Released(BOB, NOW, Cause.ABANDONED)),
            ("EventAbandoned", CallState.OK),
        )
        for cause in (Cause.OK, Cause.ABANDONED):
            self.assertEqual(
                self.state(Released(ALICE, NOW, cause)),
                ("EventReleased", CallState.OK),
            )

    def test_externalOnly(self) -> None:
        """
        Where EventAbandoned is for callers from outside, others make it
        EventReleased.
        """
        self.events = CallEvents([self.port], Abandoned.EXTERNAL)
        self.assertEqual(
            self.state(Released(BOB, NOW, Cause.ABANDONED)),
            ("EventReleased", CallState.ABANDONED),
        )
        inbound = evolve(BOB, callType=CallType.INBOUND)
        self.assertEqual(
            self.state(Released(inbound, NOW, Cause.ABANDONED)),
            ("EventAbandoned", CallState.OK),
        )

    def test_connectedIsNotAbandoned(self) -> None:
        """
        Who was connected is released.
        """
        self.assertEqual(
            self.state(Released(BOB, NOW, Cause.ABANDONED, True)),
            ("EventReleased", CallState.OK),
        )

    def test_declinedByRequest(self) -> None:
        """
        Who is released as it asked comes out in order.
        """
        self.assertEqual(
            self.state(Released(BOB, NOW, Cause.REJECTED, requester=WHO)),
            ("EventReleased", CallState.OK),
        )

    def test_causes(self) -> None:
        """
        A cause is AttributeCallState, of failed and of released parties.
        """
        for cause, state in (
            (Cause.BUSY, CallState.BUSY),
            (Cause.REJECTED, CallState.BUSY),
            (Cause.NO_ANSWER, CallState.NO_ANSWER),
            (Cause.INVALID_NUMBER, CallState.SIT_INVALIDNUM),
            (Cause.REDIRECTED, CallState.REDIRECTED),
            (Cause.FORWARDED, CallState.FORWARDED),
            (Cause.LOST, CallState.DROPPED),
            (Cause.SHUTDOWN, CallState.SYSTEM_ERROR),
        ):
            self.assertEqual(
                self.state(Failed(ALICE, NOW, cause, 480)),
                ("EventDestinationBusy", state),
            )
            self.assertEqual(
                self.state(Released(BOB, NOW, cause)), ("EventReleased", state)
            )


class PublishingTests(SynchronousTestCase):
    """
    Who gets the events.
    """

    def test_oneForAllPorts(self) -> None:
        """
        All ports get the same event, which is encoded once.
        """
        ports = [RecordingPublisher(), RecordingPublisher()]
        CallEvents(ports).eventHappened(Alerting(BOB, NOW))
        first, second = (port.wrapped for port in ports)
        self.assertEqual(len(first), 1)
        self.assertIs(first[0], second[0])

    def test_nobodyWatches(self) -> None:
        """
        Nothing is made for a DN that nobody has registered.
        """
        port = RecordingPublisher()
        port.dns = set()
        translator = CallEvents([port])
        translator.eventHappened(Alerting(BOB, NOW))
        self.assertEqual(port.published, [])
        port.dns.add("1002")
        translator.eventHappened(Alerting(BOB, NOW))
        translator.eventHappened(Offered(ALICE, NOW))
        self.assertEqual([dn for dn, _, _ in port.published], ["1002"])

    def test_answerWithoutRegistration(self) -> None:
        """
        An event that answers a request goes to the ports also when nobody has
        registered the DN (any more).
        """
        port = RecordingPublisher()
        port.dns = set()
        CallEvents([port]).eventHappened(
            Released(ALICE, NOW, Cause.OK, True, requester=WHO)
        )
        ((dn, _, requester),) = port.published
        self.assertEqual((dn, requester), ("1001", WHO))
