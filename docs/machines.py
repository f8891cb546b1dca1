"""
Write a page for each state machine of the package: a picture of it, and its
transitions as a table.

Run by the build of the documentation, or by hand::

    python docs/machines.py docs/machines
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from automat import TypeMachine

import sipcluster

PACKAGE = Path(sipcluster.__file__).parent

#: How an output is named that does nothing.
NOTHING = "returns(None)"

#: Sizes in the pictures, in pixels.
LINE, LETTER, BOX, GAP, LANE = 14, 6.6, 190, 26, 22

#: What is done in a state upon an input: the next state, and the name of the
#: output, empty when it does nothing.
Rows = dict[tuple[str, str], tuple[str, str]]


def machines() -> dict[str, TypeMachine[Any, Any]]:
    """
    Every machine that a module keeps in a name ending in C{achine}, by the name
    of its page.
    """
    found: dict[str, TypeMachine[Any, Any]] = {}
    for source in sorted(PACKAGE.rglob("*.py")):
        if "TypeMachineBuilder(" not in source.read_text():
            continue
        parts = source.relative_to(PACKAGE.parent).with_suffix("").parts
        module = importlib.import_module(".".join(parts))
        for name, value in sorted(vars(module).items()):
            if isinstance(value, TypeMachine) and name.endswith("achine"):
                which = name.strip("_").removesuffix("achine").rstrip("mM")
                found[".".join(parts[1:]) + (f".{which}" if which else "")] = value
    return found


def transitions(machine: TypeMachine[Any, Any]) -> Rows:
    """
    What happens in which state upon which input.
    """
    rows = {}
    for old, name, new, outputs in machine.__automat_automaton__.allTransitions():
        done = " ".join(
            output.name for output in outputs if output.name != NOTHING
        ).replace("returns(", "answers(")
        rows[old.name, name] = (new.name, done)
    return rows


def ordered(machine: TypeMachine[Any, Any], rows: Rows) -> list[str]:
    """
    The states as they are reached, those that nothing leaves last.
    """
    order = [machine.__automat_automaton__.initialState.name]
    for state in order:
        for (old, _), (new, _) in sorted(rows.items()):
            if old == state and new not in order:
                order.append(new)
    left = {old for (old, _), (new, _) in rows.items() if old != new}
    return sorted(order, key=lambda state: state not in left)


def _text(x: float, y: float, words: str, style: str = "") -> str:
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.0f}" y="{y:.0f}" {style}>{words}</text>'


def picture(order: list[str], rows: Rows) -> str:
    """
    Draw a machine as SVG: states one below the other, with the inputs that do
    something and change no state; transitions down on the right of them, and up
    on the left.
    """
    staying = {
        state: sorted(
            name
            for (old, name), (new, done) in rows.items()
            if old == state == new and done
        )
        for state in order
    }
    edges: dict[tuple[str, str], list[str]] = {}
    for (old, name), (new, _) in sorted(rows.items()):
        if old != new:
            edges.setdefault((old, new), []).append(name)
    tops: dict[str, float] = {}
    heights: dict[str, float] = {}
    ends: dict[str, int] = dict.fromkeys(order, 0)
    for old, new in edges:
        ends[old] += 1
        ends[new] += 1
    y = 10.0
    for state in order:
        tops[state] = y
        room = max(len(staying[state]) + 1, ends[state] * 1.1)
        heights[state] = room * LINE + 14
        y += heights[state] + GAP
    index = {state: number for number, state in enumerate(order)}
    upward = [edge for edge in edges if index[edge[1]] < index[edge[0]]]
    labels = [", ".join(edges[edge]) for edge in upward]
    longest = max(map(len, labels), default=0)
    left = 20 + LANE * len(upward) + LETTER * longest
    shapes: list[str] = []
    for state in order:
        shapes.append(
            f'<rect x="{left:.0f}" y="{tops[state]:.0f}" width="{BOX}" '
            f'height="{heights[state]:.0f}" rx="8"/>'
        )
        shapes.append(_text(left + 10, tops[state] + 17, state, 'font-weight="bold"'))
        shapes += [
            _text(left + 16, tops[state] + 17 + LINE * (row + 1), name)
            for row, name in enumerate(staying[state])
        ]
    used: dict[str, int] = dict.fromkeys(order, 0)

    def port(state: str) -> float:
        used[state] += 1
        return tops[state] + heights[state] * used[state] / (ends[state] + 1)

    side = left + BOX
    downward = [edge for edge in edges if edge not in upward]
    downward.sort(key=lambda edge: index[edge[1]] - index[edge[0]])
    widest = max((len(", ".join(edges[edge])) for edge in downward), default=0)
    first = side + 14 + LETTER * widest
    for number, (old, new) in enumerate(downward):
        words = ", ".join(edges[old, new])
        start, end = port(old), port(new)
        x = first + LANE * number
        shapes.append(
            f'<path d="M{side:.0f} {start:.0f} H{x:.0f} V{end:.0f} H{side + 6:.0f}"/>'
        )
        shapes.append(_text(side + 8, start - 3, words))
    for number, (old, new) in enumerate(upward):
        words = ", ".join(edges[old, new])
        start, end = port(old), port(new)
        x = left - 14 - LETTER * longest - LANE * number
        shapes.append(
            f'<path d="M{left:.0f} {start:.0f} H{x:.0f} V{end:.0f} H{left - 6:.0f}"/>'
        )
        shapes.append(_text(left - 8, start - 3, words, 'text-anchor="end"'))
    width = first + LANE * len(downward)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" '
        f'height="{y:.0f}" font-family="sans-serif" font-size="11">'
        "<style>rect{fill:#f4f7fb;stroke:#345} path{fill:none;stroke:#678;"
        "marker-end:url(#tip)}</style>"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="2" refY="4" '
        'markerWidth="7" markerHeight="7" orient="auto">'
        '<polygon points="0,0 8,4 0,8" fill="#678"/></marker></defs>'
        + "".join(shapes)
        + "</svg>\n"
    )


def table(order: list[str], rows: Rows) -> str:
    """
    A row for each input, a column for each state.
    """
    lines = [".. list-table::", "   :header-rows: 1", "   :stub-columns: 1", ""]
    lines.append("   * - input")
    lines += [f"     - {state}" for state in order]
    for name in sorted({name for _, name in rows}):
        lines.append(f"   * - ``{name}``")
        for state in order:
            new, done = rows.get((state, name), ("", ""))
            doing = f"``{done}``" if done else ""
            if not new:
                cell = "impossible"
            elif new == state:
                cell = doing or "ignored"
            else:
                cell = f"**{new}** {doing}".rstrip()
            lines.append(f"     - {cell}")
    return "\n".join(lines) + "\n"


def write(directory: Path) -> list[str]:
    """
    Write the pages and their index.

    @return: the names of the pages.
    """
    directory.mkdir(parents=True, exist_ok=True)
    # Of machines that have another name now.
    for old in (*directory.glob("*.rst"), *directory.glob("*.svg")):
        old.unlink(missing_ok=True)
    names = []
    for name, machine in machines().items():
        names.append(name)
        rows = transitions(machine)
        order = ordered(machine, rows)
        (directory / f"{name}.svg").write_text(picture(order, rows))
        title = f"``sipcluster.{name}``"
        (directory / f"{name}.rst").write_text(
            f"{title}\n{'=' * len(title)}\n\n"
            f".. image:: {name}.svg\n   :alt: states of {name}\n\n{table(order, rows)}"
        )
    entries = "".join(f"   {name}\n" for name in names)
    (directory / "index.rst").write_text(
        "==============\nState machines\n==============\n\n"
        "Made from the code. In a picture a state lists the inputs that do "
        "something there and do not leave it. In a table a cell says to which "
        "state an input leads, in bold, where it leads to another one, and which "
        "function of the module is called; *impossible* is what neither a peer "
        "nor a timer can cause in that state.\n\n"
        f".. toctree::\n   :maxdepth: 1\n\n{entries}"
    )
    return names


if __name__ == "__main__":
    write(Path(sys.argv[1]))
