"""
Tests for sipcluster.sessioncontroller.notifier: telephones subscribe to message
waiting at a node, behind a scripted SIP Proxy.
"""

from __future__ import annotations

from random import Random

from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from sipcluster.app.node import directoryOf
from sipcluster.registrar.register import Lifetimes
from sipcluster.servicecheck.iservicecheck import IDeviceObserver
from sipcluster.sessioncontroller import notifier
from sipcluster.sessioncontroller.isessioncontroller import DNFeatures
from sipcluster.sessioncontroller.notifier import ISubscriptions, MessageWaiting
from sipcluster.sessioncontroller.notifier_unasked import CONTENT_TYPE
from sipcluster.sip.dialog import Dialog
from sipcluster.sip.message import Request, Response, makeResponse
from sipcluster.testing.mutate import Mutator
from sipcluster.testing.sip_peer import Phone, SIPPeer
from tests.memory.nodes import PROXY1, NodeTestCase
from tests.unit.sessioncontroller.test_dialplan_features import Features

EVENT = (b"Event", b"message-summary")
ACCEPT = (b"Accept", CONTENT_TYPE)


def expires(seconds: int) -> tuple[bytes, bytes]:
    """
    The header field.
    """
    return (b"Expires", b"%d" % seconds)


class SubscribingTestCase(NodeTestCase):
    """
    What a telephone does.

    @ivar waiting: the subscriptions of the node.
    """

    waiting: MessageWaiting

    def subscribe(self, seconds: int = 600, phone: Phone | None = None) -> Request:
        """
        Subscribe; take the 200.

        @return: the NOTIFY that comes with it, not answered.
        """
        phone = phone or self.alice
        request = phone.request(
            b"SUBSCRIBE", phone.number, [EVENT, ACCEPT, expires(seconds)]
        )
        self.accepted(phone, request, seconds)
        return self.peer.expectRequest(b"NOTIFY")

    def accepted(self, phone: Phone, request: Request, seconds: int) -> Response:
        """
        Take the 200 of the first SUBSCRIBE.
        """
        response = self.peer.expectResponse(200, request)
        self.assertEqual(response.expires, seconds)
        phone.dialog = Dialog.asUAC(request, response)
        return response

    def refresh(self, seconds: int, phone: Phone | None = None) -> Request:
        """
        Subscribe inside the dialog.
        """
        return (phone or self.alice).within(
            b"SUBSCRIBE", [EVENT, ACCEPT, expires(seconds)]
        )

    def assertNotified(
        self,
        notify: Request,
        state: bytes,
        waiting: bool = False,
        status: int = 200,
        fields: list[tuple[bytes, bytes]] | None = None,
    ) -> None:
        """
        What a NOTIFY says; it is answered.
        """
        self.assertEqual(notify.headers.first(b"Subscription-State"), state)
        self.assertEqual(notify.headers.first(b"Event"), b"message-summary")
        self.assertEqual(notify.contentType, CONTENT_TYPE)
        self.assertEqual(
            notify.body,
            b"Messages-Waiting: %b\r\nMessage-Account: sip:1001@lab.example\r\n"
            % (b"yes" if waiting else b"no"),
        )
        self.peer.respond(notify, status, fields=fields or ())
        self.pump()

    def expectNotify(self) -> Request:
        """
        Take a NOTIFY.
        """
        return self.peer.expectRequest(b"NOTIFY")

    def assertNoneLeft(self) -> None:
        """
        Nobody is subscribed.
        """
        self.assertEqual(
            self.waiting.status(), {"subscriptions": 0, "subscribedDNs": 0}
        )


