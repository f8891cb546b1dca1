"""
Two-party calls and how they fail: call model 3.1.
"""

from __future__ import annotations

from tests.scenarios.table import (
    Row,
    Scenario,
    Step,
    answering,
    called,
    caller,
    dialing,
    established,
    party,
    ringing,
)

#: The rows that most scenarios have.
DIALING, RINGING = dialing("A", "B"), ringing("B", "A")
A_ESTABLISHED = established("A", "B", True)
B_ESTABLISHED = established("B", "A", False)
A_RELEASED = caller("EventReleased", "A", "B")
B_RELEASED = called("EventReleased", "B", "A")
B_ABANDONED = called("EventAbandoned", "B", "A")

#: The steps.
CALLS = Step("A calls B", ("call", "A", "B"), (DIALING, RINGING))
MAKES = Step(
    "A's client asks for the call; A's telephone is called first, and answers",
    ("RequestMakeCall", "A", "B"),
    (answering(DIALING), RINGING),
)
ANSWERS = Step("B answers", ("answer", "B"), (B_ESTABLISHED, A_ESTABLISHED))
LETS_ANSWER = Step(
    "B's client lets B's telephone answer",
    ("RequestAnswerCall", "B"),
    (answering(B_ESTABLISHED), A_ESTABLISHED),
)
A_HANGS_UP = Step("A hangs up", ("hangUp", "A"), (A_RELEASED, B_RELEASED))
B_HANGS_UP = Step("B hangs up", ("hangUp", "B"), (B_RELEASED, A_RELEASED))
A_RELEASES = Step(
    "A's client releases",
    ("RequestReleaseCall", "A"),
    (answering(A_RELEASED), B_RELEASED),
)
B_RELEASES = Step(
    "B's client releases",
    ("RequestReleaseCall", "B"),
    (answering(B_RELEASED), A_RELEASED),
)


def _failing(
    name: str, title: str, does: Step, state: str, callType: str = "Internal"
) -> Scenario:
    """
    A call from A's telephone that B's telephone does not take.
    """
    return Scenario(
        name,
        title,
        "3.1",
        (
            CALLS,
            Step(
                does.what,
                does.do,
                (
                    called("EventReleased", "B", "A", state),
                    caller("EventDestinationBusy", "A", "B", state),
                    caller("EventReleased", "A", "B", state),
                ),
            ),
        ),
    )


def _nowhere(name: str, title: str, number: str, state: str) -> Scenario:
    """
    A call from A's telephone that goes to no telephone.
    """
    kind = "Unknown" if state == "SitInvalidnum" else "Internal"
    rows = (
        dialing("A", number, callType=kind),
        caller("EventDestinationBusy", "A", number, state, callType=kind),
        caller("EventReleased", "A", number, state, callType=kind),
    )
    return Scenario(name, title, "3.1", (Step(title, ("call", "A", number), rows),))


def _made(name: str, title: str, does: Step, state: str) -> Scenario:
    """
    A call made by T-Library that B's telephone does not take: A's telephone stays
    connected until somebody releases.
    """
    return Scenario(
        name,
        title,
        "3.1",
        (
            MAKES,
            Step(
                does.what,
                does.do,
                (
                    called("EventReleased", "B", "A", state),
                    caller("EventDestinationBusy", "A", "B", state),
                ),
            ),
            Step(
                "A hangs up",
                ("hangUp", "A"),
                (caller("EventReleased", "A", "B"),),
            ),
        ),
    )


BUSY = Step("B is busy", ("refuse", "B", 486))
DECLINES = Step("B declines", ("refuse", "B", 603))
SILENT = Step("B does not answer in time", ("noAnswer", "B"))

OUT = {"callType": "Outbound", "dnis": "9O"}
IN = {"callType": "Inbound"}

A_GIVES_UP = (A_RELEASED, B_ABANDONED)

