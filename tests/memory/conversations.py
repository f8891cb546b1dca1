"""
Telephones with many lines, and what their calls come to: for tests of calls that meet.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred

from sipcluster.sessioncontroller.controller import SessionController
from sipcluster.sessioncontroller.events import CallEvent, Cause, Role, Updated
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sip.message import Message, Request, Response
from sipcluster.sip.sdp import directionOf, mediaOf
from sipcluster.testing.sip_peer import Phone, SIPPeer
from sipcluster.testing.telephone import Telephone, settle
from tests.memory.controls import WHO, ControlTestCase
from tests.memory.nodes import DOMAIN, PROXY1, PROXY2, TRUNK

#: Their numbers, and the addresses that they have.
NUMBERS = {"A": "1001", "B": "1002", "C": "1003", "D": "1004", "O": "4930123"}


#: What stands for the usual roles.
ROLES = {Role.ORIGINATION: "orig", Role.DESTINATION: "dest", Role.UNKNOWN: "?"}

_LETTERS = {number: letter for letter, number in NUMBERS.items()}


def who(dn: str, role: Role) -> str:
    """
    Somebody in a call, in a few letters.
    """
    return f"{_LETTERS.get(dn, dn)}/{ROLES.get(role, role.value)}"


class Line(Telephone):
    """
    One line of a telephone: one call at a time.

    @ivar said: the last SDP that it has sent.
    @ivar refusesChanges: statuses with which it answers the next re-INVITEs.
    @ivar deaf: it answers no re-INVITE.
    @ivar busyWith: requests that it does not answer.
    @ivar acknowledges: it sends ACKs.
    """

    def __init__(self, phone: Phone, name: str, port: int) -> None:
        super().__init__(phone, name, port)
        self.said = b""
        self.refusesChanges: list[int] = []
        self.deaf = False
        self.busyWith: set[bytes] = set()
        self.acknowledges = True
        self._before = self._last = self.direction

    @property
    def port(self) -> int:
        """
        Where its media are.
        """
        return self._port

    @property
    def heard(self) -> bytes:
        """
        The last SDP that it got.
        """
        return self.offers[-1] if self.offers else b""

    @property
    def hears(self) -> int:
        """
        The port of the one whom it hears; 0: nobody.
        """
        return _port(self.heard, b"sendrecv", b"sendonly")

    @property
    def speaksTo(self) -> int:
        """
        The port of the one to whom it speaks; 0: nobody.
        """
        return _port(self.heard, b"sendrecv", b"recvonly")

    @property
    def free(self) -> bool:
        """
        Whether it was not used yet.
        """
        return not self._callIDs

    def has(self, callID: bytes) -> bool:
        """
        Whether it has a call.
        """
        return callID in self._callIDs

    def description(self, direction: str = "") -> bytes:
        """
        Its SDP.
        """
        self.said = super().description(direction)
        return self.said

    def begins(self, invite: Request) -> None:
        """
        It calls with an INVITE that was made elsewhere.
        """
        self._calls = self.phone.invite = invite
        self._callIDs.add(invite.callID)

    def refer(self, to: bytes) -> Request:
        """
        Ask the other side to call somebody.

        @param to: the value of Refer-To.
        """
        return self.phone.within(b"REFER", ((b"Refer-To", to),))

    def received(self, message: Message) -> None:
        """
        Do what the message wants.
        """
        if isinstance(message, Request) and message.method in self.busyWith:
            return
        super().received(message)

    def _reinvite(self, offers: bool = True) -> None:
        self._before, self._last = self._last, self.direction
        super()._reinvite(offers)

    def _responded(self, response: Response) -> None:
        asks = self._reinvites is not None
        super()._responded(response)
        if asks and self._reinvites is None and response.status >= 300:
            # It is as it was before.
            self.direction = self._last = self._before

    def _acknowledge(self, invite: Request) -> None:
        if self.acknowledges:
            super()._acknowledge(invite)

    def _invited(self, invite: Request) -> None:
        if invite.toTag and self.deaf:
            return
        if invite.toTag and self.refusesChanges:
            if invite.body:
                self.offers.pop()  # it hears whom it has heard
            self.phone.refuse(invite, self.refusesChanges.pop(0))
            return
        super()._invited(invite)


def _port(body: bytes, *directions: bytes) -> int:
    if not body or directionOf(body) not in directions:
        return 0
    return mediaOf(body)[0].port


def replacing(line: Line, target: str = "1003") -> str:
    """
    The Refer-To that speaks of the call of a line.
    """
    dialog = line.phone.dialog
    assert dialog is not None
    replaces = (
        f"{dialog.callID.decode().replace('@', '%40')}"
        f"%3Bto-tag%3D{dialog.remoteTag.decode()}"
        f"%3Bfrom-tag%3D{dialog.localTag.decode()}"
    )
    return f"<sip:{target}@{DOMAIN}?Replaces={replaces}>"


class Desk:
    """
    A telephone with as many lines as are needed; each call has one of its own.

    @ivar lines: those that were used, in order.
    @ivar autoAnswer: lines heed what asks them to answer by themselves.
    @ivar refuses: the status with which the next new call is answered; 0: it rings.
    """

    #: What its lines are.
    lineClass = Line

    def __init__(self, phone: Phone, name: str, port: int) -> None:
        self._phone = phone
        self._name = name
        self._port = port
        self.lines: list[Line] = []
        self.autoAnswer = True
        self.refuses = 0

    @property
    def number(self) -> str:
        """
        Its number.
        """
        return self._phone.number

    def newLine(self) -> Line:
        """
        One that has no call.
        """
        phone = evolve(self._phone, dialog=None, invite=None, challenges=[])
        at = len(self.lines)
        line = self.lineClass(phone, f"{self._name}{at}", self._port + 2 * at)
        line.autoAnswer = self.autoAnswer
        self.lines.append(line)
        return line

    def call(self, number: str, domain: str = "") -> Line:
        """
        Dial a number.
        """
        line = self.newLine()
        line.call(number, domain)
        return line

    @property
    def ringing(self) -> Line:
        """
        The line that rings.
        """
        (line,) = (line for line in self.lines if line.rings is not None)
        return line

    def answer(self) -> Line:
        """
        Take the call that rings.
        """
        line = self.ringing
        line.answer()
        return line

    # As telephones are settled.

    def owns(self, message: Message) -> bool:
        """
        Whether a message is for it.
        """
        if any(line.has(message.callID) for line in self.lines):
            return True
        if not isinstance(message, Request) or message.toTag:
            return False
        wanted = b":" + self.number.encode()
        return message.uri.partition(b"@")[0].endswith(wanted)

    def _lineFor(self, message: Message) -> Line:
        for line in self.lines:
            if line.has(message.callID):
                return line
        line = self.newLine()
        line.refuses, self.refuses = self.refuses, 0
        assert line.owns(message)
        return line

    def reached(self, address: str, peer: SIPPeer) -> None:
        """
        It is reached through this SIP Proxy: each line answers the same way.
        """
        self._reached = address, peer

    def received(self, message: Message) -> None:
        """
        Do what the message wants.
        """
        line = self._lineFor(message)
        line.reached(*self._reached)
        line.received(message)


class Meeting(ControlTestCase):
    """
    Looks at telephones in calls, and at what was told of them.

    @ivar desks: the telephones, by letter.
    @ivar names: of calls in what L{row} says, by ConnID: c1, c2, in the order in
        which events told of them.
    """

    desks: dict[str, Desk]
    names: dict[str, str]

    @property
    def controller(self) -> SessionController:
        """
        What can be asked.
        """
        return self.node.controller

    def legOf(self, letter: str, connID: str) -> Leg:
        """
        The leg of a telephone in a call.
        """
        (leg,) = (
            leg
            for leg in self.controller.calls[connID].telephones
            if leg.party.view.thisDN == NUMBERS[letter] and leg.party.live
        )
        return leg

    def line(self, letter: str, connID: str) -> Line:
        """
        The line with which a telephone is in a call.
        """
        callID = self.legOf(letter, connID).callID
        (line,) = (one for one in self.desks[letter].lines if one.has(callID))
        return line

    def assertTalk(self, connID: str, one: str, other: str) -> None:
        """
        Two telephones hear each other, and both know that they do.
        """
        this, that = self.line(one, connID), self.line(other, connID)
        self.assertEqual(
            (this.hears, this.speaksTo, that.hears, that.speaksTo),
            (that.port, that.port, this.port, this.port),
        )
        self.assertTrue(this.talks and that.talks)
        for leg in self.controller.calls[connID].telephones:
            self.assertTrue(leg.joined)

    def assertSilent(self, connID: str, *letters: str) -> None:
        """
        These telephones hear nobody, and nobody hears them.
        """
        for letter in letters:
            line = self.line(letter, connID)
            self.assertEqual((line.hears, line.speaksTo), (0, 0), letter)

    def row(self, event: CallEvent) -> str:
        """
        One event in a line: its call, name, who, whom, the third party, what brought
        it about, from where, and a C{!} where it answers a request.
        """
        view = event.party
        name = self.names.setdefault(view.connID, f"c{len(self.names) + 1}")
        words = [
            name,
            type(event).__name__,
            who(view.thisDN, view.thisRole),
            who(view.otherDN, view.otherRole),
        ]
        if event.third is not None:
            words.append(f"by {who(event.third.dn, event.third.role)}")
        cause = getattr(event, "cause", event.why)
        if cause is not Cause.OK:
            words.append(cause.value)
        if view.previousConnID:
            previous = self.names.get(view.previousConnID, "?")
            words.append(f"from {previous}")
        if event.requester is not None:
            words.append("!")
        return " ".join(words)


class Conversation(Meeting):
    """
    Telephones A, B and C, and O behind a trunk, and a node that is asked by the test.
    """

    def setUp(self) -> None:
        super().setUp()
        far = self.phone(NUMBERS["O"], TRUNK)
        far.password = b""
        phones = {"A": self.alice, "B": self.bob, "C": self.carol, "O": far}
        self.desks = {
            letter: Desk(phone, f"phone{letter}", 4000 + 100 * index)
            for index, (letter, phone) in enumerate(phones.items())
        }
        self.names: dict[str, str] = {}
        self.looked = 0

    # Going on

    def settle(self) -> None:
        """
        Let all that is under way arrive, and the telephones do what it wants.
        """
        peers = {PROXY1: self.peer, PROXY2: self.peer2}
        settle(peers, list(self.desks.values()))

    def pass_(self, seconds: float) -> None:
        """
        Let time pass, in which telephones go on.
        """
        for _ in range(int(seconds * 10)):
            self.run_(0.1)
            self.settle()

    def dial(self, letter: str, to: str) -> str:
        """
        A telephone calls another one, which rings.

        @return: the ConnID.
        """
        before = set(self.controller.calls)
        number = to if to[:1].isdigit() else NUMBERS[to]
        if to == "O":
            number = f"9{number}"
        self.desks[letter].call(number, DOMAIN if letter == "O" else "")
        self.settle()
        (connID,) = set(self.controller.calls) - before
        return connID

    def answer(self, letter: str) -> Line:
        """
        A telephone takes the call that rings.
        """
        line = self.desks[letter].answer()
        self.settle()
        return line

    def talk(self, letter: str, to: str) -> str:
        """
        A telephone calls another one, which answers.

        @return: the ConnID.
        """
        connID = self.dial(letter, to)
        self.answer(to)
        return connID

    def consult(self, letter: str, connID: str, to: str, answers: bool = True) -> str:
        """
        A telephone's DN consults about a call by request.

        @return: the ConnID of the consultation.
        """
        number = f"9{NUMBERS[to]}" if to == "O" else NUMBERS[to]
        dn = NUMBERS[letter]
        asked = self.controller.consult(dn, connID, number, requester=WHO)
        self.settle()
        consultation: str = self.successResultOf(asked)
        if answers:
            self.answer(to)
        return consultation

    def done(self, asked: Deferred[Any]) -> Any:
        """
        What was asked was done, and all telephones know it.
        """
        self.settle()
        return self.successResultOf(asked)

    def endAll(self) -> None:
        """
        Everybody hangs up.
        """
        for desk in self.desks.values():
            for line in desk.lines:
                if line.talks:
                    line.hangUp()
                    self.settle()
        self.run_(40)
        self.settle()
        self.assertNoCall()

    # Looking

    def rows(self, dn: str = "") -> list[str]:
        """
        All events since the last time, or those of a DN, without C{Updated}.
        """
        self.pump()
        new = self.sink.events[self.looked :]
        self.looked = len(self.sink.events)
        rows = [
            (event.party.thisDN, self.row(event))
            for event in new
            if not isinstance(event, Updated)
        ]
        return [row for one, row in rows if dn in ("", one)]

    def eventsOf(self, letter: str) -> list[str]:
        """
        All events of a telephone's DN from the beginning, without those that the far
        end's own news are.
        """
        dn = NUMBERS[letter]
        return [
            self.row(event)
            for event in self.sink.events
            if event.party.thisDN == dn
            and type(event).__name__ not in ("Progressed", "Updated")
        ]