class MessageWaitingTestCase(SubscribingTestCase):
    """
    A node with subscriptions to message waiting.
    """

    unsolicited = False

    def setUp(self) -> None:
        super().setUp()
        controller = self.node.controller
        self.features = Features()
        self.waiting = MessageWaiting(
            controller.ua,
            controller._authenticator,
            directoryOf(self.configuration),
            self.features,
            Lifetimes(60, 3600, 3600),
            self.unsolicited,
        )
        controller.subscriptions = self.waiting

    def setWaiting(self, dn: str, waiting: bool) -> None:
        """
        There are messages for a DN, or none.
        """
        self.features.on[dn] = DNFeatures(messageWaiting=waiting)
        self.waiting.changed(dn)
        self.pump()


class MessageWaitingTests(MessageWaitingTestCase):
    """
    A telephone subscribes to its own mailbox.
    """

    def test_provides(self) -> None:
        """
        It takes SUBSCRIBEs, and is told of telephones.
        """
        verifyObject(ISubscriptions, self.waiting)
        verifyObject(IDeviceObserver, self.waiting)

    def test_life(self) -> None:
        """
        A telephone subscribes and is told at once, is told of each change, lives
        on by another SUBSCRIBE, and is told the end when it does not.
        """
        notify = self.subscribe()
        self.assertNotified(notify, b"active;expires=600")
        self.run_(10)
        self.setWaiting("1001", True)
        self.assertNotified(self.expectNotify(), b"active;expires=590", True)
        self.run_(10)
        refresh = self.refresh(300)
        response = self.peer.expectResponse(200, refresh)
        self.assertEqual(response.expires, 300)
        self.assertNotified(self.expectNotify(), b"active;expires=300", True)
        self.run_(299)
        self.peer.expectNothing()
        self.run_(2)
        self.assertNotified(self.expectNotify(), b"terminated;reason=timeout", True)
        self.assertNoneLeft()

    def test_dialog(self) -> None:
        """
        NOTIFYs are requests of the dialog that the SUBSCRIBE made: its tags, its
        route, the telephone's contact, numbers that grow.
        """
        notify = self.subscribe()
        dialog = self.alice.dialog
        assert dialog is not None
        self.assertEqual(notify.callID, dialog.callID)
        self.assertEqual(notify.fromTag, dialog.remoteTag)
        self.assertEqual(notify.toTag, dialog.localTag)
        self.assertEqual(notify.uri, b"sip:1001@198.51.100.1")
        self.assertEqual(
            notify.headers.all(b"Route"), [b"<sip:%b;lr>" % PROXY1.encode()]
        )
        self.assertEqual(dialog.remoteTarget.partition(b"@")[2], b"node1.lab.example")
        self.assertNotified(notify, b"active;expires=600")
        self.run_(2)
        self.setWaiting("1001", True)
        second = self.expectNotify()
        self.assertEqual(second.cseq.number, notify.cseq.number + 1)
        self.assertNotified(second, b"active;expires=598", True)
        self.endSubscription(True)

    def endSubscription(self, waiting: bool = False) -> None:
        """
        Unsubscribe.
        """
        request = self.refresh(0)
        self.peer.expectResponse(200, request)
        self.assertNotified(self.expectNotify(), b"terminated;reason=timeout", waiting)
        self.peer.expectNothing()
        self.assertNoneLeft()

    def test_unsubscribes(self) -> None:
        """
        A SUBSCRIBE with Expires 0 ends it; the last NOTIFY says so, and the dialog
        is no more.
        """
        self.assertNotified(self.subscribe(), b"active;expires=600")
        self.endSubscription()
        late = self.refresh(600)
        self.peer.expectResponse(481, late)

    def test_fetch(self) -> None:
        """
        A first SUBSCRIBE with Expires 0 is told once how things are.
        """
        self.features.on["1001"] = DNFeatures(messageWaiting=True)
        notify = self.subscribe(0)
        self.assertNotified(notify, b"terminated;reason=timeout", True)
        self.assertNoneLeft()

    def test_lifetimes(self) -> None:
        """
        Nobody is subscribed longer than an hour, which is what one gets who does
        not say; less than a minute is refused.
        """
        request = self.alice.request(b"SUBSCRIBE", "1001", [EVENT, expires(86400)])
        self.assertEqual(self.peer.expectResponse(200, request).expires, 3600)
        self.assertNotified(self.expectNotify(), b"active;expires=3600")
        request = self.alice.request(b"SUBSCRIBE", "1001", [EVENT])
        self.assertEqual(self.peer.expectResponse(200, request).expires, 3600)
        self.assertNotified(self.expectNotify(), b"active;expires=3600")
        request = self.alice.request(b"SUBSCRIBE", "1001", [EVENT, expires(30)])
        refused = self.peer.expectResponse(423, request)
        self.assertEqual(refused.headers.first(b"Min-Expires"), b"60")
        self.waiting.stop()
        for _ in range(2):
            self.assertNotified(self.expectNotify(), b"terminated;reason=deactivated")

    def test_events(self) -> None:
        """
        Other events are refused, and so are telephones that do not take a message
        summary; an C{id} is given back.
        """
        for fields, status in (
            ([], 489),
            ([(b"Event", b"presence")], 489),
            ([EVENT, (b"Accept", b"application/pidf+xml")], 406),
            ([EVENT, (b"Require", b"eventlist")], 420),
        ):
            request = self.bob.build(b"SUBSCRIBE", "1002", fields)
            self.peer.send(request)
            refused = self.peer.expectResponse(status, request)
            if status == 489:
                self.assertEqual(
                    refused.headers.first(b"Allow-Events"),
                    b"message-summary, dialog",
                )
        event = (b"Event", b"Message-Summary;id=7;x=y")
        request = self.alice.request(b"SUBSCRIBE", "1001", [event, (b"Accept", b"*/*")])
        self.accepted(self.alice, request, 3600)
        notify = self.expectNotify()
        self.assertEqual(notify.headers.first(b"Event"), b"message-summary;id=7")
        self.peer.respond(notify, 200)
        wrong = self.refresh(600)
        self.peer.expectResponse(489, wrong)
        self.waiting.stop()
        self.peer.respond(self.expectNotify(), 200)
        self.pump()
        self.assertNoneLeft()

    def test_strangers(self) -> None:
        """
        Nobody subscribes without a password, to somebody else's mailbox, or to
        none.
        """
        request = self.alice.build(b"SUBSCRIBE", "1001", [EVENT])
        self.peer.send(request)
        self.peer.expectResponse(401, request)
        request = self.alice.request(b"SUBSCRIBE", "1002", [EVENT])
        self.peer.expectResponse(403, request)
        request = self.alice.request(b"SUBSCRIBE", "7777", [EVENT])
        self.peer.expectResponse(404, request)
        self.assertNoneLeft()

    def test_unreadable(self) -> None:
        """
        A SUBSCRIBE that can make no dialog is refused, and leaves nothing behind.
        """
        self.alice.request(b"SUBSCRIBE", "7777", [EVENT])
        self.peer.expectResponse(404)
        for name, value in (
            (b"Contact", b"<sip:"),
            (b"Record-Route", b"<sip:1"),
            (b"Event", b'message-summary;id="'),
        ):
            request = self.alice.build(b"SUBSCRIBE", "1001", [EVENT])
            headers = request.headers.replace(name, value)
            self.peer.send(request.replacing(headers=headers))
            self.peer.expectResponse(400, request)
        self.assertNoneLeft()

    def test_outOfOrder(self) -> None:
        """
        A SUBSCRIBE with an old number is refused; one of another dialog finds
        none.
        """
        self.assertNotified(self.subscribe(), b"active;expires=600")
        dialog = self.alice.dialog
        assert dialog is not None
        self.refresh(600)
        self.peer.expectResponse(200)
        self.assertNotified(self.expectNotify(), b"active;expires=600")
        self.alice.dialog = dialog.makeRequest(b"X")[0].makeRequest(b"X")[0]
        self.refresh(600)
        self.peer.expectResponse(200)
        self.assertNotified(self.expectNotify(), b"active;expires=600")
        self.alice.dialog = dialog
        late = self.refresh(600)
        self.peer.expectResponse(500, late)
        self.alice.dialog = Dialog(
            dialog.callID,
            b"other",
            dialog.remoteTag,
            dialog.localURI,
            dialog.remoteURI,
            10,
            10,
            dialog.remoteTarget,
            dialog.routeSet,
        )
        self.peer.expectResponse(481, self.refresh(600))
        self.run_(600)
        self.assertNotified(self.expectNotify(), b"terminated;reason=timeout")

    def test_moves(self) -> None:
        """
        A SUBSCRIBE inside the dialog may name another contact.
        """
        self.assertNotified(self.subscribe(), b"active;expires=600")
        self.alice.source = "198.51.100.77"
        self.peer.expectResponse(200, self.refresh(600))
        notify = self.expectNotify()
        self.assertEqual(notify.uri, b"sip:1001@198.51.100.77")
        self.assertNotified(notify, b"active;expires=600")
        self.endSubscription()

    def test_pace(self) -> None:
        """
        NOTIFYs go out one after the other, and unasked at most one a second; the
        last one is true.
        """
        notify = self.subscribe()
        self.setWaiting("1001", True)
        self.setWaiting("1001", False)
        self.setWaiting("1001", True)
        self.peer.expectNothing()
        self.assertNotified(notify, b"active;expires=600")
        self.peer.expectNothing()
        self.run_(1.1)
        self.assertNotified(self.expectNotify(), b"active;expires=599", True)
        self.run_(1.1)
        self.peer.expectNothing()
        self.setWaiting("1001", False)
        self.assertNotified(self.expectNotify(), b"active;expires=598")
        # A SUBSCRIBE is answered at once.
        self.peer.expectResponse(200, self.refresh(600))
        last = self.expectNotify()
        self.peer.expectResponse(200, self.refresh(500))
        self.peer.expectNothing()
        self.assertNotified(last, b"active;expires=600")
        self.assertNotified(self.expectNotify(), b"active;expires=500")
        self.endSubscription()

    def test_endsMeanwhile(self) -> None:
        """
        When it ends while a NOTIFY is under way the last one follows that.
        """
        notify = self.subscribe()
        self.peer.expectResponse(200, self.refresh(0))
        self.peer.expectNothing()
        self.assertNoneLeft()
        self.assertNotified(notify, b"active;expires=600")
        self.assertNotified(self.expectNotify(), b"terminated;reason=timeout")

    def test_endsAndFails(self) -> None:
        """
        Nothing follows a NOTIFY that found nobody.
        """
        notify = self.subscribe()
        self.peer.expectResponse(200, self.refresh(0))
        self.peer.respond(notify, 481)
        self.peer.expectNothing()
        self.assertNoneLeft()

    def test_subscriberGone(self) -> None:
        """
        A telephone that refuses a NOTIFY, or does not answer it, is subscribed no
        longer; one that says when to come again is.
        """
        for status in (481, 404, 500, 603):
            self.assertNotified(self.subscribe(), b"active;expires=600", status=status)
            self.assertNoneLeft()
        later = [(b"Retry-After", b"3")]
        notify = self.subscribe()
        self.assertNotified(notify, b"active;expires=600", status=480, fields=later)
        self.assertEqual(len(self.waiting.subscriptions), 1)
        self.run_(2)
        self.setWaiting("1001", True)
        self.expectNotify()
        self.run_(70)
        self.assertNoneLeft()
        self.peer.inbox.clear()
        self.assertEqual(self.counters["notifiesFailed"], 5)

    def test_otherProxy(self) -> None:
        """
        A NOTIFY that a SIP Proxy does not answer goes through the other one.
        """
        self.assertNotified(self.subscribe(), b"active;expires=600")
        self.run_(5)
        self.setWaiting("1001", True)
        self.expectNotify()
        self.node.controller.proxyGone("proxy1")
        notify = self.peer2.expectRequest(b"NOTIFY")
        self.peer2.respond(notify, 200)
        self.pump()
        self.run_(40)
        self.assertEqual(len(self.waiting.subscriptions), 1)
        self.peer.inbox.clear()
        self.peer2.inbox.clear()
        self.waiting.stop()
        self.answerAll(self.peer)

    def answerAll(self, peer: SIPPeer) -> None:
        """
        Answer all NOTIFYs.
        """
        while True:
            try:
                peer.respond(peer.expectRequest(b"NOTIFY"), 200)
            except AssertionError:
                Failure().cleanFailure()
                return

    def test_tooMany(self) -> None:
        """
        A DN has ten subscriptions at most, of which the oldest makes room; a node
        that has too many asks telephones to come later.
        """
        for _ in range(notifier.MOST_EACH):
            self.assertNotified(self.subscribe(), b"active;expires=600")
        request = self.alice.request(b"SUBSCRIBE", "1001", [EVENT, expires(600)])
        self.peer.expectResponse(200, request)
        states = set()
        for _ in range(2):
            notify = self.expectNotify()
            states.add(notify.headers.first(b"Subscription-State"))
            self.peer.respond(notify, 200)
        self.assertEqual(states, {b"active;expires=600", b"terminated;reason=rejected"})
        self.assertEqual(len(self.waiting.subscriptions), notifier.MOST_EACH)
        self.patch(notifier, "MOST", notifier.MOST_EACH)
        request = self.bob.request(b"SUBSCRIBE", "1002", [EVENT, expires(600)])
        refused = self.peer.expectResponse(503, request)
        self.assertIn(b"Retry-After", refused.headers)
        self.waiting.stop()
        self.answerAll(self.peer)

    def test_stops(self) -> None:
        """
        A node that stops tells subscribers to come back at once.
        """
        self.assertNotified(self.subscribe(), b"active;expires=600")
        self.waiting.stop()
        self.assertNotified(self.expectNotify(), b"terminated;reason=deactivated")
        self.assertNoneLeft()

    def test_otherDN(self) -> None:
        """
        What happens at another DN is not told; telephones that have not subscribed
        are told nothing.
        """
        self.assertNotified(self.subscribe(), b"active;expires=600")
        self.run_(5)
        self.setWaiting("1002", True)
        self.waiting.deviceInService("1002")
        self.peer.expectNothing()
        self.endSubscription()

    def test_unserved(self) -> None:
        """
        A node without subscriptions refuses them as before.
        """
        self.node.controller.subscriptions = None
        request = self.alice.build(b"SUBSCRIBE", "1001", [EVENT])
        self.peer.send(request)
        self.peer.expectResponse(489, request)


