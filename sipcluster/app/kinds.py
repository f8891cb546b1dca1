"""
Kinds of values that an option may have: each reads what TOML gave, or says what
it wants instead.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from attrs import frozen

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.uri import parseURI


def nearest(name: object, names: Any) -> str:
    """
    A hint at what may have been meant; empty when nothing is near.
    """
    near = difflib.get_close_matches(str(name), list(names), 1, 0.5)
    return f" (nearest: {near[0]})" if near else ""


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
        raise ValueError(f"want a string, in quotes, not {value!r}")
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


def portRange() -> Kind:
    """
    Two ports, the second one not below the first; kept as both.
    """
    words = "two ports, as [20000, 29999], at least 4 of them"

    def read(value: object, base: Path) -> tuple[int, int]:
        if (
            not isinstance(value, list)
            or len(value) != 2
            or any(type(one) is not int for one in value)
            or not 1024 <= value[0] <= value[1] - 3 <= 65532
        ):
            raise ValueError(f"want {words}, not {value!r}")
        return value[0], value[1]

    return Kind(words, read)


def sipURI() -> Kind:
    """
    A SIP or SIPS URI with a host, which says no transport that there is not.
    """
    words = "a SIP URI as sip:host[:port]"
    spelled = text(
        words,
        r"sips?:(?:[^@\s<>\"]+@)?(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::\d{1,5})?"
        r"(?:;[^\s<>\"]+)?",
    )

    def read(value: object, base: Path) -> str:
        uri = str(spelled.read(value, base))
        try:
            found = parseURI(uri.encode("utf-8"))
        except MalformedMessage as e:
            raise ValueError(f"want {words}, not {value!r}: {e.why}") from None
        transport = getattr(found, "transport", "")
        if transport not in ("", "UDP", "TCP", "TLS"):
            raise ValueError(f"want transport udp, tcp or tls, not {transport.lower()}")
        return uri

    return Kind(words, read)


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


class FileAway(ValueError):
    """
    A file is not there, or not readable.

    @ivar file: its name, to be kept where this host does not need it.
    """

    def __init__(self, file: Path, why: object) -> None:
        super().__init__(f"cannot read {file}: {why}")
        self.file = file


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
            raise FileAway(path, e.strerror) from None

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
