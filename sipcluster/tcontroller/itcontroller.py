"""
The seams of the T-Controller: what it is told and what it tells, besides the seams
of a T-Library port and of the Session Controller.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen
from zope.interface import Interface


@frozen
class AgentSettings:
    """
    How agents are kept.

    @ivar wrapUpTime: seconds of after-call work that follow each call of an agent
        whose login does not say otherwise; 0: none.
    @ivar logoutGrace: seconds that an agent stays logged in when the client that
        logged it in has gone; 0: it is logged out at once; L{None}: it stays.
    @ivar logoutOutOfService: an agent is logged out when its DN goes out of
        service, and cannot log in while it is.
    @ivar location: C{geo-location} of this node: C{site} in the Reasons of
        EventAgentReady; C{""}: it has none.
    """

    wrapUpTime: float = 0.0
    logoutGrace: float | None = 30.0
    logoutOutOfService: bool = False
    location: str = ""


class IDNStates(Interface):
    """
    Tells people what DNs and agents are like, and why.
    """

    def explained() -> Iterable[dict[str, object]]:
        """
        All DNs, each as by L{explain} without its history.
        """

    def agents() -> Iterable[dict[str, object]]:
        """
        Of these the DNs at which an agent is logged in.
        """

    def explain(dn: str) -> dict[str, object] | None:
        """
        What a DN is, since when and why, with its history: plain values, lists and
        dicts of them.

        @return: L{None}: there is no such DN.
        """
