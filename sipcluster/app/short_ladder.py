"""
The ladder of a call for whoever wants to know what has happened: from end to end,
without what SIP Proxies pass on and what SIP needs besides.

Left out are 100 Trying, ACK without a session description, challenges that were
answered, lifted and replaced handsets, and notes that are no warnings.  A far end is
named as its number, whatever its address is, and however many lines it has.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from attrs import define, field

from sipcluster.app.ladder import Message, messages
from sipcluster.app.log_streams import MESSAGES, TLIB_MESSAGES

_FROM_TAG = re.compile(r"^(?:From|f)\s*:.*?;\s*tag=([^;\s,]+)", re.I | re.M)
_TO_TAG = re.compile(r"^(?:To|t)\s*:.*?;\s*tag=", re.I | re.M)
_USER = {
    "in": re.compile(r"^(?:From|f)\s*:.*?sips?:([^@;>\s]+)@", re.I | re.M),
    "out": re.compile(r"^(?:To|t)\s*:.*?sips?:([^@;>\s]+)@", re.I | re.M),
}
_REFER_TO = re.compile(r"^(?:Refer-To|r)\s*:.*?sips?:([^@;>\s]+)", re.I | re.M)
_DIRECTION = re.compile(r"^a=(sendonly|recvonly|inactive)\s*$", re.M)
_URI = re.compile(r"sips?:(?:([^@;>\s]+)@)?([^;>\s]+)")

#: Events that say nothing which others do not.
_UNTOLD = ("EventOffHook", "EventOnHook")

_LOUD = ("warn", "error", "critical")

#: Characters between two columns at least.
_NARROW = 10


def _isRequest(record: dict[str, Any]) -> bool:
    return not str(record["msg"]).startswith("SIP/2.0 ")


def _text(record: dict[str, Any]) -> str:
    return str(record.get("text", ""))


def _passage(record: dict[str, Any]) -> tuple[str, ...]:
    """
    What a message is called wherever it is on its way.
    """
    tag = _FROM_TAG.search(_text(record))
    what = str(record["msg"])
    if _isRequest(record):
        what = what.partition(" ")[0]
    names = (record.get("callID"), record.get("cseq"), tag and tag.group(1), what)
    return tuple(str(name) for name in names)


@define
class _Leg:
    """
    What one Call-ID is about.

    @ivar ends: applications that have sent or received for themselves.
    @ivar mine: tags that are an application's own, by its name; C{theirs} are
        those of the far end.
    @ivar outside: addresses of the far end, which has no log here.
    """

    number: str = ""
    ends: set[str] = field(factory=set)
    mine: dict[str, set[str]] = field(factory=lambda: defaultdict(set))
    theirs: dict[str, set[str]] = field(factory=lambda: defaultdict(set))
    outside: set[str] = field(factory=set)

    def beyond(self, app: str, otherwise: str) -> str:
        """
        Who is at the other end, as seen from an application.
        """
        found = [
            one
            for one in sorted(self.ends - {app})
            if self.mine[one] & self.theirs[app] or self.theirs[one] & self.mine[app]
        ]
        if len(found) == 1:
            return found[0]
        if self.outside and self.number:
            return self.number
        return otherwise


class _Legs:
    """
    The Call-IDs of a call, and which applications only pass messages on.
    """

    def __init__(self, found: Sequence[dict[str, Any]]) -> None:
        ways: dict[tuple[str, ...], set[str]] = defaultdict(set)
        self.members: dict[str, str] = {}
        for record in found:
            ways[(record["app"], *_passage(record))].add(record["dir"])
            self.members[str(record["local"])] = record["app"]
        self.between = {key[0] for key, way in ways.items() if len(way) > 1}
        self.by: dict[str, _Leg] = defaultdict(_Leg)
        for record in found:
            self._see(record, self.by[str(record.get("callID"))])

    def _see(self, record: dict[str, Any], leg: _Leg) -> None:
        app = record["app"]
        if str(record["remote"]) not in self.members:
            leg.outside.add(str(record["remote"]))
        if app in self.between:
            return
        leg.ends.add(app)
        tag = _FROM_TAG.search(_text(record))
        if tag:
            asks = _isRequest(record) is (record["dir"] == "out")
            (leg.mine if asks else leg.theirs)[app].add(tag.group(1))
        if not leg.number and _isRequest(record):
            user = _USER[record["dir"]].search(_text(record))
            leg.number = user.group(1) if user else ""


def _label(record: dict[str, Any]) -> str:
    text = _text(record)
    body = text.partition("\r\n\r\n")[2]
    what = ""
    if body.startswith("v=0"):
        way = _DIRECTION.search(body.replace("\r\n", "\n"))
        what = f" (SDP {way.group(1)})" if way else " (SDP)"
    if not _isRequest(record):
        method = str(record.get("cseq", "")).rpartition(" ")[2]
        return f"{str(record['msg'])[8:]} ({method}){what}"
    method, _, rest = str(record["msg"]).partition(" ")
    if method == "NOTIFY" and body.startswith("SIP/2.0 "):
        return f"NOTIFY {body[8:].splitlines()[0]}"
    if method == "REFER" and (to := _REFER_TO.search(text)):
        return f"REFER {to.group(1)}"
    if _TO_TAG.search(text):
        return ("re-" if method == "INVITE" else "") + method + what
    uri = _URI.match(rest)
    return f"{method} {uri.group(1) or uri.group(2) if uri else rest}{what}"


def _answered(found: Iterable[dict[str, Any]]) -> set[tuple[str, str]]:
    """
    Requests that were challenged and came again, by Call-ID and CSeq.
    """
    asked: dict[tuple[str, str], int] = defaultdict(int)
    for record in found:
        number, _, method = str(record.get("cseq", "")).partition(" ")
        if number.isdigit() and method != "ACK":
            key = (str(record.get("callID")), method)
            asked[key] = max(asked[key], int(number))
    challenged = set()
    for record in found:
        if str(record["msg"]).startswith(("SIP/2.0 401", "SIP/2.0 407")):
            number, _, method = str(record.get("cseq", "")).partition(" ")
            call = str(record.get("callID"))
            if number.isdigit() and int(number) < asked[call, method]:
                challenged.add((call, f"{number} {method}"))
    return challenged


def _untold(record: dict[str, Any]) -> bool:
    first = str(record["msg"])
    if first.startswith("SIP/2.0 100"):
        return True
    return first.startswith("ACK ") and "\r\n\r\nv=0" not in _text(record)


def _plainly(found: Iterable[dict[str, Any]]) -> Iterator[Message]:
    """
    What the long ladder has of these, with names without numbers, and with the call
    where there are several.
    """
    drawn = messages(list(found))
    conns = calls(drawn)
    for one in drawn:
        if one.record.get("ns") == TLIB_MESSAGES:
            one.label = re.sub(r" \(\d+\)", "", one.label)
            if one.label.startswith(_UNTOLD):
                continue
            if len(conns) > 1 and one.record.get("connID"):
                one.label += f" c{conns.index(one.record['connID']) + 1}"
        yield one


def calls(drawn: Iterable[Message]) -> list[str]:
    """
    The ConnIDs of the T-Library messages in a ladder, as they come.
    """
    records = [one.record for one in drawn]
    found = [one.get("connID") for one in records if one.get("ns") == TLIB_MESSAGES]
    return list(dict.fromkeys(str(one) for one in found if one))


class _Ends:
    """
    Who has sent each message, and who has received it, SIP Proxies aside.
    """

    def __init__(self, legs: _Legs, found: Sequence[dict[str, Any]]) -> None:
        self._legs = legs
        self._by: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
        for record in found:
            if record["app"] not in legs.between:
                self._by[_passage(record)].setdefault(record["dir"], record["app"])

    def of(self, record: dict[str, Any]) -> tuple[str, str, bool] | None:
        """
        From whom to whom, and whether the last one has not written it down; nothing
        when another record is drawn in its place.
        """
        app, way = record["app"], record["dir"]
        by = self._by.get(_passage(record), {})
        lost = False
        if app in self._legs.between:
            # Who had it is dead, and so is the last tenth of a second of its log.
            member = self._legs.members.get(str(record["remote"]), "")
            leg = self._legs.by[str(record.get("callID"))]
            if by or member not in leg.ends:
                return None
            lost = way == "out"
            app, way = member, "in" if lost else "out"
        elif way == "in" and by.get("out", app) != app:
            return None
        other = "in" if way == "out" else "out"
        beyond = by.get(other, app)
        if beyond == app:
            leg = self._legs.by[str(record.get("callID"))]
            beyond = leg.beyond(app, str(record["remote"]))
            beyond = self._legs.members.get(beyond, beyond)
        return (app, beyond, lost) if way == "out" else (beyond, app, lost)


def shortly(found: Sequence[dict[str, Any]]) -> list[Message]:
    """
    The arrows of a short ladder.
    """
    texts = [record for record in found if record.get("ns") == MESSAGES]
    legs = _Legs(texts)
    ends = _Ends(legs, texts)
    challenged = _answered(texts)
    kept: list[Message] = []
    # What no node had is drawn whole: what SIP Proxies did is the story then.
    plain = [one for one in texts if not legs.by[str(one.get("callID"))].ends]
    for record in texts:
        call = (str(record.get("callID")), str(record.get("cseq")))
        if not legs.by[call[0]].ends or call in challenged or _untold(record):
            continue
        drawn = ends.of(record)
        if drawn is not None:
            source, target, lost = drawn
            label = _label(record) + (" (not received)" if lost else "")
            kept.append(Message(record["ts"], source, target, label, record, lost))
    for record in found:
        loud = record.get("ns") != MESSAGES and record.get("level") in _LOUD
        if record.get("ns") == TLIB_MESSAGES or loud:
            plain.append(record)
    kept += _plainly(plain)
    kept.sort(key=lambda one: one.ts)
    return kept


def _columns(drawn: Sequence[Message]) -> list[str]:
    """
    Who is in a ladder, from left to right: T-Library applications, then all others
    as they come.
    """
    clients: list[str] = []
    others: list[str] = []
    for one in drawn:
        ends = [one.source, one.target] if one.target else [one.source]
        if one.record.get("ns") == TLIB_MESSAGES:
            client = one.target if one.record["dir"] == "out" else one.source
            ends.remove(client)
            if client not in clients:
                clients.append(client)
        others += [end for end in ends if end not in others]
    return clients + others


def drawShortly(drawn: Sequence[Message]) -> Iterator[str]:
    """
    The lines of a ladder that is as narrow as its words allow.
    """
    conns = calls(drawn)
    if len(conns) > 1:
        for number, conn in enumerate(conns, 1):
            yield f"c{number} is {conn}"
    names = _columns(drawn)
    middle = [len(names[0]) // 2 + 1] if names else []
    for index, name in enumerate(names[1:], 1):
        least = middle[-1] + max(_NARROW, (len(name) + len(names[index - 1])) // 2 + 2)
        for one in drawn:
            ends = [names.index(end) for end in (one.source, one.target) if end]
            if max(ends) == index and len(set(ends)) > 1:
                least = max(least, middle[min(ends)] + len(one.label) + 7)
        middle.append(least)
    width = (middle[-1] if middle else 0) + len(names[-1] if names else "") + 2
    head = [" "] * width
    for name, at in zip(names, middle, strict=True):
        start = at - len(name) // 2
        head[start : start + len(name)] = name
    yield " " * 14 + "".join(head).rstrip()
    for one in drawn:
        row = [" "] * width
        for at in middle:
            row[at] = "|"
        at = middle[names.index(one.source)]
        line = "".join(row)
        if not one.target:
            line = f"{line[:at]}* {one.label}"
        elif one.target == one.source:
            line = f"{line[:at]}|] {one.label}"
        else:
            left, right = sorted((at, middle[names.index(one.target)]))
            arrow = f" {one.label} ".center(right - left - 2, "-")
            arrow = f"{arrow}>" if at == left else f"<{arrow}"
            line = line[: left + 1] + arrow + line[right:]
        yield f"{one.ts[11:23]}  {line.rstrip()}"
