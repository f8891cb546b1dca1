"""
Bindings in memory.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.registrar.index import BindingIndex
from sipcluster.testing.registration_contract import AOR, EPOCH, binding


class BindingIndexTests(SynchronousTestCase):
    """
    L{BindingIndex}
    """

    def setUp(self) -> None:
        self.now = EPOCH
        self.index = BindingIndex(lambda: self.now)

    def test_comeAndGo(self) -> None:
        """
        Who registers and leaves again and again costs no memory.
        """
        for number in range(10_000):
            self.index.put(binding(seconds=3600.0 + number))
            self.index.remove(AOR, binding().identity)
        self.assertLess(len(self.index._ends), 1100)
        self.index.put(binding(b"stays"))
        self.now += 600.0
        self.assertEqual(len(self.index.expired()), 1)

    def test_comeAgain(self) -> None:
        """
        A binding that was removed and came again ends at its second time.
        """
        self.index.put(binding(seconds=60.0))
        self.index.remove(AOR, binding().identity)
        self.index.put(binding(seconds=120.0))
        self.now += 60.0
        self.assertEqual(self.index.expired(), [])
        self.now += 60.0
        self.assertEqual(len(self.index.expired()), 1)
        self.assertEqual((self.index.count, self.index._byAOR), (0, {}))

    def test_removeUnknown(self) -> None:
        """
        What is not there cannot be removed.
        """
        self.assertIs(self.index.remove(AOR, b"x"), None)
        self.index.put(binding())
        self.assertIs(self.index.remove(AOR, b"x"), None)

    def test_flowsAreForgotten(self) -> None:
        """
        Flows without bindings are not remembered.
        """
        self.index.put(binding(b"a", proxy="proxy1", flow=b"1"))
        self.index.put(binding(b"b", proxy="proxy1", flow=b"1"))
        for name in (b"a", b"b"):
            self.index.remove(AOR, binding(name).identity)
        self.assertEqual(self.index._byFlow, {})
