"""
Who has subscribed to a DN, and is told when there are messages for it (message waiting
indication, RFC 3842), or when its calls change (lamps of telephones, RFC 4235).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from attrs import evolve
from zope.interface import Interface, implementer

from sipcluster.ha.ikeeping import UNKEPT, IKeeper
from sipcluster.registrar.register import Lifetimes
from sipcluster.servicecheck.iservicecheck import IDeviceObserver
from sipcluster.sessioncontroller import dialog_events
from sipcluster.sessioncontroller.acceptance import checkExtensions
from sipcluster.sessioncontroller.authentication import Authenticator, Refused, numberOf
from sipcluster.sessioncontroller.dialplan import Directory
from sipcluster.sessioncontroller.events import CallEvent
from sipcluster.sessioncontroller.isessioncontroller import (
    ExtensionDN,
    IEventSink,
    IFeatures,
)
from sipcluster.sessioncontroller.notifier_keeping import (
    KeptSubscriptions,
    SubscriptionValue,
    toldKey,
)
from sipcluster.sessioncontroller.notifier_packages import (
    NotServed,
    Package,
    anybody,
    badEvent,
    itself,
    nameOf,
    wanted,
)
from sipcluster.sessioncontroller.notifier_subscription import Subscription
from sipcluster.sessioncontroller.notifier_unasked import (
    CONTENT_TYPE,
    EVENT,
    UnaskedNotices,
)
from sipcluster.sip.dialog import Dialog, OutOfOrder
from sipcluster.sip.grammar import escapeUser
from sipcluster.sip.headers import Headers
from sipcluster.sip.message import Request, makeResponse
from sipcluster.sip.server_transaction import ServerTransaction

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.useragent import UserAgent

#: Subscriptions of one node, and of one DN: of the oldest ones of a DN mostly
#: nobody knows any more.
MOST = 50000
MOST_EACH = 10

#: Telephones with a lamp for one DN.
MOST_LAMPS = 200

_RETRY_AFTER = Headers.of((b"Retry-After", b"5"))


class ISubscriptions(Interface):
    """
    Takes the SUBSCRIBEs that reach a node.
    """

    def subscribeReceived(transaction: ServerTransaction) -> None:
        """
        Answer one from a SIP Proxy, in a dialog or not.

        @raise MalformedMessage: it cannot be read; nothing is changed.
        """

    def stop() -> None:
        """
        End all subscriptions, in a way that lets subscribers come back at once:
        another node may take them.
        """


@implementer(ISubscriptions, IDeviceObserver, IEventSink)
class MessageWaiting:
    """
    Tells telephones whether there are messages for their DNs, and who has which calls
    (L{sipcluster.sessioncontroller.dialog_events}).

    Of messages a telephone subscribes to its own DN only.  One that has not subscribed
    is told as well when that is wanted, by a NOTIFY outside of a dialog.

    @ivar subscriptions: by our tag.
    """

    def __init__(
        self,
        ua: UserAgent,
        authenticator: Authenticator,
        directory: Directory,
        features: IFeatures,
        lifetimes: Lifetimes,
        unsolicited: bool = False,
        keeper: IKeeper = UNKEPT,
    ) -> None:
        """
        @param unsolicited: whether telephones are told that have not subscribed.
        """
        self._ua = ua
        self._authenticator = authenticator
        self._directory = directory
        self._features = features
        self._lifetimes = lifetimes
        self._unsolicited = unsolicited
        self.subscriptions: dict[bytes, Subscription] = {}
        # Those that take no more requests, and whose last NOTIFY is to come.
        self._leaving: dict[bytes, Subscription] = {}
        self._byDN: dict[str, list[Subscription]] = {}
        self._packages = {
            package.event: package
            for package in (
                Package(
                    EVENT,
                    CONTENT_TYPE,
                    lambda dn, _: self._summary(dn),
                    itself,
                    MOST_EACH,
                ),
                Package(
                    dialog_events.EVENT,
                    dialog_events.CONTENT_TYPE,
                    partial(dialog_events.dialogInfo, ua),
                    anybody,
                    MOST_LAMPS,
                ),
            )
        }
        touch = keeper.keep(KeptSubscriptions(self))
        self._touchKey = touch
        self._unasked = UnaskedNotices(
            ua,
            directory,
            self._isToldUnasked,
            self._summary,
            lambda dn: touch(toldKey(dn)),
        )

    # What happens to DNs

    def changed(self, dn: str) -> None:
        """
        There are messages for a DN now, or none any more: L{IFeatures} says so.
        """
        self._changed(dn, EVENT)
        self._unasked.tell(dn)

    def eventHappened(self, event: CallEvent) -> None:
        """
        See L{IEventSink}: a call of a DN is not as it was.
        """
        if event.party.thisDN in self._byDN:
            self._changed(event.party.thisDN, dialog_events.EVENT)

    def _changed(self, dn: str, event: bytes) -> None:
        for subscription in tuple(self._byDN.get(dn, ())):
            if nameOf(subscription.event) == event:
                subscription.machine.changed()
                subscription.touched()

    def deviceInService(self, dn: str) -> None:
        """
        See L{IDeviceObserver}: what the telephone was told before it may have
        forgotten.
        """
        if self._features.features(dn).messageWaiting:
            self._unasked.tell(dn)

    def deviceOutOfService(self, dn: str, why: str) -> None:
        """
        See L{IDeviceObserver}: its subscriptions end when it takes no NOTIFY.
        """

    def stop(self) -> None:
        """
        See L{ISubscriptions}.
        """
        for subscription in list(self.subscriptions.values()):
            subscription.machine.end(b"deactivated")

    def status(self) -> dict[str, int]:
        """
        Counts, for people.
        """
        return {
            "subscriptions": len(self.subscriptions),
            "subscribedDNs": len(self._byDN),
        }

    # Subscribing

    def subscribeReceived(self, transaction: ServerTransaction) -> None:
        """
        See L{ISubscriptions}.
        """
        request = transaction.request
        try:
            if request.toTag:
                self._refresh(transaction)
            else:
                self._subscribe(transaction)
        except NotServed as e:
            self._ua.count(f"refused{e.status}")
            transaction.respond(
                makeResponse(
                    request,
                    e.status,
                    toTag=self._ua.identifiers.tag(),
                    headers=e.headers or (),
                )
            )

    def _subscribe(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        wrong = checkExtensions(request)
        if wrong is not None:
            raise NotServed(wrong.status, wrong.headers)
        event, package = wanted(request, self._packages)
        sender = self._authenticator.identify(request)
        if isinstance(sender, Refused):
            raise NotServed(sender.status, sender.headers)
        number = numberOf(request.requestURI)
        dn = self._directory.extension(number)
        if dn is None:
            raise NotServed(404)
        if not isinstance(sender, ExtensionDN) or not package.mayWatch(sender, dn):
            raise NotServed(403)
        seconds = self._seconds(request)
        for other in self._byDN.get(number, ()):
            if other.event == event and other.isOfFirst(request):
                # Our answer has not arrived: we may have died before it left.
                self._live(transaction, other, seconds)
                return
        tag = self._ua.identifiers.tag()
        dialog = Dialog.asUAS(request, tag)
        assert dialog.nextHop  # it can be read, or is refused here
        subscription = self._make(number, dialog, event)
        if seconds:
            self._makeRoom(number, package)
            self._add(subscription)
        self._accept(transaction, subscription, seconds)

    def _make(self, number: str, dialog: Dialog, event: bytes) -> Subscription:
        package = self._packages.get(nameOf(event)) or self._packages[EVENT]
        return Subscription(
            self._ua,
            number,
            dialog,
            event,
            package.contentType,
            partial(package.body, number),
            self._gone,
            self._touched,
        )

    def _add(self, subscription: Subscription) -> None:
        self.subscriptions[subscription.dialog.localTag] = subscription
        self._byDN.setdefault(subscription.dn, []).append(subscription)

    def _refresh(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        subscription = self.subscriptions.get(request.toTag)
        if subscription is None or not subscription.isOf(request):
            self._ua.count("unknownDialogs")
            raise NotServed(481)
        if wanted(request, self._packages)[0] != subscription.event:
            raise NotServed(489, badEvent(self._packages))
        self._live(transaction, subscription, self._seconds(request))

    def _live(
        self, transaction: ServerTransaction, subscription: Subscription, seconds: int
    ) -> None:
        request = transaction.request
        try:
            dialog = subscription.dialog.received(request).refreshed(request)
        except OutOfOrder as e:
            raise NotServed(e.status) from e
        subscription.dialog = dialog
        self._accept(transaction, subscription, seconds)

    def _accept(
        self, transaction: ServerTransaction, subscription: Subscription, seconds: int
    ) -> None:
        transaction.respond(
            makeResponse(
                transaction.request,
                200,
                toTag=subscription.dialog.localTag,
                headers=(
                    (b"Contact", subscription.contact),
                    (b"Expires", b"%d" % seconds),
                    (b"Allow-Events", b", ".join(self._packages)),
                ),
            )
        )
        subscription.live(seconds)

    def _seconds(self, request: Request) -> int:
        """
        For how long, of what is asked for.
        """
        asked, lifetimes = request.expires, self._lifetimes
        if asked is None:
            return lifetimes.default
        if 0 < asked < lifetimes.minimum:
            least = b"%d" % lifetimes.minimum
            raise NotServed(423, Headers.of((b"Min-Expires", least)))
        return min(asked, lifetimes.maximum)

    def _makeRoom(self, dn: str, package: Package) -> None:
        if len(self.subscriptions) >= MOST:
            self._ua.count("overload")
            raise NotServed(503, _RETRY_AFTER)
        others = [
            other
            for other in self._byDN.get(dn, ())
            if nameOf(other.event) == package.event
        ]
        if len(others) >= package.most:
            self._ua.count("subscriptionsReplaced")
            others[0].machine.end(b"rejected")

    def _gone(self, subscription: Subscription) -> None:
        tag = subscription.dialog.localTag
        if self.subscriptions.pop(tag, None) is None:
            return
        if not subscription.over:
            self._leaving[tag] = subscription
        subscription.touched()
        others = self._byDN[subscription.dn]
        others.remove(subscription)
        if not others:
            del self._byDN[subscription.dn]

    def _touched(self, key: str) -> None:
        tag = key.encode("latin-1")
        leaving = self._leaving.get(tag)
        if leaving is not None and leaving.over:
            del self._leaving[tag]
        self._touchKey(key)

    # As values

    def tags(self) -> Iterable[bytes]:
        """
        Of all subscriptions, and of those that have a last NOTIFY to send.
        """
        return [*self.subscriptions, *self._leaving]

    def beingTold(self) -> Iterable[str]:
        """
        The DNs whose telephones are being told although they have not subscribed.
        """
        return self._unasked.dns()

    def isBeingTold(self, dn: str) -> bool:
        """
        Whether this one is.
        """
        return self._unasked.isTelling(dn)

    def written(self, tag: bytes) -> SubscriptionValue | None:
        """
        Write a subscription down.

        @return: L{None}: there is none any more.
        """
        subscription = self.subscriptions.get(tag) or self._leaving.get(tag)
        return None if subscription is None else subscription.value()

    def adopt(self, value: SubscriptionValue) -> None:
        """
        Go on with a subscription that another process has written down; one to a DN
        that is not of the switch any more ends.
        """
        if value.dialog is None:
            return
        subscription = self._make(value.dn, value.dialog, value.event)
        self._add(subscription)
        subscription.adopt(value.left)

    def goOn(self, value: SubscriptionValue) -> None:
        """
        Do what is due of what was written down.
        """
        dialog = value.dialog
        if dialog is None:
            self._unasked.tell(value.dn)
            return
        if self._directory.extension(value.dn) is None:
            value = evolve(value, reason=b"noresource")
        self.subscriptions[dialog.localTag].goOn(value)

    # Telling

    def _summary(self, dn: str) -> bytes:
        """
        What there is to be known (RFC 3842 section 3.5); how many messages there
        are nobody knows here.
        """
        waiting = self._features.features(dn).messageWaiting
        return b"Messages-Waiting: %b\r\nMessage-Account: %b\r\n" % (
            b"yes" if waiting else b"no",
            b"sip:%b@%b" % (escapeUser(dn.encode()), self._ua.domain),
        )

    def _isToldUnasked(self, dn: str) -> bool:
        return self._unsolicited and not any(
            nameOf(one.event) == EVENT for one in self._byDN.get(dn, ())
        )
