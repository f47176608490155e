"""Label: a node that decides by itself and sends its answer."""

from collections.abc import Iterator

import numpy as np

from link.coder.tables import Tables
from tests.studies.rivals.inputs import Point, Study, accuracy, classes_of
from tests.studies.rivals.macs import decoder_macs, encoder_macs, network
from tests.studies.rivals.symbol_codecs import (
    RangeCoder,
)


def label(study: Study) -> Iterator[Point]:
    """The bundle's two halves on the node."""
    macs = study.encoder_macs + decoder_macs(
        network(study.bundle_preset, study.data, study.bundle.n_latents)
    )
    classes = study.classify(study.symbols["test"])
    yield sent_label(
        "label only, the bundle's two halves", study, classes, macs, "int8 encoder, float decoder"
    )


def classifier(study: Study) -> Iterator[Point]:
    """The same encoder and a decoder of two dense layers, trained on without a bottleneck."""
    model = study.train_on(study.data, "no-bottleneck", 1)
    macs = encoder_macs(model) + decoder_macs(model)
    note = (
        f"{study.preset}, trained on for an epoch without noise; in floats, int8 may lose a little"
    )
    yield sent_label(
        "label only, trained for it", study, classes_of(model, study.data.test), macs, note
    )


def sent_label(name: str, study: Study, classes: np.ndarray, macs: int, note: str) -> Point:
    """Classes (N,) through the wire coder, each by itself: a byte, or none where the coder's
    shortest end has none.
    """
    coder = RangeCoder(Tables.from_counts([0], [np.bincount(study.data.train.labels)]))
    coded = [coder.encode(np.array([each])) for each in classes]
    decoded = coder.decode(coded)[:, 0]
    n_bytes = np.array([len(each) for each in coded])
    more = {"most_bytes": float(n_bytes.max())}
    return Point(
        name, "label", float(n_bytes.mean()), accuracy(decoded, study.data.test), macs, note, more
    )
