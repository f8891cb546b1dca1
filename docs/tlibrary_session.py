"""
Writes section "A session by hand" of C{docs/protocols/tlibrary.md}: a session with a
real port, on a clock that is moved by hand, so that it is the same each time.

C{PYTHONPATH=. python docs/tlibrary_session.py}
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field
from twisted.internet.task import Clock
from zope.interface import implementer

from sipcluster.testing.clock import runFor
from sipcluster.tlib.codec import decode, encode
from sipcluster.tlib.enums import AddressType, CallState, CallType, DNRole
from sipcluster.tlib.messages import (
    EventEstablished,
    EventReleased,
    EventRinging,
    LinkClosing,
    LinkPollAnswer,
    Message,
    RequestAnswerCall,
    RequestRegisterAddress,
    RequestRegisterClient,
    RequestReleaseCall,
)
from sipcluster.tlib.text import render
from sipcluster.tserver.itserver import (
    ClientView,
    IAddresses,
    IConnection,
    IRequests,
    ISnapshot,
)
from sipcluster.tserver.limits import Application
from sipcluster.tserver.server import TServer
from sipcluster.wire.correlation import Requester
from sipcluster.wire.frames import FrameReader
from sipcluster.wire.kvlist import KVList

PAGE = Path(__file__).parent / "protocols" / "tlibrary.md"
MARKS = (
    '<!-- Session begin: made by "python docs/tlibrary_session.py" -->\n',
    "<!-- Session end -->\n",
)

#: 20 November 2026, 09:00 UTC.
NINE = 1_795_165_200.0

CONN_ID = "006c02462a161006"
CALL_UUID = "4f6d1c3e8a5b42d79e0f1a2b3c4d5e6f"
SESSION_ID = "00112233445566778899aabbccddeeff"


@define
@implementer(IConnection)
class _Line:
    """
    A connection in memory.

    @ivar written: what the server has sent.
    """

    peer: str = "192.0.2.17:51234"
    written: bytearray = field(factory=bytearray)

    def write(self, data: bytes) -> None:
        self.written += data

    def pauseReading(self) -> None:
        """
        Nothing comes by itself.
        """

    def resumeReading(self) -> None:
        """
        As above.
        """

    def close(self) -> None:
        """
        The page says it in words.
        """

    def abort(self) -> None:
        """
        As above.
        """


@implementer(IAddresses, IRequests, ISnapshot)
class _Switch:
    """
    A switch with one call.
    """

    numbers = frozenset((RequestAnswerCall.number, RequestReleaseCall.number))

    def __init__(self) -> None:
        self.clock = Clock()
        self.server = TServer(
            "TCport",
            self.clock,
            lambda: NINE + self.clock.seconds(),
            lambda count: bytes.fromhex(SESSION_ID)[:count],
            {"desktop": Application("desktop", "secret")},
            self,
            handlers=[self],
            snapshots=[self],
            location="berlin",
            version="sipcluster 0.1",
        )

    def addressType(self, dn: str) -> AddressType | None:
        return AddressType.DN if dn in ("1001", "1002") else None

    def snapshot(self, dn: str) -> KVList:
        return (("status", 0), ("AgentStatus", 0))

    def event(self, cls: type[Message], **more: object) -> Message:
        """
        An event of the call.
        """
        return cls(
            time=self.server.now(),
            connID=CONN_ID,
            callID=7,
            callUUID=CALL_UUID,
            callType=CallType.INTERNAL,
            callState=CallState.OK,
            thisDN="1001",
            thisDNRole=DNRole.DESTINATION,
            otherDN="1002",
            otherDNRole=DNRole.ORIGINATION,
            **more,
        )

    def requested(
        self, request: Message, requester: Requester, client: ClientView
    ) -> None:
        runFor(self.clock, 0.25)
        self.server.publish("1001", self.event(EventEstablished), requester)


class _Telling:
    """
    Plays the session, and tells of it.

    @ivar frames: every frame so far: who sent it, and its bytes with the length;
        None between two connections.
    """

    def __init__(self) -> None:
        self.switch = _Switch()
        self.frames: list[tuple[str, bytes] | None] = []
        self.lines: list[str] = []
        self.connect()

    def connect(self) -> None:
        """
        Begin a connection.
        """
        self.line = _Line()
        self.user = self.switch.server.connectionMade(self.line)

    def say(self, *lines: str) -> None:
        """
        Write down some words.
        """
        self.lines += ["", *lines]

    def client(self, message: Message, position: int = 0, reference: int = 0) -> None:
        """
        The client sends a message.
        """
        data = _shortest(encode(message, position, reference))
        self._frame("client", data)
        self.user.dataReceived(data)
        self.wait(0.01)

    def wait(self, seconds: float) -> None:
        """
        Let time go by, and hear what the server has to say.
        """
        runFor(self.switch.clock, seconds)
        reader = FrameReader()
        reader.receive(bytes(self.line.written))
        self.line.written.clear()
        while (payload := reader.nextFrame()) is not None:
            self._frame("server", struct.pack(">I", len(payload)) + payload)

    def _frame(self, sender: str, data: bytes) -> None:
        self.frames.append((sender, data))
        envelope = decode(data[4:])
        text = render(envelope.message, envelope.position, envelope.reference)
        self.lines += ["", f"{sender.capitalize()}:", "", "```text"]
        self.lines += [line.rstrip() for line in text.splitlines()]
        self.lines += ["```", "```hex", *_hex(data), "```"]


def _shortest(data: bytes) -> bytes:
    """
    A frame with its head as short as MessagePack allows: as clients may write it.
    """
    envelope = decode(data[4:])
    assert envelope.position < 128 and envelope.reference < 128
    payload = bytes((0x94, envelope.position, envelope.reference)) + data[19:]
    return struct.pack(">I", len(payload)) + payload


def _hex(data: bytes) -> Iterator[str]:
    yield data[:4].hex(" ")
    for start in range(4, len(data), 24):
        yield data[start : start + 24].hex(" ")


def play() -> _Telling:
    """
    Play the session.
    """
    t = _Telling()
    switch = t.switch
    t.say(
        "An application watches DN 1001. Each frame is given as text, where secrets",
        "are masked and the position is called EventSequenceNumber, and as bytes:",
        "first its length, then the payload.",
    )
    t.say(
        "The client has opened the connection. It proposes to be polled after 20",
        "seconds of silence, and has no session to resume:",
    )
    t.client(
        RequestRegisterClient(
            applicationName="desktop",
            applicationPassword="secret",
            protocolVersion=1,
            keepAlive=20,
        ),
        reference=1,
    )
    t.say(
        "In the client's bytes, `94` begins the array of four: position `00`,",
        "reference `01`, number `00`, and `84`, a map of four attributes. The server",
        "writes position and reference in eight and four bytes.",
        "",
        "The client registers the DN and is told its present state. This is the first",
        "message with a position:",
    )
    t.client(RequestRegisterAddress(thisDN="1001"), 0, 2)
    t.say("A call rings at 1001; customer data are attached to it:")
    data: KVList = (("CUSTOMER", "4711"), ("VIP", 1), ("CUSTOMER", "0815"))
    ringing = switch.event(EventRinging, ani="1002", dnis="1001", userData=data)
    switch.server.publish("1001", ringing)
    t.wait(0.01)
    t.say(
        "The client lets the telephone answer. Position 2 acknowledges what came so",
        "far. The answer is the event that everybody gets, with the reference 3:",
    )
    t.client(RequestAnswerCall(thisDN="1001", connID=CONN_ID), 2, 3)
    t.say("A request for a DN that the client has not registered:")
    t.client(RequestReleaseCall(thisDN="1002", connID=CONN_ID), 3, 4)
    t.say("After 20 seconds of silence the server asks, and the client answers:")
    t.wait(20)
    t.client(LinkPollAnswer(), 4)
    t.say(
        "The network breaks the connection. While the client is away, the call ends.",
        "It connects again within the minute, with the session's id and epoch, and",
        "says that it has handled position 4. What it has missed follows, and nothing",
        "else:",
    )
    t.user.connectionLost("gone")
    t.frames.append(None)
    runFor(switch.clock, 2)
    switch.server.publish("1001", switch.event(EventReleased))
    t.connect()
    t.client(
        RequestRegisterClient(
            applicationName="desktop",
            applicationPassword="secret",
            protocolVersion=1,
            keepAlive=20,
            sessionID=SESSION_ID,
            epoch=switch.server.epoch,
        ),
        4,
        5,
    )
    t.say("The client has had enough. The session is gone with this message:")
    t.client(LinkClosing(), 5)
    return t


def page() -> str:
    """
    The page with the session as it is now.
    """
    before, begin, rest = PAGE.read_text().partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    assert begin and end, "the marks of the session are gone"
    return before + begin + "\n".join([*play().lines, "", end]) + after


if __name__ == "__main__":
    PAGE.write_text(page())
