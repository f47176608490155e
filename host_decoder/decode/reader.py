"""Reader: what a bundle makes of its latents. `listen`, `decode` and the tasks of a node all ask
this one.
"""

from dataclasses import replace

import numpy as np

from host_decoder.decode.classifier import Classifier
from host_decoder.decode.strangeness import StrangenessScorer
from host_decoder.decode.verdict import Verdict, VerdictConfig, VerdictPolicy
from link.bundle import Bundle


class Reader:
    """What a bundle makes of its latents: a label, how sure it is, whether it is any, and whether
    that is enough.
    """

    def __init__(self, bundle: Bundle, verdict: VerdictConfig | None) -> None:
        self._classify = Classifier.of(bundle)
        self._score_strangeness = StrangenessScorer.of(bundle)
        self.gives_verdicts = verdict is not None and bundle.calibration is not None
        self._is_asked = verdict is not None
        rules = verdict or VerdictConfig()
        self._policy = VerdictPolicy(
            bundle.calibration, rules.confidence, rules.min_gain, rules.price_per_s
        )

    @property
    def notice(self) -> str | None:
        return self._policy.notice if self._is_asked else None

    def judge_all(
        self, symbols: np.ndarray, n_known: np.ndarray, next_chunk_s: float | np.ndarray = 0.0
    ) -> list[Verdict]:
        """The verdicts on N latents: symbols (N, D), of which n_known (N,) were received and the
        others are expected; next_chunk_s, airtime of a next chunk, one or (N,).
        """
        verdicts = self._policy.judge_all(self._classify(symbols), n_known, next_chunk_s)
        if self._score_strangeness is not None:
            [whole] = np.nonzero(n_known == symbols.shape[1])
            for place, strangeness in zip(
                whole, self._score_strangeness(symbols[whole]), strict=True
            ):
                verdicts[place] = replace(verdicts[place], strangeness=strangeness)
        return (
            verdicts
            if self._is_asked
            else [replace(verdict, is_enough=False) for verdict in verdicts]
        )
