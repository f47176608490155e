"""Markdown: tables of what the programs know, and the commands that a page shows.

```sh            run as they stand, one after the other, in a scratch copy of the checkout
```sh dry        want hardware, a network, a GPU or hours: read by the program, not run
```sh stays      goes on until the page ends: run beside what follows
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

BLOCK = re.compile(r"^[ ]*```sh *(\w*)\n(.*?)^[ ]*```", re.DOTALL | re.MULTILINE)
PLAIN = re.compile(r"```.*?```", re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
KINDS = ("", "dry", "stays")


@dataclass(frozen=True)
class Command:
    """A line of a shell, without what it says to the reader behind #."""

    line: str
    kind: str = ""
    "One of KINDS."


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """What a cell says may not end it."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
        for line in lines
    )


def commands(text: str) -> Iterator[Command]:
    """All in the shell blocks of a page, in order; ValueError for a block of an unknown kind."""
    for kind, block in BLOCK.findall(text):
        if kind not in KINDS:
            raise ValueError(f"```sh {kind} is unknown; there are {', '.join(KINDS)}")
        for line in block.replace("\\\n", " ").splitlines():
            if words := without_remark(line):
                yield Command(words, kind)


def mentioned(text: str, programs: tuple[str, ...]) -> Iterator[Command]:
    """Commands inside of sentences, in backticks, that begin with a program and say more."""
    for line in INLINE.findall(PLAIN.sub("", text)):
        if line.split()[0] in programs and len(line.split()) > 1:
            yield Command(line, "dry")


def without_remark(line: str) -> str:
    return re.sub(r"(^|\s+)#.*", "", line).strip()
