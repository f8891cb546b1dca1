"""
Calls as recorders see them: a node with telephones, and clients that have asked for
the events of calls as such.
"""

from __future__ import annotations

from typing import Any

from sipcluster.tlib import enums
from sipcluster.tlib.messages import (
    EventACK,
    EventError,
    Message,
    RequestAttachUserData,
    RequestCompleteTransfer,
    RequestInitiateTransfer,
    RequestStartCallMonitoring,
    RequestStopCallMonitoring,
)
from sipcluster.tserver.call_notices import partyUUID
from tests.memory.desks import DesksTestCase
from tests.memory.telephony import MONITOR, Client
from tests.scenarios.compare import Got
from tests.scenarios.table import NUMBERS

CONNECTED, DIALING, ALERTING = 0xC, 0x1000C, 0xA


class MonitoringTestCase(DesksTestCase):
    """
    Telephones, and a recorder that has registered no DN.
    """

    def setUp(self) -> None:
        super().setUp()
        self.recorder = self.makeClient(self.node.cti.tcport, [], MONITOR)
        self.names: dict[str, str] = {}

    def leave(self) -> None:
        """
        All clients go.
        """
        super().leave()
        if self.recorder.connection is not None:
            self.recorder.leave()

    def start(self, client: Client | None = None) -> None:
        """
        A client asks for the events of calls.
        """
        client = client or self.recorder
        reference = client.request(RequestStartCallMonitoring())
        self.run_(0.1)
        self.assertIsNotNone(client.expect(EventACK, reference=reference))

    def rows(self, client: Client | None = None) -> list[str]:
        """
        What it was told, in lines.
        """
        rows = [self.row(got) for got in (client or self.recorder).take()]
        return [row for row in rows if row]

    def row(self, got: Got) -> str:
        """
        One event: its name, its call, its party and that one's state.
        """
        found: dict[str, Any] = got.attributes
        if not got.name.startswith("EventCall"):
            return ""
        uuid = found["callUUID"]
        name = self.names.setdefault(uuid, f"c{len(self.names) + 1}")
        words = [got.name.removeprefix("EventCall"), name]
        dn = found.get("thisDN")
        if dn:
            self.assertEqual(found["partyUUID"], partyUUID(uuid, dn))
            role = enums.DNRole(found["partyRole"]).label
            words.append(f"{dn}/{role} {found['partyState']:x}")
        if "ctrlParty" in found:
            third = [
                one
                for one in NUMBERS.values()
                if partyUUID(uuid, one) == found["ctrlParty"]
            ]
            words.append(f"by {third[0]}")
        if "refParty" in found:
            old = found["origCallUUID"]
            self.assertEqual(found["refParty"], partyUUID(old, str(dn)))
            words.append(f"from {self.names[old]}")
        if found.get("cause"):
            words.append(enums.CallState(found["cause"]).label)
        if "userData" in found:
            words.append(str(found["userData"]))
        return " ".join(words)

    def ask(self, letter: str, request: Message) -> None:
        """
        The client of a DN asks for something.
        """
        self.clients[letter].request(request)
        self.settle()

    def connID(self, index: int = 0) -> str:
        """
        The ConnID of a call.
        """
        return list(self.node.controller.calls)[index]

    def talk(self) -> None:
        """
        A calls B, who answers.
        """
        self.desks["A"].call(NUMBERS["B"])
        self.settle()
        self.desks["B"].answer()
        self.settle()

    def end(self) -> None:
        """
        A hangs up.
        """
        self.desks["A"].lines[-1].hangUp()
        self.settle()


