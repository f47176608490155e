"""Calibration of a decoder, fitted to the validation split as the host will see it: prefixes of
coded bitstreams.

One temperature per knot, chosen by the likelihood of what the confidence is asked for: whether the
answer is right. That of the true labels would fit the unlikely classes too, which label smoothing
lifts. Then how many of the labels that are wrong at a knot the missing symbols went on to put
right. What is fitted is what link.bundle.calibration applies.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from export import ExportError
from export.partition.deaths import as_may_come
from host_decoder.decode.classifier import Classifier
from host_decoder.decode.prefixes import Prefixes, fit_share_to_come, hat_functions, knots_of
from host_training.data.dataset import DataSet, Split
from link.bundle import Bundle, Calibration
from link.bundle import calibration as curves
from link.coder import Tables

STIFFNESS = 1e-3
"""Weight of the squared steps between neighbouring knots, against nats per prefix: a knot without
data follows them.
"""
UNSURE = 1e-12
"The least doubt that an answer is right, or wrong, when temperatures are fitted."
MIN_IMAGES = 50
"Validation images; of fewer, each that is right or wrong by chance moves the confidence by points."
N_BINS = 15
"Bins of the expected calibration error, as is usual (Guo et al., arXiv:1706.04599)."


@dataclass(frozen=True)
class Fitted:
    """A calibration and what it was worth where it was fitted."""

    calibration: Calibration
    n_images: int
    n_prefixes: int
    ece_before: float
    ece_after: float

    def fitted_on(self) -> dict[str, float | str]:
        """For the manifest, beside the calibration."""
        return {
            "split": "validation",
            "images": self.n_images,
            "prefixes": self.n_prefixes,
            "ece_before": round(self.ece_before, curves.DECIMALS),
            "ece_after": round(self.ece_after, curves.DECIMALS),
        }

    def describe(self) -> str:
        return (
            f"calibration error {self.ece_before:.2%} → {self.ece_after:.2%} over "
            f"{self.n_prefixes} prefixes of {self.n_images} validation images; temperature "
            f"{self.calibration.temperature[0]:.2f} with nothing known, "
            f"{self.calibration.temperature[-1]:.2f} with all"
        )


def fit(
    decoder: Classifier, symbols: np.ndarray, labels: np.ndarray, tables: Tables
) -> Fitted | None:
    """Fit to the symbols (N, D) and labels (N,) of a split that the decoder did not learn from;
    None: too few.
    """
    if len(symbols) < MIN_IMAGES:
        return None
    prefixes = Prefixes.of(symbols, tables)
    probabilities, truth = decoder(prefixes.symbols), labels[prefixes.image]
    knots = knots_of(tables.n_latents)
    hats = hat_functions(prefixes.n_known, knots)
    temperature = fit_temperature(probabilities, truth, hats)
    calibration = Calibration(knots, temperature, (1.0,) * (len(knots) - 1) + (0.0,))
    confidence = calibration.apply(probabilities, prefixes.n_known).max(1)
    correct = probabilities.argmax(1) == truth
    shares = fit_share_to_come(confidence, correct, correct[: len(symbols)][prefixes.image], hats)
    return Fitted(
        Calibration.from_dict(Calibration(knots, temperature, shares).to_dict()),
        n_images=len(symbols),
        n_prefixes=len(prefixes.image),
        ece_before=expected_calibration_error(probabilities.max(1), correct),
        ece_after=expected_calibration_error(confidence, correct),
    )


def write(bundle: Bundle, fitted: Fitted | None) -> Bundle:
    """Into the bundle's manifest; a bundle without a calibration claims no confidence."""
    return (
        bundle
        if fitted is None
        else bundle.with_calibration(fitted.calibration, fitted.fitted_on())
    )


def describe(fitted: Fitted | None, n_images: int) -> str:
    if fitted is not None:
        return fitted.describe()
    return (
        f"not calibrated: {n_images} validation images are too few to know what confidence is "
        f"worth, {MIN_IMAGES} are needed; give more images, then export again"
    )


def fit_temperature(
    probabilities: np.ndarray, labels: np.ndarray, hats: np.ndarray
) -> tuple[float, ...]:
    """The temperature of each knot under which answers are most likely as right as they are.

    probabilities (P, C), labels (P,), hats (P, knots); never below 1/20 or above 100, as a
    calibration allows.
    """
    logits = np.log(np.maximum(probabilities, curves.TINIEST, dtype=np.float64))
    answers = probabilities.argmax(1)
    rows, correct = np.arange(len(labels)), answers == labels

    def loss(log_temperature: np.ndarray) -> tuple[float, np.ndarray]:
        scaled = logits / np.exp(hats @ log_temperature)[:, None]
        posterior = curves.softmax(scaled)
        steps = np.diff(log_temperature)
        confidence = np.clip(posterior[rows, answers], UNSURE, 1 - UNSURE)
        likelihood = np.where(correct, confidence, 1 - confidence)
        value = -np.log(likelihood).mean() + STIFFNESS * (steps**2).sum()
        slope = scaled[rows, answers] - (posterior * scaled).sum(1)
        slope *= np.where(correct, 1, -confidence / (1 - confidence))
        pull = 2 * STIFFNESS * (np.append(0, steps) - np.append(steps, 0))
        return value, hats.T @ slope / len(labels) + pull

    bounds = [tuple(np.log(curves.TEMPERATURE_BOUNDS))] * hats.shape[1]
    found = minimize(loss, np.zeros(hats.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds)
    return tuple(np.clip(np.exp(found.x), *curves.TEMPERATURE_BOUNDS).tolist())


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Mean distance of confidence (P,) and accuracy over equally wide bins, weighted by their rows;
    0 is perfect.
    """
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    gaps = np.bincount(bins, confidence, N_BINS) - np.bincount(bins, correct, N_BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def calibrate(path: Path, data: DataSet, n_threads: int = 1) -> tuple[Bundle, Fitted]:
    """Add a calibration to the bundle at `path`, or replace the one that is there; its id stays."""
    Bundle.load(path, "node")
    bundle = Bundle.load(path, "host")
    check_data(bundle, data)
    encode = as_may_come(bundle, n_threads)
    split: Split = data.validation
    fitted = fit(Classifier.of(bundle), encode(split.images), split.labels, bundle.tables)
    if fitted is None:
        raise ExportError(describe(None, len(split)))
    return write(bundle, fitted), fitted


def check_data(bundle: Bundle, data: DataSet) -> None:
    if (data.image_shape, data.classes) != (bundle.image.shape, bundle.classes):
        raise ExportError(
            f"data set {data.name} has images {data.image_shape} of {len(data.classes)} classes, "
            f"bundle {bundle.path} is for {bundle.image.shape} of {len(bundle.classes)} "
            f"({bundle.data_set}); name its own with --dataset"
        )
