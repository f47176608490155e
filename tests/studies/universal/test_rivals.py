import numpy as np
import pytest

from tests.studies.universal.rivals import CODECS, product_quantised, small_pictures


def test_a_product_quantiser_hears_centres_of_what_it_was_fitted_to_and_more_bytes_hear_more():
    rng = np.random.default_rng(0)
    fit, asked = rng.normal(size=(600, 12)), rng.normal(size=(50, 12))
    errors = []
    for n_bytes in (2, 6):
        heard = product_quantised(fit, asked, n_bytes, seed=0)
        assert len(np.unique(heard[:, 0::n_bytes], axis=0)) <= 256
        errors.append(float(((heard - asked) ** 2).mean()))
    assert errors[1] < errors[0] < 1


@pytest.fixture(scope="module")
def images():
    """Ramps of two colours, which are short to code."""
    ramp = np.linspace(0, 255, 128).astype(np.uint8)
    one = np.stack([np.tile(ramp, (128, 1)), np.tile(ramp[:, None], (1, 128))], axis=-1)
    flat = np.full((128, 128, 1), 90, np.uint8)
    return np.stack([np.concatenate([np.roll(one, 9 * n, 1), flat], axis=-1) for n in range(4)])


def test_each_codec_has_its_longest_pictures_that_are_short_enough_or_its_shortest(images):
    few, many = (list(small_pictures(images, n)) for n in (1, 10_000))
    assert [one.codec for one in few] == list(CODECS)
    for short, long in zip(few, many, strict=True):
        assert 1 < short.mean_bytes < long.mean_bytes < 10_000
        assert short.images.shape == images.shape
        error = [np.abs(one.images.astype(float) - images).mean() for one in (short, long)]
        assert error[1] < error[0] < 64
