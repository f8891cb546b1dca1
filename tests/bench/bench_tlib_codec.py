"""
What making, writing and reading T-Library messages costs::

    python -m tests.bench.bench_tlib_codec [--rounds 5]

Each line is one step, in microseconds for one message, the best of the rounds.  The
event is that of a call with all that the call model gives it and five pairs of user
data.
"""

from __future__ import annotations

import argparse
import sys
import timeit
from collections.abc import Callable
from typing import Any

from sipcluster.tlib.codec import decode, encode, encodeBody, frame
from sipcluster.tlib.enums import CallState, CallType, DNRole
from sipcluster.tlib.messages import EventRinging, LinkPoll, RequestMakeCall
from sipcluster.tlib.text import parse, render
from sipcluster.wire.frames import FrameReader

#: How often each step is done in one round.
COUNT = 10_000

ATTRIBUTES: dict[str, Any] = {
    "time": (1760000000, 250000),
    "connID": "006c02462a161006",
    "callID": 4711,
    "callUUID": "0123456789abcdef0123456789abcdef",
    "callType": CallType.INBOUND,
    "callState": CallState.OK,
    "thisDN": "1002",
    "thisDNRole": DNRole.DESTINATION,
    "otherDN": "+493012345678",
    "otherDNRole": DNRole.ORIGINATION,
    "ani": "+493012345678",
    "dnis": "1002",
    "userData": (
        ("ACCOUNT", "4711"),
        ("TRIES", 2),
        ("SEGMENT", "gold"),
        ("LANGUAGE", "de"),
        ("ROUTE", (("SKILL", "billing"), ("SITE", "berlin"))),
    ),
}

EVENT = EventRinging(**ATTRIBUTES)
REQUEST = RequestMakeCall(thisDN="1001", otherDN="1002", userData=(("ACCOUNT", "1"),))
BODY = encodeBody(EVENT)
PAYLOAD = encode(EVENT, 7, 1)[4:]
REQUEST_PAYLOAD = encode(REQUEST, 7, 1)[4:]
POLL_PAYLOAD = encode(LinkPoll(), 7)[4:]
TEXT = render(EVENT, 7, 1)
STREAM = encode(EVENT, 7) * 10


def stream() -> None:
    """
    Ten frames that arrive in one piece.
    """
    reader = FrameReader()
    reader.receive(STREAM)
    while reader.nextFrame() is not None:
        pass


STEPS: dict[str, tuple[Callable[[], object], int]] = {
    "make the event": (lambda: EventRinging(**ATTRIBUTES), 1),
    "encode what all receivers share": (lambda: encodeBody(EVENT), 1),
    "frame for one more receiver": (lambda: frame(7, 1, BODY), 1),
    "read a frame from a stream": (stream, 10),
    "decode the event": (lambda: decode(PAYLOAD), 1),
    "decode a request": (lambda: decode(REQUEST_PAYLOAD), 1),
    "decode a poll": (lambda: decode(POLL_PAYLOAD), 1),
    "print the event": (lambda: render(EVENT, 7, 1), 1),
    "read the print": (lambda: parse(TEXT), 1),
}


def main() -> None:
    """
    Measure.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    say = sys.stdout.write
    say(f"one event is {len(PAYLOAD) + 4} bytes\n")
    for name, (step, messages) in STEPS.items():
        best = min(timeit.repeat(step, number=COUNT // messages, repeat=rounds))
        say(f"{best / COUNT * 1e6:8.2f} µs  {name}\n")


if __name__ == "__main__":
    main()
