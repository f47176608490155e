"""Program: what a person typed to start it, as its usage line repeats it."""

import sys

NAME = "latentlink"


def typed_as(usual: str) -> str:
    """`latentlink host`, if that command handed over to this one; else as usual:
    `python -m host_decoder listen`.
    """
    return sys.argv[0] if sys.argv[0].startswith(f"{NAME} ") else usual
