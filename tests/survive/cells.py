"""
What happens.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from attrs import evolve
from twisted.internet.defer import Deferred

from tests.survive.configuration import SIP_PASS, Arbiter, Shape
from tests.survive.scene import Cell, Scene, lease
from tests.survive.telephones import PROXIES

_FILE = Shape(Arbiter.LOCK_FILE)
_STORE = Shape(Arbiter.STORE)
_ETCD = Shape(Arbiter.ETCD)

#: Seconds that something stays broken.
BROKEN = 9.0


async def _nothing(scene: Scene) -> None:
    scene.happens()


async def _kill(scene: Scene) -> None:
    """
    The primary is killed, and started again as a supervisor would.
    """
    primary = scene.cluster.primary(scene.hurt)
    scene.happens()
    scene.cluster.kill(primary)
    await scene.wait(3.0)
    await scene.back(primary)


async def _killBackup(scene: Scene) -> None:
    backup = scene.cluster.other(scene.cluster.primary(scene.hurt))
    scene.happens()
    scene.cluster.kill(backup)
    await scene.wait(3.0)
    await scene.back(backup)


async def _killBoth(scene: Scene) -> None:
    """
    One after the other, as soon as the first one is back.
    """
    await _kill(scene)
    moment = scene.moment
    await _kill(scene)
    scene.moment = moment


async def _freeze(scene: Scene) -> None:
    """
    The primary stands still for longer than its lease, and goes on.
    """
    primary = scene.cluster.primary(scene.hurt)
    file = await scene.capture(primary)
    scene.happens()
    scene.cluster.freeze(primary)
    await scene.wait(BROKEN)
    woken = scene.moment + BROKEN - 0.5
    begin = scene.reactor.seconds()
    before = scene.holding(scene.cluster.other(primary))
    scene.cluster.freeze(primary, False)
    await scene.inSync(primary, begin)
    await scene.wait(2.0)
    scene.stillHolding(scene.cluster.other(primary), before)
    await scene.captured(file, woken)


def _cut(*others: str) -> Callable[[Scene], Awaitable[None]]:
    async def harm(scene: Scene) -> None:
        """
        The primary loses some hosts, silently.
        """
        primary = scene.cluster.primary(scene.hurt)
        far: list[str] = []
        for other in others:
            if other == "peer":
                far.append(scene.cluster.other(primary))
            elif other == "store":
                far += scene.cluster.shape.stores
            else:
                far.append(other)
        scene.happens()
        scene.hosts.cut(primary, far)
        await scene.wait(BROKEN)
        scene.figures["primary while cut"] = scene.cluster.role(primary)
        scene.hosts.mend(primary)

    return harm


async def _pull(scene: Scene) -> None:
    primary = scene.cluster.primary(scene.hurt)
    scene.happens()
    scene.hosts.pull(primary)
    await scene.wait(BROKEN)
    begin = scene.reactor.seconds()
    scene.hosts.pull(primary, False)
    await scene.inSync(primary, begin)


async def _killStore(scene: Scene) -> None:
    """
    The store is away for longer than a lease.
    """
    scene.happens()
    scene.cluster.kill("store")
    await scene.wait(BROKEN)
    scene.cluster.launch("store")
    await scene.cluster.ready(scene.reactor, "store")


async def _loseQuorum(scene: Scene) -> None:
    lost = scene.cluster.shape.etcd[:2]
    scene.happens()
    for name in lost:
        scene.cluster.kill(name)
    await scene.wait(BROKEN)
    for name in lost:
        scene.cluster.launch(name)


async def _killProxy(scene: Scene) -> None:
    scene.happens()
    scene.cluster.kill(PROXIES[0])
    await scene.wait(1.0)
    scene.cluster.launch(PROXIES[0])


async def _control(scene: Scene, *words: str) -> None:
    scene.happens()
    begin = scene.reactor.seconds()
    code, said = await scene.cluster.control(*words)
    scene.figures["took"] = round(scene.reactor.seconds() - begin, 1)
    if code:
        scene.faults.append(f"{' '.join(words)}: {said}")


async def _switchover(scene: Scene) -> None:
    before = scene.cluster.primary(scene.hurt)
    await _control(scene, "switchover", scene.hurt)
    await scene.wait(1.0)
    if scene.cluster.primary(scene.hurt) == before:
        scene.faults.append("the role was not handed over")


async def _rollingRestart(scene: Scene) -> None:
    """
    Whoever ends is started again by a supervisor, which is us.
    """
    pids = {name: one.pid for name, one in scene.cluster.programs.items()}
    ending = False

    async def supervise() -> None:
        while not ending:
            for name in scene.cluster.shape.nodes:
                if not scene.cluster.programs[name].running:
                    scene.cluster.launch(name)
            await scene.wait(0.2)

    watching = Deferred.fromCoroutine(supervise())
    try:
        await _control(scene, "rolling-restart")
    finally:
        ending = True
        await watching
    same = [
        name
        for name in scene.cluster.shape.nodes
        if scene.cluster.programs[name].pid == pids[name]
    ]
    if same:
        scene.faults.append(f"not restarted: {same}")


CELLS: Iterable[Cell] = (
    Cell("nothing", "nothing at all", _nothing),
    Cell("kill-lock-file", "primary killed (-9), lock file", _kill, shape=_FILE),
    Cell("kill-store", "primary killed (-9), store", _kill, shape=_STORE),
    Cell("kill-etcd", "primary killed (-9), etcd", _kill, shape=_ETCD),
    Cell("kill-backup", "backup killed (-9)", _killBackup, 1.0),
    Cell(
        "kill-both",
        "primary killed, then the other one as soon as the first is back",
        _killBoth,
        # Who has just been started may have promised something before.
        lease(),
        shape=_FILE,
        after=26.0,
    ),
    Cell(
        "freeze-store",
        "primary frozen, then woken, store",
        _freeze,
        lease(),
        after=20.0,
    ),
    Cell(
        "freeze-lock-file",
        "primary frozen, then woken, lock file",
        _freeze,
        lease(),
        shape=_FILE,
        after=20.0,
    ),
    Cell("cut-store", "primary cut off from the store", _cut("store"), lease()),
    Cell("cut-peer", "primary cut off from the backup", _cut("peer"), lease()),
    Cell(
        "cut-store-and-peer",
        "primary cut off from the store and from the backup",
        _cut("store", "peer"),
        lease(),
        after=20.0,
    ),
    Cell(
        "cut-sip",
        "primary cut off from all SIP: SIP Proxies, telephones, trunk",
        _cut(*PROXIES, "callers", "callees"),
        SIP_PASS + 1,
        unreachable=True,
        after=24.0,
    ),
    Cell(
        "cut-clients",
        "primary cut off from T-Library clients",
        _cut("clients"),
        1.0,
        after=20.0,
    ),
    Cell("pull", "network card of the primary down", _pull, lease(), after=22.0),
    Cell("kill-the-store", "embedded store killed", _killStore, 1.0, after=18.0),
    Cell("lose-quorum", "etcd quorum lost", _loseQuorum, 1.0, _ETCD, after=20.0),
    Cell("kill-proxy", "SIP Proxy killed, started again", _killProxy, 1.0),
    Cell("switchover", "asked-for switchover", _switchover, 1.0),
    Cell(
        "rolling-restart",
        "rolling restart of all members",
        _rollingRestart,
        1.0,
        after=60.0,
    ),
)


def traced(cell: Cell) -> Cell:
    """
    The same with every SIP message in the logs.
    """
    return evolve(cell, shape=evolve(cell.shape, trace=True))


def onePair(cell: Cell) -> Cell:
    """
    The same with one pair only: then nobody else answers the new calls.
    """
    return evolve(cell, shape=evolve(cell.shape, pairs=("node1",)))
