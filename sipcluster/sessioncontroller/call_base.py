"""
What all parts of a call work on: its legs and parties, its ids, and its end.
"""

from __future__ import annotations

from twisted.logger import Logger

from sipcluster.sessioncontroller.call_parts import CallParts
from sipcluster.sessioncontroller.events import (
    Cause,
    Released,
    ThirdParty,
)
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.undertakings import Undertakings
from sipcluster.wire.correlation import Requester

log = Logger()


class CallBase(CallParts):
    """
    Legs and their parties, under one ConnID and CallUUID.
    """

    __slots__ = ()

    # The end

    def legEnded(self, leg: Leg) -> None:
        """
        A leg is gone: its last word.
        """
        if leg in self.legs:
            self.legs.remove(leg)
        self.loosen(leg)
        if leg.server:
            leg.party.forget()  # it is none of the call's
        if self._work is not None:
            self._work.legGone(leg)
        self.endIfEmpty()

    def endIfEmpty(self) -> None:
        """
        Without legs, and when none is to come, it is over.
        """
        if not self.legs and self._routing is None:
            self._end()

    def _end(self) -> None:
        """
        Let go of everything that points back here.
        """
        self._letGo()
        for party in self.parties:
            self.forgetParty(party)
        self._ended(self)  # type: ignore[arg-type] # as above

    def release(
        self,
        cause: Cause,
        reason: bytes = b"",
        by: Party | None = None,
        requester: Requester | None = None,
    ) -> None:
        """
        End the call on all legs.

        @param cause: C{OK} and C{ABANDONED} are the same: who rings still sees the
            call abandoned, all others see it end in order.
        @param by: the party that ends it, which is told first.
        @param requester: who asked for that.
        """
        self._ua.touch()
        if self._routing is not None:
            routing, self._routing = self._routing, None
            routing.cancel()
        if by is not None:
            self._clear(by, cause, reason, requester)
        for party in self.parties:
            self._clear(party, cause, reason)
        for leg in list(self.legs):
            leg.machine.release(cause, reason)
        self._letGo()

    def _letGo(self) -> None:
        """
        Nothing more will come of what was asked of this call.
        """
        self._busyNoMore()
        work = self._work
        if work is not None:
            work.end()

    def _busyNoMore(self) -> None:
        """
        No caller is to be hung up on any more.
        """
        busy, self._busy = self._busy, None
        if busy is not None:
            busy.cancel()

    @property
    def work(self) -> Undertakings:
        """
        What the call has been asked and has not done yet.
        """
        if self._work is None:
            self._work = Undertakings(self._ua)
        return self._work

    def leave(
        self,
        party: Party,
        cause: Cause,
        requester: Requester | None = None,
        third: ThirdParty | None = None,
    ) -> None:
        """
        Take a party out of a call that goes on, and its telephone.

        @param third: who has a part in that.
        """
        self._ua.touch()
        leg = self.legOf(party)
        self._clear(party, cause, b"", requester, third)
        if leg is not None:
            self.loosen(leg)
            if self._work is not None:
                self._work.legGone(leg)
            leg.machine.release(cause, b"")

    def _clear(
        self,
        party: Party,
        cause: Cause,
        reason: bytes = b"",
        requester: Requester | None = None,
        third: ThirdParty | None = None,
    ) -> None:
        """
        Take a party out.
        """
        if cause in (Cause.OK, Cause.ABANDONED):
            waits = party.state in ("Alerting", "Queued")
            cause = Cause.ABANDONED if waits else Cause.OK
        party.machine.cleared(
            Released(
                party.view,
                self._ua.wallTime(),
                cause,
                party.answered,
                reason,
                requester=requester,
                third=third,
            )
        )
        if self._work is not None:
            self._work.gone(party)

    def breakDown(self) -> None:
        """
        Something is wrong with this call that should not be: end it as far as
        that is possible, and disturb no other.
        """
        self._ua.count("callsBroken")
        for leg in list(self.legs):
            try:
                leg.machine.release(Cause.FAILED, b"")
            except Exception:
                log.failure("leg of call {connID}", connID=self.connID)
                leg.finish()
        self.release(Cause.FAILED)
