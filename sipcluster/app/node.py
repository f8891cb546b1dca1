"""
A node put together: the part that an application embeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.app.cti import CTI
from sipcluster.app.devices import Devices
from sipcluster.app.media_services import makeMediaServices
from sipcluster.app.music import musicOf
from sipcluster.app.proxy import proxyMembers
from sipcluster.app.runtime import ISIPMember, NodeRuntime
from sipcluster.app.settings import (
    Configuration,
    Extension,
    RoutingPoint,
    Trunk,
)
from sipcluster.registrar.register import Lifetimes
from sipcluster.servicecheck.iservicecheck import (
    IServiceObserver,
    Member,
    PeerRole,
    ProbeTimes,
)
from sipcluster.servicecheck.options import OptionsAsker, renderRole
from sipcluster.servicecheck.registry import ServiceRegistry
from sipcluster.sessioncontroller.authentication import Authenticator
from sipcluster.sessioncontroller.controller import SessionController
from sipcluster.sessioncontroller.dialplan import (
    Directory,
    FeatureDialPlan,
    StaticDialPlan,
)
from sipcluster.sessioncontroller.isessioncontroller import (
    DN,
    DTMFMethod,
    ExtensionDN,
    IEventSink,
    Limits,
    ProxyAddress,
    RoutingPointDN,
    TrunkDN,
)
from sipcluster.sessioncontroller.proxies import Proxies
from sipcluster.sessioncontroller.sinks import LogSink
from sipcluster.sessioncontroller.values import CallValue
from sipcluster.sip.digest import Challenger
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.uri import SIPURI, parseURI
from sipcluster.sipproxy.topology import hostBytes
from sipcluster.tcontroller.itcontroller import IDNStates
from sipcluster.tserver.routing_clients import RoutingClients

log = Logger()

#: Seconds from the end of loading to the first question to a SIP Proxy: the ports
#: are opened in between.
_FIRST_QUESTION = 0.05


def makeNode(runtime: NodeRuntime, sinks: Sequence[IEventSink] = ()) -> NodeMember:
    """
    Build a node.

    @param sinks: take its call-control events, besides the log.
    """
    return NodeMember(runtime, sinks)


def directoryOf(configuration: Configuration) -> Directory:
    """
    The DNs of a configuration as the Session Controller sees them.
    """
    nodes = configuration.clusterNodes
    dns: list[DN] = []
    for dn in configuration.dns:
        if isinstance(dn, Extension):
            contact = b"" if dn.contact == "*" else dn.contact.encode()
            timeout = dn.noAnswerTimeout or nodes.noAnswerTimeout
            dns.append(
                ExtensionDN(
                    dn.number,
                    timeout,
                    contact,
                    dtmfMethod=DTMFMethod(dn.dtmfMethod),
                    oosCheck=dn.oosCheck,
                    oosForce=dn.oosForce,
                    autoAnswer=dn.autoAnswer,
                )
            )
        elif isinstance(dn, Trunk):
            dns.append(
                TrunkDN(
                    dn.number,
                    dn.contact.encode(),
                    _hostOf(dn.contact),
                    dn.prefix,
                    dn.replacePrefix,
                    nodes.noAnswerTimeout,
                    dtmfMethod=DTMFMethod(dn.dtmfMethod),
                    oosCheck=dn.oosCheck,
                    oosForce=dn.oosForce,
                    trusted=dn.assertedIdentity,
                )
            )
        elif isinstance(dn, RoutingPoint):
            dns.append(_routingPoint(configuration, dn))
    hosts = [
        name
        for one in (*configuration.nodes, *configuration.proxies)
        for name in (one.sipAddress, configuration.pairHost(one.name))
    ]
    return Directory(configuration.switch.domain, dns, hosts)


def _routingPoint(configuration: Configuration, dn: RoutingPoint) -> RoutingPointDN:
    defaults = dn.defaults
    if not defaults:
        others = (one for one in configuration.dns if isinstance(one, RoutingPoint))
        profiles = {one.number: one.defaults for one in others}
        defaults = profiles.get(dn.alternateRouteProfile, ())
    return RoutingPointDN(
        dn.number,
        defaults,
        routerTimeout=dn.routerTimeout,
        divertOnRinging=dn.divertOnRinging,
        ringing=dn.ringingOnRoutePoint,
        noAnswerTimeout=dn.noAnswerTimeout,
        noAnswerOverflow=dn.noAnswerOverflow,
    )


def _hostOf(contact: str) -> str:
    try:
        uri = parseURI(contact.encode())
    except MalformedMessage:
        return ""
    return uri.bareHost if isinstance(uri, SIPURI) else ""


@implementer(ISIPMember, IServiceObserver, IDNStates)
class NodeMember(Service):
    """
    One node of the cluster.

    @ivar controller: the Session Controller.
    @ivar cti: its T-Library ports and its T-Controller.
    @ivar ports: the T-Library ports.
    @ivar devices: which telephones are in service, and what they are told.
    @ivar checker: who of the SIP Proxies is in service.
    @ivar mediaServices: the media servers, and which of them are in service.
    """

    def __init__(self, runtime: NodeRuntime, sinks: Sequence[IEventSink] = ()) -> None:
        settings, configuration = runtime.settings, runtime.configuration
        switch = configuration.switch
        nodes = configuration.clusterNodes
        self.setName(runtime.name)
        self.runtime = runtime
        pair = configuration.pairOf(runtime.name)
        directory = directoryOf(configuration)
        self.cti = CTI(runtime, directory, runtime.tlibLog)
        self.ports = self.cti.ports
        challenger = Challenger(
            switch.realm.encode(),
            # This node's own: SIP Proxies bring a challenge and its answer to the
            # same node, by their Call-ID, so that no credentials that one node
            # took are good at another. One that fails in between costs a round.
            runtime.entropy(32),
            runtime.wallTime,
            runtime.entropy,
            switch.digestAlgorithms,
        )
        self.proxies = Proxies(
            ProxyAddress(proxy.name, proxy.sipAddress, proxy.sipPort)
            for proxy in configuration.proxies
        )
        plan = FeatureDialPlan(
            StaticDialPlan(directory), directory, self.cti.controller
        )
        authenticator = Authenticator(challenger, directory, configuration.ha1For)
        self.controller = SessionController(
            runtime.clock,
            runtime.transport,
            runtime.identifiers,
            runtime.wallTime,
            self.proxies,
            authenticator,
            plan,
            Lifetimes(nodes.minExpires, nodes.maxExpires, nodes.maxExpires),
            switch.domain,
            configuration.pairHost(pair),
            settings.sipAddress,
            (LogSink(), self.cti.controller, self.cti.monitoring, *sinks),
            Limits(
                calls=settings.maxCalls,
                redirections=nodes.maxRedirections,
                sessionInterval=(
                    max(nodes.sessionExpires, nodes.minSE)
                    if nodes.sessionExpires
                    else 0
                ),
                shortestSession=nodes.minSE,
            ),
            role=renderRole(PeerRole(True, runtime.epoch, pair)),
            keeper=runtime.keeper,
        )
        self.controller.ua.layer.relays(
            (hostBytes(proxy.host), proxy.port) for proxy in self.proxies
        )
        self.mediaServices = makeMediaServices(
            runtime, self.controller.ua.layer, self.proxies
        )
        self.controller.ua.media = self.mediaServices
        self.mediaServices.startedAnew = self.controller.serverStartedAnew
        self.controller.ua.location = settings.geoLocation
        self.controller.ua.music = musicOf(configuration)
        self.cti.control(self.controller)
        routing = self.controller.ua.routing
        routing.clients = RoutingClients(self.cti.default, self.controller.routersGone)
        routing.agentAt = self.cti.controller.agentAt
        features = self.cti.controller
        self.devices = Devices(
            runtime,
            directory,
            self.controller,
            authenticator,
            self.proxies,
            features,
            features,
        )
        plan.unanswering = self.devices.watch.leavesUnanswered
        waiting = self.devices.waiting
        features.messageWaitingChanged = lambda dn, on: waiting.changed(dn)
        self.checker = ServiceRegistry(
            runtime.clock,
            OptionsAsker(
                runtime.clock,
                self.controller.ua.layer,
                runtime.identifiers,
                b"sip:" + configuration.pairHost(pair).encode(),
            ),
            proxyMembers(configuration),
            ProbeTimes(settings.oosCheck, settings.oosForce),
            lambda: int.from_bytes(runtime.entropy(4), "big") / 2**32,
            runtime.wallTime,
        )
        self.checker.observe(self)
        self._asking: IDelayedCall | None = None

    # IService and IMember

    def startService(self) -> None:
        """
        Take what the transport layer receives from now on.
        """
        super().startService()
        self.runtime.transport.receiver = self.controller.ua.layer

    def load(self) -> Deferred[None]:
        """
        See L{IMember}.
        """
        self._asking = self.runtime.clock.callLater(_FIRST_QUESTION, self._ask)
        return succeed(None)

    def _ask(self) -> None:
        self._asking = None
        self.checker.start()
        self.devices.start()
        self.mediaServices.startAsking()

    def stopService(self) -> Deferred[None]:
        """
        End all calls, and wait a moment for the far ends; then all T-Library
        clients, likewise.
        """
        super().stopService()
        self._stopAsking()
        self.checker.stop()
        self.devices.stop()
        self.mediaServices.stopAsking()
        stopped = self.controller.stop()
        return stopped.addCallback(self._stopped)

    def _stopped(self, _: None) -> Deferred[None]:
        """
        All calls have ended, and T-Library clients have seen it.
        """
        ended = self.cti.stop()
        self.controller.ua.layer.stop()
        return ended

    def abandon(self) -> None:
        """
        Another member of the pair serves: end, and say nothing to anybody.  What
        the clock of this life was asked for is ended by whoever made it.
        """
        self._stopAsking()
        self.checker.stop()
        self.devices.abandon()
        self.mediaServices.stopAsking()
        self.cti.abandon()
        self.controller.abandon()

    def _stopAsking(self) -> None:
        asking, self._asking = self._asking, None
        if asking is not None and asking.active():
            asking.cancel()

    # IServiceObserver

    def memberInService(self, member: Member) -> None:
        """
        See L{IServiceObserver}.
        """
        self.proxies.setInService(member.name, True)
        self.cti.linkChanged(True)

    def memberOutOfService(self, member: Member, why: str) -> None:
        """
        See L{IServiceObserver}.
        """
        self.proxies.setInService(member.name, False)
        self.controller.proxyGone(member.name)
        other = self.proxies.choose(None, (member.name,))
        if (
            self.runtime.store is not None
            and other is not None
            and self.proxies.inService(other.name)
        ):
            # With a store they know each other's branches.
            self.controller.ua.layer.answerThrough(member.target.host, other.target)
        if not any(self.proxies.inService(proxy.name) for proxy in self.proxies):
            self.cti.linkChanged(False, "no SIP Proxy is in service")

    # For people

    def status(self) -> dict[str, object]:
        """
        See L{IMember}.
        """
        return {
            **self.controller.status(),
            "transactionLayer": self.controller.ua.layer.status(),
            "registrations": 0,
            "proxies": self.checker.states(),
            "degraded": self.devices.degraded,
            "serviceCheck": {"proxies": self.checker.status()},
            "mediaServers": self.mediaServices.status(),
            **self.cti.status(),
            **self.devices.status(),
        }

    def registrations(self) -> Iterable[dict[str, object]]:
        """
        See L{IMember}.
        """
        return ()

    def calls(self) -> Iterable[dict[str, object]]:
        """
        See L{IMember}.
        """
        for value in self.controller.values():
            yield plainCall(value)

    def explained(self) -> Iterable[dict[str, object]]:
        """
        See L{IDNStates}.
        """
        return self.cti.controller.explained()

    def agents(self) -> Iterable[dict[str, object]]:
        """
        See L{IDNStates}.
        """
        return self.cti.controller.agents()

    def explain(self, dn: str) -> dict[str, object] | None:
        """
        See L{IDNStates}.
        """
        return self.cti.controller.explain(dn)

    def clients(self) -> Iterable[dict[str, object]]:
        """
        The T-Library clients.
        """
        return self.cti.clients()


def plainCall(value: CallValue) -> dict[str, object]:
    """
    A call for people: plain values only.
    """
    return {
        "connID": value.connID,
        "callUUID": value.callUUID,
        "callType": value.callType.value,
        "ani": value.ani,
        "dnis": value.dnis,
        "created": value.created,
        "parties": [
            {"dn": party.dn, "role": party.role.value, "state": party.state}
            for party in value.parties
        ],
        "legs": [
            {
                "dn": value.parties[leg.party].dn,
                "callID": leg.callID.decode("utf-8", "replace"),
                "state": leg.state,
                "held": leg.held,
                "incoming": leg.incoming,
                "proxy": leg.proxy,
                "remoteTarget": (
                    leg.dialog.remoteTarget.decode("utf-8", "replace")
                    if leg.dialog is not None
                    else ""
                ),
            }
            for leg in value.legs
        ],
    }
