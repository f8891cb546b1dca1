"""
Who refreshes the session of a leg, and how often (RFC 4028).

The far ends of a call agree on that between them, and the node passes on what they
say.  A re-INVITE of the node's own has to say it again: without a Session-Expires it
would end the agreement, and one far end would wait for refreshes that the other one
does not send any more.
"""

from __future__ import annotations

from attrs import frozen

from sipcluster.sessioncontroller.events import Fields

_NAMES = frozenset([b"session-expires", b"x"])

#: Seconds after which a session ends at the latest that is to be refreshed.
_LONGEST = 86400

#: Digits of an interval; more are none.
_MOST_DIGITS = 10


@frozen
class Refresh:
    """
    What was agreed on one leg.

    @ivar seconds: the session interval.
    @ivar byFarEnd: whether the far end refreshes; else the other one does, through
        us.
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


def agreed(fields: Fields, farEndAsked: bool) -> Refresh | None:
    """
    What a 2xx says.

    @param fields: of the 2xx.
    @param farEndAsked: the request was the far end's.
    """
    for name, value in fields:
        if name.lower() in _NAMES:
            seconds, _, parameters = value.partition(b";")
            seconds = seconds.strip()
            if not seconds.isdigit() or len(seconds) > _MOST_DIGITS:
                return None
            byAsking = b"refresher=uac" in b"".join(parameters.split()).lower()
            return Refresh(int(seconds), byAsking is farEndAsked)
    return None


def again(refresh: Refresh | None) -> Fields:
    """
    What a request of our own says so that all stays as it was agreed.
    """
    if refresh is None:
        return ()
    value = b"%d;refresher=%b" % (
        refresh.seconds,
        b"uas" if refresh.byFarEnd else b"uac",
    )
    return ((b"Supported", b"timer"), (b"Session-Expires", value))
