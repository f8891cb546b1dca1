"""
Subscriptions to message waiting outlive the process that has them.
"""

from __future__ import annotations

from attrs import evolve
from zope.interface.verify import verifyObject

from sipcluster.ha.ikeeping import IKept
from sipcluster.sessioncontroller.notifier_keeping import KeptSubscriptions
from sipcluster.tlib.messages import (
    RequestSetMessageWaitingOff,
    RequestSetMessageWaitingOn,
)
from sipcluster.tserver.itserver import ClientView
from sipcluster.wire.correlation import Requester
from tests.memory.lives import LivesTestCase
from tests.memory.nodes import NODE, PROXY1
from tests.memory.test_message_waiting import (
    ACCEPT,
    EVENT,
    SubscribingTestCase,
    expires,
)

_OTHER_BRANCH = b"SIP/2.0/UDP %b:5060;branch=z9hG4bKother" % PROXY1.encode()

DESKTOP = ClientView("d1", "desktop")


class TakeoverTestCase(LivesTestCase, SubscribingTestCase):
    """
    A node whose process can be replaced by another one.
    """

    def setUp(self) -> None:
        super().setUp()
        self.waiting = self.node.devices.waiting

    def move(self, after: float = 0.0) -> None:
        """
        See L{LivesTestCase}.
        """
        super().move(after)
        self.waiting = self.node.devices.waiting

    def setWaiting(self, dn: str, waiting: bool) -> None:
        """
        A client says that there are messages for a DN, or none.
        """
        kind = RequestSetMessageWaitingOn if waiting else RequestSetMessageWaitingOff
        self.node.cti.controller.requested(kind(thisDN=dn), Requester("d1", 1), DESKTOP)
        self.pump()
        self.check()


