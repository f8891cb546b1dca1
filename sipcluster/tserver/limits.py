"""
Who may connect to a T-Library port, and how much of everything one port carries.
"""

from __future__ import annotations

from hashlib import pbkdf2_hmac
from hmac import compare_digest

from attrs import field, frozen

from sipcluster.tlib.messages import Message

#: How a password begins that is written down as what was made of it:
#: C{pbkdf2:ITERATIONS:SALT:HEX} with SHA-256; salt and result in hexadecimal.
HASHED = "pbkdf2:"


@frozen
class Application:
    """
    An application that may connect.  Many clients may use one name.

    @ivar password: as the client gives it, or as L{hashed} makes it.
    @ivar mayControl: it may ask for more than events.
    @ivar ports: names of the ports that it may use; empty: all.
    """

    name: str
    password: str = field(default="", repr=False)
    mayControl: bool = True
    ports: frozenset[str] = frozenset()

    def admits(self, password: str, port: str) -> bool:
        """
        Whether this password opens this port.
        """
        mine, given = self.password, password.encode("utf-8", "surrogatepass")
        if mine.startswith(HASHED):
            try:
                _, iterations, salt, wanted = mine.split(":")
                made = _derive(given, bytes.fromhex(salt), int(iterations))
            except ValueError:
                return False
            right = compare_digest(made, wanted)
        else:
            right = compare_digest(given, mine.encode("utf-8", "surrogatepass"))
        return right and (not self.ports or port in self.ports)


def hashed(password: str, salt: bytes, iterations: int = 20000) -> str:
    """
    Make of a password what can be written down in its place.

    @param salt: chance, 16 bytes or more.
    """
    made = _derive(password.encode("utf-8"), salt, iterations)
    return f"{HASHED}{iterations}:{salt.hex()}:{made}"


def _derive(password: bytes, salt: bytes, iterations: int) -> str:
    return pbkdf2_hmac("sha256", password, salt, iterations).hex()


@frozen
class Limits:
    """
    Bounds of one T-Library port.  Times are in seconds.

    @ivar sessions: clients, those included that are away.
    @ivar halfOpen: connections that have not registered a client yet; with more,
        the oldest of them are cut.
    @ivar startUp: how long one may take for that.
    @ivar closing: how long the last bytes of a connection may take.
    @ivar keepAlive: silence after which a client is asked for a sign of life, where
        it does not propose another time.
    @ivar retention: how long the session of a lost connection is kept.
    @ivar registrations: DNs of one client.
    @ivar pending: requests of one client that wait for their answers.
    @ivar requestTime: how long one may wait.
    @ivar peopleTime: how long one may that is patient.
    @ivar answers: answers that are kept in case that a request comes again.
    @ivar answerBytes: bytes of these.
    @ivar journalMessages: messages that a client may leave unacknowledged.
    @ivar journalBytes: bytes of these.
    @ivar unsent: bytes that may wait for one client to read.
    @ivar batch: messages of one client that are taken in one turn of the reactor.
    @ivar turn: how long the messages of all clients may take in one such turn.
    """

    sessions: int = 5000
    halfOpen: int = 500
    startUp: float = 5.0
    closing: float = 5.0
    keepAlive: float = 10.0
    retention: float = 60.0
    registrations: int = 100_000
    pending: int = 1000
    requestTime: float = 30.0
    peopleTime: float = 180.0
    answers: int = 1024
    answerBytes: int = 1_048_576
    journalMessages: int = 10_000
    journalBytes: int = 4 * 1_048_576
    unsent: int = 1_048_576
    batch: int = 50
    turn: float = 0.01

    def timeOf(self, request: Message) -> float:
        """
        How long a request may wait for its answer.
        """
        return self.peopleTime if request.patient else self.requestTime
