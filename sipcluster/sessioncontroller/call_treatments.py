"""
The part of a call whose caller is given something at a routing point.

What it is stands in the media request of the caller's leg, see
L{sipcluster.sessioncontroller.call_media}; what becomes of that is told here.  It goes
on until it ends, until something else is given, or until the call is answered where it
was sent.
"""

from __future__ import annotations

from attrs import evolve
from twisted.internet.defer import Deferred, succeed

from sipcluster.sessioncontroller.call_routing import Routed
from sipcluster.sessioncontroller.events import Cause, Fields, Progressed
from sipcluster.sessioncontroller.imedia import (
    MediaKind,
    MediaRequest,
    MediaResult,
)
from sipcluster.sessioncontroller.irouting import Treatment, TreatmentType
from sipcluster.sessioncontroller.isessioncontroller import CallRefused, Why
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.queue_events import (
    TreatmentApplied,
    TreatmentEnded,
    TreatmentNotApplied,
)
from sipcluster.sessioncontroller.queue_values import GivenValue
from sipcluster.sessioncontroller.treatments import prescribe
from sipcluster.sessioncontroller.undertakings import Undertaking
from sipcluster.sessioncontroller.waiting import Given, Waiting
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList

#: What a caller hears whose call leads nowhere, if it has heard something before.
_BUSY = MediaRequest(MediaKind.ANNOUNCEMENT, "busy", ("tone:busy",), 0)


