"""
One subscription: its dialog, its time, and its NOTIFYs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.logger import Logger

from sipcluster.sessioncontroller.attempt import Attempt
from sipcluster.sessioncontroller.in_dialog import firstProxy, routed
from sipcluster.sessioncontroller.notifier_states import (
    SubscriptionCore,
    subscriptionMachine,
)
from sipcluster.sip.dialog import Dialog
from sipcluster.sip.message import Request, Response
from sipcluster.sip.timers import TimerSet

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.useragent import UserAgent

log = Logger()


class Subscription:
    """
    Somebody wants to know.

    @ivar dn: about which DN.
    @ivar event: the value of Event, with its C{id} where there is one.
    @ivar machine: its states.
    """

    __slots__ = (
        "__weakref__",
        "_body",
        "_contentType",
        "_gone",
        "_timers",
        "_ua",
        "_until",
        "dialog",
        "dn",
        "event",
        "machine",
    )

    def __init__(
        self,
        ua: UserAgent,
        dn: str,
        dialog: Dialog,
        event: bytes,
        contentType: bytes,
        body: Callable[[], bytes],
        gone: Callable[[Subscription], None],
    ) -> None:
        """
        @param body: makes what a NOTIFY says.
        @param gone: told when it takes no more requests.
        """
        self._ua = ua
        self.dn = dn
        self.dialog = dialog
        self.event = event
        self._contentType = contentType
        self._body = body
        self._gone: Callable[[Subscription], None] | None = gone
        self._timers = TimerSet(ua.timers)
        self._until = 0.0
        self.machine = subscriptionMachine(
            SubscriptionCore(self._timers, self._notify, self._ended)
        )

    @property
    def contact(self) -> bytes:
        """
        Our Contact: the name of the node or its pair, never an address.
        """
        scheme = b"sips" if self.dialog.secure else b"sip"
        return b"<%b:%b@%b>" % (scheme, self.dialog.localTag, self._ua.contactHost)

    def isOf(self, request: Request) -> bool:
        """
        Whether a request belongs to its dialog.
        """
        dialog = self.dialog
        return (
            request.callID == dialog.callID
            and request.fromTag == dialog.remoteTag
            and request.toTag == dialog.localTag
        )

    def live(self, seconds: int) -> None:
        """
        It lives that long from now on; to be told by a NOTIFY.

        @param seconds: 0 to end it.
        """
        if seconds:
            self._until = self._ua.timers.clock.seconds() + seconds
            self._timers.start("expiry", seconds, self.machine.end, b"timeout")
            self.machine.subscribed()
        else:
            self.machine.end(b"timeout")

    # What the machine asks for

    def _notify(self, reason: bytes) -> None:
        if reason:
            state = b"terminated;reason=%b" % reason
        else:
            left = max(1, round(self._until - self._ua.timers.clock.seconds()))
            state = b"active;expires=%d" % left
        self.dialog, request = self.dialog.makeRequest(
            b"NOTIFY",
            (
                (b"Contact", self.contact),
                (b"Event", self.event),
                (b"Subscription-State", state),
            ),
            self._body(),
            self._contentType,
        )
        usual = firstProxy(self._ua, self.dialog)
        Attempt(
            self._ua,
            lambda proxy: routed(request, proxy, usual),
            self._answered,
            self._lost,
        ).start(usual)

    def _answered(self, response: Response, request: Request) -> None:
        status = response.status
        if status < 200:
            return
        if status < 300 or b"Retry-After" in response.headers:
            self.machine.confirmed()
        else:
            self._fail(f"answers {status}")

    def _lost(self, status: int, why: str) -> None:
        self._fail(why)

    def _fail(self, why: str) -> None:
        log.info(
            "subscriber of {dn} takes no NOTIFY: {why}",
            dn=self.dn,
            why=why,
            callID=self.dialog.callID.decode("utf-8", "replace"),
        )
        self._ua.count("notifiesFailed")
        self.machine.failed()

    def _ended(self) -> None:
        self._timers.stopAll()
        gone, self._gone = self._gone, None
        if gone is not None:
            gone(self)
