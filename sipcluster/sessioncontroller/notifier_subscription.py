"""
One subscription: its dialog, its time, and its NOTIFYs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.logger import Logger

from sipcluster.sessioncontroller.attempt import Attempt
from sipcluster.sessioncontroller.in_dialog import firstProxy, routed
from sipcluster.sessioncontroller.notifier_keeping import (
    SubscriptionValue,
    Touch,
    tagKey,
)
from sipcluster.sessioncontroller.notifier_states import (
    SubscriptionCore,
    subscriptionMachine,
    subscriptionState,
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
        "_core",
        "_gone",
        "_timers",
        "_touch",
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
        body: Callable[[int], bytes],
        gone: Callable[[Subscription], None],
        touch: Touch,
    ) -> None:
        """
        @param body: makes what a NOTIFY says, given how many there were.
        @param gone: told when it takes no more requests.
        @param touch: told when it may not be as it was.
        """
        self._ua = ua
        self.dn = dn
        self.dialog = dialog
        self.event = event
        self._contentType = contentType
        self._body = body
        self._gone: Callable[[Subscription], None] | None = gone
        self._timers = TimerSet(ua.timers)
        self._touch = touch
        self._until = 0.0
        self._core = SubscriptionCore(self._timers, self._notify, self._ended)
        self.machine = subscriptionMachine(self._core)

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

    def isOfFirst(self, request: Request) -> bool:
        """
        Whether a request without a dialog is the one that has made it.
        """
        dialog = self.dialog
        return (
            request.callID == dialog.callID
            and request.fromTag == dialog.remoteTag
            and request.cseq.number >= dialog.remoteSequence
        )

    def live(self, seconds: int) -> None:
        """
        It lives that long from now on; to be told by a NOTIFY.

        @param seconds: 0 to end it.
        """
        if seconds:
            self._lease(seconds)
            self.machine.subscribed()
        else:
            self.machine.end(b"timeout")
        self.touched()

    def _lease(self, seconds: float) -> None:
        self._until = self._ua.timers.clock.seconds() + seconds
        self._timers.start("expiry", seconds, self._expired)

    def _expired(self) -> None:
        self.machine.end(b"timeout")

    def touched(self) -> None:
        """
        It may not be as it was.
        """
        self._touch(tagKey(self.dialog.localTag))

    @property
    def over(self) -> bool:
        """
        Nothing more comes of it.
        """
        return subscriptionState(self.machine) == "Terminated"

    # As a value

    def value(self) -> SubscriptionValue | None:
        """
        Write it down.

        @return: L{None}: nothing more comes of it.
        """
        state = subscriptionState(self.machine)
        if state == "Terminated":
            return None
        return SubscriptionValue(
            self.dn,
            self.dialog,
            self.event,
            max(0.0, self._until - self._ua.timers.clock.seconds()),
            state == "Notifying" or self._core.wanted,
            self._core.reason,
        )

    def adopt(self, left: float) -> None:
        """
        Go on with one that was written down: it lives so much longer.
        """
        self._lease(left)

    def goOn(self, value: SubscriptionValue) -> None:
        """
        Do what is due of what was written down.
        """
        if value.reason:
            self.machine.end(value.reason)
        elif value.due:
            self.machine.subscribed()
        self.touched()

    # What the machine asks for

    def _notify(self, reason: bytes) -> None:
        if reason:
            state = b"terminated;reason=%b" % reason
        else:
            left = max(1, round(self._until - self._ua.timers.clock.seconds()))
            state = b"active;expires=%d" % left
        self.touched()
        self.dialog, request = self.dialog.makeRequest(
            b"NOTIFY",
            (
                (b"Contact", self.contact),
                (b"Event", self.event),
                (b"Subscription-State", state),
            ),
            self._body(self.dialog.localSequence),
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
            self.touched()
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
        self.touched()

    def _ended(self) -> None:
        self._timers.stopAll()
        gone, self._gone = self._gone, None
        if gone is not None:
            gone(self)
