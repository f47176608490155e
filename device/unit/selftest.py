"""python -m device.unit.selftest node.toml BUNDLE: whether this release and this bundle work
together on this machine.

Everything but the camera and the port, which the running node holds: settings, signature, bundle,
runtime, the canary's symbols, one image encoded.
"""

from pathlib import Path

import numpy as np

from device.config import ConfigError, load_config
from device.encoder.loading import UNUSABLE, load
from link.coder import latent_coder
from link.output import program, readable_output


def main(argv: list[str] | None = None) -> None:
    readable_output()
    parser = program.Parser(
        prog="python -m device.unit.selftest",
        description="Whether release and bundle work together on this machine.",
    )
    parser.add_argument("settings", type=Path, metavar="node.toml")
    parser.add_argument("bundle", type=Path)
    arguments = parser.parse_args(argv)
    try:
        loaded = load(arguments.bundle, load_config(arguments.settings).bundle_signer)
    except (ConfigError, *UNUSABLE) as error:
        raise SystemExit(f"selftest: {error}") from None
    bundle = loaded.bundle
    symbols = loaded.encoder(np.zeros(bundle.image.shape, np.uint8))
    bitstream = latent_coder.encode(symbols, bundle.tables)
    if not np.array_equal(latent_coder.decode(bitstream, bundle.tables).symbols, symbols):
        raise SystemExit(f"selftest: bundle {bundle.id.hex()} does not decode what it encodes")


if __name__ == "__main__":
    main()
