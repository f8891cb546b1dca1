"""
How telephones of a simulated world register, and send requests.
"""

from __future__ import annotations

from sipcluster.sip.digest import authorize
from sipcluster.sip.errors import SIPError
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import ITransactionUser, Target
from sipcluster.sip.message import Request, Response
from sipcluster.sip.transactions import TransactionLayer
from sipcluster.testing.simulation.exchange import Exchange, outside
from sipcluster.testing.simulation.processes import Process

#: Seconds for which a telephone registers.
REGISTERED = 120

#: Seconds after which it tries again.
AGAIN = 3.0


class Registering(Process):
    """
    The part of a telephone that lets it be found.
    """

    number: str
    transportName: str
    wanted: bool
    registeredUntil: float
    identifiers: Identifiers
    layer: TransactionLayer
    challenges: list[bytes]
    proxies: list[str]
    _asking: bool
    _callID: bytes
    _nonceCount: int
    _registering: int
    _sequence: int
    _tag: bytes
    _wanted: int

    # Registering

    def register(self, seconds: int = REGISTERED) -> None:
        """
        Register, or end that with 0 seconds.
        """
        if seconds and not self.wanted:
            return
        self._wanted = seconds
        if not self._asking:
            self._asking = True
            self._registering += 1
            self._registerNow(0)

    def _registerNow(self, tried: int) -> None:
        """
        Ask; there is one REGISTER at a time (RFC 3261 section 10.2).
        """
        self._sequence += 1
        seconds, number = self._wanted, self._registering
        uri = b"sip:%b" % self.world.domain
        fields = [
            self.contact,
            (b"Expires", b"%d" % seconds),
            *self.credentials(b"REGISTER", uri),
        ]
        request = outside(
            self.aor,
            b"REGISTER",
            uri,
            self.aor,
            self._callID,
            self._tag,
            self._sequence,
            fields,
        )

        def done(response: Response | None) -> None:
            status = 408 if response is None else response.status
            if response is not None and status == 401 and tried < 4:
                self.challenged(response)
                self._registerNow(tried + 1)
            elif status < 300:
                self._registered(seconds, number, target.host)
            else:
                self.note(f"REGISTER: {status}")
                self.proxies = [*self.proxies[1:], self.proxies[0]]
                pause = AGAIN * (0.5 + self.chance.random())
                self.clock.callLater(pause, self._registerNow, 0)

        target = self.target
        self.send(request, target, done)

    def _registered(self, seconds: int, number: int, proxy: str) -> None:
        self._asking = False
        checks = self.world.checks
        if seconds:
            checks.registered(self.number)
        else:
            checks.unregistered(self.number, proxy)
        now = self.clock.seconds()
        self.registeredUntil = now + seconds if seconds else 0.0
        if self._wanted != seconds:
            self.register(self._wanted)
            return
        if seconds:
            self.clock.callLater(
                seconds * (0.4 + 0.2 * self.chance.random()), self._refresh, number
            )

    def _refresh(self, number: int) -> None:
        if number == self._registering and self.wanted:
            self.register()

    # Requests

    @property
    def aor(self) -> bytes:
        """
        Its address-of-record.
        """
        return b"sip:%b@%b" % (self.number.encode(), self.world.domain)

    @property
    def contact(self) -> tuple[bytes, bytes]:
        """
        The Contact field.
        """
        uri = b"sip:%b@%b:5060" % (self.number.encode(), self.host.encode())
        if self.transportName != "UDP":
            uri += b";transport=" + self.transportName.lower().encode()
        return (b"Contact", b"<%b>" % uri)

    @property
    def target(self) -> Target:
        """
        The SIP Proxy that it prefers now.
        """
        return Target(self.transportName, self.proxies[0], 5060)

    def challenged(self, response: Response) -> None:
        """
        Take a 401.
        """
        self.challenges = response.headers.all(b"WWW-Authenticate")
        self._nonceCount = 0

    def credentials(self, method: bytes, uri: bytes) -> list[tuple[bytes, bytes]]:
        """
        The Authorization for the challenge that came last.
        """
        if not self.challenges:
            return []
        self._nonceCount += 1
        password = f"secret-{self.number}".encode()
        value = authorize(
            self.challenges,
            method,
            uri,
            self.number.encode(),
            password,
            self._nonceCount,
        )
        return [(b"Authorization", value)]

    def send(
        self, request: Request, target: Target, done: ITransactionUser | object
    ) -> Exchange:
        """
        Send a request in a transaction.

        @param done: called with the final response, or L{None} when there is none.
        """
        exchange = Exchange(done)
        try:
            exchange.transaction = self.layer.request(request, target, exchange)
        except SIPError:
            self.clock.callLater(0, exchange.transportFailed, "no way")
        return exchange
