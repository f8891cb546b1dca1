"""
What is left of the times that run in a call, some seconds after it was written down.
"""

from __future__ import annotations

import math
from typing import Any

from attrs import evolve
from msgspec.structs import replace

from sipcluster.sessioncontroller.queue_values import QueueValue
from sipcluster.sessioncontroller.values import (
    AcknowledgedValue,
    CallValue,
    LegValue,
    OutgoingInviteValue,
)
from sipcluster.sip.adoption import InviteServerValue
from sipcluster.sip.reliable_provisional import ReliableValue

#: What is left at least of a time that runs: 0 is one that does not.
LITTLE = 0.001


def later(left: float, age: float) -> float:
    """
    What is left of a time that runs, or 0 of one that does not, when it was written
    down some seconds ago.
    """
    return max(LITTLE, left - age) if left else 0.0


def _agedInvited(value: InviteServerValue | ReliableValue | None, age: float) -> Any:
    return value and evolve(value, left=later(value.left, age))


def _agedInviting(value: OutgoingInviteValue | None, age: float) -> Any:
    if value is None:
        return None
    transaction = value.transaction
    left = later(transaction.left, age)
    return replace(value, transaction=evolve(transaction, left=left))


def _agedAcked(value: AcknowledgedValue | None, age: float) -> Any:
    return value and replace(value, left=later(value.left, age))


def _agedLeg(value: LegValue, age: float) -> LegValue:
    return replace(
        value,
        invited=_agedInvited(value.invited, age),
        inviting=_agedInviting(value.inviting, age),
        asked=_agedInvited(value.asked, age),
        asking=_agedInviting(value.asking, age),
        ringing=later(value.ringing, age),
        expiring=later(value.expiring, age),
        acked=_agedAcked(value.acked, age),
        reliable=_agedInvited(value.reliable, age),
    )


def _agedQueue(value: QueueValue | None, age: float) -> QueueValue | None:
    if value is None:
        return None
    given = value.given
    if given is not None:
        given = replace(given, left=later(given.left, age))
    return replace(value, left=later(value.left, age), given=given)


def aged(value: CallValue, age: float) -> CallValue:
    """
    A call as it is some seconds after it was written down, when nothing else has
    happened.
    """
    return replace(
        value,
        legs=tuple(_agedLeg(leg, age) for leg in value.legs),
        undertakings=tuple(
            replace(one, left=later(one.left, age)) for one in value.undertakings
        ),
        busy=later(value.busy, age),
        queue=_agedQueue(value.queue, age),
    )


def untimed(value: CallValue) -> CallValue:
    """
    A call without how much is left of the times that run.
    """
    return aged(value, math.inf)
