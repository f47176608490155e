"""Gate: whether an image shows something that the last one sent did not.

An image is cut into blocks, whose means are compared with those of the reference, the images since
the last one sent:

    light       the reference is made as bright as the image, by a gain that may slope across it and
                an offset: least squares on the blocks that agree, so that drifting light is no
                change and an object is not light
    noise       how much a block differs when nothing has changed, learned from images that were not
                sent
    changed     when one block differs by more than `threshold` times its noise

The reference is an average of a few images, and then stays: what changes slowly adds up until it is
seen. Every heartbeat_s an image is sent in any case.
"""

from dataclasses import dataclass

import numpy as np

BLOCKS = 8
"Along each side."
THRESHOLD = 7.0
"Chosen on other scenes than it was measured with (tests.studies.gate)."
HEARTBEAT_S = 3600.0
N_AVERAGED = 8
LEAST_NOISE = 0.3
"Grey levels of a block's mean: below it is rounding."
MEDIAN_TO_SIGMA = 1.4826
"For a normal distribution: sigma over the median of the absolute value."
LEARNING_RATE = 0.1
MOST_UNSTEADY = 4.0
"""Times the noise of the median block: one that differs by more is on its way to a change, which
must not be learned.
"""
FIT_ROUNDS, FIT_SHARE = 3, 0.7
"Each round fits to the blocks that agreed best in the round before."
RIDGE = 1e-6
"Keeps an image of one colour from having no solution."


@dataclass
class _Reference:
    blocks: np.ndarray
    n_images: int
    sent_s: float


class Gate:
    """The gate of one camera that stands still."""

    def __init__(self, threshold: float = THRESHOLD, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._threshold = threshold
        self._heartbeat_s = heartbeat_s
        self._reference: _Reference | None = None
        self._usual: np.ndarray | None = None
        """Mean square by which each block differed in images that were not sent: more at edges,
        since a camera shakes.
        """

    def lets_pass(self, pixels: np.ndarray, now_s: float) -> bool:
        """Whether to send this image, uint8 (H, W, C); it counts as sent then."""
        blocks, reference = block_means(pixels), self._reference
        if reference is not None and now_s < reference.sent_s + self._heartbeat_s:
            difference = np.abs(blocks - lit_like(reference.blocks, blocks))
            if (difference <= self._threshold * self._noise(difference)).all():
                self._learn(blocks, difference, reference)
                return False
        self._reference = _Reference(blocks, 1, now_s)
        return True

    def _noise(self, difference: np.ndarray) -> np.ndarray:
        """The noise of each block: what is usual there, at least what all blocks show now, unless
        all is unusual.
        """
        now = MEDIAN_TO_SIGMA * float(np.median(difference))
        if self._usual is None:
            return np.full(difference.shape, max(LEAST_NOISE, now))
        least = max(LEAST_NOISE, min(now, 2 * float(np.sqrt(np.median(self._usual)))))
        return np.maximum(least, np.sqrt(self._usual))

    def _learn(self, blocks: np.ndarray, difference: np.ndarray, reference: _Reference) -> None:
        usual = (
            np.full(difference.shape, np.median(difference**2))
            if self._usual is None
            else self._usual
        )
        unsteady = np.minimum(difference**2, MOST_UNSTEADY**2 * np.median(usual))
        self._usual = usual + LEARNING_RATE * (unsteady - usual)
        if reference.n_images < N_AVERAGED:
            reference.n_images += 1
            reference.blocks += (
                lit_like(blocks, reference.blocks) - reference.blocks
            ) / reference.n_images


def block_means(pixels: np.ndarray) -> np.ndarray:
    """uint8 (H, W, C) to float64 (BLOCKS, BLOCKS, C), fewer of a smaller image; what does not
    divide is cut off.
    """
    height, width, channels = pixels.shape
    rows, columns = min(BLOCKS, height), min(BLOCKS, width)
    tall, wide = height // rows, width // columns
    cut = pixels[: rows * tall, : columns * wide].reshape(rows, tall, columns, wide, channels)
    return cut.mean(axis=(1, 3))


def lit_like(blocks: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Blocks in the light of the target: channel by channel blocks · (a + b x + c y) + d."""
    rows, columns, channels = blocks.shape
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    known = blocks.reshape(-1, channels).T / 255
    wanted = target.reshape(-1, channels).T
    terms = np.stack([known, known * x.ravel(), known * y.ravel(), np.ones_like(known)], axis=2)
    weights = np.ones_like(known)
    n_fitted = int(FIT_SHARE * known.shape[1])
    for _ in range(FIT_ROUNDS):
        weighted = (terms * weights[..., None]).swapaxes(1, 2)
        factors = np.linalg.solve(
            weighted @ terms + RIDGE * np.eye(4), weighted @ wanted[..., None]
        )
        fitted = (terms @ factors)[..., 0]
        error = np.abs(fitted - wanted)
        weights = (
            error <= np.partition(error, n_fitted - 1, axis=1)[:, n_fitted - 1 : n_fitted]
        ).astype(float)
    return fitted.T.reshape(rows, columns, channels)
