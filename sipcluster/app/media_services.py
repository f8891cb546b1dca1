"""
The media servers of a configuration, as a node uses them.
"""

from __future__ import annotations

from collections.abc import Iterator

from sipcluster.app.devices import ways
from sipcluster.app.runtime import NodeRuntime
from sipcluster.app.settings import Configuration
from sipcluster.mediaservice.services import MediaServices, ServerSettings
from sipcluster.servicecheck.device_asker import DeviceAsker
from sipcluster.sessioncontroller.isessioncontroller import IProxies
from sipcluster.sip.transactions import TransactionLayer


def serversOf(configuration: Configuration) -> Iterator[ServerSettings]:
    """
    The media servers that nodes may use.
    """
    for dn in configuration.mediaServices:
        yield ServerSettings(
            dn.number,
            dn.contact.encode(),
            dn.geoLocation,
            dn.serviceType == "msml",
            dn.oosCheck,
            dn.oosForce,
        )


def makeMediaServices(
    runtime: NodeRuntime, layer: TransactionLayer, proxies: IProxies
) -> MediaServices:
    """
    What a node knows of media servers, which it reaches through the SIP Proxies.
    """
    configuration = runtime.configuration
    host = configuration.pairHost(configuration.pairOf(runtime.name))
    return MediaServices(
        runtime.clock,
        serversOf(configuration),
        DeviceAsker(
            runtime.clock,
            layer,
            runtime.identifiers,
            b"sip:" + host.encode(),
            ways(proxies),
        ),
        lambda: int.from_bytes(runtime.entropy(4), "big") / 2**32,
    )
