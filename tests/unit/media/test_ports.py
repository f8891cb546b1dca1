"""
Tests for L{sipcluster.media.ports}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.media.imedia import Full, IDatagrams
from sipcluster.media.ports import PortPair, PortPairs
from sipcluster.sip.imedia import IMediaPort
from sipcluster.testing.datagrams import MemoryDatagrams


def nobody(data: bytes, origin: tuple[str, int]) -> None:
    """
    Takes datagrams.
    """


class PortPairsTests(SynchronousTestCase):
    """
    Pairs of ports.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.datagrams = MemoryDatagrams("192.0.2.1")
        verifyObject(IDatagrams, self.datagrams)

    def _pairs(self, low: int, high: int) -> PortPairs:
        return PortPairs(self.datagrams, self.clock, low, high)

    def _take(self, pairs: PortPairs) -> PortPair:
        return pairs.take(nobody, nobody)

    def test_evenAndNext(self) -> None:
        """
        RTP has an even port and RTCP the next, all of them within the range.
        """
        pairs = self._pairs(30001, 30007)
        found = [self._take(pairs) for _ in range(3)]
        self.assertEqual([p.rtp.port for p in found], [30002, 30004, 30006])
        self.assertEqual([p.rtcp.port for p in found], [30003, 30005, 30007])
        self.assertRaises(Full, self._take, pairs)
        self.assertEqual(pairs.open, 3)
        verifyObject(IMediaPort, found[0].rtp)

    def test_rest(self) -> None:
        """
        A pair that was given back is not taken again at once.
        """
        pairs = self._pairs(30000, 30003)
        one, _ = self._take(pairs), self._take(pairs)
        one.close()
        one.close()
        self.assertEqual(pairs.open, 1)
        self.assertEqual(sorted(self.datagrams.bound), [30002, 30003])
        self.assertRaises(Full, self._take, pairs)
        self.clock.advance(5)
        self.assertEqual(self._take(pairs).rtp.port, 30000)

    def test_takenByOthers(self) -> None:
        """
        A pair of which somebody else has one is passed over, and found again later.
        """
        self.datagrams.taken = {30001, 30002}
        pairs = self._pairs(30000, 30005)
        self.assertEqual(self._take(pairs).rtp.port, 30004)
        self.assertRaises(Full, self._take, pairs)
        self.assertEqual(sorted(self.datagrams.bound), [30004, 30005])
        self.datagrams.taken.clear()
        found = {self._take(pairs).rtp.port for _ in range(2)}
        self.assertEqual(found, {30000, 30002})

    def test_systemsChoice(self) -> None:
        """
        Without a range the system chooses.
        """
        pairs = self._pairs(0, 0)
        one = self._take(pairs)
        self.assertTrue(one.rtp.port and one.rtcp.port)
        one.close()
        self.assertEqual((pairs.open, self.datagrams.bound), (0, {}))
