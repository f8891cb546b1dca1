"""
Tests for L{sipcluster.sip.status} and L{sipcluster.sip.identifiers}.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.grammar import isToken
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.status import REASONS, reasonPhrase


class ReasonTests(SynchronousTestCase):
    """
    Every code has a phrase.
    """

    def test_known(self) -> None:
        """
        A registered code has its own.
        """
        self.assertEqual(reasonPhrase(486), b"Busy Here")
        self.assertTrue(all(100 <= status < 700 for status in REASONS))

    def test_unknown(self) -> None:
        """
        Another has that of its class.
        """
        self.assertEqual(reasonPhrase(499), b"Bad Request")
        self.assertEqual(reasonPhrase(299), b"OK")
        self.assertEqual(reasonPhrase(799), b"Unknown")


class IdentifiersTests(SynchronousTestCase):
    """
    L{Identifiers} are made of the random bytes that they are given.
    """

    def setUp(self) -> None:
        self.identifiers = Identifiers(lambda count: b"\xff" * count)

    def test_shapes(self) -> None:
        """
        All are tokens; a branch has the magic cookie.
        """
        self.assertEqual(self.identifiers.branch(), b"z9hG4bK" + b"f" * 20)
        self.assertEqual(self.identifiers.tag(), b"f" * 16)
        self.assertEqual(self.identifiers.callID(), b"f" * 32)
        self.assertEqual(self.identifiers.callID(b"h"), b"f" * 32 + b"@h")
        self.assertTrue(isToken(self.identifiers.branch()))

    def test_uuid(self) -> None:
        """
        A UUID says that it is one of version 4.
        """
        self.assertEqual(self.identifiers.uuid(), b"ffffffffffff4fffbfffffffffffffff")

    def test_differ(self) -> None:
        """
        With a real source, no two are the same.
        """
        identifiers = Identifiers(os.urandom)
        for make in (identifiers.branch, identifiers.tag, identifiers.uuid):
            self.assertEqual(len({make() for _ in range(1000)}), 1000)
