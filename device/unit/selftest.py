"""python -m device.unit.selftest node.toml BUNDLE: whether this release and this bundle work
together on this machine.

Everything but the camera and the port, which the running node holds: settings, signature, bundle,
runtime, the canary's symbols, one image encoded; of a member of a team, its own parts.
"""

from pathlib import Path

import numpy as np

from device.config import ConfigError, load_config
from device.encoder.loading import UNUSABLE, load
from device.fog.loading import load_parts
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
        config = load_config(arguments.settings)
        if config.team is not None:
            bundle = load_parts(arguments.bundle, config.bundle_signer, config.team).bundle
            symbols = np.zeros(bundle.n_latents, np.int8)  # as when all of the team are dead
        else:
            loaded = load(arguments.bundle, config.bundle_signer)
            bundle = loaded.bundle
            symbols = loaded.encoder(np.zeros(bundle.image.shape, np.uint8))
    except (ConfigError, *UNUSABLE) as error:
        raise SystemExit(f"selftest: {error}") from None
    bitstream = latent_coder.encode(symbols, bundle.tables)
    if not np.array_equal(latent_coder.decode(bitstream, bundle.tables).symbols, symbols):
        raise SystemExit(f"selftest: bundle {bundle.id.hex()} does not decode what it encodes")


if __name__ == "__main__":
    main()
