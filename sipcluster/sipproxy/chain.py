"""
Runs a request through the steps of the proxy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.logger import Logger

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.isipproxy import NEXT, WAIT, Answer, IStep, Outcome

log = Logger()


class Chain:
    """
    Steps in their order.
    """

    def __init__(
        self,
        steps: Sequence[IStep],
        passed: Callable[[RequestContext], None],
        answered: Callable[[RequestContext, Answer], None],
    ) -> None:
        """
        @param passed: called when every step said L{NEXT}.
        @param answered: called when a step said what to answer.
        """
        self.names = tuple(step.name for step in steps)
        self._steps = tuple(step.process for step in steps)
        self._passed = passed
        self._answered = answered

    def run(self, context: RequestContext) -> None:
        """
        Take a request through all steps.  Does not raise.
        """
        self._from(context, 0)

    def _from(self, context: RequestContext, start: int) -> None:
        try:
            steps = self._steps[start:] if start else self._steps
            for index, process in enumerate(steps, start):
                outcome = process(context)
                if outcome is NEXT:
                    continue
                if outcome is WAIT:
                    self._wait(context, index + 1)
                else:
                    assert isinstance(outcome, Answer)
                    self._answered(context, outcome)
                return
            self._passed(context)
        except MalformedMessage as e:
            self._answered(context, Answer(e.status, reasonOf(e)))
        except Exception:
            log.failure("a step failed on {method}", method=context.request.method)
            self._answered(context, Answer(500))

    def _wait(self, context: RequestContext, index: int) -> None:
        resumed = False

        def resume(outcome: Outcome) -> None:
            nonlocal resumed
            if resumed or outcome is WAIT:
                raise ValueError("a step that waits goes on once")
            resumed = True
            if isinstance(outcome, Answer):
                self._answered(context, outcome)
            else:
                self._from(context, index)

        context.resume = resume


def reasonOf(e: MalformedMessage) -> bytes:
    """
    A reason phrase that tells the peer's developer what is wrong.
    """
    if e.status != 400:
        return b""
    return b"Bad Request (%b)" % e.why.encode("ascii", "replace")
