"""
Challenges and credentials (RFC 3261 section 20, RFC 7616 section 3).
"""

from __future__ import annotations

from attrs import frozen

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.grammar import isToken, quote, unquote
from sipcluster.sip.parameters import splitOutsideQuotes

#: More parameters than this are no credentials.
_MOST = 64

#: Parameters that are written without quotes (RFC 7616 sections 3.3 and 3.4).
_UNQUOTED = frozenset([b"algorithm", b"stale", b"nc"])


@frozen(repr=False)
class AuthValue:
    """
    The value of a WWW-Authenticate, Proxy-Authenticate, Authorization or
    Proxy-Authorization field.

    @ivar scheme: in lower case, such as C{b"digest"}.
    @ivar parameters: by name in lower case, without quotes and escapes.
    """

    scheme: bytes
    parameters: dict[bytes, bytes]

    @classmethod
    def parse(cls, value: bytes) -> AuthValue:
        """
        Read one; a field holds only one, since its commas are its own.

        @raise MalformedMessage: it is none, or gives a parameter twice.
        """
        scheme, _, rest = value.strip().partition(b" ")
        if not isToken(scheme):
            raise MalformedMessage("no authentication scheme", scheme)
        parameters: dict[bytes, bytes] = {}
        try:
            pieces = splitOutsideQuotes(rest, b",", brackets=False)
        except MalformedMessage:
            # Not the bytes: they may be a secret of someone.
            raise MalformedMessage("unclosed quoted string") from None
        if len(pieces) > _MOST:
            raise MalformedMessage("too many authentication parameters")
        for piece in pieces:
            if not piece:
                continue
            name, equals, text = piece.partition(b"=")
            name = name.strip().lower()
            if not equals or not isToken(name):
                if scheme.lower() == b"digest":
                    raise MalformedMessage("bad authentication parameter")
                continue  # token68 of another scheme
            if name in parameters:
                raise MalformedMessage("authentication parameter twice", name)
            parameters[name] = unquote(text.strip())
        return cls(scheme.lower(), parameters)

    def get(self, name: bytes, default: bytes = b"") -> bytes:
        """
        One parameter.

        @param name: in lower case.
        """
        return self.parameters.get(name, default)

    def render(self) -> bytes:
        """
        Write it.  C{qop} is quoted in a challenge, where it is a list, and not
        in credentials, where it is one word.
        """
        bare = _UNQUOTED | {b"qop"} if b"response" in self.parameters else _UNQUOTED
        return (
            self.scheme.title()
            + b" "
            + b", ".join(
                b"%b=%b" % (name, text if name in bare else quote(text))
                for name, text in self.parameters.items()
            )
        )

    def __repr__(self) -> str:
        return f"<{self.scheme.decode()} for {self.get(b'realm')!r}>"
