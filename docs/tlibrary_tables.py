"""
Writes the tables of the T-Library wire from the code that speaks it.

C{python docs/tlibrary_tables.py} brings up to date

  - section "Tables" of C{docs/protocols/tlibrary.md},
  - C{docs/protocols/tlibrary.json}, the same for programs,
  - the tables of the Wireshark dissector.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from sipcluster.tlib import enums
from sipcluster.tlib.attributes import ATTRIBUTES, BY_FIELD, Attribute, Kind
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import MESSAGES, Message, base, out_of_scope, routing

PROTOCOLS = Path(__file__).parent / "protocols"
PAGE = PROTOCOLS / "tlibrary.md"
TABLES = PROTOCOLS / "tlibrary.json"
DISSECTOR = PROTOCOLS / "sipcluster_tlibrary.lua"

#: What stands around the tables that are made here.
PAGE_MARKS = (
    '<!-- Tables begin: made by "python docs/tlibrary_tables.py" -->\n',
    "<!-- Tables end -->\n",
)
DISSECTOR_MARKS = (
    '-- Tables begin: made by "python docs/tlibrary_tables.py"; changed there.\n',
    "-- Tables end.\n",
)

#: Which events answer a request, where it is not refused.
ANSWERS: dict[str, str] = {
    "RequestRegisterClient": "EventServerInfo",
    "RequestQueryServer": "EventServerInfo",
    "RequestQueryAddress": "EventAddressInfo",
    "RequestRegisterAddress": "EventRegistered",
    "RequestUnregisterAddress": "EventUnregistered",
    "RequestSetInputMask": "EventACK",
    "RequestAgentLogin": "EventAgentLogin",
    "RequestAgentLogout": "EventAgentLogout",
    "RequestAgentReady": "EventAgentReady",
    "RequestAgentNotReady": "EventAgentNotReady",
    "RequestSetDNDOn": "EventDNDOn",
    "RequestSetDNDOff": "EventDNDOff",
    "RequestMakeCall": "EventDialing",
    "RequestAnswerCall": "EventEstablished",
    "RequestReleaseCall": "EventReleased",
    "RequestHoldCall": "EventHeld",
    "RequestRetrieveCall": "EventRetrieved",
    "RequestAttachUserData": "EventAttachedDataChanged",
    "RequestUpdateUserData": "EventAttachedDataChanged",
    "RequestDeleteUserData": "EventAttachedDataChanged",
    "RequestDeletePair": "EventAttachedDataChanged",
    "RequestCallForwardSet": "EventForwardSet",
    "RequestCallForwardCancel": "EventForwardCancel",
    "RequestSetMessageWaitingOn": "EventMessageWaitingOn",
    "RequestSetMessageWaitingOff": "EventMessageWaitingOff",
    "RequestDistributeUserEvent": "EventACK",
    "RequestDistributeEvent": "EventACK",
    "RequestSendDTMF": "EventDTMFSent",
    "RequestRedirectCall": "EventReleased",
    "RequestQueryCall": "EventPartyInfo",
    "RequestClearCall": "EventReleased",
    "RequestQuerySwitch": "EventSwitchInfo",
    "RequestAgentSetIdleReason": "EventAgentIdleReasonSet",
    "RequestMakePredictiveCall": "EventDialing",
    "RequestInitiateConference": "EventDialing",
    "RequestCompleteConference": "EventReleased",
    "RequestDeleteFromConference": "EventPartyDeleted",
    "RequestInitiateTransfer": "EventDialing",
    "RequestMuteTransfer": "EventReleased",
    "RequestSingleStepTransfer": "EventReleased",
    "RequestCompleteTransfer": "EventReleased",
    "RequestMergeCalls": "EventReleased",
    "RequestAlternateCall": "EventRetrieved",
    "RequestReconnectCall": "EventReleased",
    "RequestRouteCall": "EventRouteUsed",
    "RequestGiveMusicTreatment": "EventTreatmentApplied",
    "RequestGiveSilenceTreatment": "EventTreatmentApplied",
    "RequestGiveRingBackTreatment": "EventTreatmentApplied",
    "RequestCollectDigits": "EventTreatmentApplied",
    "RequestApplyTreatment": "EventTreatmentApplied",
    "RequestListenDisconnect": "EventListenDisconnected",
    "RequestListenReconnect": "EventListenReconnected",
    "RequestSingleStepConference": "EventPartyAdded",
    "RequestMonitorNextCall": "EventMonitoringNextCall",
    "RequestCancelMonitoring": "EventMonitoringCancelled",
    "RequestSetMuteOn": "EventMuteOn",
    "RequestSetMuteOff": "EventMuteOff",
    "RequestStartCallMonitoring": "EventACK",
    "RequestStopCallMonitoring": "EventACK",
}

#: Base classes with attributes that many messages share, as the page calls them.
_GROUPS: dict[type[Message], str] = {
    base.Request: "request",
    base.DNRequest: "DN request",
    base.PartyRequest: "party request",
    base.DataRequest: "data request",
    base.DestinationRequest: "destination request",
    base.AgentRequest: "agent request",
    base.Event: "event",
    base.DNEvent: "DN event",
    base.AgentEvent: "agent event",
    base.CallEvent: "call event",
    base.TreatmentEvent: "treatment event",
    routing.CallNotice: "call notice",
    routing.PartyNotice: "party notice",
}


def pages() -> dict[Path, str]:
    """
    Every file that is made here, with what is to stand in it.
    """
    return {
        PAGE: _between(PAGE.read_text(), PAGE_MARKS, pageTables()),
        TABLES: "".join(f"{line}\n" for line in _json(tables())),
        DISSECTOR: _between(DISSECTOR.read_text(), DISSECTOR_MARKS, luaTables()),
    }


def _json(tables: dict[str, Any]) -> Iterator[str]:
    """
    JSON with a line for each row, for those who compare versions of it.
    """
    opening = "{"
    for name, table in tables.items():
        begin, end = ("[", "]") if isinstance(table, list) else ("{", "}")
        if not isinstance(table, list | dict):
            yield f"{opening}{json.dumps(name)}: {json.dumps(table)}"
        else:
            yield f"{opening}{json.dumps(name)}: {begin}"
            rows = (
                [json.dumps(row) for row in table]
                if isinstance(table, list)
                else [f"{json.dumps(key)}: {json.dumps(table[key])}" for key in table]
            )
            yield ",\n".join(f"  {row}" for row in rows)
            yield end
        opening = ", "
    yield "}"


def _between(text: str, marks: tuple[str, str], lines: Iterator[str]) -> str:
    before, begin, rest = text.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    assert begin and end, "the marks of the tables are gone"
    return before + begin + "".join(f"{line}\n" for line in lines) + end + after


# What the code knows


def fieldsOf(cls: type[Message]) -> list[str]:
    """
    Names of all attributes that messages of a class have, apart from unknown ones.
    """
    return [
        BY_FIELD[each.name].name
        for each in attrs.fields(cls)
        if each.name != "unknown" and each.name in BY_FIELD
    ]


def kindOf(cls: type[Message]) -> str:
    """
    Who sends messages of a class.
    """
    name = cls.__name__
    return next((k for k in ("Request", "Event") if name.startswith(k)), "Link").lower()


def inScope(cls: type[Message]) -> bool:
    """
    Whether a switch of this kind can have such messages.
    """
    return not issubclass(
        cls, out_of_scope.OutOfScopeRequest | out_of_scope.OutOfScopeEvent
    )


def messages() -> list[type[Message]]:
    """
    All classes of messages, by their number.
    """
    return [MESSAGES[number] for number in sorted(MESSAGES)]


def mandatoryOf(cls: type[Message]) -> list[str]:
    """
    Names of the attributes that messages of a class must have.
    """
    return [BY_FIELD[name].name for name in cls.mandatory]


def enumerations() -> dict[str, type[enums.Labelled]]:
    """
    The enumerations, error codes aside, by name.
    """
    return {
        name: found
        for name, found in vars(enums).items()
        if isinstance(found, type)
        and issubclass(found, enums.Labelled)
        and found is not enums.Labelled
    }


def members(cls: type[enums.Labelled]) -> list[enums.Labelled]:
    """
    The members of an enumeration, by number.
    """
    return sorted(cls, key=int)


# For programs


def tables() -> dict[str, Any]:
    """
    What C{tlibrary.json} holds.
    """
    return {
        "made by": "python docs/tlibrary_tables.py",
        "version": 1,
        "messages": [
            {
                "number": cls.number,
                "name": cls.__name__,
                "kind": kindOf(cls),
                "supported": inScope(cls),
                "mandatory": mandatoryOf(cls),
                "optional": [
                    name for name in fieldsOf(cls) if name not in mandatoryOf(cls)
                ],
                **(
                    {"answer": ANSWERS[cls.__name__]} if cls.__name__ in ANSWERS else {}
                ),
            }
            for cls in messages()
        ],
        "attributes": [
            {
                "number": each.tag,
                "name": each.name,
                "type": each.kind.value,
                **({"enumeration": each.members.__name__} if each.members else {}),
            }
            for each in ATTRIBUTES
        ],
        "enumerations": {
            name: {each.label: int(each) for each in members(cls)}
            for name, cls in enumerations().items()
        },
        "errors": {str(int(code)): code.text for code in members(TErrorCode)},
    }


def luaTables() -> Iterator[str]:
    """
    The same for the dissector.
    """
    yield "local MESSAGES = {"
    for cls in messages():
        yield f'  [{cls.number}] = "{cls.__name__}",'
    yield "}"
    yield "local ATTRIBUTES = {"
    for each in ATTRIBUTES:
        parts = [each.name, each.kind.value]
        if each.members is not None and each.kind is Kind.ENUMERATION:
            parts.append(each.members.__name__)
        yield f"  [{each.tag}] = {{ {', '.join(map(_quoted, parts))} }},"
    yield "}"
    yield "local ENUMERATIONS = {"
    for name, cls in (*enumerations().items(), ("TErrorCode", TErrorCode)):
        yield f"  {name} = {{"
        for member in members(cls):
            yield f"    [{int(member)}] = {_quoted(member.label)},"
        yield "  },"
    yield "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# For people


def pageTables() -> Iterator[str]:
    """
    The section of the page.
    """
    yield ""
    yield from _messageTables()
    yield from _attributeTable()
    yield from _enumerationTables()
    yield from _errorTable()


def _messageTables() -> Iterator[str]:
    yield "### Messages"
    yield ""
    yield "*Group* says which attributes a message may have, besides those of the last"
    yield "column; every message may have every other attribute too, unknown ones and"
    yield "ones that mean nothing there."
    yield ""
    yield "| group | attributes |"
    yield "|---|---|"
    for cls, name in _GROUPS.items():
        parent = _group(cls.__mro__[1])
        own = _own(cls, cls.__mro__[1])
        inherited = [f"those of {_GROUPS[parent]}"] if parent else []
        yield f"| {name} | {', '.join([*inherited, *own])} |"
    for kind, title in (
        ("request", "Requests, from the client"),
        ("event", "Events, from the server"),
        ("link", "Of the link, from both"),
    ):
        chosen = [cls for cls in messages() if kindOf(cls) == kind and inScope(cls)]
        isRequest = kind == "request"
        yield ""
        yield f"#### {title}"
        yield ""
        yield f"| # | name | {'answered by | ' * isRequest}group | must have | also |"
        yield f"|---|---|{'---|' * isRequest}---|---|---|"
        for cls in chosen:
            group = _group(cls)
            own = [
                name
                for name in _own(cls, group or Message)
                if name not in mandatoryOf(cls)
            ]
            answer = ANSWERS.get(cls.__name__, "EventError 51") + " | "
            yield (
                f"| {cls.number} | {cls.__name__} | {answer if isRequest else ''}"
                f"{_GROUPS[group] if group else ''} | {', '.join(mandatoryOf(cls))} | "
                f"{', '.join(own)} |"
            )
    yield ""
    yield "#### Out of scope"
    yield ""
    yield "They have their names and numbers, so that traces can name them. The"
    yield "requests are answered EventError 51, the events never happen."
    yield ""
    outside = [cls for cls in messages() if not inScope(cls)]
    yield ", ".join(f"{cls.__name__} {cls.number}" for cls in outside) + "."
    yield ""


def _group(cls: type) -> type[Message] | None:
    return next((each for each in cls.__mro__ if each in _GROUPS), None)


def _own(cls: type[Message], parent: type) -> list[str]:
    """
    Names of the attributes that a class adds to another one.
    """
    names = set(fieldsOf(parent)) if attrs.has(parent) else set()
    return [name for name in fieldsOf(cls) if name not in names]


def _attributeTable() -> Iterator[str]:
    yield "### Attributes"
    yield ""
    yield "| # | name | type |"
    yield "|---|---|---|"
    for each in ATTRIBUTES:
        yield f"| {each.tag} | {each.name} | {_typeOf(each)} |"
    yield ""


def _typeOf(attribute: Attribute) -> str:
    if attribute.members is None:
        return attribute.kind.value
    return f"{attribute.kind.value} {attribute.members.__name__}"


def _enumerationTables() -> Iterator[str]:
    yield "### Enumerations"
    yield ""
    yield "| enumeration | members |"
    yield "|---|---|"
    for name, cls in enumerations().items():
        if name == "PartyState":
            continue
        listed = ", ".join(f"{each.label} {int(each)}" for each in members(cls))
        yield f"| {name} | {listed} |"
    yield ""
    text = " ".join((inspect.getdoc(enums.PartyState) or "").split())
    yield f"PartyState is {_sentence(text)} Hexadecimal:"
    yield ""
    listed = (f"{each.label} {int(each):x}" for each in members(enums.PartyState))
    yield ", ".join(listed) + "."
    yield ""


def _sentence(text: str) -> str:
    text = re.sub(r"[CL]\{([^}]*)\}", r"`\1`", text)
    return text[:1].lower() + text[1:]


def _errorTable() -> Iterator[str]:
    yield "### Error codes"
    yield ""
    yield "ErrorMessage is this text, or a better one."
    yield ""
    yield "| ErrorCode | ErrorMessage |"
    yield "|---|---|"
    for code in members(TErrorCode):
        yield f"| {int(code)} | {code.text} |"
    yield ""


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
