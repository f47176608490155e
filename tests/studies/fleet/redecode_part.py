"""A later decoder over everything that is stored: images a second, and what is shown meanwhile."""

import time
from pathlib import Path

import numpy as np

from host_decoder.events import Answer
from host_decoder.store.history import jobs
from host_decoder.store.history.comparison import compare
from host_decoder.store.receipt import Receipt, ReceivedPacket
from host_decoder.store.store import Store
from link.bundle.bundle import Bundle
from link.coder import latent_coder
from link.host.interface import NodeState
from link.wire.packet import Chunk
from tests.worlds.small_bundle import random_symbols

N_NODES, N_BITSTREAMS, BATCH = 100, 512, 1000
LAG_S = 0.5
"Between two images of a node."


def redecoded(folder: Path, bundle: Bundle, n_images: int) -> dict[str, float]:
    """Figures of one job over so many images, whole ones, of a hundred nodes."""
    with Store(folder / "host.sqlite", site="farm") as store:
        begun_s = time.monotonic()
        _fill(store, bundle, n_images)
        filled_s = time.monotonic() - begun_s
        number = jobs.redecode_job(store.database, bundle)
        begun_s = time.monotonic()
        decoder = jobs.run(store.database, number)
        took_s = time.monotonic() - begun_s
        assert decoder is not None
        begun_s = time.monotonic()
        found = compare(store.database, None, decoder)
        compared_s = time.monotonic() - begun_s
    assert found.n_images == n_images
    return {
        "redecode_images": n_images,
        "redecode_images_per_s": n_images / took_s,
        "redecode_compared_s": compared_s,
        "stored_in_bulk_per_s": n_images / filled_s,
    }


def _fill(store: Store, bundle: Bundle, n_images: int) -> None:
    drawn = [random_symbols(bundle.tables, seed) for seed in range(N_BITSTREAMS)]
    bitstreams = [latent_coder.encode(symbols, bundle.tables) for symbols in drawn]
    first_s = time.time() - n_images / N_NODES * LAG_S
    for start in range(0, n_images, BATCH):
        store.add_all(
            [
                _receipt(bundle, number, bitstreams[number % N_BITSTREAMS], first_s)
                for number in range(start, min(start + BATCH, n_images))
            ]
        )


def _receipt(bundle: Bundle, number: int, bitstream: bytes, first_s: float) -> Receipt:
    node, image = number % N_NODES + 1, 2 * (number // N_NODES)
    received_s = first_s + image / 2 * LAG_S
    probabilities = np.zeros(len(bundle.classes), np.float32)
    probabilities[number % len(probabilities)] = 1
    told = Answer(
        node=node,
        image=image,
        counter=image + 1,
        bundle=bundle.id.hex(),
        classes=bundle.classes,
        probabilities=probabilities,
        n_known=bundle.n_latents,
        n_latents=bundle.n_latents,
        n_chunks=1,
        is_complete=True,
        bitstream_bytes=len(bitstream),
        packet_bytes=len(bitstream) + 15,
        age_s=0.0,
        received_s=received_s,
        decoder="before",
    )
    packet = ReceivedPacket(
        image + 1, bundle.id.hex(), (Chunk(image, 0, True, bitstream, 0.0),), bitstream, "roof"
    )
    state = NodeState(b"salt", image + 1, 1)
    return Receipt(node, node.to_bytes(16, "big"), state, received_s, (packet,), (told,))
