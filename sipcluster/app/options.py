"""
Options declared once: name, kind, default, when a change takes effect, and the
words of the manual; from them come the check of a file and the reference page.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs
from attrs import NOTHING, define, field, frozen

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
    """

    path: str
    why: str


@frozen
class Kind:
    """
    What an option's value may be.

    @ivar words: the valid values, for the reference page.
    @ivar read: takes the value as TOML gave it, and the folder that relative
        file names start from; returns what to keep, or raises L{ValueError}
        with what is wanted instead.
    @ivar table: the class of a nested table, which L{Reader} reads itself.
    """

    words: str
    read: Callable[[object, Path], object]
    table: type | None = None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("want a string")
    return value


def text(words: str = "any string", pattern: str = r"[^\x00-\x1f\x7f]+") -> Kind:
    """
    A string of one line.

    @param pattern: what all of it must match.
    """
    compiled = re.compile(pattern)

    def read(value: object, base: Path) -> str:
        if not compiled.fullmatch(_text(value)):
            raise ValueError(f"want {words}, not {value!r}")
        return str(value)

    return Kind(words, read)


def integer(low: int, high: int) -> Kind:
    """
    A whole number; true and false are none.
    """
    words = f"{low} to {high}"

    def read(value: object, base: Path) -> int:
        if type(value) is not int:
            raise ValueError(f"want a whole number, {words}, not {value!r}")
        if not low <= value <= high:
            raise ValueError(f"want {words}, not {value}")
        return value

    return Kind(f"whole number, {words}", read)


def seconds(low: float, high: float) -> Kind:
    """
    A number of seconds, with or without a fraction.
    """
    words = f"{low:g} to {high:g} seconds"

    def read(value: object, base: Path) -> float:
        if type(value) is not int and type(value) is not float:
            raise ValueError(f"want a number, {words}, not {value!r}")
        if not low <= value <= high:
            raise ValueError(f"want {words}, not {value}")
        return float(value)

    return Kind(words, read)


def flag() -> Kind:
    """
    True or false.
    """

    def read(value: object, base: Path) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"want true or false, not {value!r}")
        return value

    return Kind("true, false", read)


def choice(*values: str) -> Kind:
    """
    One of a few words.
    """
    words = ", ".join(values)

    def read(value: object, base: Path) -> str:
        if _text(value) not in values:
            raise ValueError(f"want {words}, not {value!r}{nearest(value, values)}")
        return str(value)

    return Kind(words, read)


def address() -> Kind:
    """
    An IP address to listen on and to be reached at.
    """

    def read(value: object, base: Path) -> str:
        try:
            return str(ipaddress.ip_address(_text(value)))
        except ValueError:
            raise ValueError(f"want an IP address, not {value!r}") from None

    return Kind("IPv4 or IPv6 address", read)


_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"


def domain() -> Kind:
    """
    A DNS name.
    """
    return text("a DNS name", rf"{_LABEL}(?:\.{_LABEL})*")


def label() -> Kind:
    """
    A name that can be the first label of a host name.
    """
    return text("letters, digits and inner hyphens", _LABEL)


def number() -> Kind:
    """
    What can be dialled: the user part of a SIP URI.
    """
    return text("digits, letters and -_.+*", r"[A-Za-z0-9_.+*-]{1,64}")


def port(off: bool = False) -> Kind:
    """
    @param off: whether 0 is allowed, and means that nothing listens.
    """
    kind = integer(0 if off else 1, 65535)
    return attrs.evolve(kind, words=kind.words + (", 0 = off" if off else ""))


def sipURI() -> Kind:
    """
    A SIP or SIPS URI with a host.
    """
    return text(
        "a SIP URI as sip:host[:port]",
        r"sips?:(?:[^@\s<>\"]+@)?(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::\d{1,5})?"
        r"(?:;[^\s<>\"]+)?",
    )


def url() -> Kind:
    """
    The address of an HTTP server.
    """
    return text("http://host:port or https://host:port", r"https?://[^\s/]+/?")


def nameServer() -> Kind:
    """
    The address of a name server, with or without a port; kept as both.
    """
    words = "address, address:port or [IPv6 address]:port"

    def read(value: object, base: Path) -> tuple[str, int]:
        found = _SERVER.fullmatch(_text(value))
        try:
            if found is None:
                raise ValueError
            host = ipaddress.ip_address(found[1] or found[2] or found[4])
            port = int(found[3] or 53)
            if not 1 <= port <= 65535:
                raise ValueError
        except ValueError:
            raise ValueError(f"want {words}, not {value!r}") from None
        return str(host), port

    return Kind(words, read)


#: IPv6 in brackets or IPv4, perhaps with a port; or IPv6 alone.
_SERVER = re.compile(r"(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?|([^\[\]]*)")


def existingFile() -> Kind:
    """
    A file that must be there and readable; relative to the configuration.
    """

    def read(value: object, base: Path) -> Path:
        path = base / _text(value)
        try:
            with path.open("rb"):
                return path
        except OSError as e:
            raise ValueError(f"cannot read {path}: {e.strerror}") from None

    return Kind("file name", read)


def path() -> Kind:
    """
    A file or folder that may be made; relative to the configuration.
    """

    def read(value: object, base: Path) -> Path:
        if not _text(value):
            raise ValueError("want a file name")
        return base / str(value)

    return Kind("file name", read)


def listOf(kind: Kind, low: int = 0) -> Kind:
    """
    @param low: how many there must be at least.
    """

    def read(value: object, base: Path) -> tuple[object, ...]:
        if not isinstance(value, list):
            raise ValueError(f"want a list, not {value!r}")
        if len(value) < low:
            raise ValueError(f"want at least {low} in the list")
        return tuple(kind.read(one, base) for one in value)

    return Kind(f"list of {kind.words}", read)


def mapping(keys: tuple[str, ...], kind: Kind) -> Kind:
    """
    A table of a few known keys, all of one kind.
    """
    words = f"table with {', '.join(keys)}: {kind.words}"

    def read(value: object, base: Path) -> dict[str, object]:
        if not isinstance(value, dict):
            raise ValueError(f"want a {words}")
        for key in value:
            if key not in keys:
                raise ValueError(f"no {key!r} here{nearest(key, keys)}")
        return {key: kind.read(one, base) for key, one in value.items()}

    return Kind(words, read)


def tableOf(cls: type) -> Kind:
    """
    A nested table, read as C{cls}.
    """

    def read(value: object, base: Path) -> object:
        raise ValueError("want a table")

    return Kind("table", read, cls)


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


def nearest(name: object, names: Any) -> str:
    """
    A hint at what may have been meant; empty when nothing is near.
    """
    near = difflib.get_close_matches(str(name), list(names), 1, 0.5)
    return f" (nearest: {near[0]})" if near else ""


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
        except ValueError as e:
            self.fault(path, f"want {kind.words}" if declaration.secret else str(e))
            return NOTHING
