"""
Bindings as they stand in the cluster store.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from sipcluster.registrar.iregistrar import Binding

#: Under this all registrations are kept.
PREFIX = b"/sipcluster/reg/"

_VERSION = 1


class BadRecord(Exception):
    """
    A record that is none of ours, or of a release that writes them otherwise.
    """


class _Record(msgspec.Struct, array_like=True, frozen=True):
    """
    The order is the format: a later release may add fields at the end, which
    this one leaves aside, and finds some missing in what this one wrote.
    """

    version: int
    contact: bytes
    aor: bytes
    callID: bytes
    cseq: int
    expiresAt: float
    q: float = 1.0
    instance: bytes = b""
    path: tuple[bytes, ...] = ()
    proxy: str = ""
    flow: bytes = b""
    transport: str = "UDP"
    received: tuple[str, int] | None = None
    userAgent: bytes = b""
    contactParameters: bytes = b""
    regID: int = 0
    updatedAt: float = 0.0


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Record)


def keyOf(binding: Binding) -> bytes:
    """
    Where a binding stands: readable to the address-of-record, then what tells
    its bindings apart.
    """
    name = blake2b(binding.identity, digest_size=8).hexdigest()
    return b"%b%b/%b" % (PREFIX, binding.aor, name.encode("ascii"))


def encode(binding: Binding) -> bytes:
    """
    Write a binding.
    """
    b = binding
    return _encoder.encode(
        (
            *(_VERSION, b.contact, b.aor, b.callID, b.cseq, b.expiresAt, b.q),
            *(b.instance, b.path, b.proxy, b.flow, b.transport, b.received),
            *(b.userAgent, b.contactParameters, b.regID, b.updatedAt),
        )
    )


def decode(value: bytes) -> Binding:
    """
    Read a binding.

    @raise BadRecord: it is none.
    """
    try:
        r = _decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as e:
        raise BadRecord(str(e)) from e
    return Binding(
        *(r.contact, r.aor, r.callID, r.cseq, r.expiresAt, r.q, r.instance, r.path),
        *(r.proxy, r.flow, r.transport, r.received, r.userAgent),
        *(r.contactParameters, r.regID, r.updatedAt),
    )
