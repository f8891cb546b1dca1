"""
Mutated sessions at a T-Library port: a short campaign, and that it would notice.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.testing.mutate_tlib import FrameMutator, MessageMaker
from sipcluster.testing.tlib_campaign import Campaign, main
from sipcluster.testing.tlib_wild import Wrong
from sipcluster.tlib.codec import decode, encode
from sipcluster.tlib.errors import BadMessage
from sipcluster.tlib.messages import RequestMakeCall
from sipcluster.tserver.registrations import Registrations
from sipcluster.tserver.requests import Requests
from sipcluster.tserver.server import TServer
from sipcluster.tserver.session import Session
from sipcluster.tserver.stream import Stream


class CampaignTests(SynchronousTestCase):
    """
    Whatever clients send, nothing raises, others notice nothing, and what the port
    counts adds up.
    """

    def test_short(self) -> None:
        """
        A few seeds; the long ones are C{bin/fuzz tlib}.
        """
        for seed in (1, 2):
            campaign = Campaign(seed)
            campaign.run(1500)
            counts = campaign.server.counts
            for what in ("badMessages", "requests", "resumed", "refusedRequests"):
                self.assertTrue(counts[what], what)

    def test_sameSeed(self) -> None:
        """
        A seed means the same sessions, always.
        """
        counts = []
        for _ in range(2):
            campaign = Campaign(3)
            campaign.run(300)
            counts.append(campaign.server.counts)
        self.assertEqual(*counts)

    def test_command(self) -> None:
        """
        The command says what became of it all, and succeeds.
        """
        said = io.StringIO()
        self.patch(sys, "stdout", said)
        self.assertEqual(main(["--messages", "100", "--seed", "4"]), 0)
        self.assertIn("connections\n", said.getvalue())
        self.assertRegex(said.getvalue(), r"messages, seed 4, [0-9.]+ s\n$")


class NoticingTests(SynchronousTestCase):
    """
    A port with a fault does not come through.
    """

    def assertNoticed(self, *words: str) -> None:
        """
        Check that a campaign finds the fault, and says one of these.
        """
        with self.assertRaises((Wrong, ValueError)) as caught:
            Campaign(1).run(3000)
        said = str(caught.exception)
        self.assertTrue(any(word in said for word in words), said)

    def fault(self, cls: Any, name: str, instead: Callable[..., Any]) -> None:
        """
        Put a fault into a class.

        @param instead: takes the original method, and what it is called with.
        """
        original = getattr(cls, name)

        def faulty(*arguments: Any) -> Any:
            return instead(original, *arguments)

        self.patch(cls, name, faulty)

    def test_lostEvents(self) -> None:
        """
        An event that is left out.
        """
        published: list[object] = []

        def publish(original: Any, server: Any, *rest: Any) -> None:
            published.append(rest)
            if len(published) % 50:
                original(server, *rest)

        self.fault(TServer, "publish", publish)
        self.assertNoticed("witness got")

    def test_twice(self) -> None:
        """
        A repeated request that is done again.
        """
        self.fault(Requests, "_known", lambda *_: False)
        self.assertNoticed("in flight")

    def test_failure(self) -> None:
        """
        A request that fails, although its client is answered.
        """

        def mayAsk(original: Any, requests: Any, session: Any, request: Any) -> None:
            if request.number == RequestMakeCall.number:
                raise RuntimeError("a fault of ours")
            original(requests, session, request)

        self.fault(Requests, "_mayAsk", mayAsk)
        self.assertNoticed("a fault of ours")
        self.assertTrue(self.flushLoggedErrors(RuntimeError))

    def test_positions(self) -> None:
        """
        A position that is left out.
        """
        sent: list[object] = []

        def send(original: Any, stream: Any, entry: Any) -> Any:
            sent.append(entry)
            if not len(sent) % 40:
                stream.journal.last += 1
            return original(stream, entry)

        self.fault(Stream, "send", send)
        self.assertNoticed("came after", "positions")

    def test_counters(self) -> None:
        """
        A counter that is wrong in the end.
        """

        def forget(original: Any, registrations: Any, session: Any, dn: str) -> None:
            original(registrations, session, dn)
            registrations.count += dn == "1005"

        self.fault(Registrations, "_forget", forget)
        self.assertNoticed("registrations")

    def test_circles(self) -> None:
        """
        A session that nothing but itself refers to.
        """

        def end(original: Any, session: Any) -> None:
            original(session)
            session._snapshots = [session]

        self.fault(Session, "_end", end)
        self.assertNoticed("in a circle")


class MutatorTests(SynchronousTestCase):
    """
    What is sent is of all kinds.
    """

    def test_messagesCanBeRead(self) -> None:
        """
        What is made, and not mutated, is right.
        """
        maker = MessageMaker(Random(1))
        for _ in range(500):
            message = maker.message()
            self.assertEqual(decode(encode(message)[4:]).message, message)

    def test_mutatedOnes(self) -> None:
        """
        Mutated ones are of all kinds: readable ones, ones that can be answered,
        others.
        """
        random = Random(1)
        maker, mutator = MessageMaker(random), FrameMutator(random)
        kinds = {"good": 0, "answerable": 0, "fatal": 0}
        for _ in range(1000):
            frame = mutator.mutate(encode(maker.message()))
            try:
                decode(frame[4:])
                kinds["good"] += 1
            except BadMessage as e:
                kinds["fatal" if e.fatal else "answerable"] += 1
        self.assertTrue(all(count > 50 for count in kinds.values()), kinds)
