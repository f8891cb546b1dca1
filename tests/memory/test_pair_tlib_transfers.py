"""
Transfers, conferences and routing at a pair whose primary is killed after each step.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.memory.pair_desks import PairDesksTestCase, PairMediaTestCase
from tests.scenarios import (
    conferences,
    predictive,
    routing,
    supervision,
    transfers,
)
from tests.scenarios.table import Scenario


def _kills(*scenarios: Scenario) -> Callable[[type], type]:
    """
    Give a class a test for each step of each scenario.
    """

    def add(cls: type) -> type:
        for scenario in scenarios:
            for crash in range(len(scenario.steps) - 1):
                _add(cls, scenario, crash)
        return cls

    return add


def _add(cls: type, scenario: Scenario, crash: int) -> None:
    def test(self: PairDesksTestCase) -> None:
        self.play(scenario, crash)

    test.__name__ = f"test_{scenario.name}_{crash + 1}"
    test.__qualname__ = f"{cls.__qualname__}.{test.__name__}"
    test.__doc__ = f"{scenario.title}; killed after step {crash + 1}."
    setattr(cls, test.__name__, test)


@_kills(*(one for one in transfers.SCENARIOS if one.name != "merged"))
class TransferTests(PairDesksTestCase):
    """
    Call models 3.3 and 3.4.
    """


@_kills(
    *conferences.SCENARIOS,
    *supervision.SCENARIOS,
    *(one for one in transfers.SCENARIOS if one.name == "merged"),
)
class ConferenceTests(PairMediaTestCase):
    """
    Call models 3.5 and 3.8.
    """


@_kills(
    *(one for one in routing.SCENARIOS if one.name != "rerouted"),
    *(one for one in predictive.SCENARIOS if one.name != "predictiveNoAnswer"),
)
class QueueTests(PairMediaTestCase):
    """
    Call models 3.6 and 3.7.
    """

    portName = "default"
    letters = "ABCP"
