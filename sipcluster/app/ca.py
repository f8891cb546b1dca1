"""
A certificate authority for a lab: makes what a real one would sign.

Not for anything that others rely on: its private key lies beside the logs.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

#: How long certificates are good for, and when they are made anew.
LIFETIME = timedelta(days=365)
RENEWAL = timedelta(days=30)

#: Clocks of telephones may be behind.
BEFORE = timedelta(days=1)


def _name(commonName: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, commonName)])


def _private(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """
    Write a key that only its owner may read.
    """
    data = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


class LabCA:
    """
    The authority and its files in one folder.

    @ivar certificate: the PEM file that telephones must trust.
    """

    def __init__(self, folder: Path, now: datetime) -> None:
        """
        @param folder: C{ca.pem} and C{ca.key} are read from it, or made in it.
        @param now: aware.
        """
        self.folder = folder
        self.certificate = folder / "ca.pem"
        self._keyFile = folder / "ca.key"
        self._now = now
        folder.mkdir(parents=True, exist_ok=True)
        if not (self._good(self.certificate) and self._keyFile.exists()):
            self._make()
        self._ca = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        key = serialization.load_pem_private_key(self._keyFile.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key

    def _good(self, path: Path) -> bool:
        try:
            found = x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError):
            return False
        return found.not_valid_after_utc - self._now > RENEWAL

    def _make(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("SIP cluster lab CA")
        certificate = (
            self._builder(name, name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
            .add_extension(_usage(ca=True), True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False
            )
            .sign(key, hashes.SHA256())
        )
        _private(self._keyFile, key)
        self.certificate.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
        )
        for signed in self.folder.glob("*.pem"):
            if signed != self.certificate:
                signed.unlink()

    def _builder(
        self, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - BEFORE)
            .not_valid_after(self._now + LIFETIME)
        )

    def issue(self, name: str, hosts: Sequence[str], domain: str) -> tuple[Path, Path]:
        """
        The certificate of one process, made where there is none that serves.

        @param hosts: DNS names and addresses that it stands for.
        @param domain: the SIP domain, as RFC 5922 wants it in a certificate.

        @return: the PEM files of the certificate and of its key.
        """
        certificate = self.folder / f"{name}.pem"
        keyFile = self.folder / f"{name}.key"
        names: list[x509.GeneralName] = [
            x509.UniformResourceIdentifier(f"sip:{domain}"),
            x509.DNSName(domain),
        ]
        for host in hosts:
            try:
                names.append(x509.IPAddress(ipaddress.ip_address(host)))
            except ValueError:
                names.append(x509.UniformResourceIdentifier(f"sip:{host}"))
                names.append(x509.DNSName(host))
        alternatives = x509.SubjectAlternativeName(names)
        if self._serves(certificate, alternatives) and keyFile.exists():
            return certificate, keyFile
        key = ec.generate_private_key(ec.SECP256R1())
        signed = (
            self._builder(_name(hosts[0]), self._ca.subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
            .add_extension(_usage(ca=False), True)
            .add_extension(
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
                ),
                False,
            )
            .add_extension(alternatives, False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(
                    self._key.public_key()
                ),
                False,
            )
            .sign(self._key, hashes.SHA256())
        )
        _private(keyFile, key)
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return certificate, keyFile

    def _serves(self, path: Path, alternatives: x509.SubjectAlternativeName) -> bool:
        if not self._good(path):
            return False
        found = x509.load_pem_x509_certificate(path.read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return found.issuer == self._ca.subject and names.value == alternatives


def _usage(ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
