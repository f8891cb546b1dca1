"""
Tests for L{sipcluster.app.tlib_words}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app.tlib_words import BadWords, plain, requestOf
from sipcluster.tlib.codec import Envelope
from sipcluster.tlib.enums import AgentWorkMode, CallState
from sipcluster.tlib.messages import (
    EventReleased,
    EventServerInfo,
    Opaque,
    RequestAgentNotReady,
    RequestMakeCall,
    RequestSetInputMask,
)


class RequestTests(SynchronousTestCase):
    """
    Words become a request.
    """

    def test_request(self) -> None:
        """
        By the name of the class or without C{Request}; attributes by their names in
        the field or in the classes.
        """
        made = RequestMakeCall(thisDN="1001", otherDN="1002")
        words = ("thisDN=1001", "OtherDN=1002")
        self.assertEqual(requestOf("RequestMakeCall", words), made)
        self.assertEqual(requestOf("MakeCall", words), made)

    def test_kinds(self) -> None:
        """
        Each attribute is read as what it is.
        """
        self.assertEqual(
            requestOf(
                "AgentNotReady",
                ["thisDN=1001", "workMode=AfterCallWork", "reasons.ReasonCode=lunch"],
            ),
            RequestAgentNotReady(
                thisDN="1001",
                workMode=AgentWorkMode.AFTER_CALL_WORK,
                reasons=(("ReasonCode", "lunch"),),
            ),
        )
        mask = "bin: " + "ff " * 64
        self.assertEqual(
            requestOf("SetInputMask", [f"inputMask={mask.strip()}"]),
            RequestSetInputMask(inputMask=b"\xff" * 64),
        )

    def test_pairs(self) -> None:
        """
        Pairs keep their order, keys may come twice, and values may be numbers; an
        equals sign belongs to the value.
        """
        made = requestOf(
            "MakeCall",
            [
                *("thisDN=1001", "otherDN=1002", "userData.A=x=y", "userData.B:=-2"),
                "userData.A=",
            ],
        )
        assert isinstance(made, RequestMakeCall)
        self.assertEqual(made.userData, (("A", "x=y"), ("B", -2), ("A", "")))

    def test_mistakes(self) -> None:
        """
        Each mistake is told.
        """
        for name, words, why in (
            ("MakeCal", (), "perhaps RequestMakeCall"),
            ("Xyzzy", (), "there is no request Xyzzy"),
            ("EventRinging", (), "there is no request"),
            ("MakeCall", ("thisDN",), "want attribute=value"),
            ("MakeCall", ("nothing=1",), "no attribute nothing"),
            ("MakeCall", ("unknown=1",), "no attribute unknown"),
            ("MakeCall", ("agentID=1",), "no attribute agentID"),
            ("MakeCall", ("thisDN=1", "thisDN=2"), "given twice"),
            ("MakeCall", ("thisDN=1",), "needs otherDN"),
            ("MakeCall", ("userData=1",), "want userData.KEY=value"),
            ("MakeCall", ("thisDN.KEY=1",), "thisDN has no keys"),
            ("MakeCall", ("userData.N:=x",), "want a number"),
            ("MakeCall", ("userData.N:=4294967296",), "32 bits"),
            ("ReleaseCall", ("thisDN=1", "connID=xyz"), "connID=xyz"),
            ("AgentReady", ("thisDN=1", "workMode=Sleeping"), "workMode=Sleeping"),
        ):
            error = self.assertRaises(BadWords, requestOf, name, words)
            self.assertIn(why, str(error))


class PlainTests(SynchronousTestCase):
    """
    Messages for programs.
    """

    def test_plain(self) -> None:
        """
        Names are the field's, enumerations their members, bytes hexadecimal.
        """
        event = EventReleased(
            thisDN="1001",
            callState=CallState.BUSY,
            time=(1, 2),
            userData=(("A", b"\1\2"), ("B", (("C", 1),))),
            unknown=((60000, Opaque(b"\xc0")), (60001, "x")),
        )
        self.assertEqual(
            plain(Envelope(7, 8, event)),
            {
                "name": "EventReleased",
                "number": 65,
                "position": 7,
                "reference": 8,
                "attributes": {
                    "ThisDN": "1001",
                    "CallState": "Busy",
                    "time": [1, 2],
                    "UserData": [["A", "01 02"], ["B", [["C", 1]]]],
                    "60000": "c0",
                    "60001": "x",
                },
            },
        )

    def test_secrets(self) -> None:
        """
        Whoever knows a session's id could take it over: it is not shown.
        """
        found = plain(Envelope(0, 0, EventServerInfo(sessionID="5e55" * 8)))
        self.assertEqual(found["attributes"], {"SessionID": "***"})
