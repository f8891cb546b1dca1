"""
The other end of a trunk: it answers OPTIONS, so that members see SIP come in.

    python -m tests.survive.trunk ADDRESS PORT
"""

from __future__ import annotations

import socket
import sys

#: Fields that an answer repeats.
_REPEATED = (b"via", b"from", b"to", b"call-id", b"cseq")


def answer(request: bytes) -> bytes:
    """
    200 to OPTIONS; nothing to anything else.
    """
    lines = request.split(b"\r\n")
    if not lines[0].startswith(b"OPTIONS "):
        return b""
    kept = [
        line + (b";tag=trunk" if line.lower().startswith(b"to:") else b"")
        for line in lines[1:]
        if line.split(b":", 1)[0].strip().lower() in _REPEATED
    ]
    return b"\r\n".join([b"SIP/2.0 200 OK", *kept, b"Content-Length: 0", b"", b""])


def main(address: str, port: str) -> None:
    """
    Answer until killed.
    """
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wire.bind((address, int(port)))
    while True:
        request, sender = wire.recvfrom(65536)
        if said := answer(request):
            wire.sendto(said, sender)


if __name__ == "__main__":
    main(*sys.argv[1:])
