"""
Throw-away certificates for tests: good, expired, for another name, from strangers.
"""

from __future__ import annotations

import datetime
from pathlib import Path

import trustme
from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sipcluster.net.sip_tls import TLSContexts

_PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


@frozen
class Identity:
    """
    One certificate and its key.

    @ivar certificate: path of a PEM file.
    @ivar privateKey: path of a PEM file.
    """

    certificate: str
    privateKey: str


class PKI:
    """
    A certificate authority and what it has issued.

    @ivar authority: path of the PEM file with its certificate.
    """

    def __init__(self, directory: str) -> None:
        """
        @param directory: where the files go; it is made.
        """
        self._directory = Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self._issued = 0
        self.authority = self._write("ca.pem", self._authority.cert_pem.bytes())

    def _write(self, name: str, data: bytes) -> str:
        path = self._directory / name
        path.write_bytes(data)
        return str(path)

    def issue(self, *names: str, expired: bool = False) -> Identity:
        """
        A certificate for DNS names and IP addresses.

        @param expired: whether it ended years ago.
        """
        made = self._authority.issue_cert(
            *names,
            key_type=trustme.KeyType.ECDSA,
            not_before=_PAST if expired else None,
            not_after=_PAST + datetime.timedelta(days=30) if expired else None,
        )
        chain = b"".join(blob.bytes() for blob in made.cert_chain_pems)
        return self._identity(chain, made.private_key_pem.bytes())

    def issueForURIs(self, *uris: str, names: tuple[str, ...] = ()) -> Identity:
        """
        A certificate that names SIP domains by URI (RFC 5922 section 7.1).

        @param names: DNS names that it has besides.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        signer = serialization.load_pem_private_key(
            self._authority.private_key_pem.bytes(), None
        )
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        issuer = x509.load_pem_x509_certificate(self._authority.cert_pem.bytes())
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(
                x509.SubjectAlternativeName(
                    [
                        *map(x509.UniformResourceIdentifier, uris),
                        *map(x509.DNSName, names),
                    ]
                ),
                critical=True,
            )
            .sign(signer, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        return self._identity(
            certificate.public_bytes(pem),
            key.private_bytes(
                pem,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )

    def _identity(self, certificate: bytes, privateKey: bytes) -> Identity:
        self._issued += 1
        return Identity(
            self._write(f"{self._issued}.pem", certificate),
            self._write(f"{self._issued}.key", privateKey),
        )

    def contexts(
        self,
        *names: str,
        expired: bool = False,
        clients: str = "no",
        trusted: PKI | None = None,
    ) -> TLSContexts:
        """
        What a process with a certificate for C{names} uses.

        @param names: none for one without a certificate.
        @param trusted: whose authority it trusts; ours when left out.
        """
        authority = (trusted or self).authority
        if not names:
            return TLSContexts(authority=authority, clients=clients)
        identity = self.issue(*names, expired=expired)
        return TLSContexts(
            identity.certificate, identity.privateKey, authority, clients
        )
