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

#: Milliseconds of silence before the first digit and after the last one.
AROUND = 100

#: What is silence in PCMU and PCMA, by their payload types (RFC 3551).
_SILENCE = {0: 0xFF, 8: 0xD5}

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


#: Those of G.711 as they are spelled.
_payloadTypes = {b"%d" % number: number for number in _SILENCE}


@frozen
class Place:
    """
    Where telephone events go.

    @ivar payloadType: of the events there.
    @ivar rate: their sampling rate.
    @ivar silence: payload type of G.711 there, or L{None}.
    """

    host: str
    port: int
    payloadType: int
    rate: int = RATE
    silence: int | None = None


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
                kind, perSecond = int(number), int(rate[:7])
                if kind < 128 and 0 < perSecond <= 192000:
                    first = _payloadTypes.get(each.formats[0])
                    silence = first if perSecond == RATE else None
                    return Place(host, each.port, kind, perSecond, silence)
    raise NoTelephoneEvents("the telephone takes no telephone events")


@frozen
class Packet:
    """
    One RTP packet.

    @ivar at: milliseconds after the first one.
    """

    at: int
    data: bytes


class Stream:
    """
    One RTP stream of digits (section 2.5): a packet every L{PERIOD} milliseconds.

    Before the first digit, between two and after the last one there is silence,
    where that can be said in G.711: devices put what they receive into a buffer,
    and look at a packet when others follow it.
    """

    def __init__(
        self, place: Place, sequence: int, timestamp: int, source: int
    ) -> None:
        """
        @param sequence: of the first packet, 16 bits.
        @param timestamp: of the first packet, 32 bits.
        @param source: SSRC, 32 bits.
        """
        self._place = place
        self._sequence = sequence
        self._timestamp = timestamp
        self._source = source
        self._marker = 0x80

    def packets(self, digits: str, tone: int, silence: int) -> Iterator[Packet]:
        """
        All packets.

        @param tone: milliseconds that each digit sounds.
        @param silence: milliseconds that follow it: enough to repeat its last packet.
        """
        now = 0
        yield from self._silence(now, AROUND)
        now += AROUND
        for digit in digits:
            yield from self._digit(now, _EVENTS.index(digit), tone)
            now += tone
            repeated = (_ENDS - 1) * PERIOD
            yield from self._silence(now + repeated, silence - repeated)
            now += silence
        yield from self._silence(now, AROUND)

    def _silence(self, start: int, length: int) -> Iterator[Packet]:
        """
        Silence in the device's codec.
        """
        place = self._place
        if place.silence is None:
            return
        body = bytes([_SILENCE[place.silence]]) * (PERIOD * RATE // 1000)
        for at in range(start + PERIOD, start + length + 1, PERIOD):
            yield self._packet(at, at - PERIOD, place.silence, body)

    def _digit(self, start: int, event: int, tone: int) -> Iterator[Packet]:
        """
        The packets of one digit, with the duration up to there; the first one is
        marked, and the last one sent three times.
        """
        place = self._place
        times = [*range(PERIOD, tone, PERIOD), tone]
        times += [tone + again * PERIOD for again in range(1, _ENDS)]
        self._marker = 0x80
        for at in times:
            end = 0x80 if at >= tone else 0
            units = min(min(at, tone) * place.rate // 1000, 0xFFFF)
            body = _event.pack(event, end | _VOLUME, units)
            yield self._packet(start + at, start, place.payloadType, body)

    def _packet(self, at: int, since: int, payloadType: int, body: bytes) -> Packet:
        """
        @param since: milliseconds that the timestamp says.
        """
        header = _header.pack(
            0x80,
            self._marker | payloadType,
            self._sequence,
            (self._timestamp + since * self._place.rate // 1000) & 0xFFFFFFFF,
            self._source,
        )
        self._marker = 0
        self._sequence = (self._sequence + 1) & 0xFFFF
        return Packet(at, header + body)
