"""Eight nodes on one channel: every image arrives once, slots keep frames apart, the better gateway
answers.
"""

from dataclasses import replace

import pytest

from link.host.interface import Reason
from tests.scale import size
from tests.studies.many_nodes.channel import Scenario, simulate
from tests.studies.many_nodes.study import LOSSY

SCENARIO = Scenario(n_images=size(40, 1000), interval_s=10.0)


@pytest.fixture(scope="module")
def free():
    return simulate(SCENARIO)


@pytest.fixture(scope="module")
def slotted():
    return simulate(replace(SCENARIO, has_slots=True))


@pytest.fixture(scope="module")
def lossy():
    return simulate(replace(SCENARIO, impairments=LOSSY))


@pytest.fixture(scope="module")
def twice_heard():
    return simulate(replace(SCENARIO, impairments=LOSSY, n_gateways=2))


@pytest.mark.parametrize("channel", ["free", "slotted", "lossy", "twice_heard"])
def test_every_image_of_every_node_arrives_once(channel, request):
    channel = request.getfixturevalue(channel)
    assert channel.n_collided > 0
    assert len(channel.captured_s) == SCENARIO.n_nodes * SCENARIO.n_images
    assert set(channel.first_heard_s) == set(channel.captured_s)
    assert set(channel.chunks.values()) == {1}


def test_nodes_that_met_once_do_not_meet_again_and_again(free):
    assert free.n_collided < 0.3 * free.n_frames.total()


def test_in_slots_of_their_own_frames_do_not_meet(slotted, free):
    assert slotted.settled_collided_share < 0.01
    assert slotted.figures()["airtime_per_image_s"] < free.figures()["airtime_per_image_s"]


def test_slots_cost_latency(slotted, free):
    assert slotted.figures()["median_latency_s"] > free.figures()["median_latency_s"]


def test_what_two_gateways_heard_counts_once_and_the_better_one_answers(twice_heard):
    assert twice_heard.rejected[Reason.DUPLICATE] > len(twice_heard.captured_s) / 2
    assert set(twice_heard.answered_by) == {0, 1}
    assert twice_heard.n_worse == 0
