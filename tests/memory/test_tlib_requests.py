"""
What T-Library clients ask of calls besides the scenarios: at the wrong time, for the
wrong DN, at the wrong port; and what they are told of calls that go on already.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from sipcluster.tlib import messages
from sipcluster.tlib.enums import (
    AddressInfoType,
    CallInfoType,
    CallState,
    CallType,
    DNRole,
)
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import Message
from tests.memory.telephony import MONITOR, Client, TelephonyTestCase
from tests.scenarios.compare import Got

A, B, C = "1001", "1002", "1003"


class RequestTestCase(TelephonyTestCase):
    """
    A calls B.
    """

    def calls(self) -> str:
        """
        B rings.

        @return: the ConnID.
        """
        self.telephones["A"].call(B)
        self.settle()
        dialing = self.take("A")[-1]
        assert isinstance(dialing.message, messages.EventDialing)
        self.take("B")
        assert dialing.message.connID is not None
        return dialing.message.connID

    def talk(self) -> str:
        """
        A and B talk.
        """
        connID = self.calls()
        self.telephones["B"].answer()
        self.settle()
        self.take("A")
        self.take("B")
        return connID

    def end(self) -> None:
        """
        A ends its call.
        """
        telephone = self.telephones["A"]
        if telephone.talks:
            telephone.hangUp()
        else:
            telephone.giveUp()
        self.settle()
        self.assertNoCall()

    def take(self, letter: str) -> list[Got]:
        """
        What has come to the client of a DN.
        """
        return self.clients[letter].take()

    def ask(self, client: Client, request: Message, seconds: float = 0.0) -> Any:
        """
        What a client is answered.
        """
        reference = client.request(request)
        self.settle()
        if seconds:
            self.run_(seconds)
            self.settle()
        (answer,) = (one for one in client.take() if one.reference == reference)
        return answer.message

    def refused(self, client: Client, request: Message, seconds: float = 0.0) -> str:
        """
        With which code a request is refused.
        """
        answer = self.ask(client, request, seconds)
        self.assertIsInstance(answer, messages.EventError)
        return TErrorCode(answer.errorCode).name


class SnapshotTests(RequestTestCase):
    """
    Clients that come when there is a call already.
    """

    def register(self, port: str, *dns: str) -> dict[str, Any]:
        """
        What a new client is told of the last of some DNs.
        """
        client = Client(self.node.cti.ports[port][0], self.now, MONITOR)
        client.connect()
        registered = client.register(*dns)
        client.leave()
        return dict(registered.extensions or ())

    def test_idle(self) -> None:
        """
        Of an idle DN the default port tells nothing, the TCport what it keeps.
        """
        self.assertEqual(self.register("default", A), {})
        self.assertEqual(self.register("TCport", A)["AgentStatus"], 0)
        self.assertNotIn("conn-1", self.register("TCport", A))

    def test_states(self) -> None:
        """
        The call of a DN, its type and the state of the DN in it are told while
        it dials and rings, talks, and holds.
        """
        self.node.cti.controller.deviceInService(A)
        self.assertEqual(self.register("TCport", A)["status"], 0)
        connID = self.calls()
        for port in ("default", "TCport"):
            for dn, state in ((A, 0x1000C), (B, 0xA)):
                found = self.register(port, dn)
                self.assertEqual(found["conn-1"], connID)
                self.assertEqual(found["ct-1"], CallType.INTERNAL)
                self.assertEqual(found["ps-1"], state)
        self.telephones["B"].answer()
        self.settle()
        self.assertEqual(self.register("TCport", A)["ps-1"], 0xC)
        self.assertEqual(self.register("TCport", A)["status"], 1)
        self.telephones["B"].hold()
        self.settle()
        self.assertEqual(self.register("default", B)["ps-1"], 0xE)
        self.assertEqual(self.register("default", A)["ps-1"], 0xC)
        self.end()
        self.assertEqual(self.register("default", A), {})


class QueryTests(RequestTestCase):
    """
    Queries about calls.
    """

    def test_queryCall(self) -> None:
        """
        The parties of a call, and what is attached to it.
        """
        connID = self.calls()
        self.ask(
            self.clients["A"],
            messages.RequestAttachUserData(
                thisDN=A, connID=connID, userData=(("a", 1),)
            ),
        )
        self.take("B")
        answer = self.ask(
            self.clients["B"],
            messages.RequestQueryCall(
                thisDN=B, connID=connID, callInfoType=CallInfoType.PARTIES_QUERY
            ),
        )
        self.assertIsInstance(answer, messages.EventPartyInfo)
        self.assertEqual(answer.userData, (("a", 1),))
        self.assertEqual((answer.ani, answer.dnis), (A, B))
        self.assertEqual(
            dict(answer.extensions),
            {
                "parties": 2,
                "dn-1": A,
                "role-1": DNRole.ORIGINATION,
                "ps-1": 0x1000C,
                "dn-2": B,
                "role-2": DNRole.DESTINATION,
                "ps-2": 0xA,
            },
        )
        self.end()

    def test_queryAddress(self) -> None:
        """
        Whether a DN, registered or not, has calls, and which.
        """
        connID = self.calls()
        for letter in "AC":
            answer = self.ask(
                self.clients[letter],
                messages.RequestQueryAddress(
                    thisDN=B, addressInfoType=AddressInfoType.CALLS_QUERY
                ),
            )
            self.assertEqual(answer.infoStatus, 1)
            self.assertEqual(dict(answer.extensions)["conn-1"], connID)
        self.end()

    def test_monitorMayAsk(self) -> None:
        """
        Who may only watch may query, and control nothing.
        """
        connID = self.calls()
        witness = self.witnesses["default"]
        answer = self.ask(witness, messages.RequestQueryCall(thisDN=B, connID=connID))
        self.assertIsInstance(answer, messages.EventPartyInfo)
        self.assertEqual(
            self.refused(witness, messages.RequestReleaseCall(thisDN=B, connID=connID)),
            "UNSUPPORTED_OPERATION",
        )
        self.end()


class RefusedTests(RequestTestCase):
    """
    Requests that are refused, and change nothing.
    """

    def test_wrongParty(self) -> None:
        """
        A DN that the client has not registered; a ConnID that there is not; a
        call that is not the DN's.
        """
        connID = self.talk()
        client = self.clients["A"]
        for kind in (
            messages.RequestReleaseCall,
            messages.RequestHoldCall,
            messages.RequestAnswerCall,
            messages.RequestClearCall,
            messages.RequestDeleteUserData,
            messages.RequestQueryCall,
        ):
            for request, code in (
                (kind(thisDN=B, connID=connID), "NOT_REGISTERED"),
                (kind(thisDN=A, connID="0" * 16), "INVALID_CONNID"),
                (kind(thisDN=A), "INVALID_ATTRIBUTE"),
            ):
                self.assertEqual(self.refused(client, request), code, str(request))
            self.assertEqual(
                self.refused(self.clients["C"], kind(thisDN=C, connID=connID)),
                "INVALID_CONNID",
            )
        self.assertEqual(self.take("B"), [])
        self.end()

    def test_neverSupported(self) -> None:
        """
        What only several switches need is not supported; nor, at the port of
        desktops, what is for routing clients.
        """
        connID = self.talk()
        for request in (
            messages.RequestGetAccessNumber(),
            messages.RequestNetworkTransfer(),
            messages.RequestPrivateService(thisDN=A, privateMsgID=7),
            messages.RequestRouteCall(thisDN=A, connID=connID, otherDN=C),
        ):
            self.assertEqual(
                self.refused(self.clients["A"], request), "UNSUPPORTED_OPERATION"
            )
        self.end()

    def test_agentsAtTheDefaultPort(self) -> None:
        """
        The default port knows no agents.
        """
        client = self.makeClient(self.node.cti.default, [C])
        for request in (
            messages.RequestAgentLogin(thisDN=C, agentID="4711"),
            messages.RequestSetDNDOn(thisDN=C),
        ):
            self.assertEqual(self.refused(client, request), "UNSUPPORTED_OPERATION")
        client.leave()

    def test_redirectedNowhere(self) -> None:
        """
        A call that cannot be redirected rings on.
        """
        connID = self.calls()
        client = self.clients["B"]
        for other, wanted in (
            ("1999", "INVALID_CALLED_DN"),
            (A, "DN_BUSY"),
            (B, "INVALID_CALLED_DN"),
        ):
            code = self.refused(
                client,
                messages.RequestRedirectCall(thisDN=B, connID=connID, otherDN=other),
            )
            self.assertEqual(code, wanted, other)
        self.telephones["B"].answer()
        self.settle()
        self.assertEqual(
            self.refused(
                client,
                messages.RequestRedirectCall(thisDN=B, connID=connID, otherDN=C),
            ),
            "WRONG_SET_STATE",
        )
        self.end()

    def test_telephoneThatCannotBeToldToAnswer(self) -> None:
        """
        A telephone that does not know C{Event: talk} rings on, and is answered by
        hand.
        """
        connID = self.calls()
        self.telephones["B"].autoAnswer = False
        self.assertEqual(
            self.refused(
                self.clients["B"],
                messages.RequestAnswerCall(thisDN=B, connID=connID),
            ),
            "UNSUPPORTED_OPERATION",
        )
        self.telephones["B"].answer()
        self.settle()
        self.end()

    def test_callerDoesNotAnswer(self) -> None:
        """
        A call whose caller does not lift its telephone is not made.
        """
        self.telephones["A"].autoAnswer = False
        client = self.clients["A"]
        self.assertEqual(
            self.refused(
                client, messages.RequestMakeCall(thisDN=A, otherDN=B), seconds=30
            ),
            "NO_ANSWER",
        )
        self.settle()
        self.assertNoCall()
        self.assertEqual(self.take("B"), [])

    def test_callerGivesUpItself(self) -> None:
        """
        A client cannot release what is no call yet; the telephone that hangs up
        while it is called makes the request fail.
        """
        self.telephones["A"].autoAnswer = False
        client = self.clients["A"]
        reference = client.request(messages.RequestMakeCall(thisDN=A, otherDN=B))
        self.settle()
        self.telephones["A"].refuse(603)
        self.settle()
        (got,) = client.take()
        self.assertEqual(got.reference, reference)
        self.assertEqual(got.attributes["errorCode"], TErrorCode.CALL_REJECTED)
        self.assertNoCall()


class _Slow:
    """
    A dial plan that takes its time.
    """

    def __init__(self, plan: Any) -> None:
        self._plan = plan

    def route(self, asked: Any) -> Deferred[Any]:
        return Deferred()

    def instead(self, asked: Any, destination: Any, cause: Any) -> None:
        return None


class BeforeAnythingRingsTests(RequestTestCase):
    """
    A caller who gives up before anything rings.
    """

    def test_givenUp(self) -> None:
        """
        It is told at once that it dials, of a type that is not known yet, and is
        released; nobody else hears of it.
        """
        self.node.controller._plan = _Slow(  # type: ignore[assignment]
            self.node.controller._plan
        )
        self.telephones["A"].call(B)
        self.settle()
        self.run_(1)
        hook, dialing = self.take("A")
        self.assertEqual(hook.name, "EventOffHook")
        self.assertEqual(dialing.name, "EventDialing")
        self.assertEqual(dialing.attributes["callType"], CallType.UNKNOWN)
        self.telephones["A"].giveUp()
        self.settle()
        released, hook = self.take("A")
        self.assertEqual(released.name, "EventReleased")
        self.assertEqual(released.attributes["callState"], CallState.OK)
        self.assertEqual(released.attributes["otherDN"], B)
        self.assertEqual(hook.name, "EventOnHook")
        self.assertEqual(self.take("B"), [])
        self.assertNoCall()


class AnswerTests(RequestTestCase):
    """
    Whose copy of an event answers.
    """

    def test_oneOfTwoClients(self) -> None:
        """
        Of two clients of a DN the one that asked gets the event with its
        ReferenceID, the other one gets it without.
        """
        connID = self.talk()
        other = self.makeClient(self.node.cti.tcport, [A])
        other.request(messages.RequestQueryCall(thisDN=A, connID=connID))
        other.take()
        reference = self.clients["A"].request(
            messages.RequestHoldCall(thisDN=A, connID=connID)
        )
        self.settle()
        (mine,), (theirs,) = self.take("A"), other.take()
        self.assertEqual((mine.reference, theirs.reference), (reference, 0))
        self.assertEqual(mine.message, theirs.message)
        other.leave()
        self.end()

    def test_askedTwice(self) -> None:
        """
        A request that is sent again is not done again: its answer is.
        """
        connID = self.talk()
        client = self.clients["A"]
        request = messages.RequestAttachUserData(
            thisDN=A, connID=connID, userData=(("a", 1),)
        )
        reference = client.request(request)
        self.settle()
        (first,) = client.take()
        client.request(request, reference)
        self.settle()
        again = client.all[-1]
        self.assertEqual((again.reference, again.message), (reference, first.message))
        self.assertEqual(len(self.take("B")), 1)
        client.all.pop()
        client._times.pop()
        client._taken = len(client.all)
        self.end()

    def test_askerHasGone(self) -> None:
        """
        What a client asked for happens, also when its connection is lost
        meanwhile; the answer waits for it.
        """
        connID = self.talk()
        client = self.clients["A"]
        reference = client.request(messages.RequestHoldCall(thisDN=A, connID=connID))
        client.drop()
        self.settle()
        self.assertEqual(len(self.clients["B"].take()), 0)
        client.resume()
        held = client.expect(messages.EventHeld, reference=reference)
        self.assertEqual(held.connID, connID)
        self.end()

    def test_digitsArrive(self) -> None:
        """
        The telephone of the other party gets the digits in their order.
        """
        connID = self.talk()
        request = messages.RequestSendDTMF(thisDN=A, connID=connID, dtmfDigits="1#")
        self.clients["A"].request(request)
        for _ in range(20):
            self.settle()
            self.run_(0.1)
        self.assertEqual(self.take("A")[-1].name, "EventDTMFSent")
        found = [
            body.split(b"\r\n")[0].partition(b"=")[2]
            for body in self.telephones["B"].digits
        ]
        self.assertEqual(found, [b"1", b"#"])
        self.assertEqual(self.telephones["A"].digits, [])
        self.end()
