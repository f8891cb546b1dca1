"""
The part of a call that is made for a routing point: a number is called, and when
somebody answers, the call waits at the routing point as if that one had called it.

The routing point asks for the call, and is a party without a leg.  Who answers is
listened to by a media server first, where that is wanted.
"""

from __future__ import annotations

from twisted.logger import Logger

from sipcluster.sessioncontroller.call_treatments import Treated
from sipcluster.sessioncontroller.events import (
    Acknowledged,
    Alerting,
    Answered,
    CallType,
    Cause,
    Failed,
    Offered,
    Progressed,
    Refused,
    Released,
    Role,
)
from sipcluster.sessioncontroller.imedia import (
    MediaKind,
    MediaRequest,
    MediaResult,
)
from sipcluster.sessioncontroller.isessioncontroller import (
    Asked,
    Destination,
    RoutingPointDN,
)
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.party_events import NetworkReached
from sipcluster.sessioncontroller.prediction import CAUSES, FOUND, Prediction
from sipcluster.sessioncontroller.queue_events import Queued
from sipcluster.sessioncontroller.session_description import nothingYet
from sipcluster.sessioncontroller.values import CallValue
from sipcluster.sessioncontroller.waiting import Waiting
from sipcluster.sip.grammar import escapeUser
from sipcluster.wire.correlation import Requester

log = Logger()

#: What a media server does that listens to who answers.
_DETECT = MediaRequest(MediaKind.DIALOG, "detect", detect=True)


class Predictive(Treated):
    """
    What a call does that is made for a routing point.
    """

    __slots__ = ()

    def predictFor(
        self,
        party: Party,
        where: Asked,
        found: Destination,
        prediction: Prediction,
        point: RoutingPointDN | None,
        requester: Requester | None,
    ) -> None:
        """
        Call a number.

        @param party: the routing point, or a trunk group.
        @param point: where the call waits when somebody answers; L{None}: nowhere.
        """
        self._asked = where
        self.callType = found.callType
        number = escapeUser(party.view.thisDN.encode())
        self._from = b"<sip:%b@%b>" % (number, self._ua.domain)
        inside = found.callType is not CallType.OUTBOUND
        customer = self.addParty(found.dn, Role.DESTINATION, inside, party)
        party.meet(customer)
        nobody = RoutingPointDN("")
        self._queue = Waiting(party, point or nobody, prediction=prediction)
        now = self._ua.wallTime()
        party.machine.initiated(Offered(party.view, now, requester=requester))
        leg = self.addLeg(customer, False, calling=True)
        leg.aim(found, self._from, 70, ())
        log.info(
            "call {connID} is made for {dn}: {otherDN} is called",
            connID=self.connID,
            callUUID=self.callUUID,
            callID=leg.callID.decode("utf-8", "replace"),
            dn=party.view.thisDN,
            otherDN=found.dn,
        )
        customer.machine.alerted(Alerting(customer.view, now))
        leg.machine.place(b"")

    def _predicts(self, leg: Leg) -> Waiting | None:
        """
        What is known of a call whose far end has not answered yet, or is listened to.
        """
        waiting = self._queue
        if waiting is None or waiting.prediction is None or leg is not self._first:
            return None
        return waiting

    def _progressed(self, leg: Leg, event: Progressed) -> None:
        waiting = None if self._queue is None else self._predicts(leg)
        if waiting is None or waiting.prediction is None:
            super()._progressed(leg, event)
            return
        party, prediction = waiting.party, waiting.prediction
        leg.party.machine.progressed(event)
        if not prediction.reached and self.callType is CallType.OUTBOUND:
            prediction.reached = True
            party.machine.told(NetworkReached(party.view, self._ua.wallTime()))

    def _answered(self, leg: Leg, event: Answered) -> None:
        waiting = None if self._queue is None else self._predicts(leg)
        if waiting is None or waiting.prediction is None:
            super()._answered(leg, event)
            return
        offer, now = event.body, self._ua.wallTime()
        answer = nothingYet(offer, self._ua.origin) if offer else b""
        leg.machine.acknowledge(Acknowledged(leg.party.view, now, answer))
        if not offer:
            self.release(Cause.FAILED)
            return
        leg.party.machine.connected(event)
        if not waiting.prediction.detects:
            self._predicted(waiting, Cause.OK)
            return
        within = waiting.prediction.within
        waiting.wait(self._ua.timers.after(within, self._detectedNothing))
        self.play(leg, _DETECT)

    def _detectedNothing(self) -> None:
        first = self._first
        waiting = None if first is None else self._predicts(first)
        if waiting is not None:
            waiting.timer = None
            self._predicted(waiting, Cause.OK)

    def _predicted(self, waiting: Waiting, cause: Cause) -> None:
        """
        It is known who has answered.
        """
        party, prediction, first = waiting.party, waiting.prediction, self._first
        if prediction is None or first is None:
            return
        waiting.prediction = None
        waiting.wait(None)
        if first.media is not None:
            # What listens is not wanted any more.
            self.unpair(first)
            first.media = None
            first.joined = True
            self.alignSoon()
        if cause in prediction.drops:
            self._forgetQueue()
            self.release(cause, b"", party)
            return
        now = self._ua.wallTime()
        party.machine.connected(Answered(party.view, now, why=cause))
        if not waiting.point.number:
            self._queue = None
            waiting.end()
            return
        party.isAt(waiting.point.number)
        party.machine.queued(Queued(party.view, now, why=cause))
        self._askRoute()

    def _refused(self, leg: Leg, event: Refused) -> None:
        waiting = self._predicts(leg)
        if waiting is None:
            super()._refused(leg, event)
            return
        cause = CAUSES.get(event.status, event.cause)
        if event.cause is Cause.NO_ANSWER:
            cause = Cause.NO_ANSWER
        party, now = waiting.party, self._ua.wallTime()
        self._forgetQueue()
        party.machine.failed(Failed(party.view, now, cause, event.status))
        party.machine.cleared(Released(party.view, now, cause))
        self._clear(leg.party, cause)

    # The media server

    def serverSaid(self, leg: Leg, media: MediaRequest, result: MediaResult) -> None:
        """
        See L{Media<sipcluster.sessioncontroller.call_media.Media>}.
        """
        waiting = self._predicts(leg) if media.detect else None
        if waiting is None:
            super().serverSaid(leg, media, result)
        elif result.last or result.reason in FOUND:
            self._predicted(waiting, FOUND.get(result.reason, Cause.OK))

    def notServed(self, leg: Leg, media: MediaRequest, why: str) -> None:
        """
        See L{Media<sipcluster.sessioncontroller.call_media.Media>}.
        """
        waiting = self._predicts(leg) if media.detect else None
        if waiting is None:
            super().notServed(leg, media, why)
        else:
            self._predicted(waiting, Cause.OK)

    def cannotJoin(self, leg: Leg, why: str) -> None:
        """
        See L{Media<sipcluster.sessioncontroller.call_media.Media>}.
        """
        waiting = self._predicts(leg)
        if waiting is None:
            super().cannotJoin(leg, why)
        else:
            self._predicted(waiting, Cause.OK)

    # Going on

    def _resumeQueue(self, value: CallValue) -> None:
        super()._resumeQueue(value)
        waiting, written = self._queue, value.queue
        if waiting is None or written is None or written.prediction is None:
            return
        waiting.prediction = Prediction.of(written.prediction)
        if not written.prediction.waits:
            waiting.point = RoutingPointDN("")
        if written.left:
            waiting.wait(self._ua.timers.after(written.left, self._detectedNothing))
