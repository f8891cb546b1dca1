"""
The DNs of the switch and where dialled numbers lead, from the configuration and by
what is switched on at them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from attrs import evolve
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from sipcluster.sessioncontroller.events import CallType, Cause
from sipcluster.sessioncontroller.isessioncontroller import (
    DN,
    Asked,
    Destination,
    ExtensionDN,
    ForwardMode,
    IDialPlan,
    IFeatures,
    QueuedAt,
    Refusal,
    RoutingPointDN,
    TrunkDN,
)
from sipcluster.sip.grammar import escapeUser

_NOT_FOUND = Refusal(404, Cause.INVALID_NUMBER)
_FORBIDDEN = Refusal(403, Cause.FORBIDDEN)
#: Whoever calls has the line in use.
_ONESELF = Refusal(486, Cause.BUSY, CallType.INTERNAL)
#: The called DN does not want to be disturbed.
_DISTURBED = Refusal(486, Cause.BUSY)
#: The called DN's telephone does not answer OPTIONS.
_GONE = Refusal(480, Cause.UNREACHABLE)
#: Forwarding in a circle, or through too many DNs.
_CIRCLE = Refusal(480, Cause.UNREACHABLE)

#: DNs that forward one call before it is given up.
MAX_FORWARDS = 5

_ALWAYS = frozenset([ForwardMode.UNCONDITIONAL, ForwardMode.SEND_ALL_CALLS])
_ON_BUSY = frozenset([ForwardMode.ON_BUSY, ForwardMode.ON_BUSY_AND_NO_ANSWER])
_ON_NO_ANSWER = frozenset([ForwardMode.ON_NO_ANSWER, ForwardMode.ON_BUSY_AND_NO_ANSWER])

#: Which forwarding takes place when a destination did not take the call.  Who
#: declines a call is busy with something else; a telephone that is not there does
#: not answer.
_INSTEAD = {
    Cause.BUSY: _ON_BUSY,
    Cause.REJECTED: _ON_BUSY,
    Cause.NO_ANSWER: _ON_NO_ANSWER,
    Cause.UNREACHABLE: _ON_NO_ANSWER,
    Cause.LOST: _ON_NO_ANSWER,
}


class Directory:
    """
    The DNs of the switch.

    @ivar domain: of their addresses-of-record, in lower case.
    @ivar hosts: what may stand for the domain in a Request-URI: the addresses
        and names of nodes and SIP Proxies.
    """

    __slots__ = ("_dns", "_trunkHosts", "domain", "hosts", "prefixes")

    def __init__(
        self, domain: str, dns: Iterable[DN], hosts: Iterable[str] = ()
    ) -> None:
        self.domain = domain.lower()
        self.hosts = frozenset({self.domain, *(host.lower() for host in hosts)})
        self._dns = {dn.number: dn for dn in dns}
        trunks = [dn for dn in self._dns.values() if isinstance(dn, TrunkDN)]
        self._trunkHosts = {trunk.host: trunk for trunk in trunks}
        self.prefixes = sorted(
            (trunk for trunk in trunks if trunk.prefix),
            key=lambda trunk: -len(trunk.prefix),
        )

    @property
    def dns(self) -> Collection[DN]:
        """
        All of them.
        """
        return self._dns.values()

    def dn(self, number: str) -> DN | None:
        """
        The DN with a number, or L{None}.
        """
        return self._dns.get(number)

    def extension(self, number: str) -> ExtensionDN | None:
        """
        The extension with a number, or L{None}.
        """
        dn = self._dns.get(number)
        return dn if isinstance(dn, ExtensionDN) else None

    def routingPoint(self, number: str) -> RoutingPointDN | None:
        """
        The routing point with a number, or L{None}.
        """
        dn = self._dns.get(number)
        return dn if isinstance(dn, RoutingPointDN) else None

    def trunkAt(self, host: str) -> TrunkDN | None:
        """
        The trunk whose far end is at an address, or L{None}.
        """
        return self._trunkHosts.get(host)


def _inside(asked: Asked) -> CallType:
    """
    The type of a call to a DN of the switch.
    """
    trunk = isinstance(asked.caller, TrunkDN)
    return CallType.INBOUND if trunk else CallType.INTERNAL


@implementer(IDialPlan)
class StaticDialPlan:
    """
    An extension or a routing point by its number, a trunk by its prefix, and nothing
    else.

    A call to oneself is answered 486; an unknown number or a foreign domain 404.  A
    redirection may lead to extensions and routing points only: a telephone must not be
    able to send somebody else's call to a trunk, and so to its cost.  Calls from trunk
    to trunk are refused for the same reason.  What a DN has been set to forward to by
    T-Library is called in its own name, and so may be anything that it could dial; so
    it is with what a routing client says.
    """

    __slots__ = ("_directory", "_found")

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        # Destinations do not change: each is made once.
        self._found: dict[tuple[str, CallType], Destination] = {}

    def route(self, asked: Asked) -> Deferred[Destination | Refusal]:
        return succeed(self.find(asked))

    def instead(
        self, asked: Asked, destination: Destination, cause: Cause
    ) -> Deferred[Destination | Refusal] | None:
        return None

    def find(self, asked: Asked) -> Destination | Refusal:
        """
        As L{route}, at once.
        """
        directory = self._directory
        if asked.host not in directory.hosts:
            return _FORBIDDEN if asked.redirected else _NOT_FOUND
        fromTrunk = isinstance(asked.caller, TrunkDN)
        dn = directory.dn(asked.user)
        if isinstance(dn, ExtensionDN):
            if dn.number == asked.caller.number:
                return _ONESELF
            return self._toExtension(dn, _inside(asked))
        if isinstance(dn, RoutingPointDN):
            return self._atPoint(dn, _inside(asked))
        for trunk in directory.prefixes:
            if asked.user.startswith(trunk.prefix):
                if (fromTrunk or asked.redirected) and asked.forwarder is None:
                    return _FORBIDDEN
                return self._toTrunk(trunk, asked.user)
        return _NOT_FOUND

    def _toExtension(self, dn: ExtensionDN, callType: CallType) -> Destination:
        key = (dn.number, callType)
        found = self._found.get(key)
        if found is None:
            user = escapeUser(dn.number.encode())
            aor = b"sip:%b@%b" % (user, self._directory.domain.encode())
            found = self._found[key] = Destination(
                dn.number,
                dn.contact or aor,
                aor,
                callType,
                dn.noAnswerTimeout,
                dtmfMethod=dn.dtmfMethod,
            )
        return found

    def _atPoint(self, dn: RoutingPointDN, callType: CallType) -> Destination:
        key = (dn.number, callType)
        found = self._found.get(key)
        if found is None:
            user = escapeUser(dn.number.encode())
            aor = b"sip:%b@%b" % (user, self._directory.domain.encode())
            found = self._found[key] = QueuedAt(
                dn.number, aor, aor, callType, dn.routerTimeout
            )
        return found

    def _toTrunk(self, trunk: TrunkDN, dialled: str) -> Destination:
        number = dialled
        if trunk.replacePrefix is not None:
            number = trunk.replacePrefix + dialled.removeprefix(trunk.prefix)
        scheme, _, rest = trunk.contact.partition(b":")
        uri = b"%b:%b@%b" % (
            scheme,
            escapeUser(number.encode()),
            rest.rpartition(b"@")[2],
        )
        return Destination(
            number,
            uri,
            uri,
            CallType.OUTBOUND,
            trunk.noAnswerTimeout,
            dtmfMethod=trunk.dtmfMethod,
            trusted=trunk.trusted,
        )


def _nobody(dn: str) -> bool:
    return False


@implementer(IDialPlan)
class FeatureDialPlan:
    """
    Another dial plan, and what is switched on at the DNs to which it leads.

    Forwarding of all calls comes before do-not-disturb; with do-not-disturb a DN
    is busy, and calls go where it forwards them when busy, if it does.  A number
    that is forwarded to is called in the name of the DN that forwards; its own
    features count as well.

    @ivar unanswering: whether it is known of a DN that its telephone does not
        answer: then it is not called, and calls go where it forwards them on no
        answer, if it does.
    """

    __slots__ = ("_directory", "_features", "_plan", "unanswering")

    def __init__(
        self, plan: IDialPlan, directory: Directory, features: IFeatures
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._features = features
        self.unanswering: Callable[[str], bool] = _nobody

    def route(self, asked: Asked) -> Deferred[Destination | Refusal]:
        return self._plan.route(asked).addCallback(self._apply, asked, ())

    def instead(
        self, asked: Asked, destination: Destination, cause: Cause
    ) -> Deferred[Destination | Refusal] | None:
        modes = _INSTEAD.get(cause)
        if modes is None or destination.callType is CallType.OUTBOUND:
            return self._plan.instead(asked, destination, cause)
        features = self._features.features(destination.dn)
        if features.forwardMode not in modes or not features.forwardTo:
            return self._plan.instead(asked, destination, cause)
        return self._forward(
            asked, destination.dn, features.forwardTo, destination.forwardedBy
        )

    def _apply(
        self,
        found: Destination | Refusal,
        asked: Asked,
        forwardedBy: tuple[str, ...],
    ) -> Deferred[Destination | Refusal] | Destination | Refusal:
        if isinstance(found, Refusal):
            return found
        if found.dn in forwardedBy:
            return evolve(_CIRCLE, callType=found.callType)
        if found.callType is not CallType.OUTBOUND:
            features = self._features.features(found.dn)
            mode, to = features.forwardMode, features.forwardTo
            if to and (mode in _ALWAYS or (features.dnd and mode in _ON_BUSY)):
                return self._forward(asked, found.dn, to, forwardedBy)
            if features.dnd:
                return evolve(_DISTURBED, callType=found.callType)
            if self.unanswering(found.dn):
                if to and mode in _ON_NO_ANSWER:
                    return self._forward(asked, found.dn, to, forwardedBy)
                return evolve(_GONE, callType=found.callType)
        return evolve(found, forwardedBy=forwardedBy) if forwardedBy else found

    def _forward(
        self, asked: Asked, by: str, to: str, forwardedBy: tuple[str, ...]
    ) -> Deferred[Destination | Refusal]:
        """
        Go on to where a DN forwards its calls.
        """
        if len(forwardedBy) >= MAX_FORWARDS:
            return succeed(evolve(_CIRCLE, callType=_inside(asked)))
        forward = Asked(
            to,
            self._directory.domain,
            asked.caller,
            asked.redirected,
            self._directory.extension(by),
        )
        chain = (*forwardedBy, by)
        return self._plan.route(forward).addCallback(self._apply, forward, chain)
