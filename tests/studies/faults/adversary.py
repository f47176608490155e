"""The adversary of tests.link.test_adversary, to the end: forgeries, recordings of weeks, one-way
links, a neighbour.

Accepted counts what it had believed that it should not: anything forged, anything twice, a
recording whose counter was not above. Its steps are drawn anew in every run; one that succeeds ends
the run and is shown.
"""

import traceback

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.link.test_adversary import Adversary

N_STEPS = 100_000
STEPS_PER_LIFE = 100


def measure(n_steps: int = N_STEPS) -> dict[str, float]:
    """adversary_accepted and adversary_steps."""
    n_accepted, begun = 0, Adversary.n_steps
    how = settings(
        max_examples=max(1, n_steps // STEPS_PER_LIFE // 2),
        stateful_step_count=STEPS_PER_LIFE,
        phases=(Phase.generate, Phase.shrink),
        database=None,
        deadline=None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.filter_too_much,
            HealthCheck.data_too_large,
        ],
    )
    while not n_accepted and Adversary.n_steps - begun < n_steps:
        try:
            run_state_machine_as_test(Adversary, settings=how)
        except AssertionError:
            traceback.print_exc()
            n_accepted += 1
    return {"adversary_accepted": n_accepted, "adversary_steps": Adversary.n_steps - begun}
