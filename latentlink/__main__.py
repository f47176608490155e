"""latentlink: train on a host, flash a node, classify live over a link that carries bytes per
second.
"""

import difflib
import sys

from latentlink.commands import COMMANDS, hand_over
from link.output import NAME, readable_output


def main() -> int:
    readable_output()
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(help_text())
        return 0
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, 1)
        meant = f"did you mean {close[0]}? " if close else ""
        known = ", ".join(COMMANDS)
        print(f"{NAME}: there is no command {name}; {meant}there are {known}", file=sys.stderr)
        return 2
    return hand_over(name, arguments)


def help_text() -> str:
    about = " ".join((__doc__ or "").split())
    lines = [f"  {name:<10} {command.text}" for name, command in COMMANDS.items()]
    return "\n".join(
        [f"usage: {NAME} COMMAND …", "", about, "", *lines, "", f"{NAME} COMMAND --help says more."]
    )


if __name__ == "__main__":
    sys.exit(main())
