"""Rules: how long a server waits for a round's updates, and which of them it counts.

They are the server's alone: devices need not know them. A round ends when all who were asked have
answered, or at the median and four median deviations of the recent answers' times, as soon as a
quorum has made these known: nobody has to guess a time-out.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a server does with what comes."""

    n_asked: int | None = None
    "Devices that are asked in a round, drawn by (seed, round); None: all."
    quorum: float = 0.7
    "Share of those asked whose answers make a deadline known."
    n_deviations: float = 4.0
    "Median absolute deviations behind the median at which a round ends."
    longest_s: float = 3600.0
    "For a round; then one update is enough."
    delay: int = 0
    """So many rounds later a round's updates are counted, and devices of the next ones train
    meanwhile (delayed averaging, Zhu et al., NeurIPS 2021): a slow link costs no time. The first
    rounds count nothing, and of the last nothing is counted.
    """
    is_filtered: bool = True
    "Whether what moves against the others is left out."
    is_clipped: bool = True
    "Whether no update may be longer than the median."

    def asked(self, seed: int, round_: int, devices: Sequence[int]) -> list[int]:
        """Those of a round's devices that are asked, sorted."""
        n = len(devices)
        if self.n_asked is None or self.n_asked >= n:
            return sorted(devices)
        rng = np.random.default_rng((seed, round_, n))
        return sorted(int(one) for one in rng.choice(devices, self.n_asked, replace=False))


SMALLEST_DEVIATION = 0.02
"In medians: answers that take equally long are waited for a little all the same."


class Patience:
    """How long the answers of the last rounds took, and how long the next ones may."""

    def __init__(self, rules: Rules, n_asked: int) -> None:
        self._rules = rules
        self._enough = max(1, round(rules.quorum * n_asked))
        self._took: deque[float] = deque(maxlen=2 * n_asked)

    def note(self, took_s: float) -> None:
        """An answer came so long after its round began."""
        self._took.append(took_s)

    @property
    def limit_s(self) -> float:
        """How long after its beginning a round ends, whoever has answered by then."""
        if len(self._took) < self._enough:
            return self._rules.longest_s
        took = np.array(self._took)
        median = float(np.median(took))
        deviation = max(float(np.median(np.abs(took - median))), SMALLEST_DEVIATION * median)
        return min(median + self._rules.n_deviations * deviation, self._rules.longest_s)
