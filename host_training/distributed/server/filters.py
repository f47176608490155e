"""Filters: which of a round's updates a server averages, and how long they may be.

Who trains honestly moves, noise apart, where the others move and where the run has been going. One
update tells little of that, and many of one device tell enough: so each device's odds are kept, by
Wald's sequential test (Annals of Mathematical Statistics, 1945), of moving half as much with the
others as is usual against not at all. While they are low its updates are left out; it is judged
all the same, so an honest one comes back, with what it kept in its error memory. One that alone
raises the loss on held-out images is left out too. What is left is clipped to the median norm:
nobody pulls harder than half of the devices do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

MIN_KNOWN = 4
"Cosines without which nothing is usual: nobody is judged."
N_RECENT = 128
"Cosines that say what is usual."
DOUBT = -3.0
"Logarithm of the odds below which a device is left out: an honest one comes there once in twenty."
MOST = 8.0
"Odds go no further, either way: who changes is found out soon."
LEAST_SPREAD = 1e-3
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


def cosines_to_others(
    updates: Sequence[np.ndarray],
    course: np.ndarray | None = None,
    shares: np.ndarray | None = None,
) -> np.ndarray:
    """Cosine of each update, clipped, to the sum of all others, which count by `shares` (n,), and
    of `course` (P,): float64 (n,); 0 where one of the two is.
    """
    clipped = np.stack(updates) * clip_factors(updates)[:, None]
    shares = np.ones(len(updates)) if shares is None else shares
    if course is not None:
        clipped, shares = np.vstack([clipped, course]), np.append(shares, 1.0)
    gram = (clipped @ clipped.T).astype(np.float64)
    own, to_all = gram.diagonal(), gram @ shares
    others_sq = np.maximum(shares @ to_all - 2 * shares * to_all + shares**2 * own, 0)
    scale = np.sqrt(own * others_sq)
    along = to_all - shares * own
    return np.divide(along, scale, out=np.zeros_like(scale), where=scale > 0)[: len(updates)]


@dataclass(frozen=True)
class Trust:
    """What is known of the devices so far."""

    odds: Mapping[int, float] = field(default_factory=dict)
    "By device, the logarithm; one that is not here has even ones."
    recent: tuple[float, ...] = ()
    "Cosines of the last updates that were not left out."

    def judged(
        self,
        devices: Sequence[int],
        updates: Sequence[np.ndarray],
        course: np.ndarray | None = None,
    ) -> tuple["Trust", np.ndarray]:
        """What is known after another update (P,) of each of these devices, where the run has been
        going along `course` (P,); and which of them are believed, bool (n,), at least one.
        """
        was_believed = np.array([self.odds.get(each, 0.0) >= DOUBT for each in devices])
        cosines = cosines_to_others(updates, course, was_believed.astype(np.float64))
        known = np.array([*self.recent, *cosines])
        if len(known) < MIN_KNOWN:
            return self, np.ones(len(devices), bool)
        usual = float(np.median(known))
        deviation = 1.4826 * float(np.median(np.abs(known - usual)))
        spread = max(deviation * (1 + MIN_KNOWN / len(known)), LEAST_SPREAD)
        expected = max(usual, 0.0) / 2
        gains = expected * (cosines - expected / 2) / spread**2
        odds = dict(self.odds)
        for device, gain in zip(devices, gains.tolist(), strict=True):
            odds[device] = min(max(odds.get(device, 0.0) + gain, -MOST), MOST)
        now = np.array([odds[device] for device in devices])
        is_believed = now >= DOUBT
        if not is_believed.any():
            is_believed[np.lexsort((cosines, now))[-1]] = True
        recent = (*self.recent, *cosines[is_believed].tolist())[-N_RECENT:]
        return Trust(odds, recent), is_believed


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
