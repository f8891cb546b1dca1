"""
The stream of changes from the primary to the backup: the primary's end of it.

The backup asks for it (Want), saying what it holds; the primary begins it there when
it can, else with a snapshot, and goes on with each change, in the order of their
positions: snapshot and changes are one thing, and nothing that was removed can come
after its removal.

All that is to be sent at one moment between turns is a I{group}: the backup applies it
at once, with its last message, or not at all.  So it never holds half of a turn.  What
one message has no room for is put down as it is at that moment; what changes later is
in the next group, once, however often.  Only a snapshot is read as it is sent: it does
not count before it is complete.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Protocol

from attrs import define, field
from automat import TypeMachine, TypeMachineBuilder
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from sipcluster.ha.journal import Journal
from sipcluster.ha.replica import Entry
from sipcluster.ha.wire import (
    OVERHEAD,
    Ack,
    Begin,
    Change,
    Changes,
    Check,
    Complete,
    Message,
    Want,
    encode,
    weight,
)
from sipcluster.sip.machine import indexed

log = Logger()

#: Entries that one message has at most.
MANY = 500

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
    @ivar whole: what is sent now is no snapshot, but groups.
    @ivar rest: what is still to be sent of a group, of which something was sent, as
        it was then; the group is all C{upTo} a position.
    @ivar parts: of groups of several messages that the backup may not have: after
        which position they begin, and where they end.
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
    whole: bool = False
    rest: deque[Entry] = field(factory=deque)
    upTo: int = 0
    parts: deque[tuple[int, int]] = field(factory=deque)
    pumping: IDelayedCall | None = None
    watching: IDelayedCall | None = None
    watched: int = 0

    # What comes from outside.

    def changed(self) -> None:
        """
        An entry was changed.
        """
        if self.active and self.pumping is None:
            self.wake()

    def acknowledgement(self, ack: Ack) -> bool:
        """
        The backup has some of it.

        @return: False: that cannot be.
        """
        if ack.stream != self.stream or not self.active:
            return True
        received = max(ack.position, ack.received)
        if received > self.cursor:
            return False
        under = self.under
        while under and under[0][0] <= received:
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
        self.whole = not snapshot
        self.under.clear()
        self.size = 0
        self.rest.clear()
        self.parts.clear()
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
            Begin(
                replica.epoch, self.stream, int(snapshot), self.cursor, floor, ends, 1
            )
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
            changes = self._batch()
            if changes is None:
                self.machine.outrun()
                return
            size = self.send(changes)
            self.cursor = upTo = changes.upTo
            self.under.append((upTo, size))
            self.size += size
            turn += size
        if self.cursor == replica.position and not self.completed:
            self.completed = self.whole = True
            self.send(Complete(self.stream, self.cursor))

    def _batch(self) -> Changes | None:
        # None: more belongs together than may be kept aside.
        replica, rest = self.journal.replica, self.rest
        if rest:
            upTo = self.upTo
            changes, left = self._fill(rest)
            for _ in changes:
                rest.popleft()
            more = left is not None
        else:
            upTo = replica.position
            entries = replica.after(self.cursor)
            changes, left = self._fill(entries)
            more = self.whole and left is not None
            if more and not self._putDown(changes, left, entries, upTo):
                return None
        if left is not None:
            upTo = changes[-1].position
        return Changes(self.stream, self.cursor, upTo, changes, int(more))

    def _fill(self, entries: Iterable[Entry]) -> tuple[list[Change], Entry | None]:
        # What one message has room for, and the first that it has none for.
        now = self.journal.clock.seconds()
        room = self.journal.limits.chunk
        start = self.start
        changes: list[Change] = []
        for entry in entries:
            value = entry.value
            if value is None:
                if entry.position <= start:
                    continue
                size = OVERHEAD + len(entry.head)
            else:
                size = OVERHEAD + len(entry.head) + len(value)
            if changes and (room < size or len(changes) >= MANY):
                return changes, entry
            room -= size
            age = min(max(0, int((now - entry.written) * 1000)), _OLDEST)
            changes.append(Change(entry.kind, entry.key, value, entry.position, age))
        return changes, None

    def _putDown(
        self,
        changes: list[Change],
        left: Entry | None,
        entries: Iterable[Entry],
        upTo: int,
    ) -> bool:
        # What the first message of a group has no room for, as it is now.
        room = self.journal.limits.aside - weight(changes)
        rest = self.rest
        for one in chain(() if left is None else (left,), entries):
            room -= weight((one,))
            if room < 0:
                rest.clear()
                return False
            copy = Entry(
                one.kind, one.key, one.head, one.value, one.position, one.written
            )
            rest.append(copy)
        self.upTo = upTo
        self.parts.append((self.cursor, upTo))
        return True

    def safe(self, position: int) -> int:
        """
        Up to where the backup has all that there was, when it has all that it was
        sent up to a position.
        """
        parts = self.parts
        while parts and parts[0][1] <= position:
            parts.popleft()
        return min(position, parts[0][0]) if parts else position

    def check(self) -> None:
        """
        Say what we hold, or wait until nothing is on its way.
        """
        replica = self.journal.replica
        if not self.watched == replica.position == self.cursor or self.under:
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
        taken = self.upTo if self.rest else self.cursor
        if self.journal.replica.floor > max(taken, self.start):
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
        self.rest.clear()


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
