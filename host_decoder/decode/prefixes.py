"""Prefixes: coded images of which some are cut short, as the host decodes them while they come; and
what curves over the number of known symbols are fitted by.
"""

from dataclasses import dataclass

import numpy as np

from link.coder import Tables, decode_bulk, latent_coder

KNOT_SHARES = (0, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1)
"Shares of the latents: what is known changes most at the beginning."
MAX_PREFIXES = 15_000
"Cut bitstreams to decode besides the whole ones; more make the fit no better."
PREFIX_SEED = 0
SHARE_PRIOR = 1.0
"""Wrong labels, all put right later, that every knot has seen before the first: without data
nothing is given up.
"""


def knots_of(n_latents: int) -> tuple[int, ...]:
    """Numbers of known symbols at which curves are given."""
    return tuple(sorted({round(share * n_latents) for share in KNOT_SHARES}))


@dataclass(frozen=True, eq=False)
class Prefixes:
    """First all images whole, then the cut ones."""

    image: np.ndarray
    "int64 (P,): which image each row is of."
    symbols: np.ndarray
    "float32 (P, D): known symbols, then expectations."
    n_known: np.ndarray
    "int64 (P,)"

    @classmethod
    def of(
        cls, symbols: np.ndarray, tables: Tables, max_prefixes: int = MAX_PREFIXES
    ) -> "Prefixes":
        """Code symbols (N, D) and cut the bitstreams after every byte, or after so many bytes drawn
        among these.
        """
        bitstreams = [latent_coder.encode(image, tables) for image in symbols]
        cuts = np.array(
            [(i, n) for i, bitstream in enumerate(bitstreams) for n in range(1, len(bitstream))]
        )
        if len(cuts) > max_prefixes:
            rng = np.random.default_rng(PREFIX_SEED)
            cuts = cuts[np.sort(rng.choice(len(cuts), max_prefixes, replace=False))]
        parts = bitstreams + [bitstreams[i][:n] for i, n in cuts.tolist()]
        latents = decode_bulk(parts, tables, [n < len(bitstreams) for n in range(len(parts))])
        image = np.concatenate([np.arange(len(bitstreams)), cuts.reshape(-1, 2)[:, 0]])
        return cls(image, latents.symbols, latents.n_known)


def hat_functions(n_known: np.ndarray, knots: tuple[int, ...]) -> np.ndarray:
    """How much each knot counts at n_known (P,) under linear interpolation; (P, knots), rows sum to
    1.
    """
    return np.stack([np.interp(n_known, knots, unit) for unit in np.eye(len(knots))], axis=1)


def fit_share_to_come(
    confidence: np.ndarray, correct: np.ndarray, correct_whole: np.ndarray, hats: np.ndarray
) -> tuple[float, ...]:
    """Per knot: labels that the rest of the image put right, less those it spoiled, over the labels
    expected wrong.

    confidence (P,), correct (P,) now and with the whole image; hats (P, knots). Falls from knot to
    knot, to 0.
    """
    put_right = hats.T @ (correct_whole.astype(float) - correct)
    shares = (put_right + SHARE_PRIOR) / (hats.T @ (1 - confidence) + SHARE_PRIOR)
    shares[-1] = 0
    falling = np.maximum.accumulate(shares[::-1])[::-1]
    return tuple(np.clip(falling, 0, 1).tolist())
