"""
Who answers the requests about calls of a T-Library port.
"""

from __future__ import annotations

from collections.abc import Iterator

from sipcluster.sessioncontroller.iconferences import IConferences
from sipcluster.sessioncontroller.irouting import IRouting
from sipcluster.sessioncontroller.isessioncontroller import ICallControl
from sipcluster.sessioncontroller.isupervision import ISupervision
from sipcluster.sessioncontroller.itransfers import ITransfers
from sipcluster.tserver.call_asking import CallAsking
from sipcluster.tserver.conference_requests import ConferenceRequests
from sipcluster.tserver.itserver import IEventPublisher
from sipcluster.tserver.routing_requests import PredictiveRequests, RoutingRequests
from sipcluster.tserver.supervision_requests import SupervisionRequests
from sipcluster.tserver.transfer_requests import TransferRequests


def callHandlers(
    publisher: IEventPublisher, calls: ICallControl, routing: bool = True
) -> Iterator[CallAsking]:
    """
    All that the Session Controller can do, besides what L{CallRequests
    <sipcluster.tserver.call_requests.CallRequests>} asks of it.

    @param publisher: the port.
    @param calls: the Session Controller; also of the other seams, as far as it has
        them.
    @param routing: whether the port is for routing clients.
    """
    transfers, conferences = ITransfers(calls, None), IConferences(calls, None)
    supervision, routed = ISupervision(calls, None), IRouting(calls, None)
    if transfers is not None:
        yield TransferRequests(publisher, transfers, calls)
        if conferences is not None:
            yield ConferenceRequests(publisher, conferences, transfers, calls)
    if supervision is not None and conferences is not None:
        yield SupervisionRequests(publisher, supervision, conferences, calls)
    if routed is not None:
        yield PredictiveRequests(publisher, routed)
        if routing:
            yield RoutingRequests(publisher, routed)
