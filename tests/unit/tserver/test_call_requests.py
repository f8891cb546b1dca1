"""
Tests for sipcluster.tserver.call_requests.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.sessioncontroller.isessioncontroller import (
    CallRefused,
    ICallControl,
    PartyStatus,
    Why,
)
from sipcluster.tlib.enums import MakeCallType
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    Message,
    RequestAnswerCall,
    RequestAttachUserData,
    RequestClearCall,
    RequestDeletePair,
    RequestDeleteUserData,
    RequestHoldCall,
    RequestMakeCall,
    RequestRedirectCall,
    RequestReleaseCall,
    RequestRetrieveCall,
    RequestSendDTMF,
    RequestUpdateUserData,
)
from sipcluster.tserver.call_asking import ERRORS
from sipcluster.tserver.call_requests import CallRequests
from sipcluster.tserver.itserver import ClientView, IRequests
from sipcluster.wire.correlation import Requester
from tests.unit.tserver.call_fakes import (
    ALICE,
    CONN,
    FakeControl,
    RecordingPublisher,
)

WHO = Requester("client", 17)
CLIENT = ClientView("client", "desktop")
PARTY: dict[str, Any] = {"thisDN": "1001", "connID": CONN}
DATA = (("a", 1), ("b", "c"))


class CallRequestsTests(SynchronousTestCase):
    """
    What a client asks, as the Session Controller hears it.
    """

    def setUp(self) -> None:
        self.control = FakeControl()
        self.port = RecordingPublisher()
        self.requests = CallRequests(self.port, self.control)

    def ask(self, request: Message) -> Any:
        """
        Ask; what the Session Controller heard, if it did.
        """
        self.control.asked.clear()
        self.requests.requested(request, WHO, CLIENT)
        return self.control.asked[0] if self.control.asked else None

    def assertRefused(self, code: TErrorCode, text: str | None = None) -> None:
        """
        The request was refused, once.
        """
        ((who, refused, said),) = self.port.refusals
        self.assertEqual((who, refused), (WHO, code))
        if text is not None:
            self.assertEqual(said, text)
        self.port.refusals.clear()

    def test_seam(self) -> None:
        """
        It answers twelve requests.
        """
        verifyObject(IRequests, self.requests)
        verifyObject(ICallControl, self.control)
        self.assertEqual(
            set(self.requests.numbers),
            {14, 16, 17, 18, 19, 30, 31, 32, 33, 97, 103, 110},
        )

    def test_understood(self) -> None:
        """
        Each request is one of the Session Controller's.
        """
        change = ("changeUserData", "1001", CONN)
        for request, heard in (
            (
                RequestMakeCall(thisDN="1001", otherDN="1002"),
                ("makeCall", "1001", "1002", (), WHO),
            ),
            (
                RequestMakeCall(
                    thisDN="1001",
                    otherDN="1002",
                    userData=DATA,
                    makeCallType=MakeCallType.REGULAR,
                    location="",
                ),
                ("makeCall", "1001", "1002", DATA, WHO),
            ),
            (RequestAnswerCall(**PARTY), ("answer", "1001", CONN, WHO)),
            (RequestReleaseCall(**PARTY), ("release", "1001", CONN, WHO)),
            (RequestClearCall(**PARTY), ("clear", "1001", CONN, WHO)),
            (RequestHoldCall(**PARTY), ("hold", "1001", CONN, WHO)),
            (RequestRetrieveCall(**PARTY), ("retrieve", "1001", CONN, WHO)),
            (
                RequestRedirectCall(**PARTY, otherDN="1003"),
                ("redirect", "1001", CONN, "1003", WHO),
            ),
            (
                RequestSendDTMF(**PARTY, dtmfDigits="12#"),
                ("sendDTMF", "1001", CONN, "12#", WHO),
            ),
            (
                RequestAttachUserData(**PARTY, userData=DATA),
                (*change, DATA, (), (), False, WHO),
            ),
            (
                RequestUpdateUserData(**PARTY, userData=DATA),
                (*change, (), DATA, (), False, WHO),
            ),
            (
                RequestDeletePair(**PARTY, dataKey="a"),
                (*change, (), (), ("a",), False, WHO),
            ),
            (
                RequestDeleteUserData(**PARTY),
                (*change, (), (), (), True, WHO),
            ),
        ):
            self.assertEqual(self.ask(request), heard)
            self.control.results.pop().callback(None)
        self.assertEqual(self.port.refusals, [])
        self.assertEqual(self.port.answers, [])

    def test_refused(self) -> None:
        """
        What the Session Controller refuses is EventError with the field's code;
        its text is the field's, unless there is more to say.
        """
        self.assertEqual(set(ERRORS), set(Why))
        for why, code in ERRORS.items():
            self.ask(RequestReleaseCall(**PARTY))
            self.control.results.pop().errback(CallRefused(why))
            self.assertRefused(code, "")
        self.ask(RequestReleaseCall(**PARTY))
        self.control.results.pop().errback(CallRefused(Why.FAILED, "of a reason"))
        self.assertRefused(TErrorCode.INTERNAL_ERROR, "of a reason")

    def test_refusedAtOnce(self) -> None:
        """
        A refusal that is raised counts as one.
        """
        self.control.raises = CallRefused(Why.BUSY)
        self.ask(RequestMakeCall(thisDN="1001", otherDN="1002"))
        self.assertRefused(TErrorCode.DN_BUSY)

    def test_broken(self) -> None:
        """
        A fault of the Session Controller is answered, and logged.
        """
        self.control.raises = ValueError("broken")
        self.ask(RequestReleaseCall(**PARTY))
        self.assertRefused(TErrorCode.INTERNAL_ERROR)
        self.control.raises = None
        self.ask(RequestReleaseCall(**PARTY))
        self.control.results.pop().errback(ValueError("broken"))
        self.assertRefused(TErrorCode.INTERNAL_ERROR)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)

    def test_alreadyThere(self) -> None:
        """
        To hold what is held, to retrieve or to answer what is connected: the
        object is in that state already.
        """
        for request, state, code in (
            (RequestHoldCall(**PARTY), "Hold", TErrorCode.ALREADY_IN_STATE),
            (RequestHoldCall(**PARTY), "Alerting", TErrorCode.WRONG_SET_STATE),
            (RequestRetrieveCall(**PARTY), "Connected", TErrorCode.ALREADY_IN_STATE),
            (RequestAnswerCall(**PARTY), "Connected", TErrorCode.ALREADY_IN_STATE),
            (RequestAnswerCall(**PARTY), "Hold", TErrorCode.WRONG_SET_STATE),
            (RequestReleaseCall(**PARTY), "Connected", TErrorCode.WRONG_SET_STATE),
        ):
            self.control.parties = [
                PartyStatus(evolve(ALICE, connID="0" * 16), "Alerting"),
                PartyStatus(ALICE, state),
            ]
            self.ask(request)
            self.control.results.pop().errback(CallRefused(Why.WRONG_STATE))
            self.assertRefused(code)

    def test_noNumber(self) -> None:
        """
        What cannot be called is refused before anybody is disturbed.
        """
        for number in ("", "10 02", "1\r\n2", "\x00", "x" * 256, "ä"):
            self.assertIsNone(self.ask(RequestMakeCall(thisDN="1001", otherDN=number)))
            self.assertRefused(TErrorCode.INVALID_CALLED_DN)
            self.assertIsNone(self.ask(RequestRedirectCall(**PARTY, otherDN=number)))
            self.assertRefused(TErrorCode.INVALID_CALLED_DN)

    def test_onlyRegularCalls(self) -> None:
        """
        Calls of other types, and to other switches, are not supported.
        """
        for more in (
            {"makeCallType": MakeCallType.PRIORITY},
            {"makeCallType": 77},
            {"location": "elsewhere"},
        ):
            request = RequestMakeCall(
                thisDN="1001",
                otherDN="1002",
                **more,
            )
            self.assertIsNone(self.ask(request))
            self.assertRefused(TErrorCode.UNSUPPORTED_OPERATION)

    def test_refusedLater(self) -> None:
        """
        Who asked another process, from which the call has come, is told why not.
        """
        self.requests.refused(WHO, CallRefused(Why.TIMEOUT))
        self.assertRefused(TErrorCode.OPERATION_TIMED_OUT)

    def test_tooManyDigits(self) -> None:
        """
        The digits of one request are bounded.
        """
        self.assertIsNone(self.ask(RequestSendDTMF(**PARTY, dtmfDigits="1" * 65)))
        self.assertRefused(TErrorCode.BAD_PARAMETER)
