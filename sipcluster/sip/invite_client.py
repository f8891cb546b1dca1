"""
The INVITE client transaction: RFC 3261 section 17.1.1 with the Accepted state of
RFC 6026 section 8.4.
"""

from __future__ import annotations

from typing import Protocol

from automat import TypeMachine, TypeMachineBuilder

from sipcluster.sip.client_transaction import ClientTransaction, Fields
from sipcluster.sip.machine import indexed
from sipcluster.sip.message import Headers, Request, Response


class InviteClient(Protocol):
    """
    What may happen to an INVITE client transaction.
    """

    def start(self) -> None:
        "The TU hands over its INVITE."

    def provisional(self, response: Response) -> None:
        "A 1xx arrived."

    def success(self, response: Response) -> None:
        "A 2xx arrived."

    def failure(self, response: Response) -> None:
        "A final response that is no 2xx arrived."

    def cancel(self, fields: Fields) -> None:
        "The TU no longer wants an answer."

    def rerouted(self) -> None:
        "The stream was refused, and the flow is a UDP one now."

    def repeat(self) -> None:
        "The other end may have forgotten the INVITE, or it is another process now."

    def cancelAgain(self) -> None:
        "Another process is at the other end, and is to give the INVITE up."

    def timerA(self) -> None:
        "Time to send the INVITE again."

    def timerB(self) -> None:
        "No response at all came in time."

    def cancelExpired(self) -> None:
        "No final response came after the CANCEL."

    def linger(self) -> None:
        "Timer D or M: nothing more is expected from the network."

    def abandon(self) -> None:
        "The TU waits for nothing any more."

    def transportError(self, why: str) -> None:
        "The request cannot be sent, or its flow broke."


def _build() -> TypeMachine[InviteClient, ClientTransaction]:
    m = TypeMachineBuilder(InviteClient, ClientTransaction)
    idle = m.state("Idle")
    calling = m.state("Calling")
    proceeding = m.state("Proceeding")
    accepted = m.state("Accepted")
    completed = m.state("Completed")
    terminated = m.state("Terminated")

    @idle.upon(InviteClient.start).to(calling)
    def begin(tx: InviteClient, s: ClientTransaction) -> None:
        s.send()
        if s.flow.reliable:
            s.timers.start("B", 64 * s.t.t1, tx.timerB)
        else:
            # Timer B starts with the first retransmission: most need neither.
            s.interval = s.t.t1
            s.timers.start("A", s.interval, tx.timerA)

    @calling.upon(InviteClient.timerA).loop()
    def retransmit(tx: InviteClient, s: ClientTransaction) -> None:
        s.send()
        if not s.timers.running("B"):
            s.timers.start("B", 64 * s.t.t1 - s.interval, tx.timerB)
        s.interval *= 2
        s.timers.start("A", s.interval, tx.timerA)

    @calling.upon(InviteClient.rerouted).loop()
    def sendElsewhere(tx: InviteClient, s: ClientTransaction) -> None:
        s.send()
        if not s.flow.reliable:
            s.interval = s.t.t1
            s.timers.start("A", s.interval, tx.timerA)

    @calling.upon(InviteClient.repeat).loop()
    @proceeding.upon(InviteClient.repeat).to(calling)
    def sendAgain(tx: InviteClient, s: ClientTransaction) -> None:
        s.timers.stop("A", "cancel")
        s.cancelSent = False
        s.send()
        if not s.timers.running("B"):
            s.timers.start("B", 64 * s.t.t1, tx.timerB)
        if not s.flow.reliable:
            s.interval = s.t.t1
            s.timers.start("A", s.interval, tx.timerA)

    @calling.upon(InviteClient.cancelAgain).to(proceeding)
    @proceeding.upon(InviteClient.cancelAgain).loop()
    def giveUpThere(tx: InviteClient, s: ClientTransaction) -> None:
        # No response has shown that the INVITE is there (RFC 3261 section 9.1):
        # either the other process has it from the one before, or never gets it.
        s.timers.stop("A", "B")
        s.cancelSent = True
        s.cancelFields = fields = tuple(s.cancelFields or ())
        if not s.timers.running("cancel"):
            s.timers.start("cancel", 64 * s.t.t1, tx.cancelExpired)
        s.sendCancel(s, fields)

    @calling.upon(InviteClient.provisional).to(proceeding)
    def ring(tx: InviteClient, s: ClientTransaction, response: Response) -> None:
        s.timers.stop("A", "B")
        if s.cancelFields is not None:
            giveUp(tx, s, s.cancelFields)
        s.tell(response)

    @proceeding.upon(InviteClient.provisional).loop()
    def passUp(tx: InviteClient, s: ClientTransaction, response: Response) -> None:
        s.tell(response)

    @calling.upon(InviteClient.cancel).loop()
    def giveUpLater(tx: InviteClient, s: ClientTransaction, fields: Fields) -> None:
        s.cancelFields = fields

    @proceeding.upon(InviteClient.cancel).loop()
    def giveUp(tx: InviteClient, s: ClientTransaction, fields: Fields) -> None:
        if not s.cancelSent:
            s.cancelSent = True
            s.cancelFields = tuple(fields)
            s.timers.start("cancel", 64 * s.t.t1, tx.cancelExpired)
            s.sendCancel(s, fields)

    @calling.upon(InviteClient.success).to(accepted)
    @proceeding.upon(InviteClient.success).to(accepted)
    def accept(tx: InviteClient, s: ClientTransaction, response: Response) -> None:
        s.timers.stopAll()
        s.answered(s)
        s.timers.start("M", 64 * s.t.t1, tx.linger)
        s.tell(response)

    @accepted.upon(InviteClient.success).loop()
    def passUpAgain(tx: InviteClient, s: ClientTransaction, response: Response) -> None:
        s.tell(response)

    @calling.upon(InviteClient.failure).to(completed)
    @proceeding.upon(InviteClient.failure).to(completed)
    def complete(tx: InviteClient, s: ClientTransaction, response: Response) -> None:
        s.timers.stopAll()
        s.answered(s)
        s.flow.send(makeAck(s.request, response).render())
        if s.flow.reliable:
            tx.linger()
        else:
            s.timers.start("D", max(32.0, 64 * s.t.t1), tx.linger)
        s.tell(response)

    @completed.upon(InviteClient.failure).loop()
    def acknowledge(tx: InviteClient, s: ClientTransaction, response: Response) -> None:
        s.flow.send(makeAck(s.request, response).render())

    @calling.upon(InviteClient.timerB).to(terminated)
    @proceeding.upon(InviteClient.cancelExpired).to(terminated)
    def timeOut(tx: InviteClient, s: ClientTransaction) -> None:
        s.timeOut()

    @idle.upon(InviteClient.transportError).to(terminated)
    @calling.upon(InviteClient.transportError).to(terminated)
    @proceeding.upon(InviteClient.transportError).to(terminated)
    def fail(tx: InviteClient, s: ClientTransaction, why: str) -> None:
        s.fail(why)

    @idle.upon(InviteClient.abandon).to(terminated)
    @calling.upon(InviteClient.abandon).to(terminated)
    @proceeding.upon(InviteClient.abandon).to(terminated)
    @accepted.upon(InviteClient.abandon).to(terminated)
    @completed.upon(InviteClient.abandon).to(terminated)
    @accepted.upon(InviteClient.linger).to(terminated)
    @completed.upon(InviteClient.linger).to(terminated)
    def finish(tx: InviteClient, s: ClientTransaction) -> None:
        s.finish()

    # Late or impossible, and harmless: said here so that nothing a peer can
    # send is ever an unexpected transition.
    for state in (idle, accepted, completed, terminated):
        state.upon(InviteClient.provisional).loop().returns(None)
        state.upon(InviteClient.cancel).loop().returns(None)
    terminated.upon(InviteClient.abandon).loop().returns(None)
    for state in (idle, completed, terminated):
        state.upon(InviteClient.success).loop().returns(None)
    for state in (idle, accepted, terminated):
        state.upon(InviteClient.failure).loop().returns(None)
    for state in (accepted, completed, terminated):
        state.upon(InviteClient.transportError).loop().returns(None)
    for state in (idle, accepted, completed, terminated):
        state.upon(InviteClient.repeat).loop().returns(None)
        state.upon(InviteClient.cancelAgain).loop().returns(None)
    for state in (idle, proceeding, accepted, completed, terminated):
        state.upon(InviteClient.rerouted).loop().returns(None)
        state.upon(InviteClient.timerA).loop().returns(None)
        state.upon(InviteClient.timerB).loop().returns(None)
    for state in (idle, calling, accepted, completed, terminated):
        state.upon(InviteClient.cancelExpired).loop().returns(None)
    for state in (idle, calling, proceeding, terminated):
        state.upon(InviteClient.linger).loop().returns(None)
    return m.build()


