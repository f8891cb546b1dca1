"""
Tests for the requests about consultations, transfers, conferences, routing and
supervision: what a client asks, as the Session Controller hears it.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.sessioncontroller.iconferences import IConferences
from sipcluster.sessioncontroller.irouting import (
    IRouting,
    RouteType,
    Treatment,
    TreatmentType,
)
from sipcluster.sessioncontroller.isessioncontroller import (
    CallRefused,
    PartyStatus,
    Why,
)
from sipcluster.sessioncontroller.isupervision import ISupervision, MonitorMode
from sipcluster.sessioncontroller.itransfers import ITransfers
from sipcluster.tlib import enums
from sipcluster.tlib.enums import MergeType
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    Message,
    RequestAlternateCall,
    RequestApplyTreatment,
    RequestCollectDigits,
    RequestCompleteConference,
    RequestCompleteTransfer,
    RequestDeleteFromConference,
    RequestGiveMusicTreatment,
    RequestGiveRingBackTreatment,
    RequestGiveSilenceTreatment,
    RequestInitiateConference,
    RequestInitiateTransfer,
    RequestListenDisconnect,
    RequestListenReconnect,
    RequestMakePredictiveCall,
    RequestMergeCalls,
    RequestMuteTransfer,
    RequestReconnectCall,
    RequestRouteCall,
    RequestSetMuteOff,
    RequestSetMuteOn,
    RequestSingleStepConference,
    RequestSingleStepTransfer,
)
from sipcluster.tserver.call_asking import CallAsking
from sipcluster.tserver.call_handlers import callHandlers
from sipcluster.tserver.itserver import ClientView, IRequests
from sipcluster.wire.correlation import Requester
from tests.unit.tserver.call_fakes import (
    ALICE,
    BOB,
    CONN,
    FakeControl,
    FakeFeatures,
    RecordingPublisher,
)

WHO = Requester("client", 17)
CLIENT = ClientView("client", "desktop")
OTHER = "006c02462a161007"
PARTY: dict[str, Any] = {"thisDN": "1001", "connID": CONN}
DATA = (("a", 1), ("b", "c"))

HELD = PartyStatus(ALICE, "Hold")
PRESENT = PartyStatus(evolve(ALICE, connID=OTHER), "Connected")


class FeatureTestCase(SynchronousTestCase):
    """
    One T-Library port for routing clients.
    """

    def setUp(self) -> None:
        self.control = FakeFeatures([HELD, PRESENT])
        self.port = RecordingPublisher()
        self.handlers: dict[int, CallAsking] = {}
        for handler in callHandlers(self.port, self.control):
            verifyObject(IRequests, handler)
            for number in handler.numbers:
                self.assertNotIn(number, self.handlers)
                self.handlers[number] = handler

    def ask(self, request: Message) -> Any:
        """
        Ask; what the Session Controller heard, if it did.
        """
        self.control.asked.clear()
        self.handlers[request.number].requested(request, WHO, CLIENT)
        return self.control.asked[0] if self.control.asked else None

    def code(self, request: Message) -> TErrorCode:
        """
        The code with which a request is refused.
        """
        self.ask(request)
        ((who, code, _),) = self.port.refusals
        self.assertEqual(who, WHO)
        self.port.refusals.clear()
        return code


class UnderstoodTests(FeatureTestCase):
    """
    Each request is one of the Session Controller's.
    """

    def test_seams(self) -> None:
        """
        The fake can do what the seams say, and every request has its answerer.
        """
        for seam in (ITransfers, IConferences, IRouting, ISupervision):
            verifyObject(seam, self.control)
        self.assertEqual(
            set(self.handlers),
            {15, *range(20, 30), *range(36, 40), 45, 104, 105, 113, 120, 143, 144},
        )

    def test_onlyWhatThereIs(self) -> None:
        """
        A Session Controller that can do no more than calls has no more answerers;
        a port that is not for routing clients does not route.
        """
        self.assertEqual(list(callHandlers(self.port, FakeControl())), [])
        numbers = {
            number
            for handler in callHandlers(self.port, self.control, routing=False)
            for number in handler.numbers
        }
        self.assertEqual(set(self.handlers) - numbers, {36, 37, 38, 39, 45, 113})

    def test_transfers(self) -> None:
        """
        Consultation and transfer.
        """
        for kind, heard in (
            (RequestInitiateTransfer, ("consult", "1003", DATA, False)),
            (RequestInitiateConference, ("consult", "1003", DATA, True)),
            (RequestMuteTransfer, ("muteTransfer", "1003", DATA)),
            (RequestSingleStepTransfer, ("singleStepTransfer", "1003", DATA)),
            (RequestSingleStepConference, ("singleStepConference", "1003", DATA)),
        ):
            name, *rest = heard
            request = kind(**PARTY, otherDN="1003", userData=DATA)
            self.assertEqual(self.ask(request), (name, "1001", CONN, *rest, WHO))

    def test_twoCalls(self) -> None:
        """
        Which of two calls is held is seen: they may be named in either order.
        """
        merge = {"mergeType": MergeType.CONFERENCE}
        for kind, field, name, more in (
            (RequestCompleteTransfer, "transferConnID", "completeTransfer", {}),
            (RequestCompleteConference, "conferenceConnID", "completeConference", {}),
            (RequestAlternateCall, "previousConnID", "alternate", {}),
            (RequestReconnectCall, "previousConnID", "reconnect", {}),
            (RequestMergeCalls, "previousConnID", "completeConference", merge),
        ):
            heard = (name, "1001", CONN, OTHER, WHO)
            for one, two in ((CONN, OTHER), (OTHER, CONN)):
                both: dict[str, Any] = {"connID": one, field: two, **more}
                self.assertEqual(self.ask(kind(thisDN="1001", **both)), heard)

    def test_bothHeld(self) -> None:
        """
        When both are held, or none is, the first is taken for the held one.
        """
        for state in ("Hold", "Connected"):
            self.control.parties = [
                PartyStatus(one.view, state) for one in (HELD, PRESENT)
            ]
            request = RequestCompleteTransfer(**PARTY, transferConnID=OTHER)
            self.assertEqual(
                self.ask(request), ("completeTransfer", "1001", CONN, OTHER, WHO)
            )

    def test_merge(self) -> None:
        """
        Two calls become one, in which the DN stays or not.
        """
        both = {**PARTY, "previousConnID": OTHER}
        request = RequestMergeCalls(**both, mergeType=MergeType.TRANSFER)
        self.assertEqual(
            self.ask(request), ("completeTransfer", "1001", CONN, OTHER, WHO)
        )
        self.assertEqual(
            self.code(RequestMergeCalls(**both, mergeType=7)), TErrorCode.BAD_PARAMETER
        )

    def test_conferences(self) -> None:
        """
        Who is in a conference, and who hears it.
        """
        for kind, name in (
            (RequestDeleteFromConference, "deleteFromConference"),
            (RequestListenDisconnect, "listenDisconnect"),
            (RequestListenReconnect, "listenReconnect"),
        ):
            self.assertEqual(
                self.ask(kind(**PARTY, otherDN="1003")),
                (name, "1001", CONN, "1003", WHO),
            )

    def test_mute(self) -> None:
        """
        The DN is muted, or a supervisor listens otherwise.
        """
        for kind, on in ((RequestSetMuteOn, True), (RequestSetMuteOff, False)):
            heard = ("mute", "1001", CONN, on, WHO)
            self.assertEqual(self.ask(kind(**PARTY)), heard)
            other = (("ReasonCode", "tired"),)
            self.assertEqual(self.ask(kind(**PARTY, extensions=other)), heard)
        for kind, word, mode in (
            (RequestSetMuteOn, "mute", MonitorMode.SILENT),
            (RequestSetMuteOff, "coach", MonitorMode.COACH),
            (RequestSetMuteOff, "connect", MonitorMode.BARGE_IN),
        ):
            request = kind(**PARTY, extensions=(("MonitorMode", word),))
            self.assertEqual(self.ask(request), ("changeMode", "1001", CONN, mode, WHO))

    def test_wrongModes(self) -> None:
        """
        A mode that is none, or does not fit the request, is refused.
        """
        for kind, mode in (
            (RequestSetMuteOn, "coach"),
            (RequestSetMuteOff, "mute"),
            (RequestSetMuteOff, "shout"),
            (RequestSetMuteOff, 7),
            (RequestSetMuteOff, (("a", "b"),)),
        ):
            request = kind(**PARTY, extensions=(("MonitorMode", mode),))
            self.assertEqual(self.code(request), TErrorCode.BAD_PARAMETER)

    def test_route(self) -> None:
        """
        Where a call goes, and how.
        """
        extensions = (("NO_ANSWER_TIMEOUT", 5),)
        request = RequestRouteCall(
            **PARTY,
            otherDN="1003",
            routeType=enums.RouteType.DIRECT,
            userData=DATA,
            extensions=extensions,
        )
        self.assertEqual(
            self.ask(request),
            ("route", "1001", CONN, "1003", RouteType.DIRECT, DATA, extensions, WHO),
        )
        self.assertEqual(
            self.ask(RequestRouteCall(**PARTY, otherDN="1003")),
            ("route", "1001", CONN, "1003", RouteType.UNKNOWN, (), (), WHO),
        )

    def test_everyRouteType(self) -> None:
        """
        Each type is known; only those that need none have no destination.
        """
        for kind in enums.RouteType:
            named = self.ask(RequestRouteCall(**PARTY, otherDN="1003", routeType=kind))
            self.assertEqual(named[4].value, kind.label)
            request = RequestRouteCall(**PARTY, routeType=kind)
            if kind.label in ("Default", "Reject", "CallDisconnect"):
                self.assertEqual(self.ask(request)[3], "")
            else:
                self.assertEqual(self.code(request), TErrorCode.INVALID_CALLED_DN)
        request = RequestRouteCall(**PARTY, otherDN="1003", routeType=99)
        self.assertEqual(self.code(request), TErrorCode.BAD_PARAMETER)

    def test_treatments(self) -> None:
        """
        What a caller is given, in the words of today and in those of before.
        """
        for kind in enums.TreatmentType:
            request: Message = RequestApplyTreatment(
                **PARTY, treatmentType=kind, treatmentParms=DATA
            )
            _, _, _, treatment, _ = self.ask(request)
            self.assertEqual(treatment.kind.value, kind.label)
            self.assertEqual(treatment.parameters, DATA)
        for request, wanted in (
            (RequestGiveMusicTreatment(**PARTY, treatmentParms=DATA), "MUSIC"),
            (RequestGiveSilenceTreatment(**PARTY, treatmentParms=DATA), "SILENCE"),
            (RequestGiveRingBackTreatment(**PARTY, treatmentParms=DATA), "RING_BACK"),
            (RequestCollectDigits(**PARTY, treatmentParms=DATA), "COLLECT_DIGITS"),
        ):
            treatment = Treatment(TreatmentType[wanted], DATA)
            self.assertEqual(
                self.ask(request), ("applyTreatment", "1001", CONN, treatment, WHO)
            )
        request = RequestApplyTreatment(**PARTY, treatmentType=99)
        self.assertEqual(self.code(request), TErrorCode.BAD_PARAMETER)

    def test_collectingTimeout(self) -> None:
        """
        The timeout of TCollectDigits is a treatment parameter, and bounded.
        """
        treatment = self.ask(RequestCollectDigits(**PARTY, timeout=9))[3]
        self.assertEqual(treatment.parameters, (("TOTAL_TIMEOUT", 9),))
        self.assertEqual(
            self.code(RequestCollectDigits(**PARTY, timeout=1 << 40)),
            TErrorCode.BAD_PARAMETER,
        )

    def test_predictive(self) -> None:
        """
        A predictive call has the time for which it may ring.
        """
        extensions = (("call_answer_type_recognition", "positive_am_detection"),)
        request = RequestMakePredictiveCall(
            thisDN="5000",
            otherDN="95550100",
            timeout=20,
            userData=DATA,
            extensions=extensions,
        )
        self.assertEqual(
            self.ask(request),
            ("makePredictiveCall", "5000", "95550100", 20.0, DATA, extensions, WHO),
        )
        request = RequestMakePredictiveCall(thisDN="5000", otherDN="9", timeout=601)
        self.assertEqual(self.code(request), TErrorCode.BAD_PARAMETER)


class RefusedTests(FeatureTestCase):
    """
    What is wrong with a request, or was with what it wanted.
    """

    def test_destinations(self) -> None:
        """
        What is no number cannot be called, nor one at another switch.
        """
        for kind in (
            RequestInitiateTransfer,
            RequestInitiateConference,
            RequestMuteTransfer,
            RequestSingleStepTransfer,
            RequestSingleStepConference,
            RequestRouteCall,
        ):
            for number in ("", "10 03", "1" * 256, "1\r\n2", "é"):
                self.assertEqual(
                    self.code(kind(**PARTY, otherDN=number)),
                    TErrorCode.INVALID_CALLED_DN,
                )
            self.assertEqual(
                self.code(kind(**PARTY, otherDN="1003", location="far")),
                TErrorCode.UNSUPPORTED_OPERATION,
            )

    def test_oneCallTwice(self) -> None:
        """
        Two calls are two.
        """
        self.assertEqual(
            self.code(RequestCompleteTransfer(**PARTY, transferConnID=CONN)),
            TErrorCode.BAD_PARAMETER,
        )

    def test_failures(self) -> None:
        """
        What fails without more being known is that which was wanted.
        """
        to = {**PARTY, "otherDN": "1003"}
        for request, code in (
            (RequestInitiateTransfer(**to), TErrorCode.CANNOT_INITIATE_TRANSFER),
            (RequestInitiateConference(**to), TErrorCode.CANNOT_CONFERENCE),
            (RequestMuteTransfer(**to), TErrorCode.CANNOT_TRANSFER),
            (RequestSingleStepTransfer(**to), TErrorCode.CANNOT_TRANSFER),
            (RequestSingleStepConference(**to), TErrorCode.CANNOT_CONFERENCE),
            (
                RequestCompleteTransfer(**PARTY, transferConnID=OTHER),
                TErrorCode.CANNOT_TRANSFER,
            ),
            (
                RequestCompleteConference(**PARTY, conferenceConnID=OTHER),
                TErrorCode.CANNOT_CONFERENCE,
            ),
            (
                RequestMergeCalls(
                    **PARTY, previousConnID=OTHER, mergeType=MergeType.CONFERENCE
                ),
                TErrorCode.CANNOT_CONFERENCE,
            ),
            (
                RequestMergeCalls(
                    **PARTY, previousConnID=OTHER, mergeType=MergeType.TRANSFER
                ),
                TErrorCode.CANNOT_TRANSFER,
            ),
            (
                RequestAlternateCall(**PARTY, previousConnID=OTHER),
                TErrorCode.INTERNAL_ERROR,
            ),
        ):
            self.assertIsNotNone(self.ask(request))
            self.control.results[-1].errback(CallRefused(Why.FAILED))
            ((_, found, _),) = self.port.refusals
            self.port.refusals.clear()
            self.assertEqual(found, code)

    def test_known(self) -> None:
        """
        Where more is known, that is said.
        """
        request = RequestCompleteTransfer(**PARTY, transferConnID=OTHER)
        for why, code in (
            (Why.WRONG_STATE, TErrorCode.WRONG_SET_STATE),
            (Why.UNKNOWN_CALL, TErrorCode.INVALID_CONNID),
            (Why.DISCONNECTED, TErrorCode.CALL_DISCONNECTED),
        ):
            self.ask(request)
            self.control.results[-1].errback(CallRefused(why))
            ((_, found, _),) = self.port.refusals
            self.port.refusals.clear()
            self.assertEqual(found, code)

    def test_already(self) -> None:
        """
        What is so already, is said to be; else the state is wrong.
        """
        self.control.parties = [
            PartyStatus(ALICE, "Connected", muted=True),
            PartyStatus(BOB, "Connected", deaf=True),
            PartyStatus(evolve(BOB, thisDN="1003"), "Alerting", deaf=True),
        ]
        already, wrong = TErrorCode.ALREADY_IN_STATE, TErrorCode.WRONG_SET_STATE
        for request, code in (
            (RequestSetMuteOn(**PARTY), already),
            (RequestSetMuteOff(**PARTY), wrong),
            (RequestListenDisconnect(**PARTY, otherDN="1002"), already),
            (RequestListenReconnect(**PARTY, otherDN="1002"), wrong),
            (RequestListenDisconnect(**PARTY, otherDN="1003"), wrong),
            (RequestListenDisconnect(**PARTY, otherDN="1004"), wrong),
        ):
            self.ask(request)
            self.control.results[-1].errback(CallRefused(Why.WRONG_STATE))
            ((_, found, _),) = self.port.refusals
            self.port.refusals.clear()
            self.assertEqual(found, code, request)

    def test_raised(self) -> None:
        """
        A fault of the Session Controller is an internal error, and logged.
        """
        self.control.raises = RuntimeError("broken")
        request = RequestSingleStepTransfer(**PARTY, otherDN="1003")
        self.assertEqual(self.code(request), TErrorCode.INTERNAL_ERROR)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
