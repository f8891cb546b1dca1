"""
Who asked for something, and how its answer finds the way back.
"""

from __future__ import annotations

from attrs import frozen


@frozen
class Requester:
    """
    Who asked for what happens: goes with a request through the cluster and comes
    back with the event that answers it.  A plain value, so that it can be written
    down with the call it concerns.

    @ivar client: id of the client's session at the port that took the request.
    @ivar reference: the ReferenceID that the client chose; never 0.
    """

    client: str
    reference: int
