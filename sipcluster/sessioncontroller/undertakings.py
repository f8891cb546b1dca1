"""
What a call was asked and has not done yet.

Changes of the session that the node makes of its own are made one after the other;
who asks for one waits for its turn.  When the call ends, nobody waits any longer.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredLock
from twisted.python.failure import Failure

from sipcluster.sessioncontroller.isessioncontroller import Asked, CallRefused, Why

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.events import ModificationAnswered
    from sipcluster.sessioncontroller.leg import Leg
    from sipcluster.sessioncontroller.party import Party
    from sipcluster.sessioncontroller.useragent import UserAgent
    from sipcluster.sip.timers import Timer
    from sipcluster.wire.correlation import Requester
    from sipcluster.wire.kvlist import KVList

T = TypeVar("T")

#: Undertakings that one call may be asked for at one time.
MOST = 8

#: Kinds that nobody asks for: there is one of each at most that waits, or one for each
#: that was asked.
_OWN = frozenset(["align", "connect", "bring", "mix"])


def withoutFrames(result: T) -> T:
    """
    Let a failure forget where it has happened: the frames of a coroutine keep what
    they work on alive, and the failure too.
    """
    if isinstance(result, Failure):
        result.cleanFailure()  # type: ignore[no-untyped-call]
    return result


@define(eq=False)
class Undertaking:
    """
    One thing that was asked.

    @ivar kind: as in L{UndertakingValue
        <sipcluster.sessioncontroller.values.UndertakingValue>}.
    @ivar whose: the party that asked; L{None}: nobody did.
    @ivar tooLate: its time is up.
    @ivar quiet: the far ends may not change the session meanwhile, and when its time
        is up, whoever has changed it still changes it back.
    @ivar done: fires when it is done, where somebody else has to find that out.
    @ivar sent: the telephone was told.
    @ivar timer: fires when its time is up.
    @ivar where: where a call is to be redirected to, or another one is to go.
    @ivar userData: what is to be attached to that one.
    @ivar conference: that one is to become a conference.
    @ivar other: the ConnID of another call that has a part in it.
    """

    kind: str
    whose: Party | None
    requester: Requester | None = None
    tooLate: bool = False
    quiet: bool = False
    done: Deferred[Any] | None = None
    sent: bool = False
    timer: Timer | None = None
    where: Asked | None = None
    userData: KVList = ()
    conference: bool = False
    other: str = ""

    @property
    def party(self) -> Party:
        """
        The party that asked, of what only parties ask.
        """
        assert self.whose is not None
        return self.whose

    @property
    def left(self) -> float:
        """
        Seconds that it may still take; 0 when nobody counts them.
        """
        return 0.0 if self.timer is None else self.timer.left

    def isDone(self) -> None:
        """
        Whoever waits for it need wait no longer.
        """
        if self.done is not None and not self.done.called:
            self.done.callback(None)


@define(eq=False)
class Undertakings:
    """
    All of one call.

    @ivar begun: those that were asked, in order.
    @ivar current: the one that changes the session.
    @ivar modifications: whoever waits for the answer to our own re-INVITE, by leg.
    @ivar relays: whoever waits for the answer to another request of our own.
    @ivar heard: what the caller's telephone has taken of the called side's media,
        where the call was made by request.
    @ivar ended: the call is over.
    """

    _ua: UserAgent
    begun: list[Undertaking] = field(factory=list)
    current: Undertaking | None = None
    modifications: dict[Leg, Deferred[ModificationAnswered]] = field(factory=dict)
    relays: dict[int, tuple[Leg, Deferred[int]]] = field(factory=dict)
    heard: bytes = b""
    ended: bool = False
    _servers: dict[Leg, Deferred[None]] = field(factory=dict)
    _unconfirmed: dict[Deferred[None], Leg] = field(factory=dict)
    _turn: DeferredLock = field(factory=DeferredLock)
    _waiting: dict[Deferred[Any], Undertaking] = field(factory=dict)
    _before: list[Deferred[Any]] = field(factory=list)
    _serial: int = 0

    def begin(self, undertaking: Undertaking) -> None:
        """
        Take note of something that is asked.

        @raise CallRefused: the call has ended, or was asked too much.
        """
        if self.ended:
            raise CallRefused(Why.DISCONNECTED)
        if len(self.begun) >= MOST and undertaking.kind not in _OWN:
            raise CallRefused(Why.LIMIT)
        self.begun.append(undertaking)

    def over(self, undertaking: Undertaking) -> None:
        """
        It is done, or will not be.
        """
        if undertaking in self.begun:
            self.begun.remove(undertaking)

    def of(self, kind: str) -> Undertaking | None:
        """
        The first one of a kind.
        """
        for undertaking in self.begun:
            if undertaking.kind == kind:
                return undertaking
        return None

    def inTurn(
        self,
        undertaking: Undertaking,
        seconds: float,
        act: Callable[[], Coroutine[Deferred[Any], Any, T]],
        tooLate: Callable[[], None],
    ) -> Deferred[T]:
        """
        Change the session when nobody else does.

        @param seconds: that it may take, its turn come.
        @param tooLate: called when it takes longer.
        """
        self.begin(undertaking)

        def late() -> None:
            undertaking.tooLate = True
            tooLate()
            if not undertaking.quiet:
                self.refuse(undertaking, Why.TIMEOUT)

        async def change() -> T:
            self.current = undertaking
            timer = undertaking.timer = self._ua.timers.after(seconds, late)
            try:
                for one in self._before:
                    await one
                self._before.clear()
                if self.ended:
                    raise CallRefused(Why.DISCONNECTED)
                return await act()
            finally:
                timer.cancel()
                self.current = None

        def go() -> Deferred[T]:
            return Deferred.fromCoroutine(change())

        def over(result: T) -> T:
            self.over(undertaking)
            return withoutFrames(result)

        return self._turn.run(go).addBoth(over)

    def waiting(self, undertaking: Undertaking) -> Deferred[Any]:
        """
        Something to wait for.

        @return: fails with L{CallRefused} when the call ends, the party leaves it,
            or the time of the undertaking is up.
        """
        waited: Deferred[Any] = Deferred()
        self._waiting[waited] = undertaking

        def waitedFor(result: T) -> T:
            self._waiting.pop(waited, None)
            return result

        return waited.addBoth(waitedFor)

    def until(self, undertaking: Undertaking, other: Deferred[T]) -> Deferred[T]:
        """
        Wait for something else, no longer than L{waiting} does.
        """
        waited = self.waiting(undertaking)

        def cameTrue(result: T) -> None:
            self._ua.touch()
            if not waited.called:
                waited.callback(result)

        def cameNot(failure: Failure) -> None:
            self._ua.touch()
            if not waited.called:
                waited.errback(failure)

        def cancel(result: T) -> T:
            other.cancel()  # does nothing when it has come
            return result

        other.addCallbacks(cameTrue, cameNot)
        return waited.addBoth(cancel)

    def after(self, undertaking: Undertaking, seconds: float) -> Deferred[None]:
        """
        Wait for a time.
        """
        waited = self.waiting(undertaking)
        timer = self._ua.timers.after(seconds, waited.callback, None)

        def stop(result: T) -> T:
            timer.cancel()
            return result

        return waited.addBoth(stop)

    def refuse(self, undertaking: Undertaking, why: Why, text: str = "") -> None:
        """
        Wait no longer.

        @param text: for people, where the reason itself says too little.
        """
        for waited, whose in list(self._waiting.items()):
            if whose is undertaking and not waited.called:
                waited.errback(CallRefused(why, text))

    def gone(self, party: Party) -> None:
        """
        A party has left the call.
        """
        for undertaking in list(self._waiting.values()):
            if undertaking.whose is party:
                self.refuse(undertaking, Why.DISCONNECTED)

    def modification(self, leg: Leg) -> Deferred[ModificationAnswered]:
        """
        The answer to a re-INVITE of our own on a leg is waited for.
        """
        answered: Deferred[ModificationAnswered] = Deferred()
        self.modifications[leg] = answered
        return answered

    def resumed(self, leg: Leg) -> None:
        """
        Another process has sent a re-INVITE of our own: before that is answered nothing
        else changes the session.
        """
        self._before.append(self.modification(leg).addErrback(lambda _: None))

    def relay(self, leg: Leg) -> tuple[int, Deferred[int]]:
        """
        The answer to another request of our own on a leg is waited for.

        @return: its serial, and what fires with the status.
        """
        self._serial -= 1
        answered: Deferred[int] = Deferred()
        self.relays[self._serial] = leg, answered
        return self._serial, answered

    def relayAnswered(self, serial: int, status: int) -> None:
        """
        It has come.
        """
        _, answered = self.relays.pop(serial, (None, None))
        if answered is not None:
            answered.callback(status)

    def legGone(self, leg: Leg) -> None:
        """
        Nothing more will come of what a leg was to do.
        """
        answered = self.modifications.pop(leg, None)
        if answered is not None:
            answered.errback(CallRefused(Why.DISCONNECTED))
        for serial in [one for one, (whose, _) in self.relays.items() if whose is leg]:
            _, relayed = self.relays.pop(serial, (None, None))
            if relayed is not None:
                relayed.errback(CallRefused(Why.DISCONNECTED))
        for waited in [one for one, whose in self._unconfirmed.items() if whose is leg]:
            if not waited.called:  # what became of the one before may have ended all
                waited.errback(CallRefused(Why.DISCONNECTED))

    async def confirmation(self, undertaking: Undertaking, leg: Leg) -> None:
        """
        Wait until a caller who was answered has acknowledged that: its session cannot
        be changed before.

        @raise CallRefused: it does not come so far.
        """
        if leg.state != "Accepted":
            return
        waited = self.waiting(undertaking)
        self._unconfirmed[waited] = leg
        try:
            await waited
        finally:
            del self._unconfirmed[waited]
        await self.after(undertaking, 0.0)  # until the leg has done with the ACK

    def confirmed(self, leg: object) -> None:
        """
        The caller has acknowledged it.
        """
        for waited in [one for one, whose in self._unconfirmed.items() if whose is leg]:
            if not waited.called:
                waited.callback(None)

    def server(self, undertaking: Undertaking, leg: Leg) -> Deferred[None]:
        """
        Wait until a media server has answered.

        @return: fails with L{CallRefused} when it will not.
        """
        answered = self._servers[leg] = self.waiting(undertaking)

        def over(result: T) -> T:
            self._servers.pop(leg, None)
            return result

        return answered.addBoth(over)

    def serverAnswered(self, leg: Leg) -> None:
        """
        A media server has answered.
        """
        answered = self._servers.get(leg)
        if answered is not None:
            answered.callback(None)

    def serverGone(self, leg: Leg, why: str) -> None:
        """
        A media server does not serve.
        """
        answered = self._servers.get(leg)
        if answered is not None:
            answered.errback(CallRefused(Why.FAILED, why))

    def end(self) -> None:
        """
        The call is over: refuse everything.
        """
        self.ended = True
        taken: list[Deferred[Any]] = [
            *self.modifications.values(),
            *(answered for _, answered in self.relays.values()),
        ]
        self.modifications.clear()
        self.relays.clear()
        for answered in taken:
            answered.errback(CallRefused(Why.DISCONNECTED))
        for undertaking in list(self._waiting.values()):
            self.refuse(undertaking, Why.DISCONNECTED)
