"""
A short run of the campaign of C{bin/fuzz}.
"""

from __future__ import annotations

import io
from random import Random
from unittest import mock

from twisted.python.filepath import FilePath
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.message import Request
from sipcluster.testing import mutate
from tests.torture.corpora import rfc4475, rfc5118


class CampaignTests(SynchronousTestCase):
    """
    Whatever is done to messages, only our error comes out.
    """

    def test_short(self) -> None:
        """
        Two thousand mutated messages come to an end that is allowed; all the
        ends there are occur.
        """
        corpus = [*mutate.SEEDS, *rfc4475().values(), *rfc5118().values()]
        ends, bad = mutate.campaign(2000, 20, corpus)
        self.assertIsNone(bad, f"{ends}\n{bad!r}")
        self.assertEqual(ends.total(), 2000)
        for end in ("request", "response", "unreadable", "request refused 400"):
            self.assertGreater(ends[end], 0, end)

    def test_seedsAreGood(self) -> None:
        """
        What the campaign begins with is good, so that it is the mutation that
        does it.
        """
        random = Random(1)
        for seed in mutate.SEEDS:
            self.assertIn(mutate.examine(seed, random), ("request", "response"))

    def test_sameSeedSameMessages(self) -> None:
        """
        A seed stands for its messages.
        """
        one, other = (mutate.Mutator(Random(3)) for _ in range(2))
        self.assertEqual(
            [one.message() for _ in range(50)], [other.message() for _ in range(50)]
        )

    def test_emptyMessages(self) -> None:
        """
        Nothing can be done to nothing, and that is no error.
        """
        mutator = mutate.Mutator(Random(4), [b""])
        for _ in range(200):
            mutator.message()

    def test_command(self) -> None:
        """
        The command counts the ends, and succeeds.
        """
        folder = FilePath(self.mktemp())
        folder.makedirs()
        folder.child("a.dat").setContent(b"OPTIONS sip:a SIP/2.0\n\n")
        with mock.patch("sys.stdout", new=io.StringIO()) as out:
            status = mutate.main(["--messages", "50", "--corpus", folder.path])
        self.assertEqual(status, 0)
        self.assertIn("       50 messages, seed 1", out.getvalue())

    def test_commandFails(self) -> None:
        """
        A message that breaks something is shown, and the command fails.
        """
        with (
            mock.patch("sys.stdout", new=io.StringIO()) as out,
            mock.patch.object(Request, "render", side_effect=ZeroDivisionError),
        ):
            status = mutate.main(["--messages", "500", "--seed", "9"])
        self.assertEqual(status, 1)
        self.assertIn("ZeroDivisionError", out.getvalue())
        self.assertIn("the last one", out.getvalue())
