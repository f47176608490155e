import numpy as np
import pytest
import torch

from tests.studies.rivals import factorised_prior
from tests.studies.rivals.macs import multiply_accumulates


def test_macs_of_a_transposed_convolution_are_counted_at_its_input():
    layer = torch.nn.ConvTranspose2d(5, 7, 2, 2)
    assert multiply_accumulates(layer, torch.zeros(1, 5, 4, 4)) == 4 * 4 * 5 * 7 * 2 * 2


@pytest.mark.skipif(
    not factorised_prior.ENVIRONMENT.is_dir(), reason="CompressAI is in an environment of its own"
)
def test_the_factorised_prior_gives_symbols_back_in_little_more_than_their_entropy():
    rng = np.random.default_rng(0)
    symbols = np.rint(rng.normal([0, 5, -7, 0], [1, 3, 2, 0.4], (2000, 4))).astype(np.int8)
    coded = factorised_prior.same_symbols(symbols, symbols[:200], n_steps=300)
    entropy = 0.0
    for column in symbols.T:
        p = np.unique(column, return_counts=True)[1] / len(column)
        entropy -= float((p * np.log2(p)).sum())
    assert np.array_equal(coded.latents, symbols[:200])
    assert entropy / 8 - 0.1 < coded.n_bytes_shortest.mean() < entropy / 8 + 1.1
    assert set(coded.n_bytes % 4) == {0}
