"""latentlink: train on a host, flash a node, classify live over a link that carries bytes per
second.
"""

import sys

from latentlink.commands import COMMANDS, hand_over
from link.base import extras
from link.output import program, readable_output


def main() -> int:
    readable_output()
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(help_text())
        return 0
    if name in ("-V", "--version"):
        print(f"{program.NAME} {extras.version()}")
        return 0
    if name not in COMMANDS:
        meant = program.did_you_mean(name, COMMANDS) + f"there are {', '.join(COMMANDS)}"
        print(f"{program.NAME}: there is no command {name}; {meant}", file=sys.stderr)
        return 2
    return hand_over(name, arguments)


def help_text() -> str:
    about = " ".join((__doc__ or "").split())
    lines = [f"  {name:<10} {command.text}" for name, command in COMMANDS.items()]
    head = "usage: latentlink COMMAND …"
    end = "latentlink COMMAND --help says more of it, latentlink --version which this is."
    return "\n".join([head, "", about, "", *lines, "", end])


if __name__ == "__main__":
    sys.exit(main())
