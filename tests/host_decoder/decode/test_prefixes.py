import numpy as np
import pytest

from host_decoder.decode.prefixes import Prefixes, fit_share_to_come, hat_functions
from link.coder import latent_coder
from tests.worlds.small_bundle import random_symbols, random_tables


def test_prefixes_are_what_the_host_decodes():
    tables = random_tables(seed=1)
    symbols = np.stack([random_symbols(tables, seed) for seed in range(20)])
    prefixes = Prefixes.of(symbols, tables)
    bitstreams = [latent_coder.encode(image, tables) for image in symbols]
    assert len(prefixes.image) == sum(map(len, bitstreams))
    assert prefixes.image[:20].tolist() == list(range(20))
    assert np.array_equal(prefixes.symbols[:20], symbols)
    assert (prefixes.n_known[:20] == tables.n_latents).all()
    of_first = np.flatnonzero(prefixes.image == 0)[1:]
    for n_bytes, row in enumerate(of_first, start=1):
        latent = latent_coder.decode(bitstreams[0][:n_bytes], tables, complete=False)
        assert latent.n_known == prefixes.n_known[row]
        assert np.array_equal(latent.symbols, prefixes.symbols[row])


def test_no_more_prefixes_than_asked_for_and_the_same_each_time():
    tables = random_tables(seed=1)
    symbols = np.stack([random_symbols(tables, seed) for seed in range(20)])
    first, second = (Prefixes.of(symbols, tables, max_prefixes=7) for _ in range(2))
    assert len(first.image) == 27
    assert np.array_equal(first.image, second.image)


def test_the_share_to_come_is_what_became_right_of_what_was_expected_wrong():
    hats = hat_functions(np.repeat([0, 5], 1000), (0, 5, 9))
    confidence = np.repeat([0.6, 0.8], 1000)
    correct = np.arange(2000) % 10 < np.repeat([6, 8], 1000)
    whole = np.arange(2000) % 10 < 9
    assert fit_share_to_come(confidence, correct, whole, hats) == pytest.approx(
        (0.75, 0.5, 0), abs=0.01
    )


def test_without_data_nothing_is_given_up():
    shares = fit_share_to_come(np.zeros(0), np.zeros(0, bool), np.zeros(0, bool), np.zeros((0, 3)))
    assert shares == (1, 1, 0)
