"""Re-decoding: stored bitstreams through a bundle's tables and its present decoder, many at once.

A decoder trained later on the same latent answers for all that was ever received; no node is asked
again. A line has what a line of `listen` has, and with the decoder of then it says the same.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from host_decoder.decode.task_reader import task_reader
from host_decoder.events import rounded, said_of_team
from host_decoder.store.history.images import StoredImage
from host_decoder.store.store import Store
from link.bundle import Bundle
from link.bundle.manifest import LABEL_TASK
from link.coder import decode_bulk

BATCH_IMAGES = 2048


def redecode(
    store: Store, bundle: Bundle, task: str = LABEL_TASK, since_s: float = 0.0
) -> Iterator[dict[str, Any]]:
    """A JSON-ready answer to the task for every stored image of the bundle, in the order of
    capture.
    """
    read = task_reader(bundle, task)
    images = store.images(bundle.id.hex(), since_s)
    while batch := list(islice(images, BATCH_IMAGES)):
        latents = decode_bulk(
            [image.bitstream for image in batch],
            bundle.tables,
            [image.is_complete for image in batch],
        )
        said = read(latents.symbols, latents.n_known)
        for image, symbols, says, n_known, is_valid in zip(
            batch, latents.symbols, said, latents.n_known, latents.is_valid, strict=True
        ):
            if not is_valid:
                says = {
                    "error": (
                        "the stored bitstream was not written with the tables of bundle "
                        f"{bundle.id.hex()}"
                    )
                }
            elif bundle.team is not None:
                says = {**says, **said_of_team(bundle.team.alive(symbols, n_known))}
            yield _line(image, bundle, task, int(n_known), says)


def _line(
    image: StoredImage, bundle: Bundle, task: str, n_known: int, says: dict[str, Any]
) -> dict[str, Any]:
    """The keys of events.Answer.to_json; what a further task says stands where the label would."""
    return {
        "event": "answer",
        "node": image.node,
        "image": image.image,
        "counter": image.counter,
        **({} if task == LABEL_TASK else {"task": task}),
        "confidence": None,
        **says,
        "symbols_known": n_known,
        "symbols": bundle.n_latents,
        "chunks": image.n_chunks,
        "is_complete": image.is_complete,
        "bitstream_bytes": len(image.bitstream),
        "packet_bytes": image.packet_bytes,
        "age_s": rounded(image.age_s, 3),
        "received_s": round(image.received_s, 3),
        "bundle": bundle.id.hex(),
        "is_enough": image.is_enough,
    }
