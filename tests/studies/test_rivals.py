from typing import Any

import numpy as np
import pytest
import torch

from export.fold import fold, input_shape
from export.measure import encoder_cost
from host_training.model import AutoEncoder, ModelConfig
from tests.studies import factorised_prior
from tests.studies.rivals import encoder_macs, multiply_accumulates

SMALL: dict[str, Any] = dict(base_width=8, blocks=(1, 1, 1), hidden=16, latents=6, latent_decoder_width=8)


@pytest.mark.parametrize("more", [{}, {"has_module3_on_node": True}])
def test_macs_of_the_encoder_are_those_of_the_deployed_one(more):
    config = ModelConfig(32, 32, 3, 10, **SMALL, **more)
    model = AutoEncoder(config).eval()
    deployed, _ = fold(model, range(config.latents), torch.zeros(config.latents))
    assert encoder_macs(model) == encoder_cost(deployed, input_shape(config)).macs


def test_macs_of_a_transposed_convolution_are_counted_at_its_input():
    layer = torch.nn.ConvTranspose2d(5, 7, 2, 2)
    assert multiply_accumulates(layer, torch.zeros(1, 5, 4, 4)) == 4 * 4 * 5 * 7 * 2 * 2


@pytest.mark.skipif(not factorised_prior.ENVIRONMENT.is_dir(), reason="CompressAI is in an environment of its own")
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
