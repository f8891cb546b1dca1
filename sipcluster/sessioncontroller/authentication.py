"""
Who sends a request: a DN with its password, a trunk by its address.
"""

from __future__ import annotations

from ipaddress import ip_address

from attrs import frozen
from twisted.logger import Logger

from sipcluster.sessioncontroller.dialplan import Directory
from sipcluster.sessioncontroller.isessioncontroller import ExtensionDN, TrunkDN
from sipcluster.sip.address import Address
from sipcluster.sip.digest import Challenger, HA1For
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.headers import Headers
from sipcluster.sip.message import Request
from sipcluster.sip.uri import SIPURI, TelURI

log = Logger()


@frozen
class Refused:
    """
    A request whose sender is not who it must be.

    @ivar status: 401 or 403.
    @ivar headers: challenges.
    """

    status: int
    headers: Headers


_FORBIDDEN = Refused(403, Headers())


class Authenticator:
    """
    Finds out which DN sends a request.

    Only requests that a SIP Proxy of the cluster has passed on come here: the
    Via below its own has the true source, in C{received} where the sender calls
    itself otherwise, and that is what a trunk is known by.  Everyone else is
    challenged (RFC 3261 section 22), and must be the DN in From, or in To for a
    REGISTER.
    """

    __slots__ = ("_challenger", "_directory", "_ha1For", "counters")

    def __init__(
        self, challenger: Challenger, directory: Directory, ha1For: HA1For
    ) -> None:
        self._challenger = challenger
        self._directory = directory
        self._ha1For = ha1For
        self.counters = {"challenges": 0, "badCredentials": 0, "forbidden": 0}

    @property
    def directory(self) -> Directory:
        """
        The DNs of the switch.
        """
        return self._directory

    def identify(self, request: Request) -> ExtensionDN | TrunkDN | Refused:
        """
        Find the sender of a request that is not inside a dialog.

        @raise MalformedMessage: the Via, the From or the To cannot be read.
        """
        if request.method != b"REGISTER":
            trunk = self._trunk(request)
            if trunk is not None:
                return trunk
        values = request.headers.all(b"Authorization")
        if not values:
            return self._challenge(False)
        verdict = self._challenger.checkAll(
            request.method, request.uri, values, self._ha1For, request.body
        )
        if not verdict.ok:
            if not verdict.stale:
                self.counters["badCredentials"] += 1
                log.warn(
                    "credentials of {dn}: {why}",
                    dn=verdict.username[:80].decode("utf-8", "replace"),
                    why=verdict.why,
                    callID=request.callID.decode("utf-8", "replace"),
                )
            return self._challenge(verdict.stale)
        dn = self._directory.extension(verdict.username.decode("utf-8", "replace"))
        if dn is None or not self._isAddressOf(dn, request):
            self.counters["forbidden"] += 1
            return _FORBIDDEN
        return dn

    def leadsAstray(self, register: Request) -> bool:
        """
        Whether a REGISTER names the far end of a trunk for the place where its
        sender is to be reached: calls to the DN would go out on the trunk, at
        the cost of whoever pays for it, past the dial plan.

        @raise MalformedMessage: the Contact, the Path or the Via cannot be read.
        """
        places = [contact.uri for contact in register.contacts]
        for path in register.headers.values(b"Path"):
            places.append(Address.parse(path).uri)
        source = _source(register)
        for uri in places:
            if isinstance(uri, SIPURI) and uri.bareHost != source:
                maddr = uri.parameters.text(b"maddr").decode("ascii", "replace")
                for host in (uri.bareHost, maddr.lower()):
                    if self._directory.trunkAt(host) is not None:
                        return True
        return False

    def _trunk(self, request: Request) -> TrunkDN | None:
        return self._directory.trunkAt(_source(request))

    def _isAddressOf(self, dn: ExtensionDN, request: Request) -> bool:
        """
        Whether the address-of-record that the request claims is that of a DN.
        """
        if request.method == b"REGISTER":
            uri = request.toAddress.uri
        else:
            uri = request.fromAddress.uri
        if isinstance(uri, TelURI):
            return uri.digits == dn.number.encode()
        if not isinstance(uri, SIPURI):
            return False
        if uri.bareHost == "anonymous.invalid":
            # It does not want to be shown (RFC 3323 section 4.1.1.3).
            return request.method == b"INVITE"
        return (
            uri.bareHost == self._directory.domain
            and uri.userText == dn.number.encode()
        )

    def _challenge(self, stale: bool) -> Refused:
        self.counters["challenges"] += 1
        return Refused(
            401,
            Headers.of(
                *(
                    (b"WWW-Authenticate", value)
                    for value in self._challenger.challenges(stale)
                )
            ),
        )


def _source(request: Request) -> str:
    """
    The address that a request came to the SIP Proxy from; empty when it is not
    known.
    """
    vias = request.vias
    if len(vias) < 2:
        return ""
    via = vias[1]
    if via.received:
        return via.received.decode("ascii", "replace").lower()
    # Nothing is noted where it is the address that the Via has anyway (RFC 3261
    # section 18.2.1); a name says nothing, it may be the one of a pair.
    try:
        return str(ip_address(via.bareHost))
    except ValueError:
        return ""


def numberOf(uri: object) -> str:
    """
    The number or name in a URI, or C{""}.

    @raise MalformedMessage: it is a URI of another kind.
    """
    if isinstance(uri, SIPURI):
        return uri.userText.decode("utf-8", "replace")
    if isinstance(uri, TelURI):
        return uri.digits.decode("utf-8", "replace")
    raise MalformedMessage("scheme", status=416)