SCENARIOS = (
    Scenario(
        "calledAnsweredReleasedByCaller",
        "A calls B, B answers, A hangs up",
        "3.1",
        (CALLS, ANSWERS, A_HANGS_UP),
    ),
    Scenario(
        "releasedByCalled",
        "A calls B, B answers, B hangs up",
        "3.1",
        (CALLS, ANSWERS, B_HANGS_UP),
    ),
    Scenario(
        "madeAnsweredAndReleasedByRequest",
        "The same by T-Library: made, answered and released by request",
        "3.1",
        (MAKES, LETS_ANSWER, A_RELEASES),
    ),
    Scenario(
        "madeByRequestReleasedByTelephones",
        "Made by T-Library, answered and released by telephones",
        "3.1",
        (MAKES, ANSWERS, A_HANGS_UP),
    ),
    Scenario(
        "answeredAndReleasedByCalledsRequest",
        "Made by telephone, answered and released by B's client",
        "3.1",
        (CALLS, LETS_ANSWER, B_RELEASES),
    ),
    Scenario(
        "cleared",
        "A's client clears the call",
        "3.1",
        (
            CALLS,
            ANSWERS,
            Step(
                "A's client clears",
                ("RequestClearCall", "A"),
                (answering(A_RELEASED), B_RELEASED),
            ),
        ),
    ),
    Scenario(
        "givenUpWhileRinging",
        "A gives up while B rings",
        "3.1",
        (CALLS, Step("A gives up", ("giveUp", "A"), A_GIVES_UP)),
    ),
    Scenario(
        "givenUpByRequestWhileRinging",
        "A's client releases while B rings",
        "3.1",
        (
            CALLS,
            Step(
                "A's client releases",
                ("RequestReleaseCall", "A"),
                (answering(A_RELEASED), B_ABANDONED),
            ),
        ),
    ),
    Scenario(
        "madeAndGivenUpWhileRinging",
        "Made by T-Library; A's client releases while B rings",
        "3.1",
        (
            MAKES,
            Step(
                "A's client releases",
                ("RequestReleaseCall", "A"),
                (answering(A_RELEASED), B_ABANDONED),
            ),
        ),
    ),
    Scenario(
        "givenUpWhileRingingExternalOnly",
        "A gives up while B rings, event-abandoned = external",
        "3.1",
        (
            CALLS,
            Step(
                "A gives up",
                ("giveUp", "A"),
                (A_RELEASED, called("EventReleased", "B", "A", "Abandoned")),
            ),
        ),
        (("eventAbandoned", "external"),),
    ),
    Scenario(
        "inboundGivenUpExternalOnly",
        "A caller from outside gives up while B rings, event-abandoned = external",
        "3.1",
        (
            Step("O calls B", ("call", "O", "B"), (ringing("B", "O", **IN),)),
            Step(
                "O gives up",
                ("giveUp", "O"),
                (called("EventAbandoned", "B", "O", **IN),),
            ),
        ),
        (("eventAbandoned", "external"),),
    ),
    _failing("busy", "B is busy", BUSY, "Busy"),
    _failing("declined", "B declines", DECLINES, "Busy"),
    _failing("noAnswer", "B does not answer", SILENT, "NoAnswer"),
    _made("madeAndBusy", "Made by T-Library, B is busy", BUSY, "Busy"),
    _made("madeAndNoAnswer", "Made by T-Library, no answer", SILENT, "NoAnswer"),
    _nowhere(
        "invalidNumber", "A calls a number that there is not", "N", "SitInvalidnum"
    ),
    _nowhere(
        "noRoute", "A calls a routing point that nobody routes", "P", "SitNocircuit"
    ),
    Scenario(
        "refusedByRequest",
        "B's client releases while B rings: the call is declined",
        "3.1",
        (
            CALLS,
            Step(
                "B's client releases",
                ("RequestReleaseCall", "B"),
                (
                    answering(called("EventReleased", "B", "A")),
                    caller("EventDestinationBusy", "A", "B", "Busy"),
                    caller("EventReleased", "A", "B", "Busy"),
                ),
            ),
        ),
    ),
    Scenario(
        "outbound",
        "A calls a number outside; there it is answered; A hangs up",
        "3.1",
        (
            Step(
                "A calls O",
                ("call", "A", "9O"),
                (dialing("A", "9O", callType="Outbound"),),
            ),
            Step(
                "O answers",
                ("answer", "O"),
                (established("A", "O", True, **OUT),),
            ),
            Step(
                "A hangs up",
                ("hangUp", "A"),
                (caller("EventReleased", "A", "O", **OUT),),
            ),
        ),
    ),
    Scenario(
        "outboundMade",
        "A's client makes a call to a number outside and releases it",
        "3.1",
        (
            Step(
                "A's client asks for the call",
                ("RequestMakeCall", "A", "9O"),
                (answering(dialing("A", "9O", callType="Outbound")),),
            ),
            Step(
                "O answers",
                ("answer", "O"),
                (established("A", "O", True, **OUT),),
            ),
            Step(
                "A's client releases",
                ("RequestReleaseCall", "A"),
                (answering(caller("EventReleased", "A", "O", **OUT)),),
            ),
        ),
    ),
    Scenario(
        "outboundGivenUp",
        "A gives up before anything rings inside",
        "3.1",
        (
            Step(
                "A calls O",
                ("call", "A", "9O"),
                (dialing("A", "9O", callType="Outbound"),),
            ),
            Step(
                "A gives up",
                ("giveUp", "A"),
                (caller("EventReleased", "A", "O", **OUT),),
            ),
        ),
    ),
    Scenario(
        "inbound",
        "A call from outside is answered; the caller hangs up",
        "3.1",
        (
            Step("O calls B", ("call", "O", "B"), (ringing("B", "O", **IN),)),
            Step(
                "B answers",
                ("answer", "B"),
                (established("B", "O", False, **IN),),
            ),
            Step(
                "O hangs up",
                ("hangUp", "O"),
                (called("EventReleased", "B", "O", **IN),),
            ),
        ),
    ),
    Scenario(
        "redirectedByRequest",
        "B's client redirects the ringing call to C, who answers",
        "3.1",
        (
            CALLS,
            Step(
                "B's client redirects to C",
                ("RequestRedirectCall", "B", "C"),
                (
                    answering(called("EventReleased", "B", "A", "Redirected")),
                    ringing("C", "A", dnis="B"),
                ),
            ),
            Step(
                "C answers",
                ("answer", "C"),
                (
                    established("C", "A", False, dnis="B"),
                    established("A", "C", True, dnis="B"),
                ),
            ),
            Step(
                "A hangs up",
                ("hangUp", "A"),
                (
                    caller("EventReleased", "A", "C", dnis="B"),
                    called("EventReleased", "C", "A", dnis="B"),
                ),
            ),
        ),
    ),
    Scenario(
        "redirectedByTelephone",
        "B's telephone sends the ringing call to C",
        "3.1",
        (
            CALLS,
            Step(
                "B sends it to C",
                ("deflect", "B", "C"),
                (
                    called("EventReleased", "B", "A", "Redirected"),
                    ringing("C", "A", dnis="B"),
                ),
            ),
            Step(
                "A gives up",
                ("giveUp", "A"),
                (
                    caller("EventReleased", "A", "C", dnis="B"),
                    called("EventAbandoned", "C", "A", dnis="B"),
                ),
            ),
        ),
    ),
    Scenario(
        "callerRefusesMadeCall",
        "A's telephone refuses a call that A's client makes: no event",
        "3.1",
        (
            Step(
                "A's client asks for the call, A's telephone is busy",
                ("RequestMakeCall", "A", "B", 486),
                error="DN_BUSY",
            ),
        ),
    ),
    Scenario(
        "makeCallToInvalidNumber",
        "A's client asks for a number that there is not",
        "3.1",
        (
            Step(
                "A's client asks for the call, A's telephone answers",
                ("RequestMakeCall", "A", "N"),
                (
                    answering(dialing("A", "N", callType="Unknown")),
                    caller(
                        "EventDestinationBusy",
                        "A",
                        "N",
                        "SitInvalidnum",
                        callType="Unknown",
                    ),
                ),
            ),
            Step(
                "A hangs up",
                ("hangUp", "A"),
                (caller("EventReleased", "A", "N", callType="Unknown"),),
            ),
        ),
    ),
)

__all__ = ["SCENARIOS", "Row", "party"]
