"""
Which node has the calls of a DN: what a SIP Proxy has seen of that itself.

It is good for one thing: a DN that has a call, and calls once more, is given to the
node that has the first one, so that the two can be connected.  Whoever is not known, or
not known any more, goes to any node, as without it.  So nothing of it need be kept or
told to other SIP Proxies: a telephone calls through the SIP Proxy at which it has
registered, and nodes call it through that one, too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

#: Calls that are known at one time; the oldest one is forgotten first.
MOST = 200_000

#: Seconds for which a call is known that was not answered, and one that was and has
#: sent nothing since.
RINGING = 200.0
TALKING = 7200.0

#: A DN's part in a call: the Call-ID belongs to it alone.
_Known = tuple[bytes, str, float]


class CallAffinity:
    """
    The DNs of running calls, and the pairs that have those.
    """

    __slots__ = ("_byDN", "_calls", "_most", "_seconds")

    def __init__(self, seconds: Callable[[], float], most: int = MOST) -> None:
        """
        @param seconds: tells the time.
        """
        self._seconds = seconds
        self._most = most
        self._calls: dict[bytes, _Known] = {}
        self._byDN: dict[bytes, list[bytes]] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def note(self, dn: bytes, callID: bytes, pair: str, answered: bool) -> None:
        """
        A DN has a call at a pair.
        """
        until = self._seconds() + (TALKING if answered else RINGING)
        self.forget(callID)
        if len(self._calls) >= self._most:
            self.forget(next(iter(self._calls)))
        self._calls[callID] = dn, pair, until
        self._byDN.setdefault(dn, []).append(callID)

    def isKnown(self, callID: bytes) -> bool:
        """
        Whether a call is known.
        """
        return callID in self._calls

    def goesOn(self, callID: bytes) -> None:
        """
        A call still talks.
        """
        known = self._calls.get(callID)
        if known is not None:
            dn, pair, _ = known
            self._calls[callID] = dn, pair, self._seconds() + TALKING

    def forget(self, callID: bytes) -> None:
        """
        A call is over.
        """
        known = self._calls.pop(callID, None)
        if known is None:
            return
        calls = self._byDN[known[0]]
        calls.remove(callID)
        if not calls:
            del self._byDN[known[0]]

    def pairOf(self, dn: bytes, among: Collection[str]) -> str:
        """
        The pair that has calls of a DN, the oldest of them counting.

        @param among: those that count.

        @return: C{""}: none is known.
        """
        now = self._seconds()
        for callID in tuple(self._byDN.get(dn, ())):
            _, pair, until = self._calls[callID]
            if until <= now:
                self.forget(callID)
            elif pair in among:
                return pair
        return ""
