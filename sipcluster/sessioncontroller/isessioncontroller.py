"""
The seams of the Session Controller: what it asks of its neighbours, and the
values that cross them.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from attrs import field, frozen
from twisted.internet.defer import Deferred
from zope.interface import Interface

from sipcluster.sessioncontroller.events import CallType, Cause
from sipcluster.sessioncontroller.icallcontrol import (
    CallRefused,
    ICallControl,
    PartyStatus,
    Why,
)
from sipcluster.sip.isip import Target

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.events import CallEvent

__all__ = (
    "DN",
    "Asked",
    "CallRefused",
    "DNFeatures",
    "DTMFMethod",
    "Destination",
    "ExtensionDN",
    "ForwardMode",
    "ICallControl",
    "IDialPlan",
    "IEventSink",
    "IFeatures",
    "IProxies",
    "Limits",
    "PartyStatus",
    "ProxyAddress",
    "QueuedAt",
    "Refusal",
    "RoutingPointDN",
    "TrunkDN",
    "Why",
)


class DTMFMethod(enum.Enum):
    """
    How digits reach a device: the values of C{dtmf-method}.
    """

    INFO = "info"
    RFC4733 = "rfc4733"


@frozen
class ExtensionDN:
    """
    A telephone that registers, or one that is always at the same place.

    @ivar number: the DN, the user part of its address-of-record.
    @ivar noAnswerTimeout: seconds that it may ring.
    @ivar contact: C{b""} when the location service knows where it is, else the
        URI at which it always is.
    @ivar dtmfMethod: how it is sent digits.
    @ivar oosCheck: seconds between OPTIONS that ask whether it is there; 0: it is
        not asked.
    @ivar oosForce: seconds that it may leave one unanswered; 0: as long as a
        request lives.
    @ivar autoAnswer: it is asked to answer by itself when it makes a call by
        request.
    """

    number: str
    noAnswerTimeout: float = 120.0
    contact: bytes = b""
    dtmfMethod: DTMFMethod = field(default=DTMFMethod.INFO, kw_only=True)
    oosCheck: float = field(default=0.0, kw_only=True)
    oosForce: float = field(default=0.0, kw_only=True)
    autoAnswer: bool = field(default=False, kw_only=True)


@frozen
class TrunkDN:
    """
    A gateway or another switch; known by its address, never by digest.

    @ivar contact: the URI of the far end.
    @ivar host: its host in lower case.
    @ivar prefix: dialled numbers that begin so go there; C{""} for none.
    @ivar replacePrefix: what stands in place of the prefix in the number that
        is sent; L{None} keeps the prefix.
    @ivar dtmfMethod: how it is sent digits.
    @ivar oosCheck: as for L{ExtensionDN}.
    @ivar oosForce: as for L{ExtensionDN}.
    @ivar trusted: what it says of who calls is believed, and it is told who calls also
        where that is not to be shown (RFC 3325).
    """

    number: str
    contact: bytes
    host: str
    prefix: str = ""
    replacePrefix: str | None = None
    noAnswerTimeout: float = 120.0
    dtmfMethod: DTMFMethod = field(default=DTMFMethod.INFO, kw_only=True)
    oosCheck: float = field(default=0.0, kw_only=True)
    oosForce: float = field(default=0.0, kw_only=True)
    trusted: bool = field(default=False, kw_only=True)


@frozen
class RoutingPointDN:
    """
    A number whose calls wait for a routing decision.

    @ivar defaults: where they go when nobody decides, one after the other, the next
        call beginning with the next one: C{default-dn}, or what
        C{alternate-route-profile} names.
    @ivar routerTimeout: seconds that a routing client may take to say something about
        a call: C{router-timeout}.
    @ivar divertOnRinging: a call has left it when it rings where it was routed to, else
        when it is answered there: C{divert-on-ringing}.
    @ivar ringing: the caller hears that it rings (180), else is told that it waits
        (182): C{ringing-on-route-point}.
    @ivar noAnswerTimeout: seconds that a call that was routed may ring; 0: as long as
        it does when it is called.
    @ivar noAnswerOverflow: where a call goes that was routed and is not answered:
        numbers, one after the other; C{recall}: back; C{none}: nowhere.
    """

    number: str
    defaults: tuple[str, ...] = ()
    routerTimeout: float = field(default=10.0, kw_only=True)
    divertOnRinging: bool = field(default=True, kw_only=True)
    ringing: bool = field(default=True, kw_only=True)
    noAnswerTimeout: float = field(default=0.0, kw_only=True)
    noAnswerOverflow: tuple[str, ...] = field(default=("recall",), kw_only=True)


DN = ExtensionDN | TrunkDN | RoutingPointDN


@frozen
class ProxyAddress:
    """
    One SIP Proxy as the node reaches it.

    @ivar name: its application name.
    @ivar host: its IP address, without brackets.
    """

    name: str
    host: str
    port: int = 5060
    transportName: str = "UDP"

    @property
    def target(self) -> Target:
        """
        Where its requests go.
        """
        return Target(self.transportName, self.host, self.port)

    @property
    def uri(self) -> bytes:
        """
        Its URI, for a Route header.
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        tail = "" if self.transportName == "UDP" else f";transport={self.transportName}"
        return f"sip:{host}:{self.port}{tail.lower()};lr".encode()


