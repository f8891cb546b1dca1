"""
What every location service must do: test mixins, run against each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from sipcluster.registrar.iregistrar import (
    ALL,
    Binding,
    IRegistrationStore,
    TooManyBindings,
)
from sipcluster.testing.clock import runFor

if TYPE_CHECKING:
    from twisted.trial.unittest import TestCase as _TestCase
else:
    # A mixin: where it is imported, trial is not to take it for a test.
    _TestCase = object

#: When the tests of registrations begin, in seconds since the epoch.
EPOCH = 1_700_000_000.0

AOR = b"sip:bob@biloxi.example.com"


def binding(name: bytes = b"192.0.2.4", seconds: float = 600.0, **more: Any) -> Binding:
    """
    A binding of Bob's, made at L{EPOCH}.

    @param name: host of the contact.
    """
    values: dict[str, Any] = {
        "contact": b"sip:bob@" + name,
        "aor": AOR,
        "callID": b"843817637684230@998sdasdh09",
        "cseq": 1826,
        "expiresAt": EPOCH + seconds,
        "updatedAt": EPOCH,
    }
    return Binding(**{**values, **more})


class RegistrationStoreContract(_TestCase):
    """
    What an L{IRegistrationStore} does, on a clock that the tests turn.
    """

    clock: Clock
    store: Any

    def makeStore(self) -> Any:
        """
        @return: an empty store on C{self.clock} and C{self.wallTime}.
        """
        raise NotImplementedError

    def wallTime(self) -> float:
        """
        Seconds since the epoch.
        """
        return EPOCH + self.clock.seconds()

    def setUp(self) -> None:
        """
        Make a store.
        """
        self.clock = Clock()
        self.store = self.makeStore()
        self.addCleanup(self.store.stop)
        verifyObject(IRegistrationStore, self.store)

    def update(
        self, *changes: Binding, removed: Any = (), aor: bytes = AOR
    ) -> list[object]:
        """
        Update, and wait.

        @return: what the Deferred fired with.
        """
        fired: list[object] = []
        self.store.update(aor, changes, removed).addBoth(fired.append)
        runFor(self.clock, 0.2)
        return fired

    def contacts(self, aor: bytes = AOR) -> list[bytes]:
        """
        What is bound.
        """
        return [each.contact for each in self.store.bindings(aor)]

    def test_nobody(self) -> None:
        """
        An address-of-record that nobody registered has no bindings.
        """
        self.assertEqual(list(self.store.bindings(AOR)), [])
        self.assertEqual((self.store.count, self.store.degraded), (0, False))
        self.assertEqual(list(self.store.allBindings()), [])

    def test_seenAtOnce(self) -> None:
        """
        A binding is found as soon as it is put, whole as it was given; the
        Deferred fires with nothing.
        """
        whole = binding(
            q=0.7,
            instance=b"urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF",
            regID=1,
            path=(b"<sip:p1.example.com;lr>", b"<sip:p2.example.com;lr>"),
            proxy="proxy1",
            flow=b"token",
            transport="TLS",
            received=("198.51.100.7", 4711),
            userAgent=b"phone \xff",
            contactParameters=b';methods="INVITE, BYE"',
        )
        fired: list[object] = []
        self.store.update(AOR, [whole]).addBoth(fired.append)
        self.assertEqual(list(self.store.bindings(AOR)), [whole])
        runFor(self.clock, 0.2)
        self.assertEqual(fired, [None])
        self.assertEqual(list(self.store.bindings(AOR)), [whole])
        self.assertEqual(list(self.store.allBindings()), [whole])

    def test_bestFirst(self) -> None:
        """
        Bindings come highest q first, and of equal ones the newest first.
        """
        self.update(
            binding(b"old", updatedAt=EPOCH - 5),
            binding(b"last", q=0.1),
            binding(b"new"),
            binding(b"half", q=0.5),
        )
        self.assertEqual(
            self.contacts(),
            [b"sip:bob@new", b"sip:bob@old", b"sip:bob@half", b"sip:bob@last"],
        )

    def test_sameContactIsReplaced(self) -> None:
        """
        A second registration of a contact takes the place of the first.
        """
        self.update(binding())
        self.update(binding(q=0.2, cseq=1827))
        (only,) = self.store.bindings(AOR)
        self.assertEqual((only.q, only.cseq, self.store.count), (0.2, 1827, 1))

    def test_sameInstanceIsReplaced(self) -> None:
        """
        A device that comes back from another address, with the same instance,
        has one binding; another C{reg-id} is another flow.
        """
        one = binding(b"192.0.2.4", instance=b"urn:uuid:1", regID=1)
        moved = binding(b"192.0.2.5", instance=b"urn:uuid:1", regID=1)
        other = binding(b"192.0.2.6", instance=b"urn:uuid:1", regID=2, q=0.1)
        self.update(one)
        self.update(moved, other)
        self.assertEqual(self.contacts(), [b"sip:bob@192.0.2.5", b"sip:bob@192.0.2.6"])

    def test_removed(self) -> None:
        """
        Bindings are removed by contact; one that is not there is no error.
        """
        self.update(binding(b"a"), binding(b"b"))
        fired = self.update(removed=[b"sip:bob@a", b"sip:bob@nowhere"])
        self.assertEqual((fired, self.contacts()), ([None], [b"sip:bob@b"]))

    def test_allRemoved(self) -> None:
        """
        L{ALL} removes everything of one address-of-record.
        """
        alice = binding(b"a", aor=b"sip:alice@example.com")
        self.update(binding(b"a"), binding(b"b"))
        self.update(alice, aor=alice.aor)
        self.assertEqual(self.update(removed=ALL), [None])
        self.assertEqual(self.contacts(), [])
        self.assertEqual(self.contacts(alice.aor), [b"sip:bob@a"])
        self.assertEqual(self.store.count, 1)

    def test_removedAndReplaced(self) -> None:
        """
        An update removes first: what it removes and adds is there after it.
        """
        self.update(binding(b"a"), binding(b"b"))
        self.update(binding(b"c"), binding(b"a", q=0.1), removed=ALL)
        self.assertEqual(self.contacts(), [b"sip:bob@c", b"sip:bob@a"])

    def test_expiredIsNeverReturned(self) -> None:
        """
        A binding is gone at the second at which it ends, and is dropped soon.
        """
        self.update(binding(b"short", 60.0), binding(b"long", 120.0))
        runFor(self.clock, 59.9 - self.clock.seconds())
        self.assertEqual(len(self.contacts()), 2)
        runFor(self.clock, 0.1)
        self.assertEqual(self.contacts(), [b"sip:bob@long"])
        self.assertEqual(
            [each.contact for each in self.store.allBindings()], self.contacts()
        )
        runFor(self.clock, 2.0)
        self.assertEqual(self.store.count, 1)
        runFor(self.clock, 120.0)
        self.assertEqual((self.contacts(), self.store.count), ([], 0))

    def test_refreshed(self) -> None:
        """
        A binding that is refreshed outlives its first end.
        """
        self.update(binding(seconds=60.0))
        runFor(self.clock, 50.0)
        self.update(binding(seconds=110.0, cseq=1827))
        runFor(self.clock, 40.0)
        self.assertEqual(len(self.contacts()), 1)
        runFor(self.clock, 30.0)
        self.assertEqual((self.contacts(), self.store.count), ([], 0))

    def test_shortened(self) -> None:
        """
        A registration for a shorter time than before ends at that time.
        """
        self.update(binding(seconds=600.0))
        self.update(binding(seconds=60.0, cseq=1827))
        runFor(self.clock, 61.0)
        self.assertEqual((self.contacts(), self.store.count), ([], 0))

    def test_tooMany(self) -> None:
        """
        An update that would leave too many bindings changes nothing; one that
        makes room for them is made.
        """
        for number in range(10):
            self.update(binding(b"%d" % number))
        (fired,) = self.update(binding(b"more"), removed=[b"sip:bob@none"])
        assert isinstance(fired, Failure)
        fired.trap(TooManyBindings)
        self.assertEqual(len(self.contacts()), 10)
        self.assertNotIn(b"sip:bob@more", self.contacts())
        self.assertEqual(self.update(binding(b"more"), removed=[b"sip:bob@3"]), [None])
        self.assertIn(b"sip:bob@more", self.contacts())

    def test_expiredMakeRoom(self) -> None:
        """
        Expired bindings do not count against the bound.
        """
        for number in range(10):
            self.update(binding(b"%d" % number, 60.0))
        runFor(self.clock, 60.0)
        self.assertEqual(self.update(binding(b"more")), [None])
        self.assertEqual(self.contacts(), [b"sip:bob@more"])

    def test_ofAnother(self) -> None:
        """
        A binding of another address-of-record is the caller's mistake.
        """
        self.assertRaises(
            ValueError, self.store.update, b"sip:alice@example.com", [binding()]
        )

    def test_flowGone(self) -> None:
        """
        When a proxy's flow closes, the bindings on it go, and no others: a
        token means something at its own proxy only.
        """
        one = binding(b"a", proxy="proxy1", flow=b"1")
        self.update(
            one,
            binding(b"b", proxy="proxy2", flow=b"1", q=0.5),
            binding(b"c", proxy="proxy1", q=0.2),
        )
        moved = binding(b"d", proxy="proxy1", flow=b"2", instance=b"urn:uuid:1")
        self.update(moved)
        self.update(
            binding(b"d", proxy="proxy1", flow=b"3", instance=b"urn:uuid:1", q=0.1)
        )
        self.assertEqual(self.store.flowGone("proxy1", b"1"), 1)
        self.assertEqual(self.store.flowGone("proxy1", b"1"), 0)
        self.assertEqual(self.store.flowGone("proxy1", b"2"), 0)
        runFor(self.clock, 0.2)
        self.assertEqual(self.contacts(), [b"sip:bob@b", b"sip:bob@c", b"sip:bob@d"])

    def test_stopsCleanly(self) -> None:
        """
        A store that is stopped leaves no timer behind.
        """
        self.update(binding())
        self.store.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
