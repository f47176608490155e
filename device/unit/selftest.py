"""python -m device.unit.selftest node.toml BUNDLE: whether this release and this bundle work together on this machine.

Everything but the camera and the port, which the running node holds: settings, bundle, runtime, one image encoded.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from device.config import load_config
from device.encoder import Encoder
from link import latent_coder
from link.bundle import Bundle


def main(settings: str, bundle_path: str) -> None:
    config = replace(load_config(settings), bundle=Path(bundle_path))
    bundle = Bundle.load(config.bundle, side="node")
    symbols = Encoder(bundle)(np.zeros(bundle.image.shape, np.uint8))
    bitstream = latent_coder.encode(symbols, bundle.tables)
    if not np.array_equal(latent_coder.decode(bitstream, bundle.tables).symbols, symbols):
        raise SystemExit(f"bundle {bundle.id.hex()} does not decode what it encodes")


if __name__ == "__main__":
    main(*sys.argv[1:])
