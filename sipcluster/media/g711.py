"""
G.711: linear samples of 16 bits and the bytes of u-law and a-law.

The tables are made once, from the definition; all else looks up.
"""

from __future__ import annotations

from array import array

from sipcluster.media.imedia import Codec

#: Added to a u-law magnitude, so that all segments have the same shape.
_BIAS = 0x84
_CLIP = 32635


def _fromU(byte: int) -> int:
    byte = ~byte & 0xFF
    magnitude = (((byte & 0x0F) << 3) + _BIAS << (byte >> 4 & 7)) - _BIAS
    return -magnitude if byte & 0x80 else magnitude


def _toU(sample: int) -> int:
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), _CLIP) + _BIAS
    segment = magnitude.bit_length() - 8
    return ~(sign | segment << 4 | magnitude >> segment + 3 & 0x0F) & 0xFF


def _fromA(byte: int) -> int:
    byte ^= 0x55
    segment = byte >> 4 & 7
    magnitude = (byte & 0x0F) << 4 | 8
    if segment:
        magnitude = magnitude + 0x100 << segment - 1
    return magnitude if byte & 0x80 else -magnitude


def _toA(sample: int) -> int:
    # Magnitudes of negative ones begin at -1, as there are two zeros.
    sign, magnitude = (0x80, sample) if sample >= 0 else (0, ~sample)
    segment = max(0, magnitude.bit_length() - 8)
    mantissa = magnitude >> (segment + 3 if segment else 4) & 0x0F
    return (sign | segment << 4 | mantissa) ^ 0x55


#: The sample of each byte.
LINEAR: dict[Codec, array[int]] = {
    Codec.PCMU: array("h", map(_fromU, range(256))),
    Codec.PCMA: array("h", map(_fromA, range(256))),
}

#: The byte of each sample; that of a negative one is at 65536 plus it, which is also
#: where Python and an unsigned view look for it.
ENCODED: dict[Codec, bytes] = {
    codec: bytes(map(to, [*range(32768), *range(-32768, 0)]))
    for codec, to in ((Codec.PCMU, _toU), (Codec.PCMA, _toA))
}

#: The byte of each byte in the other law, for L{bytes.translate}.
OTHER: dict[Codec, bytes] = {
    codec: bytes(ENCODED[to][sample] for sample in LINEAR[codec])
    for codec, to in ((Codec.PCMU, Codec.PCMA), (Codec.PCMA, Codec.PCMU))
}


def converted(data: bytes, codec: Codec, wanted: Codec) -> bytes:
    """
    The same audio in another law.
    """
    return data if codec is wanted else data.translate(OTHER[codec])


def decoded(data: bytes, codec: Codec) -> array[int]:
    """
    The samples of bytes.
    """
    table = LINEAR[codec]
    return array("h", [table[byte] for byte in data])


def encoded(samples: array[int], codec: Codec) -> bytes:
    """
    The bytes of samples.
    """
    table = ENCODED[codec]
    return bytes([table[sample] for sample in samples])
