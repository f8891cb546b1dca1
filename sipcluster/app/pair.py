"""
One member of a pair: a process that stands for a node together with another one.

It has its ports, its place in the pair and a copy of all that the primary keeps.  A
node it is only while it is primary: that is a I{life}, which begins with what the
copy says and ends without a word to anybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import evolve
from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster import __version__
from sipcluster.app.cti import admitted
from sipcluster.app.node import NodeMember, makeNode
from sipcluster.app.pair_status import PairStatus
from sipcluster.app.proxy import proxyMembers
from sipcluster.app.runtime import ISIPMember, NodeRuntime
from sipcluster.app.standby import Seeing, Standby
from sipcluster.ha.companion import Companion
from sipcluster.ha.fitness import Fitness
from sipcluster.ha.iha import IArbiter, IRoleObserver
from sipcluster.ha.ireplica import ILinkTaker
from sipcluster.ha.journal import Journal, Limits
from sipcluster.ha.keeper import Keeper, Restored
from sipcluster.ha.lease import Fence, LeaseTimes
from sipcluster.ha.life import LifeClock
from sipcluster.ha.link import Identity, Links
from sipcluster.ha.member import PairMember
from sipcluster.monitors.monitors import Monitors
from sipcluster.servicecheck.announce import Announcer
from sipcluster.servicecheck.iservicecheck import PeerRole
from sipcluster.sessioncontroller.isessioncontroller import IEventSink
from sipcluster.sip.isip import IMessageReceiver
from sipcluster.tcontroller.itcontroller import IDNStates
from sipcluster.tserver.itserver import IConnectionTaker
from sipcluster.tserver.standby import BackupPort, SwitchablePort

log = Logger()

#: Seconds that a member which ends waits for the other one to serve.
PARTING = 1.5

#: Seconds after which a member that could not begin to serve may try again.
AGAIN = 30.0


@implementer(ISIPMember, IRoleObserver, IDNStates)
class PairProcess(PairStatus, Service):
    """
    One member.

    @ivar runtime: what it was given.
    @ivar pair: the name under which both serve.
    @ivar other: the name of the other member.
    @ivar member: its role.
    @ivar monitors: what look at what it needs; L{None}: nobody does.
    @ivar companion: the other member, as this one knows it.
    @ivar fitness: what speaks against this member.
    @ivar journal: what there is of all that is kept.
    @ivar links: takes connections to the other member.
    @ivar ports: the T-Library ports by name, each with its TCP port; they are the
        process's, and lead to whoever serves in it.
    @ivar life: the node, while this process is primary.
    @ivar keeper: keeps what the node has at the other member.
    @ivar restored: what the present life, or the last one, began with.
    @ivar counts: what happened how often.
    """

    def __init__(
        self,
        runtime: NodeRuntime,
        arbiter: IArbiter,
        link: Callable[[ILinkTaker], IService],
        times: LeaseTimes | None = None,
        sinks: Sequence[IEventSink] = (),
        limits: Limits | None = None,
        preferred: bool = True,
        guardian: IService | None = None,
        make: Callable[[NodeRuntime, Sequence[IEventSink]], NodeMember] = makeNode,
    ) -> None:
        """
        @param link: makes what connects the two members, of what takes the
            connections; it is started and stopped with this service.
        @param sinks: take the call-control events of every life, besides the log.
        @param preferred: this member asks for the role first when both start.
        @param guardian: gives the role back if this process dies; runs as long as
            the role may be here.
        @param make: makes the node of each life.
        """
        configuration = runtime.configuration
        self.setName(runtime.name)
        self.runtime = runtime
        self.pair = pair = configuration.pairOf(runtime.name)
        self.other = configuration.partnerOf(runtime.name)
        self.counts: Counter[str] = Counter()
        self.companion = companion = Companion(self.other)
        self.journal = Journal(
            runtime.clock,
            companion,
            limits,
            companion.fenced,
            companion.serving,
        )
        self.member = PairMember(
            runtime.name,
            pair,
            arbiter,
            self,
            runtime.clock,
            times or LeaseTimes(),
            partner=companion,
            preferred=preferred,
        )
        self.fitness = Fitness(self.member)
        companion.join(self.member, self.journal, self.fitness)
        self.links = Links(
            self.journal,
            Identity(
                configuration.switch.name,
                pair,
                runtime.name,
                self.other,
                f"sipcluster {__version__}",
            ),
            companion,
        )
        self._link = link(self.links)
        self._sinks = tuple(sinks)
        self._guardian = guardian
        self._make = make
        self._standby = Standby(
            runtime.transport, runtime.identifiers, lambda: self.member.fields
        )
        self.ports: Mapping[str, tuple[SwitchablePort, int]] = {
            name: (SwitchablePort(self._backupPort(name)), port)
            for name, port in runtime.settings.tlibPorts.items()
        }
        self.life: NodeMember | None = None
        self.keeper: Keeper | None = None
        self.restored: Restored | None = None
        self.monitors: Monitors | None = None
        self._observers: list[Callable[[bool], object]] = []
        self._seen: Callable[[], None] | None = None
        self._clock: LifeClock | None = None
        self._announcer: Announcer | None = None
        self._revived: IDelayedCall | None = None
        self._joining: IDelayedCall | None = None
        self._handing: IDelayedCall | None = None
        #: Fires when the calls of a member that stops are over.
        self._parting: Deferred[None] | None = None
        self._switching: list[Deferred[str]] = []

    def watch(self, monitors: Monitors) -> None:
        """
        Have somebody look at what this member needs: before it is started.
        """
        self.monitors = monitors
        self.observe(monitors.roleChanged)
        if monitors.watchesSIP:
            self._seen = monitors.sipSeen

    def observe(self, changed: Callable[[bool], object]) -> None:
        """
        Tell somebody whenever this process has become primary, or has ceased to be:
        when its life has begun, and when it has ended.

        @param changed: called with whether it is primary now.  An exception that it
            raises is logged.
        """
        self._observers.append(changed)

    def _receive(self, receiver: IMessageReceiver) -> None:
        seen = self._seen
        self.runtime.transport.receiver = (
            receiver if seen is None else Seeing(receiver, seen)
        )

    def _backupPort(self, name: str) -> BackupPort:
        runtime = self.runtime
        return BackupPort(
            name,
            runtime.clock,
            runtime.wallTime,
            runtime.entropy,
            admitted(runtime.configuration.tlibApplications, name),
            location=runtime.settings.geoLocation,
            version=f"sipcluster {__version__}",
        )

    def _give(self, name: str, taker: IConnectionTaker) -> None:
        """
        Let somebody else take the connections to a T-Library port.
        """
        port, _ = self.ports[name]
        port.taker = taker

    # IService and IMember

    def startService(self) -> None:
        """
        Answer as backup, look for the other member, and ask for the role.
        """
        super().startService()
        self._receive(self._standby)
        self.runtime.transport.hold = self._hold
        self._link.startService()
        if self._guardian is not None:
            self._guardian.startService()

    def load(self) -> Deferred[None]:
        """
        See L{IMember}.
        """
        # Once its ports are open: who becomes primary must be reachable.
        self._joining = self.runtime.clock.callLater(0, self._join)
        return succeed(None)

    def _join(self) -> None:
        self._joining = None
        self.member.start()

    def stopService(self) -> Deferred[None]:
        """
        Leave the role to the other member, if it is there and has everything;
        else end all calls in order.  A member that has been stopped is not started
        again.

        @return: fires in a bounded time, when the role has been given back and the
            link is gone.
        """
        super().stopService()
        joining, self._joining = self._joining, None
        if joining is not None:
            joining.cancel()
        left: Deferred[Any] = succeed(None)
        if self.life is not None and self.journal.inSync:
            left = self.switchover()  # or the end of the one that is under way
            left.addTimeout(PARTING, self.runtime.clock)
            left.addErrback(lambda _: None)
        left.addCallback(lambda _: self._endCalls())
        return left.addCallback(lambda _: self._leave())

    def _endCalls(self) -> Deferred[None]:
        """
        End all calls of this member, if it is primary.

        @return: fires when they have ended, or when it is primary no more: the clock
            that they are waited for by ends then.  Never fails.
        """
        life = self.life
        if life is None:
            return succeed(None)
        self._parting = parting = Deferred[None]()

        def ended(_: object) -> None:
            if self._parting is parting:
                self._parting = None
                parting.callback(None)

        over: Deferred[Any] = maybeDeferred(life.stopService)
        over.addErrback(lambda f: log.failure("ending calls", failure=f))
        over.addCallback(ended)
        return parting

    def _leave(self) -> Deferred[None]:
        if self._revived is not None and self._revived.active():
            self._revived.cancel()
        ended = self.member.stop()
        self._end("it stops")
        self.journal.stop()
        done: Deferred[Any] = maybeDeferred(self._link.stopService)
        done.addErrback(lambda f: log.failure("ending the HA link", failure=f))
        for name in self.ports:
            self._give(name, self._backupPort(name))
        done.addCallback(lambda _: ended)
        guardian = self._guardian
        if guardian is not None:
            # Only now: until then this process may have the role.
            done.addCallback(lambda _: guardian.stopService())
        return done

    # What leaves this process

    def _hold(self, send: Callable[..., object], *args: object) -> None:
        """
        Everything that leaves the SIP ports comes by here.
        """
        keeper = self.keeper
        if keeper is not None:
            keeper.put(send, *args)
        elif self._standby.speaking:
            send(*args)
        else:
            # Of a life that is over.
            self.counts["tooLate"] += 1

    # IRoleObserver

    def becamePrimary(self, fence: Fence) -> None:
        """
        See L{IRoleObserver}.
        """
        if not self.journal.becamePrimary(fence.epoch):
            self.member.peerClaims(self.journal.epoch, self.other)
            return
        try:
            self._begin(fence.epoch)
        except Exception:
            log.failure("{member} cannot serve", member=self.runtime.name)
            self.counts["stillborn"] += 1
            self.fitness.unfit("life", "it could not begin to serve: see the log")
            # Whatever was in the way may be gone, and the other one no better.
            self._revived = self.runtime.clock.callLater(
                AGAIN, self.fitness.fit, "life"
            )

    def _begin(self, epoch: int) -> None:
        runtime = self.runtime
        self._clock = clock = LifeClock(runtime.clock)
        self.keeper = keeper = Keeper(clock, self.journal)
        self.life = life = self._make(
            evolve(runtime, clock=clock, keeper=keeper, epoch=epoch), self._sinks
        )
        life.startService()
        self._receive(life.controller.ua.layer)
        # Before anything that calls send when they are gone on with: SIP Proxies do not
        # take it from a backup.
        self._announce(life, clock, epoch)
        self.restored = restored = keeper.begin()
        life.load()
        for name in self.ports:
            self._give(name, life.cti.ports[name][0])
        self.counts["lives"] += 1
        self._tellObservers(True)
        log.warn(
            "{number}: {member} is primary of {pair}, epoch {epoch}",
            number=PRIMARY,
            member=runtime.name,
            pair=self.pair,
            epoch=epoch,
            restored=dict(restored.entries),
            lost=restored.failed,
        )

    def _announce(self, life: NodeMember, clock: LifeClock, epoch: int) -> None:
        """
        Tell the SIP Proxies, so that what waits there comes at once.
        """
        runtime = self.runtime
        configuration = runtime.configuration
        self._announcer = Announcer(
            clock,
            life.controller.ua.layer,
            runtime.identifiers,
            b"sip:" + configuration.pairHost(self.pair).encode("ascii"),
            proxyMembers(configuration),
            self.companion.fenced,
        )
        self._announcer.announce(PeerRole(True, epoch, self.pair))

    def handingOver(self, epoch: int) -> None:
        """
        See L{IRoleObserver}.
        """
        self._handOver()

    def _handOver(self) -> None:
        """
        Go as soon as the other member has everything.
        """
        self._handing = None
        if self.keeper is None:
            return
        self.keeper.flush()
        if self.journal.inSync and not self.journal.waiting:
            self.member.handedOver()
        else:
            self._handing = self.runtime.clock.callLater(_LOOK, self._handOver)

    def handoverFailed(self, why: str) -> None:
        """
        See L{IRoleObserver}.
        """
        self._stopHanding()
        self._tell(f"no switchover: {why}")

    def becameBackup(self, why: str) -> None:
        """
        See L{IRoleObserver}.
        """
        self._end(why)

    def _end(self, why: str) -> None:
        self._stopHanding()
        self.journal.becameBackup()
        keeper, self.keeper = self.keeper, None
        life, self.life = self.life, None
        clock, self._clock = self._clock, None
        if clock is None:
            return
        self._receive(self._standby)
        if keeper is not None:
            keeper.end()
        if self._announcer is not None:
            self._announcer.stop()
            self._announcer = None
        for name in self.ports:
            self._give(name, self._backupPort(name))
        if life is not None:  # else it could not be made
            with log.failuresHandled("ending a life"):
                life.abandon()
        clock.end()
        parting, self._parting = self._parting, None
        if parting is not None:
            self.runtime.clock.callLater(0, parting.callback, None)
        log.warn(
            "{number}: {member} is backup of {pair}: {why}",
            number=BACKUP,
            member=self.runtime.name,
            pair=self.pair,
            why=why,
        )
        self._tellObservers(False)
        self._tell("")

    def _tellObservers(self, primary: bool) -> None:
        for changed in list(self._observers):
            with log.failuresHandled("telling of the role"):
                changed(primary)

    def _stopHanding(self) -> None:
        handing, self._handing = self._handing, None
        if handing is not None and handing.active():
            handing.cancel()

    # Switchover

    def switchover(self) -> Deferred[str]:
        """
        Give the role to the other member.

        @return: fires with why it did not take place; C{""}: this member is backup
            now.
        """
        why = ""
        if self.life is None:
            why = f"{self.runtime.name} is not primary"
        elif not self.journal.inSync:
            why = f"{self.other} has not everything yet"
        elif not self.member.switchover():
            why = self.member.away or "the role cannot be given away now"
        if why:
            return succeed(why)
        done: Deferred[str] = Deferred()
        if self.life is None:
            return succeed("")
        self._switching.append(done)
        return done

    def _tell(self, why: str) -> None:
        waiting, self._switching = self._switching, []
        for each in waiting:
            each.callback(why)


#: Seconds between two looks whether the other member has everything.
_LOOK = 0.02

#: Numbers in the log.
PRIMARY, BACKUP = "00-53140", "00-53141"
