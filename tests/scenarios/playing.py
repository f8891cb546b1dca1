"""
Playing a scenario, whatever the telephones are: what clients ask in a step, and
whether they got what its rows say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attrs import define, field

from sipcluster.tlib import messages
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import Message
from sipcluster.tlib.messages.base import PartyRequest
from sipcluster.wire.kvlist import KVList
from tests.scenarios.compare import Comparison, Got, enumerated
from tests.scenarios.table import HERE, NUMBERS, Row, Scenario, Step, number, withHooks

#: Attributes that name a call, in a step by the names of the rows.
_CALLS = ("connID", "transferConnID", "conferenceConnID", "previousConnID")


def _to(other: str, call: str = "c1", data: KVList = ()) -> dict[str, Any]:
    """
    What takes a call to a number.
    """
    found: dict[str, Any] = {"otherDN": number(other), "connID": call}
    return {**found, "userData": data} if data else found


def _named(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """
    Attributes that a step has by their names.
    """
    found = {name: enumerated(name, value) for name, value in pairs}
    if found.get("otherDN", "").strip("9") in NUMBERS:
        found["otherDN"] = number(found["otherDN"])
    return found


def _route(*more: Any) -> dict[str, Any]:
    """
    Where a call goes: as L{_to}, or with the attributes themselves; a number is what
    the telephone there answers.
    """
    first, *rest = more
    if isinstance(first, tuple):
        return _named(first)
    return _to(first, *(one for one in rest if not isinstance(one, int)))


def _both(name: str) -> Callable[..., dict[str, Any]]:
    """
    What is asked of two calls.

    @param name: of the attribute that names the second one.
    """
    return lambda one, two, *more: {
        "connID": one,
        name: two,
        **{key: enumerated(key, value) for key, value in more},
    }


#: The attributes of a request besides ThisDN and ConnID, from what follows the
#: letter in its step; for all others that are the attributes themselves.
_REQUESTS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "RequestMakeCall": lambda other, *data: {
        "otherDN": number(other),
        **({"userData": data[0]} if data and isinstance(data[0], tuple) else {}),
    },
    "RequestRedirectCall": lambda other: {"otherDN": number(other)},
    "RequestAttachUserData": lambda data: {"userData": data},
    "RequestUpdateUserData": lambda data: {"userData": data},
    "RequestDeletePair": lambda key: {"dataKey": key},
    "RequestSendDTMF": lambda digits: {"dtmfDigits": digits},
    "RequestInitiateTransfer": _to,
    "RequestInitiateConference": _to,
    "RequestMuteTransfer": _to,
    "RequestSingleStepTransfer": _to,
    "RequestSingleStepConference": _to,
    "RequestDeleteFromConference": _to,
    "RequestListenDisconnect": _to,
    "RequestListenReconnect": _to,
    "RequestRouteCall": _route,
    "RequestCompleteTransfer": _both("transferConnID"),
    "RequestCompleteConference": _both("conferenceConnID"),
    "RequestMergeCalls": _both("previousConnID"),
    "RequestAlternateCall": _both("previousConnID"),
    "RequestReconnectCall": _both("previousConnID"),
}


@define
class Play:
    """
    One scenario that is played.

    @ivar portName: the port at which those clients are that ask.
    """

    scenario: Scenario
    portName: str = "TCport"
    comparison: Comparison = field(factory=Comparison)
    _offHook: dict[str, set[str]] = field(factory=dict)
    _asked: dict[str, int] = field(factory=dict)

    def request(self, step: Step) -> Message | None:
        """
        What a client asks in a step; L{None}: nothing.
        """
        what, letter, *more = step.do
        if not what.startswith("Request"):
            return None
        kind = getattr(messages, what)
        attributes: dict[str, Any] = {"thisDN": number(letter)}
        if issubclass(kind, PartyRequest):
            attributes["connID"] = self.comparison.calls["c1"]["connID"]
        if what in _REQUESTS:
            attributes.update(_REQUESTS[what](*more))
        elif more:
            attributes.update(_named(more[0]))
        for name in _CALLS:
            known = self.comparison.calls.get(attributes.get(name, ""))
            if known is not None:
                attributes[name] = known["connID"]
        message: Message = kind(**attributes)
        return message

    def rows(self, step: Step) -> dict[str, list[Row]]:
        """
        The rows of a step as they come to whom sees all, by port, and as C{"own"}
        to the clients that ask; to be asked for once.
        """
        here = withHooks(step.rows, self._offHook)

        def at(port: str) -> list[Row]:
            wanted = {"", port, HERE if port == self.portName else port}
            return [row for row in here if row.port in wanted]

        return {
            "own": at(self.portName),
            **{
                port: [row for row in at(port) if not row.private]
                for port in ("default", "TCport")
            },
        }

    def wrong(
        self,
        step: Step,
        rows: Mapping[str, Sequence[Row]],
        reference: int,
        witnesses: Mapping[str, Sequence[Got]],
        clients: Mapping[str, Sequence[Got]],
    ) -> list[str]:
        """
        Compare what has come with the rows of a step.

        @param rows: those of L{rows}.
        @param reference: the ReferenceID of what was asked; 0: nothing was.
        @param witnesses: by port, what one got that sees all DNs: in order across
            them, too.
        @param clients: by letter, what the client of each DN got, one of which
            asked.
        """
        wrong = []
        for name, got in witnesses.items():
            found = self.comparison.differences(rows[name], got)
            found += [f"has a reference: {one}" for one in got if one.reference]
            wrong += [f"{name}: {text}" for text in found]
        asking = step.do[1] if reference else step.late
        if reference:
            self._asked[asking] = reference
        elif asking:
            reference = self._asked[asking]
        for letter, got in clients.items():
            if letter == asking and step.error:
                wrong += self._notRefused(step, got, reference)
                continue
            mine = [row for row in rows["own"] if row.this == letter]
            found = self.comparison.differences(mine, got)
            answers = letter == asking
            wanted = [reference if answers and row.answers else 0 for row in mine]
            references = [one.reference for one in got]
            if references != wanted:
                found.append(f"references {references}, want {wanted}")
            wrong += [f"client of {letter}: {text}" for text in found]
        return wrong

    def _notRefused(
        self, step: Step, got: Sequence[Got], reference: int
    ) -> Iterable[str]:
        """
        The request of a step must be refused, and nothing else come of it.
        """
        code = TErrorCode[step.error]
        wanted = ("EventError", code, number(step.do[1]), reference)
        found = [
            (
                one.name,
                one.attributes.get("errorCode"),
                one.attributes.get("thisDN"),
                one.reference,
            )
            for one in got
        ]
        if found != [wanted] or not got[0].attributes.get("errorMessage"):
            yield f"want {wanted}, got {found}"
