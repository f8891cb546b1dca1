"""
The RTCP of one session.
"""

from __future__ import annotations

from collections.abc import Callable

from sipcluster.media.imedia import FRAME
from sipcluster.media.rtcp import Block, Report, Sent, ntp, parse, render
from sipcluster.media.sender import Sender
from sipcluster.media.statistics import Reception

#: Seconds between reports; each time half as long at least, and one and a half times
#: at most (RFC 3550 section 6.3.1).
INTERVAL = 5.0


class Control:
    """
    Makes reports and reads them.

    @ivar far: what the far end says of what we send; L{None}: nothing yet.
    @ivar roundTrip: seconds; L{None}: not known.
    @ivar gone: the far end has said BYE.
    """

    __slots__ = (
        "_frames",
        "_lastSent",
        "_lastTime",
        "_name",
        "_octets",
        "_random",
        "_wallTime",
        "far",
        "gone",
        "reports",
        "roundTrip",
    )

    def __init__(
        self, random: Callable[[int], int], wallTime: Callable[[], float]
    ) -> None:
        self._random = random
        self._wallTime = wallTime
        self._name = b"%016x" % random(8)
        # NTP time of the far end's last report, and when it came.
        self._lastSent = 0
        self._lastTime = 0.0
        self._octets = 0
        self.far: Block | None = None
        self.roundTrip: float | None = None
        self.gone = False
        self.reports = 0
        self._frames = self._wait()

    def _wait(self) -> int:
        return round(INTERVAL * (0.5 + self._random(2) / 65536) / FRAME)

    def due(self) -> bool:
        """
        Called once a frame: whether a report is to be sent.
        """
        self._frames -= 1
        if self._frames > 0:
            return False
        self._frames = self._wait()
        return True

    def report(
        self, sender: Sender, reception: Reception | None, bye: bool = False
    ) -> bytes:
        """
        Our report.
        """
        now = self._wallTime()
        sent = block = None
        if sender.octets != self._octets:
            self._octets = sender.octets
            sent = Sent(ntp(now), sender.timestamp, sender.packets, sender.octets)
        if reception is not None:
            block = Block(
                reception.source,
                reception.fraction(),
                reception.lost,
                reception.highest,
                reception.jitter >> 4,
                self._lastSent,
                max(0, int((now - self._lastTime) * 65536)) if self._lastSent else 0,
            )
        return render(sender.source, self._name, sent, block, bye)

    def received(self, data: bytes, source: int) -> Report | None:
        """
        The far end's report.

        @param source: our SSRC.

        @return: L{None}: it is none.
        """
        report = parse(data)
        if report is None:
            return None
        self.reports += 1
        now = self._wallTime()
        if report.sent is not None:
            self._lastSent = report.sent.time >> 16 & 0xFFFFFFFF
            self._lastTime = now
        for block in report.blocks:
            if block.source == source:
                self.far = block
                if block.last:
                    trip = (ntp(now) >> 16) - block.last - block.since & 0xFFFFFFFF
                    if trip < 0x10 * 0x10000:
                        self.roundTrip = trip / 65536
        self.gone = bool(report.bye)
        return report
