"""
The non-INVITE server transaction: RFC 3261 section 17.2.2 as corrected by RFC
4320.
"""

from __future__ import annotations

from typing import Protocol

from automat import TypeMachine, TypeMachineBuilder

from sipcluster.sip.machine import indexed
from sipcluster.sip.message import Response, makeResponse
from sipcluster.sip.server_transaction import ServerTransaction


class NoninviteServer(Protocol):
    """
    What may happen to a non-INVITE server transaction.
    """

    def taken(self) -> None:
        "The TU has seen the request, and did not answer at once."

    def retransmitted(self) -> None:
        "The request arrived again."

    def provisional(self, response: Response) -> None:
        "The TU has a 100, and the flow is a stream."

    def final(self, response: Response) -> None:
        "The TU has a final response, and no 408."

    def abandon(self) -> None:
        "The TU has no answer, or had none in the time that the client waits."

    def trying(self) -> None:
        "The TU has said nothing until now, and the client retransmits slowly."

    def streamLost(self) -> None:
        "The stream of the request ended after a response was sent on it."

    def linger(self) -> None:
        "Timer J, or there is no room for those that are done."

    def transportError(self, why: str) -> None:
        "A response could not be sent."


def _build() -> TypeMachine[NoninviteServer, ServerTransaction]:
    m = TypeMachineBuilder(NoninviteServer, ServerTransaction)
    trying = m.state("Trying")
    proceeding = m.state("Proceeding")
    completed = m.state("Completed")
    terminated = m.state("Terminated")

    @trying.upon(NoninviteServer.taken).loop()
    @proceeding.upon(NoninviteServer.taken).loop()
    def wait(tx: NoninviteServer, s: ServerTransaction) -> None:
        if s.responded:
            s.timers.start("late", 64 * s.t.t1, tx.abandon)
        else:
            s.timers.start("100", s.t.silence, tx.trying)

    @trying.upon(NoninviteServer.trying).to(proceeding)
    def sayTrying(tx: NoninviteServer, s: ServerTransaction) -> None:
        s.send(makeResponse(s.request, 100))
        s.timers.start("late", 64 * s.t.t1 - s.t.silence, tx.abandon)

    @trying.upon(NoninviteServer.provisional).to(proceeding)
    @proceeding.upon(NoninviteServer.provisional).loop()
    def proceed(tx: NoninviteServer, s: ServerTransaction, response: Response) -> None:
        if s.timers.running("100"):
            s.timers.stop("100")
            s.timers.start("late", 64 * s.t.t1, tx.abandon)
        s.send(response)

    @proceeding.upon(NoninviteServer.retransmitted).loop()
    @completed.upon(NoninviteServer.retransmitted).loop()
    def repeat(tx: NoninviteServer, s: ServerTransaction) -> None:
        s.resend()

    @trying.upon(NoninviteServer.final).to(completed)
    @proceeding.upon(NoninviteServer.final).to(completed)
    def complete(tx: NoninviteServer, s: ServerTransaction, response: Response) -> None:
        s.timers.stopAll()
        s.send(response)
        if s.reliable:
            tx.linger()
        else:
            s.timers.start("J", 64 * s.t.t1, tx.linger)

    @trying.upon(NoninviteServer.abandon).to(terminated)
    @proceeding.upon(NoninviteServer.abandon).to(terminated)
    @completed.upon(NoninviteServer.linger).to(terminated)
    def finish(tx: NoninviteServer, s: ServerTransaction) -> None:
        s.finish()

    # RFC 6026 section 8.8: the state stays as it is; the TU may know another way.
    for state in (trying, proceeding, completed):

        @state.upon(NoninviteServer.transportError).loop()
        def fail(tx: NoninviteServer, s: ServerTransaction, why: str) -> None:
            s.tellFailure(why)

    # Late or impossible, and harmless.
    for state in (trying, proceeding, completed, terminated):
        state.upon(NoninviteServer.streamLost).loop().returns(None)
    trying.upon(NoninviteServer.retransmitted).loop().returns(None)
    terminated.upon(NoninviteServer.retransmitted).loop().returns(None)
    terminated.upon(NoninviteServer.transportError).loop().returns(None)
    for state in (completed, terminated):
        state.upon(NoninviteServer.taken).loop().returns(None)
        state.upon(NoninviteServer.provisional).loop().returns(None)
        state.upon(NoninviteServer.final).loop().returns(None)
        state.upon(NoninviteServer.abandon).loop().returns(None)
    for state in (proceeding, completed, terminated):
        state.upon(NoninviteServer.trying).loop().returns(None)
    for state in (trying, proceeding, terminated):
        state.upon(NoninviteServer.linger).loop().returns(None)
    return m.build()


_machine = indexed(_build())


def noninviteServer(core: ServerTransaction) -> NoninviteServer:
    """
    Make the machine of one non-INVITE server transaction; it begins trying.
    """
    machine = core.machine = _machine(core)
    return machine
