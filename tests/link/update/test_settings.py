"""Settings of a run."""

import json

import numpy as np
import pytest

from link.update.settings import RunSettings, by_round

NETWORK = "00112233445566aa"


def test_they_are_written_and_read_again():
    settings = RunSettings(
        network=NETWORK, learning_rates=(0.1, 0.3), up_bytes=(0, 700), has_flips=True
    )
    assert RunSettings.from_json(settings.to_json()) == settings


def test_another_setting_is_another_run():
    runs = {
        RunSettings(network=NETWORK, **changed).run_id
        for changed in ({}, {"seed": 1}, {"learning_rates": (0.1,)}, {"up_bytes": (1,)})
    }
    assert len(runs) == 4
    assert all(len(run) == 8 for run in runs)


def test_scores_are_raised_by_the_logarithms_of_the_devices_own_shares():
    """A class without an image is rare, and not impossible."""
    settings = RunSettings(network=NETWORK, prior_weight=2.0)
    bias = settings.score_bias(np.array([30, 10, 0]))
    assert bias is not None
    assert bias.dtype == np.float32
    np.testing.assert_allclose(bias, 2 * np.log([0.75, 0.25, 0.001]), rtol=1e-6)
    assert RunSettings(network=NETWORK).score_bias(np.array([30, 10, 0])) is None


def test_the_last_entry_holds_from_there_on():
    assert [by_round((5, 7), round_) for round_ in range(4)] == [5, 7, 7, 7]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"network": "zz"}, "network of the run's settings is 'zz'; it must be 16 hex digits"),
        ({"n_steps": 0}, "n_steps of the run's settings is 0; it must be from 1 to 65536"),
        ({"momentum": 1.0}, "at least 0 and below 1"),
        ({"momentum": "0.9"}, "momentum of the run's settings is '0.9'"),
        ({"learning_rates": []}, "at least one entry"),
        ({"learning_rates": ["a"]}, "learning_rates of the run's settings is"),
        ({"outer_decay": float("nan")}, "outer_decay of the run's settings is nan"),
        ({"has_flips": 1}, "has_flips of the run's settings is 1"),
        ({"speed": 1}, "have no 'speed'"),
        ({"memory": "int4"}, "memory of the run's settings is 'int4'"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(changed, sentence):
    with pytest.raises(ValueError, match=sentence):
        RunSettings.from_json(json.dumps({"network": NETWORK} | changed))


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "[" * 10_000, b"\xff"])
def test_what_are_no_settings_is_refused(text):
    with pytest.raises(ValueError, match="the settings of the run"):
        RunSettings.from_json(text)
