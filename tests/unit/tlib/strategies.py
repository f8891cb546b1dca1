"""
Hypothesis strategies for T-Library messages.
"""

from __future__ import annotations

from typing import Any

from attrs import fields
from hypothesis import strategies as st

from sipcluster.tlib.attributes import BY_FIELD, BY_TAG, Attribute, Kind
from sipcluster.tlib.codec import unpack
from sipcluster.tlib.messages import MESSAGES, Message, UnknownMessage

#: Text that UTF-8 can write.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)

integers = st.integers(-(2**31), 2**31 - 1)

_plain = texts | integers | st.binary(max_size=8)

#: Key-value lists, nested.
kvLists = st.recursive(
    st.lists(st.tuples(texts, _plain), max_size=4).map(tuple),
    lambda inner: st.lists(st.tuples(texts, _plain | inner), max_size=4).map(tuple),
    max_leaves=8,
)

_hex = "0123456789abcdef"

_KINDS: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.STRING: texts,
    Kind.INTEGER: integers,
    Kind.UNSIGNED: st.integers(0, 2**64 - 1),
    Kind.CONN_ID: st.text(_hex, min_size=16, max_size=16),
    Kind.CALL_UUID: st.text(_hex, min_size=32, max_size=32),
    Kind.BINARY: st.binary(max_size=70),
    Kind.LIST: kvLists,
    Kind.TIME: st.tuples(st.integers(0, 2**40 - 1), st.integers(0, 999_999)),
}


def valuesOf(attribute: Attribute) -> st.SearchStrategy[Any]:
    """
    Values of one attribute; of an enumeration also numbers that it does not have.
    """
    if attribute.kind is not Kind.ENUMERATION:
        return _KINDS[attribute.kind]
    assert attribute.members is not None
    members = list(attribute.members)
    numbers = [int(member) for member in members]
    others = st.integers(0, 2**32 - 1).filter(lambda one: one not in numbers)
    return st.sampled_from(members) | others


#: MessagePack values that no attribute here has: as encoded.
strange = st.sampled_from(
    [
        bytes.fromhex(one)
        for one in (
            "c0",
            "c3",
            "ca3fc00000",
            "cb3ff8000000000000",
            "cb7ff8000000000000",
            "d3ffffffff80000000",
            "cd0007",
            "d90161",
            "80",
            "8201a16102a162",
            "82a16101a16101",
            "8180a161",
            "93010203",
            "9291c0a0",
            "d40100",
            "d6ff00000000",
            "d7ffffffffffffffffff",
            "c70105ff",
            "a1ff",
        )
    ]
).map(unpack)

_unknownValues = texts | st.integers(-(2**63), 2**64 - 1) | st.binary() | strange


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """
    Any message, known or not, with any attributes, known or not.
    """
    number = draw(st.sampled_from(sorted(MESSAGES)) | st.integers(183, 65535))
    cls = MESSAGES.get(number, UnknownMessage)
    names = [one.name for one in fields(cls) if one.name in BY_FIELD]
    values: dict[str, Any] = {}
    if names:
        for name in draw(st.lists(st.sampled_from(names), unique=True, max_size=12)):
            values[name] = draw(valuesOf(BY_FIELD[name]))
    own = {BY_FIELD[name].tag for name in names}
    tags = st.integers(0, 65535) | st.sampled_from(sorted(BY_TAG))
    pairs = st.tuples(tags.filter(lambda tag: tag not in own), _unknownValues)
    values["unknown"] = tuple(
        draw(st.lists(pairs, max_size=3, unique_by=lambda pair: pair[0]))
    )
    if cls is UnknownMessage:
        values["number"] = number
    return cls(**values)
