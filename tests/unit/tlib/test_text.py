"""
Tests for L{sipcluster.tlib.text}.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.tlib.attributes import BY_NAME
from sipcluster.tlib.codec import Envelope
from sipcluster.tlib.enums import CallState, CallType, DNRole
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventError,
    EventRinging,
    EventServerInfo,
    LinkPoll,
    Message,
    RequestAgentLogin,
    RequestMakeCall,
    RequestRegisterClient,
    UnknownMessage,
)
from sipcluster.tlib.text import BadText, parse, parseValue, render
from tests.unit.tlib.strategies import messages

RINGING = EventRinging(
    time=(1760000000, 250000),
    connID="006c02462a161006",
    callID=0,
    callUUID="0123456789abcdef0123456789abcdef",
    callType=CallType.INTERNAL,
    callState=CallState.OK,
    thisDN="1002",
    thisDNRole=DNRole.DESTINATION,
    userData=(
        ("ACCOUNT", "O'Hara\n"),
        ("TRIES", -2),
        ("KEY", b"\0\xff"),
        ("ROUTE", (("SKILL", "billing"), ("NONE", ()))),
        ("EMPTY", b""),
    ),
    unknown=((9999, "x"),),
)

LINES = """\
EventRinging (60)
	AttributeEventSequenceNumber	000000000000001f
	AttributeReferenceID	7
	AttributeTimeinuSecs	250000
	AttributeTimeinSecs	1760000000 (08:53:20)
	AttributeThisDN	'1002'
	AttributeThisDNRole	2 [Destination]
	AttributeConnID	006c02462a161006
	AttributeCallID	0
	AttributeCallUUID	0123456789abcdef0123456789abcdef
	AttributeCallType	1 [Internal]
	AttributeCallState	0 [Ok]
	AttributeUserData	[5]
		'ACCOUNT'	'O\\'Hara\\n'
		'TRIES'	-2
		'KEY'	bin: 00 ff
		'ROUTE'	[2]
			'SKILL'	'billing'
			'NONE'	[0]
		'EMPTY'	bin:
	Attribute9999	bin: a1 78
