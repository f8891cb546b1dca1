"""
What both kinds of client transaction have in common: the core that their
machines work on, and what its user holds in hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, cast

from attrs import define
from twisted.logger import Logger

from sipcluster.sip.isip import IFlow, ITransactionUser, Target
from sipcluster.sip.message import Request, Response
from sipcluster.sip.timers import TimerSet, TimerValues

if TYPE_CHECKING:
    from sipcluster.sip.invite_client import InviteClient
    from sipcluster.sip.noninvite_client import NoninviteClient

log = Logger()

#: Header fields to be added to a request: name and value.
Fields = Iterable[tuple[bytes, bytes]]


@define(eq=False)
class ClientTransaction:
    """
    One request on its way, and the responses that come back for it.

    @ivar request: the request as it was sent, our Via on top.
    @ivar target: where it was to go.
    @ivar flow: where it goes.
    @ivar key: what its responses are matched by (RFC 3261 section 17.1.3).
    @ivar data: the bytes that are sent, again and again.
    @ivar user: told what happens; L{None} once the transaction is gone.
    @ivar ended: takes the transaction out of the table.
    @ivar answered: takes it out of those that a broken flow concerns.
    @ivar sendCancel: sends the CANCEL of this INVITE.
    @ivar sentBy: what the Via names us by; empty for the flow's own address.
    @ivar viaStart: what our Via begins with, up to the branch.
    @ivar machine: takes the inputs; L{None} once the transaction is gone.
    @ivar mayReroute: the flow is a stream only because the request is large,
        and UDP is to be tried when it fails (section 18.1.1).
    @ivar broken: told when the flow breaks, instead of ending the transaction: its
        user expects that another process goes on at the other end.
    @ivar lingering: whether there was a final response.
    @ivar responded: the highest status of the responses, or 0.
    @ivar interval: seconds until the next retransmission.
    @ivar cancelFields: fields for the CANCEL, once there is to be one.
    @ivar cancelSent: whether it is on its way.
    """

    request: Request
    target: Target
    flow: IFlow
    key: tuple[bytes, bytes]
    data: bytes
    user: ITransactionUser | None
    timers: TimerSet
    t: TimerValues
    ended: Callable[[ClientTransaction], None]
    answered: Callable[[ClientTransaction], None]
    sendCancel: Callable[[ClientTransaction, Fields], None]
    sentBy: bytes
    viaStart: bytes
    machine: InviteClient | NoninviteClient | None = None
    mayReroute: bool = False
    broken: Callable[[str], None] | None = None
    lingering: bool = False
    responded: int = 0
    interval: float = 0.0
    cancelFields: Fields | None = None
    cancelSent: bool = False

    @property
    def terminated(self) -> bool:
        """
        Whether the transaction is gone.
        """
        return self.machine is None

    def cancel(self, headers: Fields = ()) -> None:
        """
        Ask the other side to give the INVITE up (RFC 3261 section 9.1).

        The CANCEL leaves after the first provisional response.  What became of
        the INVITE is told as always: by its final response, which may still be
        a 2xx, or, when none comes within 64*T1, by C{transactionTimedOut}.
        Does nothing once there is a final response, nor for other methods.

        @param headers: fields to be added, as C{Reason} (RFC 3326).
        """
        machine = self.machine
        if machine is not None and self.request.method == b"INVITE":
            cast("InviteClient", machine).cancel(headers)

    def abandon(self) -> None:
        """
        Wait for nothing any more: the transaction ends now, and a response that
        still comes belongs to nothing.  The user is told its end.
        """
        if self.machine is not None:
            self.machine.abandon()

    # What follows is for the machines.

    def send(self) -> None:
        """
        Send the request, once more perhaps.
        """
        self.flow.send(self.data)

    def tell(self, response: Response) -> None:
        """
        Pass a response up.
        """
        if response.status > self.responded:  # a 100 may come after a 180
            self.responded = response.status
        user = self.user
        if user is None:
            return
        try:
            user.responseReceived(response)
        except Exception:
            log.failure("response to {key}", key=self.key)

    def timeOut(self) -> None:
        """
        Tell that no final response came, and end.
        """
        try:
            if self.user is not None:
                self.user.transactionTimedOut()
        except Exception:
            log.failure("time-out of {key}", key=self.key)
        self.finish()

    def fail(self, why: str) -> None:
        """
        Tell that the request cannot be sent, and end.
        """
        try:
            if self.user is not None:
                self.user.transportFailed(why)
        except Exception:
            log.failure("transport failure of {key}", key=self.key)
        self.finish()

    def finish(self) -> None:
        """
        Leave the table and let go of everything that points back here, so that
        the transaction is freed at once and not by the garbage collector.
        """
        self.timers.stopAll()
        self.ended(self)
        user, self.user, self.machine, self.broken = self.user, None, None, None
        try:
            if user is not None:
                user.transactionTerminated()
        except Exception:
            log.failure("end of {key}", key=self.key)
