"""
The stream of changes from the primary to the backup: the primary's end of it.

The backup asks for it (Want), saying what it holds; the primary begins it there when
it can, else with a snapshot, and goes on with each change.  Entries are read when
they are sent, in the order of their positions: snapshot and changes are one thing,
and nothing that was removed can come after its removal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from attrs import define, field
from automat import TypeMachine, TypeMachineBuilder
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from sipcluster.ha.journal import Journal
from sipcluster.ha.wire import (
    Ack,
    Begin,
    Change,
    Changes,
    Check,
    Complete,
    Message,
    Want,
    encode,
)
from sipcluster.sip.machine import indexed

log = Logger()

#: Entries that one message has at most, and bytes that each is taken to have
#: besides its key and value.
MANY, OVERHEAD = 500, 32

#: The oldest age that can be told, in milliseconds.
_OLDEST = 0xFFFFFFFF


class Sender(Protocol):
    """
    What may happen to the primary's end of a stream.
    """

    def wanted(self, want: Want) -> None:
        "The backup asks for it."

    def turn(self) -> None:
        "There may be something to send."

    def outrun(self) -> None:
        "Removals are forgotten that were still to be told."

    def acknowledged(self, position: int) -> None:
        "The backup has all that it was sent up to a position."

    def caughtUp(self, position: int) -> None:
        "It has Complete, too."

    def quiet(self) -> None:
        "Nothing was changed for a while."

    def ended(self) -> None:
        "There is no link, or we are not primary any more."


@define(eq=False)
class SenderCore:
    """
    The primary's end of a stream.

    @ivar stream: its number.
    @ivar cursor: what was sent, up to this position.
    @ivar start: removals up to here are not told.
    @ivar completed: Complete was sent.
    @ivar active: there is a stream.
    @ivar under: position and bytes of what is on its way, and C{size} of all.
    """

    journal: Journal
    write: Callable[[bytes], object]
    machine: Sender = field(init=False)
    stream: int = 0
    cursor: int = 0
    start: int = 0
    completed: bool = False
    active: bool = False
    under: deque[tuple[int, int]] = field(factory=deque)
    size: int = 0
    #: What was changed at the first position, or later, was changed again up to the
    #: second one before it was sent: who has what was sent up to a position between
    #: them does not have all that there was then.  The open one is still to be sent.
    open: tuple[int, int] | None = None
    closed: deque[tuple[int, int]] = field(factory=deque)
    pumping: IDelayedCall | None = None
    watching: IDelayedCall | None = None
    watched: int = 0

    # What comes from outside.

    def changed(self, before: int) -> None:
        """
        An entry was changed.

        @param before: where it stood; 0: nowhere.
        """
        if before > self.cursor:
            first = before if self.open is None else min(self.open[0], before)
            self.open = (first, self.journal.replica.position)
        if self.active and self.pumping is None:
            self.wake()

    def acknowledgement(self, ack: Ack) -> bool:
        """
        The backup has some of it.

        @return: False: that cannot be.
        """
        if ack.stream != self.stream or not self.active:
            return True
        if ack.position > self.cursor:
            return False
        under = self.under
        while under and under[0][0] <= ack.position:
            self.size -= under.popleft()[1]
        if self.cursor < self.journal.replica.position:
            self.wake()
        if ack.complete and self.completed:
            self.machine.caughtUp(self.safe(ack.position))
        else:
            self.machine.acknowledged(self.safe(ack.position))
        return True

    # What the machine does.

    def begin(self, want: Want, snapshot: bool) -> None:
        """
        Begin a stream.
        """
        journal, replica = self.journal, self.journal.replica
        snapshot = snapshot or not replica.reaches(want.heldEpoch, want.position)
        self.stream += 1
        self.active = True
        self.cursor = 0 if snapshot else want.position
        self.start = replica.position if snapshot else want.position
        self.completed = False
        self.under.clear()
        self.size = 0
        self.open = None
        self.closed.clear()
        journal.counts["snapshotsSent" if snapshot else "resumed"] += 1
        log.info(
            "{what} for the other member, after {position}",
            what="snapshot" if snapshot else "changes",
            position=self.cursor,
            epoch=replica.epoch,
        )
        floor = self.start if snapshot else 0
        ends = [*replica.ends]
        self.send(
            Begin(replica.epoch, self.stream, int(snapshot), self.cursor, floor, ends)
        )
        self.wake()

    def pump(self) -> None:
        """
        Send what there is, as far as there is room for it on the way.
        """
        replica, limits = self.journal.replica, self.journal.limits
        turn = 0
        while self.cursor < replica.position and self.size < limits.window:
            if turn >= limits.turn:
                self.wake()
                return
            upTo, changes = self._batch()
            size = self.send(Changes(self.stream, self.cursor, upTo, changes))
            self._sent(upTo)
            self.under.append((upTo, size))
            self.size += size
            turn += size
        if self.cursor == replica.position and not self.completed:
            self.completed = True
            self.send(Complete(self.stream, self.cursor))

    def _batch(self) -> tuple[int, list[Change]]:
        replica = self.journal.replica
        now = self.journal.clock.seconds()
        room = self.journal.limits.chunk
        start, upTo = self.start, replica.position
        changes: list[Change] = []
        for entry in replica.after(self.cursor):
            value = entry.value
            if value is None:
                if entry.position <= start:
                    continue
                size = OVERHEAD + len(entry.head)
            else:
                size = OVERHEAD + len(entry.head) + len(value)
            if changes and (room < size or len(changes) >= MANY):
                upTo = changes[-1].position
                break
            room -= size
            age = min(max(0, int((now - entry.written) * 1000)), _OLDEST)
            changes.append(Change(entry.kind, entry.key, value, entry.position, age))
        return upTo, changes

    def _sent(self, upTo: int) -> None:
        hole = self.open
        if hole is not None and upTo >= hole[1]:
            self.open = None
            if self.cursor >= hole[0]:
                self.closed.append(hole)
            # Else it went in one piece, and no acknowledgement can be inside of it.
        self.cursor = upTo

    def safe(self, position: int) -> int:
        """
        Up to where the backup has all that there was, when it has all that it was
        sent up to a position.
        """
        while self.closed and position >= self.closed[0][1]:
            self.closed.popleft()
        for hole in (*self.closed, self.open):
            if hole is not None:
                return min(position, hole[0] - 1)
        return position

    def check(self) -> None:
        """
        Say what we hold, or wait until nothing is on its way.
        """
        replica = self.journal.replica
        if self.watched != replica.position or self.under:
            self.watch()
        else:
            self.send(Check(self.stream, replica.position, replica.count, replica.sum))

    def send(self, message: Message) -> int:
        """
        Send a message.

        @return: its bytes.
        """
        data = encode(message)
        self.write(data)
        return len(data)

    def wake(self) -> None:
        """
        Send in the next turn of the reactor what there will be then.
        """
        if self.pumping is None:
            self.pumping = self.journal.clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self.pumping = None
        if self.journal.replica.floor > max(self.cursor, self.start):
            self.machine.outrun()
        else:
            self.machine.turn()

    def watch(self) -> None:
        """
        Wait until nothing is changed any more.
        """
        if self.watching is None:
            self.watched = self.journal.replica.position
            quiet = self.journal.limits.quiet
            self.watching = self.journal.clock.callLater(quiet, self._quiet)

    def _quiet(self) -> None:
        self.watching = None
        self.machine.quiet()

    def stop(self) -> None:
        """
        Send nothing any more.
        """
        for call in (self.pumping, self.watching):
            if call is not None:
                call.cancel()
        self.pumping = self.watching = None
        self.active = False


def _buildSender() -> TypeMachine[Sender, SenderCore]:
    m = TypeMachineBuilder(Sender, SenderCore)
    idle = m.state("Idle")
    catchingUp = m.state("CatchingUp")
    inSync = m.state("InSync")

    @idle.upon(Sender.wanted).to(catchingUp)
    @catchingUp.upon(Sender.wanted).loop()
    def begin(sender: Sender, s: SenderCore, want: Want) -> None:
        s.begin(want, False)

    @inSync.upon(Sender.wanted).to(catchingUp)
    def beginAgain(sender: Sender, s: SenderCore, want: Want) -> None:
        s.stop()
        s.journal.peerLost()
        s.begin(want, False)

    @catchingUp.upon(Sender.outrun).loop()
    @inSync.upon(Sender.outrun).to(catchingUp)
    def beginAnew(sender: Sender, s: SenderCore) -> None:
        s.journal.counts["outrun"] += 1
        s.stop()
        s.journal.peerLost()
        s.begin(Want(0, 0, 0), True)

    @catchingUp.upon(Sender.turn).loop()
    def sendSome(sender: Sender, s: SenderCore) -> None:
        s.pump()

    @inSync.upon(Sender.turn).loop()
    def send(sender: Sender, s: SenderCore) -> None:
        s.pump()
        s.watch()

    @catchingUp.upon(Sender.caughtUp).to(inSync)
    def catchUp(sender: Sender, s: SenderCore, position: int) -> None:
        s.watch()
        s.journal.peerInSync(position)

    @inSync.upon(Sender.caughtUp).loop()
    @inSync.upon(Sender.acknowledged).loop()
    def save(sender: Sender, s: SenderCore, position: int) -> None:
        s.journal.acknowledged(position)

    @inSync.upon(Sender.quiet).loop()
    def check(sender: Sender, s: SenderCore) -> None:
        s.check()

    @catchingUp.upon(Sender.ended).to(idle)
    @inSync.upon(Sender.ended).to(idle)
    def end(sender: Sender, s: SenderCore) -> None:
        s.stop()

    # Who has not everything is not asked for its sum, and what it has helps nobody
    # who waits; no timer runs when nobody listens.
    catchingUp.upon(Sender.acknowledged).loop().returns(None)
    catchingUp.upon(Sender.quiet).loop().returns(None)
    for happens in (
        *(Sender.turn, Sender.outrun, Sender.acknowledged, Sender.caughtUp),
        *(Sender.quiet, Sender.ended),
    ):
        idle.upon(happens).loop().returns(None)
    return m.build()


_senderMachine = indexed(_buildSender())


def sender(journal: Journal, write: Callable[[bytes], object]) -> SenderCore:
    """
    Make the primary's end of the streams of one connection.
    """
    core = SenderCore(journal, write)
    core.machine = _senderMachine(core)
    return core
