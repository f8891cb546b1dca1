"""
Tests for L{sipcluster.tlib.messages}.
"""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.tlib import messages
from sipcluster.tlib.attributes import BY_FIELD
from sipcluster.tlib.codec import missing
from sipcluster.tlib.enums import CallType, DNRole
from sipcluster.tlib.messages import (
    MESSAGES,
    EventDialing,
    EventRinging,
    Message,
    RequestMakeCall,
    UnknownMessage,
    isEvent,
    isRequest,
)

#: Numbers that the field prints, by range, as tools for its logs have them.
FIELD = {
    0: "RequestRegisterClient",
    3: "RequestRegisterAddress",
    7: "RequestSetInputMask",
    14: "RequestMakeCall",
    19: "RequestRetrieveCall",
    25: "RequestSingleStepTransfer",
    33: "RequestDeletePair",
    36: "RequestRouteCall",
    49: "RequestDistributeEvent",
    52: "EventError",
    59: "EventAbandoned",
    60: "EventRinging",
    65: "EventReleased",
    72: "EventRouteUsed",
    78: "EventDNDOff",
    85: "EventAttachedDataChanged",
    93: "EventServerInfo",
    94: "EventLinkDisconnected",
    95: "EventLinkConnected",
    97: "RequestSendDTMF",
    103: "RequestRedirectCall",
    109: "EventPartyInfo",
    113: "RequestApplyTreatment",
    119: "EventTreatmentRequired",
    127: "RequestReserveAgent",
    130: "RequestAgentSetIdleReason",
    138: "EventACK",
    148: "EventDNBackInService",
    152: "EventQueueLogout",
    160: "EventCallCreated",
    168: "RequestStopCallMonitoring",
    178: "EventNetworkCallStatus",
    182: "EventResourceInfo",
    1000: "LinkPoll",
    1001: "LinkPollAnswer",
    1002: "LinkClosing",
}


class MessagesTests(SynchronousTestCase):
    """
    Each message has a class.
    """

    def test_allNumbers(self) -> None:
        """
        Every number of the field has one, apart from those that it keeps free.
        """
        wanted = {*range(153), *range(160, 183), 1000, 1001, 1002}
        self.assertEqual(set(MESSAGES), wanted)

    def test_names(self) -> None:
        """
        The numbers are the field's.
        """
        self.assertEqual({n: MESSAGES[n].__name__ for n in FIELD}, FIELD)

    def test_importable(self) -> None:
        """
        All classes can be had from the package.
        """
        for cls in MESSAGES.values():
            self.assertIs(getattr(messages, cls.__name__), cls)

    def test_kinds(self) -> None:
        """
        A message is a request or an event, the link's own are neither, and unknown
        ones are nothing.
        """
        for number, cls in MESSAGES.items():
            self.assertEqual(isRequest(number), cls.__name__.startswith("Request"))
            self.assertEqual(isEvent(number), cls.__name__.startswith("Event"))
        for number in (153, 1000, 1002, 5000, -1):
            self.assertFalse(isRequest(number) or isEvent(number))

    def test_fieldsAreAttributes(self) -> None:
        """
        Every field is an attribute of the table, and every mandatory one a field.
        """
        for cls in MESSAGES.values():
            names = {one.name for one in attrs.fields(cls)} - {"unknown"}
            self.assertEqual(names - set(BY_FIELD), set())
            self.assertEqual(set(cls.mandatory) - names, set())
            self.assertEqual(len(set(cls.mandatory)), len(cls.mandatory))

    def test_everyAttributeIsUsed(self) -> None:
        """
        No attribute stands in the table for nothing.
        """
        used = {one.name for cls in MESSAGES.values() for one in attrs.fields(cls)}
        self.assertEqual(set(BY_FIELD) - used, set())

    def test_values(self) -> None:
        """
        Messages are values: equal when alike, never changed, small.
        """
        one = EventRinging(thisDN="1001", callType=CallType.INTERNAL)
        self.assertEqual(one, EventRinging(thisDN="1001", callType=CallType.INTERNAL))
        self.assertNotEqual(one, EventDialing(thisDN="1001", callType=one.callType))
        self.assertEqual(len({one, attrs.evolve(one), attrs.evolve(one, ani="1")}), 2)
        self.assertRaises(attrs.exceptions.FrozenInstanceError, setattr, one, "ani", "")
        for cls in MESSAGES.values():
            if cls.__name__ != "UnknownMessage":
                self.assertFalse(hasattr(cls(), "__dict__"), cls)

    def test_shown(self) -> None:
        """
        For people there is only what is there.
        """
        self.assertEqual(
            repr(EventRinging(thisDN="1", callID=0)),
            "EventRinging(thisDN='1', callID=0)",
        )
        self.assertEqual(repr(UnknownMessage(number=5)), "UnknownMessage(number=5)")

    def test_docstrings(self) -> None:
        """
        Each says what it is.
        """
        for cls in MESSAGES.values():
            self.assertTrue((cls.__doc__ or "").strip())


class MissingTests(SynchronousTestCase):
    """
    L{missing} names what a message lacks.
    """

    def test_request(self) -> None:
        """
        Of a request the server names it in its EventError.
        """
        self.assertEqual(missing(RequestMakeCall(thisDN="1001")), ("otherDN",))
        self.assertEqual(missing(RequestMakeCall(thisDN="1001", otherDN="2")), ())

    def test_event(self) -> None:
        """
        An event of a call names the call, its type, the DN and its role.
        """
        self.assertEqual(
            missing(EventDialing(thisDN="1001", time=(1, 2))),
            ("connID", "callID", "callType", "thisDNRole"),
        )
        whole = EventDialing(
            time=(1, 2),
            connID="0" * 16,
            callID=0,
            callType=CallType.UNKNOWN,
            thisDN="",
            thisDNRole=DNRole.UNKNOWN,
        )
        self.assertEqual(missing(whole), ())

    def test_unknown(self) -> None:
        """
        Of an unknown message nobody knows.
        """
        self.assertEqual(missing(UnknownMessage(number=155)), ())
        self.assertEqual(Message.mandatory, ())
