"""
What a member of the cluster is given when it is built, and what it offers.

A node or a SIP Proxy takes everything that it needs from one of these values, so
that it can be built in a process of its own, on a memory network in a test, or
in the service tree of another Twisted application::

    runtime = ProxyRuntime(name="proxy1", configuration=..., clock=reactor, ...)
    Listening(makeProxy(runtime)).setServiceParent(parent)

L{Listening <sipcluster.app.listening.Listening>} adds the SIP ports; a test, whose
ports are in memory, goes without::

    member = makeProxy(runtime)
    member.startService()
    member.load().addCallback(...)      # fires when it may be reached
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from attrs import Factory, frozen
from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import Attribute

from sipcluster.app.settings import Configuration, Node, Proxy
from sipcluster.ha.ikeeping import UNKEPT, IKeeper
from sipcluster.sip.identifiers import Identifiers

if TYPE_CHECKING:
    from sipcluster.app.cti import TLibLog
    from sipcluster.cluster.icluster import IClusterStore
    from sipcluster.sip.imedia import IMediaPorts
    from sipcluster.sip.isip import ILocator, ITransportLayer
    from sipcluster.tserver.itserver import IConnectionTaker


@frozen(kw_only=True)
class Runtime:
    """
    What every member of the cluster is given.  Time and chance are those of this
    host where they are left out.

    @ivar name: the application's name in the configuration.
    @ivar clock: monotonic; for everything that waits.
    @ivar wallTime: seconds since 1970, for what people, peers or the store read.
    @ivar entropy: that many random bytes.
    @ivar transport: the SIP transport layer; its C{receiver} is set by the
        member, its ports are opened by whoever made it, once L{IMember.load}
        has fired.
    @ivar store: L{None} in a cluster without one: a member on its own.
    """

    name: str
    configuration: Configuration
    clock: IReactorTime
    transport: ITransportLayer
    store: IClusterStore | None = None
    wallTime: Callable[[], float] = time.time
    entropy: Callable[[int], bytes] = os.urandom
    identifiers: Identifiers = Factory(
        lambda self: Identifiers(self.entropy), takes_self=True
    )


@frozen(kw_only=True)
class ProxyRuntime(Runtime):
    """
    What a SIP Proxy is given besides.

    @ivar locator: finds the servers of other domains.
    """

    locator: ILocator

    @property
    def settings(self) -> Proxy:
        """
        This SIP Proxy's own table.
        """
        settings = self.configuration.application(self.name)
        assert isinstance(settings, Proxy)
        return settings


@frozen(kw_only=True)
class NodeRuntime(Runtime):
    """
    What a node is given.

    @ivar tlibLog: takes the T-Library messages for the log; L{None}: nobody wants
        to read them.
    @ivar media: ports for RTP; L{None}: digits are not sent as telephone events.
    @ivar keeper: keeps calls, states and sessions at the other member of a pair.
    @ivar epoch: of this hold of the role of primary; 0 for a node on its own.
    """

    tlibLog: TLibLog | None = None
    media: IMediaPorts | None = None
    keeper: IKeeper = UNKEPT
    epoch: int = 0

    @property
    def settings(self) -> Node:
        """
        This node's own table.
        """
        settings = self.configuration.application(self.name)
        assert isinstance(settings, Node)
        return settings


class IMember(IService):
    """
    A member of the cluster.  It is started once: whoever wants it again makes a
    new one.

    C{stopService} ends what is under way and returns a Deferred that fires when
    nothing is left, or after a bounded wait.
    """

    def load() -> Deferred[None]:
        """
        Called once, after C{startService} and before the SIP ports are opened.

        @return: fires when the member can answer its first message (a SIP
            Proxy: when its replica of the registrations is complete); fails
            when it cannot, with a text for the operator.
        """

    def status() -> dict[str, object]:
        """
        How the member is: plain values, counts, lists and dicts of them.

        Well known: C{transactions}, C{dialogs}, C{calls}, C{timers},
        C{registrations} (counts), C{nodes} or C{proxies} (name to C{"in
        service"} or C{"out of service"}), C{degraded} (empty, or why),
        C{counters} (name to count).
        """

    def registrations() -> Iterable[dict[str, object]]:
        """
        The bindings this member knows; empty for a node.
        """

    def calls() -> Iterable[dict[str, object]]:
        """
        The calls of this member, each with C{connID}, C{callUUID} and its legs;
        empty for a SIP Proxy.
        """


class ISIPMember(IMember):
    """
    A node or a SIP Proxy: what C{makeNode} and C{makeProxy} return.
    """

    runtime: ProxyRuntime | NodeRuntime = Attribute("What it was given.")
    ports: Mapping[str, tuple[IConnectionTaker, int]] = Attribute(
        "Its T-Library ports by name: who takes connections, and the TCP port."
    )
