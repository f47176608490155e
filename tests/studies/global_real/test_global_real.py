"""A small run over Flower itself: TLS, keys, processes, kills; and the same once more without."""

from dataclasses import replace
from pathlib import Path

import pytest

from host_training.data import catalogue
from tests.scale import IS_NIGHTLY
from tests.studies.global_real.study import ENVIRONMENT, Plan, measure

ROOT = Path(__file__).parents[3]
FLOWER = ROOT / ENVIRONMENT
SMALL = replace(
    Plan(),
    n_devices=6,
    n_gateways=2,
    n_rounds=5,
    n_steps=2,
    liar=5,
    dead=(1, 4),
    kills=((0, "device-1"), (1, "server"), (2, "superlink")),
    limit_s=900.0,
)


@pytest.mark.skipif(not IS_NIGHTLY, reason="five minutes: LATENTLINK_NIGHTLY=1")
@pytest.mark.skipif(
    not (FLOWER / "bin" / "flower-superlink").exists(),
    reason=f"Flower not installed: make {ENVIRONMENT}/.ready, and this is tested too",
)
def test_a_run_over_flower_with_kills_and_a_liar_is_the_run_that_one_process_makes_of_it(tmp_path):
    data = catalogue.load("digits", Path("data"), 0)
    figures, events = measure(SMALL, data, tmp_path, FLOWER, seed=0)
    assert figures["hash_equals_simulator"] == 1
    assert figures["rounds"] == SMALL.n_rounds
    assert figures["kills"] == 4
    assert sum(event["event"] == "begins" for event in events) == 3, "begun again after each kill"
    assert (tmp_path / "ce.pt").exists()
