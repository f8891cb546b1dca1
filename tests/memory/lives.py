"""
A node whose process dies, and another one goes on with what it has written down.
"""

from __future__ import annotations

from sipcluster.app.node import NodeMember, makeNode
from sipcluster.app.runtime import NodeRuntime
from sipcluster.ha.life import LifeClock
from tests.memory.nodes import NODE, THEN, NodeTestCase
from tests.unit.kept import Lives


class LivesTestCase(NodeTestCase):
    """
    A node in one life after the other, at the same address.
    """

    def setUp(self) -> None:
        self.lives: Lives | None = None
        super().setUp()

    def makeNode(self, name: str, address: str) -> NodeMember:
        """
        A node in the next life of its member.
        """
        if self.lives is None:
            self.lives = Lives(self, self.clock)
            self.transport = self.network.host(address)
        else:
            self.lives.next()
        keeper = self.lives.keeper
        self.transport.hold = keeper.put
        self.life = LifeClock(self.clock)
        node = makeNode(
            NodeRuntime(
                name=name,
                configuration=self.configuration,
                clock=self.life,
                wallTime=lambda: THEN + self.clock.seconds(),
                entropy=self.network.entropy,
                transport=self.transport,
                keeper=keeper,
                epoch=self.lives.epoch,
            ),
            [self.sink],
        )
        node.startService()
        self.lives.begin()
        node.devices.watch.start()
        return node

    def check(self) -> None:
        """
        All has been written down as it is.
        """
        assert self.lives is not None
        self.lives.check()

    def die(self) -> None:
        """
        The process dies after a turn.
        """
        assert self.lives is not None
        self.lives.die()
        self.node.abandon()
        self.life.end()
        self.assertEqual(self.life.getDelayedCalls(), [])

    def move(self, after: float = 0.0) -> None:
        """
        The process dies, and another one goes on.
        """
        self.die()
        self.run_(after)
        self.node = self.makeNode("node1", NODE)
        self.pump()
        self.check()
