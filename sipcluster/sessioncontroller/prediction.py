"""
What is found out about who answers a call that is made for a routing point.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define

from sipcluster.sessioncontroller.events import Cause
from sipcluster.sessioncontroller.isessioncontroller import CallRefused, Why
from sipcluster.sessioncontroller.queue_values import PredictionValue
from sipcluster.sessioncontroller.route_words import number
from sipcluster.wire.kvlist import KVList

__all__ = ("CAUSES", "FOUND", "Prediction", "predictionOf")

#: What a SIP status of the network says about a number that was called; others say
#: what they say of any call.
CAUSES: Mapping[int, Cause] = {
    404: Cause.INVALID_NUMBER,
    408: Cause.NO_ANSWER,
    410: Cause.VACANT,
    480: Cause.NO_ANSWER,
    484: Cause.INVALID_NUMBER,
    486: Cause.BUSY,
    487: Cause.NO_ANSWER,
    500: Cause.SIT,
    502: Cause.NO_CIRCUIT,
    503: Cause.ALL_TRUNKS_BUSY,
    504: Cause.NO_CIRCUIT,
    600: Cause.BUSY,
    603: Cause.BUSY,
    604: Cause.VACANT,
}

#: What a media server may find.
FOUND: Mapping[str, Cause] = {
    "human": Cause.OK,
    "machine": Cause.ANSWERING_MACHINE,
    "fax": Cause.FAX,
}

#: Seconds in which it is to find something.
_WITHIN = 5.0


@define(eq=False)
class Prediction:
    """
    What is to be found out.

    @ivar detects: a media server listens to who answers.
    @ivar within: seconds for that.
    @ivar drops: what ends the call.
    @ivar reached: the network has taken the call, and that was told.
    """

    detects: bool = False
    within: float = _WITHIN
    drops: frozenset[Cause] = frozenset()
    reached: bool = False

    def value(self, waits: bool) -> PredictionValue:
        """
        Write it down.
        """
        return PredictionValue(
            self.detects,
            self.within,
            tuple(sorted(one.value for one in self.drops)),
            self.reached,
            waits,
        )

    @classmethod
    def of(cls, value: PredictionValue) -> Prediction:
        """
        Read it again.
        """
        drops = frozenset(Cause(one) for one in value.drops)
        return cls(value.detects, value.within, drops, value.reached)


def predictionOf(extensions: KVList) -> Prediction:
    """
    Read C{call_answer_type_recognition}, C{call_timeguard_timeout}, C{am-detected} and
    C{fax-detected}.

    @raise CallRefused: one of them makes no sense.
    """
    words = dict(extensions)
    kind = words.get("call_answer_type_recognition", _NOTHING)
    if kind not in _KINDS:
        raise CallRefused(
            Why.BAD_VALUE, f"call_answer_type_recognition: one of {', '.join(_KINDS)}"
        )
    name = "call_timeguard_timeout"
    within = number(words.get(name, _WITHIN * 1000), name) / 1000
    if not 0 < within <= 60:
        raise CallRefused(Why.BAD_VALUE, f"{name}: 1 to 60000")
    drops = set()
    for name, cause in (
        ("am-detected", Cause.ANSWERING_MACHINE),
        ("fax-detected", Cause.FAX),
    ):
        what = words.get(name, "drop")
        if what not in ("drop", "connect"):
            raise CallRefused(Why.BAD_VALUE, f"{name}: drop or connect")
        if what == "drop":
            drops.add(cause)
    return Prediction(kind != _NOTHING, within, frozenset(drops))


_NOTHING = "no_am_detection"
_KINDS = (
    _NOTHING,
    "positive_am_detection",
    "full_positive_am_detection",
    "accurate_am_detection",
    "telephone_preset",
)
