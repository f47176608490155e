"""`python -m host_decoder`: the receiving end."""

import sys

from link.output import loading, readable_output


def main() -> int:
    readable_output()
    with loading("host_decoder"):
        from host_decoder import commands
    return commands.main()


if __name__ == "__main__":
    sys.exit(main())
