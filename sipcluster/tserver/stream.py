"""
The numbered messages of one session on their way to its client.

A stream is I{live} while its client has been sent all that there is, and takes more:
then a message is written as soon as it is there.  Else messages only go into the
journal, and leave from there piece by piece, as fast as the client reads.  So what
waits for a client is shared with the journals of all others, and a slow one is
noticed by what it has not been sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from twisted.internet.interfaces import IReactorTime

from sipcluster.tlib.codec import frame
from sipcluster.tserver.itserver import IConnection
from sipcluster.tserver.journal import MISSED, Journal
from sipcluster.tserver.limits import Limits
from sipcluster.tserver.outbox import HeldConnection, Outbox
from sipcluster.tserver.outgoing import Entry, Outgoing
from sipcluster.tserver.turns import Turns

#: Bytes, and messages, that are sent to a client that catches up in one turn.
CHUNK, MANY = 32768, 500


def _nowhere(data: bytes) -> object:
    "There is no connection."


class Stream:
    """
    One of them.

    @ivar journal: what the client has not acknowledged.
    @ivar direct: live, and the client wants all events.
    @ivar write: sends bytes to the client.
    @ivar held: where they leave when that is safe; L{None}: they leave at once.
    @ivar name: whose it is, for people.
    @ivar backlogged: there is more of the client than we have read.
    @ivar limits: of the port.
    @ivar number: of the session at its port, in what is written down.
    @ivar lost: after the first and up to the second position: what the client never
        gets.
    @ivar lacking: DNs whose snapshot the client waits for; it gets no events of
        them before.
    @ivar more: makes more messages when all there are were sent, and says whether
        it will do so again.
    """

    __slots__ = (
        "__weakref__",
        "_catchingUp",
        "_clock",
        "_connection",
        "_dormant",
        "_live",
        "_mask",
        "_outbox",
        "_owed",
        "_paused",
        "_pumping",
        "_sent",
        "_tooSlow",
        "_turns",
        "_unsent",
        "_written",
        "backlogged",
        "direct",
        "held",
        "journal",
        "lacking",
        "limits",
        "lost",
        "more",
        "name",
        "number",
        "write",
    )

    def __init__(
        self,
        clock: IReactorTime,
        turns: Turns,
        limits: Limits,
        tooSlow: Callable[[str], object],
        number: int = 0,
        outbox: Outbox | None = None,
        written: Callable[[], object] = bool,
    ) -> None:
        """
        @param tooSlow: told why the client is to be cut off; never at once.
        @param outbox: where messages are written down; L{None}: nowhere.
        @param written: told when something else of it has changed that is.
        """
        self.journal = Journal()
        self.direct = False
        self.write: Callable[[bytes], object] = _nowhere
        self.held: IConnection | None = None
        self.name = ""
        self.backlogged = False
        self.lacking: set[str] = set()
        self.more: Callable[[], bool] | None = None
        self._clock = clock
        self._turns = turns
        self.limits = limits
        self.number = number
        self.lost = (0, 0)
        self._outbox = outbox
        self._written = written
        self._tooSlow = tooSlow
        self._connection: IConnection | None = None
        self._live = False
        self._paused = False
        self._catchingUp = False
        self._dormant = False
        self._sent = 0
        self._unsent = 0
        self._mask: bytes | None = None
        self._owed: dict[object, bytes] = {}
        self._pumping = False

    # What is asked about it.

    @property
    def attached(self) -> bool:
        """
        Whether it has a connection.
        """
        return self._connection is not None

    @property
    def sent(self) -> int:
        """
        Position of the last message that the client was sent.
        """
        return self.journal.last if self._live else self._sent

    @property
    def unsent(self) -> int:
        """
        Bytes that wait for the client to read.
        """
        return 0 if self._live or self._connection is None else self._unsent

    def resumes(self, position: int) -> bool:
        """
        Whether a client that has handled all up to a position can have the rest.
        """
        return not self._dormant and self.journal.reaches(position)

    # Connections.

    def attach(self, connection: IConnection, position: int) -> None:
        """
        Send what there is after a position to a client, and all that comes.
        """
        self.detach()
        self.acknowledge(position)
        self._connection = connection
        self.write = connection.write
        if isinstance(connection, HeldConnection):
            self.held = connection.connection
        self._dormant = False
        self._catchingUp = True
        self._sent = position
        self._unsent = self.journal.size
        self._pump()

    def restart(
        self, dns: Iterable[str], more: Callable[[], bool], shared: int, handled: int
    ) -> int:
        """
        Forget what was to be sent; begin again with snapshots.

        @param dns: those of which the client is to get one.
        @param more: makes them.
        @param shared: the last position at which the client has what this stream has.
        @param handled: the last one at which it has anything.

        @return: the position to attach with.
        """
        self._dormant = False
        self.journal.clear(handled)
        self.lacking = set(dns)
        self.more = more
        self.lost = (shared, self.journal.last)
        self._written()
        return self.journal.last

    def detach(self) -> None:
        """
        The client has no connection.
        """
        self._sent = self.sent
        self._live = self.direct = self._paused = self._catchingUp = False
        self.backlogged = False
        self._connection = self.held = None
        self.write = _nowhere
        self._owed.clear()
        self._pumping = False

    def end(self) -> None:
        """
        Nobody will come back.
        """
        self.detach()
        self._dormant = True
        self.journal.end()
        self.lacking = set()
        self.more = None

    def adopt(
        self, told: Mapping[int, Entry], last: int, lost: tuple[int, int], dormant: bool
    ) -> None:
        """
        Go on with what the client was told by another process.

        @param told: messages by position, as far as they are written down.
        @param last: position of the last message, unless C{told} knows better.
        @param lost: see L{lost}.
        @param dormant: the client has missed messages, and nobody has begun to tell
            it so, or is not through with it.
        """
        journal = self.journal
        self._dormant = dormant
        self.lost = lost
        floor = max(last, lost[1], *told, 0) if dormant else lost[1]
        journal.adopt(told, last, floor)
        self._sent = journal.last

    @property
    def dormant(self) -> bool:
        """
        The client will have to be told anew of all that it has registered.
        """
        return self._dormant or self.more is not None

    def pause(self) -> None:
        """
        The client reads more slowly than we write.
        """
        if self._connection is not None and not self._paused:
            if self._live:
                self._sent = self.journal.last
                self._unsent = 0
            self._paused = True
            self._live = self.direct = False

    def resume(self) -> None:
        """
        It has read what was written.
        """
        if self._paused:
            self._paused = False
            self._pump()

    def acknowledge(self, position: int) -> bool:
        """
        The client has handled all up to a position.

        @return: False when it was never sent that far.
        """
        if position > self.sent:
            return False
        self.journal.acknowledge(position)
        if self.more is not None:
            self._pumpLater()
        return True

    # Messages.

    @property
    def mask(self) -> bytes | None:
        """
        Which events the client wants, 64 bytes; L{None}: all.
        """
        return self._mask

    @mask.setter
    def mask(self, mask: bytes | None) -> None:
        self._mask = mask
        self.direct = self._live and mask is None

    def deliver(self, event: Outgoing, dn: str, entry: Entry) -> None:
        """
        Give the client an event, if it wants it.

        @param dn: whose event it is; C{""} when it is nobody's.
        @param entry: its encoded form.
        """
        mask = self._mask
        if mask is not None and not mask[event.byte] & event.bit:
            return
        # What the snapshot says, that is still to come, covers the event.
        if not self._dormant and dn not in self.lacking:
            self.send(entry)

    def send(self, entry: Entry) -> int:
        """
        Give the client a message, wanted or not.

        @return: its position.
        """
        journal = self.journal
        outbox = self._outbox
        if self._dormant:
            position = journal.skip()
            if outbox and entry.reference and len(journal.missed) < MISSED:
                entry = outbox.note(entry)
                assert entry.sheet is not None and entry.receivers is not None
                entry.receivers += (self.number, position)
                journal.missNoted(entry.sheet)
            return position
        if outbox and entry.receivers is None:
            entry = outbox.note(entry)
        position = journal.append(entry)
        if entry.receivers is not None:
            entry.receivers += (self.number, position)
        if self._live:
            self.write(frame(position, entry.reference, entry.body))
        elif self._connection is not None:
            self._unsent += entry.size
            self._pumpLater()
            if self._unsent > self.limits.unsent and not self._catchingUp:
                self._cut("the client reads too slowly")
        if journal.over(self.limits):
            self.overfull()
        return position

    def repeat(self, position: int, entry: Entry) -> int:
        """
        Send a message again that has its position already, unless it is still to
        be sent.

        @return: its position: another one when it was lost with others, since the
            client would find those missing.
        """
        handled, last = self.lost
        if handled < position <= last:
            return self.send(entry)
        if position <= self.sent:
            key = ("answer", entry.reference)
            self.tell(key, frame(position, entry.reference, entry.body))
        return position

    def tell(self, key: object, data: bytes) -> None:
        """
        Send something that is not kept.

        @param key: names it, so that later news replace older ones when they
            cannot be sent yet.
        """
        if self._paused:
            self._owed[key] = data
        else:
            self.write(data)

    def overfull(self) -> None:
        """
        The journal holds more than it may.
        """
        journal = self.journal
        while journal.over(self.limits):
            journal.forgetFirst()
        if journal.first > self.sent + 1:
            # Nobody has the first ones that are left out, so none of the others
            # can be of use.
            if self._connection is not None:
                self._cut("the client reads too slowly")
            journal.clear()
            self._dormant = True
            self._written()
        elif self._connection is not None and not self.backlogged:
            # What it acknowledged may wait among what we have not read.
            self._cut("the client acknowledges too little")

    def _cut(self, why: str) -> None:
        self.detach()
        # Later: whoever gave us the message is still at it.
        self._clock.callLater(0, self._tooSlow, why)

    def _pumpLater(self) -> None:
        if not self._pumping and not self._stopped():
            self._pumping = True
            self._turns.later(self._pumpNow)

    def _pumpNow(self) -> None:
        if self._pumping:
            self._pumping = False
            self._pump()

    def _pump(self) -> None:
        """
        Send what the client was not sent yet.
        """
        if self._live or self._stopped():
            return
        owed, self._owed = self._owed, {}
        if owed:
            self.write(b"".join(owed.values()))
        journal = self.journal
        # Else nobody goes on before the client acknowledges some.
        room = journal.halfEmpty(self.limits)
        if self._sent == journal.last and self.more is not None and room:
            # It gives us what it makes.
            self._pumping = True
            if not self.more():
                self.more = None
                self._written()
            self._pumping = False
        # What is written and made may stop us.
        if self._sent < journal.last and not self._stopped():
            self._sendSome()
        if self._stopped():
            return
        if self._sent < journal.last or (self.more is not None and room):
            self._pumpLater()
        elif self.more is None:
            self._live = True
            self._catchingUp = False
            self.direct = self._mask is None

    def _stopped(self) -> bool:
        return self._paused or self._connection is None

    def _sendSome(self) -> None:
        frames: list[bytes] = []
        size = 0
        position = self._sent
        for entry in self.journal.after(position):
            position += 1
            frames.append(frame(position, entry.reference, entry.body))
            size += entry.size
            if size > CHUNK or len(frames) >= MANY:
                break
        self._sent = position
        self._unsent -= size
        self.write(b"".join(frames))
