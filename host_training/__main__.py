"""`python -m host_training train|replay`: train; write a split's images for a node to replay."""

import sys

from link.output import loading, readable_output


def main(arguments: list[str] | None = None) -> int:
    readable_output()
    with loading("host_training"):  # PyTorch takes seconds
        from host_training import commands
    return commands.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
