"""
RTCP (RFC 3550 section 6): reports that are sent and read.
"""

from __future__ import annotations

import struct

from attrs import frozen

SENDER, RECEIVER, SOURCE, BYE = 200, 201, 202, 203

#: Seconds from 1900, the epoch of NTP, to 1970.
_EPOCH = 2208988800

_head = struct.Struct("!BBHI")
_block = struct.Struct("!IIIIII")
_sender = struct.Struct("!IIIII")

#: Bytes of a compound packet that are read.
LONGEST = 1500


@frozen
class Block:
    """
    What one says of what it gets from the other.

    @ivar source: SSRC of who sends.
    @ivar fraction: 256ths lost since the last report.
    @ivar lost: packets.
    @ivar highest: extended sequence number.
    @ivar jitter: in samples.
    @ivar last: the middle of the NTP time of the last sender's report.
    @ivar since: 65536ths of a second since that.
    """

    source: int
    fraction: int
    lost: int
    highest: int
    jitter: int
    last: int = 0
    since: int = 0


@frozen
class Sent:
    """
    What one says of what it sends.

    @ivar time: NTP time, 64 bits.
    """

    time: int
    timestamp: int
    packets: int
    octets: int


@frozen
class Report:
    """
    What came in a compound packet.

    @ivar source: SSRC of who has sent it.
    @ivar sent: L{None}: it sends nothing.
    @ivar bye: SSRCs that are gone.
    """

    source: int
    sent: Sent | None
    blocks: tuple[Block, ...]
    bye: tuple[int, ...]


def ntp(seconds: float) -> int:
    """
    NTP time, 64 bits.

    @param seconds: since 1970.
    """
    return int((seconds + _EPOCH) * 2**32) & 0xFFFFFFFFFFFFFFFF


def render(
    source: int,
    name: bytes,
    sent: Sent | None = None,
    block: Block | None = None,
    bye: bool = False,
) -> bytes:
    """
    Write a compound packet.

    @param name: C{CNAME}.
    @param bye: we go.
    """
    blocks = b""
    if block is not None:
        lost = max(-(2**23), min(2**23 - 1, block.lost)) & 0xFFFFFF
        blocks = _block.pack(
            block.source,
            block.fraction << 24 | lost,
            block.highest & 0xFFFFFFFF,
            block.jitter & 0xFFFFFFFF,
            block.last,
            block.since & 0xFFFFFFFF,
        )
    body = blocks
    if sent is not None:
        body = (
            _sender.pack(
                sent.time >> 32,
                sent.time & 0xFFFFFFFF,
                sent.timestamp & 0xFFFFFFFF,
                sent.packets & 0xFFFFFFFF,
                sent.octets & 0xFFFFFFFF,
            )
            + blocks
        )
    kind = RECEIVER if sent is None else SENDER
    packet = _packet(kind, 0 if block is None else 1, source, body)
    item = bytes([1, len(name)]) + name + b"\0"
    packet += _packet(SOURCE, 1, source, item + bytes(-len(item) % 4))
    if bye:
        packet += _packet(BYE, 1, source, b"")
    return packet


def _packet(kind: int, count: int, source: int, body: bytes) -> bytes:
    return _head.pack(0x80 | count, kind, 1 + len(body) // 4, source) + body


def parse(data: bytes) -> Report | None:
    """
    Read a compound packet, leaving out what we do not know.

    @return: L{None}: it is none.
    """
    if len(data) > LONGEST or len(data) < 8:
        return None
    position = 0
    source: int | None = None
    sent: Sent | None = None
    blocks: list[Block] = []
    bye: list[int] = []
    while position + 8 <= len(data):
        first, kind, words, who = _head.unpack_from(data, position)
        end = position + 4 + 4 * words
        if first >> 6 != 2 or end > len(data):
            return None
        count, body = first & 0x1F, data[position + 8 : end]
        if source is None:
            if kind not in (SENDER, RECEIVER):
                return None
            source = who
        if kind == SENDER and len(body) >= _sender.size:
            high, low, *rest = _sender.unpack_from(body)
            sent = Sent(high << 32 | low, *rest)
            body = body[_sender.size :]
        if kind in (SENDER, RECEIVER):
            for start in range(0, min(count * 24, len(body) - 23), 24):
                blocks.append(_blockOf(*_block.unpack_from(body, start)))
        elif kind == BYE and count:
            bye.append(who)
        position = end
    if source is None:
        return None
    return Report(source, sent, tuple(blocks), tuple(bye))


def _blockOf(
    source: int, loss: int, highest: int, jitter: int, last: int, since: int
) -> Block:
    lost = loss & 0xFFFFFF
    if lost & 0x800000:
        lost -= 0x1000000
    return Block(source, loss >> 24, lost, highest, jitter, last, since)