"""


class RenderTests(SynchronousTestCase):
    """
    L{render} writes what people who read such logs are used to.
    """

    def test_event(self) -> None:
        """
        Name and number, a line for each attribute, lists nested.
        """
        self.assertEqual(render(RINGING, 31, 7), LINES)

    def test_withoutNumbers(self) -> None:
        """
        No position and no reference are no lines.
        """
        self.assertEqual(render(LinkPoll()), "LinkPoll (1000)\n")

    def test_secrets(self) -> None:
        """
        Passwords and session ids are shown only to who asks for them.
        """
        for message in (
            RequestRegisterClient(applicationPassword="s3cret", sessionID="s3cret"),
            RequestAgentLogin(password="s3cret"),
            EventServerInfo(sessionID="s3cret"),
        ):
            self.assertNotIn("s3cret", render(message))
            self.assertIn("'***'", render(message))
            self.assertIn("s3cret", render(message, secrets=True))

    def test_userData(self) -> None:
        """
        The values attached to a call can be left out; their keys are shown.
        """
        text = render(RINGING, userData=False)
        self.assertIn("\t\t'ACCOUNT'\t'***'\n", text)
        self.assertIn("\t\t'ROUTE'\t'***'\n", text)
        self.assertNotIn("billing", text)

    def test_errorCode(self) -> None:
        """
        An error has the field's text, a number without one stands alone.
        """
        text = render(EventError(errorCode=TErrorCode.NOT_REGISTERED))
        self.assertIn("\tAttributeErrorCode\t41 [Client has not registered", text)
        self.assertIn("\tAttributeErrorCode\t999\n", render(EventError(errorCode=999)))

    def test_otherTimes(self) -> None:
        """
        A time that is not the event's own is one line.
        """
        self.assertIn(
            "\tAttributeServerStartTime\t5.000007\n",
            render(EventServerInfo(serverStartTime=(5, 7))),
        )


class ParseTests(SynchronousTestCase):
    """
    L{parse} reads what L{render} writes.
    """

    def test_event(self) -> None:
        """
        Everything of it is there again.
        """
        self.assertEqual(parse(LINES), Envelope(31, 7, RINGING))

    def test_lineEnds(self) -> None:
        """
        Lines may have come by way of an editor that ends them otherwise.
        """
        self.assertEqual(
            parse(LINES.replace("\n", "\r\n") + "\r\n\n"), Envelope(31, 7, RINGING)
        )

    @settings(max_examples=300)
    @given(messages(), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1))
    def test_anyMessage(self, message: Message, position: int, reference: int) -> None:
        """
        Any message comes back as it was.
        """
        text = render(message, position, reference, secrets=True)
        self.assertEqual(parse(text), Envelope(position, reference, message))
        self.assertTrue(text.endswith("\n"))
        self.assertEqual(len(text.splitlines()), text.count("\n"))

    @given(messages(), st.data())
    def test_damaged(self, message: Message, data: st.DataObject) -> None:
        """
        Of a text that was changed something is read, or L{BadText} is raised.
        """
        text = render(message, 1, 2)
        at = data.draw(st.integers(0, len(text)))
        damage = data.draw(st.text(max_size=4) | st.sampled_from("\t\n'\\[]():0"))
        end = at + data.draw(st.integers(0, 3))
        self.either(text[:at] + damage + text[end:])

    @given(st.text())
    def test_anyText(self, text: str) -> None:
        """
        So it is with any text.
        """
        self.either(text)

    def either(self, text: str) -> None:
        """
        A message or our error.
        """
        try:
            parse(text)
        except BadText as e:
            self.assertIn(f"line {e.line}: ", str(e))

    def test_bad(self) -> None:
        """
        What is wrong is said with its line.
        """
        head = "EventRinging (60)\n"
        deep = "\tAttributeUserData\t[1]\n" + "".join(
            "\t" * depth + "'k'\t[1]\n" for depth in range(2, 30)
        )
        for text, line in (
            ("", 1),
            ("\n\n", 1),
            ("EventRinging", 1),
            ("EventRinging (61)", 1),
            ("EventNothing (60)", 1),
            ("Message60 (60)", 1),
            ("Message155 (156)", 1),
            (head + "AttributeThisDN\t'1'", 2),
            (head + "\tThisDN\t'1'", 2),
            (head + "\tAttributeThisDN\t'1", 2),
            (head + "\tAttributeThisDN\t'\\q'", 2),
            (head + "\tAttributeThisDN\t'\\'", 2),
            (head + "\tAttributeThisDN\t'\\U00110000'", 2),
            (head + "\tAttributeNothing\t1", 2),
            (head + "\tAttributetime\t1", 2),
            (head + "\tAttributeRouteType\t1", 2),
            (head + "\tAttributeCallID\tx", 2),
            (head + "\tAttributeCallID\t-1", 2),
            (head + "\tAttributeCallID\t1\n\tAttributeConnID\t1", 3),
            (head + "\tAttributeCallState\tFine", 2),
            (head + "\tAttributeReferenceID\tx", 2),
            (head + "\tAttributeReferenceID\t4294967296", 2),
            (head + "\tAttributeEventSequenceNumber\tx", 2),
            (head + "\tAttributeEventSequenceNumber\t" + "f" * 17, 2),
            (head + "\tAttribute9999\ta1 78", 2),
            (head + "\tAttribute9999\tbin: a1", 2),
            (head + "\tAttribute70000\tbin: a1 78", 2),
            (head + "\tAttribute1\tbin: a1 78", 2),
            (head + "\tAttribute9999\tbin: zz", 2),
            (head + "\tAttributeTimeinSecs\t-5", 2),
            (head + "\tAttributeUserData\t2", 2),
            (head + "\tAttributeUserData\t[1]", 2),
            (head + "\tAttributeUserData\t[1]\n\t'k'\t1", 3),
            (head + "\tAttributeUserData\t[1]\n\t\tk\t1", 3),
            (head + "\tAttributeUserData\t[1]\n\t\t'k'", 3),
            (head + "\tAttributeUserData\t[1]\n\t\t'k'\t2147483648", 3),
            (head + "\tAttributeUserData\t[1]\n\t\t'k'\tx", 3),
            (head + deep, 18),
        ):
            error = self.assertRaises(BadText, parse, text)
            assert isinstance(error, BadText)
            self.assertEqual((error.line, text), (line, text))

    def test_unknownMessage(self) -> None:
        """
        A message without a name has its number.
        """
        text = "Message155 (155)\n\tAttribute1\tbin: 05\n"
        message = UnknownMessage(number=155, unknown=((1, 5),))
        self.assertEqual(parse(text), Envelope(0, 0, message))
        self.assertEqual(render(message), text)


class ParseValueTests(SynchronousTestCase):
    """
    L{parseValue} reads one value, as a person types it.
    """

    def test_values(self) -> None:
        """
        Text without quotes, names of members, numbers.
        """
        for name, text, value in (
            ("ThisDN", "1001", "1001"),
            ("ThisDN", "'10\\'01'", "10'01"),
            ("CallState", "Busy", CallState.BUSY),
            ("CallState", "NO_ANSWER", CallState.NO_ANSWER),
            ("CallState", "6", CallState.BUSY),
            ("CallState", "6 [Busy]", CallState.BUSY),
            ("CallState", "99", 99),
            ("CallID", "5", 5),
            ("InfoStatus", "-5", -5),
            ("ConnID", "006c02462a161006", "006c02462a161006"),
            ("InputMask", "bin: 00 ff", b"\0\xff"),
            ("time", "5.25", (5, 250000)),
            ("time", "5", (5, 0)),
        ):
            self.assertEqual(parseValue(BY_NAME[name], text), value)

    def test_bad(self) -> None:
        """
        Others are refused.
        """
        for name, text in (
            ("CallState", "Fine"),
            ("CallID", "five"),
            ("InfoStatus", "2147483648"),
            ("ConnID", "5"),
            ("InputMask", "00"),
            ("time", "now"),
            ("UserData", "[0]"),
        ):
            self.assertRaises(ValueError, parseValue, BY_NAME[name], text)

    def test_forSending(self) -> None:
        """
        So a request can be made of words.
        """
        words = {"ThisDN": "1001", "OtherDN": "1002", "MakeCallType": "Regular"}
        values = {
            BY_NAME[name].field: parseValue(BY_NAME[name], word)
            for name, word in words.items()
        }
        self.assertEqual(
            RequestMakeCall(**values),
            RequestMakeCall(thisDN="1001", otherDN="1002", makeCallType=0),
        )
