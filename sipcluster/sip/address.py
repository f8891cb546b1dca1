"""
C{name-addr} and C{addr-spec}: From, To, Contact, Route, Record-Route, Path.
"""

from __future__ import annotations

import re

from attrs import frozen

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.grammar import MAX_UNSIGNED, clampedNumber, quote, unquote
from sipcluster.sip.parameters import NONE, Parameters
from sipcluster.sip.uri import URI, OtherURI, parseURI

_quoted = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL).match
_qvalue = re.compile(rb"([0-9]{0,4})(\.[0-9]{0,9})?[0-9]*").fullmatch

#: What an C{expires} parameter that is no number counts as (RFC 3261 section
#: 10.2.1.1).
_EXPIRES_WHEN_BAD = 3600


@frozen
class Address:
    """
    Someone's address, with the parameters of the header around it.

    @ivar display: the display name without quotes and escapes; may be empty.
    @ivar parameters: of the header, not of the URI.
    """

    uri: URI
    display: bytes = b""
    parameters: Parameters = NONE

    @classmethod
    def parse(cls, value: bytes) -> Address:
        """
        Read one value, unfolded.

        Display names without quotes are read whatever they hold.  A URI
        without angle brackets may have no parameters of its own: they are the
        header's (RFC 3261 section 20.10).

        @raise MalformedMessage: it is none.
        """
        value = value.strip()
        start = 0
        display = b""
        if value[:1] == b'"':
            match = _quoted(value)
            if match is None:
                raise MalformedMessage("unclosed quoted string", value)
            start = match.end()
            display = unquote(match[0])
        left = value.find(b"<", start)
        if left < 0:
            if start:
                raise MalformedMessage("display name without angle brackets", value)
            return cls._addrSpec(value)
        between = value[start:left].strip()
        if not start:
            display = between
        elif between:
            raise MalformedMessage("bytes after the display name", value)
        if b'"' in between:
            raise MalformedMessage("stray quote in a display name", value)
        right = value.find(b">", left)
        if right < 0:
            raise MalformedMessage("unclosed angle bracket", value)
        parameters = NONE
        rest = value[right + 1 :].lstrip()
        if rest:
            if rest[:1] != b";":
                raise MalformedMessage("bytes after the angle bracket", value)
            parameters = Parameters.parse(rest)
        return cls(parseURI(value[left + 1 : right]), display, parameters)

    @classmethod
    def _addrSpec(cls, value: bytes) -> Address:
        if value == b"*":
            return STAR
        uri, semicolon, parameters = value.partition(b";")
        if b"?" in uri or b"," in uri:
            raise MalformedMessage("this URI needs angle brackets", value)
        return cls(
            parseURI(uri.rstrip()), b"", Parameters.parse(semicolon + parameters)
        )

    @property
    def wildcard(self) -> bool:
        """
        Whether this is the C{*} of C{Contact: *}.
        """
        return isinstance(self.uri, OtherURI) and not self.uri.scheme

    @property
    def tag(self) -> bytes:
        """
        The C{tag} parameter; empty when there is none.
        """
        return self.parameters.get(b"tag") or b""

    @property
    def q(self) -> float:
        """
        The C{q} parameter, from 0 to 1; 1 when there is none or it is no number.
        """
        value = self.parameters.get(b"q")
        match = _qvalue(value.strip()) if value else None
        if match is None:
            return 1.0
        return min(1.0, float(b"0" + match[1] + (match[2] or b"")))

    @property
    def expires(self) -> int | None:
        """
        The C{expires} parameter in seconds; L{None} when there is none; 3600
        when it is no number.
        """
        value = self.parameters.get(b"expires")
        if value is None:
            return None
        try:
            return clampedNumber(unquote(value), "expires", MAX_UNSIGNED)
        except MalformedMessage:
            return _EXPIRES_WHEN_BAD

    @property
    def instance(self) -> bytes:
        """
        C{+sip.instance} without quotes, or empty (RFC 5626 section 4.1).
        """
        return self.parameters.text(b"+sip.instance")

    def with_(self, name: bytes, value: bytes | None) -> Address:
        """
        The same address with a header parameter set; L{None} makes a flag.
        """
        return Address(self.uri, self.display, self.parameters.with_(name, value))

    def without(self, name: bytes) -> Address:
        """
        The same address without a header parameter.
        """
        return Address(self.uri, self.display, self.parameters.without(name))

    def render(self) -> bytes:
        """
        Write it, always with angle brackets, the display name in quotes.
        """
        if self.wildcard:
            return b"*"
        display = quote(self.display) + b" " if self.display else b""
        return b"%b<%b>%b" % (display, self.uri.render(), self.parameters.render())


#: C{Contact: *}: all bindings (RFC 3261 section 10.2.2).
STAR = Address(OtherURI(b"", b"*"))
