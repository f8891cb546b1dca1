"""
Rules of the product, broken on purpose: what the simulation must find.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import evolve, frozen

from sipcluster.cluster.icluster import Change
from sipcluster.cluster.replica import Replica
from sipcluster.sessioncontroller.events import CallEvent, Cause, Released
from sipcluster.sessioncontroller.leg_base import LegBase
from sipcluster.sessioncontroller.session_refresh import Refresh
from sipcluster.sessioncontroller.sinks import Distribution
from sipcluster.sip.message import Request, Response
from sipcluster.tcontroller.controller import TController
from sipcluster.tlib.client import Resume, TLibraryClient
from sipcluster.tlib.messages import LinkPoll
from sipcluster.tserver import connection
from sipcluster.tserver.stream import Stream

#: Replaces an attribute for the time of a test: C{TestCase.patch}.
Patch = Callable[[Any, str, Any], object]


@frozen
class BrokenRule:
    """
    One of them.

    @ivar name: what is wrong.
    @ivar seed: one that finds it.
    @ivar why: begins what the simulation says of it, or is in it.
    @ivar breaks: does it.
    @ivar others: more seeds, where it takes two things at a time: any change of the
        product may make one of them miss.
    """

    name: str
    seed: int
    why: str
    breaks: Callable[[Patch], None]
    others: tuple[int, ...] = ()


def _resumesTooEarly(patch: Patch) -> None:
    honest: Any = TLibraryClient.resume.fget  # type: ignore[attr-defined] # mypy: property

    def resume(client: TLibraryClient) -> Resume | None:
        found: Resume | None = honest(client)
        if found is None or not found.position:
            return found
        return evolve(found, position=found.position - 1)

    patch(TLibraryClient, "resume", property(resume))


def _journalHasAGap(patch: Patch) -> None:
    honest = Stream.attach

    def attach(stream: Stream, to: Any, position: int) -> None:
        honest(stream, to, min(position + 1, stream.journal.last))

    patch(Stream, "attach", attach)


def _deletionForgotten(patch: Patch) -> None:
    honest = Replica._apply

    def apply(replica: Replica, revision: int, changes: Sequence[Change]) -> None:
        kept = [change for change in changes if change.value is not None]
        honest(replica, revision, kept)

    patch(Replica, "_apply", apply)


def _clientsStay(patch: Patch) -> None:
    patch(connection, "LinkClosing", LinkPoll)


def _releasedTwice(patch: Patch) -> None:
    honest = Distribution.publish

    def publish(distribution: Distribution, event: CallEvent) -> None:
        honest(distribution, event)
        if isinstance(event, Released) and event.cause is Cause.ABANDONED:
            honest(distribution, event)

    patch(Distribution, "publish", publish)


def _byeUnanswered(patch: Patch) -> None:
    honest = LegBase._byeAnswered

    def answered(leg: LegBase, response: Response, request: Request) -> None:
        if response.status < 300:
            honest(leg, response, request)

    patch(LegBase, "_byeAnswered", answered)
    patch(LegBase, "_byeLost", lambda leg, status, why: None)


def _agentsForgotten(patch: Patch) -> None:
    honest = TController.requested

    def requested(controller: TController, *arguments: Any) -> None:
        controller._agents.clear()
        honest(controller, *arguments)

    patch(TController, "requested", requested)


def _sessionsUnwatched(patch: Patch) -> None:
    def agreeOn(leg: LegBase, refresh: Refresh | None, seconds: float = 0.0) -> None:
        leg.refresh = refresh

    patch(LegBase, "agreeOn", agreeOn)


#: All of them.
BROKEN_RULES = (
    BrokenRule("a client resumes one event too early", 60, "", _resumesTooEarly),
    BrokenRule("a journal leaves one event out", 27, "position", _journalHasAGap),
    BrokenRule("a replica forgets deletions", 7, "stored is", _deletionForgotten),
    BrokenRule(
        "a client that has closed its link stays", 7, "sessions are left", _clientsStay
    ),
    BrokenRule("a release is told twice", 1, "Released after Released", _releasedTwice),
    BrokenRule("a BYE without an answer ends nothing", 12, "is left", _byeUnanswered),
    BrokenRule(
        "a session that nobody refreshes goes on", 5, "is left", _sessionsUnwatched
    ),
    BrokenRule("an agent is at several DNs", 25, "agents [", _agentsForgotten),
)
