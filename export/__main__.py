"""`python -m export`: make a bundle of a checkpoint; calibrate, decoder, rotate and plan do more
with one that is there.
"""

import sys

from link.output import loading, readable_output


def main(arguments: list[str] | None = None) -> int:
    readable_output()
    with loading("export"):  # PyTorch takes seconds
        from export import commands
    return commands.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
