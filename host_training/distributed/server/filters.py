"""Filters: which of a round's updates a server averages, and how long they may be.

Who trains honestly moves, noise apart, where the others move. So an update whose cosine to the sum
of all others is less than a quarter of the median cosine, and further from it than theirs usually
are, is left out, and so is one that alone raises the loss on held-out images. What is left is
clipped to the median norm: nobody pulls harder than half of the devices do. An honest device whose
update is left out keeps it in its error memory.
"""

from collections.abc import Callable, Sequence

import numpy as np

MIN_JUDGED = 4
"Among fewer updates there is no majority to compare with: none is left out."
MIN_COSINE_OF_MEDIAN = 0.25
N_DEVIATIONS = 3.0
"Median absolute deviations of the cosines: honest ones of few images differ as well."
MAX_LOSS_RISE = 0.05
"Nats by which an update alone may raise the held-out loss: honest steps are noisy as well."


def norms(updates: Sequence[np.ndarray]) -> np.ndarray:
    """Lengths of updates (P,) each, float64 (n,), whatever the number of threads."""
    return np.array([np.sqrt(np.square(each, dtype=np.float64).sum()) for each in updates])


def clip_factors(updates: Sequence[np.ndarray]) -> np.ndarray:
    """What each update is multiplied by so that none is longer than the median, float32 (n,)."""
    lengths = norms(updates)
    longest = np.median(lengths)
    factors = np.divide(longest, lengths, out=np.ones_like(lengths), where=lengths > longest)
    return factors.astype(np.float32)


def cosines_to_others(updates: Sequence[np.ndarray]) -> np.ndarray:
    """Cosine of each update, clipped, to the sum of all others, float64 (n,); 0 where one of the
    two is.
    """
    clipped = np.stack(updates) * clip_factors(updates)[:, None]
    gram = (clipped @ clipped.T).astype(np.float64)
    own, to_all = gram.diagonal(), gram.sum(1)
    others_sq = np.maximum(gram.sum() - 2 * to_all + own, 0)
    scale = np.sqrt(own * others_sq)
    return np.divide(to_all - own, scale, out=np.zeros_like(scale), where=scale > 0)


def is_with_the_others(updates: Sequence[np.ndarray]) -> np.ndarray:
    """Which of a round's updates, float32 (P,) each, move where the others do, bool (n,)."""
    if len(updates) < MIN_JUDGED:
        return np.ones(len(updates), bool)
    cosines = cosines_to_others(updates)
    median = float(np.median(cosines))
    deviation = float(np.median(np.abs(cosines - median)))
    return (cosines >= MIN_COSINE_OF_MEDIAN * max(median, 0.0)) | (
        cosines >= median - N_DEVIATIONS * deviation
    )


def is_harmless(
    weights: np.ndarray, updates: Sequence[np.ndarray], loss: Callable[[np.ndarray], float]
) -> np.ndarray:
    """Which updates do not by themselves raise `loss` of weights (P,) on held-out images, bool
    (n,); as many evaluations as updates, and one.
    """
    bar = loss(weights) + MAX_LOSS_RISE
    factors = clip_factors(updates)
    return np.array(
        [loss(weights - f * each) <= bar for each, f in zip(updates, factors, strict=True)], bool
    )
