"""
A SIP Proxy put together: the part that an application embeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.app.plain import plainBinding
from sipcluster.app.runtime import ISIPMember, ProxyRuntime
from sipcluster.app.settings import Configuration
from sipcluster.cluster.icluster import Get, IClusterStore, Put, TxnResult, createdAt
from sipcluster.registrar.iregistrar import IRegistrationStore
from sipcluster.registrar.memory import MemoryRegistrationStore
from sipcluster.registrar.replicated import replicatedRegistrations
from sipcluster.servicecheck.iservicecheck import Member, ProbeTimes
from sipcluster.servicecheck.options import OptionsAsker
from sipcluster.servicecheck.registry import ServiceRegistry
from sipcluster.sip.isip import IFlow, IMessageReceiver, IRequestReceiver, Target
from sipcluster.sip.message import Response
from sipcluster.sip.timers import TimerValues
from sipcluster.sip.transactions import ServerTransaction, TransactionLayer
from sipcluster.sipproxy.branches import Branches
from sipcluster.sipproxy.gate import MemberGate
from sipcluster.sipproxy.proxy import ProxyParts, SIPProxy
from sipcluster.sipproxy.tokens import FlowTokens
from sipcluster.sipproxy.topology import NodeAddress, Topology
from sipcluster.tserver.itserver import IConnectionTaker

if TYPE_CHECKING:
    from sipcluster.sip.message import Request

log = Logger()

#: Where the secret of the flow tokens is in the cluster store.
SECRET = b"/sipcluster/secrets/flow-tokens"

#: Seconds from the end of loading to the first question to a node: the ports
#: are opened in between.
_FIRST_QUESTION = 0.05

#: Seconds that requests under way have to end when the proxy is stopped.
_GRACE = 1.0
_GRACE_STEP = 0.05


def makeProxy(
    runtime: ProxyRuntime, registrations: IRegistrationStore | None = None
) -> ProxyMember:
    """
    Build a SIP Proxy.

    @param registrations: where bindings are; left out, they are in the cluster
        store of the runtime, or, when that has none, in this process alone.
    """
    return ProxyMember(runtime, registrations)


def topologyOf(configuration: Configuration, name: str) -> Topology:
    """
    What one proxy knows of the cluster.
    """
    own = configuration.application(name)
    settings = next(p for p in configuration.proxies if p is own)
    addresses = [(settings.sipAddress, settings.sipPort)]
    if settings.sipTLSPort:
        addresses.append((settings.sipAddress, settings.sipTLSPort))
    nodes = configuration.nodes
    local = [
        configuration.pairOf(node.name)
        for node in nodes
        if node.geoLocation == settings.geoLocation
    ]
    return Topology(
        name,
        configuration.switch.domain.encode("ascii"),
        addresses,
        [
            NodeAddress(configuration.pairOf(node.name), node.sipAddress, node.sipPort)
            for node in nodes
        ],
        {
            proxy.name: Target("UDP", proxy.sipAddress, proxy.sipPort)
            for proxy in configuration.proxies
            if proxy.name != name
        },
        list(dict.fromkeys(local)),
    )


def nodeMembers(configuration: Configuration) -> list[Member]:
    """
    The nodes as a service checker asks them.
    """
    return [
        Member(
            node.name,
            Target("UDP", node.sipAddress, node.sipPort),
            configuration.pairOf(node.name),
            b"sip:" + configuration.pairHost(node.name).encode("ascii"),
        )
        for node in configuration.nodes
    ]


def proxyMembers(configuration: Configuration, besides: str = "") -> list[Member]:
    """
    The SIP Proxies as a service checker asks them.

    @param besides: the one that asks.
    """
    return [
        Member(
            proxy.name,
            Target("UDP", proxy.sipAddress, proxy.sipPort),
            proxy.name,
            b"sip:" + configuration.pairHost(proxy.name).encode("ascii"),
        )
        for proxy in configuration.proxies
        if proxy.name != besides
    ]


@implementer(IRequestReceiver)
class _Receiver:
    """
    Stands between the transaction layer and the proxy, each of which is made of
    the other.
    """

    proxy: SIPProxy

    def requestReceived(self, transaction: ServerTransaction) -> None:
        self.proxy.requestReceived(transaction)

    def ackReceived(self, ack: Request, flow: IFlow) -> None:
        self.proxy.ackReceived(ack, flow)

    def strayCancel(self, cancel: Request, flow: IFlow) -> bool:
        return self.proxy.strayCancel(cancel, flow)

    def strayResponse(self, response: Response, flow: IFlow) -> None:
        self.proxy.strayResponse(response, flow)


@implementer(ISIPMember)
class ProxyMember(Service):
    """
    One SIP Proxy of the cluster.

    @ivar nodes: who of the nodes is in service.
    @ivar proxies: who of the other proxies is in service.
    @ivar gate: takes what arrives.
    @ivar store: the location service.
    """

    def __init__(
        self, runtime: ProxyRuntime, registrations: IRegistrationStore | None
    ) -> None:
        settings, configuration = runtime.settings, runtime.configuration
        self.setName(runtime.name)
        self.runtime = runtime
        self.ports: Mapping[str, tuple[IConnectionTaker, int]] = {}
        self.topology = topologyOf(configuration, runtime.name)
        self.store = registrations or _store(runtime)
        self._tokens = FlowTokens(runtime.entropy(32))
        self._branches = Branches(self._tokens.secret, self.topology.pairHosts)
        receiver = _Receiver()
        self.layer = TransactionLayer(
            runtime.clock,
            runtime.transport,
            receiver,
            runtime.identifiers,
            TimerValues(timerC=settings.timerC),
        )
        host = configuration.pairHost(runtime.name).encode("ascii")
        asker = OptionsAsker(
            runtime.clock, self.layer, runtime.identifiers, b"sip:" + host
        )
        times = ProbeTimes.of(settings.oosCheck, settings.oosForce)
        chance = _chance(runtime.entropy)
        self.nodes = ServiceRegistry(
            runtime.clock,
            asker,
            nodeMembers(configuration),
            times,
            chance,
            runtime.wallTime,
        )
        self.proxies = ServiceRegistry(
            runtime.clock,
            asker,
            proxyMembers(configuration, runtime.name),
            times,
            chance,
            runtime.wallTime,
        )
        self.proxy = receiver.proxy = SIPProxy(
            ProxyParts(
                clock=runtime.clock,
                wallTime=runtime.wallTime,
                topology=self.topology,
                transport=runtime.transport,
                locator=runtime.locator,
                layer=self.layer,
                identifiers=runtime.identifiers,
                tokens=self._tokens,
                branches=self._branches,
                store=self.store,
                nodes=self.nodes,
                proxies=self.proxies,
                timerC=settings.timerC,
                maxForks=settings.maxForks,
                dialogRate=settings.overloadCtrlDialogRate,
            )
        )
        self.gate: IMessageReceiver = self.layer
        if any(map(self.nodes.hasStandby, self.topology.pairHosts.values())):
            self.gate = MemberGate(
                self.layer,
                self.nodes,
                nodeMembers(configuration),
                self.topology.pairHosts,
                self.proxy.counters,
            )
        self._asking: IDelayedCall | None = None

    def startService(self) -> None:
        """
        Take what the transport layer receives from now on.
        """
        super().startService()
        transport = self.runtime.transport
        transport.receiver = self.gate
        transport.pairAddress = self._pairAddress

    def load(self) -> Deferred[None]:
        """
        See L{IMember}.
        """
        start = getattr(self.store, "start", None)
        loaded: Deferred[None] = succeed(None) if start is None else start()
        store = self.runtime.store
        if store is not None:
            loaded.addCallback(self._shareSecret, store)
        return loaded.addCallback(self._loaded)

    def _shareSecret(self, _: None, store: IClusterStore) -> Deferred[None]:
        """
        Sign flow tokens, and make branches, with the secret of the whole cluster, so
        that those in phones' route sets, and calls that ring, outlive this process;
        the first proxy makes it.
        """

        def agreed(result: TxnResult) -> None:
            if not result.succeeded and result.gets and result.gets[0] is not None:
                self._tokens.secret = result.gets[0].value
            self._branches.agree(self._tokens.secret)

        def alone(failure: Failure) -> None:
            log.warn(
                "flow tokens and ringing calls end with this process: {why}",
                why=failure.value,
            )

        return store.txn(
            [createdAt(SECRET, 0)], [Put(SECRET, self._tokens.secret)], [Get(SECRET)]
        ).addCallbacks(agreed, alone)

    def _loaded(self, _: None) -> None:
        self.proxy.logSteps()
        self._asking = self.runtime.clock.callLater(_FIRST_QUESTION, self._ask)

    def _ask(self) -> None:
        self._asking = None
        self.nodes.start()
        self.proxies.start()

    def stopService(self) -> Deferred[None]:
        """
        Ask nobody any more, and wait a moment for what is under way.
        """
        super().stopService()
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
        self.nodes.stop()
        self.proxies.stop()
        stopped: Deferred[None] = Deferred()
        self._wind(stopped, _GRACE)
        stop = getattr(self.store, "stop", None)
        stopped.addCallback(lambda _: self.layer.stop())
        return stopped.addCallback(lambda _: None if stop is None else stop())

    def _wind(self, stopped: Deferred[None], left: float) -> None:
        if self.layer.status()["waiting"] == 0 or left <= 0:
            stopped.callback(None)
        else:
            self.runtime.clock.callLater(
                _GRACE_STEP, self._wind, stopped, left - _GRACE_STEP
            )

    def _pairAddress(self, host: bytes) -> tuple[str, int] | None:
        """
        Where responses go whose Via names a pair.
        """
        pair = self.topology.pairHosts.get(host) or self.topology.pairHosts.get(
            host.lower()
        )
        if pair is None:
            return None
        member = self.nodes.primary(pair)
        return None if member is None else (member.target.host, member.target.port)

    # For people

    def status(self) -> dict[str, object]:
        """
        See L{IMember}.
        """
        layer = self.layer.status()
        kinds = ("inviteClient", "inviteServer", "noninviteClient", "noninviteServer")
        proxy = self.proxy.status()
        counters = cast("dict[str, int]", proxy["counters"])
        return {
            "transactions": sum(layer[kind] for kind in kinds),
            "transactionLayer": layer,
            "dialogs": 0,
            "calls": 0,
            "timers": layer["timers"],
            "registrations": self.store.count,
            "nodes": self.nodes.states(),
            "proxies": self.proxies.states(),
            "degraded": self._degraded(),
            "counters": counters,
            "serviceCheck": {
                "nodes": self.nodes.status(),
                "proxies": self.proxies.status(),
            },
            "steps": proxy["steps"],
            "waitingForMembers": proxy["waitingForMembers"],
        }

    def _degraded(self) -> str:
        """
        What this SIP Proxy goes on without; empty when all is well.
        """
        why = []
        if self.store.degraded:
            why.append("cluster store away")
        if not any(map(self.nodes.primary, self.topology.localPairs)):
            why.append("no node in service")
        return ", ".join(why)

    def registrations(self) -> Iterable[dict[str, object]]:
        """
        See L{IMember}.
        """
        now = self.runtime.wallTime()
        for binding in self.store.allBindings():
            yield plainBinding(binding, now)

    def calls(self) -> Iterable[dict[str, object]]:
        """
        See L{IMember}.
        """
        return ()


def _store(runtime: ProxyRuntime) -> IRegistrationStore:
    """
    The location service that the configuration asks for.
    """
    if runtime.store is None:
        return MemoryRegistrationStore(runtime.wallTime, runtime.clock)
    return replicatedRegistrations(
        runtime.store, runtime.clock, runtime.wallTime, runtime.name
    )


def _chance(entropy: Callable[[int], bytes]) -> Callable[[], float]:
    """
    A number in [0, 1) of random bytes.
    """
    return lambda: int.from_bytes(entropy(4), "big") / 2**32
