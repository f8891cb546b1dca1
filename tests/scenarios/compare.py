"""
Comparing what clients got with a table, attribute by attribute.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from attrs import define, field, fields, frozen

from sipcluster.tlib import enums
from sipcluster.tlib.messages import Message
from tests.scenarios.table import Row, number

#: The attributes of a row that are enumerations.
ENUMERATIONS: dict[str, type[IntEnum]] = {
    "callType": enums.CallType,
    "callState": enums.CallState,
    "thisDNRole": enums.DNRole,
    "otherDNRole": enums.DNRole,
    "thirdPartyDNRole": enums.DNRole,
    "workMode": enums.AgentWorkMode,
    "forwardMode": enums.ForwardMode,
    "mergeType": enums.MergeType,
    "routeType": enums.RouteType,
    "treatmentType": enums.TreatmentType,
    "monitorNextCallType": enums.MonitorNextCallType,
}

#: What names a call: its attributes are learnt from the first event of it.
IDENTITY = ("connID", "callID", "callUUID")

_PATTERNS = {
    "connID": "[0-9a-f]{16}",
    "callID": "[1-9][0-9]*",
    "callUUID": "[0-9a-f]{32}",
}


@frozen
class Got:
    """
    One event as a client got it.

    @ivar reference: its ReferenceID; 0: none.
    @ivar arrived: seconds since 1970.
    """

    message: Message
    reference: int = 0
    arrived: float = 0.0

    @property
    def name(self) -> str:
        """
        The name of the event.
        """
        return type(self.message).__name__

    @property
    def attributes(self) -> dict[str, Any]:
        """
        The attributes that it has.
        """
        found = {
            one.name: getattr(self.message, one.name)
            for one in fields(type(self.message))
            if one.name != "unknown" and getattr(self.message, one.name) is not None
        }
        if self.message.unknown:
            found["unknown"] = self.message.unknown
        return found


@define
class Comparison:
    """
    Compares events with rows, and learns the ids of calls on the way.

    @ivar calls: the ids of the calls that were seen, by the names of the rows.
    @ivar precision: seconds that AttributeTime may be away from the arrival.
    """

    precision: float = 0.0
    calls: dict[str, dict[str, Any]] = field(factory=dict)

    def expected(self, row: Row) -> dict[str, Any]:
        """
        The attributes that a row wants, the ids of its call and the time apart.
        """
        wanted: dict[str, Any] = {"thisDN": number(row.this)}
        if row.role:
            wanted["callType"] = row.callType
            wanted["thisDNRole"] = row.role
        if row.other:
            wanted["otherDN"] = number(row.other)
        if row.otherRole:
            wanted["otherDNRole"] = row.otherRole
        if row.third:
            wanted["thirdPartyDN"] = number(row.third)
        if row.thirdRole:
            wanted["thirdPartyDNRole"] = row.thirdRole
        if row.queue:
            wanted["thisQueue"] = number(row.queue)
        for name, call in (
            ("previousConnID", row.previous),
            ("transferConnID", row.transfer),
            ("conferenceConnID", row.conference),
        ):
            if call:
                wanted[name] = self.calls[call]["connID"]
        if row.state:
            wanted["callState"] = row.state
        if row.conn and row.ani:
            wanted["ani"] = number(row.ani)
        if row.conn and row.dnis:
            wanted["dnis"] = number(row.dnis)
        if row.data or row.event == "EventAttachedDataChanged":
            wanted["userData"] = row.data
        wanted.update(row.more)
        return wanted

    def differences(self, rows: Sequence[Row], got: Sequence[Got]) -> list[str]:
        """
        What is wrong with what came; empty when it is what the rows want.
        """
        wrong = []
        for index in range(max(len(rows), len(got))):
            if index >= len(got):
                wrong.append(f"missing: {rows[index].event} of {rows[index].this}")
            elif index >= len(rows):
                wrong.append(f"not wanted: {got[index].name} {got[index].attributes}")
            else:
                wrong += self._compare(rows[index], got[index])
        return wrong

    def _compare(self, row: Row, got: Got) -> list[str]:
        where = f"{row.event} of {row.this}"
        if got.name != row.event:
            return [f"want {where}, got {got.name} {got.attributes}"]
        wrong = []
        attributes = {
            name: _plain(name, value) for name, value in got.attributes.items()
        }
        time = attributes.pop("time", None)
        if time is None or abs(time[0] + time[1] / 1e6 - got.arrived) > (
            self.precision + 1e-5
        ):
            wrong.append(f"{where}: time {time}, arrived {got.arrived}")
        wrong += self._identity(row, where, attributes)
        wanted = self.expected(row)
        for name in sorted({*wanted, *attributes}):
            if attributes.get(name) != wanted.get(name) or (
                (name in attributes) != (name in wanted)
            ):
                wrong.append(
                    f"{where}: {name} is {attributes.get(name)!r}, "
                    f"want {wanted.get(name)!r}"
                )
        return wrong

    def _identity(self, row: Row, where: str, attributes: dict[str, Any]) -> list[str]:
        """
        Compare the ids of the call, or learn them; they are taken out.
        """
        if not row.conn:
            return []
        found = {name: attributes.pop(name, None) for name in IDENTITY}
        if row.conn not in self.calls:
            wrong = [
                f"{where}: {name} is {found[name]!r}"
                for name, pattern in _PATTERNS.items()
                if not re.fullmatch(pattern, str(found[name]))
            ]
            for other, known in self.calls.items():
                wrong += [
                    f"{where}: {name} is that of {other}"
                    for name in IDENTITY
                    if known[name] == found[name]
                ]
            self.calls[row.conn] = found
            return wrong
        return [
            f"{where}: {name} is {found[name]!r}, was {value!r}"
            for name, value in self.calls[row.conn].items()
            if found[name] != value
        ]


def _plain(name: str, value: Any) -> Any:
    """
    Enumerations as the tables name them.
    """
    kind = ENUMERATIONS.get(name)
    if kind is None:
        return value
    labels = {int(one): one.label for one in kind}  # type: ignore[attr-defined]
    return labels.get(int(value), value)


def enumerated(name: str, label: Any) -> Any:
    """
    The value of an enumeration as a table names it; anything else as it is.
    """
    for one in ENUMERATIONS.get(name, ()):
        if one.label == label:  # type: ignore[attr-defined]
            return one
    return label
