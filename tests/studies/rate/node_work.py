"""Node work: what a node does for an image beside the model, in milliseconds; a process of its own,
so that an earlier revision, in PYTHONPATH, can be measured by the same file.

The outbox lies on a disk. Where the revision can, the disk writes while the next image is encoded,
and an image is sent once it is there; the time until the last one is there counts.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import threadpoolctl

from device.encoder.encoder import Encoder
from link.bundle.bundle import Bundle
from link.coder import latent_coder
from link.node.interface import SenderOptions
from link.wire.framing import frame
from link.wire.packet import split
from tests.worlds.ends import OutboxNode


def work(images: np.ndarray, bundle: Bundle, folder: Path) -> dict[str, float]:
    """Means over the images: the model, and what is around it."""
    encoder, end = Encoder(bundle), OutboxNode(folder, bundle, SenderOptions(has_downlink=False))
    sizes = end.sender.chunk_bytes()
    put = getattr(end.outbox, "put_soon", end.outbox.put)
    arrived = getattr(end.outbox, "arrived", lambda wait=False: None)
    model_s, n_sent, now_s = 0.0, 0, 0.0

    def send() -> None:
        nonlocal n_sent, now_s
        now_s += 1.0  # by the link's clock, which nobody waits for
        while outgoing := end.sender.next_packet(now_s):
            frame(outgoing.packet)
            now_s += outgoing.airtime_s
            end.sender.transmitted(now_s)
            n_sent += len(outgoing.chunks)

    began_s = time.perf_counter()
    for image in images:
        prepared = encoder.prepare(image)
        model_began_s = time.perf_counter()
        symbols = encoder.infer(prepared)
        model_s += time.perf_counter() - model_began_s
        put(end.counters.next(), split(latent_coder.encode(symbols, bundle.tables), *sizes), now_s)
        arrived()
        send()
    arrived(wait=True)
    send()
    whole_s = time.perf_counter() - began_s
    assert n_sent >= len(images), f"{n_sent} chunks of {len(images)} images left"
    assert end.outbox.n_images == 0
    return {
        "model_ms": 1000 * model_s / len(images),
        "overhead_ms": 1000 * (whole_s - model_s) / len(images),
    }


if __name__ == "__main__":
    bundle = Bundle.load(Path(sys.argv[1]), side="node")
    with np.load(sys.argv[2], allow_pickle=False) as replay:
        images = replay["images"]
    with threadpoolctl.threadpool_limits(1), tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        Path(folder, "warm").mkdir()
        work(images[:20], bundle, Path(folder, "warm"))
        print(json.dumps(work(images, bundle, Path(folder))))
