import numpy as np
import pytest

from host_decoder.decode.prefixes import hat_functions
from host_decoder.teach.calibrating import calibrate, fit_temperature
from host_decoder.teach.head import teach
from link.bundle.calibration import softmax
from tests.worlds.small_bundle import random_symbols, random_tables


def test_the_temperature_that_answers_were_drawn_with_is_found_again():
    rng = np.random.default_rng(0)
    knots = (0, 10, 20)
    n_known = rng.integers(0, 21, 40_000)
    true = np.exp(np.interp(n_known, knots, np.log([8.0, 4.0, 2.0])))
    logits = rng.normal(0, 4, (len(n_known), 5))
    correct = softmax(logits / true[:, None]).max(1) > rng.random(len(n_known))
    found = fit_temperature(softmax(logits), correct, hat_functions(n_known, knots))
    # of 33 candidates; where hardly anything is known, few answers are sure of anything
    assert found == pytest.approx((8, 4, 2), rel=0.35)


def test_wrong_answers_are_put_right_while_an_image_comes_and_none_at_the_end():
    tables = random_tables(seed=1)
    symbols = np.stack([random_symbols(tables, seed) for seed in range(120)])
    labels = (symbols[:, 6:].sum(1) > np.median(symbols[:, 6:].sum(1))).astype(int)
    taught = teach(symbols.astype(float), labels, 2)
    found = calibrate(taught, symbols, tables)
    assert found is not None
    assert found.n_latents == tables.n_latents
    assert found.share_to_come[-1] == 0
    assert found.share_to_come[0] > 0.3  # what tells the classes apart comes last


def test_few_examples_promise_no_confidence():
    tables = random_tables(seed=1)
    symbols = np.stack([random_symbols(tables, seed) for seed in range(20)])
    labels = np.arange(20) % 2
    assert calibrate(teach(symbols.astype(float), labels, 2), symbols, tables) is None