class UnsolicitedTests(MessageWaitingTestCase):
    """
    Telephones are told that have not subscribed.
    """

    unsolicited = True

    def test_told(self) -> None:
        """
        A change is told by a NOTIFY to the address-of-record, outside of any
        dialog, through a SIP Proxy.
        """
        self.setWaiting("1001", True)
        notify = self.takeNotify()
        self.assertEqual(notify.uri, b"sip:1001@lab.example")
        self.assertEqual(notify.toTag, b"")
        self.assertNotified(notify, b"terminated;reason=noresource", True)

    def takeNotify(self) -> Request:
        """
        The NOTIFY, through whichever SIP Proxy it comes.
        """
        self.pump()
        if self.peer2.inbox:
            self.peer, self.peer2 = self.peer2, self.peer
        return self.expectNotify()

    def test_oneAfterTheOther(self) -> None:
        """
        What changes while a NOTIFY is under way is told after it.
        """
        self.setWaiting("1001", True)
        notify = self.takeNotify()
        self.setWaiting("1001", False)
        self.setWaiting("1001", True)
        self.setWaiting("1001", False)
        self.peer.expectNothing()
        self.assertNotified(notify, b"terminated;reason=noresource", True, status=489)
        notify = self.takeNotify()
        self.assertNotified(notify, b"terminated;reason=noresource")
        self.peer.expectNothing()
        self.assertEqual(self.counters["notifiesFailed"], 1)

    def test_lost(self) -> None:
        """
        A telephone that does not answer is told again at the next change.
        """
        self.setWaiting("1001", True)
        self.run_(100)
        self.peer.inbox.clear()
        self.peer2.inbox.clear()
        self.assertEqual(self.counters["notifiesFailed"], 1)
        self.setWaiting("1001", False)
        self.assertNotified(self.takeNotify(), b"terminated;reason=noresource")

    def test_comes(self) -> None:
        """
        A telephone that comes into service is told when there are messages.
        """
        self.waiting.deviceInService("1001")
        self.peer.expectNothing()
        self.features.on["1001"] = DNFeatures(messageWaiting=True)
        self.waiting.deviceInService("1001")
        self.assertNotified(self.takeNotify(), b"terminated;reason=noresource", True)
        self.waiting.deviceOutOfService("1001", "expired")

    def test_subscribed(self) -> None:
        """
        One that has subscribed is told once, by its subscription.
        """
        self.assertNotified(self.subscribe(), b"active;expires=600")
        self.run_(5)
        self.setWaiting("1001", True)
        notify = self.expectNotify()
        self.assertNotEqual(notify.toTag, b"")
        self.assertNotified(notify, b"active;expires=595", True)
        self.peer2.expectNothing()
        self.waiting.stop()
        self.assertNotified(self.expectNotify(), b"terminated;reason=deactivated", True)

    def test_noTelephone(self) -> None:
        """
        What is no telephone is told nothing.
        """
        self.setWaiting("5000", True)
        self.setWaiting("7777", True)
        self.peer.expectNothing()
        self.peer2.expectNothing()


