"""A dead gateway beside a good one, each kind for a moment."""

import pytest

from tests.studies.faults.dead_gateway import DEAD, answer_waits_s

LONGEST_WAIT_S = 1.0
"On a machine that has other things to do; a gateway that is waited for costs several seconds."


@pytest.mark.parametrize("dead", DEAD.values(), ids=DEAD.keys())
def test_a_dead_gateway_delays_no_answer_of_a_good_one(dead):
    assert max(answer_waits_s(dead, n_packets=40)) < LONGEST_WAIT_S