class CallTests(MonitoringTestCase):
    """
    What is told.
    """

    def test_twoParties(self) -> None:
        """
        A call is there, its parties come, talk and leave, and it is gone.
        """
        self.start()
        self.desks["A"].call(NUMBERS["B"])
        self.settle()
        self.assertEqual(
            self.rows(),
            [
                "Created c1",
                "PartyAdded c1 1001/Origination 1000c",
                "PartyAdded c1 1002/Destination a",
            ],
        )
        self.desks["B"].answer()
        self.settle()
        self.assertEqual(
            self.rows(),
            [
                "PartyState c1 1002/Destination c",
                "PartyState c1 1001/Origination c",
            ],
        )
        self.end()
        self.assertEqual(
            self.rows(),
            [
                "PartyDeleted c1 1001/Origination 0",
                "PartyDeleted c1 1002/Destination 0",
                "Deleted c1",
            ],
        )

    def test_created(self) -> None:
        """
        EventCallCreated says what is known of the call.
        """
        self.start()
        self.desks["A"].call("9" + NUMBERS["O"])
        self.settle()
        created = self.recorder.take()[1]
        self.assertEqual(created.name, "EventCallCreated")
        found = created.attributes
        uuid = found.pop("callUUID")
        self.assertRegex(uuid, "[0-9a-f]{32}")
        self.assertEqual(
            {name: found[name] for name in found if name not in ("time", "callID")},
            {
                "connID": self.connID(),
                "callType": enums.CallType.OUTBOUND,
                "ani": "1001",
                "dnis": "95550100",
                "dialedNumber": "95550100",
                "nodeID": "node1",
                "mediaType": enums.MediaType.VOICE,
            },
        )
        self.desks["O"].ringing.refuse(486)
        self.settle()
        self.assertEqual(
            self.rows()[-4:],
            [
                "PartyDeleted c1 5550100/Destination 0 Busy",
                "PartyState c1 1001/Origination f Busy",
                "PartyDeleted c1 1001/Origination 0 Busy",
                "Deleted c1 Busy",
            ],
        )

    def test_data(self) -> None:
        """
        What is attached is told once, however many parties there are.
        """
        self.talk()
        self.start()
        self.rows()
        self.ask(
            "B",
            RequestAttachUserData(
                thisDN=NUMBERS["B"], connID=self.connID(), userData=(("a", "b"),)
            ),
        )
        self.assertEqual(self.rows(), ["DataChanged c1 (('a', 'b'),)"])
        self.end()

    def test_hold(self) -> None:
        """
        Hold is a state of a party.
        """
        self.talk()
        self.start()
        self.rows()
        self.desks["B"].lines[-1].hold()
        self.settle()
        self.assertEqual(self.rows(), ["PartyState c1 1002/Destination e"])
        self.desks["B"].lines[-1].retrieve()
        self.settle()
        self.assertEqual(self.rows(), ["PartyState c1 1002/Destination c"])
        self.end()

    def test_transfer(self) -> None:
        """
        A party goes from the consultation, which ends by that, into the call.
        """
        self.talk()
        self.start()
        self.rows()
        dn, held = NUMBERS["B"], self.connID()
        self.ask(
            "B",
            RequestInitiateTransfer(thisDN=dn, connID=held, otherDN=NUMBERS["C"]),
        )
        self.desks["C"].answer()
        self.settle()
        got = self.recorder.take()
        created = [one.attributes for one in got if one.name == "EventCallCreated"]
        self.assertEqual([one["origConnID"] for one in created], [held])
        self.assertEqual([self.names[one["origCallUUID"]] for one in created], ["c1"])
        rows = [self.row(one) for one in got]
        self.assertEqual(rows[0], "PartyState c1 1002/Destination e")
        consultation = self.connID(1)
        self.ask(
            "B",
            RequestCompleteTransfer(
                thisDN=dn, connID=held, transferConnID=consultation
            ),
        )
        self.assertEqual(
            self.rows(),
            [
                "PartyDeleted c2 1002/Origination 0 Transferred",
                "PartyDeleted c1 1002/Destination 0 Transferred",
                "PartyMoved c1 1003/Destination c by 1002 from c2 Transferred",
                "Deleted c2 Transferred",
            ],
        )
        self.end()
        self.assertEqual(self.rows()[-1], "Deleted c1")


class AskingTests(MonitoringTestCase):
    """
    Who is told, from when and until when.
    """

    def test_whatThereIs(self) -> None:
        """
        Who asks is told of the calls that there are.
        """
        self.talk()
        self.start()
        self.assertEqual(
            self.rows(),
            [
                "Created c1",
                "PartyAdded c1 1001/Origination c",
                "PartyAdded c1 1002/Destination c",
            ],
        )
        self.start()
        self.assertEqual(len(self.rows()), 3)
        self.end()
        self.assertEqual(len(self.rows()), 3)

    def test_notToldYet(self) -> None:
        """
        What happens to a call of which the client was not told yet comes after it
        was.
        """
        self.talk()
        self.recorder.request(RequestStartCallMonitoring())
        self.end()
        self.assertEqual(
            self.rows(),
            [
                "Created c1",
                "PartyAdded c1 1001/Origination c",
                "PartyAdded c1 1002/Destination c",
                "PartyDeleted c1 1001/Origination 0",
                "PartyDeleted c1 1002/Destination 0",
                "Deleted c1",
            ],
        )

    def test_stop(self) -> None:
        """
        Who wants no more gets no more; who did not want any cannot say so.
        """
        self.start()
        self.recorder.request(RequestStopCallMonitoring())
        self.talk()
        self.end()
        self.assertEqual(self.rows(), [])
        self.assertEqual(self.node.cti.status()["callMonitors"], 0)
        reference = self.recorder.request(RequestStopCallMonitoring())
        error = self.recorder.expect(EventError, reference=reference)
        self.assertEqual(error.errorCode, 43)

    def test_twoPorts(self) -> None:
        """
        At either port, and everybody the same; nobody else is told.
        """
        other = self.makeClient(self.node.cti.default, [], MONITOR)
        self.start()
        self.start(other)
        self.talk()
        self.end()
        rows = self.rows()
        self.assertEqual(len(rows), 8)
        self.assertEqual(self.rows(other), rows)
        other.leave()
        for client in self.clients.values():
            self.assertEqual(self.rows(client), [])

    def test_gone(self) -> None:
        """
        When all have gone, nothing is kept of calls.
        """
        self.start()
        self.talk()
        self.assertEqual(len(self.node.cti.monitoring._notices.calls), 1)
        self.recorder.leave()
        self.assertEqual(self.node.cti.monitoring._notices.calls, {})
        self.end()
