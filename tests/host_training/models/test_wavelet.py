import numpy as np
import pytest
import pywt
import torch

from host_training.models.wavelet import DWT, STEM_REACH, analysis_filters, pixel_pad


def pywt_subbands(image: np.ndarray, wavelet: str) -> np.ndarray:
    """PyWavelets' own transform of one channel, as LL, LH, HL, HH."""
    ll, (lh, hl, hh) = pywt.dwt2(image, wavelet, mode="reflect")
    return np.stack([ll, lh, hl, hh])


@pytest.mark.parametrize("shape", [(8, 8), (32, 32), (24, 40)])
def test_haar_is_pywavelets_transform(shape):
    image = np.random.default_rng(0).random((3, *shape))
    subbands = DWT(3, "haar")(torch.tensor(image, dtype=torch.float32)[None])[0].numpy()
    expected = np.concatenate([pywt_subbands(channel, "haar") for channel in image])
    np.testing.assert_allclose(subbands, expected, atol=1e-6)


def test_gains_multiply_the_subbands_of_each_colour():
    images, gains = torch.rand(2, 3, 8, 8), (2.0, 8.0, 4.0, 32.0)
    expected = DWT(3)(images) * torch.tensor(gains * 3)[:, None, None]
    torch.testing.assert_close(DWT(3, gains=gains)(images), expected)


def test_every_other_coefficient_of_the_undecimated_transform_is_the_decimated_ones():
    images = torch.rand(2, 3, 8, 12)
    everywhere = DWT(3, is_decimated=False)(images)
    assert everywhere.shape == (2, 12, 9, 13)
    torch.testing.assert_close(everywhere[:, :, 1::2, 1::2], DWT(3)(images))


@pytest.mark.parametrize("wavelet", ["bior2.2", "bior4.4"])
def test_the_longer_filters_are_pywavelets_transform_of_the_reflected_image(wavelet):
    image = np.random.default_rng(1).random((2, 32, 48))
    padded = np.pad(image, ((0, 0), *[(pixel_pad(wavelet),) * 2] * 2), mode="reflect")
    subbands = DWT(2, wavelet)(torch.tensor(padded, dtype=torch.float32)[None])[0].numpy()
    assert subbands.shape == (8, 16 + 2 * STEM_REACH, 24 + 2 * STEM_REACH)
    inner = subbands[:, STEM_REACH:-STEM_REACH, STEM_REACH:-STEM_REACH]
    first = len(pywt.Wavelet(wavelet).dec_lo) // 4
    expected = np.concatenate([pywt_subbands(channel, wavelet) for channel in image])
    np.testing.assert_allclose(
        inner, expected[:, first : first + 16, first : first + 24], atol=1e-6
    )


def test_an_unknown_wavelet_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"db7.*haar, bior2\.2, bior4\.4"):
        analysis_filters("db7")
