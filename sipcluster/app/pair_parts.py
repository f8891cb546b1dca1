"""
What a member of a pair is given besides: its arbiter, and its link to the other one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, field
from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    TCP6ClientEndpoint,
    TCP6ServerEndpoint,
)
from twisted.internet.interfaces import IDelayedCall, IListeningPort, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from sipcluster.app.pair import PairProcess
from sipcluster.app.runtime import NodeRuntime
from sipcluster.app.settings import Configuration, Node, Pair
from sipcluster.ha.arbiters.lock_file import LockFileArbiter
from sipcluster.ha.arbiters.store import StoreArbiter
from sipcluster.ha.iha import IArbiter
from sipcluster.ha.ireplica import ILinkTaker
from sipcluster.ha.lease import LeaseTimes
from sipcluster.net.guardian import Guardian
from sipcluster.net.ha_link import dialHALink, listenHALink
from sipcluster.net.lock_files import LockFiles
from sipcluster.net.sip_tls import TLSContexts
from sipcluster.sessioncontroller.isessioncontroller import IEventSink

log = Logger()

_T = TypeVar("_T")


def makePair(
    reactor: Any,
    configuration: Configuration,
    runtime: NodeRuntime,
    sinks: Sequence[IEventSink] = (),
) -> PairProcess:
    """
    Build a member of a pair.

    @param sinks: take the call-control events of every life, besides the log.

    @raise BadTLS: a certificate, key or CA file is not what it should be.
    """
    pair = configuration.pair(runtime.name)
    assert pair is not None
    guardian = None
    if pair.arbiter == "lock-file":
        arbiter = _lockFile(reactor, configuration, pair, runtime)
    else:
        arbiter, guardian = _stored(reactor, configuration, pair, runtime)
    return PairProcess(
        runtime,
        arbiter,
        lambda taker: _link(reactor, configuration, pair, runtime, taker),
        LeaseTimes(ttl=pair.lease, margin=pair.lease / 10),
        sinks,
        preferred=runtime.name == pair.members[0],
        guardian=guardian,
    )


def _lockFile(
    reactor: Any, configuration: Configuration, pair: Pair, runtime: NodeRuntime
) -> IArbiter:
    path = lockPath(configuration, pair)
    path.parent.mkdir(parents=True, exist_ok=True)
    return LockFileArbiter(
        LockFiles(str(path)), reactor, runtime.name, pair.lease, InThread(reactor)
    )


def _stored(
    reactor: Any, configuration: Configuration, pair: Pair, runtime: NodeRuntime
) -> tuple[IArbiter, IService]:
    """
    The cluster store, and what tells it of the death of this process.
    """
    assert runtime.store is not None and configuration.store is not None
    arbiter = StoreArbiter(
        runtime.store,
        reactor,
        pair.name,
        runtime.name,
        runtime.entropy(8).hex(),
        pair.lease,
    )
    urls = configuration.store.urls
    return arbiter, Guardian(reactor, urls, arbiter.key, arbiter.value)


@define(eq=False)
class InThread:
    """
    Runs operations on files in a thread, one at a time: a disk may be slow.
    """

    reactor: Any
    _pool: ThreadPool | None = field(default=None, init=False)

    def __call__(self, work: Callable[[], _T], /) -> Deferred[_T]:
        """
        Run it.
        """
        if self._pool is None:
            self._pool = pool = ThreadPool(1, 1, "lock file")
            self.reactor.callWhenRunning(pool.start)
            self.reactor.addSystemEventTrigger("during", "shutdown", pool.stop)
        return deferToThreadPool(self.reactor, self._pool, work)


def _link(
    reactor: Any,
    configuration: Configuration,
    pair: Pair,
    runtime: NodeRuntime,
    taker: ILinkTaker,
) -> IService:
    """
    The first member listens, the second one connects.
    """
    own = runtime.settings
    contexts = TLSContexts(
        str(own.certificate), str(own.privateKey), str(own.ca), "required"
    )
    other = configuration.application(configuration.partnerOf(own.name))
    assert isinstance(other, Node)
    name = configuration.pairHost(other.name)
    if own.name == pair.members[0]:
        serves = TCP6ServerEndpoint if ":" in own.haHost else TCP4ServerEndpoint
        port = serves(reactor, own.haPort, 10, own.haHost)
        return Listener(
            reactor, lambda: listenHALink(reactor, port, taker, contexts, name)
        )
    made = TCP6ClientEndpoint if ":" in other.haHost else TCP4ClientEndpoint
    endpoint = made(reactor, other.haHost, other.haPort, timeout=2)
    chance = lambda: int.from_bytes(runtime.entropy(4), "big") / 2**32  # noqa: E731
    return dialHALink(reactor, endpoint, taker, contexts, name, chance)


class Listener(Service):
    """
    Waits for the other member.  A port that is taken is tried again: the node
    serves without the other one meanwhile.
    """

    def __init__(
        self, clock: IReactorTime, listen: Callable[[], Deferred[IListeningPort]]
    ) -> None:
        """
        @param listen: opens the port; called again when it has failed.
        """
        self._clock = clock
        self._listen = listen
        self._opening: Deferred[None] | None = None
        self._listening: IListeningPort | None = None
        self._again: IDelayedCall | None = None
        self._told = False

    def startService(self) -> None:
        """
        Open the port.
        """
        super().startService()
        self._open()

    def _open(self) -> None:
        self._again = None
        opening = self._opening = maybeDeferred(self._listen).addCallbacks(
            self._opened, self._failed
        )
        opening.addErrback(lambda f: log.failure("HA link", failure=f))

    def _opened(self, port: IListeningPort) -> None:
        self._listening = port
        self._told = False
        at: Any = port.getHost()
        log.info("HA link on {host}:{port}", host=at.host, port=at.port)

    def _failed(self, failure: Failure) -> None:
        if not self.running:
            return
        if not self._told:
            self._told = True
            log.error(
                "{number}: no port for the HA link: {why}",
                number="00-53142",
                why=failure.getErrorMessage(),
            )
        self._again = self._clock.callLater(_AGAIN, self._open)

    def stopService(self) -> Deferred[Any]:
        """
        Close it.

        @return: fires when it is closed.
        """
        super().stopService()
        again, self._again = self._again, None
        if again is not None:
            again.cancel()
        if self._opening is not None:
            self._opening.cancel()
        listening, self._listening = self._listening, None
        return maybeDeferred(lambda: listening and listening.stopListening())


#: Seconds until a port that is taken is tried again.
_AGAIN = 2.0


def lockPath(configuration: Configuration, pair: Pair) -> Path:
    """
    What the names of a pair's lock files begin with.
    """
    return pair.lockFile or configuration.source.parent / f"{pair.name}.lock"
