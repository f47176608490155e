"""Finding: a sentence that says what is wrong and what to do."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing; a hint is worth knowing, and everything works all the same."""

    sentence: str
    is_hint: bool = False


def prevents(findings: Iterable[Finding]) -> bool:
    """Whether something must be mended first."""
    return any(not finding.is_hint for finding in findings)
