"""
Digest authentication (RFC 3261 section 22, RFC 7616, RFC 8760).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence

from attrs import frozen

from sipcluster.sip.auth import AuthValue
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.grammar import unescape
from sipcluster.sip.uri import SIPURI, parseURI

#: Algorithms, strongest first, with their names in L{hashlib}.
ALGORITHMS = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}

_byName = {name.lower().encode(): name for name in ALGORITHMS}

#: Nonces whose use is remembered; past them the oldest stop being good.
_NONCES = 65536

#: How far behind the highest nonce count a late request may come (UDP).
_WINDOW = 64

#: An HA1 to compare with when there is no such user.
_NOBODY = b"-"

HA1For = Callable[[bytes, bytes, str], bytes | None]


def _hash(algorithm: str, *parts: bytes) -> bytes:
    hashed = hashlib.new(
        ALGORITHMS[algorithm], b":".join(parts), usedforsecurity=algorithm != "MD5"
    )
    return hashed.hexdigest().encode()


def ha1(algorithm: str, user: bytes, realm: bytes, password: bytes) -> bytes:
    """
    What stands for a password: C{H(user:realm:password)} in hexadecimal.

    @param algorithm: one of L{ALGORITHMS}.
    """
    return _hash(algorithm, user, realm, password)


def _response(
    algorithm: str,
    secret: bytes,
    method: bytes,
    given: AuthValue,
    body: bytes,
) -> bytes:
    """
    What the C{response} parameter must be (RFC 7616 section 3.4.1).

    @param secret: the HA1.
    """
    qop = given.get(b"qop").lower()
    a2 = [method, given.get(b"uri")]
    if qop == b"auth-int":
        a2.append(_hash(algorithm, body))
    ha2 = _hash(algorithm, *a2)
    if not qop:
        return _hash(algorithm, secret, given.get(b"nonce"), ha2)
    return _hash(
        algorithm,
        secret,
        given.get(b"nonce"),
        given.get(b"nc"),
        given.get(b"cnonce"),
        given.get(b"qop"),
        ha2,
    )


@frozen
class Verdict:
    """
    What credentials are worth.

    @ivar ok: whether they are good.
    @ivar stale: they would be good with a nonce of now: challenge again with
        C{stale=true}, so that the user is not asked for the password.
    @ivar username: who it claims to be, even when it is not.
    @ivar why: what is wrong, for the log; never a secret.
    """

    ok: bool
    stale: bool = False
    username: bytes = b""
    why: str = ""


class Challenger:
    """
    Makes challenges, and checks the credentials that answer them.

    Nothing is remembered of a challenge: a nonce is its own proof, a time
    stamp under an HMAC, and is good at every node with the same secret.  That
    a nonce count comes twice is noticed only by the node that saw it first.

    Clients of RFC 2069, which send no C{qop}, are served with MD5 only, and
    each of their nonces is good for one request.
    """

    def __init__(
        self,
        realm: bytes,
        secret: bytes,
        seconds: Callable[[], float],
        entropy: Callable[[int], bytes],
        algorithms: Sequence[str] = ("SHA-256", "MD5"),
        lifetime: float = 300.0,
        limit: int = _NONCES,
    ) -> None:
        """
        @param secret: the key of the HMAC, the same at all nodes.
        @param seconds: the time of day in seconds, near enough the same at all
            nodes; compared with that of the node that made a nonce.
        @param algorithms: of L{ALGORITHMS}, in the order in which they are
            offered: a client takes the first that it knows (RFC 8760 section
            2.4), so the strongest comes first unless the clients are too old.
        @param lifetime: how long a nonce is good, in seconds.
        @param limit: how many used nonces are remembered.
        """
        self.realm = realm
        self.algorithms = tuple(dict.fromkeys(algorithms))
        if not algorithms or not set(algorithms) <= set(ALGORITHMS):
            raise ValueError(f"unknown algorithm in {list(algorithms)!r}")
        self._secret = secret
        self._seconds = seconds
        self._entropy = entropy
        self._lifetime = lifetime
        self._limit = limit
        # Highest nonce count and, as bits, which of the _WINDOW below it came.
        self._used: dict[bytes, tuple[int, int]] = {}
        self._forgotten = -1

    def challenges(self, stale: bool = False) -> list[bytes]:
        """
        Values for WWW-Authenticate or Proxy-Authenticate fields, one for each
        algorithm, in the order given.

        @param stale: tell that only the nonce was wrong.
        """
        nonce = self._nonce()
        values = []
        for algorithm in self.algorithms:
            parameters = {
                b"realm": self.realm,
                b"nonce": nonce,
                b"qop": b"auth",
                b"algorithm": algorithm.encode(),
            }
            if stale:
                parameters[b"stale"] = b"true"
            values.append(AuthValue(b"digest", parameters).render())
        return values

    def check(
        self,
        method: bytes,
        uri: bytes,
        authorizationValue: bytes,
        ha1For: HA1For,
        body: bytes = b"",
    ) -> Verdict:
        """
        Check one Authorization or Proxy-Authorization value.

        @param uri: the Request-URI.  That of the credentials must have the same
            user where both have one; phones and SIPp differ in the rest.
        @param ha1For: called with user, realm and algorithm; gives the HA1 in
            hexadecimal, L{None} for nobody.
        @param body: for C{qop=auth-int}.
        """
        try:
            given = AuthValue.parse(authorizationValue)
        except MalformedMessage as e:
            return Verdict(False, why=e.why)
        if given.scheme != b"digest":
            return Verdict(False, why="not digest")
        return self._checkDigest(method, uri, given, ha1For, body)

    def checkAll(
        self,
        method: bytes,
        uri: bytes,
        authorizationValues: Iterable[bytes],
        ha1For: HA1For,
        body: bytes = b"",
    ) -> Verdict:
        """
        Check all credentials of a request, which may be meant for several
        realms: the first good verdict, else the first stale one, else the
        last.
        """
        verdict = Verdict(False, why="no credentials")
        for value in list(authorizationValues)[:8]:
            other = self.check(method, uri, value, ha1For, body)
            if other.ok:
                return other
            if not verdict.stale:
                verdict = other
        return verdict

    def _checkDigest(
        self, method: bytes, uri: bytes, given: AuthValue, ha1For: HA1For, body: bytes
    ) -> Verdict:
        user = _username(given)
        if given.get(b"realm") != self.realm:
            return Verdict(False, False, user, "another realm")
        algorithm = _byName.get(given.get(b"algorithm", b"MD5").lower())
        if algorithm not in self.algorithms:
            return Verdict(False, False, user, "algorithm not offered")
        assert algorithm is not None
        qop = given.get(b"qop").lower()
        if qop not in (b"auth", b"auth-int", b"") or (not qop and algorithm != "MD5"):
            return Verdict(False, False, user, "qop not offered")
        if not _sameURI(given.get(b"uri"), uri):
            return Verdict(False, False, user, "another Request-URI")
        secret = ha1For(user, self.realm, algorithm)
        wanted = _response(algorithm, (secret or _NOBODY).lower(), method, given, body)
        right = hmac.compare_digest(wanted, given.get(b"response").lower())
        if secret is None:
            return Verdict(False, False, user, "no such user")
        if not right:
            return Verdict(False, False, user, "wrong password")
        why = self._useNonce(given.get(b"nonce"), given.get(b"nc") if qop else None)
        return Verdict(not why, bool(why), user, why)

    def _nonce(self) -> bytes:
        plain = b"%012x%b" % (
            int(self._seconds() * 1000),
            self._entropy(8).hex().encode(),
        )
        return plain + self._seal(plain)

    def _seal(self, plain: bytes) -> bytes:
        sealed = hmac.digest(self._secret, plain + self.realm, "sha256")
        return sealed[:16].hex().encode()

    def _useNonce(self, nonce: bytes, count: bytes | None) -> str:
        """
        Whether a nonce is good for this request, which is right otherwise.

        @param count: the C{nc} parameter, L{None} without C{qop}.

        @return: what is wrong, empty when nothing is.
        """
        plain = nonce[:28]
        if len(nonce) != 60 or not hmac.compare_digest(self._seal(plain), nonce[28:]):
            return "not our nonce"
        issued = int(plain[:12], 16)
        now = self._seconds() * 1000
        lifetime = self._lifetime * 1000
        if abs(now - issued) > lifetime:
            return "nonce too old"
        used = self._used.get(nonce)
        if used is None:
            if issued <= self._forgotten:
                return "nonce forgotten"
            used = (0, 0)
        if count is None:
            number = 0 if used == (0, 0) else -1
            used = (2**32, (1 << _WINDOW) - 1)  # whatever comes is too late
            if number:
                return "nonce used before"
        else:
            counted = _countUse(used, count)
            if counted is None:
                return "nonce count used before"
            used = counted
        self._used.pop(nonce, None)
        self._used[nonce] = used
        self._forget(now - lifetime)
        return ""

    def _forget(self, before: float) -> None:
        """
        Leave out what is too old anyway, and what is too much.
        """
        for _ in range(2):
            oldest = next(iter(self._used))
            issued = int(oldest[:12], 16)
            if len(self._used) <= self._limit and issued >= before:
                break
            del self._used[oldest]
            self._forgotten = max(self._forgotten, issued)


def _countUse(used: tuple[int, int], count: bytes) -> tuple[int, int] | None:
    """
    Note that a nonce count came.

    @return: highest count and window after it; L{None} when it came before or
        is too far behind to tell.
    """
    try:
        number = int(count, 16) if 0 < len(count) <= 8 else 0
    except ValueError:
        number = 0
    highest, window = used
    if number <= 0:
        return None
    if number > highest:
        shift = min(number - highest, _WINDOW + 1)
        window = (window << 1 | 1) << (shift - 1) if highest else 0
        return number, window & ((1 << _WINDOW) - 1)
    behind = highest - number
    if behind == 0 or behind > _WINDOW or window >> (behind - 1) & 1:
        return None
    return highest, window | 1 << (behind - 1)


def _username(given: AuthValue) -> bytes:
    name = given.get(b"username")
    extended = given.get(b"username*")
    if not name and extended[:7].upper() == b"UTF-8''":
        return unescape(extended[7:])
    return name


def _sameURI(claimed: bytes, uri: bytes) -> bool:
    """
    Whether credentials were made for this Request-URI.  They need not name it to
    the letter (RFC 3261 section 22.4): clients put the address of the server that
    they send to in place of the domain, and leave the user away.  Two users must
    be the same: who is called is what the digest has to protect.
    """
    if claimed == uri:
        return True
    try:
        mine, theirs = parseURI(uri), parseURI(claimed)
    except MalformedMessage:
        return False
    if isinstance(mine, SIPURI) and isinstance(theirs, SIPURI):
        if not mine.user or not theirs.user:
            return True
        return unescape(mine.user) == unescape(theirs.user)
    return mine.equivalent(theirs)


def authorize(
    challengeValues: Iterable[bytes],
    method: bytes,
    uri: bytes,
    username: bytes,
    password: bytes,
    nonceCount: int = 1,
    cnonce: bytes = b"",
    body: bytes = b"",
) -> bytes:
    """
    Answer challenges, as a client does.

    @param challengeValues: those of the WWW-Authenticate or Proxy-Authenticate
        fields; the strongest that is known here is answered.
    @param nonceCount: how often this nonce was used, this time included.
    @param cnonce: by default made from the password and the nonce, which
        nobody else can do.

    @return: the value for Authorization or Proxy-Authorization.

    @raise MalformedMessage: none of them is a digest challenge that is known
        here.
    """
    best: tuple[int, str, AuthValue] | None = None
    strength = list(ALGORITHMS)
    for value in challengeValues:
        challenge = AuthValue.parse(value)
        algorithm = _byName.get(challenge.get(b"algorithm", b"MD5").lower())
        if challenge.scheme == b"digest" and algorithm is not None:
            rank = strength.index(algorithm)
            if best is None or rank < best[0]:
                best = (rank, algorithm, challenge)
    if best is None:
        raise MalformedMessage("no challenge that can be answered")
    _, algorithm, challenge = best
    nonce = challenge.get(b"nonce")
    parameters = {
        b"username": username,
        b"realm": challenge.get(b"realm"),
        b"nonce": nonce,
        b"uri": uri,
    }
    if b"algorithm" in challenge.parameters:
        parameters[b"algorithm"] = algorithm.encode()
    offered = [qop.strip() for qop in challenge.get(b"qop").lower().split(b",")]
    if b"auth" in offered or b"auth-int" in offered:
        count = b"%08x" % nonceCount
        if not cnonce:
            made = hmac.digest(password, nonce + count + method, "sha256")
            cnonce = made[:8].hex().encode()
        parameters[b"qop"] = b"auth" if b"auth" in offered else b"auth-int"
        parameters[b"nc"] = count
        parameters[b"cnonce"] = cnonce
    if b"opaque" in challenge.parameters:
        parameters[b"opaque"] = challenge.get(b"opaque")
    secret = ha1(algorithm, username, challenge.get(b"realm"), password)
    given = AuthValue(b"digest", parameters)
    parameters[b"response"] = _response(algorithm, secret, method, given, body)
    return given.render()
