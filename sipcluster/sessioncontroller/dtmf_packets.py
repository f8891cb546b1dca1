"""
Digits as RTP packets (RFC 4733), and the little of SDP that goes with them.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from attrs import frozen

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.sdp import mediaOf

#: Numbers of the events (section 3.2), in order.
_EVENTS = "0123456789*#ABCD"

#: Sampling rate of the telephone events that are offered.
RATE = 8000

#: Milliseconds between two packets of one event.
PERIOD = 20

#: How often the last packet of an event is sent (section 2.5.1.4).
_ENDS = 3

#: -10 dBm0 (section 2.3.3).
_VOLUME = 10

_header = struct.Struct("!BBHII")
_event = struct.Struct("!BBH")

_section = re.compile(rb"^(?=m=)", re.MULTILINE)
_rtpmap = re.compile(rb"^a=rtpmap:([0-9]{1,3})[ \t]+([^/\s]+)/([0-9]+)", re.MULTILINE)

#: Attributes that speak of the media of somebody else, or of how a stream is made
#: with him: candidates, keys, statistics, directions.
_FOREIGN = re.compile(
    rb"^a=(?:candidate|end-of-candidates|ice-[a-z-]+|remote-candidates|rtcp[a-z-]*"
    rb"|crypto|fingerprint|setup|connection|ssrc[a-z-]*|msid[a-z-]*|mid|extmap"
    rb"|zrtp-hash|sendrecv|sendonly|recvonly|inactive)\b[^\n]*\n?",
    re.MULTILINE,
)
_address = re.compile(rb"^c=[^\n]*\n?", re.MULTILINE)
_group = re.compile(rb"^a=(?:group|ice-[a-z-]+|fingerprint|setup)\b[^\n]*\n?", re.M)
_bandwidth = re.compile(rb"^b=[^\n]*\n?", re.MULTILINE)


class NoTelephoneEvents(Exception):
    """
    Telephone events cannot be agreed on.
    """


@frozen
class Place:
    """
    Where telephone events go.

    @ivar payloadType: of the events there.
    @ivar rate: their sampling rate.
    """

    host: str
    port: int
    payloadType: int
    rate: int = RATE


def offerOf(session: bytes, host: str, port: int) -> bytes:
    """
    The same session with our port in the place of its first audio stream, and with
    telephone events; all other streams are refused, as long as that lasts.

    @param session: what the far end was sent last.

    @raise NoTelephoneEvents: it has no plain audio stream.
    """
    first, *streams = _section.split(session)
    try:
        media = mediaOf(session)
    except MalformedMessage as e:
        raise NoTelephoneEvents(str(e)) from e
    kind = b"IP6" if ":" in host else b"IP4"
    parts = [_group.sub(b"", _address.sub(b"", first))]
    ours = False
    for stream, each in zip(streams, media, strict=True):
        plain = each.kind == b"audio" and each.protocol in (b"RTP/AVP", b"RTP/AVPF")
        if ours or not each.port or not plain:
            head = stream.splitlines()[0].split()
            refused = (head[0], b"0", *head[2:])
            parts.append(
                b"%b\r\nc=IN %b %b\r\n" % (b" ".join(refused), kind, host.encode())
            )
            continue
        ours = True
        formats, attributes = _withEvents(each.formats, stream)
        parts.append(
            b"m=audio %d %b %b\r\nc=IN %b %b\r\n%ba=sendrecv\r\n"
            % (
                port,
                each.protocol,
                b" ".join(formats),
                kind,
                host.encode(),
                attributes,
            )
        )
    if not ours:
        raise NoTelephoneEvents("no plain audio stream")
    return b"".join(parts)


def _withEvents(
    formats: tuple[bytes, ...], stream: bytes
) -> tuple[tuple[bytes, ...], bytes]:
    """
    The formats and attributes of a stream, with telephone events if it has none.
    """
    _, _, attributes = stream.partition(b"\n")
    attributes = _bandwidth.sub(b"", _address.sub(b"", attributes))
    attributes = _FOREIGN.sub(b"", attributes)
    if attributes and not attributes.endswith(b"\n"):
        attributes += b"\r\n"
    maps = {number: name.lower() for number, name, _ in _rtpmap.findall(stream)}
    if b"telephone-event" in maps.values():
        return formats, attributes
    free = next(
        number
        for number in (101, *range(96, 128))
        if b"%d" % number not in maps and b"%d" % number not in formats
    )
    attributes += b"a=rtpmap:%d telephone-event/%d\r\n" % (free, RATE)
    attributes += b"a=fmtp:%d 0-15\r\n" % free
    return (*formats, b"%d" % free), attributes


def placeOf(answer: bytes) -> Place:
    """
    Where a far end wants its telephone events.

    @raise NoTelephoneEvents: it wants none.
    """
    try:
        media = mediaOf(answer)
    except MalformedMessage as e:
        raise NoTelephoneEvents(str(e)) from e
    for stream, each in zip(_section.split(answer)[1:], media, strict=True):
        if each.kind != b"audio" or not each.port or not each.address:
            continue
        for number, name, rate in _rtpmap.findall(stream):
            if name.lower() == b"telephone-event" and number in each.formats:
                host = each.address.decode("ascii", "replace")
                kind = int(number)
                if kind < 128 and 0 < int(rate[:7]) <= 192000:
                    return Place(host, each.port, kind, int(rate))
    raise NoTelephoneEvents("the telephone takes no telephone events")


@frozen
class Packet:
    """
    One RTP packet.

    @ivar at: milliseconds after the first one.
    """

    at: int
    data: bytes


def packetsOf(
    digits: str,
    place: Place,
    sequence: int,
    timestamp: int,
    source: int,
    tone: int,
    silence: int,
) -> Iterator[Packet]:
    """
    The packets of some digits (section 2.5): one every L{PERIOD} milliseconds, with
    the duration up to there, the first one of a digit marked, and the last one of a
    digit three times.

    @param sequence: of the first one, 16 bits.
    @param timestamp: of the first digit, 32 bits.
    @param source: SSRC, 32 bits.
    @param tone: milliseconds.
    @param silence: milliseconds between two digits, enough to repeat the last
        packet.
    """
    start = 0
    for digit in digits:
        event = _EVENTS.index(digit)
        stamp = (timestamp + start * place.rate // 1000) & 0xFFFFFFFF
        times = [*range(PERIOD, tone, PERIOD), tone]
        times += [tone + again * PERIOD for again in range(1, _ENDS)]
        for index, at in enumerate(times):
            marker = 0x80 if index == 0 else 0
            end = 0x80 if at >= tone else 0
            units = min(min(at, tone) * place.rate // 1000, 0xFFFF)
            yield Packet(
                start + at,
                _header.pack(
                    0x80,
                    marker | place.payloadType,
                    sequence & 0xFFFF,
                    stamp,
                    source,
                )
                + _event.pack(event, end | _VOLUME, units),
            )
            sequence += 1
        start += tone + silence
