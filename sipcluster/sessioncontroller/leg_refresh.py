"""
The part of a leg that keeps its session from expiring, and ends it when its far end has
vanished (RFC 4028).
"""

from __future__ import annotations

from twisted.logger import Logger

from sipcluster.sessioncontroller.attempt import Attempt
from sipcluster.sessioncontroller.events import Fields
from sipcluster.sessioncontroller.leg_base import LegBase, sessionDescription
from sipcluster.sessioncontroller.outgoing_invite import OutgoingInvite
from sipcluster.sessioncontroller.session_description import differ
from sipcluster.sessioncontroller.session_refresh import (
    Refresh,
    again,
    agreed,
    answered,
)
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.message import Message, Request, Response
from sipcluster.sip.session_timer import IntervalTooSmall, minSE

log = Logger()

#: What says that the far end is busy with a change of its own, or not there: it is
#: asked again.
_LATER = (491, 500, 503, 504)


class Refreshing(LegBase):
    """
    What a leg does so that its session neither expires nor outlives its far end.
    """

    __slots__ = ()

    # What is agreed

    def grant(self, request: Request) -> Fields:
        """
        The far end's INVITE or UPDATE is accepted.

        @return: what our 2xx says of session timers.
        """
        limits = self.ua.limits
        try:
            refresh, fields = answered(
                request, limits.sessionInterval, limits.shortestSession
            )
        except MalformedMessage:
            refresh, fields = None, ()
        self.agreeOn(refresh)
        return fields

    def tooShort(self, request: Request) -> int:
        """
        Whether a request asks for refreshes that come too often.

        @return: the least interval; 0: it does not.
        """
        try:
            answered(request, 0, self.ua.limits.shortestSession)
        except IntervalTooSmall as e:
            return e.minimum
        except MalformedMessage:
            pass
        return 0

    def agreed(self, response: Response, wanted: int) -> None:
        """
        The far end has accepted ours.

        @param wanted: the interval that we have asked for.
        """
        self.agreeOn(agreed(response, wanted))

    # Our refreshes

    def refreshSession(self) -> None:
        """
        Refresh the session: by UPDATE where that is taken, else by a re-INVITE that
        says what was said last.
        """
        dialog = self.dialog
        if self.change is not None or dialog is None:
            return  # that may be a refresh as well, and there is time
        fields = self.sessionFields(again(self.refresh))
        self.refreshing = True
        self.ua.count("sessionsRefreshed")
        if b"UPDATE" in self.allow or not self.origin.sent:
            request = self.request(b"UPDATE", fields)
            attempt = self.change = Attempt(
                self.ua,
                lambda proxy: self.through(request, proxy),
                self._updateAnswered,
                self._updateLost,
            )
            attempt.start(self.proxy)
            return
        request = self.request(b"INVITE", fields, self.origin.last)
        invite = self.change = OutgoingInvite(
            self.ua,
            self,  # type: ignore[arg-type] # every leg is a Leg
            lambda proxy: self.through(request, proxy),
            True,
        )
        self.thinkAboutChange(self.ua.t.timerC)
        invite.start(self.proxy)

    def refreshed(self, response: Response, before: bytes) -> None:
        """
        The far end has answered our refresh.

        @param before: what it wanted to hear until then.
        """
        refresh, status = self.refresh, response.status
        if status == 422 and refresh is not None:
            self.refresh = Refresh(longer(response, refresh.seconds), refresh.byFarEnd)
        elif status >= 300 and status not in _LATER:
            # It lives, and that is what we wanted to know.
            self.agreeOn(refresh)
        call = self.call
        if (
            status < 300
            and call is not None
            and self.peer is not None
            and sessionDescription(response)
            and differ(before, self.received)
        ):
            # The other far end is to know.
            self.peer.joined = False
            call.alignSoon()

    def _updateAnswered(self, response: Response, request: Request) -> None:
        if response.status >= 200:
            self.machine.changeAnswered(response)

    def _updateLost(self, status: int, why: str) -> None:
        self.machine.changeLost(status, why)

    def thinkAboutChange(self, seconds: float) -> None:
        """
        The far end has so long for a re-INVITE.
        """
        self.stopRinging()
        self._ringing = self.ua.timers.after(seconds, self._changeTakesTooLong)

    def _changeTakesTooLong(self) -> None:
        """
        A re-INVITE is being thought about for ever.
        """
        self._ringing = None
        if isinstance(self.change, OutgoingInvite):
            self.change.cancel()


def longer(message: Message, seconds: int) -> int:
    """
    The interval that is to be asked for after a 422.

    @param seconds: that was too short.
    """
    try:
        return max(minSE(message), seconds)
    except MalformedMessage:
        return 2 * seconds
