"""What is known of a node, from events alone."""

from dataclasses import replace

import pytest

from host_decoder.alerts.observed import HOUR_S, MIN_PACKETS, Observation
from host_decoder.events import NOT_OPENED, Notice
from tests.worlds.heard import heard, told
from tests.worlds.small_host import NODE, answer


@pytest.fixture
def observation(node_entry):
    return Observation([node_entry], 0.0)


def test_the_latest_answer_and_status_and_the_airtime_of_the_latest_packet(observation):
    observation.hear(told(1.0, queue_images=3))
    observation.hear(heard(2.0, airtime_s=0.25))
    observation.hear(heard(3.0, airtime_s=0.375))
    observed = observation.hear(answer(5))
    assert (observed.status.queue_images, observed.answer.image) == (3, 5)
    assert observed.airtime_s == 0.125
    assert observation.presence.heard_s(NODE) == 3.0


def test_events_of_nobody_here_change_nothing(observation):
    assert observation.hear(Notice("a port was opened")) is None
    assert observation.hear(heard(1.0, node=9)) is None
    assert observation.hear(heard(1.0, outcome="noise")).heard is None


def test_a_node_that_came_while_the_host_ran_is_one_of_them(observation, node_entry):
    observation.add([replace(node_entry, number=9, period_s=60.0)])
    assert observation.hear(heard(1000.0, node=9)).heard is not None
    assert observation.presence.is_silent(9, 1200.0) is True


def test_loss_is_the_last_hours_and_needs_some_packets(observation):
    def lost(at_s, sent, n_lost):
        return observation.hear(heard(at_s, sent=sent, lost=n_lost)).loss_ratio()

    assert lost(0.0, MIN_PACKETS - 1, 5) is None
    assert lost(1.0, 40, 10) == 0.25
    for minute in range(1, 200):
        ratio = lost(60.0 * minute, 40 + minute, 10)
    assert ratio == 0


def test_packets_in_its_name_that_its_key_does_not_open_are_counted_for_an_hour(observation):
    for at_s in (0.0, 10.0, HOUR_S):
        observed = observation.hear(heard(at_s, outcome="not opened"))
    assert observed.n_bad_tags(HOUR_S + 5.0) == 2
    assert observed.heard is None


def test_a_clock_that_is_set_keeps_the_last_hour(observation):
    observation.hear(heard(5.0, outcome=NOT_OPENED))
    observation.hear(heard(6.0, sent=0))
    observation.hear(heard(7.0, sent=MIN_PACKETS, lost=MIN_PACKETS))
    observation.clock_moved(1e9, 1e9 + 8)
    observation.hear(heard(1e9 + 9, sent=MIN_PACKETS, lost=MIN_PACKETS))
    observed = observation.nodes[NODE]
    assert observed.n_bad_tags(1e9 + 8) == 1
    assert observed.loss_ratio() == 1.0
