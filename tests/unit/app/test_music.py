"""
Tests for the music that those hear whom DNs hold, as the configuration has it.
"""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app.music import musicOf
from sipcluster.app.settings import Extension
from tests.memory.nodes import configuration


class MusicTests(SynchronousTestCase):
    """
    L{musicOf}.
    """

    def test_off(self) -> None:
        """
        Nobody hears music unless it is switched on.
        """
        self.assertEqual(musicOf(configuration())("1001"), "")

    def test_on(self) -> None:
        """
        The VoIP Service says whether there is music, and which, unless the DN does;
        trunks and unknown numbers have none.
        """
        wanted = configuration(musicOnHold=True)
        more = (
            Extension(number="1", password="x", musicOnHold=False),
            Extension(number="2", password="x", music="jazz"),
        )
        music = musicOf(evolve(wanted, dns=(*wanted.dns, *more)))
        self.assertEqual(music("1001"), "file:music/on_hold")
        self.assertEqual(music("2"), "file:jazz")
        for dn in ("1", "9", "7777"):
            self.assertEqual(music(dn), "")
