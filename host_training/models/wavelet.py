"""One-level 2-D discrete wavelet transform as a fixed strided convolution, its filters taken from
PyWavelets.

The transform lives inside the encoder, so a node feeds pixels and nothing can drift between
training and device. Haar needs no border; the longer JPEG 2000 filters (`bior2.2` = 5/3, `bior4.4`
= 9/7) read `pixel_pad` reflected pixels, which are added to the image *before* the model (a
reflecting pad is not an Edge TPU operator).
"""

from collections.abc import Sequence

import numpy as np
import pywt
import torch
from torch import Tensor, nn

WAVELETS = ("haar", "bior2.2", "bior4.4")

STEM_REACH = 1
"The 3 × 3 convolution behind the transform looks one subband coefficient past the border."


def analysis_filters(wavelet: str) -> np.ndarray:
    """The four 2-D filters LL, LH, HL, HH (= cA, cH, cV, cD of pywt.dwt2), float64 (4, L, L), for a
    correlation.
    """
    if wavelet not in WAVELETS:
        raise ValueError(f"wavelet '{wavelet}' is not one of {', '.join(WAVELETS)}")
    bank = pywt.Wavelet(wavelet)
    low, high = (np.array(taps[::-1]) for taps in (bank.dec_lo, bank.dec_hi))
    return np.stack(
        [
            np.outer(rows, columns)
            for rows, columns in ((low, low), (high, low), (low, high), (high, high))
        ]
    )


def pixel_pad(wavelet: str) -> int:
    """Pixels reflected on each side before the model: what the filter and the stem behind it read
    past the border.

    Haar's border is zero inside the model, exactly as the stem's own zero padding would be, so it
    needs none.
    """
    length = analysis_filters(wavelet).shape[-1]
    return 0 if length == 2 else length // 2 - 1 + 2 * STEM_REACH


class DWT(nn.Module):
    """Images (N, C, H, W) → subbands (N, 4C, H/2, W/2), the four bands of a colour side by side.

    Each band is multiplied by its gain, of LL, LH, HL and HH in that order. Undecimated, a
    coefficient is computed at every pixel of the image within one of zeros: subbands (N, 4C, H + 1,
    W + 1) of the two-tap Haar. With `pixel_pad` the input is (N, C, H + 2p, W + 2p), and
    `STEM_REACH` more coefficients come out on each side.
    """

    weight: Tensor

    def __init__(
        self,
        channels: int,
        wavelet: str = "haar",
        gains: Sequence[float] = (1.0, 1.0, 1.0, 1.0),
        is_decimated: bool = True,
    ) -> None:
        super().__init__()
        self.stride, self.padding = (2, 0) if is_decimated else (1, 1)
        filters = torch.tensor(
            analysis_filters(wavelet) * np.reshape(gains, (4, 1, 1)), dtype=torch.float32
        )
        self.channels = channels
        self.register_buffer("weight", filters[:, None].repeat(channels, 1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.conv2d(
            images, self.weight, None, self.stride, self.padding, groups=self.channels
        )
