"""
Tests for L{sipcluster.tcontroller.monitoring}.
"""

from __future__ import annotations

from attrs import evolve
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from sipcluster.sessioncontroller.events import CallType, Role
from sipcluster.sessioncontroller.isessioncontroller import CallRefused, Why
from sipcluster.sessioncontroller.isupervision import (
    ISupervision,
    Monitoring,
    MonitorMode,
    MonitorScope,
)
from sipcluster.tcontroller.monitoring import MOST_SUPERVISORS
from sipcluster.tcontroller.values import decodeDN, encodeDN
from sipcluster.tlib.enums import MonitorNextCallType
from sipcluster.tlib.messages import RequestCancelMonitoring, RequestMonitorNextCall
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList
from tests.unit.tcontroller.fakes import (
    CONN,
    NOON,
    Answered,
    Released,
    TControllerTestCase,
)
from tests.unit.tcontroller.fakes import VIEW as ALICE

BOTH = ["EventMonitoringNextCall*", "EventMonitoringNextCall"]
CANCELLED = ["EventMonitoringCancelled*", "EventMonitoringCancelled"]


@implementer(ISupervision)
class Observing:
    """
    Notes what is asked.

    @ivar refused: nothing is done.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, Monitoring]] = []
        self.refused = False

    def observe(
        self, connID: str, monitoring: Monitoring, requester: Requester | None = None
    ) -> Deferred[None]:
        self.asked.append((connID, monitoring))
        if self.refused:
            return fail(CallRefused(Why.BUSY))
        return succeed(None)

    def changeMode(
        self,
        supervisor: str,
        connID: str,
        mode: MonitorMode,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        raise NotImplementedError


class MonitoringTests(TControllerTestCase):
    """
    1003 supervises 1001.
    """

    def setUp(self) -> None:
        super().setUp()
        self.observing = Observing()
        self.controller.supervisors.supervision = self.observing

    def monitor(
        self,
        kind: MonitorNextCallType | int | None = None,
        extensions: KVList = (),
        supervisor: str = "1003",
        dn: str = "1001",
    ) -> list[str]:
        """
        Ask for it.
        """
        return self.ask(
            RequestMonitorNextCall(
                thisDN=supervisor,
                otherDN=dn,
                monitorNextCallType=kind,
                extensions=extensions or None,
            )
        )

    def observed(self) -> list[str]:
        """
        The calls that were to take 1003 in, since the last time.
        """
        self.wait(0)
        asked = [connID for connID, _ in self.observing.asked]
        self.observing.asked.clear()
        return asked

    def test_oneCall(self) -> None:
        """
        The next call is heard, and no other one.
        """
        self.assertEqual(self.monitor(), BOTH)
        told = self.port.events[-2:]
        self.assertEqual(
            [(each.thisDN, each.otherDN) for each in told],
            [("1003", "1001"), ("1001", "1003")],
        )
        self.assertEqual(told[0].monitorNextCallType, MonitorNextCallType.ONE_CALL)
        self.talk("1001")
        self.assertEqual(self.observing.asked, [])  # not in the middle of it
        self.assertEqual(self.observed(), [CONN])
        self.happen(Released, "1001")
        self.talk("1001", "2" * 16)
        self.assertEqual(self.observed(), [])

    def test_allCalls(self) -> None:
        """
        All are, until that is cancelled.
        """
        self.monitor(MonitorNextCallType.ALL_CALLS)
        for connID in (CONN, "2" * 16):
            self.talk("1001", connID)
            self.assertEqual(self.observed(), [connID])
            self.happen(Released, "1001", connID=connID)
        cancel = RequestCancelMonitoring(thisDN="1003", otherDN="1001")
        self.assertEqual(self.ask(cancel), CANCELLED)
        self.assertEqual(self.ask(cancel), ["43"])
        self.talk("1001", "3" * 16)
        self.assertEqual(self.observed(), [])

    def test_callThere(self) -> None:
        """
        A call that is there already is heard at once.
        """
        self.talk("1001")
        self.monitor()
        self.assertEqual(self.observed(), [CONN])

    def test_words(self) -> None:
        """
        Mode and scope are those of the Extensions; a hidden supervisor is told of to
        nobody else.
        """
        words = (
            ("MonitorMode", "coach"),
            ("MonitorScope", "agent"),
            ("MonitorHidden", 1),
        )
        self.assertEqual(self.monitor(None, words), BOTH[:1])
        self.assertEqual(self.last.extensions, words)
        self.talk("1001")
        self.wait(0)
        ((_, monitoring),) = self.observing.asked
        self.assertEqual(
            monitoring,
            Monitoring("1003", "1001", MonitorMode.COACH, MonitorScope.AGENT, True),
        )

    def test_consultation(self) -> None:
        """
        Consultations are not heard, nor what the DN supervises itself.
        """
        self.monitor(MonitorNextCallType.ALL_CALLS)
        for view in (
            evolve(ALICE, callType=CallType.CONSULT),
            evolve(ALICE, thisRole=Role.OBSERVER),
        ):
            self.controller.eventHappened(Answered(view, NOON))
            self.assertEqual(self.observed(), [])

    def test_refused(self) -> None:
        """
        When the call does not take it in, whoever waits for that one is told; whoever
        wants all hears the next one.
        """
        self.observing.refused = True
        self.monitor()
        self.talk("1001")
        self.assertEqual(self.wait(0), ["EventMonitoringCancelled"] * 2)
        self.monitor(MonitorNextCallType.ALL_CALLS)
        self.assertEqual(self.wait(0), [])
        self.observing.asked.clear()
        self.happen(Released, "1001")
        self.talk("1001", "2" * 16)
        self.assertEqual(self.observed(), ["2" * 16])

    def test_impossible(self) -> None:
        """
        What cannot be is refused.
        """
        for kind, words, supervisor, dn, code in (
            (7, (), "1003", "1001", "53"),
            (None, (("MonitorMode", "shout"),), "1003", "1001", "223"),
            (None, (("MonitorScope", 3),), "1003", "1001", "223"),
            (None, (), "1003", "1003", "177"),
            (None, (), "1003", "7777", "177"),
            (None, (), "1003", "5000", "177"),
            (None, (), "7777", "1001", "59"),
        ):
            self.assertEqual(self.monitor(kind, words, supervisor, dn), [code])

    def test_tooMany(self) -> None:
        """
        A DN has so many supervisors at most.
        """
        device = self.controller._devices["1001"]
        self.monitor()
        (monitor,) = device.monitors.values()
        for number in range(MOST_SUPERVISORS):
            device.monitors[str(number)] = monitor
        self.assertEqual(self.monitor(supervisor="1002"), ["166"])
        del device.monitors["1003"]
        self.assertEqual(self.monitor(), ["166"])

    def test_kept(self) -> None:
        """
        Another process goes on with it, also with what was about to be done.
        """
        self.monitor(MonitorNextCallType.ALL_CALLS)
        self.talk("1001")
        written = encodeDN(self.controller._devices["1001"].value())
        self.observing.asked.clear()
        self.controller = self.make()
        self.controller.supervisors.supervision = self.observing
        self.controller.restore(decodeDN(written))
        self.controller._devices["1001"].settle(lambda connID: True)
        self.assertEqual(set(self.observed()), {CONN})
        self.talk("1001", "2" * 16)
        self.assertEqual(self.observed(), ["2" * 16])
