"""
Key-value lists: user data, extensions, reasons.

A list keeps its order, and a key may stand in it more than once.  It is a plain
tuple of pairs, so that it can be compared, kept in other values and encoded as it
is; a value that is a tuple is a list again.
"""

from __future__ import annotations

from typing import TypeAlias, Union

#: Text, an integer of 32 bits with a sign, bytes, or a list.
KVValue: TypeAlias = Union[str, int, bytes, "KVList"]  # recursive

#: Pairs in order; keys may repeat.
KVList: TypeAlias = tuple[tuple[str, KVValue], ...]
