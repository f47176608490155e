"""How like a picture is to the original: PSNR and SSIM, on uint8 pixels."""

import numpy as np
from scipy.ndimage import gaussian_filter

SIGMA, RADIUS = 1.5, 5
"Pixels of the window; 11 x 11 in all."
BATCH_IMAGES = 200
"As many as keep the intermediate maps small."
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def psnr(pictures: np.ndarray, originals: np.ndarray) -> np.ndarray:
    """dB of each picture, float64 (N,); uint8 (N, H, W, C). A perfect one counts as one with an
    error of 1/2 in all.
    """
    error = (pictures.astype(np.float64) - originals) ** 2
    n_values = np.prod(pictures.shape[1:])
    mean = np.maximum(error.reshape(len(error), -1).sum(1), 0.25) / n_values
    return 10 * np.log10(255**2 / mean)


def ssim(pictures: np.ndarray, originals: np.ndarray) -> np.ndarray:
    """Structural similarity of each picture, float64 (N,), mean over its channels (Wang et al.,
    2004, eq. 13).

    uint8 (N, H, W, C), at least 11 pixels high and wide: only windows that lie inside the image
    count.
    """
    if min(pictures.shape[1:3]) <= 2 * RADIUS:
        raise ValueError(
            f"pictures are {pictures.shape[1:3]} pixels, SSIM's window is {2 * RADIUS + 1} wide"
        )
    n_parts = -(-len(pictures) // BATCH_IMAGES)
    parts = zip(np.array_split(pictures, n_parts), np.array_split(originals, n_parts), strict=True)
    return np.concatenate([_ssim(x.astype(np.float64), y.astype(np.float64)) for x, y in parts])


def _ssim(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    def mean(values: np.ndarray) -> np.ndarray:
        return gaussian_filter(values, SIGMA, radius=RADIUS, axes=(1, 2))

    mean_x, mean_y = mean(x), mean(y)
    variance_x, variance_y = mean(x * x) - mean_x**2, mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    likeness = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    likeness /= (mean_x**2 + mean_y**2 + C1) * (variance_x + variance_y + C2)
    inside = slice(RADIUS, -RADIUS)
    return likeness[:, inside, inside].mean((1, 2, 3))