class Treated(Routed):
    """
    What a call does about treatments.
    """

    __slots__ = ()

    def treatParty(
        self, party: Party, treatment: Treatment, requester: Requester | None
    ) -> Deferred[None]:
        """
        Give the caller something.

        @return: fires when it is told that it is given, or why not.

        @raise CallRefused: the call is not at this routing point, or that makes no
            sense.
        """
        waiting, first = self.waitsAt(party), self._first
        if first is None:
            raise CallRefused(Why.DISCONNECTED)
        what = prescribe(treatment, self.connID)
        if what.cannot:
            now = self._ua.wallTime()
            party.machine.told(
                TreatmentNotApplied(
                    party.view,
                    now,
                    treatment.kind,
                    Cause.FORBIDDEN,
                    what.cannot,
                    requester=requester,
                )
            )
            return succeed(None)
        if what.ends:
            self._tellApplied(waiting, treatment.kind, requester)
            self.endAtPoint(waiting, 480, Cause.DROPPED)
            return succeed(None)
        if what.destination:
            waiting.defaults = (what.destination,)
            self._tellApplied(waiting, treatment.kind, requester)
            self._tellTreated(waiting, treatment.kind)
            return succeed(None)
        media = what.media
        if media is not None and media.early and not first.received:
            # There is no early media for who has made no offer.
            media = evolve(media, early=False)
        asked = Undertaking("treat", party, requester)
        done = self.awaitRoute(asked)
        waiting.wait(None)
        self._replace(waiting)
        waiting.given = Given(treatment, media, asked, lasts=what.lasts)
        if media is not None:
            self.play(first, media)
        else:
            self.hush(first)
            self._isGiven(waiting, waiting.given)
        return done

    def _replace(self, waiting: Waiting) -> None:
        """
        What the caller was given is over: it is given something else.
        """
        given, waiting.given = waiting.given, None
        if given is not None:
            given.end()
            if given.asked is not None:
                text = "something else is given meanwhile"
                self.work.refuse(given.asked, Why.FAILED, text)

    def hush(self, leg: Leg) -> None:
        """
        Let a far end hear nothing, if it hears anything.
        """
        if leg.media is not None or leg.state == "Confirmed":
            self.silence(leg)
        if leg.state == "Proceeding":
            leg.joined = True

    # What becomes of it

    def _givenTo(self, leg: Leg, media: MediaRequest) -> Waiting | None:
        """
        Who waits for what a media server does for a caller.
        """
        waiting = self._queue
        if waiting is None or leg is not self._first or waiting.given is None:
            return None
        return waiting if waiting.given.media == media else None

    def served(self, leg: Leg, media: MediaRequest) -> None:
        """
        See L{Media<sipcluster.sessioncontroller.call_media.Media>}.
        """
        waiting = self._givenTo(leg, media)
        if waiting is None:
            super().served(leg, media)
        elif waiting.given is not None:
            self._isGiven(waiting, waiting.given)

    def _isGiven(self, waiting: Waiting, given: Given) -> None:
        if given.applied:
            return  # another media server goes on with it
        given.applied = True
        asked, given.asked = given.asked, None
        requester = None if asked is None else asked.requester
        self._tellApplied(waiting, given.treatment.kind, requester)
        if asked is not None:
            asked.isDone()
        if given.lasts:
            given.timer = self._ua.timers.after(given.lasts, self._givenLong)

    def notServed(self, leg: Leg, media: MediaRequest, why: str) -> None:
        """
        See L{Media<sipcluster.sessioncontroller.call_media.Media>}.
        """
        waiting = self._givenTo(leg, media)
        if waiting is None or waiting.given is None:
            super().notServed(leg, media, why)
            return
        given = waiting.given
        if (
            given.treatment.kind is TreatmentType.RING_BACK
            and leg.state == "Proceeding"
        ):
            # Its own telephone can do that.
            now = self._ua.wallTime()
            leg.machine.progress(Progressed(waiting.party.view, now, 180))
            self._isGiven(waiting, given)
            return
        waiting.given = None
        given.end()
        self._ua.count("treatmentsNotApplied")
        if given.applied:
            self._tellTreated(waiting, given.treatment.kind, why=Cause.FAILED)
        else:
            asked = given.asked
            party = waiting.party
            party.machine.told(
                TreatmentNotApplied(
                    party.view,
                    self._ua.wallTime(),
                    given.treatment.kind,
                    Cause.UNREACHABLE,
                    why,
                    requester=None if asked is None else asked.requester,
                )
            )
            if asked is not None:
                asked.isDone()
        if waiting.isHere and waiting.route is None:
            self._giveTime()

    def cannotJoin(self, leg: Leg, why: str) -> None:
        """
        See L{Media<sipcluster.sessioncontroller.call_media.Media>}.
        """
        media = leg.media
        if media is None or self._givenTo(leg, media) is None:
            super().cannotJoin(leg, why)
            return
        self.unpair(leg)
        leg.media = None
        self.notServed(leg, media, why)

    def serverSaid(self, leg: Leg, media: MediaRequest, result: MediaResult) -> None:
        """
        See L{Media<sipcluster.sessioncontroller.call_media.Media>}.
        """
        waiting = self._givenTo(leg, media)
        if waiting is None or waiting.given is None:
            super().serverSaid(leg, media, result)
            return
        given = waiting.given
        if result.digits:
            waiting.lastDigit = result.digits[-1]
        if not result.last:
            return
        self._isGiven(waiting, given)  # it may have been quick
        waiting.given = None
        given.end()
        extensions: KVList = ()
        if result.recording:
            extensions = (("USER_ANN_ID", result.recording),)
        self._tellTreated(
            waiting,
            given.treatment.kind,
            result.digits,
            extensions,
            Cause.FAILED if result.reason == "failed" else Cause.OK,
        )

    def _givenLong(self) -> None:
        """
        It has been given for as long as it was to be.
        """
        waiting, first = self._queue, self._first
        if waiting is None or first is None or waiting.given is None:
            return
        given, waiting.given = waiting.given, None
        given.timer = None
        self.hush(first)
        self._tellTreated(waiting, given.treatment.kind)

    def _tellApplied(
        self, waiting: Waiting, kind: TreatmentType, requester: Requester | None
    ) -> None:
        party = waiting.party
        party.machine.told(
            TreatmentApplied(party.view, self._ua.wallTime(), kind, requester=requester)
        )

    def _tellTreated(
        self,
        waiting: Waiting,
        kind: TreatmentType,
        digits: str = "",
        extensions: KVList = (),
        why: Cause = Cause.OK,
    ) -> None:
        party = waiting.party
        party.machine.told(
            TreatmentEnded(
                party.view,
                self._ua.wallTime(),
                kind,
                digits,
                extensions=extensions,
                why=why,
            )
        )

    def _leave(
        self, status: int, cause: Cause, reason: bytes = b"", fields: Fields = ()
    ) -> None:
        first = self._first
        hears = first is not None and first.media is not None
        super()._leave(status, cause, reason, fields)
        if hears and first is not None and first.state == "Confirmed":
            self.play(first, _BUSY)

    # Going on

    def _resumeGiven(self, waiting: Waiting, written: GivenValue) -> None:
        """
        Go on with what the caller is given.
        """
        treatment = Treatment(written.kind, written.parameters)
        what = prescribe(treatment, self.connID)
        media, first = what.media, self._first
        if media is not None and first is not None and first.media is not None:
            media = evolve(media, early=first.media.early)
        given = waiting.given = Given(
            treatment, media, applied=written.applied, lasts=what.lasts
        )
        if written.left:
            given.timer = self._ua.timers.after(written.left, self._givenLong)
