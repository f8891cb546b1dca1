"""
Finds all that the logs of a cluster say about one call, and draws it.

Logs of several processes are read together.  Whatever shares a Call-ID, CallUUID
or ConnID with the call, over any number of steps, belongs to it: both legs of a
call through a node, and calls made from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from attrs import define, field

from sipcluster.app.log_streams import MESSAGES, TLIB_MESSAGES

#: What a peer writes that has no Session-ID of its own (RFC 7989 section 5).
NIL = "0" * 32

#: Whose records are arrows; all others are notes.
_NAMESPACES = (MESSAGES, TLIB_MESSAGES)

#: Characters between two participants at least.
GAP = 32


class _Ids(msgspec.Struct):
    """
    The ids of a record; everything else of it is skipped.
    """

    callID: Any = ""
    callUUID: Any = ""
    connID: Any = ""
    otherCallID: Any = ""

    def all(self) -> list[str]:
        """
        Those that are there, each in one spelling.
        """
        calls = [str(one) for one in (self.callID, self.otherCallID) if one]
        others = [str(one).lower() for one in (self.callUUID, self.connID) if one]
        return calls + [one for one in others if one != NIL]


@define
class Message:
    """
    One message, SIP or T-Library, or a note between them.

    @ivar source: who sent it, as a column's name; who noted it.
    @ivar target: who was to get it; empty for a note.
    @ivar label: the first line, or the note.
    @ivar lost: sent to a member of the cluster, and not in that member's log.
    """

    ts: str
    source: str
    target: str
    label: str
    record: dict[str, Any]
    lost: bool = False


def logFiles(folders: Iterable[Path]) -> list[Path]:
    """
    The records in some folders, rotated ones included, oldest first.
    """
    found = [
        path
        for folder in folders
        for path in folder.glob("*.jsonl*")
        if path.name.partition(".jsonl")[2].removeprefix(".").isdigit()
        or path.name.endswith(".jsonl")
    ]
    return sorted(found, key=lambda path: (path.stat().st_mtime, path.name))


def _lines(files: Sequence[Path]) -> Iterator[bytes]:
    for path in files:
        with path.open("rb") as stream:
            yield from stream


def related(files: Sequence[Path], call: str) -> set[str]:
    """
    All ids of the call that C{call} is one id of; empty when nothing has it.
    """
    decode = msgspec.json.Decoder(_Ids).decode
    neighbours: dict[str, set[str]] = defaultdict(set)
    for line in _lines(files):
        try:
            ids = decode(line).all()
        except msgspec.MsgspecError:
            continue  # the last line of a process that was killed
        for one in ids:
            neighbours[one].update(ids)
    wanted = [one for one in (call, call.lower()) if one in neighbours]
    found: set[str] = set()
    while wanted:
        one = wanted.pop()
        if one not in found:
            found.add(one)
            wanted.extend(neighbours[one])
    return found


#: What an id of a call is, by where it stands in the records.
_IDS = {
    "connID": "ConnID",
    "callUUID": "CallUUID",
    "callID": "Call-ID",
    "otherCallID": "Call-ID",
}


def named(ids: Iterable[str], records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """
    The ids of a call, each with what it is.
    """
    wanted = set(ids)
    for key, words in _IDS.items():
        values = {str(record[key]) for record in records if record.get(key)}
        for one in sorted(values):
            if one in wanted or one.lower() in wanted:
                wanted -= {one, one.lower()}
                yield f"{words} {one}"


def records(files: Sequence[Path], ids: set[str]) -> list[dict[str, Any]]:
    """
    The records with any of these ids, in the order of their times.
    """
    decodeIds = msgspec.json.Decoder(_Ids).decode
    found = []
    for line in _lines(files):
        try:
            if not ids.isdisjoint(decodeIds(line).all()):
                found.append(msgspec.json.decode(line))
        except msgspec.MsgspecError:
            continue
    found.sort(key=lambda record: str(record.get("ts", "")))
    return found


class _Places:
    """
    Who is behind an address.
    """

    def __init__(self, found: Iterable[dict[str, Any]]) -> None:
        self._exactly: dict[str, str] = {}
        self._hosts: dict[str, set[str]] = defaultdict(set)
        for record in found:
            local = str(record.get("local", ""))
            self._exactly[local] = record["app"]
            self._hosts[local.rpartition(":")[0]].add(record["app"])

    def name(self, address: str) -> str:
        """
        The member that listens there, or the address itself.
        """
        if address in self._exactly:
            return self._exactly[address]
        members = self._hosts.get(address.rpartition(":")[0], set())
        return next(iter(members)) if len(members) == 1 else address

    def known(self, name: str) -> bool:
        """
        Whether it is a member whose log is here.
        """
        return name in self._exactly.values()


@define
class _Sent:
    """
    Messages that members sent to members, until they are seen there.
    """

    waiting: dict[tuple[str, ...], list[Message]] = field(
        factory=lambda: defaultdict(list)
    )


def _key(record: dict[str, Any], source: str, target: str) -> tuple[str, ...]:
    names = ("callID", "cseq", "branch", "msg")
    return (source, target, *(str(record.get(name, "")) for name in names))


def messages(found: Sequence[dict[str, Any]]) -> list[Message]:
    """
    The arrows and notes of a ladder: what one member sent and another received
    is one arrow.
    """
    texts = [record for record in found if record.get("ns") in _NAMESPACES]
    places = _Places(record for record in texts if record["ns"] == MESSAGES)
    drawn: list[Message] = []
    sent = _Sent()
    # A message may have been written down as received first.
    for record in sorted(texts, key=lambda one: one["dir"] != "out"):
        member, remote = record["app"], str(record["remote"])
        if record["ns"] == TLIB_MESSAGES:
            drawn += _tlibArrows(record, member, remote)
            continue
        remote = places.name(remote)
        if record["dir"] == "out":
            arrow = Message(record["ts"], member, remote, _label(record), record)
            drawn.append(arrow)
            if places.known(remote):
                arrow.lost = True
                sent.waiting[_key(record, member, remote)].append(arrow)
            continue
        same = sent.waiting.get(_key(record, remote, member))
        if same:
            same.pop(0).lost = False
        else:
            drawn.append(Message(record["ts"], remote, member, _label(record), record))
    for record in found:
        if record.get("ns") not in _NAMESPACES:
            note = str(record.get("msg", ""))
            drawn.append(Message(str(record["ts"]), record["app"], "", note, record))
    drawn.sort(key=lambda one: one.ts)
    return drawn


def _tlibArrows(record: dict[str, Any], member: str, clients: str) -> Iterator[Message]:
    """
    One arrow for each application, however many clients it has there: they come and
    go, and each with a column of its own nobody could read.
    """
    names = (one.partition(" at ")[0] for one in clients.split(", "))
    for name in dict.fromkeys(names):
        source, target = (member, name) if record["dir"] == "out" else (name, member)
        yield Message(record["ts"], source, target, _label(record), record)


def _label(record: dict[str, Any]) -> str:
    first = str(record.get("msg", ""))
    if record.get("ns") == TLIB_MESSAGES:
        dn = record.get("dn")
        return f"{first} {dn}" if dn else first
    sdp = " (SDP)" if "\r\n\r\nv=0" in str(record.get("text", "")) else ""
    if first.startswith("SIP/2.0 "):
        method = str(record.get("cseq", "")).rpartition(" ")[2]
        return f"{first[8:]} ({method}){sdp}"
    method, _, uri = first.removesuffix(" SIP/2.0").partition(" ")
    return f"{method} {uri.removeprefix('sip:').partition(';')[0]}{sdp}"


def draw(drawn: Sequence[Message], verbose: bool = False) -> Iterator[str]:
    """
    The lines of a ladder.

    @param verbose: whether each message's whole text follows its arrow.
    """
    names: list[str] = []
    for one in drawn:
        for name in (one.source, one.target):
            if name and name not in names:
                names.append(name)
    gap = max([GAP, *(len(name) + 4 for name in names)])
    middle = [gap // 2 + index * gap for index in range(len(names))]
    head = [" "] * (gap * len(names) + 1)
    for name, at in zip(names, middle, strict=True):
        start = at - len(name) // 2
        head[start : start + len(name)] = name
    yield " " * 17 + "".join(head).rstrip()
    for one in drawn:
        row = [" "] * (gap * len(names) + 1)
        for at in middle:
            row[at] = "|"
        if one.target:
            a = middle[names.index(one.source)]
            b = middle[names.index(one.target)]
            _arrow(row, a, b, one.label + (" (not received)" if one.lost else ""))
            line = "".join(row).rstrip()
        else:
            at = middle[names.index(one.source)]
            row[at] = "*"
            line = "".join(row[: at + 1]) + f" {one.label}"
        yield f"{one.ts[11:26]}  {line}"
        if verbose and one.target:
            for text in str(one.record.get("text", "")).splitlines():
                yield f"{'':17}  {text}"
            yield ""


def _arrow(row: list[str], a: int, b: int, label: str) -> None:
    if a == b:
        row[a : a + 2] = "|]"
        return
    left, right = min(a, b) + 1, max(a, b)
    room = right - left
    shown = label if len(label) <= room - 4 else label[: room - 7] + "..."
    line = f" {shown} ".center(room - 1, "-")
    row[left:right] = f"{line}>" if a < b else f"<{line}"
