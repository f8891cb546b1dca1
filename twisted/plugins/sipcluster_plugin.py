"""
Tell C{twistd} about the SIP cluster.
"""

from twisted.application.service import ServiceMaker

sipcluster = ServiceMaker(
    "SIP cluster",
    "sipcluster.app.tap",
    "A SIP cluster: nodes, SIP Proxies, HA pairs.",
    "sipcluster",
)
