"""The figures of docs/scaling.md come from those of docs/performance.md."""

import pytest

from scripts.scaling import PERFORMANCE, REQUESTS, Cost, Population, measured, simulate


def test_each_request_has_its_cost_in_the_document_on_performance() -> None:
    costs = measured(PERFORMANCE.read_text())
    assert list(costs) == list(REQUESTS)
    assert costs["password"].server > costs["refresh"].server > costs["introspect"].server > 0
    assert costs["password"].database > costs["introspect"].database > 0


@pytest.mark.parametrize("utilization", [0.3, 0.6])
def test_a_simulated_core_is_shared_as_the_theory_says(utilization: float) -> None:
    """M/G/1 with processor sharing: a request takes its cost by what is left of the core."""
    costs = {kind: Cost(10.0, 0.0) for kind in Population(1).in_the_busiest_second()}
    times = simulate(costs, cores=1, utilization=utilization, seconds=400.0)
    assert times.other_mean == pytest.approx(10.0 / (1 - utilization), rel=0.05)


def test_a_simulated_node_refuses_logins_past_its_queue_and_nothing_before() -> None:
    costs = {"password": Cost(50.0, 1.0)} | dict.fromkeys(REQUESTS[1:], Cost(0.01, 0.0))
    assert simulate(costs, cores=1, utilization=0.5, seconds=100.0).refused == 0
    storm = simulate(costs, cores=1, utilization=2.0, seconds=100.0)
    assert storm.refused == pytest.approx(0.5, abs=0.1)
