"""
What went over the wire of a namespace: datagrams counted, and those that were sent
more than once.

On a perfect network nothing has to be repeated, so a datagram with the same ends and
the same bytes as one before is a retransmission, whoever sent it and whatever its
own statistics say.  Run as a program inside the namespace; it tells what it saw as
JSON when it is asked to end.
"""

from __future__ import annotations

import json
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Any

from attrs import define, field

_IPV4 = 0x0800
_OUTGOING = 4
_UDP = 17

#: How many repeated datagrams are kept for the report.
_KEPT = 50


@define
class Tally:
    """
    The datagrams seen so far.

    @ivar port: only datagrams from or to this port count.
    @ivar sent: how many each address has sent.
    @ivar repeated: how many of them were copies of an earlier one.
    @ivar examples: the first line and ends of some copies.
    """

    port: int = 5060
    sent: dict[str, int] = field(factory=dict)
    repeated: dict[str, int] = field(factory=dict)
    examples: list[str] = field(factory=list)
    _seen: set[int] = field(factory=set)

    def packet(self, packet: bytes) -> None:
        """
        Take one IPv4 packet.
        """
        if len(packet) < 28 or packet[9] != _UDP:
            return
        start = (packet[0] & 15) * 4
        sender, receiver = struct.unpack_from(">HH", packet, start)
        payload = packet[start + 8 :]
        if self.port not in (sender, receiver) or len(payload) < 20:
            return  # also the blank lines that keep a flow open
        source = f"{socket.inet_ntoa(packet[12:16])}:{sender}"
        self.sent[source] = self.sent.get(source, 0) + 1
        key = hash((packet[12:20], sender, receiver, payload))
        if key not in self._seen:
            self._seen.add(key)
            return
        self.repeated[source] = self.repeated.get(source, 0) + 1
        if len(self.examples) < _KEPT:
            target = f"{socket.inet_ntoa(packet[16:20])}:{receiver}"
            line = payload.split(b"\r\n", 1)[0].decode("utf-8", "replace")
            self.examples.append(f"{source} -> {target}: {line}")

    def report(self, dropped: int) -> dict[str, Any]:
        """
        @param dropped: packets that the kernel could not hand over.
        """
        return {
            "datagrams": sum(self.sent.values()),
            "repeatedBy": self.repeated,
            "examples": self.examples,
            "unseen": dropped,
        }


class _End(Exception):
    """
    It is time to tell.
    """


def _end(*_: object) -> None:
    raise _End


def watch(output: Path) -> None:
    """
    Watch all interfaces until SIGTERM, then write the report.
    """
    tally = Tally()
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_IPV4))
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 26)
    signal.signal(signal.SIGTERM, _end)
    output.with_suffix(".started").touch()
    try:
        while True:
            packet, (_, _, direction, *_) = wire.recvfrom(65536)
            if direction != _OUTGOING:  # the loopback interface shows both
                tally.packet(packet)
    except _End:
        pass
    # struct tpacket_stats: packets, drops
    statistics = wire.getsockopt(263, 6, 8)
    output.write_text(json.dumps(tally.report(struct.unpack("II", statistics)[1])))


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
