"""Codecs: image codecs at few bytes, and a network trained on what they leave."""

from collections.abc import Iterator

import numpy as np

from host_training.data.dataset import Split
from tests.studies.rivals import coded_images
from tests.studies.rivals.image_codecs import SETTINGS
from tests.studies.rivals.inputs import FOLDER, Point, Study, accuracy, classes_of


def codecs(study: Study) -> Iterator[Point]:
    """Image codecs at few bytes; the whole network is on the host."""
    mixed = coded_images.mixed(study.data, SETTINGS, study.epochs, FOLDER, study.seed)
    model = study.train_on(mixed, f"codecs-{study.epochs}", 1)
    test = study.codec_images
    for setting in SETTINGS:
        coded = coded_images.coded(test.images, setting, FOLDER)
        split = Split(coded_images.enlarge(coded.images), test.labels)
        hits = accuracy(classes_of(model, split), split)
        note = (
            f"one network for all codecs, {study.epochs} epochs on such images; more would give "
            "it more"
        )
        n_bytes = float(coded.n_bytes.mean())
        yield Point(
            setting.name,
            setting.codec,
            n_bytes,
            hits,
            0,
            note,
            {"most_bytes": float(coded.n_bytes.max())},
        )


def codec_bytes(n_images: int) -> dict[str, float]:
    """Mean bytes of the settings that have been coded so far, classified or not."""
    sizes = {}
    for setting in SETTINGS:
        if (path := FOLDER / f"{setting.name}-{n_images}.npz").exists():
            with np.load(path) as file:
                sizes[setting.name] = float(file["n_bytes"].mean())
    return sizes
