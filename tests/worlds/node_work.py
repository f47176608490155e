"""Node work: python node_work.py PYTHON BUNDLE IMAGES.npy WORK.npz: all integers that a bundle's
node makes of images on this machine, and the bytes that it would send. Of a team's it is all that
its parts make, what crosses an exchange too.

It needs what a node has and nothing else, so that an emulated node can run it. PYTHON starts that.
"""

import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from device.encoder.encoder import Encoder
from device.encoder.interpreter import working_runtime
from device.encoder.parts import Parts, symbols_of
from link.bundle.bundle import Bundle
from link.coder import latent_coder


@dataclass(frozen=True)
class NodeWork:
    """What was made of each image, and on what."""

    integers: np.ndarray
    "int8 (N, n)."
    bitstreams: tuple[str, ...]
    "Hexadecimal."
    machine: str
    runtime: str

    @classmethod
    def read(cls, path: Path) -> "NodeWork":
        with np.load(path) as stored:
            return cls(
                stored["integers"],
                tuple(stored["bitstreams"].tolist()),
                str(stored["machine"]),
                str(stored["runtime"]),
            )


def work(bundle: Bundle, images: Iterable[np.ndarray]) -> NodeWork:
    """What this machine makes of uint8 images (H, W, C)."""
    integers, bitstreams = [], []
    encoder = Encoder(bundle) if bundle.team is None else None
    parts = Parts(bundle) if bundle.team is not None else None
    for image in images:
        if encoder is not None:
            made = [encoder(image)]
        else:
            assert parts is not None
            assert bundle.team is not None
            *crossing, latents = parts.chain(image)
            made = [*crossing, symbols_of(latents, bundle.team.order)]
        integers.append(np.concatenate([each.ravel().astype(np.int8) for each in made]))
        bitstreams.append(latent_coder.encode(made[-1], bundle.tables).hex())
    return NodeWork(np.stack(integers), tuple(bitstreams), platform.machine(), working_runtime())


if __name__ == "__main__":
    # a runtime is tried in a process of its own, which has to be emulated too
    sys.executable, bundle_path, images_path, out = sys.argv[1:]
    np.savez(out, **vars(work(Bundle.load(Path(bundle_path), "node"), np.load(images_path))))
