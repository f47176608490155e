"""Anomalies: images of another kind, and noise, told from the bundle's own."""

import numpy as np
from sklearn.metrics import roc_auc_score

from export.decoders.add import (
    Decoder,
)
from link.bundle.manifest import Output
from tests.studies.tasks.field import Field
from tests.studies.tasks.rows import Row, Rows, plain

N_NOISE_IMAGES = 1000
ALARMS = 0.05
"The share of ordinary images at which what is missed is counted."
ANOMALY_RIVALS = ("label_and_confidence_byte_", "bitstream_length_")


def anomaly_rows(place: Field, rows: Rows) -> None:
    """One seed: what is learned from is drawn by it too."""
    noise = (
        np.random.default_rng(0)
        .integers(0, 256, (N_NOISE_IMAGES, *place.bundle.image.shape))
        .astype(np.uint8)
    )
    for name, images in ((place.other.name, place.other.test.images), ("noise", noise)):
        for seed in rows.missing(f"anomaly {name}", [0]):
            score = place.on_host(Decoder(place.anomaly_score, Output.SCORE))
            pair = place.receive(place.data.test.images), place.receive(images)
            row = told_apart("", *(score(some.symbols) for some in pair))
            sure = (-np.rint(255 * some.label_scores.max(1)) for some in pair)
            long = (some.n_bytes for some in pair)
            for rival, scores in zip(ANOMALY_RIVALS, (sure, long), strict=True):
                row |= told_apart(rival, *scores)
            rows.add(f"anomaly {name}", seed, plain(row))


def told_apart(prefix: str, own: np.ndarray, strange: np.ndarray) -> Row:
    """How well scores tell strange images from the bundle's own, of which 5 % may give a false
    alarm.
    """
    is_strange = np.repeat([0, 1], [len(own), len(strange)])
    missed = (strange <= np.quantile(own, 1 - ALARMS)).mean()
    auroc = roc_auc_score(is_strange, np.concatenate([own, strange]))
    return {f"{prefix}auroc": auroc, f"{prefix}missed_at_5_percent_alarms": missed}
