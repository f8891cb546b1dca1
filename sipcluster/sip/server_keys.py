"""
What server transactions are found by (RFC 3261 section 17.2.3).
"""

from __future__ import annotations

from sipcluster.sip.message import Request
from sipcluster.sip.via import MAGIC_COOKIE

Key = tuple[object, ...]


def _isUnique(branch: bytes) -> bool:
    """
    Whether a branch names its transaction (RFC 3261 section 8.1.1.7).  The
    cookie alone does not.
    """
    return len(branch) > len(MAGIC_COOKIE) and branch.startswith(MAGIC_COOKIE)


def serverKey(request: Request, method: bytes) -> Key:
    """
    What a server transaction is found by.

    @param method: the method of the transaction: INVITE to find what an ACK or a
        CANCEL is about.
    """
    via = request.via
    branch = via.branch
    if _isUnique(branch):
        return (branch, method, via.host.lower(), via.port)
    return oldKey(request, method, request.toTag)


def oldKey(request: Request, method: bytes, toTag: bytes) -> Key:
    """
    The same for an RFC 2543 peer, whose branch says nothing.
    """
    return (
        request.uri,
        method,
        toTag,
        request.fromTag,
        request.callID,
        request.cseq.number,
        request.headers.values(b"Via")[0],
    )
