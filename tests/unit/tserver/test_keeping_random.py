"""
A primary dies at any moment: what its clients have received, and get from the other
member, is one stream.
"""

from __future__ import annotations

import random
from itertools import pairwise

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.testing.tlib_peer import TLibPeer
from sipcluster.tlib.enums import ResumeResult
from sipcluster.tlib.messages import (
    EventDialing,
    EventRinging,
    RequestMakeCall,
    RequestRegisterAddress,
    RequestUnregisterAddress,
)
from sipcluster.tserver import outbox
from tests.unit.tserver.pairs import DNS, PortPair


class Client:
    """
    One client, that writes down what it gets.

    @ivar waiting: its requests that are not answered, by reference.
    @ivar registered: DNs that it has registered since the beginning, and keeps.
    """

    def __init__(self, world: World, dns: list[str]) -> None:
        self.world = world
        self.peer = TLibPeer(world.pair.port)
        self.peer.acknowledging = False
        self.registered = dns
        self.waiting: dict[int, RequestMakeCall] = {}
        self.looked = 0
        self.results: list[ResumeResult | int | None] = []
        self.answered: dict[int, int] = {}
        self.positions: dict[int, bytes] = {}

    def connect(self) -> None:
        """
        Come, or come back, and repeat what is not answered.
        """
        self.peer.acknowledging = True
        self.world.pair.connect(self.peer)
        self.peer.acknowledging = False
        assert self.peer.info is not None
        self.results.append(self.peer.info.resumeResult)
        self.look()
        for reference, request in self.waiting.items():
            self.peer.request(request, reference)

    def drop(self) -> None:
        """
        Lose the connection.
        """
        self.peer.drop()

    def look(self) -> None:
        """
        Take what has come.
        """
        for one in self.peer.all[self.looked :]:
            if isinstance(one.message, EventDialing) and one.reference in self.waiting:
                del self.waiting[one.reference]
                self.answered[one.reference] = self.answered.get(one.reference, 0) + 1
        self.looked = len(self.peer.all)

    def stream(self) -> list[int]:
        """
        Positions of all that has come, without repeated answers.
        """
        highest, found = 0, []
        for one in self.peer.all:
            if one.position > highest:
                found.append(one.position)
                highest = one.position
        return found


class World:
    """
    A pair and its clients, and what a seed does to them.
    """

    def __init__(self, seed: int, **limits: int) -> None:
        self.chance = random.Random(seed)
        self.clock = Clock()
        delay = self.chance.choice((0.0005, 0.002))
        self.pair = PortPair(self.clock, delay, **limits)
        self.number = 0
        #: Who is to get an event, by its ANI; all of them, or none.
        self.expected: dict[str, list[Client]] = {}
        #: Requests that were under way when a process went on with them.
        self.inherited: set[str] = set()
        self.clients = []
        for _ in range(4):
            client = Client(self, self.chance.sample(DNS[:6], 3))
            self.clients.append(client)
            client.connect()
            for dn in client.registered:
                client.peer.request(RequestRegisterAddress(thisDN=dn))
        self.pair.run_(0.05)

    def step(self) -> None:
        """
        One thing happens.
        """
        chance = self.chance
        self.dropClosed()
        client = chance.choice(self.clients)
        there = client.peer.connection is not None
        what = chance.random()
        if what < 0.5:
            self.publish(chance.choice(DNS[:6]))
        elif what < 0.6 and there:
            self.makeCall(client)
        elif what < 0.7:
            calls = self.pair.life.calls
            if calls.asked:
                calls.answer(self.pair.server, chance.choice(list(calls.asked)))
        elif what < 0.75 and there:
            client.drop()
        elif what < 0.8 and not there:
            client.connect()
        elif what < 0.9 and there:
            client.look()
            client.peer.acknowledging = True
            client.peer.acknowledge()
            client.peer.acknowledging = False
        elif there:
            # Of DNs that nothing is published of.
            dn = chance.choice(DNS[10:20])
            kind = chance.choice((RequestRegisterAddress, RequestUnregisterAddress))
            client.peer.request(kind(thisDN=dn))
        for one in self.clients:
            one.look()

    def publish(self, dn: str) -> None:
        """
        Publish an event of a DN.
        """
        self.number += 1
        ani = str(self.number)
        server = self.pair.server
        self.expected[ani] = [one for one in self.clients if dn in one.registered]
        server.publish(dn, EventRinging(time=server.now(), thisDN=dn, ani=ani))

    def makeCall(self, client: Client) -> None:
        """
        Ask for a call.
        """
        call = RequestMakeCall(thisDN=client.registered[0], otherDN="1001")
        client.waiting[client.peer.request(call)] = call

    def run(self, steps: int) -> None:
        """
        Do so much, with and without time in between.
        """
        for _ in range(steps):
            self.step()
            if self.chance.random() < 0.6:
                self.pair.run_(self.chance.choice((0.0, 0.0003, 0.001, 0.005)))

    def takeOver(self) -> None:
        """
        The primary dies in the middle of all this, and the other member serves.
        """
        self.pair.kill()
        for one in self.clients:
            if one.peer.connection is not None:
                one.peer.connection.user = None
                one.peer.drop()
        self.pair.run_(self.chance.choice((0.0, 0.3)))
        self.pair.takeOver()
        self.inherited.update(self.pair.life.calls.asked)

    def dropClosed(self) -> None:
        """
        Who is cut off by the server closes its connection, too.
        """
        for one in self.clients:
            if one.peer.connection is not None and one.peer.connection.closed:
                one.drop()

    def settle(self) -> None:
        """
        All come back and acknowledge, and everything is answered.
        """
        for _ in range(5):
            self.dropClosed()
            for one in self.clients:
                if one.peer.connection is None:
                    one.connect()
                one.look()
                one.peer.acknowledging = True
                one.peer.acknowledge()
            self.pair.run_(0.1)
        calls = self.pair.life.calls
        for key in list(calls.asked):
            calls.answer(self.pair.server, key)
        for dn in DNS[:6]:
            self.publish(dn)
        self.pair.run_(0.1)
        for one in self.clients:
            one.look()


