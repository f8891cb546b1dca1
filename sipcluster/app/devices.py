"""
The devices of a node's DNs: which are in service, and what they are told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.app.runtime import NodeRuntime
from sipcluster.registrar.register import Lifetimes
from sipcluster.registrar.view import (
    IBindingObserver,
    RegistrationView,
    registrationView,
)
from sipcluster.servicecheck.device_asker import DeviceAsker, Way
from sipcluster.servicecheck.devices import Device, DeviceWatch
from sipcluster.servicecheck.iservicecheck import IDeviceObserver
from sipcluster.sessioncontroller.authentication import Authenticator
from sipcluster.sessioncontroller.controller import SessionController
from sipcluster.sessioncontroller.dialplan import Directory
from sipcluster.sessioncontroller.dtmf import DigitMethod, DigitSender, InfoDigits
from sipcluster.sessioncontroller.dtmf_events import EventDigits
from sipcluster.sessioncontroller.isessioncontroller import (
    DTMFMethod,
    ExtensionDN,
    IFeatures,
    IProxies,
    ProxyAddress,
    TrunkDN,
)
from sipcluster.sessioncontroller.notifier import MessageWaiting
from sipcluster.sip.grammar import escapeUser

log = Logger()

#: Seconds for which telephones subscribe: the shortest, and the longest, which is
#: what those get who do not say.
_SUBSCRIPTIONS = (60, 3600)


@implementer(IBindingObserver)
class _Bindings:
    """
    Tells a L{DeviceWatch} of DNs instead of addresses-of-record.
    """

    def __init__(self, domain: str, watch: DeviceWatch) -> None:
        self._tail = f"@{domain}"
        self._watch = watch

    def bound(self, aor: bytes) -> None:
        """
        See L{IBindingObserver}.
        """
        dn = self._dnOf(aor)
        if dn:
            self._watch.registered(dn)

    def unbound(self, aor: bytes, why: str) -> None:
        """
        See L{IBindingObserver}.
        """
        dn = self._dnOf(aor)
        if dn:
            self._watch.unregistered(dn, why)

    def aorOf(self, dn: str) -> bytes:
        """
        The address-of-record of a DN.
        """
        return f"sip:{dn}{self._tail}".encode()

    def _dnOf(self, aor: bytes) -> str:
        text = aor.decode("utf-8", "replace")
        if not text.startswith("sip:") or not text.endswith(self._tail):
            return ""
        return text[4 : -len(self._tail)]


def devicesOf(directory: Directory, followed: bool) -> Iterable[Device]:
    """
    What is watched of the DNs of the switch.

    @param followed: whether registrations can be seen; where they cannot,
        telephones that register count as registered.
    """
    for dn in directory.dns:
        if isinstance(dn, ExtensionDN):
            aor = f"sip:{escapeUser(dn.number.encode()).decode()}@{directory.domain}"
            uri = dn.contact or aor.encode()
            registers = followed and not dn.contact
            yield Device(dn.number, uri, registers, dn.oosCheck, dn.oosForce)
        elif isinstance(dn, TrunkDN):
            yield Device(dn.number, dn.contact, False, dn.oosCheck, dn.oosForce)


class Devices:
    """
    The devices of the DNs, as one node sees them.

    @ivar watch: which are in service.
    @ivar waiting: their subscriptions to message waiting.
    @ivar view: the registrations of the cluster; L{None} without a cluster store.
    """

    def __init__(
        self,
        runtime: NodeRuntime,
        directory: Directory,
        controller: SessionController,
        authenticator: Authenticator,
        proxies: IProxies,
        features: IFeatures,
        watcher: IDeviceObserver,
    ) -> None:
        """
        @param controller: gets its SUBSCRIBEs taken, and its digits sent.
        @param watcher: is told which devices are in service: the T-Controller.
        """
        configuration = runtime.configuration
        pairHost = configuration.pairHost(configuration.pairOf(runtime.name))
        self._controller = controller
        self.waiting = MessageWaiting(
            controller.ua,
            authenticator,
            directory,
            features,
            Lifetimes(*_SUBSCRIPTIONS, _SUBSCRIPTIONS[1]),
            configuration.clusterNodes.unsolicitedMWI,
            runtime.keeper,
        )
        controller.subscriptions = self.waiting
        controller.distribution.add(self.waiting)
        controller.digits = self._digits = _digits(runtime)
        self.watch = DeviceWatch(
            runtime.clock,
            devicesOf(directory, runtime.store is not None),
            DeviceAsker(
                runtime.clock,
                controller.ua.layer,
                runtime.identifiers,
                b"sip:" + pairHost.encode(),
                ways(proxies),
            ),
            lambda: int.from_bytes(runtime.entropy(4), "big") / 2**32,
            (watcher, self.waiting),
            runtime.keeper,
        )
        self.view: RegistrationView | None = None
        if runtime.store is not None:
            bindings = _Bindings(directory.domain, self.watch)
            self.view = view = registrationView(
                runtime.store,
                runtime.clock,
                runtime.wallTime,
                runtime.name,
                bindings,
                runtime.keeper,
            )
            self.watch.isBound = lambda dn: view.isBound(bindings.aorOf(dn))
            byName = {proxy.name: proxy for proxy in proxies}

            def home(dn: str) -> ProxyAddress | None:
                found = view.bindings(bindings.aorOf(dn))
                return byName.get(found[0].proxy) if found else None

            controller.ua.home = home

    def start(self) -> None:
        """
        Begin to watch; to be called when SIP can be sent.  Calls do not wait for
        the cluster store: until it is heard, DNs that register are out of service.
        """
        self.watch.start()
        if self.view is not None:
            started: Deferred[None] = self.view.start()
            started.addErrback(_notFollowed)

    def stop(self) -> None:
        """
        Watch no more, and end all subscriptions; to be called while SIP can still
        be sent.
        """
        self.watch.stop()
        if self.view is not None:
            self.view.stop()
        self.waiting.stop()
        self._controller.subscriptions = None

    def abandon(self) -> None:
        """
        Another member of the pair serves: watch no more, and say nothing.
        """
        self.watch.stop()
        if self.view is not None:
            self.view.stop()
        self._digits.abandon()
        self._controller.subscriptions = None

    @property
    def degraded(self) -> str:
        """
        What is not known for sure; empty when all is.
        """
        if self.view is not None and self.view.degraded:
            return "cluster store away"
        return ""

    def status(self) -> dict[str, object]:
        """
        Counts, for people.
        """
        return {
            "devices": self.watch.status(),
            "messageWaiting": self.waiting.status(),
        }


def _digits(runtime: NodeRuntime) -> DigitSender:
    """
    What sends digits.
    """
    clock, media = runtime.clock, runtime.media
    methods: dict[DTMFMethod, DigitMethod] = {DTMFMethod.INFO: InfoDigits(clock)}
    if media is not None:
        methods[DTMFMethod.RFC4733] = EventDigits(clock, media, runtime.entropy)
    return DigitSender(methods)


def ways(proxies: IProxies) -> Callable[[Collection[str]], Way | None]:
    """
    How devices are reached through SIP Proxies, given those that were tried already.
    """

    def way(besides: Collection[str]) -> Way | None:
        proxy = proxies.choose(None, besides)
        return None if proxy is None else Way(proxy.name, proxy.target, proxy.uri)

    return way


def _notFollowed(failure: Failure) -> None:
    log.warn("registrations are not seen yet: {why}", why=failure.getErrorMessage())
