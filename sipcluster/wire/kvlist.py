"""
Key-value lists: user data, extensions, reasons.

A list keeps its order, and a key may stand in it more than once.  It is a plain
tuple of pairs, so that it can be compared, kept in other values and encoded as it
is; a value that is a tuple is a list again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, Union

#: Text, an integer of 32 bits with a sign, bytes, or a list.
KVValue: TypeAlias = Union[str, int, bytes, "KVList"]  # recursive

#: Pairs in order; keys may repeat.
KVList: TypeAlias = tuple[tuple[str, KVValue], ...]

#: How deep lists may stand in lists; the outermost is the first.
DEPTH = 16

#: Bytes that one value may need on the wire besides its text or bytes.
_HEAD = 5


def asKVList(value: object, depth: int = DEPTH) -> KVList:
    """
    Make a key-value list of what was decoded.

    @param value: a sequence of pairs, as lists or tuples.
    @param depth: how many lists may stand in one another.

    @raise ValueError: it is none; the text says what is wrong.
    """
    if type(value) is not list and type(value) is not tuple:
        raise ValueError("want a list of pairs")
    if depth < 1:
        raise ValueError(f"more than {DEPTH} lists in one another")
    pairs: list[tuple[str, KVValue]] = []
    for pair in value:
        if (type(pair) is not list and type(pair) is not tuple) or len(pair) != 2:
            raise ValueError("want pairs of a key and a value")
        key, item = pair
        if type(key) is not str:
            raise ValueError("want keys that are strings")
        kind = type(item)
        if kind is str or kind is bytes:
            pairs.append((key, item))
        elif kind is int:
            if not -0x80000000 <= item <= 0x7FFFFFFF:
                raise ValueError(f"value of {key[:40]!r} needs more than 32 bits")
            pairs.append((key, item))
        elif kind is list or kind is tuple:
            pairs.append((key, asKVList(item, depth - 1)))
        else:
            raise ValueError(f"value of {key[:40]!r} has no type of such a list")
    return tuple(pairs)


def get(pairs: KVList, key: str) -> KVValue | None:
    """
    The value of the first pair with a key; L{None}: there is none.
    """
    for name, value in pairs:
        if name == key:
            return value
    return None


def attach(pairs: KVList, more: KVList) -> KVList:
    """
    Add pairs at the end; keys that are there already stand twice then.
    """
    return pairs + more


def update(pairs: KVList, changes: KVList) -> KVList:
    """
    Replace pairs by key.  The first pair with a key takes the new value where it
    stands, the others with that key go; a key that is not there is added at the
    end.  A key that stands in C{changes} more than once is there as often
    afterwards.
    """
    values: dict[str, list[KVValue]] = {}
    for key, value in changes:
        values.setdefault(key, []).append(value)
    result: list[tuple[str, KVValue]] = []
    left = dict(values)
    for key, value in pairs:
        if key not in values:
            result.append((key, value))
        elif key in left:
            result += [(key, new) for new in left.pop(key)]
    result += [(key, new) for key, news in left.items() for new in news]
    return tuple(result)


def delete(pairs: KVList, keys: Iterable[str]) -> KVList:
    """
    Leave out every pair with one of these keys.
    """
    gone = frozenset(keys)
    return tuple(pair for pair in pairs if pair[0] not in gone)


def size(pairs: KVList) -> int:
    """
    Bytes that a list needs on the wire at most.
    """
    total = _HEAD
    for key, value in pairs:
        total += 1 + _HEAD + len(key.encode("utf-8", "replace"))
        if isinstance(value, str):
            total += _HEAD + len(value.encode("utf-8", "replace"))
        elif isinstance(value, bytes):
            total += _HEAD + len(value)
        elif isinstance(value, int):
            total += _HEAD
        else:
            total += size(value)
    return total
