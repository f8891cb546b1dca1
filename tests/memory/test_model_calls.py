"""
Whatever is done with calls, in whatever order, comes to what the model says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sessioncontroller.irouting import Treatment, TreatmentType
from sipcluster.sessioncontroller.isupervision import Monitoring
from sipcluster.testing.media_server import MediaSession, ScriptedMediaServer
from tests.memory.conversations import NUMBERS
from tests.memory.model_world import LETTERS, World
from tests.memory.models import DONE, REFUSED, Model, ModelCall, Refused, Seat
from tests.memory.nodes import DOMAIN, NODE
from tests.memory.takeover import Cut

TREATMENTS = (TreatmentType.MUSIC, TreatmentType.SILENCE, TreatmentType.COLLECT_DIGITS)

#: Calls at one time.
MOST_CALLS = 4

#: What is dialled.
NUMBERS_ = st.sampled_from([*(NUMBERS[letter] for letter in LETTERS), "5000"])
DNS = st.sampled_from([NUMBERS[letter] for letter in LETTERS])
PICK = st.integers(0, 11)

Place = tuple[ModelCall, Seat]


F = TypeVar("F", bound=Callable[..., Any])


def some(predicate: Callable[[CallMachine], Any]) -> Callable[[F], F]:
    """
    A precondition: there is something to do it with.
    """

    def decorate(function: F) -> F:
        return precondition(lambda self: bool(predicate(self)))(function)

    return decorate


class CallMachine(RuleBasedStateMachine):
    """
    Telephones, programs, and a pair.
    """

    takesOver = True

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.world.setUp()
        self.model = Model()
        #: ConnIDs, by the names of calls.
        self.connIDs: dict[str, str] = {}
        self.number = 0
        self.dying = False
        self.passed = 0.0

    def teardown(self) -> None:
        """
        Everybody hangs up, and nothing is left.
        """
        world = self.world
        try:
            self._after()
            world.moved.clear()
            for desk in world.desks.values():
                for line in desk.lines:
                    if line.talks:
                        line.hangUp()
                    elif line.rings is not None:
                        line.refuse(486)
                    elif line._calls is not None:
                        line.giveUp()
                    world.settle()
            world.finish()
            world.assertNoMedia()
            for number in world.asked:
                if number not in world.silent:
                    assert world.outcome(number) in (DONE, REFUSED), number
            assert world.controller.ua.parties == {}
        finally:
            world.close()

    # Choosing

    def mayDie(self) -> bool:
        """
        Whether the primary may die now.  Another one begins the time anew for which
        somebody hears that nobody is there.
        """
        return self.takesOver and not self.dying and not self.places("Failed")

    def everyPlace(self, *states: str) -> list[Place]:
        """
        All seats in some states.
        """
        return [
            (call, seat)
            for call in self.model.calls
            for seat in call.seats
            if not states or seat.state in states
        ]

    def places(self, *states: str) -> list[Place]:
        """
        All seats of telephones, where nobody is about to leave.
        """
        return [
            (call, seat)
            for call, seat in self.everyPlace(*states)
            if seat.state != "Queued" and call.leaving is None
        ]

    def holders(self) -> list[Place]:
        """
        Those whose telephones can hold: others are there to whom that can be said.
        """
        return [
            (call, seat)
            for call, seat in self.places("Connected")
            if len(call.members) > 1
        ]

    def retrievers(self) -> list[Place]:
        """
        Those whose telephones hold, and may be back.
        """
        return [
            (call, seat)
            for call, seat in self.places("Hold")
            if seat.byPhone and len(call.members) > 1
        ]

    def pairs(self) -> list[tuple[str, ModelCall, ModelCall]]:
        """
        Those who are in two calls, of which the first is held if it can be.
        """
        found = []
        for letter in LETTERS:
            dn = NUMBERS[letter]
            calls = list(self.model.seatsOf(dn))
            for one, seat in calls:
                for other, _ in calls:
                    if one is other or seat.state != "Hold":
                        continue
                    if one.leaving is None and other.leaving is None:
                        found.append((dn, one, other))
        return found

    # Doing

    def _begins(self) -> None:
        self.before = set(self.world.controller.calls)

    def _made(self, call: ModelCall) -> None:
        """
        A call has begun: find out its ConnID.
        """
        world = self.world
        known = set(self.connIDs.values())
        new = [one for one in world.controller.calls if one not in known]
        assert len(new) == 1, f"{len(new)} new calls"
        self.connIDs[call.name] = new[0]

    def _after(self) -> None:
        """
        Let everything come to rest.
        """
        self.world.settle()
        if self.dying:
            self._waits(12)
            self.world.doNotDie()
            self.dying = False
        else:
            self._waits(1)

    def _waits(self, seconds: int) -> None:
        self.world.waits(seconds)
        self.passed += seconds

    def _connID(self, call: ModelCall) -> str:
        return self.connIDs[call.name]

    def _ask(
        self, what: str, dn: str, *more: Any, does: Callable[[], ModelCall | None]
    ) -> None:
        """
        Ask the node, and the model.
        """
        self.number += 1
        number = self.number
        self.model.answers[number] = DONE
        try:
            made = does()
        except Refused:
            self.model.answers[number] = REFUSED
            made = None
        self.world.asks(what, dn, *more, number)
        self._after()
        if made is not None:
            self._made(made)

    # Time and death

    @rule(turns=st.integers(1, 14), cut=st.sampled_from(Cut))
    @some(lambda self: self.mayDie() and self.places())
    def diesSoon(self, turns: int, cut: Cut) -> None:
        """
        The primary dies in the middle of the next thing.
        """
        self.dying = True
        self.world.dieIn(turns, cut)

    @rule()
    @some(lambda self: self.mayDie() and self.places())
    def dies(self) -> None:
        """
        The primary dies while nothing happens.
        """
        self.world.moveNow()
        self._waits(5)

    @rule()
    @some(lambda self: not self.dying and self.places("Failed"))
    def timePasses(self) -> None:
        """
        Half a minute.
        """
        self._waits(31)

    # Telephones

    @rule(dn=DNS, to=NUMBERS_)
    @some(lambda self: len(self.model.calls) < MOST_CALLS)
    def dial(self, dn: str, to: str) -> None:
        """
        See L{Model.dial}.
        """
        if dn != to:
            self.world.desks[self.world.letter(dn)].call(to)
            self._after()
            self._made(self.model.dial(dn, to))

    @rule(pick=PICK, by=st.booleans())
    @some(lambda self: self.everyPlace("Alerting"))
    def answer(self, pick: int, by: bool) -> None:
        """
        See L{Model.answer}.
        """
        places = self.everyPlace("Alerting")
        call, seat = places[pick % len(places)]
        comes = not seat.adder or len(call.members) > 1
        if by and comes:
            self._ask(
                "answer",
                seat.dn,
                self._connID(call),
                does=lambda: self.model.answer(seat.dn, call),
            )
        else:
            self.world.lineIn(seat.dn, self._connID(call)).answer()
            self._after()
            self.model.answer(seat.dn, call)

    @rule(pick=PICK)
    @some(lambda self: self.everyPlace("Alerting"))
    def answerAtPhone(self, pick: int) -> None:
        """
        See L{Model.answer}.
        """
        self.answer(pick, False)

    @rule(pick=PICK)
    @some(lambda self: self.everyPlace("Alerting"))
    def refuse(self, pick: int) -> None:
        """
        See L{Model.refuse}.
        """
        places = self.everyPlace("Alerting")
        call, seat = places[pick % len(places)]
        self.world.lineIn(seat.dn, self._connID(call)).refuse(486)
        self._after()
        self.model.refuse(seat.dn, call)

    @rule(pick=PICK)
    @some(lambda self: self.everyPlace("Connected", "Hold", "Initiated", "Failed"))
    def hangUp(self, pick: int) -> None:
        """
        See L{Model.hangUp}.
        """
        places = self.everyPlace("Connected", "Hold", "Initiated", "Failed")
        call, seat = places[pick % len(places)]
        line = self.world.lineIn(seat.dn, self._connID(call))
        if line.talks:
            line.hangUp()
        else:
            line.giveUp()
        self._after()
        self.model.hangUp(seat.dn, call)

    @rule(pick=PICK)
    @some(lambda self: self.holders())
    def phoneHolds(self, pick: int) -> None:
        """
        See L{Model.phoneHolds}.
        """
        places = self.holders()
        call, seat = places[pick % len(places)]
        self.world.lineIn(seat.dn, self._connID(call)).hold()
        self._after()
        self.model.phoneHolds(seat.dn, call)

    @rule(pick=PICK)
    @some(lambda self: self.retrievers())
    def phoneRetrieves(self, pick: int) -> None:
        """
        See L{Model.phoneRetrieves}.
        """
        places = self.retrievers()
        call, seat = places[pick % len(places)]
        self.world.lineIn(seat.dn, self._connID(call)).retrieve()
        self._after()
        self.model.phoneRetrieves(seat.dn, call)

    # Requests about one call

    @rule(dn=DNS, to=NUMBERS_)
    @some(lambda self: len(self.model.calls) < MOST_CALLS)
    def makeCall(self, dn: str, to: str) -> None:
        """
        See L{Model.makeCall}.
        """
        if dn != to:
            self._ask("makeCall", dn, to, does=lambda: self.model.makeCall(dn, to))

    @rule(pick=PICK, what=st.sampled_from(("release", "clear", "hold", "retrieve")))
    @some(lambda self: self.places())
    def one(self, pick: int, what: str) -> None:
        """
        What is asked about one call.
        """
        places = self.places()
        call, seat = places[pick % len(places)]
        if what == "retrieve" and seat.byPhone:
            return  # that is up to the telephone
        method = getattr(self.model, what)
        self._ask(what, seat.dn, self._connID(call), does=lambda: method(seat.dn, call))

    @rule(pick=PICK, on=st.booleans())
    @some(lambda self: self.places())
    def mute(self, pick: int, on: bool) -> None:
        """
        See L{Model.mute}.
        """
        places = self.places()
        call, seat = places[pick % len(places)]
        self._ask(
            "mute",
            seat.dn,
            self._connID(call),
            on,
            does=lambda: self.model.mute(seat.dn, call, on),
        )

    # Two calls

    @rule(
        pick=PICK,
        to=NUMBERS_,
        what=st.sampled_from(("consult", "muteTransfer", "singleStepTransfer")),
    )
    @some(lambda self: self.places() and len(self.model.calls) < MOST_CALLS)
    def goesOn(self, pick: int, to: str, what: str) -> None:
        """
        Somebody else is to have something to do with a call.
        """
        places = self.places("Connected", "Hold") or self.places()
        call, seat = places[pick % len(places)]
        if to != seat.dn:
            method = getattr(self.model, what)
            self._ask(
                what,
                seat.dn,
                self._connID(call),
                to,
                does=lambda: method(seat.dn, call, to),
            )

    @rule(pick=PICK, to=NUMBERS_)
    @some(lambda self: self.places("Connected"))
    def consult(self, pick: int, to: str) -> None:
        """
        See L{Model.consult}.
        """
        places = self.places("Connected")
        call, seat = places[pick % len(places)]
        if to != seat.dn and len(self.model.calls) < MOST_CALLS:
            self._ask(
                "consult",
                seat.dn,
                self._connID(call),
                to,
                does=lambda: self.model.consult(seat.dn, call, to),
            )

    @rule(
        pick=PICK,
        what=st.sampled_from(
            (
                "completeTransfer",
                "alternate",
                "reconnect",
                "completeConference",
                "completeConference",
            )
        ),
    )
    @some(lambda self: self.pairs())
    def two(self, pick: int, what: str) -> None:
        """
        What is asked about two calls of a DN.
        """
        pairs = self.pairs()
        dn, held, call = pairs[pick % len(pairs)]
        seat = held.seat(dn)
        assert seat is not None
        if what in ("alternate", "reconnect") and seat.byPhone:
            return
        method = getattr(self.model, what)
        self._ask(
            what,
            dn,
            self._connID(held),
            self._connID(call),
            does=lambda: method(dn, held, call),
        )

    # Telephones that transfer

    @rule(pick=PICK, to=DNS)
    @some(lambda self: self.places("Connected"))
    def refer(self, pick: int, to: str) -> None:
        """
        See L{Model.refer}.
        """
        places = self.places("Connected")
        call, seat = places[pick % len(places)]
        if to != seat.dn:
            line = self.world.lineIn(seat.dn, self._connID(call))
            line.refer(f"<sip:{to}@{DOMAIN}>".encode())
            self._after()
            self.model.refer(seat.dn, call, to)

    @rule(pick=PICK, to=DNS)
    @some(lambda self: self.places("Alerting"))
    def redirect(self, pick: int, to: str) -> None:
        """
        See L{Model.redirect}.
        """
        places = self.places("Alerting")
        call, seat = places[pick % len(places)]
        if to == seat.by:
            return  # the dial plan lets nobody call itself
        self._ask(
            "redirect",
            seat.dn,
            self._connID(call),
            to,
            does=lambda: self.model.redirect(seat.dn, call, to),
        )

    # Routing points

    @rule(pick=PICK, to=DNS)
    @some(lambda self: self.everyPlace("Queued"))
    def route(self, pick: int, to: str) -> None:
        """
        See L{Model.route}.
        """
        places = self.everyPlace("Queued")
        call, seat = places[pick % len(places)]
        self._ask(
            "route",
            seat.dn,
            self._connID(call),
            to,
            does=lambda: self.model.route("5000", call, to),
        )

    @rule(pick=PICK, kind=st.sampled_from(TREATMENTS))
    @some(lambda self: self.everyPlace("Queued"))
    def applyTreatment(self, pick: int, kind: TreatmentType) -> None:
        """
        See L{Model.applyTreatment}.
        """
        places = self.everyPlace("Queued")
        call, seat = places[pick % len(places)]
        self._ask(
            "applyTreatment",
            seat.dn,
            self._connID(call),
            Treatment(kind),
            does=lambda: self.model.applyTreatment(seat.dn, call),
        )

    # More than two

    @rule(pick=PICK, by=DNS)
    @some(lambda self: self.places("Connected", "Hold"))
    def observe(self, pick: int, by: str) -> None:
        """
        See L{Model.observe}.
        """
        places = self.places("Connected", "Hold")
        call, seat = places[pick % len(places)]
        number = self.number + 1
        self._ask(
            "observe",
            self._connID(call),
            Monitoring(by, seat.dn),
            does=lambda: self.model.observe(seat.dn, call, by, number),
        )

    @rule(pick=PICK, to=DNS)
    @some(lambda self: self.places("Connected"))
    def singleStepConference(self, pick: int, to: str) -> None:
        """
        See L{Model.singleStepConference}.
        """
        places = self.places("Connected")
        call, seat = places[pick % len(places)]
        number = self.number + 1
        self._ask(
            "singleStepConference",
            seat.dn,
            self._connID(call),
            to,
            does=lambda: self.model.singleStepConference(seat.dn, call, to, number),
        )

    @rule(pick=PICK, other=DNS)
    @some(lambda self: self.places("Connected", "Hold"))
    def deleteFromConference(self, pick: int, other: str) -> None:
        """
        See L{Model.deleteFromConference}.
        """
        places = self.places("Connected", "Hold")
        call, seat = places[pick % len(places)]
        self._ask(
            "deleteFromConference",
            seat.dn,
            self._connID(call),
            other,
            does=lambda: self.model.deleteFromConference(seat.dn, call, other),
        )

    @rule(pick=PICK, listener=DNS, on=st.booleans())
    @some(lambda self: self.places("Connected", "Hold"))
    def listen(self, pick: int, listener: str, on: bool) -> None:
        """
        See L{Model.listen}.
        """
        places = self.places("Connected", "Hold")
        call, seat = places[pick % len(places)]
        self._ask(
            "listenReconnect" if on else "listenDisconnect",
            seat.dn,
            self._connID(call),
            listener,
            does=lambda: self.model.listen(seat.dn, call, listener, on),
        )

    # Media servers

    @rule(pick=PICK)
    @some(lambda self: self.sessions())
    def serverHangsUp(self, pick: int) -> None:
        """
        A media server ends a session: another one goes on with all of them.
        """
        sessions = self.sessions()
        server, session = sessions[pick % len(sessions)]
        server.hangUp(session)
        self._after()
        self.world.service.gone.clear()
        self._waits(6)

    def sessions(self) -> list[tuple[ScriptedMediaServer, MediaSession]]:
        """
        Those of conferences, unless the primary dies.
        """
        return [
            (server, session)
            for server in (self.world.media1, self.world.media2)
            for session in server.live
            if session.conference and not self.dying
        ]

    # What is always so

    @invariant()
    def same(self) -> None:
        """
        The node, its events and the model have the same parties in the same states.
        """
        passed, self.passed = self.passed, 0
        self.model.timePasses(passed)
        if self.dying:
            return
        since = [seat.since for _, seat in self.places("Failed")]
        if any(28 < self.model.now - one < 32 for one in since):
            self._waits(5)
            self.model.timePasses(5)
        wanted = {
            (self._connID(call), seat.dn): seat.state
            for call, seat in self.everyPlace()
        }
        told, really = self.world.states_(), self.world.really()
        assert told == wanted, self._differ("told", told, wanted)
        assert really == wanted, self._differ("really", really, wanted)
        for number, outcome in self.model.answers.items():
            if number in self.world.silent and self.world.alive != NODE:
                continue  # whoever has asked is gone
            got = self.world.outcome(number)
            assert got == outcome, f"request {number}: {got}, not {outcome}"
        errors = self.world.flushLoggedErrors()
        assert not errors, errors[0].getTraceback()
        for call in self.model.calls:
            self._media(call)

    def _differ(self, what: str, got: Any, wanted: Any) -> str:
        names = {connID: name for name, connID in self.connIDs.items()}
        rows = [
            {(names.get(key[0], key[0]), key[1]): state for key, state in one.items()}
            for one in (got, wanted)
        ]
        return f"{what} {rows[0]}, not {rows[1]}"

    def _media(self, call: ModelCall) -> None:
        """
        Those hear each other who are to.
        """
        world, connID, members = self.world, self._connID(call), call.members
        if len(members) < 2 or call.leaving is not None:
            return
        if len([seat for seat in members if not seat.observes]) < 2:
            return  # somebody else is to come
        lines = [world.lineIn(seat.dn, connID) for seat in members]
        byPhone = any(seat.byPhone for seat in members)
        if len(members) == 2:
            both = all(seat.state == "Connected" for seat in members)
            for this, that in ((0, 1), (1, 0)):
                seat, other = members[this], members[that]
                hears = both and not seat.deaf and not other.muted
                speaks = both and not seat.muted and not other.deaf
                port = lines[that].port
                where = f"{seat.dn} in {call.name}"
                if not byPhone:
                    got = lines[this].hears
                    assert got == (port if hears else 0), f"{where} hears {got}"
                    got = lines[this].speaksTo
                    assert got == (port if speaks else 0), f"{where} speaks to {got}"
                elif not seat.byPhone:
                    got = lines[this].speaksTo
                    assert not got, f"{where} is held, and speaks to {got}"
            return
        mixed = [
            one
            for server in (world.media1, world.media2)
            for one in server.mixed(connID)
        ]
        ports = {one.port for one in mixed}
        assert len(mixed) == len(members), f"{len(mixed)} are mixed"
        used = set()
        for seat, line in zip(members, lines, strict=True):
            where = f"{seat.dn} in {call.name}"
            talks = seat.state == "Connected"
            hears = talks and not seat.deaf
            speaks = talks and not seat.muted
            if hears:
                assert line.hears in ports, f"{where} hears {line.hears}"
            elif not seat.byPhone:
                assert not line.hears, f"{where} hears {line.hears}"
            if speaks:
                assert line.speaksTo in ports, f"{where} speaks to {line.speaksTo}"
            elif not seat.byPhone:
                assert not line.speaksTo, f"{where} speaks to {line.speaksTo}"
            if hears or speaks:
                used.add(line.hears or line.speaksTo)
        wanted = sum(
            seat.state == "Connected" and not (seat.deaf and seat.muted)
            for seat in members
        )
        assert len(used) == wanted, "two have one session"


class QuietMachine(CallMachine):
    """
    Nobody dies.
    """

    takesOver = False


def campaign(
    machine: type[CallMachine], examples: int, steps: int, random: bool = False
) -> None:
    """
    Run a machine.
    """
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=not random,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


class ModelTests(SynchronousTestCase):
    """
    A bounded campaign of each machine, the same each time.
    """

    def test_quiet(self) -> None:
        """
        Nobody dies.
        """
        campaign(QuietMachine, 60, 30)

    def test_takeovers(self) -> None:
        """
        The primary dies once.
        """
        campaign(CallMachine, 40, 25)
