"""
Message waiting indication (RFC 3842): who has subscribed to a DN's mailbox, and who
is told when there are messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import Interface, implementer

from sipcluster.registrar.register import Lifetimes
from sipcluster.servicecheck.iservicecheck import IDeviceObserver
from sipcluster.sessioncontroller.acceptance import ALLOW, checkExtensions
from sipcluster.sessioncontroller.attempt import Attempt
from sipcluster.sessioncontroller.authentication import Authenticator, Refused, numberOf
from sipcluster.sessioncontroller.dialplan import Directory
from sipcluster.sessioncontroller.isessioncontroller import (
    ExtensionDN,
    IFeatures,
    ProxyAddress,
)
from sipcluster.sessioncontroller.notifier_subscription import Subscription
from sipcluster.sip.dialog import Dialog, OutOfOrder
from sipcluster.sip.grammar import escapeUser
from sipcluster.sip.headers import Headers
from sipcluster.sip.message import Request, Response, makeResponse
from sipcluster.sip.parameters import Parameters
from sipcluster.sip.server_transaction import ServerTransaction

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.useragent import UserAgent

EVENT = b"message-summary"
CONTENT_TYPE = b"application/simple-message-summary"

#: Subscriptions of one node, and of one DN: of the oldest ones of a DN mostly
#: nobody knows any more.
MOST = 50000
MOST_EACH = 10

_BAD_EVENT = Headers.of((b"Allow", ALLOW + b", SUBSCRIBE"), (b"Allow-Events", EVENT))
_ACCEPT = Headers.of((b"Accept", CONTENT_TYPE))
_RETRY_AFTER = Headers.of((b"Retry-After", b"5"))
_TAKEN = frozenset([CONTENT_TYPE, b"application/*", b"*/*"])


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


class _Refuse(Exception):
    """
    A SUBSCRIBE is not taken.
    """

    def __init__(self, status: int, headers: Headers | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers


@implementer(ISubscriptions, IDeviceObserver)
class MessageWaiting:
    """
    Tells telephones whether there are messages for their DNs.

    A telephone subscribes to its own DN only.  One that has not subscribed is told
    as well when that is wanted, by a NOTIFY outside of a dialog.

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
        self._byDN: dict[str, list[Subscription]] = {}
        self._telling: set[str] = set()
        self._tellAgain: set[str] = set()

    # What happens to DNs

    def changed(self, dn: str) -> None:
        """
        There are messages for a DN now, or none any more: L{IFeatures} says so.
        """
        for subscription in tuple(self._byDN.get(dn, ())):
            subscription.machine.changed()
        if dn not in self._byDN:
            self._tell(dn)

    def deviceInService(self, dn: str) -> None:
        """
        See L{IDeviceObserver}: what the telephone was told before it may have
        forgotten.
        """
        if dn not in self._byDN and self._features.features(dn).messageWaiting:
            self._tell(dn)

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
        except _Refuse as e:
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
            raise _Refuse(wrong.status, wrong.headers)
        event = _event(request)
        sender = self._authenticator.identify(request)
        if isinstance(sender, Refused):
            raise _Refuse(sender.status, sender.headers)
        number = numberOf(request.requestURI)
        dn = self._directory.extension(number)
        if dn is None:
            raise _Refuse(404)
        if not isinstance(sender, ExtensionDN) or dn.number != sender.number:
            raise _Refuse(403)
        seconds = self._seconds(request)
        tag = self._ua.identifiers.tag()
        dialog = Dialog.asUAS(request, tag)
        assert dialog.nextHop  # it can be read, or is refused here
        subscription = Subscription(
            self._ua,
            number,
            dialog,
            event,
            CONTENT_TYPE,
            lambda: self._summary(number),
            self._gone,
        )
        if seconds:
            self._makeRoom(number)
            self.subscriptions[tag] = subscription
            self._byDN.setdefault(number, []).append(subscription)
        self._accept(transaction, subscription, seconds)

    def _refresh(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        subscription = self.subscriptions.get(request.toTag)
        if subscription is None or not subscription.isOf(request):
            self._ua.count("unknownDialogs")
            raise _Refuse(481)
        if _event(request) != subscription.event:
            raise _Refuse(489, _BAD_EVENT)
        try:
            dialog = subscription.dialog.received(request).refreshed(request)
        except OutOfOrder as e:
            raise _Refuse(e.status) from e
        seconds = self._seconds(request)
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
                    (b"Allow-Events", EVENT),
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
            raise _Refuse(423, Headers.of((b"Min-Expires", least)))
        return min(asked, lifetimes.maximum)

    def _makeRoom(self, dn: str) -> None:
        if len(self.subscriptions) >= MOST:
            self._ua.count("overload")
            raise _Refuse(503, _RETRY_AFTER)
        others = self._byDN.get(dn, [])
        if len(others) >= MOST_EACH:
            self._ua.count("subscriptionsReplaced")
            others[0].machine.end(b"rejected")

    def _gone(self, subscription: Subscription) -> None:
        if self.subscriptions.pop(subscription.dialog.localTag, None) is None:
            return
        others = self._byDN[subscription.dn]
        others.remove(subscription)
        if not others:
            del self._byDN[subscription.dn]

    # Telling

    def _summary(self, dn: str) -> bytes:
        """
        What there is to be known (RFC 3842 section 3.5); how many messages there
        are nobody knows here.
        """
        waiting = self._features.features(dn).messageWaiting
        return b"Messages-Waiting: %b\r\nMessage-Account: %b\r\n" % (
            b"yes" if waiting else b"no",
            self._aor(dn),
        )

    def _aor(self, dn: str) -> bytes:
        return b"sip:%b@%b" % (escapeUser(dn.encode()), self._ua.domain)

    def _tell(self, dn: str) -> None:
        """
        Tell a telephone that has not subscribed, if it wants that; one NOTIFY at a
        time, so that the last one is true.
        """
        device = self._directory.extension(dn)
        if not self._unsolicited or device is None:
            return
        if dn in self._telling:
            self._tellAgain.add(dn)
            return
        self._telling.add(dn)
        aor = self._aor(dn)
        identifiers = self._ua.identifiers
        callID, tag = identifiers.callID(), identifiers.tag()
        body = self._summary(dn)

        def make(proxy: ProxyAddress) -> Request:
            headers = Headers.of(
                (b"Route", b"<%b>" % proxy.uri),
                (b"Max-Forwards", b"70"),
                (b"From", b"<%b>;tag=%b" % (aor, tag)),
                (b"To", b"<%b>" % aor),
                (b"Call-ID", callID),
                (b"CSeq", b"1 NOTIFY"),
                (b"Contact", b"<sip:%b@%b>" % (tag, self._ua.contactHost)),
                (b"Event", EVENT),
                # There is no subscription that could live on.
                (b"Subscription-State", b"terminated;reason=noresource"),
                (b"Content-Type", CONTENT_TYPE),
                (b"Content-Length", b"%d" % len(body)),
            )
            return Request(b"NOTIFY", device.contact or aor, headers, body)

        def received(response: Response, request: Request) -> None:
            if response.status >= 200:
                if response.status >= 300:
                    self._ua.count("notifiesFailed")
                self._told(dn)

        def lost(status: int, why: str) -> None:
            self._ua.count("notifiesFailed")
            self._told(dn)

        Attempt(self._ua, make, received, lost).start()

    def _told(self, dn: str) -> None:
        self._telling.discard(dn)
        if dn in self._tellAgain:
            self._tellAgain.discard(dn)
            if dn not in self._byDN:
                self._tell(dn)


def _event(request: Request) -> bytes:
    """
    The Event of a SUBSCRIBE, with nothing but its C{id}.

    @raise _Refuse: it is none that is served, or the sender does not take what a
        NOTIFY would say.
    """
    value = request.headers.first(b"Event") or b""
    name, _, rest = value.partition(b";")
    if name.strip().lower() != EVENT:
        raise _Refuse(489, _BAD_EVENT)
    if b"Accept" in request.headers:
        kinds = {
            each.partition(b";")[0].strip().lower()
            for each in request.headers.values(b"Accept")
        }
        if kinds and not kinds & _TAKEN:
            raise _Refuse(406, _ACCEPT)
    id_ = Parameters.parse(rest).get(b"id") if rest else None
    return b"%b;id=%b" % (EVENT, id_) if id_ else EVENT
