"""How much a test does: a moment's worth in `make test`, hours' worth in `make nightly`."""

import os

IS_NIGHTLY = os.environ.get("LATENTLINK_NIGHTLY", "0") not in ("", "0")


def size(quick: int, nightly: int) -> int:
    """The one or the other, as the environment variable LATENTLINK_NIGHTLY says."""
    return nightly if IS_NIGHTLY else quick
