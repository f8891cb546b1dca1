"""
A T-Library port in a pair of two processes, linked in memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.task import Clock
from zope.interface import implementer

from sipcluster.ha.ikeeping import IKept
from sipcluster.ha.keeper import Keeper
from sipcluster.ha.life import LifeClock
from sipcluster.testing.clock import runFor
from sipcluster.testing.tlib_peer import Addresses, TLibPeer
from sipcluster.testing.wire import Wire
from sipcluster.tlib.enums import ServerRole
from sipcluster.tlib.messages import (
    EventDialing,
    EventServerInfo,
    Message,
    RequestMakeCall,
    RequestRegisterAddress,
)
from sipcluster.tserver.itserver import ClientView, IRequests
from sipcluster.tserver.limits import Limits
from sipcluster.tserver.server import TServer
from sipcluster.tserver.standby import BackupPort, SwitchablePort
from sipcluster.wire.correlation import Requester
from tests.unit.ha.members import Member, connect
from tests.unit.tserver.ports import APPLICATIONS, BEGINNING

#: DNs of the switch.
DNS = tuple(str(number) for number in range(1000, 1040))


@implementer(IKept, IRequests)
class Calls:
    """
    Answers RequestMakeCall when it is told to, and is kept itself.

    @ivar asked: who waits for what, by DN and reference.
    @ivar done: keys of all that were begun, of this life.
    """

    kind = "fake-call"
    numbers = (RequestMakeCall.number,)

    def __init__(self, keeper: Any) -> None:
        self.asked: dict[str, Requester] = {}
        self.done: list[str] = []
        self._touch = keeper.keep(self)

    def requested(
        self, request: Message, requester: Requester, client: ClientView
    ) -> None:
        key = f"{requester.client}/{requester.reference}"
        self.asked[key] = requester
        self.done.append(key)
        self._touch(key)

    def answer(self, server: TServer, key: str) -> None:
        """
        Answer one.
        """
        requester = self.asked.pop(key)
        self._touch(key)
        server.answer(requester, EventDialing(time=server.now(), thisDN="1000"))

    def claims(self, requester: Requester) -> bool:
        return requester in self.asked.values()

    def keys(self) -> Iterable[str]:
        return list(self.asked)

    def entry(self, key: str) -> bytes | None:
        return b"" if key in self.asked else None

    def restore(self, key: str, value: bytes, age: float) -> None:
        client, reference = key.split("/")
        self.asked[key] = Requester(client, int(reference))

    def restored(self) -> None:
        "Nothing more."

    def comparable(self, value: bytes) -> object:
        return value


class Life:
    """
    A process while it is primary.
    """

    def __init__(self, pair: PortPair, member: Member, limits: Limits) -> None:
        self.member = member
        self.clock = LifeClock(pair.clock)
        self.keeper = Keeper(self.clock, member.journal)
        self.server = TServer(
            "TCport",
            self.clock,
            lambda: BEGINNING + pair.clock.seconds(),
            pair.entropy,
            APPLICATIONS,
            Addresses.of(*DNS),
            limits=limits,
            keeper=self.keeper,
            roleEpoch=member.journal.epoch,
        )
        self.calls = Calls(self.keeper)
        self.server.add(self.calls)
        self.server.claims = self.calls.claims
        self.restored = self.keeper.begin()


class PortPair:
    """
    Two members, of which one is primary.

    @ivar port: to which clients connect; it leads to the primary.
    @ivar life: of the primary.
    """

    def __init__(self, clock: Clock, delay: float = 0.001, **limits: Any) -> None:
        self.clock = clock
        self.limits = Limits(**limits)
        self._delay = delay
        self._chance = 0
        self._epoch = 0
        self.wire: Wire | None = None
        self.backup = Member(clock, "b")
        backup = BackupPort(
            "TCport", clock, lambda: BEGINNING, self.entropy, APPLICATIONS
        )
        self.port = SwitchablePort(backup)
        self.life = self._begin(Member(clock, "a"))
        self.join()

    def entropy(self, size: int) -> bytes:
        self._chance += 1
        return self._chance.to_bytes(size, "big")

    @property
    def server(self) -> TServer:
        """
        The primary's port.
        """
        return self.life.server

    def _begin(self, member: Member) -> Life:
        self._epoch += 1
        member.journal.becamePrimary(self._epoch)
        life = Life(self, member, self.limits)
        self.port.taker = life.server
        return life

    def join(self) -> None:
        """
        Connect the members, and wait until the backup has everything.
        """
        self.wire = connect(self.clock, self.life.member, self.backup, self._delay)
        while not self.life.member.journal.inSync:
            runFor(self.clock, 0.001)

    def kill(self) -> None:
        """
        The primary's process is gone.
        """
        life = self.life
        life.keeper.end()
        life.clock.end()
        life.member.alone.may = False
        life.member.journal.becameBackup()
        assert self.wire is not None
        self.wire.near.receiver = None
        self.wire.reset()

    def tear(self) -> None:
        """
        The link is lost; the primary goes on alone.
        """
        assert self.wire is not None
        self.wire.reset()
        self.run_(0.01)

    def takeOver(self) -> None:
        """
        The backup becomes primary, and a new process backup.
        """
        dead = self.life.member.name
        self.life = self._begin(self.backup)
        self.backup = Member(self.clock, dead)

    def peer(self, *dns: str, application: str = "desktop") -> TLibPeer:
        """
        A client.
        """
        peer = TLibPeer(self.port, application)
        self.connect(peer)
        for dn in dns:
            peer.request(RequestRegisterAddress(thisDN=dn))
        self.run_(0.01)
        return peer

    def connect(self, peer: TLibPeer, **attributes: Any) -> None:
        """
        Connect a client, once more if it was connected before.
        """
        peer.open()
        if peer.info is not None:
            attributes = {
                "sessionID": peer.info.sessionID,
                "epoch": peer.info.epoch,
                **attributes,
            }
        reference = peer.registerClient(**attributes)
        self.run_(0.01)
        peer.info = peer.expect(EventServerInfo, reference=reference)
        assert peer.info.serverRole is ServerRole.PRIMARY

    def run_(self, seconds: float) -> None:
        """
        Let time pass.
        """
        runFor(self.clock, seconds)
