"""Completion: what the Tab key offers in bash, zsh and fish.

The shell asks `latentlink completion --ask WORDS…`, which reads the help of the command that was
typed: every command and option is known, and nothing is written down twice. Files are the shell's
own.
"""

import argparse
import contextlib
import io
import re
import sys

from latentlink.commands import COMMANDS, hand_over
from link.output import program

ASK = "--ask"
SHELLS = {
    "bash": """\
_latentlink() {
    local IFS=$'\\n'
    COMPREPLY=($(latentlink completion --ask "${COMP_WORDS[@]:1:COMP_CWORD}" 2> /dev/null))
}
complete -o default -F _latentlink latentlink""",
    "zsh": """\
_latentlink() {
    local -a found
    found=(${(f)"$(latentlink completion --ask "${(@)words[2,CURRENT]}" 2> /dev/null)"})
    if (( $#found )); then compadd -a found; else _files; fi
}
compdef _latentlink latentlink""",
    "fish": """\
complete -c latentlink -a '(latentlink completion --ask \
(commandline -opc)[2..-1] (commandline -ct) 2> /dev/null)'""",
}
HOW = """\
bash   in ~/.bashrc: eval "$(latentlink completion bash)"
zsh    in ~/.zshrc, after compinit: eval "$(latentlink completion zsh)"
fish   in ~/.config/fish/config.fish: latentlink completion fish | source"""
INNER = re.compile(r"^ {4}([a-z][a-z-]*)(?: |$)", re.MULTILINE)
"A subcommand in the list that argparse makes of them."


def main() -> int:
    if sys.argv[1:2] == [ASK]:
        for word in candidates(sys.argv[2:]):
            print(word)
        return 0
    parser = program.Parser(
        prog="latentlink completion",
        description="Print what makes the Tab key complete commands and options.",
        epilog=HOW,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=SHELLS, help="the one that you type into")
    print(SHELLS[parser.parse_args().shell])
    return 0


def candidates(words: list[str]) -> list[str]:
    """What may stand in place of the last of the words that follow `latentlink`."""
    *before, begun = words or [""]
    if not before:
        return [name for name in COMMANDS if name.startswith(begun)]
    name, *typed = before
    text = _help(name)
    inner = [*INNER.findall(text), *(COMMANDS[name].verbs if name in COMMANDS else ())]
    if said := [word for word in typed if word in inner]:
        text, inner = _help(name, said[0]), []
    if choices := re.search(rf"{re.escape(before[-1])} {{([^}}\s]+)}}", text):
        found = choices[1].split(",")
    elif begun.startswith("-"):
        found = re.findall(r"--[a-z][\w-]*", text)
    else:
        found = inner
    return sorted({word for word in found if word.startswith(begun)})


def _help(name: str, *inner: str) -> str:
    """What a command says of itself; nothing where it is none, or cannot be loaded."""
    heard = io.StringIO()
    if name in COMMANDS:
        with contextlib.redirect_stdout(heard), contextlib.suppress(SystemExit):
            hand_over(name, [*inner, "--help"])
    return heard.getvalue()
