"""
L{sipcluster.sipproxy.chain}.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sipproxy.chain import Chain
from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.isipproxy import NEXT, WAIT, Answer, IStep, Outcome
from tests.unit.sipproxy.samples import contextOf, request


@implementer(IStep)
class Says:
    """
    A step that says what it is told to.
    """

    def __init__(self, name: str, say: Callable[[], Outcome]) -> None:
        self.name = name
        self.say = say
        self.seen = 0

    def process(self, context: RequestContext) -> Outcome:
        """
        See L{IStep}.
        """
        self.seen += 1
        return self.say()


class ChainTests(SynchronousTestCase):
    """
    L{Chain} asks one step after the other.
    """

    def setUp(self) -> None:
        self.came: list[object] = []
        self.context = contextOf(request())

    def run_(self, *says: Callable[[], Outcome]) -> list[Says]:
        """
        Run the context through steps that say this.
        """
        steps = [Says(f"step{i}", say) for i, say in enumerate(says)]
        verifyObject(IStep, steps[0])
        chain = Chain(
            steps,
            lambda context: self.came.append("passed"),
            lambda context, answer: self.came.append(answer),
        )
        self.assertEqual(len(chain.names), len(steps))
        chain.run(self.context)
        return steps

    def test_passes(self) -> None:
        """
        When all say NEXT the request has passed.
        """
        self.run_(lambda: NEXT, lambda: NEXT)
        self.assertEqual(self.came, ["passed"])

    def test_answers(self) -> None:
        """
        After an answer no further step is asked.
        """
        steps = self.run_(lambda: Answer(404), lambda: NEXT)
        self.assertEqual(self.came, [Answer(404)])
        self.assertEqual(steps[1].seen, 0)

    def test_waits(self) -> None:
        """
        A step that waits goes on once, and then the next has its turn.
        """
        steps = self.run_(lambda: WAIT, lambda: NEXT)
        self.assertEqual((self.came, steps[1].seen), ([], 0))
        self.context.resume(NEXT)
        self.assertEqual(self.came, ["passed"])
        self.assertRaises(ValueError, self.context.resume, NEXT)

    def test_waitsForAnAnswer(self) -> None:
        """
        It may go on with an answer.
        """
        self.run_(lambda: WAIT, lambda: NEXT)
        self.assertRaises(ValueError, self.context.resume, WAIT)
        self.context.resume(Answer(404))
        self.assertEqual(self.came, [Answer(404)])

    def test_nobodyWaits(self) -> None:
        """
        Who does not wait cannot go on.
        """
        self.assertRaises(ValueError, self.context.resume, NEXT)

    def test_malformed(self) -> None:
        """
        What a step cannot read is answered with the status of the error, and
        with the reason where it is a 400.
        """

        def bad() -> Outcome:
            raise MalformedMessage("no tag", status=400)

        def other() -> Outcome:
            raise MalformedMessage("version", status=505)

        self.run_(bad)
        self.run_(other)
        self.assertEqual(
            self.came, [Answer(400, b"Bad Request (no tag)"), Answer(505, b"")]
        )

    def test_bug(self) -> None:
        """
        A step's own mistake is logged, and the request gets 500.
        """

        def bug() -> Outcome:
            raise ZeroDivisionError

        self.run_(bug)
        self.assertEqual(self.came, [Answer(500)])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