class MutatedTests(MessageWaitingTestCase):
    """
    Telephones send anything.
    """

    def test_mutated(self) -> None:
        """
        Mutated SUBSCRIBEs, in the dialog and outside of it, and mutated answers to
        NOTIFYs end in answers or in the counters; another telephone's subscription
        is not disturbed.
        """
        random = Random(5)
        bobs = self.subscribe(3600, self.bob)
        self.peer.respond(bobs, 200)
        self.peer2.target = self.peer.target
        for _ in range(150):
            self.run_(1.1)
            self.alice.challenges = []
            self.peer.respond(self.subscribe(), 200)
            self.run_(1.1)
            self.setWaiting("1001", bool(random.getrandbits(1)))
            notify = self.expectNotify()
            answer = makeResponse(notify, random.choice((200, 481, 500))).render()
            refresh = self.refresh(random.choice((0, 60, 600))).render()
            self.peer.inbox.clear()
            outside = self.alice.build(b"SUBSCRIBE", "1001", [EVENT, ACCEPT])
            mutator = Mutator(random, [answer, refresh, outside.render()])
            for _ in range(8):
                self.peer2.send(mutator.message())
                self.pump()
            self.peer.inbox.clear()
            self.peer2.inbox.clear()
        counts = self.node.runtime.transport.status()["counts"]  # type: ignore[attr-defined]
        self.assertEqual(counts.get("bugs", 0), 0)
        self.assertLessEqual(
            len(self.waiting._byDN.get("1001", ())), notifier.MOST_EACH
        )
        self.peer.inbox.clear()
        self.setWaiting("1002", True)
        notify = self.peer.expectRequest(
            b"NOTIFY", lambda request: request.callID == bobs.callID
        )
        self.assertIn(b"Messages-Waiting: yes", notify.body)
        self.peer.respond(notify, 200)
        self.waiting.stop()
        self.run_(1)
