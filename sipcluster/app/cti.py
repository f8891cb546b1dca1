"""
The T-Library side of a node: its ports, its T-Controller, and what joins them with the
Session Controller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import frozen
from twisted.internet.defer import Deferred, gatherResults
from zope.interface import implementer

from sipcluster import __version__
from sipcluster.app.runtime import NodeRuntime
from sipcluster.app.settings import ClusterNodes, TLibApplication
from sipcluster.sessioncontroller.dialplan import Directory
from sipcluster.sessioncontroller.isessioncontroller import (
    ExtensionDN,
    ICallControl,
    RoutingPointDN,
)
from sipcluster.sessioncontroller.isupervision import ISupervision
from sipcluster.tcontroller.controller import TController
from sipcluster.tcontroller.itcontroller import AgentSettings
from sipcluster.tlib.enums import AddressType
from sipcluster.tlib.messages import Message
from sipcluster.tlib.text import render
from sipcluster.tserver.call_events import Abandoned, CallEvents
from sipcluster.tserver.call_handlers import callHandlers
from sipcluster.tserver.call_monitoring import CallMonitoring
from sipcluster.tserver.call_queries import CallQueries
from sipcluster.tserver.call_requests import CallRequests
from sipcluster.tserver.call_snapshot import CallSnapshot
from sipcluster.tserver.itserver import (
    IAddresses,
    IConnectionTaker,
    ITrace,
    Receiver,
)
from sipcluster.tserver.limits import Application, Limits
from sipcluster.tserver.server import TServer

#: What takes the T-Library messages of a process:
#: L{LogStreams.tlibMessage<sipcluster.app.log_streams.LogStreams.tlibMessage>}.
TLibLog = Callable[[str, bool, str, str, str, str, str, int], None]

#: Receivers of one event that a trace names; more are counted.
_NAMED = 8


@frozen
@implementer(IAddresses)
class Addresses:
    """
    The DNs of the switch for T-Library clients.  A trunk is none that could be
    watched or controlled.
    """

    _directory: Directory

    def addressType(self, dn: str) -> AddressType | None:
        """
        See L{IAddresses}.
        """
        found = self._directory.dn(dn)
        if isinstance(found, ExtensionDN):
            return AddressType.DN
        if isinstance(found, RoutingPointDN):
            return AddressType.ROUTE_DN
        return None


@frozen
@implementer(ITrace)
class Trace:
    """
    Gives the T-Library messages to the log, in the field's look, without the values
    of user data.
    """

    _log: TLibLog

    def messageReceived(self, port: str, sender: Receiver, message: Message) -> None:
        """
        See L{ITrace}.
        """
        self._write(port, True, sender.client, sender, message)

    def messageSent(
        self, port: str, receivers: Sequence[Receiver], message: Message
    ) -> None:
        """
        See L{ITrace}.
        """
        names = ", ".join(receiver.client for receiver in receivers[:_NAMED])
        if len(receivers) > _NAMED:
            names = f"{names} and {len(receivers) - _NAMED} more"
        # Positions differ; those of one client are worth something.
        one = receivers[0] if len(receivers) == 1 else _MANY
        self._write(port, False, names, one, message)

    def _write(
        self, port: str, incoming: bool, names: str, one: Receiver, message: Message
    ) -> None:
        text = render(message, one.position, one.reference, userData=False)
        self._log(
            port,
            incoming,
            names,
            text.rstrip("\n"),
            getattr(message, "connID", None) or "",
            getattr(message, "callUUID", None) or "",
            getattr(message, "thisDN", None) or "",
            one.reference,
        )


_MANY = Receiver("")


def admitted(
    applications: Iterable[TLibApplication], port: str
) -> Mapping[str, Application]:
    """
    Those who may connect to one port.
    """
    return {
        one.name: Application(one.name, one.password, one.role == "control")
        for one in applications
        if port in one.ports
    }


def agentSettings(services: ClusterNodes, location: str) -> AgentSettings:
    """
    How agents are kept.
    """
    return AgentSettings(
        wrapUpTime=services.wrapUpTime,
        logoutGrace=services.agentLogoutGrace,
        logoutOutOfService=services.logoutOnOutOfService,
        location=location,
    )


class CTI:
    """
    The T-Library ports of a node and what is behind them.

    @ivar default: the port of the Session Controller: calls of this node.
    @ivar tcport: the port of the T-Controller: calls, DNs and agents.
    @ivar controller: the T-Controller; it is the sink of the call-control events.
    @ivar monitoring: tells recorders of calls as such; also a sink of those events.
    @ivar ports: both, by their names, with their TCP ports.
    """

    def __init__(
        self,
        runtime: NodeRuntime,
        directory: Directory,
        tlibLog: TLibLog | None = None,
    ) -> None:
        """
        @param tlibLog: L{None}: nobody wants to read the messages.
        """
        configuration, settings = runtime.configuration, runtime.settings
        services = configuration.clusterNodes
        limits = Limits(
            sessions=settings.maxTLibClients,
            retention=settings.tlibRetention,
            journalMessages=settings.tlibJournal,
        )
        trace = None if tlibLog is None else Trace(tlibLog)
        self._addresses = Addresses(directory)

        def port(name: str) -> TServer:
            return TServer(
                name,
                runtime.clock,
                runtime.wallTime,
                runtime.entropy,
                admitted(configuration.tlibApplications, name),
                self._addresses,
                limits=limits,
                location=settings.geoLocation,
                trace=trace,
                version=f"sipcluster {__version__}",
                keeper=runtime.keeper,
                roleEpoch=runtime.epoch,
            )

        self._wallTime = runtime.wallTime
        self.default = port("default")
        self.tcport = port("TCport")
        self.ports: Mapping[str, tuple[IConnectionTaker, int]] = {
            name: ({"default": self.default, "TCport": self.tcport}[name], number)
            for name, number in settings.tlibPorts.items()
        }
        self.controller = TController(
            runtime.clock,
            runtime.wallTime,
            self.tcport,
            directory.dns,
            agentSettings(services, settings.geoLocation),
            CallEvents(
                (self.tcport, self.default),
                Abandoned(services.eventAbandoned),
                self.default,
            ),
            services.dnOwnerApplications,
            runtime.keeper,
        )

        self.monitoring = CallMonitoring(
            runtime.clock, configuration.pairOf(runtime.name)
        )
        for server in (self.default, self.tcport):
            self.monitoring.at(server, runtime.keeper)

    def control(self, calls: ICallControl) -> None:
        """
        Let clients ask for calls.
        """
        self.monitoring.controlled(calls)
        ofCalls = CallSnapshot(calls)
        for server in (self.default, self.tcport):
            ofPort = server is self.tcport
            snapshots = (self.controller, ofCalls) if ofPort else (ofCalls,)
            server.add(ofCalls)
            requests = CallRequests(server, calls)
            server.add(requests)
            for handler in callHandlers(server, calls, not ofPort):
                server.add(handler)
            server.claims = calls.awaits
            calls.refusalsTo(requests.refused)
            server.add(
                CallQueries(
                    calls,
                    server,
                    self._addresses,
                    self._wallTime,
                    snapshots,
                    self.controller.addressInfo if ofPort else None,
                )
            )
        self.tcport.add(self.controller)
        self.controller.supervisors.supervision = ISupervision(calls, None)
        self.controller.hasCall = lambda connID: bool(calls.partiesIn(connID))

    def linkChanged(self, connected: bool, why: str = "") -> None:
        """
        Telephones can be reached from now on, or no longer.
        """
        for server in (self.default, self.tcport):
            server.linkChanged(connected, why)

    def stop(self) -> Deferred[None]:
        """
        End all clients.

        @return: fires when their connections are gone, or after a bounded wait.
        """
        ends = [server.stop() for server in (self.default, self.tcport)]
        self.controller.stop()
        self.monitoring.stop()
        return gatherResults(ends).addCallback(lambda _: None)

    def abandon(self) -> None:
        """
        Another member of the pair serves: end all connections without a word.
        """
        for server in (self.default, self.tcport):
            server.abandon()
        self.controller.stop()
        self.monitoring.stop()

    def status(self) -> dict[str, object]:
        """
        Counts, for people.
        """
        return {
            "tlib": {
                server.name: server.status() for server in (self.default, self.tcport)
            },
            "callMonitors": self.monitoring.monitors,
            **self.controller.status(),
        }

    def clients(self) -> Iterable[dict[str, object]]:
        """
        The T-Library clients, each with its port.
        """
        for server in (self.default, self.tcport):
            for client in server.clients():
                yield {"port": server.name, **client}
