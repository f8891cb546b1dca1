"""
Tests for L{sipcluster.net.sip_tls}: files, and words for what is wrong with them.
"""

from __future__ import annotations

from pathlib import Path

from OpenSSL import SSL
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.net.sip_tls import BadTLS, TLSContexts, why
from sipcluster.testing.pki import PKI


class TLSContextsTests(SynchronousTestCase):
    """
    A broken set of files is refused in one clear sentence.
    """

    def setUp(self) -> None:
        self.pki = PKI(self.mktemp())
        self.identity = self.pki.issue("sip.example.com")

    def file(self, text: str) -> str:
        """
        A file with this in it.
        """
        path = Path(self.mktemp())
        path.write_text(text)
        return str(path)

    def assertBad(
        self, path: str, words: str, certificate: str, key: str, authority: str = ""
    ) -> None:
        """
        These files are refused with these words about this one.
        """
        e = self.assertRaises(BadTLS, TLSContexts, certificate, key, authority)
        self.assertEqual(e.path, path)
        self.assertTrue(str(e).startswith(f"{path}: "), str(e))
        self.assertIn(words, str(e))

    def test_good(self) -> None:
        """
        A certificate with its key can serve; a CA alone cannot.
        """
        one = TLSContexts(self.identity.certificate, self.identity.privateKey)
        self.assertTrue(one.canServe)
        self.assertFalse(TLSContexts(authority=self.pki.authority).canServe)

    def test_missing(self) -> None:
        """
        A file that is not there.
        """
        gone = self.mktemp()
        words = "no such file"
        good = self.identity
        self.assertBad(gone, words, gone, good.privateKey)
        self.assertBad(gone, words, good.certificate, gone)
        self.assertBad(gone, words, good.certificate, good.privateKey, gone)

    def test_directory(self) -> None:
        """
        A directory is no file.
        """
        path = self.mktemp()
        Path(path).mkdir()
        self.assertBad(path, "directory", path, self.identity.privateKey)

    def test_nonsense(self) -> None:
        """
        A file with something else in it.
        """
        junk = self.file("this is no PEM file\n")
        good = self.identity
        self.assertBad(junk, "is no PEM certificate", junk, good.privateKey)
        self.assertBad(junk, "is no PEM private key", good.certificate, junk)
        self.assertBad(
            junk, "holds no CA certificates", good.certificate, good.privateKey, junk
        )

    def test_wrongKey(self) -> None:
        """
        The key of another certificate.
        """
        other = self.pki.issue("other.example.com").privateKey
        self.assertBad(other, "certificate", self.identity.certificate, other)

    def test_half(self) -> None:
        """
        A certificate without a key, or a key without a certificate.
        """
        good = self.identity
        self.assertBad(good.certificate, "together", good.certificate, "")
        self.assertBad(good.privateKey, "together", "", good.privateKey)

    def test_clients(self) -> None:
        """
        An unknown policy for client certificates is our own mistake.
        """
        self.assertRaises(ValueError, TLSContexts, clients="maybe")

    def test_reload(self) -> None:
        """
        A renewed certificate is used by connections made from then on; while a
        file is broken, what was read before stays in use.
        """
        contexts = TLSContexts(self.identity.certificate, self.identity.privateKey)
        before = contexts._server
        certificate = Path(self.identity.certificate)
        old = certificate.read_bytes()
        certificate.write_text("half a file")
        self.assertRaises(BadTLS, contexts.reload)
        self.assertIs(contexts._server, before)
        certificate.write_bytes(old)
        contexts.reload()
        self.assertIsNot(contexts._server, before)

    def test_why(self) -> None:
        """
        Why a connection ended is told in words, without OpenSSL's codes.
        """
        error = SSL.Error([("SSL routines", "", "certificate verify failed")])
        self.assertEqual(why(Failure(error)), "TLS: certificate verify failed")
        self.assertEqual(why(Failure(SSL.Error([]))), "TLS: TLS failure")
        self.assertEqual(why(Failure(SSL.Error("odd"))), "TLS: odd")
        self.assertEqual(
            why(Failure(ConnectionDone())), "Connection was closed cleanly"
        )
