"""PSNR and SSIM against scikit-image."""

import numpy as np
import pytest

from export.decoders.pictures import psnr, ssim


def pairs() -> tuple[np.ndarray, np.ndarray]:
    """Noise and a smooth pattern, and something like each, uint8 (2, 16, 20, 3)."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (16, 20, 3)).astype(np.uint8)
    duller = np.clip(
        noise.astype(int) // 2 + rng.integers(-30, 31, noise.shape) + 40, 0, 255
    ).astype(np.uint8)
    y, x = np.mgrid[:16, :20]
    smooth = np.stack([(x * 12) % 256, (y * 15) % 256, (x * y) % 256], -1).astype(np.uint8)
    rough = np.clip(smooth.astype(int) + rng.integers(-20, 21, smooth.shape), 0, 255).astype(
        np.uint8
    )
    return np.stack([noise, smooth]), np.stack([duller, rough])


def test_both_give_what_scikit_image_gives():
    """Its version 0.26, with gaussian_weights, sigma 1.5, use_sample_covariance False, data_range
    255.
    """
    originals, pictures = pairs()
    assert ssim(pictures, originals) == pytest.approx(
        [0.7737638744887323, 0.8462383073459473], abs=1e-9
    )
    assert psnr(pictures, originals) == pytest.approx(
        [14.518669806030866, 26.808640442335076], abs=1e-9
    )


def test_a_perfect_picture_has_a_similarity_of_one_and_a_finite_psnr():
    originals, _ = pairs()
    assert ssim(originals, originals) == pytest.approx([1, 1])
    assert np.isfinite(psnr(originals, originals)).all()


def test_pictures_smaller_than_the_window_are_refused():
    with pytest.raises(ValueError, match=r"pictures are \(8, 8\) pixels, SSIM's window is 11 wide"):
        ssim(np.zeros((1, 8, 8, 1), np.uint8), np.zeros((1, 8, 8, 1), np.uint8))
