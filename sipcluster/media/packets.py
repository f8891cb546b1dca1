"""
RTP packets (RFC 3550 section 5).
"""

from __future__ import annotations

import struct

from attrs import frozen

_header = struct.Struct("!BBHII")

#: What is refused unread: no telephone sends so long a packet of audio.
LONGEST = 2000


@frozen
class RTPPacket:
    """
    One packet.

    @ivar kind: payload type.
    """

    kind: int
    sequence: int
    timestamp: int
    source: int
    payload: bytes
    marker: bool = False


def parse(data: bytes) -> RTPPacket | None:
    """
    Read one.

    @return: L{None}: it is none.
    """
    if not 12 <= len(data) <= LONGEST:
        return None
    first, second, sequence, timestamp, source = _header.unpack_from(data)
    if first >> 6 != 2 or 64 <= second & 0x7F <= 95:
        return None  # the latter would be RTCP (RFC 5761 section 4)
    start, end = 12 + 4 * (first & 0x0F), len(data)
    if first & 0x10:
        if start + 4 > end:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    if first & 0x20:
        end -= data[-1]
    if start > end or (first & 0x20 and not data[-1]):
        return None
    return RTPPacket(
        second & 0x7F,
        sequence,
        timestamp,
        source,
        data[start:end],
        bool(second & 0x80),
    )


def render(
    kind: int,
    sequence: int,
    timestamp: int,
    source: int,
    payload: bytes,
    marker: bool = False,
) -> bytes:
    """
    Write one.
    """
    return (
        _header.pack(
            0x80,
            kind | 0x80 if marker else kind,
            sequence & 0xFFFF,
            timestamp & 0xFFFFFFFF,
            source,
        )
        + payload
    )
