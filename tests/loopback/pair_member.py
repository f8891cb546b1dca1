"""
A process of its own that is a member of a pair, and nothing else: for
C{test_guardian}.

The urls of the store, and its name, are its arguments; it writes what it becomes.
"""

from __future__ import annotations

import sys
from typing import Any

from attrs import frozen
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipcluster.ha.arbiters.store import StoreArbiter
from sipcluster.ha.iha import IRoleObserver
from sipcluster.ha.lease import Fence, LeaseTimes
from sipcluster.ha.member import PairMember
from sipcluster.net.etcd import EtcdStore
from sipcluster.net.guardian import Guardian
from sipcluster.net.monotonic import useMonotonicTime

reactor: Any = _reactor


def say(words: str) -> None:
    """
    Write a line.
    """
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


@frozen
@implementer(IRoleObserver)
class Saying:
    """
    Writes what it is told.
    """

    def becamePrimary(self, fence: Fence) -> None:
        """
        See L{IRoleObserver}.
        """
        say(f"primary {fence.epoch}.")

    def handingOver(self, epoch: int) -> None:
        """
        See L{IRoleObserver}.
        """

    def handoverFailed(self, why: str) -> None:
        """
        See L{IRoleObserver}.
        """

    def becameBackup(self, why: str) -> None:
        """
        See L{IRoleObserver}.
        """
        say(f"backup: {why}.")


def main(name: str, *urls: str) -> None:
    """
    Take part until the reactor stops.
    """
    useMonotonicTime(reactor)
    store = EtcdStore(reactor, urls)
    arbiter = StoreArbiter(store, reactor, "node1", name, "1", 5.0)
    guardian = Guardian(reactor, urls, arbiter.key, arbiter.value)
    member = PairMember(name, "node1", arbiter, Saying(), reactor, LeaseTimes())

    def begin() -> None:
        guardian.startService()
        say(f"guardian {guardian.pid}.")
        member.start()

    def end() -> Deferred[None]:
        return member.stop().addCallback(lambda _: guardian.stopService())

    reactor.callWhenRunning(begin)
    reactor.addSystemEventTrigger("before", "shutdown", end)
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
