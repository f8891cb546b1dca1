"""
The part of a call that is made again from its value: what it had decided, and what
it was asked and had not done.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipcluster.sessioncontroller.events import Offered
from sipcluster.sessioncontroller.isessioncontroller import (
    DN,
    Asked,
    CallRefused,
    DTMFMethod,
    ExtensionDN,
    TrunkDN,
    Why,
)
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.referring import Referring
from sipcluster.sessioncontroller.undertakings import Undertaking
from sipcluster.sessioncontroller.values import (
    AskedValue,
    CallValue,
    MakingValue,
    UndertakingValue,
)
from sipcluster.wire.correlation import Requester

log = Logger()

#: Finds a DN of the switch by its number.
FindDN = Callable[[str], DN | None]


def _write(asked: Asked) -> AskedValue:
    forwarder = asked.forwarder
    return AskedValue(
        asked.user,
        asked.host,
        asked.caller.number,
        asked.redirected,
        "" if forwarder is None else forwarder.number,
    )


def _read(value: AskedValue, findDN: FindDN) -> Asked:
    """
    A DN that is not in the configuration any more counts as an extension.
    """
    forwarder = findDN(value.forwarder) if value.forwarder else None
    return Asked(
        value.user,
        value.host,
        findDN(value.caller) or ExtensionDN(value.caller),
        value.redirected,
        None if isinstance(forwarder, TrunkDN) else forwarder,
    )


class Resuming(Referring):
    """
    What a call does that has come from elsewhere.
    """

    __slots__ = ()

    def awaits(self, requester: Requester) -> bool:
        """
        Whether something that somebody asked is not done.
        """
        offer, work = self._offer, self._work
        return (offer is not None and offer.requester == requester) or (
            work is not None and any(one.requester == requester for one in work.begun)
        )

    # Writing down

    def undertakingValues(self) -> tuple[UndertakingValue, ...]:
        """
        What was asked and is not done.
        """
        if self._work is None:
            return ()
        return tuple(
            UndertakingValue(
                one.kind,
                -1 if one.whose is None else self.parties.index(one.whose),
                one.requester,
                one.left,
                None if one.where is None else _write(one.where),
                one.userData,
                one.conference,
                one.other,
            )
            for one in self._work.begun
        )

    def makingValue(self) -> MakingValue | None:
        """
        What is known of where it leads, until it is answered.
        """
        asked, second = self._asked, self._second
        routing = self._routing is not None
        if asked is None or not (self._first is not None or routing):
            return None
        if second is not None and second.party.answered:
            return None
        instead = self._instead if routing else None
        return MakingValue(
            asked=_write(asked),
            led=None if self._led is None else _write(self._led),
            caller=self._from,
            fields=self._fields,
            tried=tuple(sorted(self._tried)),
            made=self._made,
            routing=routing,
            instead=None if instead is None else instead[0],
            cause=None if instead is None else instead[1],
            requester=None if self._offer is None else self._offer.requester,
        )

    # Going on

    def resume(self, value: CallValue, findDN: FindDN) -> None:
        """
        Go on, the legs being live.

        What was undertaken and not done by then is done again where that does no
        harm; nobody here waits for it, so it is L{UserAgent.undertakingRefused
        <sipcluster.sessioncontroller.useragent.UserAgent>} that is told when it cannot
        be done.
        """
        if value.heard:
            self.work.heard = value.heard
        making = value.making
        if making is not None:
            self._resumeMaking(making, findDN)
        self._resumeQueue(value)
        # Our own re-INVITEs that are under way come to their ends first.
        written = {one.localTag: one.asking for one in value.legs}
        for leg in self.legs:
            asking = written.get(leg.localTag)
            if leg.change is not None and asking is not None and asking.own:
                self.work.resumed(leg)
        for undertaking in value.undertakings:
            self._resumeOne(undertaking, findDN)
        if not all(leg.joined for leg in self.legs):
            self.alignSoon()
        if any(party.state == "Failed" for party in self.parties):
            self.hangUpLater(value.busy)
        if making is not None and making.routing:
            self._resumeRouting(making)

    def refuseAll(self, value: CallValue) -> None:
        """
        It cannot be gone on with: nothing will come of what was asked.
        """
        making = value.making
        refused = CallRefused(Why.DISCONNECTED)
        for undertaking in value.undertakings:
            at = undertaking.party
            party = None if at < 0 else self.parties[at]
            asked = Undertaking(undertaking.kind, party, undertaking.requester)
            self._tellRefused(asked, refused)
        if making is not None and making.requester is not None:
            self._ua.undertakingRefused(making.requester, refused)

    def _resumeMaking(self, making: MakingValue, findDN: FindDN) -> None:
        self._asked = _read(making.asked, findDN)
        self._led = None if making.led is None else _read(making.led, findDN)
        self._from = making.caller
        self._fields = making.fields
        self._tried = set(making.tried)
        self._made = making.made

    def _resumeRouting(self, making: MakingValue) -> None:
        """
        Ask the dial plan again.
        """
        first, led = self._first, self._led
        assert led is not None
        if first is not None and first.party.state == "Null":
            self._offer = Offered(
                first.party.view,
                self._ua.wallTime(),
                first.received,
                self._fields,
                requester=making.requester,
            )
        if making.instead is None or making.cause is None:
            self._route(led)
            return
        self._instead = (making.instead, making.cause)
        forward = self._plan.instead(led, making.instead, making.cause)
        if forward is None:
            self._refuse(480, making.cause)
        else:
            self._follow(forward)

    def _resumeOne(self, value: UndertakingValue, findDN: FindDN) -> None:
        if value.kind == "align":
            return  # see L{resume}
        party = self.parties[value.party]
        asked = Undertaking(
            value.kind,
            party,
            value.requester,
            where=None if value.where is None else _read(value.where, findDN),
            userData=value.userData,
            conference=value.conference,
            other=value.other,
        )
        leg = self.legOf(party)

        def inTurn(
            undertaking: Undertaking,
            act: Callable[[], Coroutine[Deferred[Any], Any, None]],
        ) -> Deferred[None]:
            return self._inTurn(undertaking, act, value.left)

        done: Deferred[Any]
        try:
            if value.kind == "connect":
                inTurn(asked, self._connect).addErrback(self._notConnected)
                return
            if value.kind == "mute" and not asked.where:
                self._resumeMute(asked)
                return
            if value.kind == "alternate":
                done = self.beginAlternate(asked, True)
            elif value.kind in ("consult", "mute"):
                done = self.beginConsult(asked, value.left)
            elif value.kind == "transfer" and asked.where:
                done = self.beginTransfer(asked)
            elif value.kind == "refer" and asked.where:
                self.beginRefer(asked)
                return
            elif value.kind == "hold":
                done = inTurn(asked, partial(self._hold, asked))
            elif value.kind == "retrieve":
                done = inTurn(asked, partial(self._retrieve, asked))
            elif value.kind == "make":
                done = self.making(party, value.requester)
            elif value.kind in ("answer", "talk") and leg is not None:
                done = self.askToTalk(value.kind, leg, value.requester, value.left)
            elif value.kind == "redirect" and leg is not None and asked.where:
                done = self.ringElsewhere(leg, asked.where, value.requester)
            elif (atPoint := self.resumeAtPoint(asked)) is not None:
                done = atPoint
            elif (bringing := self.resumeBringing(asked, value.left)) is not None:
                done = bringing
            else:
                if value.kind == "digits":
                    self._bringBack(party)
                raise CallRefused(Why.FAILED, "the node that did it has gone")
        except CallRefused as e:
            self._tellRefused(asked, e)
            return
        done.addErrback(self._notDone, asked)

    def _resumeMute(self, asked: Undertaking) -> None:
        """
        Go on waiting until the called side rings; it may have rung already, and the
        other call may not have been gone on with yet.
        """
        made: Deferred[str] = Deferred()
        done = self.leaveWhenItRings(asked.party, made, asked.requester)
        done.addErrback(self._notDone, asked)
        self._ua.timers.after(0.0, self._ringsAlready)

    def _ringsAlready(self) -> None:
        second = self._second
        if second is not None and (second.state != "Calling" or second.party.answered):
            self._rings(second)

    def _bringBack(self, party: Party) -> None:
        """
        The far ends may send their media to the node that has gone.
        """
        if any(leg.dtmfMethod is DTMFMethod.RFC4733 for leg in self.legs):
            again = Undertaking("digits", party, quiet=True)
            self._inTurn(again, self._reconnectBoth).addErrback(self._notDone, again)

    async def _reconnectBoth(self) -> None:
        first, second = self._first, self._second
        if first is not None and second is not None and not self.masks(first):
            await self._reconnect(first, second)

    def _notDone(self, failure: Failure, asked: Undertaking) -> None:
        """
        Nobody here waits for what was asked before the call has moved.
        """
        failure.trap(CallRefused)  # type: ignore[no-untyped-call]
        assert isinstance(failure.value, CallRefused)
        self._tellRefused(asked, failure.value)

    def _tellRefused(self, asked: Undertaking, refused: CallRefused) -> None:
        log.info(
            "{what} in call {connID} was not done: {why}",
            what=asked.kind,
            connID=self.connID,
            why=refused.text,
        )
        if asked.requester is not None:
            self._ua.undertakingRefused(asked.requester, refused)
