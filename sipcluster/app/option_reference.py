"""
Writes the reference page of all options from their declarations.

C{python -m sipcluster.app.option_reference > docs/options.rst}
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
from attrs import NOTHING

from sipcluster.app.options import Declaration, declared
from sipcluster.app.settings import (
    APPLICATION_TABLES,
    DN_TABLES,
    VARIANTS,
    AlarmSettings,
    Log,
    Monitoring,
    Ports,
    Switch,
    TLibApplication,
)

_HEAD = """\
.. Made by "python -m sipcluster.app.option_reference"; changed there.

===================
Configuration file
===================

One TOML file configures a whole cluster; every process reads the same file and
takes the application that ``--name`` names out of it. ``[switch]`` and ``[log]``
stand in it once; tables in double brackets may stand in it several times, one for
each DN or application. File names are relative to the folder of the file.

``twistd sipcluster check --config FILE`` tells everything that is wrong with a
file, each fault with line, path and the nearest valid name, and starts nothing.
Paths count tables of one name from 1: ``extension[2].number`` is the number of
the second ``[[extension]]``.

An option without a default must be given. All changes need a restart of the
processes that they concern, unless an option says otherwise. "Not used yet"
marks options that are checked already, for features that are not built.
"""

#: Tables in the order of the page: heading, class.
_TABLES: tuple[tuple[str, type], ...] = (
    ("[switch]", Switch),
    ("[log]", Log),
    ("[alarms]", AlarmSettings),
    *((f"[[{name}]]", cls) for name, cls in DN_TABLES.items()),
    *(
        (f"[[{name}]] {key} = {', '.join(kinds)}", cls)
        for name, (key, kinds) in VARIANTS.items()
        for cls in dict.fromkeys(kinds.values())
    ),
    *((f"[[{name}]]", cls) for name, cls in APPLICATION_TABLES.items()),
    ("[node.ports]", Ports),
    ("[node.monitors]", Monitoring),
    ("[[tlib-application]]", TLibApplication),
)


def lines() -> Iterator[str]:
    """
    The page.
    """
    yield _HEAD.rstrip()
    for heading, cls in _TABLES:
        yield ""
        yield heading
        yield "-" * len(heading)
        yield ""
        yield _introduction(cls)
        for name, (declaration, attribute) in declared(cls).items():
            yield ""
            yield f"``{name}``"
            yield f"    {declaration.doc}"
            yield ""
            yield f"    :Valid: {declaration.kind.words}"
            yield f"    :Default: {_default(declaration, attribute.default)}"
            yield f"    :Takes effect: {declaration.takesEffect}"


def _introduction(cls: type) -> str:
    """
    A class's docstring without its markup, after the name of its table.
    """
    text = " ".join((cls.__doc__ or "").split())
    text = text.partition(": ")[2] if text.startswith("C{[") else text
    text = text.replace("C{", "``").replace("}", "``")
    return text[:1].upper() + text[1:]


def _default(declaration: Declaration, default: object) -> str:
    if declaration.shown:
        return declaration.shown
    if default is NOTHING:
        return "none, must be given"
    if isinstance(default, bool):
        return str(default).lower()
    if default in ("", (), None) or default == {}:
        return "empty"
    if attrs.has(type(default)):
        return "as below"
    if isinstance(default, float):
        return f"{default:g}"
    if isinstance(default, str | int | Path):
        return f"``{default}``"
    return str(default)


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()) + "\n")