class RandomTests(SynchronousTestCase):
    """
    Wherever the primary dies, the streams of its clients are whole.
    """

    def test_anyMoment(self) -> None:
        """
        Each client resumes; its positions are 1, 2, 3 and so on; an event comes to
        all who have registered its DN, once, or to none because it was never
        saved; each request is answered once; both members have the same.
        """
        for seed in range(200):
            # What nobody needs is written over at once, or only later.
            self.patch(outbox, "SPARE", seed % 2 * 1000)
            world = self.played(World(seed))
            self.checkStreams(world, f"seed {seed}")
            self.check(world, f"seed {seed}")

    def test_shortJournals(self) -> None:
        """
        The same where clients miss events: a session is never lost, positions go up,
        and leave some out only where the client was told so; each request is
        answered, and never done again by who goes on with it.
        """
        missed = 0
        for seed in range(100):
            self.patch(outbox, "SPARE", seed % 2 * 1000)
            world = self.played(World(seed, journalMessages=6))
            self.check(world, f"seed {seed}")
            for client in world.clients:
                stream = client.stream()
                self.assertNotIn(ResumeResult.LOST, client.results, f"seed {seed}")
                gaps = sum(b - a > 1 for a, b in pairwise(stream))
                told = client.results.count(ResumeResult.SNAPSHOT)
                self.assertLessEqual(gaps, told, f"seed {seed}")
                missed += told
        self.assertGreater(missed, 50)

    def played(self, world: World) -> World:
        """
        Let a world have its time.
        """
        world.run(world.chance.randrange(5, 60))
        world.takeOver()
        if world.chance.random() < 0.5:
            for one in world.clients[:2]:
                one.connect()
            world.pair.join()
            world.run(world.chance.randrange(5, 40))
            world.pair.run_(world.chance.choice((0.0, 0.01)))
            world.takeOver()
        world.settle()
        return world

    def checkStreams(self, world: World, name: str) -> None:
        """
        Look at what each client has got.
        """
        for client in world.clients:
            stream = client.stream()
            self.assertEqual(stream, list(range(1, len(stream) + 1)), name)
            lost = {ResumeResult.LOST, ResumeResult.SNAPSHOT}
            self.assertEqual(lost.intersection(client.results), set(), name)
            bodies: dict[int, object] = {}
            for one in client.peer.all:
                if one.position:
                    before = bodies.setdefault(one.position, one.message)
                    self.assertEqual(before, one.message, name)
        for ani, clients in world.expected.items():
            got = [
                sum(
                    isinstance(message, EventRinging) and message.ani == ani
                    for message in {
                        one.position: one.message for one in client.peer.all
                    }.values()
                )
                for client in clients
            ]
            self.assertIn(set(got), ({1}, {0}, set()), f"{name}, {ani}")

    def check(self, world: World, name: str) -> None:
        """
        Look at requests, and at what is kept.
        """
        for client in world.clients:
            self.assertEqual(client.waiting, {}, name)
            self.assertEqual(set(client.answered.values()) - {1}, set(), name)
        if not world.pair.life.member.journal.inSync:
            world.pair.join()
        world.pair.run_(0.1)
        life = world.pair.life
        self.assertEqual(world.inherited.intersection(life.calls.done), set(), name)
        self.assertEqual(life.keeper.differing(), [], name)
        self.assertEqual(life.keeper.counts, {}, name)
        self.assertEqual(
            life.member.journal.replica.all(),
            world.pair.backup.journal.replica.all(),
            name,
        )
        self.assertEqual(life.calls.asked, {}, name)
