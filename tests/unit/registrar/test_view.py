"""
L{sipcluster.registrar.view}: over an embedded store in memory.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipcluster.cluster.embedded_store import EmbeddedStore, memoryEngine
from sipcluster.cluster.icluster import IReplicaListener, Put
from sipcluster.ha.ikeeping import UNKEPT, IKeeper, IKept
from sipcluster.registrar.iregistrar import ALL
from sipcluster.registrar.records import PREFIX, encode
from sipcluster.registrar.replicated import replicatedRegistrations
from sipcluster.registrar.view import (
    SETTLE,
    IBindingObserver,
    RegistrationView,
    registrationView,
)
from sipcluster.testing.clock import runFor
from sipcluster.testing.registration_contract import AOR, EPOCH, binding
from tests.unit.kept import Lives


@implementer(IBindingObserver)
class Observer:
    """
    Notes what it is told.

    @ivar broken: it raises instead.
    """

    def __init__(self) -> None:
        self.told: list[tuple[bytes, str]] = []
        self.broken = False

    def bound(self, aor: bytes) -> None:
        """
        See L{IBindingObserver}.
        """
        if self.broken:
            raise ValueError("broken")
        self.told.append((aor, ""))

    def unbound(self, aor: bytes, why: str) -> None:
        """
        See L{IBindingObserver}.
        """
        self.told.append((aor, why))


class ViewTestCase(SynchronousTestCase):
    """
    A view beside one SIP Proxy that writes.
    """

    keeper: IKeeper = UNKEPT

    def setUp(self) -> None:
        self.clock = Clock()
        self.engine = memoryEngine(self.clock)
        self.addCleanup(self.engine.close)
        self.way = EmbeddedStore(self.engine, self.clock, delay=0.002)
        self.viewWay = EmbeddedStore(self.engine, self.clock, delay=0.002)
        self.proxy = replicatedRegistrations(
            self.way, self.clock, self.wallTime, "proxy1"
        )
        self.addCleanup(self.proxy.stop)
        self.proxy.start()
        self.run_()
        self.observer = Observer()
        self.view = self.join()

    def wallTime(self) -> float:
        """
        Seconds since the epoch.
        """
        return EPOCH + self.clock.seconds()

    def join(self) -> RegistrationView:
        """
        Start a view, and wait until it trusts what it sees.
        """
        view = registrationView(
            self.viewWay,
            self.clock,
            self.wallTime,
            "node1",
            self.observer,
            self.keeper,
        )
        started = view.start()
        self.addCleanup(view.stop)
        self.run_()
        self.successResultOf(started)
        self.run_(SETTLE + 1)
        return view

    def run_(self, seconds: float = 0.2) -> None:
        """
        Let time pass.
        """
        runFor(self.clock, seconds)


class RegistrationViewTests(ViewTestCase):
    """
    What is told of registrations.
    """

    def test_provides(self) -> None:
        """
        It listens to a replica.
        """
        verifyObject(IReplicaListener, self.view)
        verifyObject(IBindingObserver, self.observer)

    def test_firstAndLast(self) -> None:
        """
        The first binding and the end of the last one are told, and nothing in
        between.
        """
        self.proxy.update(AOR, [binding(b"a")])
        self.run_()
        self.assertEqual(self.observer.told, [(AOR, "")])
        self.assertTrue(self.view.isBound(AOR))
        self.proxy.update(AOR, [binding(b"b")])
        self.proxy.update(AOR, [], [b"sip:bob@a"])
        self.run_()
        self.assertEqual(len(self.observer.told), 1)
        self.assertEqual([b.contact for b in self.view.bindings(AOR)], [b"sip:bob@b"])
        self.assertEqual(len(list(self.view.allBindings())), self.view.count)
        self.proxy.update(AOR, [], ALL)
        self.run_()
        self.assertEqual(self.observer.told[1:], [(AOR, "unregistered")])
        self.assertFalse(self.view.isBound(AOR))
        self.assertEqual(self.view.count, 0)

    def test_moves(self) -> None:
        """
        A telephone that leaves one contact and takes another in one change does
        not go out of service in between.
        """
        self.proxy.update(AOR, [binding(b"a")])
        self.run_()
        self.proxy.update(AOR, [binding(b"b")], ALL)
        self.run_()
        self.assertEqual(self.observer.told, [(AOR, "")])

    def test_expires(self) -> None:
        """
        A binding that is not refreshed ends when its time is over.
        """
        self.proxy.update(AOR, [binding(b"a", self.clock.seconds() + 60.0)])
        self.run_(58)
        self.assertEqual(len(self.observer.told), 1)
        self.run_(4)
        self.assertEqual(self.observer.told[1:], [(AOR, "registration expired")])
        self.assertEqual(self.view.count, 0)

    def test_refreshed(self) -> None:
        """
        One that is refreshed does not, although SIP Proxies hold refreshes back.
        """
        for cseq in range(1, 12):
            start = self.clock.seconds()
            new = binding(b"a", start + 60.0, cseq=cseq, updatedAt=self.wallTime())
            self.proxy.update(AOR, [new])
            self.run_(20)
        self.assertEqual(self.observer.told, [(AOR, "")])

    def test_newcomer(self) -> None:
        """
        A view that starts is told of all bindings there are.
        """
        self.view.stop()
        self.proxy.update(AOR, [binding(b"a", 6000.0)])
        self.run_()
        self.join()
        self.assertEqual(self.observer.told, [(AOR, "")])

    def test_storeAway(self) -> None:
        """
        While the cluster store is not heard nobody is given up, not even those
        whose time seems to be over; once it is heard again, those who have gone
        are, a little later.
        """
        gone = b"sip:gone@biloxi.example.com"
        self.proxy.update(AOR, [binding(b"a", 60.0)])
        self.proxy.update(gone, [binding(b"g", 60.0, aor=gone)])
        self.run_()
        self.viewWay.away = True
        later = binding(b"a", 6000.0, cseq=2000, updatedAt=self.wallTime() + 1)
        self.proxy.update(AOR, [later])
        self.proxy.update(gone, [], ALL)
        self.run_(300)
        self.assertTrue(self.view.degraded)
        self.assertEqual(len(self.observer.told), 2)
        self.viewWay.away = False
        self.run_(SETTLE)
        self.assertEqual(len(self.observer.told), 2)
        self.run_(8)
        self.assertEqual(self.observer.told[2:], [(gone, "no longer registered")])
        self.assertTrue(self.view.isBound(AOR))

    def test_anotherStore(self) -> None:
        """
        After a store that went back in time the SIP Proxies have time to write
        their bindings again.
        """
        self.proxy.update(AOR, [binding(b"a", 6000.0)])
        self.run_()
        self.view._replica.era += 1
        self.proxy.update(AOR, [], ALL)
        self.run_(1)
        self.assertEqual(len(self.observer.told), 1)
        self.run_(SETTLE + 1)
        self.assertEqual(len(self.observer.told), 2)

    def test_badRecords(self) -> None:
        """
        Records that cannot be read, or stand elsewhere than they should, are
        counted and harm nothing.
        """
        self.way.txn(
            [],
            [
                Put(PREFIX + b"sip:a@b/1", b"\xc1"),
                Put(PREFIX + b"sip:a@b/2", encode(binding())),
            ],
        )
        self.run_()
        self.assertEqual(self.view.unreadable, 2)
        self.assertEqual(self.observer.told, [])

    def test_brokenObserver(self) -> None:
        """
        An observer that raises is logged, and the others are told all the same.
        """
        self.observer.broken = True
        self.proxy.update(AOR, [binding(b"a")])
        self.run_()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.observer.broken = False
        self.proxy.update(AOR, [], ALL)
        self.run_()
        self.assertEqual(self.observer.told, [(AOR, "unregistered")])

    def test_stopsCleanly(self) -> None:
        """
        A view that is stopped leaves no timer behind.
        """
        self.view.stop()
        self.view.stop()
        self.proxy.stop()
        self.engine.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class KeptTests(ViewTestCase):
    """
    What another process knows that takes over.
    """

    GONE = b"sip:gone@biloxi.example.com"

    def setUp(self) -> None:
        self.lives: Lives | None = None
        super().setUp()

    def join(self) -> RegistrationView:
        """
        Start a view in the next life.
        """
        if self.lives is None:
            self.lives = Lives(self, self.clock)
            self.keeper = self.lives.keeper
            return super().join()
        self.lives.die()
        self.view.stop()
        self.keeper = self.lives.next()
        self.observer.told.clear()
        view = registrationView(
            self.viewWay,
            self.clock,
            self.wallTime,
            "node1",
            self.observer,
            self.keeper,
        )
        self.addCleanup(view.stop)
        self.lives.begin()
        view.start().addErrback(lambda _: None)
        self.run_()
        self.lives.check()
        return view

    def run_(self, seconds: float = 0.2) -> None:
        """
        Let time pass; all is written down.
        """
        super().run_(seconds)
        if self.lives is not None:
            self.lives.check()

    def register(self) -> None:
        """
        Two telephones register.
        """
        self.proxy.update(AOR, [binding(b"a", 6000.0), binding(b"b", 6000.0)])
        self.proxy.update(self.GONE, [binding(b"g", 6000.0, aor=self.GONE)])
        self.run_()
        self.assertEqual(len(self.observer.told), 2)

    def test_provides(self) -> None:
        """
        It is kept.
        """
        verifyObject(IKept, self.view)

    def test_storeHeard(self) -> None:
        """
        It is told of nobody whom the process before it was told of.
        """
        self.register()
        self.view = self.join()
        self.run_(20)
        self.assertEqual(self.observer.told, [])
        self.assertEqual(self.view.count, 3)
        self.proxy.update(AOR, [], ALL)
        self.run_()
        self.assertEqual(self.observer.told, [(AOR, "unregistered")])

    def test_storeAway(self) -> None:
        """
        While the cluster store is away it knows all who are registered, for as long
        as that takes; later those who have left meanwhile are given up, and those
        who have come are told.
        """
        self.register()
        self.viewWay.away = True
        self.view = self.join()
        self.assertTrue(self.view.degraded)
        self.assertTrue(self.view.isBound(AOR))
        self.assertEqual(
            {each.contact for each in self.view.bindings(AOR)},
            {b"sip:bob@a", b"sip:bob@b"},
        )
        self.proxy.update(self.GONE, [], ALL)
        new = b"sip:new@biloxi.example.com"
        self.proxy.update(new, [binding(b"n", 6000.0, aor=new)])
        self.run_(100)
        self.assertEqual(self.observer.told, [])
        self.viewWay.away = False
        self.run_(SETTLE + 8)
        self.assertEqual(
            self.observer.told, [(new, ""), (self.GONE, "no longer registered")]
        )
        self.assertTrue(self.view.isBound(AOR))
        self.assertEqual(self.view.count, 3)

    def test_suspects(self) -> None:
        """
        Who had left when the process before was not sure of it is given up by this
        one.
        """
        self.register()
        self.view._replica.era += 1
        self.proxy.update(self.GONE, [], ALL)
        self.run_(1)
        self.view = self.join()
        self.assertTrue(self.view.isBound(self.GONE))
        self.run_(SETTLE + 2)
        self.assertEqual(self.observer.told, [(self.GONE, "no longer registered")])

    def test_expired(self) -> None:
        """
        Who has not registered again is given up, once the store is heard.
        """
        self.proxy.update(AOR, [binding(b"a", self.clock.seconds() + 60.0)])
        self.run_()
        self.viewWay.away = True
        self.view = self.join()
        self.run_(100)
        self.assertEqual(self.observer.told, [])
        self.viewWay.away = False
        self.run_(SETTLE + 8)
        self.assertEqual([aor for aor, why in self.observer.told], [AOR])

    def test_garbage(self) -> None:
        """
        Entries that cannot be read, or are of somebody else, are lost, and nothing
        else.
        """
        self.register()
        assert self.lives is not None
        journal = self.lives.journal
        found = journal.snapshot("contact")
        journal.change("contact", "sip:x@biloxi.example.com", b"\x01")
        journal.change(
            "contact", "sip:y@biloxi.example.com", next(iter(found.values()))
        )
        self.lives.keeper.end()
        self.view.stop()
        self.keeper = self.lives.next()
        self.view = registrationView(
            self.viewWay,
            self.clock,
            self.wallTime,
            "node1",
            self.observer,
            self.keeper,
        )
        self.assertEqual(self.lives.begin().failed, 2)
        self.assertEqual(len(self.flushLoggedErrors()), 2)
        self.assertEqual(self.view.count, 3)
