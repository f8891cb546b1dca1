"""
What stands for a flow that there is not.
"""

from __future__ import annotations

from zope.interface import implementer

from sipcluster.sip.isip import IFlow, Target


@implementer(IFlow)
class NoFlow:
    """
    The flow of a request for which none was found: nothing can be sent on it.
    """

    reliable = True
    sentBy = b"invalid"
    local = ("", 0)
    token = b""
    closed = True

    def __init__(self, target: Target) -> None:
        self.transportName = target.transportName
        self.remote = (target.host, target.port)

    def send(self, data: bytes) -> None:
        """
        Drop it: the failure is told already.
        """
