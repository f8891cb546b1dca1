"""
The INVITE server transaction: RFC 3261 section 17.2.1 with the Accepted state of
RFC 6026 section 8.7.
"""

from __future__ import annotations

from typing import Protocol

from automat import TypeMachine, TypeMachineBuilder

from sipcluster.sip.machine import indexed
from sipcluster.sip.message import Request, Response, makeResponse
from sipcluster.sip.server_transaction import ServerTransaction

#: Seconds that a TU may think before the transaction itself says 100.
TRYING_AFTER = 0.2


class InviteServer(Protocol):
    """
    What may happen to an INVITE server transaction.
    """

    def taken(self) -> None:
        "The TU has seen the INVITE, and did not answer at once."

    def retransmitted(self) -> None:
        "The INVITE arrived again."

    def acknowledged(self, ack: Request) -> None:
        "An ACK arrived that belongs here."

    def cancelled(self, cancel: Request) -> None:
        "A CANCEL for this INVITE arrived, and was answered."

    def provisional(self, response: Response) -> None:
        "The TU has a 1xx."

    def success(self, response: Response) -> None:
        "The TU has a 2xx, for the first time or again."

    def failure(self, response: Response) -> None:
        "The TU has a final response that is no 2xx."

    def trying(self) -> None:
        "The TU has said nothing for 200 ms."

    def timerG(self) -> None:
        "Time to send the final response again."

    def timerH(self) -> None:
        "No ACK came in time."

    def streamLost(self) -> None:
        "The stream of the INVITE ended after a response was sent on it."

    def linger(self) -> None:
        "Timer I or L, or there is no room for those that are done."

    def transportError(self, why: str) -> None:
        "A response could not be sent."


def _build() -> TypeMachine[InviteServer, ServerTransaction]:
    m = TypeMachineBuilder(InviteServer, ServerTransaction)
    proceeding = m.state("Proceeding")
    accepted = m.state("Accepted")
    completed = m.state("Completed")
    confirmed = m.state("Confirmed")
    terminated = m.state("Terminated")

    @proceeding.upon(InviteServer.taken).loop()
    def wait(tx: InviteServer, s: ServerTransaction) -> None:
        if not s.responded:
            s.timers.start("100", TRYING_AFTER, tx.trying)

    @proceeding.upon(InviteServer.trying).loop()
    def sayTrying(tx: InviteServer, s: ServerTransaction) -> None:
        s.send(makeResponse(s.request, 100))

    @proceeding.upon(InviteServer.provisional).loop()
    def proceed(tx: InviteServer, s: ServerTransaction, response: Response) -> None:
        s.timers.stop("100")
        s.send(response)

    @proceeding.upon(InviteServer.retransmitted).loop()
    @completed.upon(InviteServer.retransmitted).loop()
    @completed.upon(InviteServer.streamLost).loop()
    def repeat(tx: InviteServer, s: ServerTransaction) -> None:
        s.resend()

    @proceeding.upon(InviteServer.cancelled).loop()
    def cancel(tx: InviteServer, s: ServerTransaction, cancel: Request) -> None:
        s.tellCancel(cancel)

    @proceeding.upon(InviteServer.success).to(accepted)
    def accept(tx: InviteServer, s: ServerTransaction, response: Response) -> None:
        s.timers.stop("100")
        s.timers.start("L", 64 * s.t.t1, tx.linger)
        s.send(response)

    @accepted.upon(InviteServer.success).loop()
    def acceptAgain(tx: InviteServer, s: ServerTransaction, response: Response) -> None:
        s.send(response)

    @accepted.upon(InviteServer.acknowledged).loop()
    def passUp(tx: InviteServer, s: ServerTransaction, ack: Request) -> None:
        s.tellAck(ack)

    @proceeding.upon(InviteServer.failure).to(completed)
    def refuse(tx: InviteServer, s: ServerTransaction, response: Response) -> None:
        s.timers.stop("100")
        s.send(response)
        s.timers.start("H", 64 * s.t.t1, tx.timerH)
        if not s.reliable:
            s.interval = s.t.t1
            s.timers.start("G", s.interval, tx.timerG)

    @completed.upon(InviteServer.timerG).loop()
    def retransmit(tx: InviteServer, s: ServerTransaction) -> None:
        s.resend()
        s.interval = min(2 * s.interval, s.t.t2)
        s.timers.start("G", s.interval, tx.timerG)

    @completed.upon(InviteServer.acknowledged).to(confirmed)
    def confirm(tx: InviteServer, s: ServerTransaction, ack: Request) -> None:
        s.timers.stopAll()
        if s.reliable:
            tx.linger()
        else:
            s.timers.start("I", s.t.t4, tx.linger)
        s.tellAck(ack)

    @completed.upon(InviteServer.timerH).to(terminated)
    def giveUp(tx: InviteServer, s: ServerTransaction) -> None:
        s.tellMissing()
        s.finish()

    @accepted.upon(InviteServer.linger).to(terminated)
    @completed.upon(InviteServer.linger).to(terminated)
    @confirmed.upon(InviteServer.linger).to(terminated)
    def finish(tx: InviteServer, s: ServerTransaction) -> None:
        s.finish()

    # RFC 6026 section 8.8: the state stays as it is; the TU may know another way.
    for state in (proceeding, accepted, completed):

        @state.upon(InviteServer.transportError).loop()
        def fail(tx: InviteServer, s: ServerTransaction, why: str) -> None:
            s.tellFailure(why)

    # Late or impossible, and harmless.
    for state in (accepted, completed, confirmed, terminated):
        state.upon(InviteServer.taken).loop().returns(None)
        state.upon(InviteServer.trying).loop().returns(None)
        state.upon(InviteServer.provisional).loop().returns(None)
        state.upon(InviteServer.failure).loop().returns(None)
        state.upon(InviteServer.cancelled).loop().returns(None)
    for state in (proceeding, accepted, confirmed, terminated):
        state.upon(InviteServer.streamLost).loop().returns(None)
    for state in (accepted, confirmed, terminated):
        state.upon(InviteServer.retransmitted).loop().returns(None)
    for state in (completed, confirmed, terminated):
        state.upon(InviteServer.success).loop().returns(None)
    for state in (proceeding, confirmed, terminated):
        state.upon(InviteServer.acknowledged).loop().returns(None)
    for state in (proceeding, accepted, confirmed, terminated):
        state.upon(InviteServer.timerG).loop().returns(None)
        state.upon(InviteServer.timerH).loop().returns(None)
    for state in (proceeding, terminated):
        state.upon(InviteServer.linger).loop().returns(None)
    for state in (confirmed, terminated):
        state.upon(InviteServer.transportError).loop().returns(None)
    return m.build()


_machine = indexed(_build())


def inviteServer(core: ServerTransaction) -> InviteServer:
    """
    Make the machine of one INVITE server transaction; it begins proceeding.
    """
    machine = core.machine = _machine(core)
    return machine
