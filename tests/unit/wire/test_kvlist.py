"""
Tests for L{sipcluster.wire.kvlist}.
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.wire.kvlist import (
    DEPTH,
    KVList,
    asKVList,
    attach,
    delete,
    get,
    size,
    update,
)
from tests.unit.tlib.strategies import kvLists

PAIRS: KVList = (("a", 1), ("b", "x"), ("a", 2), ("c", b"\0"))

keys = st.sampled_from(["a", "b", "c", "d"])
small = st.lists(st.tuples(keys, st.integers(0, 9)), max_size=6).map(tuple)


def nested(depth: int) -> Any:
    """
    A list of C{depth} lists in one another, as it is decoded.
    """
    value: Any = []
    for _ in range(depth - 1):
        value = [["k", value]]
    return value


def listsOf(value: object) -> object:
    """
    The same with lists for tuples, as it is decoded.
    """
    return [listsOf(one) for one in value] if isinstance(value, tuple) else value


class AsKVListTests(SynchronousTestCase):
    """
    L{asKVList} makes key-value lists of decoded values, and of nothing else.
    """

    @given(kvLists)
    def test_lists(self, pairs: KVList) -> None:
        """
        Every list comes back as it was, in order, with keys that repeat.
        """
        self.assertEqual(asKVList(listsOf(pairs)), pairs)
        self.assertEqual(asKVList(pairs), pairs)

    def test_tooDeep(self) -> None:
        """
        Sixteen lists may stand in one another.
        """
        asKVList(nested(DEPTH))
        error = self.assertRaises(ValueError, asKVList, nested(DEPTH + 1))
        self.assertIn("16", str(error))

    def test_others(self) -> None:
        """
        Everything else is refused, saying what is wrong.
        """
        for value, why in (
            (None, "list of pairs"),
            ("ab", "list of pairs"),
            ({"a": 1}, "list of pairs"),
            ([["a"]], "pairs of a key"),
            ([["a", 1, 2]], "pairs of a key"),
            (["ab"], "pairs of a key"),
            ([[1, 2]], "keys that are strings"),
            ([[b"a", 2]], "keys that are strings"),
            ([["a", None]], "no type"),
            ([["a", True]], "no type"),
            ([["a", 1.5]], "no type"),
            ([["a", {}]], "no type"),
            ([["a", 2**31]], "32 bits"),
            ([["a", -(2**31) - 1]], "32 bits"),
            ([["a", [["b", None]]]], "no type"),
        ):
            error = self.assertRaises(ValueError, asKVList, value)
            self.assertIn(why, str(error))

    def test_edges(self) -> None:
        """
        The outermost integers of 32 bits are taken.
        """
        edges = [["a", 2**31 - 1], ["b", -(2**31)]]
        self.assertEqual(asKVList(edges), (("a", 2**31 - 1), ("b", -(2**31))))


class ChangeTests(SynchronousTestCase):
    """
    Lists are changed by making new ones.
    """

    def test_get(self) -> None:
        """
        The first pair with a key counts.
        """
        self.assertEqual(get(PAIRS, "a"), 1)
        self.assertEqual(get(PAIRS, "c"), b"\0")
        self.assertIsNone(get(PAIRS, "d"))

    def test_attach(self) -> None:
        """
        Added pairs stand at the end, also when their key is there already.
        """
        self.assertEqual(attach((("a", 1),), (("a", 2),)), (("a", 1), ("a", 2)))

    def test_update(self) -> None:
        """
        The first pair with a key takes the new value, its others go, new keys come
        to the end.
        """
        self.assertEqual(
            update(PAIRS, (("d", 4), ("a", 3))),
            (("a", 3), ("b", "x"), ("c", b"\0"), ("d", 4)),
        )

    def test_updateWithRepeatedKey(self) -> None:
        """
        A key that comes twice is there twice.
        """
        self.assertEqual(
            update((("a", 1), ("b", 2)), (("a", 8), ("a", 9))),
            (("a", 8), ("a", 9), ("b", 2)),
        )

    def test_delete(self) -> None:
        """
        All pairs of a key go.
        """
        self.assertEqual(delete(PAIRS, ["a", "z"]), (("b", "x"), ("c", b"\0")))

    @given(small, small)
    def test_updateTwiceIsUpdateOnce(self, pairs: KVList, changes: KVList) -> None:
        """
        The same update again changes nothing, and afterwards each changed key has
        exactly the values of the update.
        """
        once = update(pairs, changes)
        self.assertEqual(update(once, changes), once)
        for key, _ in changes:
            self.assertEqual(
                [value for name, value in once if name == key],
                [value for name, value in changes if name == key],
            )
        others = {key for key, _ in changes}
        self.assertEqual(
            [pair for pair in once if pair[0] not in others],
            [pair for pair in pairs if pair[0] not in others],
        )

    @given(kvLists)
    def test_sizeIsEnough(self, pairs: KVList) -> None:
        """
        A list needs no more bytes on the wire than L{size} says.
        """
        self.assertLessEqual(len(msgspec.msgpack.encode(pairs)), size(pairs))
