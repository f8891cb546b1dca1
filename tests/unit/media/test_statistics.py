"""
Tests for L{sipcluster.media.statistics}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.media.statistics import Reception


class ReceptionTests(SynchronousTestCase):
    """
    Counting what comes.
    """

    def _counted(self, *numbers: int) -> Reception:
        found = Reception(1, numbers[0])
        for number in numbers:
            found.packet(number & 0xFFFF, number * 160, number * 0.02)
        return found

    def test_all(self) -> None:
        """
        When all come in time there is no loss and no jitter, also where the numbers
        begin again.
        """
        found = self._counted(*range(65500, 65600))
        self.assertEqual((found.received, found.lost, found.jitter), (100, 0, 0))
        self.assertEqual(found.highest, 65599)
        self.assertEqual(found.fraction(), 0)

    def test_lost(self) -> None:
        """
        A fraction is of the time since it was asked last.
        """
        found = self._counted(*(n for n in range(100) if n % 4 != 1))
        self.assertEqual((found.received, found.lost), (75, 25))
        self.assertEqual(found.fraction(), 64)
        for number in range(100, 120):
            found.packet(number, number * 160, number * 0.02)
        self.assertEqual(found.fraction(), 0)

    def test_order(self) -> None:
        """
        What comes late or twice is received all the same.
        """
        found = self._counted(10, 12, 11, 12)
        self.assertEqual((found.received, found.lost, found.highest), (4, -1, 12))
        self.assertEqual(found.fraction(), 0)

    def test_restart(self) -> None:
        """
        A number far off is a restart when the next one follows it.
        """
        found = self._counted(*range(100))
        found.packet(30000, 0, 2.0)
        self.assertEqual(found.received, 100)
        found.packet(30001, 160, 2.02)
        found.packet(30002, 320, 2.04)
        self.assertEqual((found.received, found.lost), (2, 0))

    def test_jitter(self) -> None:
        """
        Packets that come unevenly have jitter, which settles at the mean difference.
        """
        found = Reception(1, 0)
        for number in range(500):
            late = 0.01 if number % 2 else 0.0
            found.packet(number, number * 160, number * 0.02 + late)
        self.assertLess(abs(found.jitter / 16 - 80), 2)

    def test_noJitterOfJumps(self) -> None:
        """
        A jump of the time stamps is no jitter.
        """
        found = self._counted(*range(50))
        found.packet(50, 0x90000000, 1.0)
        self.assertEqual(found.jitter, 0)
