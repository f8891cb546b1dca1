"""
One value of a Via header (RFC 3261 section 20.42, RFC 3581).
"""

from __future__ import annotations

import re

from attrs import frozen

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.grammar import HOST, TOKEN, portNumber
from sipcluster.sip.parameters import NONE, Parameters

_via = re.compile(
    rb"[sS][iI][pP][ \t]*/[ \t]*[0-9]+\.[0-9]+[ \t]*/[ \t]*(" + TOKEN + rb")"
    rb"[ \t]+(" + HOST + rb")(?:[ \t]*:[ \t]*([0-9]*))?[ \t]*(;.*)?",
    re.DOTALL,
).fullmatch

# The same as nearly everyone writes it, with parameters that need no look.
_plainVia = re.compile(
    rb"SIP/2\.0/([A-Z]+) ([A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\])"
    rb'(?::([1-9][0-9]{0,3}|[1-5][0-9]{4}))?((?:;[^\x00-\x20"]*)?)'
).fullmatch

#: What a branch of RFC 3261 begins with.
MAGIC_COOKIE = b"z9hG4bK"


@frozen
class Via:
    """
    Where a message came through.

    @ivar transport: in capitals.
    @ivar host: as spelled; an IPv6 address has its brackets.
    @ivar port: 0 when none is given.
    """

    transport: bytes
    host: bytes
    port: int = 0
    parameters: Parameters = NONE

    @classmethod
    def parse(cls, value: bytes) -> Via:
        """
        Read one value, unfolded.

        @raise MalformedMessage: it is none.
        """
        match = _plainVia(value)
        if match is not None:
            transport, host, port, parameters = match.groups()
            return cls(
                transport,
                host,
                int(port) if port else 0,
                Parameters.plain(parameters) if parameters else NONE,
            )
        match = _via(value)
        if match is None:
            raise MalformedMessage("bad Via", value)
        transport, host, port, parameters = match.groups()
        return cls(
            transport.upper(),
            host,
            portNumber(port) if port else 0,
            Parameters.parse(parameters) if parameters else NONE,
        )

    @property
    def sentBy(self) -> bytes:
        """
        C{host} or C{host:port}, as given.
        """
        return b"%b:%d" % (self.host, self.port) if self.port else self.host

    @property
    def bareHost(self) -> str:
        """
        The host in lower case and without brackets, for sockets and names.
        """
        return self.host.strip(b"[]").lower().decode("ascii")

    @property
    def branch(self) -> bytes:
        """
        The C{branch} parameter; empty when there is none.
        """
        return self.parameters.get(b"branch") or b""

    @property
    def received(self) -> bytes:
        """
        The C{received} address without brackets; empty when there is none
        (RFC 5118 section 4.5).
        """
        return (self.parameters.get(b"received") or b"").strip(b"[]")

    @property
    def rport(self) -> int | None:
        """
        The C{rport} parameter: L{None} when it is not there, 0 when it has no
        value yet or one that is no port (RFC 3581).
        """
        value = self.parameters.get(b"rport")
        if value is None:
            return None
        if not value.isdigit() or len(value) > 5 or int(value) > 65535:
            return 0
        return int(value)

    def with_(self, name: bytes, value: bytes | None) -> Via:
        """
        The same Via with a parameter set; L{None} makes a flag.
        """
        parameters = self.parameters.with_(name, value)
        return Via(self.transport, self.host, self.port, parameters)

    def render(self) -> bytes:
        """
        Write it.
        """
        return b"SIP/2.0/%b %b%b" % (
            self.transport,
            self.sentBy,
            self.parameters.render(),
        )
