"""Re-decoding: stored bitstreams through a bundle's tables and its present decoder, many at once.

A decoder trained later on the same latent answers for all that was ever received; no node is asked again.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from host_decoder.bulk import decode_bulk
from host_decoder.store import Store
from host_decoder.task_reader import task_reader
from link.bundle import LABEL_TASK, Bundle

BATCH_IMAGES = 2048


def redecode(store: Store, bundle: Bundle, task: str = LABEL_TASK) -> Iterator[dict[str, Any]]:
    """A JSON-ready answer to the task for every stored image of the bundle, in the order of capture."""
    read = task_reader(bundle, task)
    images = store.images(bundle.id.hex())
    while batch := list(islice(images, BATCH_IMAGES)):
        latents = decode_bulk(
            [image.bitstream for image in batch], bundle.tables, [image.is_complete for image in batch]
        )
        said = read(latents.symbols)
        for image, says, n_known, is_valid in zip(batch, said, latents.n_known, latents.is_valid, strict=True):
            answer: dict[str, Any] = {"node": image.node, "image": image.image}
            if is_valid:
                answer |= says
            else:
                answer["error"] = f"the stored bitstream was not written with the tables of bundle {bundle.id.hex()}"
            answer |= {"symbols_known": int(n_known), "symbols": bundle.n_latents}
            answer |= {"is_complete": image.is_complete, "bitstream_bytes": len(image.bitstream)}
            yield answer
