"""
The configuration of a whole cluster: one frozen class for each table of its file.
"""

from sipcluster.app.settings.applications import (
    Application,
    Node,
    Pair,
    Ports,
    Proxy,
    SIPApplication,
    Store,
)
from sipcluster.app.settings.configuration import (
    APPLICATION_TABLES,
    DN_TABLES,
    VARIANTS,
    BadConfiguration,
    Configuration,
)
from sipcluster.app.settings.dns import (
    ALGORITHMS,
    DN,
    ClusterNodes,
    Extension,
    RoutingPoint,
    Trunk,
)
from sipcluster.app.settings.media import Media, MediaServiceDN
from sipcluster.app.settings.monitors import AlarmSettings, Monitoring
from sipcluster.app.settings.reading import parseConfiguration, readConfiguration
from sipcluster.app.settings.switch import Log, Switch
from sipcluster.app.settings.tlib import TLibApplication

__all__ = [
    "ALGORITHMS",
    "APPLICATION_TABLES",
    "DN",
    "DN_TABLES",
    "VARIANTS",
    "AlarmSettings",
    "Application",
    "BadConfiguration",
    "ClusterNodes",
    "Configuration",
    "Extension",
    "Log",
    "Media",
    "MediaServiceDN",
    "Monitoring",
    "Node",
    "Pair",
    "Ports",
    "Proxy",
    "RoutingPoint",
    "SIPApplication",
    "Store",
    "Switch",
    "TLibApplication",
    "Trunk",
    "parseConfiguration",
    "readConfiguration",
]
