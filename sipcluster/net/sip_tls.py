"""
TLS for SIP: contexts from PEM files, and whose certificate is right (RFC 5922).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtensionOID
from OpenSSL import SSL, crypto
from service_identity import VerificationError
from service_identity.cryptography import extract_patterns
from service_identity.exceptions import DNSMismatch
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
)
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer


class BadTLS(ValueError):
    """
    A certificate, key or CA file is missing or is not what it should be.

    @ivar path: the file.
    """

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path


def _checked(call: Any, path: str, what: str) -> None:
    """
    Let OpenSSL read a file, and say in words what it does not like.
    """
    try:
        with Path(path).open("rb") as stream:
            stream.read(1)
    except OSError as e:
        raise BadTLS(path, (e.strerror or str(e)).lower()) from e
    try:
        call()
    except SSL.Error as e:
        raise BadTLS(path, f"{what} ({_sslWords(e)})") from e


def _sslWords(e: SSL.Error) -> str:
    """
    What OpenSSL says, without its codes.
    """
    queue = e.args[0] if e.args else ()
    if isinstance(queue, list | tuple):
        words = [str(entry[-1]) for entry in queue if entry]
        return ", ".join(word for word in words if word) or "TLS failure"
    return str(queue)


def why(reason: Failure) -> str:
    """
    Why a connection ended, for a log line.
    """
    error = reason.value
    if isinstance(error, VerificationError):
        return "the certificate is for another name"
    if isinstance(error, SSL.Error):
        return f"TLS: {_sslWords(error)}"
    return reason.getErrorMessage().rstrip(".")


class TLSContexts:
    """
    What one process shows and what it accepts: the certificate of its own, and
    who may have signed the peers'.

    Kept apart from its files: L{reload} reads them again, and connections made
    from then on use what it found.
    """

    def __init__(
        self,
        certificate: str = "",
        privateKey: str = "",
        authority: str = "",
        clients: str = "no",
    ) -> None:
        """
        @param certificate: a PEM file: our certificate, then its chain.
        @param privateKey: a PEM file.
        @param authority: a PEM file with the CAs that are trusted; empty for
            those of the system.
        @param clients: whether a peer that connects to us shows a certificate:
            C{"no"}, C{"optional"} or C{"required"}.

        @raise BadTLS: the first file that is wrong.
        """
        if clients not in ("no", "optional", "required"):
            raise ValueError(f"clients: {clients!r}")
        if bool(certificate) != bool(privateKey):
            raise BadTLS(
                certificate or privateKey,
                "a certificate and a private key are needed together",
            )
        self._files = (certificate, privateKey, authority)
        self._clients = clients
        self.reload()

    def reload(self) -> None:
        """
        Read the files again.

        @raise BadTLS: one is wrong; what was read before stays in use.
        """
        certificate, privateKey, authority = self._files
        verify = SSL.VERIFY_NONE
        if self._clients != "no":
            verify = SSL.VERIFY_PEER
        if self._clients == "required":
            verify |= SSL.VERIFY_FAIL_IF_NO_PEER_CERT
        server = self._context(certificate, privateKey, authority, verify)
        client = self._context(
            certificate,
            privateKey,
            authority,
            SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
        )
        unchecked = self._context(certificate, privateKey, authority, SSL.VERIFY_NONE)
        self._server, self._client, self._unchecked = server, client, unchecked

    def _context(
        self, certificate: str, privateKey: str, authority: str, verify: int
    ) -> SSL.Context:
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
        # Idle phones hold no buffers.
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        context.set_cipher_list(b"ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL")
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        if certificate:
            _checked(
                lambda: context.use_certificate_chain_file(certificate),
                certificate,
                "is no PEM certificate",
            )
            _checked(
                lambda: context.use_privatekey_file(privateKey),
                privateKey,
                "is no PEM private key, or not that of the certificate",
            )
            _checked(
                context.check_privatekey,
                privateKey,
                "is not the key of the certificate",
            )
        if authority:
            _checked(
                lambda: context.load_verify_locations(authority),
                authority,
                "holds no CA certificates",
            )
        else:
            context.set_default_verify_paths()
        context.set_verify(verify)
        return context

    @property
    def canServe(self) -> bool:
        """
        Whether there is a certificate to listen with.
        """
        return bool(self._files[0])

    def server(self) -> IOpenSSLServerConnectionCreator:
        """
        For a listening port.
        """
        return _ServerCreator(self)

    def client(self, serverName: str) -> IOpenSSLClientConnectionCreator:
        """
        For one connection that we open.

        @param serverName: the domain or the IP address that the certificate
            must carry; empty when none is to be checked: the connection is
            then only private, and to whom nobody knows.
        """
        return _ClientCreator(self, serverName)


@implementer(IOpenSSLServerConnectionCreator)
class _ServerCreator:
    """
    Follows L{TLSContexts.reload}.
    """

    def __init__(self, contexts: TLSContexts) -> None:
        self._contexts = contexts

    def serverConnectionForTLS(
        self, tlsProtocol: TLSMemoryBIOProtocol
    ) -> SSL.Connection:
        return SSL.Connection(self._contexts._server, None)


@implementer(IOpenSSLClientConnectionCreator)
class _ClientCreator:
    """
    Checks whose certificate it is while the handshake runs, so that nothing of
    ours is sent to a wrong server.
    """

    def __init__(self, contexts: TLSContexts, serverName: str) -> None:
        self._contexts = contexts
        self._serverName = serverName

    def clientConnectionForTLS(
        self, tlsProtocol: TLSMemoryBIOProtocol
    ) -> SSL.Connection:
        name = self._serverName
        if not name:
            return SSL.Connection(self._contexts._unchecked, None)
        connection = SSL.Connection(self._contexts._client, None)
        if not _isAddress(name):
            connection.set_tlsext_host_name(name.encode("idna"))

        def verify(
            _: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int
        ) -> bool:
            if depth or not ok:
                return bool(ok)
            try:
                verifyName(certificate.to_cryptography(), name)
            except VerificationError:
                tlsProtocol.failVerification(Failure())
                return False
            except Exception:
                return False
            return True

        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verify)
        return connection


def _isAddress(name: str) -> bool:
    return bool(isIPAddress(name) or isIPv6Address(name))


def verifyName(certificate: x509.Certificate, name: str) -> None:
    """
    Check that a certificate is for a SIP domain or an address (RFC 5922
    section 7.2): a C{sip:} URI of the domain decides, and where there is none,
    a DNS name; no wildcards in the former.

    @raise VerificationError: it is for something else.
    """
    if _isAddress(name):
        verify_service_identity(extract_patterns(certificate), [IPAddress_ID(name)], [])
        return
    wanted = name.encode("idna").decode("ascii").lower()
    domains = sipDomains(certificate)
    if wanted in domains:
        return
    if domains:
        raise VerificationError(errors=[DNSMismatch(mismatched_id=DNS_ID(wanted))])
    verify_service_identity(extract_patterns(certificate), [DNS_ID(wanted)], [])


def _alternatives(
    certificate: x509.Certificate,
) -> x509.SubjectAlternativeName | None:
    try:
        extension = certificate.extensions.get_extension_for_oid(
            ExtensionOID.SUBJECT_ALTERNATIVE_NAME
        )
    except x509.ExtensionNotFound:
        return None
    value = extension.value
    return value if isinstance(value, x509.SubjectAlternativeName) else None


def sipDomains(certificate: x509.Certificate) -> list[str]:
    """
    The domains of a certificate's C{sip:} URIs, in lower case; one with a user
    part is a person's and names no domain (RFC 5922 section 7.1).
    """
    names = _alternatives(certificate)
    if names is None:
        return []
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    domains = [uri[4:].lower() for uri in uris if uri[:4].lower() == "sip:"]
    return [domain for domain in domains if "@" not in domain]


def certificateDomains(path: str) -> list[str]:
    """
    The SIP domains of the first certificate of a PEM file that can be used.
    """
    return sipDomains(x509.load_pem_x509_certificate(Path(path).read_bytes()))


def peerNames(transport: Any) -> tuple[str, ...]:
    """
    Whom the peer's verified certificate names: SIP domains, then DNS names.

    @param transport: of a connection whose handshake is done.
    """
    handle = transport.getHandle()
    peer = handle.get_peer_certificate()
    if peer is None or not handle.get_verify_mode() & SSL.VERIFY_PEER:
        return ()
    certificate = peer.to_cryptography()
    names = _alternatives(certificate)
    if names is None:
        return ()
    return (*sipDomains(certificate), *names.get_values_for_type(x509.DNSName))
