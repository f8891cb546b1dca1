"""
SIP and T-Library messages as records of the log, and what must not stand in them.
"""

from __future__ import annotations

import re

import msgspec

_BRANCH = re.compile(r"(?i);\s*branch\s*=\s*([^\s;,]+)")

#: Values that no log may hold: digest responses and media keys.
_RESPONSE = re.compile(rb'(?i)(\bresponse\s*=\s*)(?:"[^"]*"?|[^\s,;"]+)')
_KEY = re.compile(rb"(?i)(\binline:)[^\s|;]+")


def masked(data: bytes) -> bytes:
    """
    A SIP message without its secrets: the C{response} of Authorization and
    Proxy-Authorization, and the keys of C{a=crypto} lines (RFC 4568).
    """
    lower = data.lower()
    if b"authorization" in lower:
        data = _RESPONSE.sub(rb'\1"***"', data)
    if b"inline:" in lower:
        data = _KEY.sub(rb"\1***", data)
    return data


class SIPRecord(msgspec.Struct, omit_defaults=True):
    """
    One SIP message in the record.
    """

    ts: str
    level: str
    ns: str
    app: str
    msg: str
    dir: str
    transport: str
    local: str
    remote: str
    text: str
    callID: str = ""
    callUUID: str = ""
    cseq: str = ""
    branch: str = ""


class TLibRecord(msgspec.Struct, omit_defaults=True):
    """
    One T-Library message in the record; an event that went to several clients is
    one.
    """

    ts: str
    level: str
    ns: str
    app: str
    msg: str
    dir: str
    local: str
    remote: str
    text: str
    connID: str = ""
    callUUID: str = ""
    dn: str = ""
    ref: int = 0


def place(address: tuple[str, int]) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _after(message: str, name: str) -> str:
    """
    The value of the first header that is spelled so; empty when there is none.
    """
    start = message.find(name)
    if start < 0:
        return ""
    start += len(name)
    return message[start : message.find("\r\n", start)].strip()


def identify(record: SIPRecord, message: str) -> None:
    """
    Fill in what tells which call and transaction a message belongs to.
    """
    record.callID = _after(message, "\r\nCall-ID:")
    record.cseq = _after(message, "\r\nCSeq:")
    via = _after(message, "\r\nVia:")
    session = _after(message, "\r\nSession-ID:")
    if not (record.callID and record.cseq and via):
        via = ""
        for line in message.partition("\r\n\r\n")[0].split("\r\n"):
            name, _, value = line.partition(":")
            key = name.rstrip().lower()
            if key in ("call-id", "i"):
                record.callID = record.callID or value.strip()
            elif key == "cseq":
                record.cseq = record.cseq or value.strip()
            elif key == "session-id":
                session = session or value
            elif key in ("via", "v"):
                via = via or value
    record.callUUID = session.partition(";")[0].strip()
    found = _BRANCH.search(via)
    record.branch = found[1] if found else ""
