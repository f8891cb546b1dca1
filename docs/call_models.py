"""
Write the tables of events of the call models from the scenarios that the tests run.

Run by the build of the documentation, or by hand::

    PYTHONPATH=. python docs/call_models.py docs/models
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

from sipcluster.tlib.errors import TErrorCode
from tests import scenarios
from tests.scenarios.table import Row, Scenario, Step

#: Headings of the sections, in the order of the pages.
SECTIONS = {
    "3.1": ("two-party", "Two-party calls, and how they fail"),
    "3.2": ("hold", "Hold and retrieve"),
    "3.3": ("transfer", "Consultation and transfer"),
    "3.4": ("single-step-transfer", "Single-step transfer"),
    "3.5": ("conference", "Conference"),
    "3.6": ("routing", "Routing points and treatments"),
    "3.7": ("predictive", "Predictive calls"),
    "3.8": ("supervision", "Supervision"),
    "3.9": ("user-data", "User data"),
    "3.10": ("dn-states", "DN states"),
    "3.11": ("agent-states", "Agent states"),
}

#: Widths of the columns, in parts.
WIDTHS = "22 6 24 48"


def found() -> list[Scenario]:
    """
    All scenarios, in the order of their modules.
    """
    collected: list[Scenario] = []
    for module in pkgutil.iter_modules(scenarios.__path__):
        code = importlib.import_module(f"{scenarios.__name__}.{module.name}")
        collected += getattr(code, "SCENARIOS", ())
    return collected


def page(section: str, title: str) -> Iterator[str]:
    """
    One page: all scenarios of a section.
    """
    yield "=" * len(title)
    yield title
    yield "=" * len(title)
    for scenario in found():
        if scenario.section == section:
            yield ""
            yield from _table(scenario)


def _table(scenario: Scenario) -> Iterator[str]:
    yield scenario.title
    yield "-" * len(scenario.title)
    for name, value in scenario.settings:
        yield ""
        yield f"With the setting ``{_kebab(name)} = {value!r}``."
    yield ""
    yield ".. list-table::"
    yield "   :header-rows: 1"
    yield f"   :widths: {WIDTHS}"
    yield ""
    yield from _row("what happens", "DN", "event", "says")
    for step in scenario.steps:
        yield from _step(step)


def _step(step: Step) -> Iterator[str]:
    what = step.what
    request = str(step.do[0])
    if request.startswith("Request"):
        what = f"{what} (``{request}``)"
    if step.error:
        code = TErrorCode[step.error]
        yield from _row(what, "", "EventError", f"{int(code)} {code.text}")
    elif not step.rows:
        yield from _row(what, "", "", "")
    for row in step.rows:
        yield from _row(what, row.this, row.event, "; ".join(_says(row)))
        what = ""


def _says(row: Row) -> Iterator[str]:
    if row.answers:
        yield "answers the request"
    if row.conn not in ("", "c1"):
        yield f"call {row.conn}"
    if row.role:
        yield f"ThisDNRole {row.role}"
    if row.other:
        yield f"OtherDN {row.other}"
    if row.otherRole:
        yield f"OtherDNRole {row.otherRole}"
    if row.third:
        yield f"ThirdPartyDN {row.third}"
    if row.thirdRole:
        yield f"ThirdPartyDNRole {row.thirdRole}"
    if row.queue:
        yield f"ThisQueue {row.queue}"
    for name, call in (
        ("PreviousConnID", row.previous),
        ("TransferConnID", row.transfer),
        ("ConferenceConnID", row.conference),
    ):
        if call:
            yield f"{name} {call}"
    if row.state:
        yield f"CallState {row.state}"
    if row.conn and row.callType != "Internal":
        yield f"CallType {row.callType}"
    if row.conn and row.ani:
        yield f"ANI {row.ani}"
    if row.conn and row.dnis:
        yield f"DNIS {row.dnis}"
    if row.data:
        yield f"UserData ``{_shown(row.data)}``"
    for name, value in row.more:
        yield f"{name[:1].upper()}{name[1:]} {_value(value)}"
    if row.port:
        yield f"{row.port} only"


def _shown(pairs: object) -> str:
    assert isinstance(pairs, tuple)
    return ", ".join(f"{key}={_value(value)}" for key, value in pairs)


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{_shown(value)}]"
    if isinstance(value, bytes):
        return f"hex {value.hex()}"
    label = getattr(value, "label", None)
    return str(value if label is None else label)


def _row(*cells: str) -> Iterator[str]:
    for index, cell in enumerate(cells):
        yield f"   {' ' if index else '*'} - {cell}".rstrip()


def _kebab(name: str) -> str:
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name)


def write(folder: Path) -> list[str]:
    """
    Write all pages.

    @return: their names.
    """
    folder.mkdir(exist_ok=True)
    known = {scenario.section for scenario in found()}
    assert known <= SECTIONS.keys(), known - SECTIONS.keys()
    names = []
    for section, (name, title) in SECTIONS.items():
        path = folder / f"{name}.rst"
        path.unlink(missing_ok=True)
        if section in known:
            path.write_text("\n".join(page(section, title)) + "\n")
            names.append(name)
    index = ("Events of the call models", "=========================", "")
    (folder / "index.rst").write_text(
        "\n".join((*index, *_introduction(), "", ".. toctree::", ""))
        + "".join(f"\n   {name}" for name in names)
        + "\n"
    )
    return names


def _introduction() -> Iterator[str]:
    yield "What the clients of each DN get, attribute by attribute, in order; the tests"
    yield "play each of these with telephones and compare. A, B and C are telephones of"
    yield "the switch (1001, 1002, 1003), O is outside behind a trunk and is dialled"
    yield "with 9 before, N is a number that there is not, P a routing point."
    yield ""
    yield "Every event has ``time``, and those of a call ``ConnID``, ``CallID``,"
    yield "``CallUUID`` and ``CallType``, which is Internal where nothing else is said."
    yield '"Answers the request": the asking client\'s copy has the ``ReferenceID``.'


if __name__ == "__main__":
    write(Path(sys.argv[1]))
