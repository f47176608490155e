"""python -m device.unit.selftest node.toml BUNDLE: whether this release and this bundle work together on this machine.

Everything but the camera and the port, which the running node holds: settings, signature, bundle, runtime, the canary's
symbols, one image encoded.
"""

import sys
from pathlib import Path

import numpy as np

from device.config import ConfigError, load_config
from device.encoder import EncoderError
from device.interpreter import RuntimeMissingError
from device.slots import load
from link import latent_coder
from link.bundle import BundleError
from link.terminal import readable_output


def main(settings: str, bundle_path: str) -> None:
    readable_output()
    try:
        loaded = load(Path(bundle_path), load_config(settings).bundle_signer)
    except (ConfigError, BundleError, EncoderError, RuntimeMissingError) as error:
        raise SystemExit(f"selftest: {error}") from None
    bundle = loaded.bundle
    symbols = loaded.encoder(np.zeros(bundle.image.shape, np.uint8))
    bitstream = latent_coder.encode(symbols, bundle.tables)
    if not np.array_equal(latent_coder.decode(bitstream, bundle.tables).symbols, symbols):
        raise SystemExit(f"selftest: bundle {bundle.id.hex()} does not decode what it encodes")


if __name__ == "__main__":
    main(*sys.argv[1:])
