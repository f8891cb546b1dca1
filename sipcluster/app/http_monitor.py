"""
What a process tells over HTTP: status, health, registrations, calls, DNs and agents,
metrics.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec
from attrs import frozen
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import Site

from sipcluster.app.http_control import Orders
from sipcluster.tcontroller.itcontroller import IDNStates

if TYPE_CHECKING:
    from sipcluster.app.process import Process

JSON = b"application/json"

#: Kinds of transactions; those that linger only take retransmissions.
TRANSACTIONS = (
    "inviteClient",
    "inviteServer",
    "noninviteClient",
    "noninviteServer",
    "waiting",
    "lingering",
)


@frozen
class Answer:
    """
    What is sent for one request.
    """

    body: bytes
    code: int = 200
    contentType: bytes = JSON


def _json(value: object, code: int = 200) -> Answer:
    encoded = msgspec.json.encode(value, enc_hook=_plain)
    return Answer(msgspec.json.format(encoded, indent=2) + b"\n", code)


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)


class Router(Resource):
    """
    Answers GET and HEAD of a few paths, and takes orders.
    """

    isLeaf = True

    def __init__(
        self,
        routes: Mapping[bytes, Callable[[], Answer]],
        named: Mapping[bytes, Callable[[str], Answer]],
        orders: Orders,
    ) -> None:
        """
        @param named: paths that the name of something follows.
        @param orders: takes what is to be done.
        """
        super().__init__()
        self._routes = routes
        self._named = named
        self._orders = orders

    def render_GET(self, request: Request) -> bytes:
        """
        Find the path and send its answer.
        """
        answer = self._answer(request.path.rstrip(b"/") or b"/")
        request.setResponseCode(answer.code)
        request.setHeader(b"content-type", answer.contentType)
        request.setHeader(b"cache-control", b"no-store")
        return answer.body

    def _answer(self, path: bytes) -> Answer:
        if route := self._routes.get(path):
            return route()
        parent, _, name = path.rpartition(b"/")
        if named := self._named.get(parent):
            return named(unquote(name.decode("utf-8", "replace")))
        return _json({"error": "no such page"}, 404)

    def render(self, request: Any) -> Any:
        if request.method in (b"GET", b"HEAD"):
            return self.render_GET(request)
        if request.method == b"POST" and request.path.startswith(b"/control/"):
            return self._orders.take(request)
        request.setHeader(b"allow", b"GET, HEAD")
        request.setResponseCode(405)
        return b""


def monitorSite(process: Process) -> Site:
    """
    The HTTP site of a process.
    """
    registry = CollectorRegistry()
    registry.register(_Metrics(process))

    def health(ready: bool) -> Answer:
        state = process.state
        good = state == "ready" or (not ready and state != "failed")
        body: dict[str, object] = {
            "application": process.application.name,
            "state": state,
            "pid": os.getpid(),
        }
        if ready:
            status = process.status()
            body["degraded"] = status.get("degraded") or ""
            if "service" in status:
                body.update(service=status["service"], why=status["why"])
                good = good and not status["why"]
            for members in ("nodes", "proxies"):
                body[members] = status.get(members, {})
        return _json(body, 200 if good else 503)

    routes: dict[bytes, Callable[[], Answer]] = {
        b"/status": lambda: _json(process.status()),
        b"/health/live": lambda: health(False),
        b"/health/ready": lambda: health(True),
        b"/registrations": lambda: _json(list(process.member.registrations())),
        b"/calls": lambda: _json(list(process.member.calls())),
        b"/metrics": lambda: Answer(
            generate_latest(registry), 200, CONTENT_TYPE_LATEST.encode("ascii")
        ),
    }
    named: dict[bytes, Callable[[str], Answer]] = {}
    states = IDNStates(process.member, None)
    if states is not None:

        def explained(dn: str) -> Answer:
            found = states.explain(dn)
            return (
                _json({"error": "no such DN"}, 404) if found is None else _json(found)
            )

        routes[b"/dns"] = lambda: _json(list(states.explained()))
        routes[b"/clients"] = lambda: _json(list(process.member.clients()))
        routes[b"/agents"] = lambda: _json(list(states.agents()))
        named[b"/dns"] = explained
    routes[b"/alarms"] = lambda: _json(process.alarms.alarms.explained())
    paths = sorted([path.decode() for path in routes] + ["/dns/NUMBER"] * bool(named))
    routes[b"/"] = lambda: _json({"paths": paths})
    orders = Orders(process.controlPassword, process.orders())
    return _QuietSite(Router(routes, named, orders), timeout=30)


class _QuietSite(Site):
    """
    Writes no access log: health is asked for every few seconds.
    """

    noisy = False

    def log(self, request: Any) -> None:
        """
        Nothing.
        """


def _counted(name: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, "Things counted since start.", labels=["event"])
    for event, count in counts.items():
        family.add_metric([str(event)], count)
    return family


class _Metrics(Collector):
    """
    Makes metrics of what C{Process.status} says, when they are asked for.
    """

    def __init__(self, process: Process) -> None:
        self._process = process

    def describe(self) -> Iterable[Metric]:
        """
        Nothing: names come with the values.
        """
        return []

    def collect(self) -> Iterator[Metric]:
        """
        One family for each number of the status, and the labelled ones.
        """
        status = self._process.status()
        info = GaugeMetricFamily(
            "sipcluster_build_info", "What runs.", labels=["version", "role"]
        )
        info.add_metric([str(status["version"]), str(status["role"])], 1)
        yield info
        ready = status["state"] == "ready"
        yield GaugeMetricFamily("sipcluster_ready", "Takes calls.", float(ready))
        yield GaugeMetricFamily(
            "sipcluster_degraded",
            "Works on, but something it needs is away.",
            float(bool(status.get("degraded"))),
        )
        alarms = status.get("alarms")
        if isinstance(alarms, Mapping):
            family = GaugeMetricFamily(
                "sipcluster_alarms", "Alarms that are active.", labels=["level"]
            )
            levels = [one["level"] for one in alarms["active"]]
            for level in ("critical", "major", "minor"):
                family.add_metric([level], levels.count(level))
            yield family
        for name in ("uptime", "calls", "dialogs", "registrations", "timers"):
            value = status.get(name)
            if isinstance(value, int | float):
                unit = "_seconds" if name == "uptime" else ""
                yield GaugeMetricFamily(f"sipcluster_{name}{unit}", name, value)
        layer = status.get("transactionLayer")
        if isinstance(layer, Mapping):
            family = GaugeMetricFamily(
                "sipcluster_sip_transactions", "SIP transactions.", labels=["kind"]
            )
            for kind in TRANSACTIONS:
                family.add_metric([kind], layer.get(kind, 0))
            yield family
        for name in ("nodes", "proxies"):
            yield from self._inService(status, name)
        transport = status.get("transport")
        for name, found in (
            ("sipcluster_events", status.get("counters")),
            (
                "sipcluster_sip_transport_events",
                transport.get("counts") if isinstance(transport, Mapping) else None,
            ),
        ):
            if isinstance(found, Mapping):
                yield _counted(name, found)

    def _inService(self, status: Mapping[str, object], name: str) -> Iterator[Metric]:
        members = status.get(name)
        if isinstance(members, Mapping):
            family = GaugeMetricFamily(
                f"sipcluster_{name}_in_service", "1 or 0 for each.", labels=["name"]
            )
            for key, value in members.items():
                family.add_metric([str(key)], float(value == "in service"))
            yield family
