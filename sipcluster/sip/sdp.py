"""
Session descriptions (RFC 8866), only what is read or rewritten.

Everything that is not named here goes through byte for byte, line ends
included.
"""

from __future__ import annotations

import re

from attrs import frozen

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.grammar import clampedNumber, number

SENDRECV = b"sendrecv"
SENDONLY = b"sendonly"
RECVONLY = b"recvonly"
INACTIVE = b"inactive"

_DIRECTIONS = frozenset([SENDRECV, SENDONLY, RECVONLY, INACTIVE])

#: Addresses that mean hold in the manner of RFC 2543 (RFC 3264 section 8.4).
_NOWHERE = frozenset([b"0.0.0.0", b"::"])

_origin = re.compile(
    rb"^o=([^ \r\n]+) +([0-9]+) +([0-9]+) +([^ \r\n]+) +([^ \r\n]+) +([^ \r\n]+)"
    rb" *(?=\r?\n|\r?\Z)",
    re.MULTILINE,
)
_originLine = re.compile(rb"^o=[^\r\n]*", re.MULTILINE)

#: More media than this are no session description.
_MOST_MEDIA = 64


@frozen
class Origin:
    """
    The C{o=} line.

    @ivar sessionID: as spelled, digits.
    @ivar version: as a number.
    @ivar address: C{unicast-address}.
    """

    username: bytes
    sessionID: bytes
    version: int
    networkType: bytes
    addressType: bytes
    address: bytes


@frozen
class Media:
    """
    One C{m=} section.

    @ivar kind: C{b"audio"}, C{b"video"}, ...
    @ivar port: 0 when the stream is refused or ended.
    @ivar protocol: C{b"RTP/AVP"}, ...
    @ivar formats: as spelled.
    @ivar address: of its own C{c=} line or that of the session; may be empty.
    @ivar direction: its own or that of the session, C{sendrecv} when neither
        is given; an address of zeros turns C{sendrecv} into C{sendonly} and
        C{recvonly} into C{inactive}.
    """

    kind: bytes
    port: int
    protocol: bytes
    formats: tuple[bytes, ...]
    address: bytes
    direction: bytes

    @property
    def held(self) -> bool:
        """
        Whether the sender does not want to hear us.
        """
        return self.direction in (SENDONLY, INACTIVE)


def originOf(body: bytes) -> Origin:
    """
    Read the C{o=} line.

    @raise MalformedMessage: there is none, or it is bad.
    """
    match = _origin.search(body)
    if match is None:
        raise MalformedMessage("no o= line", body)
    user, session, version, network, kind, address = match.groups()
    return Origin(
        user,
        session,
        clampedNumber(version, "version", 2**64 - 1),
        network,
        kind,
        address,
    )


def withOrigin(
    body: bytes,
    sessionID: int | bytes | None = None,
    version: int | None = None,
    username: bytes | None = None,
) -> bytes:
    """
    Put other words into the C{o=} line and leave the rest as it is.

    @param sessionID: L{None} keeps what is there; so do the others.

    @raise MalformedMessage: there is no C{o=} line, or it is bad.
    """
    origin = originOf(body)
    if isinstance(sessionID, int):
        sessionID = b"%d" % sessionID
    line = b"o=%b %b %d %b %b %b" % (
        origin.username if username is None else username,
        origin.sessionID if sessionID is None else sessionID,
        origin.version if version is None else version,
        origin.networkType,
        origin.addressType,
        origin.address,
    )
    match = _originLine.search(body)
    assert match is not None
    return body[: match.start()] + line + body[match.end() :]


def sameSession(one: bytes, other: bytes) -> bool:
    """
    Whether two descriptions differ in nothing but the C{o=} line.
    """
    return _originLine.sub(b"o=", one, 1) == _originLine.sub(b"o=", other, 1)


def mediaOf(body: bytes) -> tuple[Media, ...]:
    """
    Read the C{m=} sections.

    @raise MalformedMessage: one is bad, or they are too many.
    """
    sections = re.split(rb"^(?=m=)", body, flags=re.MULTILINE)
    if len(sections) > _MOST_MEDIA + 1:
        raise MalformedMessage("too many media")
    address, direction = _common(sections[0], b"", SENDRECV)
    return tuple(_media(section, address, direction) for section in sections[1:])


def directionOf(body: bytes) -> bytes:
    """
    The direction of the first stream that is not refused; C{inactive} when
    there is none.

    @raise MalformedMessage: a media line is bad.
    """
    for media in mediaOf(body):
        if media.port:
            return media.direction
    return INACTIVE


def _common(section: bytes, address: bytes, direction: bytes) -> tuple[bytes, bytes]:
    for line in section.splitlines():
        if line[:2] == b"c=":
            words = line[2:].split()
            if len(words) == 3:
                address = words[2].partition(b"/")[0]
        elif line[:2] == b"a=" and line[2:].strip() in _DIRECTIONS:
            direction = line[2:].strip()
    return address, direction


def _media(section: bytes, address: bytes, direction: bytes) -> Media:
    line = section.splitlines()[0]
    words = line[2:].split()
    if len(words) < 3:
        raise MalformedMessage("bad m= line", line)
    port = number(words[1].partition(b"/")[0], "media port", 65535)
    address, direction = _common(section, address, direction)
    if address in _NOWHERE:
        direction = {SENDRECV: SENDONLY, RECVONLY: INACTIVE}.get(direction, direction)
    return Media(words[0], port, words[2], tuple(words[3:]), address, direction)
