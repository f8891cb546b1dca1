"""
Who refreshes the session of a leg, and how often (RFC 4028).

Each leg has an agreement of its own with its far end, which knows nothing of that of
the other one: where it falls to the node to refresh, the node does.  What the node asks
for it wants the far end to do, so that the session is refreshed also where nobody goes
on with it.
"""

from __future__ import annotations

from attrs import frozen

from sipcluster.sessioncontroller.events import Fields
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.message import Request, Response
from sipcluster.sip.session_timer import (
    UAC,
    Agreement,
    SessionExpires,
    agreedAsUAC,
    agreedAsUAS,
)

#: Seconds after which a session ends at the latest that is to be refreshed.
_LONGEST = 86400

#: What says that its sender knows session timers.
SUPPORTED = (b"Supported", b"timer")


@frozen
class Refresh:
    """
    What was agreed on one leg.

    @ivar seconds: the session interval.
    @ivar byFarEnd: whether the far end refreshes; else we do.
    """

    seconds: int
    byFarEnd: bool

    @property
    def expiresIn(self) -> float:
        """
        Seconds after which the session has ended when it was not refreshed: whoever
        refreshes it, or ends it, has had the time of a request (64*T1) besides.
        """
        return min(self.seconds, _LONGEST) + 32.0

    @property
    def dueIn(self) -> float:
        """
        Seconds after which something is to be done about it: it is refreshed, half of
        the interval before its end, or it has ended.
        """
        if self.byFarEnd:
            return self.expiresIn
        return min(self.seconds, _LONGEST) / 2


def _refresh(agreement: Agreement, byFarEnd: bool) -> Refresh | None:
    return Refresh(agreement.seconds, byFarEnd) if agreement.seconds else None


def answered(
    request: Request, interval: int, shortest: int
) -> tuple[Refresh | None, Fields]:
    """
    What our 2xx to an INVITE or UPDATE of the far end agrees to.

    @param interval: the longest interval that we want; 0: what the far end wants.
    @param shortest: the least one that is served.

    @return: the agreement, and what the 2xx says of it.

    @raise IntervalTooSmall: it is to be answered 422.
    @raise MalformedMessage: it cannot be read.
    """
    if not interval and b"Session-Expires" not in request.headers:
        return None, ()
    agreement = agreedAsUAS(request, interval, shortest)
    if not agreement.seconds:
        return None, ()
    fields: Fields = ((b"Session-Expires", agreement.value),)
    if agreement.required:
        fields = ((b"Require", b"timer"), *fields)
    return _refresh(agreement, not agreement.weRefresh), fields


def agreed(response: Response, wanted: int) -> Refresh | None:
    """
    What a 2xx to ours agrees to.

    @param wanted: the interval that we have asked for; 0: none.  A far end that says
        nothing of it does not refresh: then we do.
    """
    if b"Session-Expires" not in response.headers:
        return Refresh(wanted, False) if wanted else None
    try:
        agreement = agreedAsUAC(response)
    except MalformedMessage:
        return None
    return _refresh(agreement, not agreement.weRefresh)


def asked(request: Request) -> int:
    """
    The interval that a request of a far end asks for; 0: none that can be read.
    """
    if b"Session-Expires" not in request.headers:
        return 0
    try:
        wanted = SessionExpires.of(request)
    except MalformedMessage:
        return 0
    return 0 if wanted is None else wanted.seconds


def proposed(interval: int) -> Fields:
    """
    What an INVITE of ours says.

    @param interval: that we want; 0: none.
    """
    if not interval:
        return ()
    return ((b"Session-Expires", b"%d;refresher=uas" % interval),)


def again(refresh: Refresh | None) -> Fields:
    """
    What a request of our own within the dialog says so that all stays as it was agreed.
    """
    if refresh is None:
        return ()
    value = b"%d;refresher=%b" % (
        refresh.seconds,
        b"uas" if refresh.byFarEnd else UAC,
    )
    return (SUPPORTED, (b"Session-Expires", value))
