"""
What leaves a host, packet by packet: run as a program on it, until SIGTERM.
"""

from __future__ import annotations

import json
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

#: All protocols: what leaves is shown to nobody who asks for one.
_ALL = 0x0003
_IPV4 = 0x0800
_OUTGOING = 4
_TCP, _UDP = 6, 17

#: Bytes of a payload that are kept.
_KEPT = 1500

#: Ports of T-Library.
_TLIBRARY = (3000, 3001)


class _End(Exception):
    """
    It is time to end.
    """


def _end(*_: object) -> None:
    raise _End


def packetOf(packet: bytes) -> dict[str, Any] | None:
    """
    What is worth keeping of an IPv4 packet; L{None}: it carries no payload.
    """
    if len(packet) < 28 or packet[9] not in (_TCP, _UDP):
        return None
    start = (packet[0] & 15) * 4
    sender, receiver = struct.unpack_from(">HH", packet, start)
    length = 8 if packet[9] == _UDP else (packet[start + 12] >> 4) * 4
    begin = start + length
    end = struct.unpack_from(">H", packet, 2)[0]
    payload = packet[begin:end]
    if not payload.strip():
        return None  # also the blank lines that keep a flow open
    return {
        "protocol": "TCP" if packet[9] == _TCP else "UDP",
        "to": socket.inet_ntoa(packet[16:20]),
        "from port": sender,
        "to port": receiver,
        "text": payload[:_KEPT].decode("latin-1"),
    }


def watch(out: TextIO, started: Path) -> None:
    """
    Write down what leaves by any interface but loopback.
    """
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL))
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 25)
    signal.signal(signal.SIGTERM, _end)
    started.touch()
    try:
        while True:
            packet, (interface, protocol, direction, *_) = wire.recvfrom(65536)
            if (protocol, direction) != (_IPV4, _OUTGOING) or interface == "lo":
                continue
            found = packetOf(packet)
            if found is not None:
                out.write(json.dumps({"time": time.time(), **found}) + "\n")
    except _End:
        out.flush()


def read(file: Path) -> list[dict[str, Any]]:
    """
    Read what L{watch} wrote.
    """
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def kindOf(packet: Mapping[str, Any]) -> str:
    """
    What a packet of a member is.
    """
    if packet["protocol"] == "TCP":
        return "T-Library" if packet["from port"] in _TLIBRARY else "TCP"
    text = str(packet["text"])
    first = text.split("\r\n", 1)[0]
    if not first.startswith("SIP/2.0 "):
        return f"request {first.split(' ', 1)[0]}"
    code = first.split(" ")[1]
    method = next(
        (line.split()[-1] for line in text.split("\r\n") if line.startswith("CSeq:")),
        "?",
    )
    return f"response {code} to {method}"


def ofPrimary(packets: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """
    Those that only a primary may send: all SIP but answers to OPTIONS, refusals with
    503, and its own OPTIONS; and all T-Library.
    """
    return [packet for packet in packets if not _ofBackup(kindOf(packet))]


def _ofBackup(kind: str) -> bool:
    if kind.startswith("request "):
        return kind == "request OPTIONS"
    if kind.startswith("response "):
        return kind.startswith("response 503 ") or kind.endswith(" to OPTIONS")
    return kind != "T-Library"


if __name__ == "__main__":
    with open(sys.argv[1], "w", encoding="utf-8") as _out:
        watch(_out, Path(sys.argv[1]).with_suffix(".started"))
