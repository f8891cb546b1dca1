"""
Tests for L{sipcluster.app.ca}.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app.ca import LIFETIME, LabCA

NOW = datetime(2026, 11, 20, tzinfo=UTC)


class LabCATests(SynchronousTestCase):
    """
    L{LabCA} makes what telephones can verify, and makes it once.
    """

    def setUp(self) -> None:
        """
        An authority in a folder of its own.
        """
        self.folder = Path(self.mktemp())
        self.ca = LabCA(self.folder, NOW)

    def issue(self, ca: LabCA) -> x509.Certificate:
        """
        The certificate of proxy1.
        """
        path, _ = ca.issue("proxy1", ["proxy1.example", "192.0.2.1"], "lab.example")
        return x509.load_pem_x509_certificate(path.read_bytes())

    def test_signed(self) -> None:
        """
        A certificate is signed by the authority, and the authority is one.
        """
        ca = x509.load_pem_x509_certificate(self.ca.certificate.read_bytes())
        self.issue(self.ca).verify_directly_issued_by(ca)
        basic = ca.extensions.get_extension_for_class(x509.BasicConstraints)
        self.assertTrue(basic.value.ca)

    def test_names(self) -> None:
        """
        A certificate names the SIP domain (RFC 5922), the host and its address.
        """
        found = self.issue(self.ca).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        names = found.value
        self.assertEqual(
            names.get_values_for_type(x509.UniformResourceIdentifier),
            ["sip:lab.example", "sip:proxy1.example"],
        )
        self.assertEqual(
            names.get_values_for_type(x509.DNSName), ["lab.example", "proxy1.example"]
        )
        self.assertEqual(
            [str(ip) for ip in names.get_values_for_type(x509.IPAddress)], ["192.0.2.1"]
        )

    def test_keysArePrivate(self) -> None:
        """
        Only the owner may read a key.
        """
        _, key = self.ca.issue("proxy1", ["192.0.2.1"], "lab.example")
        for path in (key, self.folder / "ca.key"):
            self.assertEqual(path.stat().st_mode & 0o777, 0o600)

    def test_madeOnce(self) -> None:
        """
        Telephones that trust an authority trust it after a restart too.
        """
        first = self.issue(self.ca)
        again = LabCA(self.folder, NOW + timedelta(days=1))
        self.assertEqual(self.issue(again), first)

    def test_otherNames(self) -> None:
        """
        Another address needs another certificate.
        """
        first = self.issue(self.ca)
        path, _ = self.ca.issue("proxy1", ["192.0.2.2"], "lab.example")
        self.assertNotEqual(x509.load_pem_x509_certificate(path.read_bytes()), first)

    def test_renewed(self) -> None:
        """
        What is about to end is made anew, the authority with all that it signed.
        """
        first = self.issue(self.ca)
        later = LabCA(self.folder, NOW + LIFETIME)
        second = self.issue(later)
        self.assertGreater(second.not_valid_after_utc, first.not_valid_after_utc)
        ca = x509.load_pem_x509_certificate(later.certificate.read_bytes())
        second.verify_directly_issued_by(ca)

    def test_broken(self) -> None:
        """
        A file that is no certificate is made anew.
        """
        self.ca.certificate.write_text("nothing")
        again = LabCA(self.folder, NOW)
        x509.load_pem_x509_certificate(again.certificate.read_bytes())