_machine = indexed(_build())
_STATES = {state.name: state for state in _machine.__automat_automaton__.states()}


def inviteClient(core: ClientTransaction) -> InviteClient:
    """
    Make the machine of one INVITE client transaction; it begins idle.
    """
    machine = core.machine = _machine(core)
    return machine


def inviteClientIn(core: ClientTransaction, state: str) -> InviteClient:
    """
    Make the machine of one that another process has begun.

    @param state: C{"Calling"}, C{"Proceeding"} or C{"Accepted"}.
    """
    machine = _machine(core, _STATES[state])  # type: ignore[arg-type]
    core.machine = machine
    return machine


def _copied(invite: Request) -> list[tuple[bytes, bytes]]:
    """
    What ACK and CANCEL have from their INVITE: our Via alone, and the route.
    """
    headers = invite.headers
    fields = [(b"Via", headers.values(b"Via")[0])]
    fields += [(b"Route", value) for value in headers.all(b"Route")]
    fields.append((b"Max-Forwards", b"70"))
    return fields


def makeAck(invite: Request, response: Response) -> Request:
    """
    The ACK of a final response that is no 2xx (RFC 3261 section 17.1.1.3).

    @param invite: as it was sent, our Via on top.
    """
    headers = invite.headers
    return Request(
        b"ACK",
        invite.uri,
        Headers.of(
            *_copied(invite),
            (b"From", headers.first(b"From") or b""),
            (b"To", response.headers.first(b"To") or b""),
            (b"Call-ID", headers.first(b"Call-ID") or b""),
            (b"CSeq", b"%d ACK" % invite.cseq.number),
            (b"Content-Length", b"0"),
        ),
    )


def makeCancel(invite: Request, fields: Fields = ()) -> Request:
    """
    The CANCEL of an INVITE (RFC 3261 section 9.1): it has the Via of the INVITE,
    branch and all, so that each hop finds what it is about.

    @param invite: as it was sent, our Via on top.
    @param fields: to be added.
    """
    headers = invite.headers
    return Request(
        b"CANCEL",
        invite.uri,
        Headers.of(
            *_copied(invite),
            (b"From", headers.first(b"From") or b""),
            (b"To", headers.first(b"To") or b""),
            (b"Call-ID", headers.first(b"Call-ID") or b""),
            (b"CSeq", b"%d CANCEL" % invite.cseq.number),
            *fields,
            (b"Content-Length", b"0"),
        ),
    )
