"""
Tests for C{sipcluster.tserver.outbox}.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipcluster.ha.ikeeping import IKeeper, IKept
from sipcluster.tserver import outbox
from sipcluster.tserver.itserver import IConnection
from sipcluster.tserver.outbox import HeldConnection, Outbox
from sipcluster.tserver.outgoing import Entry


@implementer(IKeeper)
class Keeper:
    """
    Keeps entries, and ends turns when it is told to.

    @ivar entries: what the other member has.
    """

    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}
        self.touched: dict[str, None] = {}
        self.sends: list[tuple[Callable[..., object], tuple[object, ...]]] = []

    def keep(self, kept: IKept) -> Callable[[str], object]:
        self.kept = kept
        return lambda key: self.touched.setdefault(key)

    def put(self, send: Callable[..., object], *args: object) -> None:
        self.sends.append((send, args))

    def full(self) -> bool:
        return False

    def turn(self) -> None:
        """
        The turn is over.
        """
        touched, self.touched = list(self.touched), {}
        for key in touched:
            value = self.kept.entry(key)
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value
        sends, self.sends = self.sends, []
        for send, args in sends:
            send(*args)


@implementer(IConnection)
class Connection:
    """
    Writes down what is done with it.
    """

    def __init__(self, broken: bool = False) -> None:
        self.peer = "192.0.2.1:40000"
        self.done: list[object] = []
        self._broken = broken

    def write(self, data: bytes) -> None:
        if self._broken:
            raise RuntimeError("no")
        self.done.append(data)

    def pauseReading(self) -> None:
        self.done.append("pause")

    def resumeReading(self) -> None:
        self.done.append("resume")

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")


class OutboxTests(SynchronousTestCase):
    """
    L{Outbox} writes down what clients are told, once for each turn.
    """

    def setUp(self) -> None:
        self.keeper = Keeper()
        self.outbox = Outbox("TCport", self.keeper)

    def tell(self, *positions: int, size: int = 10, number: int = 1) -> list[Entry]:
        """
        One client is told something in this turn.
        """
        made = []
        for position in positions:
            entry = self.outbox.note(Entry(bytes(size), 0, size))
            assert entry.receivers is not None
            entry.receivers += (number, position)
            made.append(entry)
        return made

    def test_seams(self) -> None:
        """
        It is what a keeper wants.
        """
        verifyObject(IKept, self.outbox)
        verifyObject(IConnection, HeldConnection(Connection(), self.outbox))

    def test_oneEntryATurn(self) -> None:
        """
        What is told in one turn is one entry; what nobody gets is none.
        """
        self.tell(1, 2)
        self.outbox.note(Entry(b"nobody", 0, 6))
        self.keeper.turn()
        self.tell(3)
        self.keeper.turn()
        self.outbox.note(Entry(b"nobody", 0, 6))
        self.keeper.turn()
        self.assertEqual(list(self.keeper.entries), ["1", "2"])
        self.assertEqual(list(self.outbox.keys()), ["1", "2"])

    def test_writtenOver(self) -> None:
        """
        What nobody needs any more stays until it is written over.
        """
        (first,) = self.tell(1)
        self.keeper.turn()
        assert first.sheet is not None
        first.sheet.release()
        self.keeper.turn()
        self.assertEqual(list(self.keeper.entries), ["1"])
        before = self.keeper.entries["1"]
        self.tell(2)
        self.keeper.turn()
        self.assertEqual(list(self.keeper.entries), ["1"])
        self.assertNotEqual(self.keeper.entries["1"], before)

    def test_neededNoMoreBeforeItIsWritten(self) -> None:
        """
        A message that is not needed any more when the turn ends is written down all
        the same, and can be written over.
        """
        (first,) = self.tell(1)
        assert first.sheet is not None
        first.sheet.release()
        self.keeper.turn()
        self.tell(2)
        self.keeper.turn()
        self.assertEqual(list(self.keeper.entries), ["1"])

    def test_fewSpares(self) -> None:
        """
        Not many entries wait to be written over; the others are removed.
        """
        self.patch(outbox, "SPARE", 3)
        entries = []
        for position in range(10):
            entries += self.tell(position)
            self.keeper.turn()
        for entry in entries:
            assert entry.sheet is not None
            entry.sheet.release()
        self.keeper.turn()
        self.assertEqual(list(self.keeper.entries), ["1", "2", "3"])
        self.assertEqual(list(self.outbox.keys()), ["1", "2", "3"])

    def test_muchInOneTurn(self) -> None:
        """
        What does not fit into one entry is several.
        """
        self.tell(*range(1, 11), size=30_000)
        self.keeper.turn()
        self.assertEqual(len(self.keeper.entries), 3)
        self.assertLess(max(map(len, self.keeper.entries.values())), 140_000)

    def test_restored(self) -> None:
        """
        Another process finds what each session was told, by position.
        """
        self.tell(1, 2, number=1)
        self.tell(7, number=2)
        self.keeper.turn()
        self.tell(3, number=1)
        self.keeper.turn()
        other = Outbox("TCport", Keeper())
        for key, value in self.keeper.entries.items():
            other.restore(key, value, 0.5)
        told = other.settle()
        self.assertEqual(
            {n: list(one) for n, one in told.items()}, {1: [1, 2, 3], 2: [7]}
        )
        other.restored()
        keys = list(other.keys())
        self.assertEqual({key: other.entry(key) for key in keys}, self.keeper.entries)
        # Nobody has taken them, so that the next turns write over them.
        other.note(Entry(b"x", 0, 1)).receivers = [1, 4]
        self.assertEqual(len(list(other.keys())), 2)

    def test_held(self) -> None:
        """
        Bytes leave when the turn is over, in order, and so do ends; a connection
        that fails holds up no other.
        """
        first, broken, last = Connection(), Connection(broken=True), Connection()
        for one in (first, broken, last):
            held = HeldConnection(one, self.outbox)
            held.pauseReading()
            held.write(b"1")
            held.write(b"2")
            held.resumeReading()
            held.close()
        self.assertEqual(first.done, ["pause", "resume"])
        self.keeper.turn()
        for one in (first, last):
            self.assertEqual(one.done, ["pause", "resume", b"1", b"2", "close"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)
        HeldConnection(first, self.outbox).abort()
        self.assertEqual(first.done[-1], "abort")
