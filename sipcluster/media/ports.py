"""
Pairs of ports: an even one for RTP and the next for RTCP, none again too soon.
"""

from __future__ import annotations

from collections import deque

from attrs import define
from twisted.internet.interfaces import IReactorTime

from sipcluster.media.imedia import Full, IDatagrams, Received
from sipcluster.sip.imedia import IMediaPort

#: Pairs that are tried when others have taken our ports.
TRIES = 16


@define(eq=False)
class PortPair:
    """
    Two ports.
    """

    rtp: IMediaPort
    rtcp: IMediaPort
    owner: PortPairs
    closed: bool = False

    def close(self) -> None:
        """
        Give them back.  May be called twice.
        """
        if not self.closed:
            self.closed = True
            self.rtp.close()
            self.rtcp.close()
            self.owner.given(self)


class PortPairs:
    """
    The ports of one address.

    A pair that was given back rests for a while, so that what is still on its way to
    the one who had it does not reach the next.

    @ivar open: pairs in use.
    """

    def __init__(
        self,
        datagrams: IDatagrams,
        clock: IReactorTime,
        low: int = 0,
        high: int = 0,
        rest: float = 5.0,
    ) -> None:
        """
        @param low: first port; 0: the system chooses all of them.
        @param high: last port.
        @param rest: seconds before a pair is used again.
        """
        self._datagrams = datagrams
        self._clock = clock
        self._rest = rest
        self._free = deque(range(low + (low & 1), high, 2)) if low else None
        self._resting: deque[tuple[float, int]] = deque()
        self.open = 0

    @property
    def host(self) -> str:
        """
        The address.
        """
        return self._datagrams.host

    def take(self, rtp: Received, rtcp: Received) -> PortPair:
        """
        Open a pair.

        @raise Full: there is none.
        """
        if self._free is None:
            pair = self._opened(0, rtp, rtcp)
        else:
            pair = self._next(self._free, rtp, rtcp)
        self.open += 1
        return pair

    def _next(self, free: deque[int], rtp: Received, rtcp: Received) -> PortPair:
        now = self._clock.seconds()
        while self._resting and self._resting[0][0] <= now:
            free.append(self._resting.popleft()[1])
        why: Full | None = None
        for _ in range(min(TRIES, len(free))):
            port = free.popleft()
            try:
                return self._opened(port, rtp, rtcp)
            except Full as e:
                # Somebody else has it, for a while.
                free.append(port)
                why = e
        raise why or Full("all ports for RTP are in use")

    def _opened(self, port: int, rtp: Received, rtcp: Received) -> PortPair:
        try:
            first = self._datagrams.bind(port, rtp)
        except OSError as e:
            raise Full(f"no port for RTP: {e}") from e
        try:
            second = self._datagrams.bind(port + 1 if port else 0, rtcp)
        except OSError as e:
            first.close()
            raise Full(f"no port for RTCP: {e}") from e
        return PortPair(first, second, self)

    def given(self, pair: PortPair) -> None:
        """
        A pair is closed.
        """
        self.open -= 1
        if self._free is not None:
            self._resting.append((self._clock.seconds() + self._rest, pair.rtp.port))
