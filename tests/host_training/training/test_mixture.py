"""The mixture in the loss spends what the coder spends; its gradient is a difference of bits."""

import numpy as np
import pytest
import torch

from export.entropy_model import Mixture
from host_training.training.mixture import SymbolMixture
from link.coder import latent_coder, mean_bits


@pytest.fixture
def symbols():
    """Float32 (600, 5): two classes, two kinds in each."""
    rng = np.random.default_rng(0)
    centres = rng.integers(-6, 7, (4, 5))
    kinds = np.arange(600) % 4
    rounded = np.rint(centres[kinds] + rng.normal(0, 0.7, (600, 5)))
    return torch.tensor(rounded, dtype=torch.float32), torch.tensor(kinds // 2)


@pytest.fixture
def mixture(symbols):
    found = SymbolMixture(5, 4)
    found.fit(symbols[0], symbols[1], 0)
    return found


def tables_of(mixture, order, symbols):
    chosen = symbols[:, order].numpy().astype(np.int8)
    return Mixture.learned(mixture, order, chosen).quantised(), chosen


def test_its_bits_are_the_coders(mixture, symbols):
    order = [3, 0, 1, 4, 2]
    tables, chosen = tables_of(mixture, order, symbols[0])
    spent = float(mixture.bits(symbols[0]).detach().mean())
    assert mean_bits(chosen, tables) == pytest.approx(spent, rel=0.01)
    coded = np.mean([8 * len(latent_coder.encode(row, tables)) for row in chosen])
    assert spent < coded < spent + 8


def test_the_integer_tables_are_the_learned_ones(mixture, symbols):
    tables, _ = tables_of(mixture, range(5), symbols[0])
    np.testing.assert_allclose(
        tables.prior / tables.prior.sum(), mixture.weights.softmax(0).detach(), atol=1e-4
    )
    for d, counts in enumerate(tables.cumulative):
        first = int(tables.symbol_min[d] - mixture.minimum[d])
        learned = mixture.log_tables[d, first : first + len(counts) - 1].exp().detach()
        np.testing.assert_allclose(np.diff(counts, axis=0) / 2**16, learned, atol=2e-3)


def test_the_gradient_is_what_the_next_symbol_costs_more(mixture, symbols):
    latents = symbols[0][:50].double().clone()
    mixture.double()
    between = (latents + 0.5).requires_grad_()
    mixture.bits(between).sum().backward()
    step = 1e-4
    for d in range(5):
        moved = torch.zeros(5, dtype=torch.float64)
        moved[d] = step
        with torch.no_grad():
            slope = (mixture.bits(between + moved) - mixture.bits(between - moved)) / (2 * step)
        torch.testing.assert_close(between.grad[:, d], slope, atol=1e-5, rtol=1e-4)


def test_dependent_latents_cost_less_together(symbols):
    alone, together = SymbolMixture(5, 1), SymbolMixture(5, 4)
    for one in (alone, together):
        one.fit(symbols[0], symbols[1], 0)
    assert together.bits(symbols[0]).mean() < 0.8 * alone.bits(symbols[0]).mean()
