"""Program: what a person typed to start it, and which name was meant by a word that is none."""

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

NAME = "latentlink"
RENAMED = {"--feedback": "--downlink", "--no-feedback": "--no-downlink", "--profile": "--link"}
"Options that were called otherwise before this version, and less like than a slip of the keys is."


class Parser(argparse.ArgumentParser):
    """Calls itself `latentlink host` where that command handed over to `python -m host_decoder
    listen`, and says of an unknown option which one was probably meant.
    """

    def __init__(self, *, prog: str, **options: Any) -> None:
        is_handed_over = sys.argv[0].startswith(f"{NAME} ") and not prog.startswith(f"{NAME} ")
        super().__init__(prog=sys.argv[0] if is_handed_over else prog, **options)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        namespace, rest = super().parse_known_args(args, namespace)
        for word in rest:
            if word.startswith("-"):
                option = word.partition("=")[0]
                meant = did_you_mean(option, re.findall(r"--[\w-]+", self.format_usage()), RENAMED)
                self.error(f"there is no option {option}; {meant}--help lists them")
        return namespace, rest


def add_command(commands: Any, name: str, text: str, **options: Any) -> argparse.ArgumentParser:
    """A subcommand that its own --help describes as the list of them does."""
    return commands.add_parser(name, help=text, description=text, **options)


def did_you_mean(word: str, names: Iterable[str], renamed: dict[str, str] | None = None) -> str:
    """The part of a sentence that says which name is like the word; empty when none is."""
    by_lower = {name.lower(): name for name in names}
    word = (renamed or {}).get(word, word).lower()
    close = get_close_matches(word, by_lower, 1)
    return f"did you mean {by_lower[close[0]]}? " if close else ""
