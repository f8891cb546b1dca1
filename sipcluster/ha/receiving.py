"""
The stream of changes from the primary to the backup: the backup's end of it.

What a backup holds follows without a gap on what it held, or it asks for a snapshot.
What belongs together is kept aside until its end is there, and applied at once then: in
between the backup holds what it held before, and can take over with that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import define, field
from automat import TypeMachine, TypeMachineBuilder
from twisted.logger import Logger

from sipcluster.ha.journal import Journal
from sipcluster.ha.wire import (
    GAP,
    MISMATCH,
    Ack,
    Begin,
    Change,
    Changes,
    Check,
    Complete,
    Refusal,
    Want,
    encode,
    weight,
)
from sipcluster.sip.machine import indexed

log = Logger()


class Receiver(Protocol):
    """
    What may happen to the backup's end of a stream.
    """

    def asks(self) -> None:
        "There is a primary."

    def begun(self, begin: Begin) -> None:
        "A stream begins."

    def changes(self, changes: Changes) -> None:
        "The next changes came."

    def completed(self, complete: Complete) -> None:
        "All that there was has come."

    def checked(self, check: Check) -> None:
        "The primary says what it holds."

    def gap(self, why: str) -> None:
        "What came does not follow on what was there."

    def ended(self) -> None:
        "There is no link, or no primary at its other end."


@define(eq=False)
class Group:
    """
    What has come of changes that belong together.

    @ivar upTo: it goes up to this position as yet.
    @ivar weight: of all of them.
    @ivar parts: when they came, and what they were.
    """

    upTo: int
    weight: int = 0
    parts: list[tuple[float, list[Change]]] = field(factory=list)


@define(eq=False)
class ReceiverCore:
    """
    The backup's end of a stream.

    @ivar epoch: of the primary.
    @ivar begin: how the stream began; L{None}: there is none.
    @ivar owed: something is to be acknowledged.
    @ivar group: what is kept aside; L{None}: nothing.
    """

    journal: Journal
    write: Callable[[bytes], object]
    cut: Callable[[Refusal, str], object]
    machine: Receiver = field(init=False)
    epoch: int = 0
    begin: Begin | None = None
    done: bool = False
    owed: bool = False
    group: Group | None = None

    # What comes from outside.

    def ask(self, epoch: int) -> None:
        """
        There is a primary.
        """
        self.epoch = epoch
        self.machine.asks()

    def received(self, message: Begin | Changes | Complete | Check) -> None:
        """
        Something of the stream came.
        """
        if isinstance(message, Begin):
            if message.epoch == self.epoch:
                self.machine.begun(message)
            else:
                self.journal.counts["staleStreams"] += 1
            return
        begin = self.begin
        if begin is None or message.stream != begin.stream:
            # It was on its way when the stream ended here.
            self.journal.counts["staleChanges"] += 1
            return
        group = self.group
        position = self.journal.replica.position if group is None else group.upTo
        if isinstance(message, Changes):
            if message.after != position:
                self.machine.gap(f"after {message.after}, not {position}")
            else:
                self.machine.changes(message)
        elif group is not None:
            self.machine.gap(f"something else before the end of a group at {position}")
        elif message.position != position:
            self.machine.gap(f"{message.position} is told, {position} is here")
        elif isinstance(message, Complete):
            self.machine.completed(message)
        else:
            self.machine.checked(message)

    def acknowledge(self) -> None:
        """
        Tell what is here; once for all that came together.
        """
        if self.owed and self.begin is not None:
            self.owed = False
            position, group = self.journal.replica.position, self.group
            came = 0 if group is None else group.upTo
            self.write(encode(Ack(self.begin.stream, position, int(self.done), came)))

    # What the machine does.

    def want(self, anew: bool) -> None:
        """
        Ask for a stream.

        @param anew: with a snapshot.
        """
        replica = self.journal.replica
        self.stop()
        held = (
            (0, 0) if anew or self.journal.anew else (replica.epoch, replica.position)
        )
        self.write(encode(Want(self.epoch, *held)))

    def start(self, begin: Begin) -> None:
        """
        A stream begins.
        """
        self.stop()
        self.begin = begin
        journal = self.journal
        if begin.snapshot:
            journal.anew = False
            journal.counts["snapshotsTaken"] += 1
        journal.replica.begin(
            begin.epoch, bool(begin.snapshot), begin.ends, bool(begin.groups)
        )

    def take(self, changes: Changes) -> None:
        """
        Apply what came, or keep it aside until all is there that belongs to it.
        """
        self.owed = True
        group = self.group
        if changes.more:
            self._keepAside(changes)
            return
        if group is not None:
            self.group = None
            now = self.journal.clock.seconds()
            for came, entries in group.parts:
                self._apply(entries, now - came)
        self._apply(changes.entries, 0.0)
        self.journal.replica.position = changes.upTo

    def _apply(self, entries: list[Change], kept: float) -> None:
        # For how many seconds they were kept aside.
        journal = self.journal
        take, tell = journal.replica.take, journal.tell
        for one in entries:
            age = one.age / 1000 + kept
            if take(one.kind, one.key, one.value, one.position, age):
                tell(one.kind, one.key, one.value, age)

    def _keepAside(self, changes: Changes) -> None:
        journal = self.journal
        group = self.group
        if group is None:
            group = self.group = Group(changes.upTo)
        group.upTo = changes.upTo
        group.weight += weight(changes.entries)
        if changes.entries:
            group.parts.append((journal.clock.seconds(), changes.entries))
        if group.weight > journal.limits.aside:
            journal.anew = True
            self.cut(
                Refusal.TOO_MUCH,
                f"{group.weight} bytes that belong together, up to {group.upTo}",
            )

    def stop(self) -> None:
        """
        There is no stream; what was kept aside of one is dropped.
        """
        self.begin = self.group = None
        self.owed = self.done = False

    def finish(self) -> None:
        """
        All that there was has come.
        """
        begin = self.begin
        assert begin is not None
        floor = begin.floor if begin.snapshot else None
        for kind, key in self.journal.replica.complete(begin.epoch, floor):
            self.journal.tell(kind, key, None, 0.0)
        self.owed = self.done = True
        log.info(
            "all of the primary is here, up to {position}",
            position=self.journal.replica.position,
            epoch=begin.epoch,
        )

    def same(self, check: Check) -> bool:
        """
        Whether we hold what the primary holds.
        """
        replica = self.journal.replica
        return (check.count, check.sum) == (replica.count, replica.sum)


def _buildReceiver() -> TypeMachine[Receiver, ReceiverCore]:
    m = TypeMachineBuilder(Receiver, ReceiverCore)
    idle = m.state("Idle")
    asking = m.state("Asking")
    receiving = m.state("Receiving")
    inSync = m.state("InSync")

    @idle.upon(Receiver.asks).to(asking)
    @asking.upon(Receiver.asks).loop()
    @receiving.upon(Receiver.asks).to(asking)
    @inSync.upon(Receiver.asks).to(asking)
    def ask(receiver: Receiver, s: ReceiverCore) -> None:
        s.want(False)

    @asking.upon(Receiver.begun).to(receiving)
    @receiving.upon(Receiver.begun).loop()
    @inSync.upon(Receiver.begun).to(receiving)
    def start(receiver: Receiver, s: ReceiverCore, begin: Begin) -> None:
        s.start(begin)

    @receiving.upon(Receiver.changes).loop()
    @inSync.upon(Receiver.changes).loop()
    def take(receiver: Receiver, s: ReceiverCore, changes: Changes) -> None:
        s.take(changes)

    @receiving.upon(Receiver.completed).to(inSync)
    @inSync.upon(Receiver.completed).loop()
    def finish(receiver: Receiver, s: ReceiverCore, complete: Complete) -> None:
        s.finish()

    @inSync.upon(Receiver.checked).loop()
    def compare(receiver: Receiver, s: ReceiverCore, check: Check) -> None:
        if not s.same(check):
            receiver.gap("")

    @receiving.upon(Receiver.gap).to(asking)
    @inSync.upon(Receiver.gap).to(asking)
    def askAnew(receiver: Receiver, s: ReceiverCore, why: str) -> None:
        journal = s.journal
        journal.counts["gaps" if why else "mismatches"] += 1
        log.error(
            "{number}: {why}; asking for a snapshot",
            number=GAP if why else MISMATCH,
            why=why or "the members hold different entries",
            epoch=s.epoch,
            position=journal.replica.position,
        )
        s.want(True)

    @asking.upon(Receiver.ended).to(idle)
    @receiving.upon(Receiver.ended).to(idle)
    @inSync.upon(Receiver.ended).to(idle)
    def end(receiver: Receiver, s: ReceiverCore) -> None:
        s.stop()

    # Nobody is asked, or what comes was on its way before that.
    receiving.upon(Receiver.checked).loop().returns(None)
    for state in (idle, asking):
        for happens in (Receiver.changes, Receiver.completed, Receiver.checked):
            state.upon(happens).loop().returns(None)
        state.upon(Receiver.gap).loop().returns(None)
    idle.upon(Receiver.begun).loop().returns(None)
    idle.upon(Receiver.ended).loop().returns(None)
    return m.build()


_receiverMachine = indexed(_buildReceiver())


def receiver(
    journal: Journal,
    write: Callable[[bytes], object],
    cut: Callable[[Refusal, str], object],
) -> ReceiverCore:
    """
    Make the backup's end of the streams of one connection.

    @param cut: called when no more of it is wanted.
    """
    core = ReceiverCore(journal, write, cut)
    core.machine = _receiverMachine(core)
    return core