class SubscribedTests(TakeoverTestCase):
    """
    A telephone that has subscribed.
    """

    def test_provides(self) -> None:
        """
        They are kept.
        """
        verifyObject(IKept, KeptSubscriptions(self.waiting))

    def test_goesOn(self) -> None:
        """
        The next NOTIFY, and the next SUBSCRIBE, are of the same dialog; its time
        goes on.
        """
        notify = self.subscribe()
        self.assertNotified(notify, b"active;expires=600")
        self.run_(10)
        self.move(after=5)
        self.peer.expectNothing()
        self.setWaiting("1001", True)
        second = self.expectNotify()
        self.assertEqual(second.callID, notify.callID)
        self.assertEqual(second.cseq.number, notify.cseq.number + 1)
        self.assertNotified(second, b"active;expires=585", True)
        self.run_(5)
        refresh = self.refresh(300)
        self.peer.expectResponse(200, refresh)
        self.assertNotified(self.expectNotify(), b"active;expires=300", True)
        self.move()
        self.run_(299)
        self.peer.expectNothing()
        self.run_(2)
        self.assertNotified(self.expectNotify(), b"terminated;reason=timeout", True)
        self.assertNoneLeft()
        self.move()
        self.assertNoneLeft()

    def test_expiredMeanwhile(self) -> None:
        """
        One whose time has passed while nobody was there ends at once.
        """
        self.assertNotified(self.subscribe(), b"active;expires=600")
        self.move(after=700)
        self.assertNotified(self.expectNotify(), b"terminated;reason=timeout")
        self.assertNoneLeft()

    def test_notifyUnderWay(self) -> None:
        """
        When nobody knows whether a NOTIFY has arrived, the next one says the same,
        under a number of its own.
        """
        notify = self.subscribe()
        self.move()
        again = self.expectNotify()
        self.assertEqual(again.cseq.number, notify.cseq.number + 1)
        self.assertNotified(again, b"active;expires=600")
        self.move()
        self.peer.expectNothing()
        self.refresh(0)
        self.peer.expectResponse(200)
        self.assertNotified(self.expectNotify(), b"terminated;reason=timeout")

    def test_notifyDue(self) -> None:
        """
        What changed while a NOTIFY was under way, or soon after, is told.
        """
        self.assertNotified(self.subscribe(), b"active;expires=600")
        self.setWaiting("1001", True)
        self.move()
        self.assertNotified(self.expectNotify(), b"active;expires=600", True)
        self.refresh(0)
        self.peer.expectResponse(200)
        self.assertNotified(self.expectNotify(), b"terminated;reason=timeout", True)

    def test_lastNotifyDue(self) -> None:
        """
        The last NOTIFY, which waits for the answer to the one before, is sent; the
        subscription takes no more requests.
        """
        notify = self.subscribe()
        self.refresh(0)
        self.peer.expectResponse(200)
        self.move()
        last = self.expectNotify()
        self.assertGreater(last.cseq.number, notify.cseq.number)
        self.assertNotified(last, b"terminated;reason=timeout")
        self.assertNoneLeft()
        assert self.lives is not None
        self.lives.check()
        self.assertEqual(self.lives.journal.snapshot("subscription"), {})

    def test_lastNotifySent(self) -> None:
        """
        Without a move, too, nothing is left of one that ends while a NOTIFY is
        under way, whether that is taken or not.
        """
        assert self.lives is not None
        for status in (200, 481):
            notify = self.subscribe()
            self.refresh(0)
            self.peer.expectResponse(200)
            self.assertEqual(len(list(self.waiting.tags())), 1)
            self.assertNotified(notify, b"active;expires=600", status=status)
            if status == 200:
                self.assertNotified(self.expectNotify(), b"terminated;reason=timeout")
            self.assertEqual(list(self.waiting.tags()), [])
            self.lives.check()
            self.assertEqual(self.lives.journal.snapshot("subscription"), {})

    def test_answerLost(self) -> None:
        """
        A SUBSCRIBE whose answer did not arrive, because the process died, is
        answered in the dialog that it has made.
        """
        fields = [EVENT, ACCEPT, expires(600)]
        request = self.alice.request(b"SUBSCRIBE", "1001", fields)
        first = self.peer.expectResponse(200, request)
        self.expectNotify()
        self.move()
        self.expectNotify()
        headers = request.headers.replace(b"Via", _OTHER_BRANCH)
        self.peer.send(request.replacing(headers=headers))
        self.alice.challenged(self.peer.expectResponse(401), request)
        again = self.alice.build(
            *(b"SUBSCRIBE", "1001", fields, b"", request.callID, 3, request.fromTag)
        )
        self.peer.send(again)
        second = self.accepted(self.alice, again, 600)
        self.assertEqual(second.toTag, first.toTag)
        self.assertEqual(self.waiting.status()["subscriptions"], 1)
        self.refresh(0)
        self.peer.expectResponse(200)

    def test_goneFromTheSwitch(self) -> None:
        """
        One to a DN that is not of the switch any more ends.
        """
        self.assertNotified(self.subscribe(), b"active;expires=600")
        self.configuration = evolve(
            self.configuration,
            dns=tuple(dn for dn in self.configuration.dns if dn.number != "1001"),
        )
        self.move()
        self.assertNotified(self.expectNotify(), b"terminated;reason=noresource")
        self.assertNoneLeft()

    def test_garbage(self) -> None:
        """
        An entry that cannot be read is lost, and nothing else.
        """
        self.assertNotified(self.subscribe(), b"active;expires=600")
        assert self.lives is not None
        self.lives.check()
        self.lives.journal.change("subscription", "x", b"\x01")
        self.lives.keeper.end()
        self.node.abandon()
        self.life.end()
        self.node = self.makeNode("node1", NODE)
        self.waiting = self.node.devices.waiting
        self.assertEqual(len(self.flushLoggedErrors()), 1)
        self.assertEqual(self.waiting.status()["subscriptions"], 1)
        self.refresh(0)
        self.peer.expectResponse(200)
        self.assertNotified(self.expectNotify(), b"terminated;reason=timeout")


class UnaskedTests(TakeoverTestCase):
    """
    A telephone that is told without having subscribed.
    """

    settings = {"unsolicitedMWI": True}

    def test_underWay(self) -> None:
        """
        When nobody knows whether it has been told, it is told again; else not.
        """
        self.setWaiting("1001", True)
        self.peer2.expectRequest(b"NOTIFY")
        self.move()
        notify = self.peer2.expectRequest(b"NOTIFY")
        self.assertEqual(
            notify.headers.first(b"Subscription-State"), b"terminated;reason=noresource"
        )
        self.peer2.respond(notify, 200)
        self.pump()
        self.move()
        self.peer.expectNothing()
        self.peer2.expectNothing()
        assert self.lives is not None
        self.lives.check()
        self.assertEqual(self.lives.journal.snapshot("subscription"), {})
