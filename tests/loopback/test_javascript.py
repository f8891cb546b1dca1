"""
A client in another language, written from the specification only, against a real
T-Library port: events, requests, start-up.
"""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from sipcluster.testing.pki import PKI
from sipcluster.tlib.codec import encode
from sipcluster.tlib.enums import CallState, CallType, DNRole
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventRinging,
)
from sipcluster.tlib.messages.base import Opaque
from sipcluster.tserver.itserver import ISnapshot
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList
from tests.loopback.javascript import (
    DATA,
    NOW,
    Echo,
    ServedTestCase,
    acknowledging,
    user,
)

CONN_ID = "006c02462a161006"


def plain(value: Any) -> Any:
    """
    A value as the client writes it in JSON.
    """
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def ringing(**more: Any) -> EventRinging:
    """
    A call rings at 1001.
    """
    given: dict[str, Any] = {
        "time": NOW,
        "connID": CONN_ID,
        "callID": 7,
        "callType": CallType.INBOUND,
        "callState": CallState.OK,
        "thisDN": "1001",
        "thisDNRole": DNRole.DESTINATION,
    }
    return EventRinging(**(given | more))


class EventTests(ServedTestCase):
    """
    What the client gets.
    """

    async def test_everyAttributeAsItWasSent(self) -> None:
        """
        Text, numbers, enumerations, key-value lists, bytes, and attributes that are
        unknown arrive as they were sent; so does an integer that a JavaScript
        number cannot hold.
        """
        server = self.makeServer()
        client = self.client(self.serve(server))
        await client.register("1001")
        server.publish(
            "1001",
            ringing(
                otherDN="+49 30 5550100",
                callID=2**64 - 1,
                userData=DATA,
                thisTrunk=2**53,
                unknown=(
                    (60001, "neu"),
                    (60002, (1, None, True)),
                    (60003, Opaque(b"\x80")),
                ),
            ),
        )
        event = await client.until("event", name="EventRinging")
        self.assertEqual((event["position"], event["reference"]), (2, 0))
        attributes = event["attributes"]
        attributes.pop("60003")
        self.assertEqual(
            attributes,
            {
                "time": list(NOW),
                "ConnID": CONN_ID,
                "CallID": str(2**64 - 1),
                "CallType": "Inbound",
                "CallState": "Ok",
                "ThisDN": "1001",
                "ThisDNRole": "Destination",
                "OtherDN": "+49 30 5550100",
                "ThisTrunk": str(2**53),
                "UserData": plain(DATA),
                "60001": "neu",
                "60002": [1, None, True],
            },
        )

    async def test_registers(self) -> None:
        """
        Registering a DN is answered with its snapshot; from then on its events
        come, and none of others; after unregistering none comes.
        """
        server = self.makeServer()

        @implementer(ISnapshot)
        class Snapshot:
            def snapshot(self, dn: str) -> KVList:
                return (("status", 1), ("conn-1", CONN_ID))

        server.add(Snapshot())
        client = self.client(self.serve(server))
        answer = await client.ask("RequestRegisterAddress", ThisDN="1001")
        self.assertEqual(answer["name"], "EventRegistered")
        self.assertEqual(
            answer["attributes"]["Extensions"], [["status", 1], ["conn-1", CONN_ID]]
        )
        await client.register("1003")
        server.publish("1002", user(1, "1002"))
        server.publish("1001", user(2))
        await client.until("event", name="EventUserEvent")
        await client.ask("RequestUnregisterAddress", ThisDN="1001")
        server.publish("1001", user(3))
        server.publish("1003", user(4, "1003"))
        await client.until("event", position=5)
        seen = [one["attributes"].get("UserEvent") for one in client.events]
        self.assertEqual(seen, [None, None, 2, None, 4])
        self.assertEqual(client.positions(), [1, 2, 3, 4, 5])

    async def test_bigLists(self) -> None:
        """
        A message that fills a frame, in both directions.
        """
        server = self.makeServer()
        echo = Echo([30])

        def changed(request: Any, requester: Requester) -> None:
            server.publish("1001", user(1, userData=request.userData), requester)

        echo.answered = changed
        server.add(echo)
        client = self.client(self.serve(server))
        await client.register("1001")
        many = [[f"KEY{n % 100}", "ä" * (n % 64)] for n in range(800)]
        answer = await client.ask(
            "RequestAttachUserData",
            ThisDN="1001",
            ConnID=CONN_ID,
            UserData=[*many, ["BLOB", {"hex": bytes(8000).hex()}]],
        )
        self.assertEqual(
            answer["attributes"]["UserData"],
            [*many, ["BLOB", {"hex": bytes(8000).hex()}]],
        )
        self.assertGreater(len(encode(echo.asked[0][0])), 60000)

    async def test_inputMask(self) -> None:
        """
        What the mask holds back has no position; answers come all the same.
        """
        server = self.makeServer()
        client = self.client(self.serve(server))
        await client.register("1001")
        bits = bytearray(64)
        bits[96 // 8] = 1 << 96 % 8  # EventUserEvent
        await client.ask("RequestSetInputMask", InputMask={"hex": bits.hex()})
        server.publish("1001", ringing())
        server.publish("1001", user(1))
        await client.until("event", name="EventUserEvent")
        names = [one["name"] for one in client.events]
        self.assertEqual(names, ["EventRegistered", "EventACK", "EventUserEvent"])
        self.assertEqual(client.positions(), [1, 2, 3])


class RequestTests(ServedTestCase):
    """
    What the client asks.
    """

    async def test_answered(self) -> None:
        """
        A request comes through as it was meant, and its answer completes it.
        """
        server = self.makeServer()
        echo = acknowledging(server)
        client = self.client(self.serve(server))
        answer = await client.ask(
            "RequestPrivateService", PrivateMsgID=-5, UserData=plain(DATA)
        )
        self.assertEqual(answer["name"], "EventACK")
        request: Any = echo.asked[0][0]
        self.assertEqual((request.privateMsgID, request.userData), (-5, DATA))

    async def test_refused(self) -> None:
        """
        Each refusal has the field's code: a DN that is not registered, a DN that
        there is not, a request that nobody answers, an attribute that is missing.
        """
        server = self.makeServer()
        server.add(Echo([17]))
        client = self.client(self.serve(server))
        for expected, name, attributes in (
            (41, "RequestReleaseCall", {"ThisDN": "1001", "ConnID": CONN_ID}),
            (59, "RequestRegisterAddress", {"ThisDN": "9999"}),
            (51, "RequestGetAccessNumber", {}),
            (53, "RequestRegisterAddress", {"AddressType": "DN", "ThisDN": None}),
            (53, "RequestRegisterAddress", {"ThisDN": 1001}),
        ):
            failed = await client.until("failed", id=client.request(name, **attributes))
            self.assertEqual((failed["code"], name), (expected, name))

    async def test_many(self) -> None:
        """
        A thousand requests at once are each answered once.
        """
        server = self.makeServer()
        echo = acknowledging(server)
        client = self.client(self.serve(server))
        await client.until("state", state="working")
        ids = [
            client.request("RequestPrivateService", PrivateMsgID=n) for n in range(1000)
        ]
        await client.until("answer", id=ids[-1])
        answered = sorted(one["id"] for one in client.said if one["what"] == "answer")
        self.assertEqual(answered, ids)
        self.assertEqual(len(echo.asked), 1000)


class StartUpTests(ServedTestCase):
    """
    Who may connect.
    """

    async def test_wrongPassword(self) -> None:
        """
        The refusal is told, and the client does not try again.
        """
        server = self.makeServer()
        client = self.client(self.serve(server), password="wrong")
        refused = await client.until("refused")
        self.assertEqual(refused["code"], TErrorCode.BAD_PASSWORD)
        self.assertEqual(await client.ended, 0)
        self.assertEqual(server.counts["connections"], 1)

    async def test_tls(self) -> None:
        """
        The same over TLS, where the certificate is that of the address.
        """
        pki = PKI(self.mktemp())
        server = self.makeServer()
        port = self.serve(server, pki.issue("127.0.0.1"))
        client = self.client(port, "--ca", pki.authority)
        await client.register("1001")
        server.publish("1001", user(1, userData=DATA))
        event = await client.until("event", name="EventUserEvent")
        self.assertEqual(event["attributes"]["UserData"], plain(DATA))

    async def test_tlsOfAnother(self) -> None:
        """
        A certificate for another name is not believed: no byte of ours is sent.
        """
        pki = PKI(self.mktemp())
        server = self.makeServer()
        port = self.serve(server, pki.issue("other.example"))
        client = self.client(port, "--ca", pki.authority)
        trouble = await client.until("trouble")
        self.assertIn("does not match", trouble["why"])
        self.assertEqual(server.counts["sessions"], 0)

    async def test_link(self) -> None:
        """
        It knows whether the telephones can be reached.
        """
        server = self.makeServer()
        client = self.client(self.serve(server))
        await client.until("link", connected=True)
        server.linkChanged(False, "no SIP Proxy")
        await client.until("link", connected=False)

    async def test_orderlyEnd(self) -> None:
        """
        A client that stops ends its session.
        """
        server = self.makeServer()
        client = self.client(self.serve(server))
        await client.until("state", state="working")
        client.order("stop")
        self.assertEqual(await client.ended, 0)
        self.assertEqual(server.status()["clients"], 0)
        self.assertEqual(server.status()["away"], 0)
