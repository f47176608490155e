"""Calibrating a taught question: what its probabilities are worth while an image is still on its
way, from examples that a head did not learn from. What is fitted is what link.bundle.calibration
applies, so verdicts are given by the question that is asked.
"""

import numpy as np

from host_decoder.decode.prefixes import Prefixes, fit_share_to_come, hat_functions, knots_of
from host_decoder.teach.head import TINIEST, Taught
from link.bundle import Calibration, calibration
from link.coder import Tables

MIN_EXAMPLES = 50
"With fewer, each that is right or wrong by chance moves the confidence by points."
MAX_EXAMPLES, MAX_CUTS = 120, 1000
"That are coded, and cut: more make the fit no better."
TEMPERATURES = np.geomspace(0.25, 64, 33)
STIFFNESS = 1e-3
"Weight of the squared logarithm of a temperature against nats per prefix: where little is known."


def calibrate(
    taught: Taught, symbols: np.ndarray, tables: Tables, seed: int = 0
) -> Calibration | None:
    """From the examples' symbols (N, D); None where they are too few."""
    if len(taught.tried) < MIN_EXAMPLES:
        return None
    chosen = np.sort(np.random.default_rng(seed).permutation(len(taught.tried))[:MAX_EXAMPLES])
    prefixes = Prefixes.of(symbols[taught.tried[chosen]], tables, MAX_CUTS)
    example = chosen[prefixes.image]
    probabilities = np.empty((len(example), taught.probabilities.shape[1]))
    for fold, head in enumerate(taught.folds):
        rows = taught.fold_of[example] == fold
        probabilities[rows], _ = head(prefixes.symbols[rows])
    knots = knots_of(tables.n_latents)
    hats = hat_functions(prefixes.n_known, knots)
    correct = probabilities.argmax(1) == taught.labels[example]
    temperature = fit_temperature(probabilities, correct, hats)
    raw = Calibration(knots, temperature, (1.0,) * (len(knots) - 1) + (0.0,))
    confidence = raw.apply(probabilities, prefixes.n_known).max(1)
    whole = correct[: len(chosen)][prefixes.image]
    shares = fit_share_to_come(confidence, correct, whole, hats)
    return Calibration.from_dict(Calibration(knots, temperature, shares).to_dict())


def fit_temperature(
    probabilities: np.ndarray, correct: np.ndarray, hats: np.ndarray
) -> tuple[float, ...]:
    """Per knot the temperature of TEMPERATURES under which answers are most likely as right as they
    are: probabilities (P, C), correct (P,), hats (P, knots).
    """
    logits = np.log(np.maximum(probabilities, calibration.TINIEST))
    losses = []
    for temperature in TEMPERATURES:
        sure = np.clip(calibration.softmax(logits / temperature).max(1), TINIEST, 1 - TINIEST)
        losses.append(-np.log(np.where(correct, sure, 1 - sure)) @ hats)
    penalty = STIFFNESS * len(correct) * np.log(TEMPERATURES)[:, None] ** 2
    best = (np.array(losses) + penalty).argmin(0)
    return tuple(TEMPERATURES[best].tolist())
