"""The whole link over a bad channel, both ends killed again and again: nothing lost, no rule
broken, little wasted.
"""

from dataclasses import replace

import pytest

from tests.scale import size
from tests.studies.simulation.session import EDGE, HOST, NODE, Scenario, simulate
from tests.studies.simulation.study import BUSY, figures

N_IMAGES = size(600, 10_000)


@pytest.fixture(scope="module")
def result():
    return figures(Scenario(n_images=N_IMAGES, images_per_kill=100.0))


def test_every_base_chunk_is_delivered(result):
    assert result["base_chunks_delivered_share"] == 1.0
    assert result["node_kills"] > 0
    assert result["host_kills"] > 0
    assert result["frames_lost_share"] > 0.1


def test_it_takes_at_most_half_more_airtime_than_a_perfect_link(result):
    assert result["airtime_over_perfect_link"] <= 1.5


def test_no_hour_holds_more_airtime_than_the_duty_cycle_allows(result):
    assert result["duty_cycle_violations"] == 0


def test_at_the_limit_of_the_duty_cycle_refinements_give_way_and_base_chunks_do_not():
    simulation = simulate(
        replace(BUSY, n_images=size(400, 10_000), interval_s=0.5, images_per_kill=0)
    )
    assert simulation.n_delivered == len(simulation.captured)
    for end in (NODE, HOST):
        assert simulation.busiest_hour_s(end) <= 360.0
    assert EDGE.mean_loss == pytest.approx(0.2)
