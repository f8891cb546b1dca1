"""
What calls are to be like, as a program that knows nothing of SIP: who is in which call,
in which state, what a request does, and whether it is done at all.

Tests do the same things with a node and with this, and compare.  Each method of
L{Model} is one operation; it is all that its section of the manual says.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, evolve, field

#: States of those who talk, or could again.
TALKING = ("Connected", "Hold")

#: Routing points.
POINTS = ("5000",)

#: What a request comes to.
DONE, REFUSED, WAITS = "done", "refused", "waits"


class Refused(Exception):
    """
    A request is not done, and nothing has changed.
    """


@define(eq=False)
class Seat:
    """
    One DN in one call.

    @ivar state: in the words of ECMA-269.
    @ivar byPhone: its telephone holds by itself.
    @ivar muted: nobody hears it.
    @ivar deaf: it hears nobody.
    @ivar called: its telephone was called, to make this call.
    @ivar adder: who calls it into a call of others; C{""}: it is none.
    @ivar request: which is answered when it is in the call.
    @ivar monitors: it is a supervisor.
    @ivar observes: one whom nobody hears: the call does not go on for it.
    @ivar refers: it leaves as soon as somebody answers.
    @ivar by: who has transferred the call to it.
    @ivar routed: the routing point that has sent the call to it.
    @ivar since: when it heard that nobody is there; 0: it did not.
    """

    dn: str
    state: str
    byPhone: bool = False
    muted: bool = False
    deaf: bool = False
    called: bool = False
    adder: str = ""
    request: int = 0
    monitors: bool = False
    observes: bool = False
    refers: bool = False
    by: str = ""
    routed: str = ""
    since: float = 0.0

    @property
    def talks(self) -> bool:
        """
        Whether it is connected, or could be.
        """
        return self.state in TALKING


@define(eq=False)
class ModelCall:
    """
    One call.

    @ivar name: of the call.
    """

    name: str
    seats: list[Seat] = field(factory=list)

    def seat(self, dn: str) -> Seat | None:
        """
        The seat of a DN.
        """
        for seat in self.seats:
            if seat.dn == dn:
                return seat
        return None

    @property
    def members(self) -> list[Seat]:
        """
        Those who are in it.
        """
        return [seat for seat in self.seats if seat.talks]

    def others(self, seat: Seat) -> list[Seat]:
        """
        All besides one, and besides supervisors if they are more.
        """
        others = [one for one in self.seats if one is not seat]
        if len(others) > 1:
            others = [one for one in others if not one.observes]
        return others

    def telephones(self, seat: Seat) -> list[Seat]:
        """
        Those of the others that are no routing points.
        """
        return [one for one in self.others(seat) if one.state != "Queued"]

    @property
    def leaving(self) -> Seat | None:
        """
        The one who leaves as soon as somebody answers.
        """
        for seat in self.seats:
            if seat.refers:
                return seat
        return None


class Model:
    """
    All calls.

    @ivar calls: those that have not ended.
    @ivar now: seconds.
    @ivar answers: what has become of each request, by its number.
    """

    def __init__(self) -> None:
        self.calls: list[ModelCall] = []
        self.answers: dict[int, str] = {}
        self.now = 1.0
        self._named = 0

    # Finding

    def seatsOf(self, dn: str) -> Iterator[tuple[ModelCall, Seat]]:
        """
        The seats of a DN.
        """
        for call in self.calls:
            for seat in call.seats:
                if seat.dn == dn:
                    yield call, seat

    def _seat(self, dn: str, call: ModelCall) -> Seat:
        seat = call.seat(dn)
        if seat is None:
            raise Refused("it is no party")
        return seat

    def _talker(self, dn: str, call: ModelCall) -> Seat:
        seat = self._seat(dn, call)
        if not seat.talks:
            raise Refused("it does not talk")
        return seat

    def _held(self, dn: str, call: ModelCall) -> Seat:
        seat = self._seat(dn, call)
        if seat.state != "Hold":
            raise Refused("it is not held")
        return seat

    # What happens to calls

    def newCall(self, *seats: Seat) -> ModelCall:
        """
        A call begins.
        """
        self._named += 1
        call = ModelCall(f"call{self._named}", list(seats))
        self.calls.append(call)
        return call

    def _end(self, call: ModelCall) -> None:
        while call.seats:
            self._goes(call, call.seats[0])
        self.calls.remove(call)

    def _goes(self, call: ModelCall, seat: Seat) -> None:
        """
        A seat is empty.
        """
        call.seats.remove(seat)
        if seat.adder:
            self.answers[seat.request] = REFUSED
        for one in [one for one in call.seats if one.adder == seat.dn]:
            self._goes(call, one)

    def _leaves(self, call: ModelCall, seat: Seat) -> None:
        """
        Somebody leaves: those who are left go on if they are two.
        """
        if seat.refers:
            # Its transfer goes on without it.
            self._goes(call, seat)
            return
        talk = [one for one in call.others(seat) if one.talks and not one.observes]
        if seat.adder or (seat.talks and (seat.observes or len(talk) > 1)):
            self._goes(call, seat)
        else:
            self._end(call)

    def _fails(self, call: ModelCall, ringing: Seat) -> None:
        """
        Who is called does not take the call.
        """
        if ringing.adder:
            self._goes(call, ringing)
            return
        if call.leaving is not None:
            self._goes(call, ringing)
            for seat in call.seats:
                seat.refers = False
            return
        if ringing.routed:
            ringing.dn, ringing.state, ringing.routed = ringing.routed, "Queued", ""
            return
        (other,) = [one for one in call.others(ringing) if not one.observes]
        if other.state == "Initiated" and other.called:
            # It was lifted for this call, and hears that nobody is there.
            self._goes(call, ringing)
            other.state, other.since = "Failed", self.now
        else:
            self._end(call)

    # Telephones

    def dial(self, dn: str, to: str) -> ModelCall:
        """
        Somebody calls somebody else, who rings.
        """
        return self.newCall(Seat(dn, "Initiated"), _called(to))

    def answer(self, dn: str, call: ModelCall) -> None:
        """
        Somebody who rings answers.
        """
        seat = self._seat(dn, call)
        if seat.state != "Alerting":
            raise Refused("it does not ring")
        if seat.adder and len(call.members) < 2:
            # The others do not talk to each other any more.
            self._goes(call, seat)
            return
        seat.state, seat.routed = "Connected", ""
        if call.leaving is not None and not seat.adder:
            self._goes(call, call.leaving)
        if seat.adder:
            self.answers[seat.request] = DONE
            seat.adder, seat.request = "", 0
        for other in call.seats:
            if other.state == "Initiated":
                other.state = "Connected"

    def refuse(self, dn: str, call: ModelCall) -> None:
        """
        Somebody who rings does not answer.
        """
        self._fails(call, self._seat(dn, call))

    def hangUp(self, dn: str, call: ModelCall) -> None:
        """
        Somebody hangs up.
        """
        self._leaves(call, self._seat(dn, call))

    def phoneHolds(self, dn: str, call: ModelCall) -> None:
        """
        A telephone holds by itself.
        """
        seat = self._seat(dn, call)
        seat.state, seat.byPhone = "Hold", True

    def phoneRetrieves(self, dn: str, call: ModelCall) -> None:
        """
        It is back.
        """
        seat = self._seat(dn, call)
        seat.state, seat.byPhone = "Connected", False

    def timePasses(self, seconds: float) -> None:
        """
        Whoever has heard for half a minute that nobody is there is hung up on.
        """
        self.now += seconds
        for call in list(self.calls):
            if any(seat.since and self.now > seat.since + 30 for seat in call.seats):
                self._end(call)

    # Requests about one call

    def makeCall(self, dn: str, to: str) -> ModelCall:
        """
        A telephone is called, and from there a number.
        """
        return self.newCall(Seat(dn, "Initiated", called=True), _called(to))

    def release(self, dn: str, call: ModelCall) -> None:
        """
        A DN leaves.
        """
        seat = self._seat(dn, call)
        if seat.state == "Alerting":
            self._fails(call, seat)
        else:
            self._leaves(call, seat)

    def clear(self, dn: str, call: ModelCall) -> None:
        """
        All leave.
        """
        self._seat(dn, call)
        self._end(call)

    def hold(self, dn: str, call: ModelCall) -> None:
        """
        A DN holds the others.
        """
        seat = self._seat(dn, call)
        if seat.state != "Connected" or not call.telephones(seat):
            raise Refused("it does not talk")
        seat.state = "Hold"

    def retrieve(self, dn: str, call: ModelCall) -> None:
        """
        It is back.
        """
        seat = self._held(dn, call)
        if not call.telephones(seat):
            raise Refused("nobody is there")
        seat.state = "Connected"

    def redirect(self, dn: str, call: ModelCall, to: str) -> None:
        """
        A call that rings is sent elsewhere.
        """
        seat = self._seat(dn, call)
        if seat.state != "Alerting" or seat.adder:
            raise Refused("it does not ring")
        if any(one.dn == to for one in call.seats):
            raise Refused("it is in the call")
        call.seats[call.seats.index(seat)] = evolve(seat, dn=to)

    def refer(self, dn: str, call: ModelCall, to: str) -> None:
        """
        A telephone leaves its call to somebody, as soon as that one answers.
        """
        seat = self._talker(dn, call)
        others = call.others(seat)
        if len(others) != 1 or not others[0].talks or call.seat(to) is not None:
            return  # it is told that by a NOTIFY
        seat.refers = True
        call.seats.append(Seat(to, "Alerting"))

    def route(self, dn: str, call: ModelCall, to: str) -> None:
        """
        A call is sent on from its routing point.
        """
        seat = self._seat(dn, call)
        if call.seat(to) is not None:
            raise Refused("it is in the call")
        seat.dn, seat.state, seat.routed = to, "Alerting", dn

    def applyTreatment(self, dn: str, call: ModelCall) -> None:
        """
        Its caller is given something, for which its call is answered.
        """
        seat = self._seat(dn, call)
        for caller in call.others(seat):
            caller.called = caller.called or caller.state == "Initiated"

    def observe(self, dn: str, call: ModelCall, by: str, request: int) -> None:
        """
        A supervisor is called into a call.
        """
        self._talker(dn, call)
        if len(call.members) < 2 or call.seat(by) is not None or by == dn:
            raise Refused("it is in the call")
        self.answers[request] = WAITS
        call.seats.append(
            Seat(
                by,
                "Alerting",
                muted=True,
                adder=dn,
                request=request,
                monitors=True,
                observes=True,
            )
        )

    # Two calls

    def consult(self, dn: str, call: ModelCall, to: str) -> ModelCall:
        """
        The call is held, and somebody is called about it.
        """
        seat = self._talker(dn, call)
        if seat.state == "Connected":
            self.hold(dn, call)
        return self.makeCall(dn, to)

    def muteTransfer(self, dn: str, call: ModelCall, to: str) -> None:
        """
        The DN leaves its call to somebody who rings.
        """
        self.singleStepTransfer(dn, call, to)

    def singleStepTransfer(self, dn: str, call: ModelCall, to: str) -> None:
        """
        The DN leaves its call, and somebody else rings.
        """
        seat = self._talker(dn, call)
        others = call.others(seat)
        if len(others) != 1 or not others[0].talks or call.seat(to) is not None:
            raise Refused("there is nobody to leave it to")
        self._goes(call, seat)
        call.seats.append(evolve(_called(to), by=dn))

    def completeTransfer(self, dn: str, held: ModelCall, call: ModelCall) -> None:
        """
        The DN leaves two calls, and the others have one.
        """
        seat, consulting = self._held(dn, held), self._seat(dn, call)
        stay, come = held.others(seat), call.others(consulting)
        if held is call or len(stay) != 1 or len(come) != 1:
            raise Refused("they are not two calls of two")
        (stays,), (comes,) = stay, come
        if held.seat(comes.dn) is not None or not stays.talks:
            raise Refused("nobody can be connected")
        if consulting.state not in (*TALKING, "Initiated"):
            raise Refused("it does not talk")
        if not comes.talks and comes.state not in ("Alerting", "Queued"):
            raise Refused("there is nobody")
        call.seats.remove(comes)
        self._end(call)
        self._goes(held, seat)
        held.seats.append(comes)

    def alternate(self, dn: str, held: ModelCall, call: ModelCall) -> None:
        """
        One call is held, the other one retrieved.
        """
        seat, other = self._held(dn, held), self._talker(dn, call)
        if held is call:
            raise Refused("they are not two calls")
        if not held.telephones(seat):
            raise Refused("nobody is there")
        if other.state == "Connected":
            self.hold(dn, call)
        seat.state = "Connected"

    def reconnect(self, dn: str, held: ModelCall, call: ModelCall) -> None:
        """
        One call is left, the other one retrieved.
        """
        seat, other = self._held(dn, held), self._seat(dn, call)
        if held is call or other.state == "Alerting":
            raise Refused("it does not talk")
        self._leaves(call, other)
        if held.telephones(seat):
            seat.state = "Connected"

    # More than two

    def completeConference(self, dn: str, held: ModelCall, call: ModelCall) -> None:
        """
        Two calls become one.
        """
        seat, consulting = self._held(dn, held), self._seat(dn, call)
        if held is call or consulting.state != "Connected":
            raise Refused("they are not two calls")
        stay = [one for one in held.members if one is not seat]
        come = [one for one in call.members if one is not consulting]
        if not stay or not come:
            raise Refused("there is nobody")
        if {one.dn for one in held.seats} & {one.dn for one in come}:
            raise Refused("somebody is in both")
        for one in come:
            call.seats.remove(one)
        self._end(call)
        held.seats += come
        seat.state, seat.byPhone = "Connected", False

    def singleStepConference(
        self, dn: str, call: ModelCall, to: str, request: int
    ) -> None:
        """
        Somebody is called into a call.
        """
        seat = self._seat(dn, call)
        if seat.state != "Connected" or len(call.members) < 2:
            raise Refused("it does not talk")
        added = any(one.adder and not one.observes for one in call.seats)
        if added or call.seat(to) is not None:
            raise Refused("somebody is called, or it is in the call")
        self.answers[request] = WAITS
        call.seats.append(Seat(to, "Alerting", adder=dn, request=request))

    def deleteFromConference(self, dn: str, call: ModelCall, other: str) -> None:
        """
        Somebody else is taken out.
        """
        seat, gone = self._talker(dn, call), self._seat(other, call)
        if seat is gone:
            raise Refused("it is the same one")
        left = [one for one in call.others(gone) if one.talks]
        if not gone.adder and (not gone.talks or len(left) < 2):
            raise Refused("it is no conference")
        self._goes(call, gone)

    def mute(self, dn: str, call: ModelCall, on: bool) -> None:
        """
        Nobody hears a DN, or all do.
        """
        seat = self._talker(dn, call)
        if seat.muted is on:
            raise Refused("it is so")
        seat.muted = on
        seat.observes = seat.monitors and on

    def listen(self, dn: str, call: ModelCall, listener: str, on: bool) -> None:
        """
        Somebody hears the others, or nobody.
        """
        self._talker(dn, call)
        seat = self._talker(listener, call)
        if seat.deaf is not on:
            raise Refused("it is so")
        seat.deaf = not on


def _called(number: str) -> Seat:
    """
    Who is called: a telephone, or a routing point.
    """
    return Seat(number, "Queued" if number in POINTS else "Alerting")


#: What each event makes of the state of its party; C{None}: the party was not there.
#: What is not in here, is not legal.
LEGAL: dict[str | None, dict[str, str | None]] = {
    None: {"Offered": "Initiated", "Alerting": "Alerting", "Queued": "Queued"},
    "Initiated": {
        "Answered": "Connected",
        "Failed": "Failed",
        "Released": None,
        "NetworkReached": "Initiated",
        "PartyChanged": "Initiated",
    },
    "Alerting": {
        "Progressed": "Alerting",
        "Answered": "Connected",
        "Released": None,
        "PartyChanged": "Alerting",
    },
    "Connected": {"Held": "Hold", "Queued": "Queued", "Released": None},
    "Hold": {"Retrieved": "Connected", "Released": None},
    "Failed": {"Released": None},
    "Queued": {
        "RouteRequested": "Queued",
        "RouteUsed": "Queued",
        "Diverted": None,
        "Released": None,
        "PartyChanged": "Queued",
        "TreatmentApplied": "Queued",
        "TreatmentNotApplied": "Queued",
        "TreatmentEnded": "Queued",
    },
}
for _state in TALKING:
    LEGAL[_state] |= dict.fromkeys(
        (
            "PartyChanged",
            "PartyAdded",
            "PartyDeleted",
            "Muted",
            "Unmuted",
            "ListenDisconnected",
            "ListenReconnected",
            "Updated",
            "DTMFSent",
        ),
        _state,
    )
for _row in LEGAL.values():
    if _row is not LEGAL[None]:
        _row["UserDataChanged"] = ""  # as it was
