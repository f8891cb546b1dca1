"""
Tests for sipcluster.tserver.call_events: consultations, transfers, conferences,
routing points and treatments.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from sipcluster.sessioncontroller.events import (
    Alerting,
    Answered,
    CallEvent,
    CallType,
    Cause,
    Held,
    Offered,
    Released,
    Role,
    ThirdParty,
    UserDataChanged,
)
from sipcluster.sessioncontroller.irouting import RouteType, TreatmentType
from sipcluster.sessioncontroller.party_events import (
    ListenDisconnected,
    ListenReconnected,
    Muted,
    NetworkReached,
    PartyAdded,
    PartyChanged,
    PartyDeleted,
    Unmuted,
)
from sipcluster.sessioncontroller.queue_events import (
    Diverted,
    Queued,
    RouteRequested,
    RouteUsed,
    TreatmentApplied,
    TreatmentEnded,
    TreatmentNotApplied,
)
from sipcluster.tlib import enums
from sipcluster.tlib.enums import CallState, DNRole
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tserver.call_events import Abandoned, CallEvents
from tests.unit.tserver.call_fakes import ALICE, BOB, CONN, UUID, RecordingPublisher
from tests.unit.tserver.test_call_events import (
    NOW,
    WHO,
    TranslationTestCase,
    present,
)

OTHER = "006c02462a161007"

#: Bob, who asks Carol about Alice's call.
ASKING = evolve(
    BOB,
    connID=OTHER,
    callType=CallType.CONSULT,
    thisRole=Role.ORIGINATION,
    otherDN="1003",
    otherRole=Role.DESTINATION,
    ani="1002",
    dnis="1003",
    previousConnID=CONN,
)

#: Alice's call at a routing point.
QUEUED = evolve(BOB, thisDN="5000", thisQueue="5000", dnis="5000")

BY_BOB = ThirdParty("1002", Role.TRANSFERRED_BY)


class FeatureTestCase(TranslationTestCase):
    """
    What the events say.
    """

    def says(self, event: CallEvent) -> dict[str, Any]:
        """
        The name of an event, and its attributes.
        """
        message = self.translate(event)
        assert message is not None
        return {"name": type(message).__name__, **present(message)}

    def assertSays(self, event: CallEvent, name: str, **wanted: Any) -> None:
        """
        An event has this name and, among others, these attributes; L{None}: not
        that one.
        """
        found = self.says(event)
        self.assertEqual(found["name"], name)
        self.assertEqual({one: found.get(one) for one in wanted}, wanted)


class TransferTests(FeatureTestCase):
    """
    Consultation and transfer: call models 3.3 and 3.4.
    """

    def test_consultation(self) -> None:
        """
        EventDialing names the call about which somebody is asked, and what it is to
        become.
        """
        self.assertSays(
            Offered(ASKING, NOW, requester=WHO),
            "EventDialing",
            connID=OTHER,
            callType=enums.CallType.CONSULT,
            previousConnID=CONN,
            transferConnID=CONN,
            conferenceConnID=None,
            ani=None,
        )
        self.assertSays(
            Offered(evolve(ASKING, conference=True), NOW),
            "EventDialing",
            previousConnID=CONN,
            transferConnID=None,
            conferenceConnID=CONN,
        )

    def test_everyEventOfAConsultation(self) -> None:
        """
        They name the other call; none of them says again what is to become of it.
        """
        for event in (
            Alerting(ASKING, NOW),
            Answered(ASKING, NOW),
            Held(ASKING, NOW),
            Released(ASKING, NOW, Cause.ABANDONED),
            UserDataChanged(ASKING, NOW),
        ):
            found = self.says(event)
            self.assertEqual(found["previousConnID"], CONN)
            self.assertNotIn("transferConnID", found)

    def test_partyChanged(self) -> None:
        """
        The one who stays is told whom it talks to and who did it; the one who comes
        from another call is told from which.
        """
        stays = evolve(ALICE, otherDN="1003")
        changed = PartyChanged(stays, NOW, third=BY_BOB, why=Cause.TRANSFERRED)
        self.assertEqual(
            self.says(changed),
            {
                "name": "EventPartyChanged",
                "time": (1_700_000_000, 250_000),
                "connID": CONN,
                "callID": 7,
                "callUUID": UUID,
                "callType": enums.CallType.INTERNAL,
                "callState": CallState.TRANSFERRED,
                "thisDN": "1001",
                "thisDNRole": DNRole.ORIGINATION,
                "otherDN": "1003",
                "otherDNRole": DNRole.DESTINATION,
                "thirdPartyDN": "1002",
                "thirdPartyDNRole": DNRole.TRANSFERRED_BY,
                "ani": "1001",
                "dnis": "1002",
            },
        )
        comes = evolve(BOB, thisDN="1003", previousConnID=OTHER)
        changed = PartyChanged(comes, NOW, third=BY_BOB, why=Cause.TRANSFERRED)
        self.assertSays(changed, "EventPartyChanged", connID=CONN, previousConnID=OTHER)
        self.assertSays(Held(comes, NOW), "EventHeld", previousConnID=None)

    def test_left(self) -> None:
        """
        Who has left a call to others is released, as it was asked.
        """
        left = Released(
            evolve(BOB),
            NOW,
            Cause.TRANSFERRED,
            True,
            requester=WHO,
            third=ThirdParty("1003"),
        )
        self.assertSays(
            left,
            "EventReleased",
            callState=CallState.TRANSFERRED,
            thirdPartyDN="1003",
            thirdPartyDNRole=None,
        )

    def test_singleStep(self) -> None:
        """
        Whom the call is given is told by whom, and why it rings.
        """
        self.assertSays(
            Alerting(BOB, NOW, third=BY_BOB, why=Cause.TRANSFERRED),
            "EventRinging",
            callState=CallState.TRANSFERRED,
            thirdPartyDN="1002",
            thirdPartyDNRole=DNRole.TRANSFERRED_BY,
        )


class ConferenceTests(FeatureTestCase):
    """
    Conference, mute and supervision: call models 3.5 and 3.8.
    """

    def test_added(self) -> None:
        """
        EventPartyAdded names the new party, who added it, and all that there are.
        """
        view = evolve(ALICE, otherDN="1003", otherRole=Role.NEW_PARTY)
        parties = (("NumOfOrigDNs", 2), ("OrigDN-1", "1001"), ("OrigDN-2", "1002"))
        self.assertSays(
            PartyAdded(
                view,
                NOW,
                third=ThirdParty("1002", Role.ADDED_BY),
                why=Cause.CONFERENCED,
                extensions=parties,
            ),
            "EventPartyAdded",
            callState=CallState.CONFERENCED,
            otherDN="1003",
            otherDNRole=DNRole.NEW_PARTY,
            thirdPartyDN="1002",
            thirdPartyDNRole=DNRole.ADDED_BY,
            extensions=parties,
        )

    def test_deleted(self) -> None:
        """
        EventPartyDeleted names the party that has left.
        """
        view = evolve(ALICE, otherDN="1003", otherRole=Role.DELETED_PARTY)
        self.assertSays(
            PartyDeleted(view, NOW),
            "EventPartyDeleted",
            callState=CallState.OK,
            otherDNRole=DNRole.DELETED_PARTY,
            thirdPartyDN=None,
        )

    def test_listening(self) -> None:
        """
        Who hears nothing any more is the other DN, and has no state.
        """
        view = evolve(ALICE, otherDN="1003", otherRole=Role.CONFERENCE_MEMBER)
        for event, name in (
            (ListenDisconnected(view, NOW, requester=WHO), "EventListenDisconnected"),
            (ListenReconnected(view, NOW), "EventListenReconnected"),
        ):
            self.assertSays(event, name, otherDN="1003", callState=None, connID=CONN)

    def test_mute(self) -> None:
        """
        EventMuteOn and EventMuteOff are of the DN, and name the call.
        """
        for event, name in (
            (Muted(ALICE, NOW, requester=WHO), "EventMuteOn"),
            (Unmuted(ALICE, NOW), "EventMuteOff"),
        ):
            self.assertEqual(
                self.says(event),
                {
                    "name": name,
                    "time": (1_700_000_000, 250_000),
                    "thisDN": "1001",
                    "connID": CONN,
                    "callID": 7,
                    "callUUID": UUID,
                    "callType": enums.CallType.INTERNAL,
                },
            )

    def test_mode(self) -> None:
        """
        Of a supervisor, that says how it listens.
        """
        mode = (("MonitorMode", "coach"),)
        self.assertSays(
            Unmuted(ALICE, NOW, extensions=mode), "EventMuteOff", extensions=mode
        )

    def test_observer(self) -> None:
        """
        A supervisor rings, and is connected, as bridged.
        """
        view = evolve(BOB, thisDN="1003", thisRole=Role.OBSERVER)
        for event, name in (
            (Alerting(view, NOW, why=Cause.BRIDGED), "EventRinging"),
            (Answered(view, NOW, why=Cause.BRIDGED), "EventEstablished"),
        ):
            self.assertSays(
                event, name, callState=CallState.BRIDGED, thisDNRole=DNRole.OBSERVER
            )


class RoutingTests(FeatureTestCase):
    """
    Routing points, treatments, predictive calls: call models 3.6 and 3.7.
    """

    def test_queued(self) -> None:
        """
        A call at a routing point names it as its queue, even where the view does
        not.
        """
        for view in (QUEUED, evolve(QUEUED, thisQueue="")):
            self.assertSays(
                Queued(view, NOW),
                "EventQueued",
                thisDN="5000",
                thisQueue="5000",
                callState=CallState.OK,
                ani="1001",
            )

    def test_routeRequest(self) -> None:
        """
        EventRouteRequest says all that is known, and the last digit.
        """
        view = evolve(QUEUED, userData=(("a", "b"),))
        self.assertSays(
            RouteRequested(view, NOW),
            "EventRouteRequest",
            thisQueue="5000",
            userData=(("a", "b"),),
            ani="1001",
            dnis="5000",
            lastCollectedDigit=None,
        )
        self.assertSays(
            RouteRequested(view, NOW, lastDigit="4"),
            "EventRouteRequest",
            lastCollectedDigit="4",
        )

    def test_routeRequestOfAConsultation(self) -> None:
        """
        It must name the call about which it is.
        """
        view = evolve(QUEUED, callType=CallType.CONSULT, previousConnID=OTHER)
        self.assertSays(
            RouteRequested(view, NOW), "EventRouteRequest", previousConnID=OTHER
        )

    def test_onlyForRoutingClients(self) -> None:
        """
        EventRouteRequest is for one port; everything else for all.
        """
        default, tcport = RecordingPublisher(), RecordingPublisher()
        translator = CallEvents([tcport, default], routing=default)
        translator.eventHappened(Queued(QUEUED, NOW))
        translator.eventHappened(RouteRequested(QUEUED, NOW))

        def names(port: RecordingPublisher) -> list[str]:
            return [type(message).__name__ for _, message, _ in port.published]

        self.assertEqual(names(tcport), ["EventQueued"])
        self.assertEqual(names(default), ["EventQueued", "EventRouteRequest"])

    def test_routed(self) -> None:
        """
        EventRouteUsed and EventDiverted say where the call went.
        """
        third = ThirdParty("1003", Role.DESTINATION)
        for kind in RouteType:
            self.assertSays(
                RouteUsed(QUEUED, NOW, kind, requester=WHO, third=third),
                "EventRouteUsed",
                routeType=enums.RouteType[kind.name],
                thirdPartyDN="1003",
                thirdPartyDNRole=DNRole.DESTINATION,
                thisQueue="5000",
            )
        self.assertSays(
            Diverted(QUEUED, NOW, third=third),
            "EventDiverted",
            callState=CallState.OK,
            thirdPartyDN="1003",
            thisQueue="5000",
        )

    def test_agent(self) -> None:
        """
        Whom the call is given is told of the queue through which it came.
        """
        view = evolve(BOB, thisQueue="5000")
        self.assertSays(Alerting(view, NOW), "EventRinging", thisQueue="5000")

    def test_abandoned(self) -> None:
        """
        A caller who leaves a routing point has abandoned it, from wherever it
        called.
        """
        self.events = CallEvents([self.port], Abandoned.EXTERNAL)
        self.assertSays(
            Released(QUEUED, NOW, Cause.ABANDONED),
            "EventAbandoned",
            callState=CallState.OK,
            thisQueue="5000",
        )

    def test_treatments(self) -> None:
        """
        What a caller is given, and what came of it.
        """
        for kind in TreatmentType:
            theirs = enums.TreatmentType[kind.name]
            self.assertSays(
                TreatmentApplied(QUEUED, NOW, kind, requester=WHO),
                "EventTreatmentApplied",
                treatmentType=theirs,
                thisQueue="5000",
            )
        self.assertSays(
            TreatmentEnded(QUEUED, NOW, TreatmentType.COLLECT_DIGITS, "123"),
            "EventTreatmentEnd",
            collectedDigits="123",
            lastCollectedDigit="3",
        )
        self.assertSays(
            TreatmentEnded(QUEUED, NOW, TreatmentType.MUSIC),
            "EventTreatmentEnd",
            collectedDigits=None,
            lastCollectedDigit=None,
        )

    def test_notApplied(self) -> None:
        """
        Why a caller is not given it.
        """
        kind = TreatmentType.MUSIC
        for cause, code in (
            (Cause.FAILED, TErrorCode.RESOURCE_UNAVAILABLE),
            (Cause.UNREACHABLE, TErrorCode.RESOURCE_UNAVAILABLE),
            (Cause.BUSY, TErrorCode.DN_BUSY),
            (Cause.NO_ANSWER, TErrorCode.OPERATION_TIMED_OUT),
        ):
            self.assertSays(
                TreatmentNotApplied(QUEUED, NOW, kind, cause),
                "EventTreatmentNotApplied",
                errorCode=code,
                errorMessage=code.text,
            )
        self.assertSays(
            TreatmentNotApplied(QUEUED, NOW, kind, Cause.FAILED, "no such file"),
            "EventTreatmentNotApplied",
            errorMessage="no such file",
        )

    def test_predictive(self) -> None:
        """
        What was recognised at the far end is the state of EventEstablished.
        """
        view = evolve(ALICE, thisDN="5000", callType=CallType.OUTBOUND)
        self.assertSays(NetworkReached(view, NOW), "EventNetworkReached", ani="1001")
        for why, state in (
            (Cause.ANSWERING_MACHINE, CallState.ANSWERING_MACHINE_DETECTED),
            (Cause.FAX, CallState.FAX_DETECTED),
        ):
            self.assertSays(
                Answered(view, NOW, why=why), "EventEstablished", callState=state
            )
