"""
What both kinds of server transaction have in common: the core that their
machines work on, and what its user holds in hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from attrs import define
from twisted.logger import Logger

from sipcluster.sip.isip import IFlow, IServerTransactionUser
from sipcluster.sip.machine import stateName
from sipcluster.sip.message import Request, Response
from sipcluster.sip.timers import TimerSet, TimerValues

if TYPE_CHECKING:
    from sipcluster.sip.invite_server import InviteServer
    from sipcluster.sip.noninvite_server import NoninviteServer

log = Logger()


@define(eq=False)
class ServerTransaction:
    """
    One request that arrived, and the responses that go back for it.

    @ivar request: the request as it arrived, C{received} and C{rport} set.
    @ivar flow: where it came from.
    @ivar key: what its retransmissions are matched by (RFC 3261 section
        17.2.3).
    @ivar ended: takes the transaction out of the table.
    @ivar answered: counts it as one that has its final response.
    @ivar routeBack: finds the flow for its responses; gives L{None}, and causes
        the input C{transportError}, when there is none.
    @ivar user: told what happens.  It must be set before C{requestReceived}
        returns if it is to see a CANCEL; L{None} when nobody wants to know, and
        once the transaction is gone.
    @ivar machine: takes the inputs; L{None} once the transaction is gone.
    @ivar last: the last response.
    @ivar outward: where it went.
    @ivar lingering: whether it was a final one.
    @ivar interval: seconds until the next retransmission.
    @ivar cancelled: whether a CANCEL came while there was no final response.
    @ivar merged: what other ways of the same request are known by.
    @ivar ackKey: a second key, for the ACK of an RFC 2543 peer.
    @ivar answersTo: where the stream of its responses leads.
    @ivar detoured: whether they go to another process than the one they should.
    """

    request: Request
    flow: IFlow
    key: tuple[object, ...]
    timers: TimerSet
    t: TimerValues
    ended: Callable[[ServerTransaction], None]
    answered: Callable[[ServerTransaction], None]
    routeBack: Callable[[ServerTransaction], IFlow | None]
    user: IServerTransactionUser | None = None
    machine: InviteServer | NoninviteServer | None = None
    last: Response | None = None
    outward: IFlow | None = None
    lingering: bool = False
    interval: float = 0.0
    cancelled: bool = False
    merged: tuple[object, ...] | None = None
    ackKey: tuple[object, ...] | None = None
    answersTo: tuple[str, int] | None = None
    detoured: bool = False

    @property
    def responded(self) -> int:
        """
        The status of the last response, or 0.
        """
        return 0 if self.last is None else self.last.status

    @property
    def toTag(self) -> bytes:
        """
        The To tag of the last response, or else of the request; empty when
        neither has one.
        """
        return (self.last or self.request).toTag

    @property
    def terminated(self) -> bool:
        """
        Whether the transaction is gone.
        """
        return self.machine is None

    @property
    def state(self) -> str:
        """
        The state's name in the RFC, as in C{"Proceeding"}.
        """
        return "Terminated" if self.machine is None else stateName(self.machine)

    @property
    def reliable(self) -> bool:
        """
        Whether responses travel on a stream.
        """
        return (self.outward or self.flow).reliable

    def respond(self, response: Response) -> None:
        """
        Send a response.

        For an INVITE a further 2xx is sent as given (RFC 6026 section 8.7):
        this is how the TU retransmits it.  A response that comes after the
        transaction's end, or after a final one of another kind, is dropped.

        For other methods RFC 4320 holds: no 1xx but 100, and that on a stream
        only, since on UDP the transaction itself sends it when it is time; and
        no 408: it ends the transaction without a word.
        """
        machine = self.machine
        if machine is None:
            return
        status = response.status
        if self.request.method == b"INVITE":
            invite = cast("InviteServer", machine)
            if status < 200:
                invite.provisional(response)
            elif status < 300:
                invite.success(response)
            else:
                invite.failure(response)
        else:
            other = cast("NoninviteServer", machine)
            if status >= 200 and status != 408:
                other.final(response)
            elif status == 408:
                other.abandon()
            elif status == 100 and self.reliable:
                other.provisional(response)

    def wait(self) -> None:
        """
        The TU of an INVITE that was taken over takes its time.
        """
        if self.machine is not None and self.request.method == b"INVITE":
            cast("InviteServer", self.machine).taken()

    def forget(self) -> None:
        """
        Do not wait for retransmissions of a request, other than INVITE, that has
        its final response: whoever asks again is answered again, as by a
        stateless UAS (RFC 3261 section 8.2.7).  Before that nothing happens.
        """
        if self.machine is not None and self.request.method != b"INVITE":
            cast("NoninviteServer", self.machine).linger()

    # What follows is for the machines.

    def send(self, response: Response) -> None:
        """
        Send a response that was not sent before.
        """
        self.last = response
        if response.status >= 200 and not self.lingering:
            self.answered(self)
        self.resend()

    def resend(self) -> None:
        """
        Send the last response, if there is one.
        """
        if self.last is not None:
            flow = self.outward
            if flow is None or flow.closed:
                flow = self.outward = self.routeBack(self)
            if flow is not None:
                flow.send(self.last.render())

    def finish(self) -> None:
        """
        Leave the table and let go of everything that points back here, so that
        the transaction is freed at once and not by the garbage collector.
        """
        self.timers.stopAll()
        self.ended(self)
        user, self.user, self.machine = self.user, None, None
        if user is not None:
            try:
                user.transactionTerminated()
            except Exception:
                log.failure("end of {key}", key=self.key)

    def tellCancel(self, cancel: Request) -> None:
        """
        Pass a CANCEL up, the first one.
        """
        if not self.cancelled:
            self.cancelled = True
            if self.user is not None:
                try:
                    self.user.cancelReceived(cancel)
                except Exception:
                    log.failure("CANCEL of {key}", key=self.key)

    def tellAck(self, ack: Request) -> None:
        """
        Pass an ACK up.
        """
        if self.user is not None:
            try:
                self.user.ackReceived(ack)
            except Exception:
                log.failure("ACK of {key}", key=self.key)

    def tellMissing(self) -> None:
        """
        Tell that no ACK came.
        """
        if self.user is not None:
            try:
                self.user.acknowledgementMissing()
            except Exception:
                log.failure("missing ACK of {key}", key=self.key)

    def tellFailure(self, why: str) -> None:
        """
        Tell that a response went nowhere.
        """
        if self.user is not None:
            try:
                self.user.transportFailed(why)
            except Exception:
                log.failure("transport failure of {key}", key=self.key)
