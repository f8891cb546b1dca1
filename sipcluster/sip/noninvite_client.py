"""
The non-INVITE client transaction: RFC 3261 section 17.1.2.
"""

from __future__ import annotations

from typing import Protocol

from automat import TypeMachine, TypeMachineBuilder

from sipcluster.sip.client_transaction import ClientTransaction
from sipcluster.sip.machine import indexed
from sipcluster.sip.message import Response


class NoninviteClient(Protocol):
    """
    What may happen to a non-INVITE client transaction.
    """

    def start(self) -> None:
        "The TU hands over its request."

    def provisional(self, response: Response) -> None:
        "A 1xx arrived."

    def final(self, response: Response) -> None:
        "A final response arrived."

    def rerouted(self) -> None:
        "The stream was refused, and the flow is a UDP one now."

    def repeat(self) -> None:
        "The other end may have forgotten the request, or it is another process now."

    def timerE(self) -> None:
        "Time to send the request again."

    def timerF(self) -> None:
        "No final response came in time."

    def linger(self) -> None:
        "Timer K: nothing more is expected from the network."

    def abandon(self) -> None:
        "The TU waits for nothing any more."

    def transportError(self, why: str) -> None:
        "The request cannot be sent, or its flow broke."


def _build() -> TypeMachine[NoninviteClient, ClientTransaction]:
    m = TypeMachineBuilder(NoninviteClient, ClientTransaction)
    idle = m.state("Idle")
    trying = m.state("Trying")
    proceeding = m.state("Proceeding")
    completed = m.state("Completed")
    terminated = m.state("Terminated")

    def limit(tx: NoninviteClient, s: ClientTransaction) -> None:
        if not s.timers.running("F"):
            s.timers.start("F", 64 * s.t.t1 - s.interval, tx.timerF)

    @idle.upon(NoninviteClient.start).to(trying)
    def begin(tx: NoninviteClient, s: ClientTransaction) -> None:
        s.send()
        if s.flow.reliable:
            s.timers.start("F", 64 * s.t.t1, tx.timerF)
        else:
            # Timer F starts with the first retransmission: most need neither.
            s.interval = s.t.t1
            s.timers.start("E", s.interval, tx.timerE)

    @trying.upon(NoninviteClient.timerE).loop()
    def retransmit(tx: NoninviteClient, s: ClientTransaction) -> None:
        s.send()
        limit(tx, s)
        s.interval = min(2 * s.interval, s.t.t2)
        s.timers.start("E", s.interval, tx.timerE)

    @proceeding.upon(NoninviteClient.timerE).loop()
    def retransmitSlowly(tx: NoninviteClient, s: ClientTransaction) -> None:
        s.send()
        limit(tx, s)
        s.timers.start("E", s.t.t2, tx.timerE)

    @trying.upon(NoninviteClient.rerouted).loop()
    def sendElsewhere(tx: NoninviteClient, s: ClientTransaction) -> None:
        s.send()
        if not s.flow.reliable:
            s.interval = s.t.t1
            s.timers.start("E", s.interval, tx.timerE)

    @trying.upon(NoninviteClient.repeat).loop()
    @proceeding.upon(NoninviteClient.repeat).to(trying)
    def sendAgain(tx: NoninviteClient, s: ClientTransaction) -> None:
        s.timers.stop("E")
        s.send()
        if not s.timers.running("F"):
            s.interval = 0.0
            limit(tx, s)
        if not s.flow.reliable:
            s.interval = s.t.t1
            s.timers.start("E", s.interval, tx.timerE)

    @trying.upon(NoninviteClient.provisional).to(proceeding)
    @proceeding.upon(NoninviteClient.provisional).loop()
    def passUp(tx: NoninviteClient, s: ClientTransaction, response: Response) -> None:
        s.tell(response)

    @trying.upon(NoninviteClient.final).to(completed)
    @proceeding.upon(NoninviteClient.final).to(completed)
    def complete(tx: NoninviteClient, s: ClientTransaction, response: Response) -> None:
        s.timers.stopAll()
        s.answered(s)
        if s.flow.reliable:
            tx.linger()
        else:
            s.timers.start("K", s.t.t4, tx.linger)
        s.tell(response)

    @trying.upon(NoninviteClient.timerF).to(terminated)
    @proceeding.upon(NoninviteClient.timerF).to(terminated)
    def timeOut(tx: NoninviteClient, s: ClientTransaction) -> None:
        s.timeOut()

    @idle.upon(NoninviteClient.transportError).to(terminated)
    @trying.upon(NoninviteClient.transportError).to(terminated)
    @proceeding.upon(NoninviteClient.transportError).to(terminated)
    def fail(tx: NoninviteClient, s: ClientTransaction, why: str) -> None:
        s.fail(why)

    @idle.upon(NoninviteClient.abandon).to(terminated)
    @trying.upon(NoninviteClient.abandon).to(terminated)
    @proceeding.upon(NoninviteClient.abandon).to(terminated)
    @completed.upon(NoninviteClient.abandon).to(terminated)
    @completed.upon(NoninviteClient.linger).to(terminated)
    def finish(tx: NoninviteClient, s: ClientTransaction) -> None:
        s.finish()

    # Late or impossible, and harmless.
    terminated.upon(NoninviteClient.abandon).loop().returns(None)
    for state in (idle, completed, terminated):
        state.upon(NoninviteClient.provisional).loop().returns(None)
        state.upon(NoninviteClient.final).loop().returns(None)
        state.upon(NoninviteClient.timerE).loop().returns(None)
        state.upon(NoninviteClient.timerF).loop().returns(None)
    for state in (completed, terminated):
        state.upon(NoninviteClient.transportError).loop().returns(None)
    for state in (idle, proceeding, completed, terminated):
        state.upon(NoninviteClient.rerouted).loop().returns(None)
    for state in (idle, completed, terminated):
        state.upon(NoninviteClient.repeat).loop().returns(None)
    for state in (idle, trying, proceeding, terminated):
        state.upon(NoninviteClient.linger).loop().returns(None)
    return m.build()


_machine = indexed(_build())


def noninviteClient(core: ClientTransaction) -> NoninviteClient:
    """
    Make the machine of one non-INVITE client transaction; it begins idle.
    """
    machine = core.machine = _machine(core)
    return machine
