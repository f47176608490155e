"""docs/troubleshooting.md quotes sentences: each is one that a program says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents.parts import ROOT

PACKAGES = ("link", "device", "host_training", "export", "host_decoder", "latentlink")
ROWS = re.compile(r"^\| `([^`]+)`[^|]*\|", re.MULTILINE)
PAGE = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")


def sentences() -> Iterator[str]:
    """All texts of the programs, with … for what is put in."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield from texts(path)


def texts(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


SAID = "\n".join(sentences())


@pytest.mark.parametrize("symptom", ROWS.findall(PAGE))
def test_a_symptom_is_a_sentence_that_a_program_says(symptom):
    assert symptom in SAID
