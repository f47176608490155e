"""What an encoder was made for, and how an image enters it: pixel − 128 as int8, which is to flip
the top bit, with the border that its wavelet reads reflected around it.

Node and export must agree on it bit for bit: the symbols follow from it.
"""

from dataclasses import dataclass

import numpy as np

from link.settings.setting import key, whole

MAX_SIDE, MAX_CHANNELS = 8192, 4
SIGN_BIT = np.uint8(0x80)


@dataclass(frozen=True)
class ImageSpec:
    """What the encoder was made for: uint8 pixels (height, width, channels)."""

    height: int = key(whole(1, MAX_SIDE))
    width: int = key(whole(1, MAX_SIDE))
    channels: int = key(whole(1, MAX_CHANNELS))
    pixel_pad: int = key(whole(0, MAX_SIDE), default_factory=int)
    "Pixels reflected on each side before the model, which its wavelet needs."

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an image as captured, without the border."""
        return self.height, self.width, self.channels

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """The same with its border, as the model reads it."""
        border = 2 * self.pixel_pad
        return self.height + border, self.width + border, self.channels

    def with_border(self, images: np.ndarray) -> np.ndarray:
        """(N, H, W, C) → (N, H + 2p, W + 2p, C), reflected."""
        pad = (self.pixel_pad, self.pixel_pad)
        return np.pad(images, ((0, 0), pad, pad, (0, 0)), mode="reflect") if any(pad) else images

    def to_model_input(self, images: np.ndarray) -> np.ndarray:
        """uint8 (N, H, W, C) → int8 (N, H + 2p, W + 2p, C)."""
        return (np.ascontiguousarray(self.with_border(images)) ^ SIGN_BIT).view(np.int8)
