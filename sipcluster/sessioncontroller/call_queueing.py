"""
The part of a call that comes to a routing point from somebody who leaves it: by
consultation and transfer.
"""

from __future__ import annotations

from attrs import evolve
from twisted.internet.defer import Deferred

from sipcluster.sessioncontroller.call_consulting import TALKING
from sipcluster.sessioncontroller.call_predictive import Predictive
from sipcluster.sessioncontroller.call_transfers import Transfers
from sipcluster.sessioncontroller.events import Cause, Fields, Role, ThirdParty
from sipcluster.sessioncontroller.isessioncontroller import (
    Asked,
    CallRefused,
    Destination,
    QueuedAt,
    Why,
)
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.undertakings import Undertaking
from sipcluster.sessioncontroller.values import CallValue
from sipcluster.sessioncontroller.waiting import Given, Waiting
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList


class Queueing(Predictive):
    """
    What a call does at a routing point.
    """

    __slots__ = ()

    @property
    def waiting(self) -> Waiting | None:
        """
        What it knows of its routing point; L{None}: it is at none.
        """
        return self._queue

    # Somebody leaves

    def sendOn(
        self,
        party: Party,
        where: Asked,
        found: Destination,
        userData: KVList = (),
        requester: Requester | None = None,
        waits: bool = False,
        fields: Fields = (),
    ) -> Party:
        """
        See L{Transfers<sipcluster.sessioncontroller.call_transfers.Transfers>}.  Nobody
        waits until a call leaves its routing point.
        """
        came = super().sendOn(party, where, found, userData, requester, waits, fields)
        waiting, leaving, first = self._queue, self.leaving, self._first
        if waiting is not None and waiting.isHere and leaving and first is not None:
            self.leaving = None
            self.leaverTold(leaving, 200)
            to = ThirdParty(found.dn, Role.DESTINATION)
            self.leave(party, Cause.TRANSFERRED, requester, to)
            third = ThirdParty(party.view.thisDN, Role.TRANSFERRED_BY)
            self.tellMet(first.party, came, third, both=False)
        return came

    def transferTo(
        self,
        party: Party,
        consultation: Transfers,
        consulting: Party,
        requester: Requester | None = None,
    ) -> None:
        """
        See L{Transfers<sipcluster.sessioncontroller.call_transfers.Transfers>}.  The
        other party of the consultation may be a routing point.
        """
        waiting = consultation._queue
        if waiting is None or not waiting.isHere:
            super().transferTo(party, consultation, consulting, requester)
            return
        stays = self.waitsFor(party, consultation, consulting)
        third = ThirdParty(party.view.thisDN, Role.TRANSFERRED_BY)
        self._takeMaking(consultation)
        self._callsFor(stays)
        self._busyNoMore()
        given, left = self._takeQueue(consultation, waiting)
        consultation.release(Cause.TRANSFERRED, b"", consulting, requester)
        self.leave(party, Cause.TRANSFERRED)
        self.placed(stays, None)
        timers = self._ua.timers
        now = self._queue
        assert now is not None
        if left:
            now.timer = timers.after(left, self._routerSilent)
        now.given = given
        if given is not None and given.lasts and given.applied:
            given.timer = timers.after(given.lasts, self._givenLong)
        if given is not None and given.media is not None:
            self.play(stays, given.media)
        else:
            self.silence(stays)
        self.tellMet(stays.party, now.party, third)

    def waitsFor(self, party: Party, consultation: Transfers, consulting: Party) -> Leg:
        """
        Who waits at the routing point of a consultation, when somebody leaves it.

        @raise CallRefused: that cannot be.
        """
        stays, waiting = self._staysWithout(party), consultation._queue
        if consultation is self or consulting.state not in (*TALKING, "Initiated"):
            raise CallRefused(Why.WRONG_STATE)
        if waiting is None or waiting.route is not None:
            raise CallRefused(Why.WRONG_STATE, "the call is being routed")
        return stays

    def _takeQueue(
        self, consultation: Transfers, waiting: Waiting
    ) -> tuple[Given | None, float]:
        """
        Take a routing point over from another call.

        @return: what is given there, and the seconds that are left.
        """
        party, work = waiting.party, consultation._work
        left = 0.0 if waiting.timer is None else waiting.timer.left
        given = waiting.given
        if given is not None:
            # What is left of it, where it has begun.
            lasts = given.lasts if given.timer is None else given.timer.left
            given = Given(given.treatment, given.media, None, given.applied, lasts)
        if work is not None:
            work.gone(party)
        consultation._queue = None
        waiting.end()
        consultation.parties.remove(party)
        view = party.view
        party.view = evolve(
            view,
            connID=self.connID,
            callUUID=self.callUUID,
            callType=self.callType,
            ani=self.ani,
            dnis=self.dnis,
            callID=self.callID,
            userData=self.userData,
            previousConnID=view.connID,
            conference=False,
        )
        self.parties.append(party)
        self._queue = Waiting(
            party,
            waiting.point,
            byDefault=waiting.byDefault,
            defaults=waiting.defaults,
            lastDigit=waiting.lastDigit,
        )
        return given, left

    def _queueAt(
        self, first: Leg, found: QueuedAt, third: ThirdParty | None, why: Cause
    ) -> Party:
        party = super()._queueAt(first, found, third, why)
        self._leaveAtPoint()
        return party

    def _leaveAtPoint(self) -> None:
        """
        Whoever waits until the other side rings need not wait at a routing point.
        """
        if self.consults and self._work is not None and self._work.of("mute"):
            # Not before what is under way here has come to its end.
            self._ua.timers.after(0.0, self._leavesAtPoint)

    def _leavesAtPoint(self) -> None:
        waiting, work = self._queue, self._work
        asked = None if work is None else work.of("mute")
        if waiting is None or not waiting.isHere or asked is None or work is None:
            return
        main = self.main(asked.party)
        try:
            if main is None:
                raise CallRefused(Why.DISCONNECTED)
            call, party = main
            call.waitsFor(party, self, asked.party)
        except CallRefused as e:
            work.refuse(asked, e.why, e.text)
            return
        requester = asked.requester
        asked.isDone()
        call.transferTo(party, self, asked.party, requester)

    # Going on

    def _resumeQueue(self, value: CallValue) -> None:
        super()._resumeQueue(value)
        if self._queue is not None and any(
            one.kind == "mute" for one in value.undertakings
        ):
            self._ua.timers.after(0.0, self._leavesAtPoint)

    def resumeAtPoint(self, asked: Undertaking) -> Deferred[None] | None:
        """
        Go on with what was asked at a routing point.

        @return: L{None}: it is nothing of the kind.
        """
        waiting = self._queue
        if waiting is None:
            return None
        if asked.kind == "route" and waiting.route is not None:
            waiting.route.asked = asked
        elif asked.kind == "treat" and waiting.given is not None:
            waiting.given.asked = asked
        else:
            return None
        return self.awaitRoute(asked)
