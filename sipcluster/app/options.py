"""
Options declared once: name, kind, default, when a change takes effect, and the
words of the manual; from them come the check of a file and the reference page.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs
from attrs import NOTHING, define, field, frozen

from sipcluster.app.kinds import FileAway, Kind, nearest

T = TypeVar("T")

#: Where an option's declaration is kept in the metadata of its attribute.
DECLARATION = "sipcluster.option"

#: When a changed value is used.
RESTART = "after restart"
NOT_YET = "not used yet"


@frozen
class Fault:
    """
    One thing wrong with a configuration.

    @ivar path: where it is, as in C{"node[2].sip-port"}; tables of one name are
        counted from 1.
    @ivar why: what is wrong with it.
    @ivar file: whether it is a file that cannot be read, which is no fault on a
        host that does not need it.
    """

    path: str
    why: str
    file: bool = False


@frozen
class Declaration:
    """
    What is known about one option.

    @ivar name: as it stands in the file.
    @ivar doc: what it does, for the manual.
    @ivar takesEffect: when a changed value is used.
    @ivar shown: the default in words, where the value itself says too little.
    @ivar secret: whether its value must never be shown.
    """

    name: str
    kind: Kind
    doc: str
    takesEffect: str = RESTART
    shown: str = ""
    secret: bool = False


def option(
    name: str,
    kind: Kind,
    doc: str,
    default: object = NOTHING,
    takesEffect: str = RESTART,
    shown: str = "",
    secret: bool = False,
) -> Any:
    """
    Declare one option as an attribute of its table's class.

    @param default: left out when the file must give it.
    """
    declaration = Declaration(name, kind, doc, takesEffect, shown, secret)
    return field(
        default=default,
        kw_only=True,
        repr=not secret,
        metadata={DECLARATION: declaration},
    )


def declared(cls: type) -> dict[str, tuple[Declaration, attrs.Attribute[Any]]]:
    """
    The options of a table's class by their names in the file, in order.
    """
    return {
        a.metadata[DECLARATION].name: (a.metadata[DECLARATION], a)
        for a in attrs.fields(cls)
        if DECLARATION in a.metadata
    }


@define
class Reader:
    """
    Reads tables into their classes and collects all that is wrong.

    @ivar base: the folder that relative file names start from.
    @ivar faults: what was wrong so far, in the order of the file's tables.
    """

    base: Path
    faults: list[Fault] = field(factory=list)

    def fault(self, path: str, why: str) -> None:
        """
        Note one fault.
        """
        self.faults.append(Fault(path, why))

    def table(self, cls: type[T], table: object, path: str) -> T:
        """
        Read one table.  What is wrong becomes a fault, and a stand-in takes its
        place so that the rest can be checked: the default, or C{""}.
        """
        if not isinstance(table, Mapping):
            self.fault(path, "want a table")
            table = {}
            missing = False
        else:
            missing = True
        options = declared(cls)
        for key in table:
            if key not in options:
                self.fault(f"{path}.{key}", f"no such option{nearest(key, options)}")
        values: dict[str, object] = {}
        for name, (declaration, attribute) in options.items():
            alias = attribute.alias or attribute.name
            if name in table:
                value = self._value(declaration, table[name], f"{path}.{name}")
                if value is not NOTHING:
                    values[alias] = value
                    continue
            elif attribute.default is NOTHING and missing:
                self.fault(path, f"{name} is missing: {declaration.kind.words}")
            if attribute.default is NOTHING:
                values[alias] = ""
        return cls(**values)

    def _value(self, declaration: Declaration, value: object, path: str) -> object:
        kind = declaration.kind
        if kind.table is not None:
            return self.table(kind.table, value, path)
        try:
            return kind.read(value, self.base)
        except FileAway as e:
            self.faults.append(Fault(path, str(e), file=True))
            return e.file
        except ValueError as e:
            self.fault(path, f"want {kind.words}" if declaration.secret else str(e))
            return NOTHING