class IProxies(Interface):
    """
    The SIP Proxies that this node believes and uses.
    """

    def __iter__() -> Iterator[ProxyAddress]:
        """
        All of them.
        """

    def at(host: str) -> ProxyAddress | None:
        """
        The SIP Proxy with this address, in service or not; L{None} for a
        stranger.
        """

    def choose(
        preferred: ProxyAddress | None, besides: Collection[str]
    ) -> ProxyAddress | None:
        """
        Find the one to use next.

        @param preferred: taken when it is in service and not left out.
        @param besides: names of those that failed already.

        @return: one in service; when none is, one that was not tried yet, since
            a probe may be wrong; L{None} when all were tried.
        """

    def serves(besides: Collection[str]) -> bool:
        """
        Whether one is in service that was not tried yet.

        @param besides: names of those that were.
        """


@frozen
class Asked:
    """
    Where somebody wants to call.

    @ivar user: the dialled number, unescaped.
    @ivar host: of the Request-URI, in lower case.
    @ivar caller: the DN that calls; L{None} for an unknown one, which cannot
        happen now.
    @ivar redirected: this is where a called party sent the call.
    @ivar forwarder: the DN whose call forwarding asks, or the routing point that sends
        the call there; it then counts what that DN may call, as only T-Library clients
        can say so.
    """

    user: str
    host: str
    caller: DN
    redirected: bool = False
    forwarder: ExtensionDN | RoutingPointDN | None = None


@frozen
class Destination:
    """
    Where a call goes.

    @ivar dn: the number that events name.
    @ivar uri: Request-URI of the INVITE.
    @ivar to: URI of its To.
    @ivar callType: as the field counts it.
    @ivar noAnswerTimeout: seconds until it is given up.
    @ivar forwardedBy: the DNs whose call forwarding has led here, the one that
        was called first.
    @ivar dtmfMethod: how the device there is sent digits.
    @ivar trusted: it is told who calls also where that is not to be shown.
    """

    dn: str
    uri: bytes
    to: bytes
    callType: CallType
    noAnswerTimeout: float
    forwardedBy: tuple[str, ...] = ()
    dtmfMethod: DTMFMethod = DTMFMethod.INFO
    trusted: bool = False


@frozen
class QueuedAt(Destination):
    """
    A call waits at a routing point: nobody is called.
    """


@frozen
class Refusal:
    """
    A call that goes nowhere.

    @ivar status: what the caller is answered.
    @ivar callType: as the field counts it, where that is known.
    """

    status: int
    cause: Cause
    callType: CallType = CallType.UNKNOWN


class IDialPlan(Interface):
    """
    Knows where a call goes.
    """

    def route(asked: Asked) -> Deferred[Destination | Refusal]:
        """
        Find the destination of a call.

        @return: fires at once for a plan held in memory; never fails; may be
            cancelled when the caller has gone, and then never fires.
        """

    def instead(
        asked: Asked, destination: Destination, cause: Cause
    ) -> Deferred[Destination | Refusal] | None:
        """
        Find where a call goes that its destination did not take: call forwarding
        on busy and on no answer.

        @param asked: what led to the destination.
        @param destination: what L{route}, or this method, has found before.
        @param cause: why the destination did not take it.

        @return: L{None} when the call is to fail with that cause; else as
            L{route}, and the destination is released with
            C{Cause.FORWARDED}.
        """


class ForwardMode(enum.Enum):
    """
    Which calls to a DN go elsewhere: the words of T-Library.
    """

    NONE = "None"
    UNCONDITIONAL = "Unconditional"
    ON_BUSY = "OnBusy"
    ON_NO_ANSWER = "OnNoAnswer"
    ON_BUSY_AND_NO_ANSWER = "OnBusyAndNoAnswer"
    SEND_ALL_CALLS = "SendAllCalls"


@frozen
class DNFeatures:
    """
    What a DN has switched on.

    @ivar dnd: do not disturb: calls to it find it busy.
    @ivar forwardTo: the number, as the DN would dial it; C{""} without a
        C{forwardMode}.
    @ivar messageWaiting: there are messages for it.
    """

    dnd: bool = False
    forwardMode: ForwardMode = ForwardMode.NONE
    forwardTo: str = ""
    messageWaiting: bool = False


class IFeatures(Interface):
    """
    Knows what DNs have switched on.
    """

    def features(dn: str) -> DNFeatures:
        """
        What is on at a DN; nothing for one that is not known.  Asked for each
        call: answers at once.
        """


class IEventSink(Interface):
    """
    Takes the events of all calls of this node, in order.
    """

    def eventHappened(event: CallEvent) -> None:
        """
        Take one event.  Never blocks, never raises.
        """


@frozen
class Limits:
    """
    Bounds of what one node carries.

    @ivar calls: calls at one time; more are answered 503.
    @ivar legs: legs that one call may make, redirections counted.
    @ivar forks: early dialogs of one outgoing leg; more are not followed.
    @ivar redirections: 3xx answers that one call follows.
    @ivar relays: requests inside a dialog that may wait for the far end at one
        time, on each leg.
    @ivar callerAnswersWithin: seconds in which the telephone of a DN that makes a
        call by request must answer.
    @ivar answerWithin: seconds in which a telephone that is asked to answer must.
    @ivar changeWithin: seconds in which telephones must take what hold, retrieve and
        the like want of them.
    @ivar sessionInterval: seconds in which sessions are to be refreshed where far ends
        want nothing else (RFC 4028); 0: only where they want it at all.
    @ivar shortestSession: the least that they may want.
    @ivar busyTone: seconds after which a caller is hung up on whose call leads
        nowhere, where the call was made by request.
    """

    calls: int = 10000
    legs: int = 16
    forks: int = 12
    redirections: int = 5
    relays: int = 8
    callerAnswersWithin: float = 25.0
    answerWithin: float = 10.0
    changeWithin: float = 20.0
    busyTone: float = 30.0
    sessionInterval: int = 0
    shortestSession: int = 90
