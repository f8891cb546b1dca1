"""
Digits in INFO requests.
"""

from __future__ import annotations

import re

_signal = re.compile(rb"^Signal[ \t]*=[ \t]*([0-9A-Da-d*#]{1,2})[ \t]*\r?$", re.M)

#: Numbers beyond the digits (RFC 4733 section 3.2).
_NUMBERED = {b"10": "*", b"11": "#", b"12": "A", b"13": "B", b"14": "C", b"15": "D"}


def digitOf(contentType: bytes, body: bytes) -> str:
    """
    The digit that an INFO carries.

    @param contentType: C{application/dtmf-relay} or C{application/dtmf}.

    @return: C{""}: there is none.
    """
    if len(body) > 1024:
        return ""
    if contentType == b"application/dtmf-relay":
        found = _signal.search(body)
        word = b"" if found is None else found[1]
    else:
        word = body.strip()
    if word in _NUMBERED:
        return _NUMBERED[word]
    if len(word) == 1 and word.upper() in b"0123456789ABCD*#":
        return word.decode().upper()
    return ""
