"""
A member of a pair beside somebody's own services:
CONFIGURATION=lab/cluster.toml MEMBER=node1a twistd -ny docs/examples/pair.py
"""

import os
from pathlib import Path

from twisted.application.service import Application, MultiService
from twisted.internet import reactor

from sipcluster.app.listening import Listening, makeTransport
from sipcluster.app.pair_parts import makePair
from sipcluster.app.runtime import NodeRuntime
from sipcluster.app.settings import readConfiguration
from sipcluster.net.etcd import EtcdStore
from sipcluster.net.monotonic import useMonotonicTime


def makeService(reactor, configuration, name, say=print):
    store = configuration.store
    runtime = NodeRuntime(
        name=name,
        configuration=configuration,
        clock=reactor,
        transport=makeTransport(reactor, configuration.application(name)),
        store=None if store is None else EtcdStore(reactor, list(store.urls)),
    )
    pair = makePair(reactor, configuration, runtime)

    def roleChanged(primary):
        role = "primary" if primary else "backup"
        say(f"{name} is {role}, with {len(list(pair.calls()))} calls")

    pair.observe(roleChanged)
    ours = MultiService()
    Listening(pair).setServiceParent(ours)
    return ours


if "MEMBER" in os.environ:
    useMonotonicTime(reactor)  # a lease does not end because somebody sets the clock
    CONFIGURATION = readConfiguration(Path(os.environ["CONFIGURATION"]))
    application = Application("ours")
    ours = makeService(reactor, CONFIGURATION, os.environ["MEMBER"])
    ours.setServiceParent(application)
