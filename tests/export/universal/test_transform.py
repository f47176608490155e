import numpy as np
import pytest

from export.universal.transform import Fit, entropy, rounded, step_of, transform

N_FEATURES = 24


@pytest.fixture(scope="module")
def fit():
    """Images of six classes that lie along three directions, in features that vary otherwise
    too.
    """
    rng = np.random.default_rng(0)
    labels = np.arange(900) % 6
    means = np.zeros((6, N_FEATURES))
    means[:, :3] = rng.normal(0, 2, (6, 3))
    spread = np.linspace(0.5, 3, N_FEATURES)
    features = means[labels] + spread * rng.normal(size=(900, N_FEATURES))
    return Fit(features.astype(np.float32), np.ones(900), np.zeros(900, int))


def test_the_rounded_numbers_take_the_bits_that_were_asked_for(fit):
    head = np.random.default_rng(1).normal(size=(50, N_FEATURES))
    by = transform(fit, head, 10, bits=20.0)
    symbols = rounded(fit.features, by)
    assert symbols.shape == (900, 10)
    assert symbols.dtype == np.int8
    assert entropy(symbols, fit.weights) == pytest.approx(20, abs=0.3)
    assert (np.diff(by.importance.numpy()) <= 0).all()
    varies = (by.analysis.numpy() @ (fit.features - by.mean.numpy()).T).std(1)
    assert (np.diff(varies) <= 1e-6).all()


def test_what_known_questions_read_comes_before_what_nobody_asks(fit):
    asked = np.zeros((2, N_FEATURES))
    asked[0, 5], asked[1, 5] = 100.0, -100.0
    by = transform(fit, asked, 4, bits=12.0)
    first = np.abs(by.analysis.numpy()[0]) * fit.features.std(0)
    assert first.argmax() == 5


def test_images_count_as_much_as_they_weigh():
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(0, 1, (50, 8)), rng.normal(9, 1, (500, 8))])
    weights = np.repeat([10.0, 1.0], [50, 500])
    fit = Fit(features.astype(np.float32), weights, np.zeros(550, int))
    by = transform(fit, rng.normal(size=(5, 8)), 3, bits=6.0)
    assert by.mean.numpy() == pytest.approx(np.full(8, 4.5), abs=0.2)


def test_what_sets_differ_in_as_a_whole_is_not_what_tells_most():
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (600, 8))
    of = np.repeat([0, 1], 300)
    features[:, 0] += 20 * of
    features[:, 1] *= 3
    head = np.eye(8)
    leading = []
    for groups in (np.zeros(600, int), of):
        fit = Fit(features.astype(np.float32), np.ones(600), groups)
        by = transform(fit, head, 2, bits=6.0)
        leading.append(np.abs(by.analysis.numpy()[0] * features.std(0)).argmax())
    assert leading == [0, 1]


def test_the_entropy_of_known_columns():
    numbers = np.stack([np.tile([0, 1], 8), np.tile([0, 1, 2, 3], 4), np.zeros(16)], axis=1)
    assert entropy(numbers, np.ones(16)) == 3
    assert step_of(numbers[:, :1] * 10, np.ones(16), 0.5) > 10
