"""
Whatever the far ends of a call do, in whatever order, nothing breaks and nothing
is left.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from sipcluster.sessioncontroller.events import CallEvent, Cause
from sipcluster.sessioncontroller.values import decodeCall, encodeCall
from sipcluster.sip.dialog import Dialog
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.message import Request, Response
from sipcluster.sip.sanity import checkRequest, checkResponse
from sipcluster.testing.sip_peer import Phone, SIPPeer, sdp
from tests.memory.nodes import PROXY2, NodeTestCase

#: Steps of a run.
STEPS = 40

STATUSES = [100, 180, 183, 199, 200, 200, 202, 301, 302, 401, 404, 408, 422]
STATUSES += [480, 481, 486, 487, 488, 491, 500, 503, 600, 603, 699]
METHODS = (b"INVITE", b"UPDATE", b"INFO", b"MESSAGE", b"BYE", b"OPTIONS", b"REFER")
BODIES = (b"", sdp(), sdp("x", 4002, "sendonly"), sdp("x", 0, "inactive"), b"junk")
CONTACTS = (b"<sip:1003@lab.example>", b"<sip:9@x>", b"<sip:", b"*", b"<tel:1003>")

#: What a DN may be told after what.
LEGAL = {
    "": {"Offered", "Alerting"},
    "Offered": {"Answered", "Failed", "Released"},
    "Alerting": {"Progressed", "Answered", "Released"},
    "Progressed": {"Progressed", "Answered", "Released"},
    "Answered": {"Held", "Updated", "Released"},
    "Held": {"Retrieved", "Updated", "Released"},
    "Retrieved": {"Held", "Updated", "Released"},
    "Updated": {"Held", "Retrieved", "Updated", "Released"},
    "Failed": {"Released"},
    "Released": set(),
}


def readable(message: Request | Response) -> bool:
    """
    Whether a message is one that can be answered or acted on.
    """
    try:
        if isinstance(message, Request):
            checkRequest(message)
        else:
            checkResponse(message)
    except MalformedMessage:
        return False
    return True


class AnythingTests(NodeTestCase):
    """
    A seed chooses what Alice, Bob, another device of Bob's and two SIP Proxies
    do.

    @cvar runs: how often, each time with another seed.
    @ivar wild: the call has begun, and anything goes.
    """

    runs = 150
    wild = False

    def test_anything(self) -> None:
        """
        After any sequence of requests, responses, losses and waits there is no
        error in the log, no call and no timer left, and the events of each
        party were in a legal order, with one release each.
        """
        for seed in range(self.runs):
            self.chance = random.Random(seed)
            self.sink.events.clear()
            try:
                self.oneRun()
            except Exception as e:
                raise AssertionError(f"seed {seed}") from e
            errors = self.flushLoggedErrors()
            self.assertEqual(errors, [], f"seed {seed}")
            self.assertLegal(seed)

    def oneRun(self) -> None:
        """
        One call, and whatever comes.
        """
        chance = self.chance
        self.wild = False
        self.requests: list[tuple[SIPPeer, Request]] = []
        self.answers: list[Response] = []
        self.invites: list[Request] = []
        self.desk = self.phone("1002", "198.51.100.4", self.peer2, PROXY2)
        for phone in (self.alice, self.bob):
            phone.dialog = None
            phone.challenges = []
        self.network.drops = lambda *_: False
        if chance.random() < 0.5:
            self.established()
            self.invites.append(self.rung)
        else:
            self.alice.request(b"INVITE", "1002", body=chance.choice(BODIES[:2]))
        self.network.drops = lambda *_: chance.random() < 0.1
        self.wild = True
        steps: list[Callable[[], None]] = [
            *(self.answerSomething,) * 8,
            self.askSomething,
            self.askSomething,
            self.acknowledge,
            self.acknowledge,
            self.cancel,
            self.wait,
            self.proxyComesAndGoes,
            self.repeat,
            self.writeDown,
        ]
        for _ in range(STEPS):
            self.pump()
            self.look()
            chance.choice(steps)()
        self.wild = False
        self.network.drops = lambda *_: False
        for name in ("proxy1", "proxy2"):
            self.node.proxies.setInService(name, True)
        self.run_(400)
        for call in list(self.node.controller.calls.values()):
            self.assertTrue(
                all(leg.state == "Confirmed" for leg in call.legs),
                [leg.state for leg in call.legs],
            )
            call.release(Cause.SHUTDOWN)
        self.run_(200)
        status = self.node.status()
        for name in ("calls", "dialogs", "attempts", "transactions", "timers"):
            self.assertEqual(status[name], 0, name)
        for peer in (self.peer, self.peer2):
            peer.inbox.clear()
            peer.received.clear()
            peer._seen.clear()

    def look(self) -> None:
        """
        Take what has come.
        """
        for peer in (self.peer, self.peer2):
            for message in peer.inbox:
                if not readable(message):
                    continue
                if isinstance(message, Request):
                    self.requests.append((peer, message))
                    if message.method == b"INVITE" and not message.toTag:
                        self.invites.append(message)
                else:
                    self.answers.append(message)
            peer.inbox.clear()

    def answerSomething(self) -> None:
        """
        One of the devices answers one of the requests, perhaps again.
        """
        chance = self.chance
        if not self.requests:
            return
        peer, request = chance.choice(self.requests[-4:])
        if request.method == b"ACK":
            return
        fields = []
        if chance.random() < 0.8:
            fields.append((b"Contact", b"<sip:1002@198.51.100.2>"))
        if chance.random() < 0.2:
            fields.append((b"Contact", chance.choice(CONTACTS)))
        status = chance.choice(STATUSES)
        if (request.method != b"INVITE" or request.toTag) and chance.random() < 0.7:
            status = 200
        tag = chance.choice((b"desk", b"sofa", b"sofa", b"sofa", b""))
        if self.bob.dialog is not None and chance.random() < 0.8:
            tag = self.bob.dialog.localTag
        body = chance.choice(BODIES)
        peer.respond(request, status, tag, fields, body)

    def device(self) -> Phone:
        """
        One of the phones, with a dialog if it can have one.
        """
        chance = self.chance
        phone = chance.choice((self.alice, self.bob))
        if phone is self.alice:
            good = [a for a in self.answers if a.toTag and a.cseq.method == b"INVITE"]
            if phone.dialog is None and good and good[-1].callID == self.callID():
                phone.accepted(good[-1])
        elif phone.dialog is None and self.invites:
            tag = chance.choice((b"sofa", b"desk"))
            phone.dialog = Dialog.asUAS(chance.choice(self.invites), tag)
        return phone

    def callID(self) -> bytes:
        """
        Call-ID of Alice's leg.
        """
        assert self.alice.invite is not None
        return self.alice.invite.callID

    def askSomething(self) -> None:
        """
        A phone sends a request inside its dialog.
        """
        phone = self.device()
        if phone.dialog is not None:
            phone.within(self.chance.choice(METHODS), body=self.chance.choice(BODIES))

    def acknowledge(self) -> None:
        """
        A phone acknowledges something, in order or not.
        """
        phone = self.device()
        if phone.dialog is not None:
            number = self.chance.choice((1, 2, phone.dialog.localSequence or 1))
            phone.acknowledge(self.chance.choice(BODIES), number)

    def cancel(self) -> None:
        """
        Alice gives up, now and then.
        """
        if self.chance.random() < 0.3:
            self.alice.cancel()

    def wait(self) -> None:
        """
        Time passes.
        """
        self.run_(self.chance.choice((0.1, 0.5, 4, 33, 130)))

    def proxyComesAndGoes(self) -> None:
        """
        The service checker changes its mind.
        """
        name = self.chance.choice(("proxy1", "proxy2"))
        member = self.node.checker._checked[name].member
        if self.chance.random() < 0.5:
            self.node.memberOutOfService(member, "chance")
        else:
            self.node.memberInService(member)

    def repeat(self) -> None:
        """
        Something is sent again.
        """
        if self.alice.invite is not None:
            self.peer.send(self.alice.invite)

    def writeDown(self) -> None:
        """
        The calls can be written down at any moment.
        """
        for value in self.node.controller.values():
            self.assertEqual(decodeCall(encodeCall(value)), value)

    def assertLegal(self, seed: int) -> None:
        """
        The events of each party of each call are in a legal order.
        """
        last: dict[tuple[str, str, int], str] = {}
        times: dict[tuple[str, str], int] = {}
        for event in self.sink.events:
            key = (event.party.connID, event.party.thisDN)
            name = type(event).__name__
            if name in ("Offered", "Alerting"):
                times[key] = times.get(key, 0) + 1
            one = (*key, times.get(key, 0))
            self.assertIn(name, LEGAL[last.get(one, "")], (seed, self.told(event)))
            last[one] = name
        self.assertEqual(set(last.values()) - {"Released"}, set(), seed)

    def told(self, last: CallEvent) -> list[tuple[str, str]]:
        """
        All events up to one.
        """
        events = self.sink.events[: self.sink.events.index(last) + 1]
        return [(type(e).__name__, e.party.thisDN) for e in events]
