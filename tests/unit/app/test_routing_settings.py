"""
Routing points of the configuration, as the Session Controller sees them.
"""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app.node import directoryOf
from sipcluster.app.settings import RoutingPoint
from sipcluster.sessioncontroller.isessioncontroller import RoutingPointDN
from tests.memory.nodes import configuration


class RoutingPointTests(SynchronousTestCase):
    """
    C{[[routing-point]]}.
    """

    def find(self, *points: RoutingPoint) -> RoutingPointDN:
        """
        What the first one comes to.
        """
        made = configuration()
        others = tuple(dn for dn in made.dns if not isinstance(dn, RoutingPoint))
        found = directoryOf(evolve(made, dns=(*others, *points))).routingPoint(
            points[0].number
        )
        assert found is not None
        return found

    def test_usual(self) -> None:
        """
        Nothing need be said.
        """
        self.assertEqual(self.find(RoutingPoint(number="5000")), RoutingPointDN("5000"))

    def test_all(self) -> None:
        """
        All that can be said counts.
        """
        point = RoutingPoint(
            number="5000",
            defaults=("1001",),
            routerTimeout=3.0,
            divertOnRinging=False,
            ringingOnRoutePoint=False,
            noAnswerTimeout=9.0,
            noAnswerOverflow=("none",),
        )
        self.assertEqual(
            self.find(point),
            RoutingPointDN(
                "5000",
                ("1001",),
                routerTimeout=3.0,
                divertOnRinging=False,
                ringing=False,
                noAnswerTimeout=9.0,
                noAnswerOverflow=("none",),
            ),
        )

    def test_profile(self) -> None:
        """
        Defaults may be those of another routing point; one that is not there has none.
        """
        profile = RoutingPoint(number="5999", defaults=("1002", "1003"))
        for own, name, defaults in (
            ((), "5999", ("1002", "1003")),
            (("1001",), "5999", ("1001",)),
            ((), "5998", ()),
        ):
            point = RoutingPoint(
                number="5000", defaults=own, alternateRouteProfile=name
            )
            self.assertEqual(self.find(point, profile).defaults, defaults)
