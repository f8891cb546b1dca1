"""
Branches that every SIP Proxy of the cluster gives alike (RFC 3261 section 16.11).
"""

from __future__ import annotations

import zlib
from hashlib import blake2b
from hmac import compare_digest, digest
from typing import TYPE_CHECKING

from sipcluster.sip.message import Request, Response
from sipcluster.sip.via import MAGIC_COOKIE, Via

if TYPE_CHECKING:
    from collections.abc import Container

    from sipcluster.sipproxy.destinations import Destination, Hop

#: What makes the key of branches another one than that of flow tokens.
_PURPOSE = b"branches of SIP Proxies"

#: Bytes of the code in a branch; it is written with twice as many digits.
_CODE = 10
_COOKIE = len(MAGIC_COOKIE)
_REST = _COOKIE + 2 * _CODE

#: Length of a branch: the cookie, the code, where the request went, and by what it is
#: known when it comes here again.
LENGTH = _REST + 8 + 8


class Branches:
    """
    Computes the branch of a request that is forwarded: a code over what tells this
    request from all others, and over where its responses go back to.

    So a process that knows nothing of a request, but has the secret, gives its
    repetition, its CANCEL and its ACK the branch that it had before; and a response
    that comes with such a branch was asked for, by whom the Via below says.

    @ivar shared: whether the secret is the one of the whole cluster.
    """

    __slots__ = ("_keyed", "_pairHosts", "shared")

    def __init__(self, secret: bytes, pairHosts: Container[bytes] = ()) -> None:
        """
        @param secret: any; see L{agree}.
        @param pairHosts: names in Via that stand for a pair: its responses go to
            who is primary then, wherever the request came from.
        """
        self.shared = False
        self._pairHosts = pairHosts
        self._key(secret)

    def agree(self, secret: bytes) -> None:
        """
        Go on with the secret of the cluster.
        """
        self._key(secret)
        self.shared = True

    def _key(self, secret: bytes) -> None:
        key = digest(secret, _PURPOSE, "sha256")
        self._keyed = blake2b(digest_size=_CODE, key=key)

    def of(self, request: Request, place: bytes, loopKey: bytes) -> bytes:
        """
        The branch of a request that is forwarded.

        The method is not in it (section 16.6 step 8): CANCEL and ACK have the
        branch of their INVITE.

        @param request: as it came.
        @param place: L{placeOf} where it goes.
        @param loopKey: ends the branch.
        """
        rest = place + loopKey
        code = self._code(
            request.via, request.callID, request.fromTag, request.cseq.number, rest
        )
        return MAGIC_COOKIE + code + rest

    def verifies(self, response: Response) -> bool:
        """
        Whether a SIP Proxy of the cluster has given the top branch of a response,
        to a request that came with the Via below.

        @raise MalformedMessage: it cannot be read.
        """
        vias = response.vias
        branch = vias[0].branch
        if len(vias) < 2 or len(branch) != LENGTH:
            return False
        code = self._code(
            vias[1],
            response.callID,
            response.fromTag,
            response.cseq.number,
            branch[_REST:],
        )
        return compare_digest(branch[:_REST], MAGIC_COOKIE + code)

    def _code(
        self, via: Via, callID: bytes, fromTag: bytes, number: int, rest: bytes
    ) -> bytes:
        # Where responses go comes before what peers choose freely.
        host = via.host.lower()
        received, rport = via.received, via.rport
        if host in self._pairHosts:
            received, rport = b"", None
        elif via.transport != b"UDP":
            rport = None  # a caller that connects anew has another port
        keyed = self._keyed.copy()
        keyed.update(
            b"%b %d %b %d %b %d\0%b\0%b\0%b"
            % (
                rest,
                number,
                host,
                via.port,
                received,
                -1 if rport is None else rport,
                via.branch,
                fromTag,
                callID,
            )
        )
        return keyed.hexdigest().encode()


def placeOf(destination: Destination, hop: Hop) -> bytes:
    """
    What tells the places apart that one request is sent to: the contact, the pair,
    or the address.
    """
    if destination.uri and not destination.located:
        return contactPlace(destination)
    if hop.member is not None:
        return b"%08x" % zlib.crc32(hop.member.pair.encode())
    target = hop.target
    text = f"{target.transportName} {target.host} {target.port}"
    return b"%08x" % zlib.crc32(text.encode() + destination.uri)


def contactPlace(destination: Destination) -> bytes:
    """
    The place of a contact, unless it was located by name.
    """
    return b"%08x" % zlib.crc32(destination.uri)


def placeIn(branch: bytes) -> bytes:
    """
    The place in a branch that verifies.
    """
    return branch[_REST : _REST + 8]


def loopKeyIn(branch: bytes) -> bytes:
    """
    What such a branch ends with.
    """
    return branch[_REST + 8 :]
