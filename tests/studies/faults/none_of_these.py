"""None of these: what released bundles make of photographs of other things, and of the classes that
they know.

The drawn pictures of no class are measured at export (each bundle's report.md). Here the test split
of the other CIFAR goes through the node's encoder and the host's score; DATA_DIR holds both.
"""

import os
from pathlib import Path

import numpy as np

from export.encoder.symbols import Int8Encoder, received
from host_decoder.decode.strangeness import StrangenessScorer
from host_training.data.catalogue import load
from link.bundle.bundle import Bundle

BUNDLES = {"cifar10": "cifar100", "cifar10-tiny": "cifar100", "cifar100": "cifar10"}
"Released bundle: the data set that it does not know."
N_IMAGES = 2000


def measure() -> dict[str, float]:
    figures = {}
    for name, other in BUNDLES.items():
        bundle = Bundle.load(Path("models") / name, side="host")
        encode = received(Int8Encoder(bundle.encoder_path, bundle.image), bundle.tables)
        score = StrangenessScorer.of(bundle)
        assert score is not None
        for data_set in (other, bundle.data_set):
            images = load(data_set, Path(os.environ.get("DATA_DIR", "data"))).test.images[:N_IMAGES]
            told = [one.is_anomaly for one in score(encode(images).astype(np.float32))]
            figures[f"told_{name.replace('-', '_')}_of_{data_set}"] = float(np.mean(told))
    return figures
