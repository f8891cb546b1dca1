"""
Offer and answer of one audio stream (RFC 3264), as a media server makes them.
"""

from __future__ import annotations

import ipaddress
import re

from attrs import frozen

from sipcluster.media.imedia import Codec, NotAcceptable
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.sdp import INACTIVE, RECVONLY, SENDONLY, SENDRECV, Media, mediaOf

#: Payload type of events in our offers.
EVENTS = 101

#: Bytes of a description at most.
LONGEST = 16384

#: What we answer to each direction.
_MIRRORED = {
    SENDRECV: SENDRECV,
    SENDONLY: RECVONLY,
    RECVONLY: SENDONLY,
    INACTIVE: INACTIVE,
}

_NAMES = {b"PCMU": Codec.PCMU, b"PCMA": Codec.PCMA}

_split = re.compile(rb"^(?=m=)", re.MULTILINE)


@frozen
class Agreed:
    """
    What both ends do.

    @ivar host: where the far end receives; C{""}: nowhere.
    @ivar control: where it receives RTCP; port 0: nowhere.
    @ivar codecs: with their payload types, the one that we send first.
    @ivar events: payload type of events; L{None}: there are none.
    @ivar frame: samples in each packet that we send.
    @ivar sending: we send.
    @ivar receiving: the far end sends.
    @ivar multiplexed: RTCP goes where RTP goes (RFC 5761).
    """

    host: str
    port: int
    control: tuple[str, int]
    codecs: tuple[tuple[Codec, int], ...]
    events: int | None
    frame: int
    sending: bool
    receiving: bool
    multiplexed: bool = False


@frozen
class Description:
    """
    A description of the far end.

    @ivar streams: all of them, since each needs an answer.
    @ivar chosen: the number of the one that we take.
    """

    streams: tuple[Media, ...]
    chosen: int
    agreed: Agreed
    direction: bytes


def understand(body: bytes) -> Description:
    """
    Find the audio that we can have.

    @raise NotAcceptable: there is none, or the description is bad.
    """
    if len(body) > LONGEST:
        raise NotAcceptable("the description is too long")
    try:
        streams = mediaOf(body)
    except MalformedMessage as e:
        raise NotAcceptable(str(e)) from e
    sections = _split.split(body)
    for number, media in enumerate(streams):
        if media.kind != b"audio" or not media.port or media.protocol != b"RTP/AVP":
            continue
        agreed = _agreed(media, sections[number + 1], sections[0])
        if agreed is not None:
            return Description(streams, number, agreed, media.direction)
    raise NotAcceptable("no audio that we can have")


def _attributes(section: bytes) -> list[tuple[bytes, bytes]]:
    found = []
    for line in section.splitlines():
        if line[:2] == b"a=":
            name, _, value = line[2:].strip().partition(b":")
            found.append((name.lower(), value.strip()))
    return found


