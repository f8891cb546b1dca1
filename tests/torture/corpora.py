"""
The messages of RFC 4475 and RFC 5118, as they go over the wire.
"""

from __future__ import annotations

import re
from pathlib import Path

_HERE = Path(__file__).parent


def rfc4475() -> dict[str, bytes]:
    """
    By name: each file is one datagram.
    """
    return {
        path.stem: path.read_bytes()
        for path in sorted((_HERE / "rfc4475").glob("*.dat"))
    }


def rfc5118() -> dict[str, bytes]:
    """
    By name.  The files have bare line feeds, two lack the empty line, and
    lengths are not always right: see README.txt beside them.
    """
    messages = {}
    for path in sorted((_HERE / "rfc5118").glob("*.dat")):
        text = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        head, _, body = text.partition(b"\r\n\r\n")
        length = b"Content-Length: %d" % len(body)
        head = re.sub(rb"Content-Length: *\d+", length, head.rstrip(b"\r\n"))
        messages[path.stem] = head + b"\r\n\r\n" + body
    return messages
