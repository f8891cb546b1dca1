"""
SDP bodies on their way through: whose session they are, and whether they hold.

The two sides of a call see one body, but each leg is a session of its own: its
origin line has one session id for as long as the leg lives, and a version that
grows whenever what is sent has changed (RFC 3264 section 8), whatever comes in
from however many forks of the other side.
"""

from __future__ import annotations

import re

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.sdp import INACTIVE, RECVONLY, SENDONLY, SENDRECV, mediaOf

#: The one Content-Type of offers and answers here.
SDP = b"application/sdp"

_direction = re.compile(
    rb"^a=(?:sendrecv|sendonly|recvonly|inactive)[ \t]*(?:\r?\n|\Z)", re.MULTILINE
)
_connection = re.compile(rb"^c=[^\r\n]*", re.MULTILINE)
_mediaPort = re.compile(rb"^(m=[^ \r\n]+ +)[1-9][0-9]*(/[0-9]+)?(?= )", re.MULTILINE)
_mediaLine = re.compile(rb"^(?=m=)", re.MULTILINE)

#: Where a stream goes that is not to be sent (RFC 863).
_DISCARD = rb"\g<1>9"

#: Without one of these nothing holds; nearly every body is without.
_SUSPECT = (b"a=sendonly", b"a=inactive", b" 0.0.0.0", b" ::")


#: The direction of a stream, by whether it is sent, and listened to.
_WAYS = {
    (True, True): SENDRECV,
    (True, False): SENDONLY,
    (False, True): RECVONLY,
    (False, False): INACTIVE,
}


def isSessionDescription(body: bytes) -> bool:
    """
    Whether a body has what the rewriting of its origin needs: it begins with a
    version and has an origin line next (RFC 8866 section 5).
    """
    return body.startswith((b"v=0\r\no=", b"v=0\no="))


def _lineEnd(body: bytes) -> int:
    """
    Where the origin line ends; -1 when there is none.
    """
    end = body.find(b"\n", body.find(b"o="))
    return end - 1 if body[end - 1 : end] == b"\r" else end


class SessionOrigin:
    """
    The origin line of what one leg sends.

    @ivar address: network type, address type and address; never changes.
    @ivar sessionID: never changes.
    @ivar version: of the last body sent.
    @ivar sent: that body, without its origin line.
    """

    __slots__ = ("address", "sent", "sessionID", "version")

    def __init__(
        self, address: bytes, sessionID: int, version: int = 0, sent: bytes = b""
    ) -> None:
        """
        @param address: network type, address type and address, as in
            C{b"IN IP4 192.0.2.1"}.
        """
        self.address = address
        self.sessionID = sessionID
        self.version = version
        self.sent = sent

    @property
    def last(self) -> bytes:
        """
        The body that was sent last; C{b""} before the first.
        """
        if not self.sent:
            return b""
        line = b"v=0\r\no=- %d %d %b"
        return line % (self.sessionID, self.version, self.address) + self.sent

    def says(self, body: bytes) -> bool:
        """
        Whether a body of the other side is what was sent last.
        """
        return body[_lineEnd(body) :] == self.sent

    def rewrite(self, body: bytes) -> bytes:
        """
        Give a body of the other side this leg's origin line.
        """
        start = body.find(b"o=")
        end = _lineEnd(body)
        if not isSessionDescription(body) or end < 0:
            return body
        rest = body[end:]
        if rest != self.sent:
            self.sent = rest
            self.version += 1
        return b"%bo=- %d %d %b%b" % (
            body[:start],
            self.sessionID,
            self.version,
            self.address,
            rest,
        )


def holds(body: bytes) -> bool:
    """
    Whether whoever sent this wants to hear nothing: no stream that is used is
    one in which it listens.
    """
    if not any(word in body for word in _SUSPECT):
        return False
    try:
        streams = [media for media in mediaOf(body) if media.port]
    except MalformedMessage:
        return False
    return bool(streams) and all(media.held for media in streams)


def _directed(body: bytes, direction: bytes) -> bytes:
    """
    Give every stream a direction.
    """
    first, *streams = _mediaLine.split(body)
    end = b"\r\n" if b"\r\n" in body else b"\n"
    parts = [_direction.sub(b"", first)]
    for stream in streams:
        rest = _direction.sub(b"", stream)
        if not rest.endswith(b"\n"):
            rest += end
        parts.append(b"%ba=%b%b" % (rest, direction, end))
    return b"".join(parts)


def narrowed(body: bytes, sends: bool, listens: bool) -> bytes:
    """
    The same session, in which whoever says this sends nothing, or listens to nobody:
    no stream goes a way that it did not go.

    @param body: may be C{b""}, and stays so.
    """
    if not body or (sends and listens):
        return body
    try:
        directions = [media.direction for media in mediaOf(body)]
    except MalformedMessage:
        return silent(body)
    first, *streams = _mediaLine.split(body)
    end = b"\r\n" if b"\r\n" in body else b"\n"
    parts = [_direction.sub(b"", first)]
    for stream, direction in zip(streams, directions, strict=True):
        rest = _direction.sub(b"", stream)
        if not rest.endswith(b"\n"):
            rest += end
        left = _WAYS[
            sends and direction in (SENDRECV, SENDONLY),
            listens and direction in (SENDRECV, RECVONLY),
        ]
        parts.append(b"%ba=%b%b" % (rest, left, end))
    return b"".join(parts)


def silent(body: bytes) -> bytes:
    """
    The same session, in which nobody hears anybody (RFC 3264 section 8.4).

    @param body: may be C{b""}, and stays so.
    """
    return _directed(body, INACTIVE) if body else b""


def talking(body: bytes) -> bytes:
    """
    The same session, in which both sides speak and listen.
    """
    return _directed(body, SENDRECV)


def nothingYet(offer: bytes, address: bytes) -> bytes:
    """
    An answer to an offer when there is nobody yet who could talk (RFC 3725 section
    4.3): all streams are taken, and none is sent.

    @param address: as for L{SessionOrigin}.
    """
    answer = _connection.sub(b"c=" + address, silent(offer))
    return _mediaPort.sub(_DISCARD, answer)


def differ(one: bytes, other: bytes) -> bool:
    """
    Whether two descriptions of the same far end name other places or directions for
    its streams.
    """
    try:
        places = [
            [(media.kind, media.port, media.address, media.direction) for media in both]
            for both in (mediaOf(one), mediaOf(other))
        ]
    except MalformedMessage:
        return False
    return places[0] != places[1]
