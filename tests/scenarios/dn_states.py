"""
DN states: call model 3.10.  Only the TCport tells of them.
"""

from __future__ import annotations

from typing import Any

from tests.scenarios.table import (
    Row,
    Scenario,
    Step,
    answering,
    called,
    caller,
    dialing,
    ringing,
)
from tests.scenarios.two_party import BUSY, CALLS, SILENT


def told(event: str, this: str, **more: Any) -> Row:
    """
    An event of a DN, and of no call.
    """
    return Row(event, this, conn="", ani="", dnis="", port="TCport", **more)


def _asks(what: str, request: str, row: Row, *more: Any) -> Step:
    """
    B's client asks for something, and gets the event.
    """
    return Step(what, (request, row.this, *more), (answering(row),))


def _forwarded(name: str, title: str, mode: str, does: Step) -> Scenario:
    """
    B forwards to C what B does not take.
    """
    return Scenario(
        name,
        title,
        "3.10",
        (
            _sets(mode),
            CALLS,
            Step(
                does.what,
                does.do,
                (
                    called("EventReleased", "B", "A", "Forwarded"),
                    ringing("C", "A", dnis="B"),
                ),
            ),
            GIVES_UP,
            _cancels(mode),
        ),
    )


def _sets(mode: str) -> Step:
    return _asks(
        "B's client has calls forwarded to C",
        "RequestCallForwardSet",
        told("EventForwardSet", "B", other="C", more=(("forwardMode", mode),)),
        (("otherDN", "1003"), ("forwardMode", mode)),
    )


def _cancels(mode: str) -> Step:
    return _asks(
        "B's client has calls no longer forwarded",
        "RequestCallForwardCancel",
        told("EventForwardCancel", "B", other="C", more=(("forwardMode", mode),)),
    )


#: A call that has come to C by way of B ends.
GIVES_UP = Step(
    "A gives up",
    ("giveUp", "A"),
    (
        caller("EventReleased", "A", "C", dnis="B"),
        called("EventAbandoned", "C", "A", dnis="B"),
    ),
)

BACK = told("EventDNBackInService", "A")
OUT = told("EventDNOutOfService", "A")

SCENARIOS = (
    Scenario(
        "registeredAndUnregistered",
        "A telephone registers, and gives its registration back",
        "3.10",
        (
            Step("A's telephone registers", ("register", "A"), (BACK,)),
            Step("It registers again", ("register", "A")),
            Step("It gives its registration back", ("unregister", "A"), (OUT,)),
            Step("It registers", ("register", "A"), (BACK,)),
        ),
    ),
    Scenario(
        "registrationExpires",
        "The registration of a telephone that has gone expires",
        "3.10",
        (
            Step("A's telephone registers", ("register", "A"), (BACK,)),
            Step("It is not heard any more", ("expire", "A"), (OUT,)),
        ),
    ),
    Scenario(
        "doNotDisturb",
        "B does not want to be disturbed: A finds it busy",
        "3.10",
        (
            _asks("B's client asks", "RequestSetDNDOn", told("EventDNDOn", "B")),
            Step(
                "Once more",
                ("RequestSetDNDOn", "B"),
                error="ALREADY_IN_STATE",
            ),
            Step(
                "A calls B",
                ("call", "A", "B"),
                (
                    dialing("A", "B"),
                    caller("EventDestinationBusy", "A", "B", "Busy"),
                    caller("EventReleased", "A", "B", "Busy"),
                ),
            ),
            _asks("B's client asks", "RequestSetDNDOff", told("EventDNDOff", "B")),
        ),
    ),
    Scenario(
        "forwardedUnconditionally",
        "B forwards all calls to C",
        "3.10",
        (
            _sets("Unconditional"),
            Step(
                "A calls B",
                ("call", "A", "B"),
                (dialing("A", "B"), ringing("C", "A", dnis="B")),
            ),
            GIVES_UP,
            _cancels("Unconditional"),
            Step(
                "A calls B again",
                ("call", "A", "B"),
                (dialing("A", "B", conn="c2"), ringing("B", "A", conn="c2")),
            ),
            Step(
                "A gives up",
                ("giveUp", "A"),
                (
                    caller("EventReleased", "A", "B", conn="c2"),
                    called("EventAbandoned", "B", "A", conn="c2"),
                ),
            ),
        ),
    ),
    _forwarded("forwardedWhenBusy", "B forwards calls when busy", "OnBusy", BUSY),
    _forwarded(
        "forwardedWithoutAnswer",
        "B forwards calls that are not answered",
        "OnNoAnswer",
        SILENT,
    ),
    Scenario(
        "messageWaiting",
        "Messages wait for B, and no longer",
        "3.10",
        (
            _asks(
                "B's client says so",
                "RequestSetMessageWaitingOn",
                told("EventMessageWaitingOn", "B"),
            ),
            _asks(
                "B's client says so",
                "RequestSetMessageWaitingOff",
                told("EventMessageWaitingOff", "B"),
            ),
        ),
    ),
)
