"""Canary: images with the symbols that the bundle's encoder makes of them on the host that sends
it.

A node computes them before it trusts a bundle. Runtimes may differ by 1 in a symbol, rarely, and
harmlessly, since what is transmitted are integers. A larger difference, or many, mean a broken
model, kernel or pre-processing: symbols are small numbers, so that quite another image is mostly
within 1 too.
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from device.encoder.encoder import Encoder
from link.bundle import Bundle, BundleError, ImageSpec
from link.picture import read_arrays

CANARY = "canary.npz"
N_IMAGES = 6
SEED = 20
TOLERANCE, MAX_SHARE = 1, 1 / 16
"How far one symbol may be off, and what share of all may be off at all."
MAX_BYTES = 16 << 20


@dataclass(frozen=True)
class CanaryReport:
    """How this machine's symbols differ from the expected ones."""

    n_symbols: int
    n_differ: int
    largest: int

    @property
    def is_good(self) -> bool:
        return self.largest <= TOLERANCE and self.n_differ <= MAX_SHARE * self.n_symbols

    def __str__(self) -> str:
        return (
            f"{self.n_differ} of {self.n_symbols} canary symbols differ, by at most {self.largest}"
        )


def make_canary(bundle: Bundle) -> bytes:
    """canary.npz: coloured squares under noise, uint8 (n, H, W, C), and int8 (n, D): their symbols
    on this machine.
    """
    draw, encoder = np.random.default_rng(SEED), Encoder(bundle)
    images = np.stack([_squares(bundle.image, 2 << n % 3, draw) for n in range(N_IMAGES)])
    file = BytesIO()
    np.savez(file, images=images, symbols=np.stack([encoder(image) for image in images]))
    return file.getvalue()


def _squares(spec: ImageSpec, n_across: int, draw: np.random.Generator) -> np.ndarray:
    cell = -(-max(spec.height, spec.width) // n_across)
    colours = draw.uniform(0, 255, (n_across, n_across, spec.channels))
    shapes = colours.repeat(cell, axis=0).repeat(cell, axis=1)[: spec.height, : spec.width]
    return np.clip(shapes + draw.normal(0, 8, shapes.shape), 0, 255).round().astype(np.uint8)


def check_canary(bundle: Bundle, encoder: Encoder) -> CanaryReport | None:
    """None without a canary; BundleError when it is damaged, or the symbols are others."""
    path = bundle.path / CANARY
    if not path.exists():
        return None
    images, symbols = _read(path, bundle)
    difference = np.abs(np.stack([encoder(image) for image in images]).astype(int) - symbols)
    report = CanaryReport(difference.size, int((difference > 0).sum()), int(difference.max()))
    if not report.is_good:
        raise BundleError(
            f"bundle {bundle.path} does not compute here what it computes on its host: {report}"
        )
    return report


def _read(path: Path, bundle: Bundle) -> tuple[np.ndarray, np.ndarray]:
    try:
        arrays = read_arrays(path, ("images", "symbols"), MAX_BYTES)
        images, symbols = arrays["images"], arrays["symbols"]
        is_right = images.shape[1:] == bundle.image.shape and symbols.shape == (
            len(images),
            bundle.n_latents,
        )
        if not len(images) or not is_right:
            raise ValueError(f"images {images.shape}, symbols {symbols.shape}")
        if images.dtype != np.uint8 or symbols.dtype != np.int8:
            raise ValueError(f"images {images.dtype}, symbols {symbols.dtype}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path} is damaged ({error}); deploy the bundle again") from None
    return images, symbols
