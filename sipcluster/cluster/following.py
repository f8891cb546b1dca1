"""
The states of a replica: loading, following, waiting for better times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from attrs import define
from automat import TypeMachine, TypeMachineBuilder

from sipcluster.cluster.icluster import Change, Snapshot


class Following(Protocol):
    """
    What may happen to a replica.
    """

    def begin(self) -> None:
        "It is to follow the store."

    def loaded(self, snapshot: Snapshot) -> None:
        "A snapshot came."

    def loadFailed(self, why: str) -> None:
        "No snapshot came."

    def heard(self, revision: int, changes: Sequence[Change]) -> None:
        "The watch tells of changes."

    def watchLost(self, why: str) -> None:
        "The watch broke; it can be taken up again."

    def historyLost(self, why: str) -> None:
        "The watch broke, and what came since is forgotten."

    def silent(self, why: str) -> None:
        "A heartbeat was not written, or did not come back."

    def retry(self) -> None:
        "The pause after a failure is over."

    def end(self) -> None:
        "It is to follow no more."


@define
class _Core:
    """
    What a replica does; none of these may raise.
    """

    load: Callable[[Following], None]
    replace: Callable[[Snapshot], None]
    watch: Callable[[Following], None]
    apply: Callable[[int, Sequence[Change]], None]
    unwatch: Callable[[], None]
    trouble: Callable[[str], None]
    pause: Callable[[Following], None]
    cancel: Callable[[], None]


def _build() -> TypeMachine[Following, _Core]:
    m = TypeMachineBuilder(Following, _Core)
    idle = m.state("Idle")
    loading = m.state("Loading")
    following = m.state("Following")
    resuming = m.state("Resuming")
    waiting = m.state("Waiting")
    stopped = m.state("Stopped")

    @idle.upon(Following.begin).to(loading)
    def begin(f: Following, s: _Core) -> None:
        s.load(f)

    @waiting.upon(Following.retry).to(loading)
    def again(f: Following, s: _Core) -> None:
        s.load(f)

    @loading.upon(Following.loaded).to(following)
    def take(f: Following, s: _Core, snapshot: Snapshot) -> None:
        s.replace(snapshot)
        s.watch(f)

    @loading.upon(Following.loadFailed).to(waiting)
    def wait(f: Following, s: _Core, why: str) -> None:
        s.trouble(why)
        s.pause(f)

    @following.upon(Following.heard).loop()
    def apply(f: Following, s: _Core, revision: int, changes: Sequence[Change]) -> None:
        s.apply(revision, changes)

    @following.upon(Following.watchLost).to(resuming)
    def pauseBeforeResuming(f: Following, s: _Core, why: str) -> None:
        s.unwatch()
        s.trouble(why)
        s.pause(f)

    @resuming.upon(Following.retry).to(following)
    def resume(f: Following, s: _Core) -> None:
        s.watch(f)

    # What is not heard, or forgotten, may be another store by now: all of it is
    # read again.
    @following.upon(Following.historyLost).to(waiting)
    @following.upon(Following.silent).to(waiting)
    def reload(f: Following, s: _Core, why: str) -> None:
        s.unwatch()
        s.trouble(why)
        s.pause(f)

    for state in (idle, loading, following, resuming, waiting):

        @state.upon(Following.end).to(stopped)
        def end(f: Following, s: _Core) -> None:
            s.unwatch()
            s.cancel()

    # Late, of a watch or a call that was given up.
    for state in (idle, loading, resuming, waiting, stopped):
        state.upon(Following.heard).loop().returns(None)
        state.upon(Following.watchLost).loop().returns(None)
        state.upon(Following.historyLost).loop().returns(None)
        state.upon(Following.silent).loop().returns(None)
    for state in (idle, following, resuming, waiting, stopped):
        state.upon(Following.loaded).loop().returns(None)
        state.upon(Following.loadFailed).loop().returns(None)
    for state in (idle, loading, following, stopped):
        state.upon(Following.retry).loop().returns(None)
    for state in (loading, following, resuming, waiting, stopped):
        state.upon(Following.begin).loop().returns(None)
    stopped.upon(Following.end).loop().returns(None)
    return m.build()


_machine = _build()


def following(
    load: Callable[[Following], None],
    replace: Callable[[Snapshot], None],
    watch: Callable[[Following], None],
    apply: Callable[[int, Sequence[Change]], None],
    unwatch: Callable[[], None],
    trouble: Callable[[str], None],
    pause: Callable[[Following], None],
    cancel: Callable[[], None],
) -> Following:
    """
    Make a replica's machine, which begins idle.

    @param load: ask for a snapshot; answered by C{loaded} or C{loadFailed}.
    @param replace: take a snapshot in place of what there is.
    @param watch: open a watch after the last revision seen; answered by
        C{heard}, C{watchLost}, C{historyLost} and C{silent}.
    @param apply: take changes.
    @param unwatch: end the watch, if there is one.
    @param trouble: the store is not heard; say why.
    @param pause: call C{retry} after a while, longer each time.
    @param cancel: forget what was asked for, and the pause.
    """
    return _machine(_Core(load, replace, watch, apply, unwatch, trouble, pause, cancel))