def _agreed(media: Media, section: bytes, session: bytes) -> Agreed | None:
    attributes = _attributes(section)
    names: dict[bytes, bytes] = {b"0": b"PCMU/8000", b"8": b"PCMA/8000"}
    packet, longest = 20, 200
    control, multiplexed = b"", False
    for name, value in attributes:
        if name == b"rtpmap":
            number, _, what = value.partition(b" ")
            names[number] = what.strip().upper()
        elif name == b"ptime":
            packet = _milliseconds(value, packet)
        elif name == b"maxptime":
            longest = _milliseconds(value, longest)
        elif name == b"rtcp":
            control = value
        elif name == b"rtcp-mux":
            multiplexed = True
    codecs: list[tuple[Codec, int]] = []
    events = None
    for form in media.formats:
        if not form.isdigit() or len(form) > 3 or int(form) > 127:
            continue
        words = names.get(form, b"").split(b"/")
        if words[1:2] != [b"8000"] or words[2:3] not in ([], [b"1"]):
            continue
        codec = _NAMES.get(words[0])
        if codec is not None and all(codec is not each for each, _ in codecs):
            codecs.append((codec, int(form)))
        elif words[0] == b"TELEPHONE-EVENT" and events is None:
            events = int(form)
    host = _address(media.address)
    if not codecs or host is None:
        return None
    packet = max(10, min(packet, longest, 60) // 10 * 10)
    nowhere = media.direction in (SENDONLY, INACTIVE) or not host
    return Agreed(
        host=host,
        port=media.port,
        control=_control(control, host, media.port, multiplexed),
        codecs=tuple(codecs),
        events=events,
        frame=packet * 8,
        sending=not nowhere,
        receiving=media.direction in (SENDRECV, SENDONLY),
        multiplexed=multiplexed,
    )


def _milliseconds(value: bytes, otherwise: int) -> int:
    value = value.partition(b".")[0]
    if not value.isdigit() or len(value) > 4 or not int(value):
        return otherwise
    return int(value)


def _address(address: bytes) -> str | None:
    """
    @return: C{""}: nowhere; L{None}: no address.
    """
    try:
        found = ipaddress.ip_address(address.decode("ascii"))
    except (UnicodeDecodeError, ValueError):
        return None
    if found.is_multicast:
        return None
    return "" if found.is_unspecified else str(found)


def _control(value: bytes, host: str, port: int, multiplexed: bool) -> tuple[str, int]:
    if multiplexed:
        return host, port
    words = value.split()
    if words and words[0].isdigit() and len(words[0]) <= 5 and int(words[0]) < 65536:
        other = _address(words[3]) if len(words) == 4 else None
        return other or host, int(words[0])
    return host, port + 1 if port < 65535 else 0


@frozen
class Ours:
    """
    Our end, for descriptions.

    @ivar session: number of the session in C{o=}.
    @ivar version: of the description.
    """

    host: str
    port: int
    control: int
    session: int
    version: int

    def _head(self) -> bytes:
        family = b"IP6" if ":" in self.host else b"IP4"
        address = self.host.encode("ascii")
        return b"v=0\r\no=media %d %d IN %b %b\r\ns=-\r\nc=IN %b %b\r\nt=0 0\r\n" % (
            self.session,
            self.version,
            family,
            address,
            family,
            address,
        )

    def _stream(
        self,
        codecs: tuple[tuple[Codec, int], ...],
        events: int | None,
        direction: bytes,
        milliseconds: int,
        multiplexed: bool,
    ) -> bytes:
        formats = [number for _, number in codecs]
        lines = [
            b"a=rtpmap:%d %b/8000" % (number, codec.name.encode())
            for codec, number in codecs
        ]
        if events is not None:
            formats.append(events)
            lines.append(b"a=rtpmap:%d telephone-event/8000" % events)
            lines.append(b"a=fmtp:%d 0-15" % events)
        lines.append(b"a=ptime:%d" % milliseconds)
        if multiplexed:
            lines.append(b"a=rtcp-mux")
        elif self.control != self.port + 1:
            lines.append(b"a=rtcp:%d" % self.control)
        lines.append(b"a=" + direction)
        first = b"m=audio %d RTP/AVP %b" % (
            self.port,
            b" ".join(b"%d" % number for number in formats),
        )
        return b"\r\n".join([first, *lines, b""])

    def offer(self, agreed: Agreed | None) -> bytes:
        """
        Offer all that we have.

        @param agreed: what there is; its payload types stay as they are
            (RFC 3264 section 8.3.2).
        """
        numbers = {codec: codec.value for codec in Codec}
        events, frame, multiplexed = EVENTS, 160, False
        order = list(Codec)
        if agreed is not None:
            numbers.update(dict(agreed.codecs))
            order.sort(key=[each for each, _ in agreed.codecs][:1].count, reverse=True)
            if agreed.events is not None:
                events = agreed.events
            frame, multiplexed = agreed.frame, agreed.multiplexed
        codecs = tuple((codec, numbers[codec]) for codec in order)
        if events in [number for _, number in codecs]:
            events = EVENTS
        return self._head() + self._stream(
            codecs, events, SENDRECV, frame // 8, multiplexed
        )

    def answer(self, description: Description) -> bytes:
        """
        Answer an offer: the chosen stream, and none of the others.
        """
        agreed = description.agreed
        body = self._head()
        for number, media in enumerate(description.streams):
            if number == description.chosen:
                body += self._stream(
                    agreed.codecs,
                    agreed.events,
                    _MIRRORED[description.direction],
                    agreed.frame // 8,
                    agreed.multiplexed,
                )
            else:
                body += b"m=%b 0 %b %b\r\n" % (
                    media.kind,
                    media.protocol,
                    b" ".join(media.formats) or b"0",
                )
        return body
