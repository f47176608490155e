"""Parts: what docs/ says that the programs know, written between two comments of a page.

    <!-- made: keys of [source] -->
    | key | …
    <!-- end -->

`make docs` writes them anew; a test compares.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.documents import answers, command_line, keys, presets

ROOT = Path(__file__).parent.parent.parent
PART = re.compile(r"(<!-- made: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
PARTS: dict[str, Callable[[], str]] = {
    **keys.PARTS,
    "presets": presets.table_of,
    "answers a day": answers.table_of,
    **command_line.PARTS,
}


def pages() -> list[Path]:
    """All that a person reads as a page, the front door first."""
    tops = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [*tops, *sorted((ROOT / "docs").glob("*.md"))]


def renewed(text: str) -> str:
    """A page with its made parts as the programs are now; KeyError for a part that is unknown."""
    return PART.sub(lambda found: f"{found[1]}{PARTS[found[2]]().strip()}\n{found[3]}", text)


def made_in(text: str) -> Iterator[str]:
    for found in PART.finditer(text):
        yield found[2]
