"""Re-decoding: stored bitstreams through a bundle's tables and its present decoder, many at once.

A decoder trained later on the same latent answers for all that was ever received; no node is asked again.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from host_decoder.bulk import decode_bulk
from host_decoder.classifier import Classifier
from host_decoder.events import TOP
from host_decoder.store import Store
from link.bundle import Bundle

BATCH_IMAGES = 2048


def redecode(store: Store, bundle: Bundle) -> Iterator[dict[str, Any]]:
    """A JSON-ready answer for every stored image of the bundle, in the order of capture."""
    classify = Classifier.of(bundle)
    images = store.images(bundle.id.hex())
    while batch := list(islice(images, BATCH_IMAGES)):
        latents = decode_bulk(
            [image.bitstream for image in batch], bundle.tables, [image.is_complete for image in batch]
        )
        probabilities = classify(latents.symbols)
        for image, row, n_known, is_valid in zip(batch, probabilities, latents.n_known, latents.is_valid, strict=True):
            answer: dict[str, Any] = {"node": image.node, "image": image.image}
            if is_valid:
                best = np.argsort(-row, kind="stable")[:TOP]
                answer["label"] = bundle.classes[best[0]]
                answer["top"] = [[bundle.classes[index], round(float(row[index]), 4)] for index in best]
            else:
                answer["error"] = f"the stored bitstream was not written with the tables of bundle {bundle.id.hex()}"
            answer |= {"symbols_known": int(n_known), "symbols": bundle.n_latents}
            answer |= {"is_complete": image.is_complete, "bitstream_bytes": len(image.bitstream)}
            yield answer
