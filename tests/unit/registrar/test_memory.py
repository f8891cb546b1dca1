"""
The location service in one process.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.registrar.memory import MemoryRegistrationStore
from sipcluster.testing.registration_contract import (
    AOR,
    EPOCH,
    RegistrationStoreContract,
    binding,
)


class MemoryRegistrationStoreTests(RegistrationStoreContract, SynchronousTestCase):
    """
    L{MemoryRegistrationStore} keeps registrations.
    """

    def makeStore(self) -> MemoryRegistrationStore:
        """
        @return: a store on the test's clock.
        """
        return MemoryRegistrationStore(self.wallTime, self.clock)


class WithoutClockTests(SynchronousTestCase):
    """
    L{MemoryRegistrationStore} without a clock.
    """

    def test_dropsWithTheNextChange(self) -> None:
        """
        Expired bindings are never returned, and go with the next change.
        """
        now = EPOCH
        store = MemoryRegistrationStore(lambda: now)
        store.update(AOR, [binding(b"a", 60.0)])
        now += 60.0
        self.assertEqual((list(store.bindings(AOR)), store.count), ([], 1))
        store.update(AOR, [binding(b"b", 120.0)])
        self.assertEqual(store.count, 1)
        store.stop()
