import numpy as np
import pytest
import torch

from export.encoder.fold import fold
from export.entropy_model import static_histogram
from export.measure import Accuracies, Agreement, encoder_cost, through_coder


def test_agreement_counts_symbols_and_whole_images():
    reference = np.zeros((4, 5), np.int8)
    symbols = reference.copy()
    symbols[0, 0], symbols[1, 1] = 1, -2
    assert Agreement.between(symbols, reference) == Agreement(
        equal=0.9, within_one=0.95, images=0.5
    )


def test_the_macs_are_those_of_the_paper_layout_counted_by_hand(random_model):
    model = random_model(height=8, width=8, channels=1, base_width=4, hidden=6, latents=5)
    encoder, _ = fold(model, range(3), torch.zeros(5))
    stem = 16 * 4 * 6 * 6 * 1
    module1 = 2 * 16 * 4 * 4 * 9
    module2 = 4 * 8 * 4 * 9 + 4 * 8 * 8 * 9 + 4 * 8 * 4
    dense = 8 * 6 + 6 * 3
    cost = encoder_cost(encoder)
    assert cost.macs == stem + module1 + module2 + dense
    assert cost.parameters == sum(parameter.numel() for parameter in encoder.parameters())
    assert encoder_cost(encoder.with_views(6)).macs == 6 * cost.macs


def test_what_the_coder_gives_back_is_what_it_was_given():
    symbols = np.random.default_rng(0).integers(-9, 10, (40, 7)).astype(np.int8)
    coded = through_coder(symbols, static_histogram(symbols).quantised())
    assert np.array_equal(coded.symbols, symbols)
    assert coded.percentiles()["p100"] == coded.n_bytes.max()
    assert coded.mean_bytes == pytest.approx(coded.n_bytes.mean())


def test_the_drop_is_what_the_float_encoder_has_more_with_the_decoder_that_suits_it_better():
    as_trained = Accuracies(0.96, 0.95, 0.94, 0.93, 0.945, through_coder=0.94)
    assert as_trained.drop_points == pytest.approx(1.0)
    fine_tuned = Accuracies(0.96, 0.81, 0.945, 0.80, 0.945, through_coder=0.94)
    assert fine_tuned.drop_points == pytest.approx(0.5)
