"""Unlabelled folders: the names under which pictures lie that nobody has labelled yet. Whoever
renames one has labelled it.
"""

import re

NAME = re.compile(r"(cluster|maybe-.+)-\d+")


def cluster_name(number: int, label: str = "") -> str:
    """What a new folder is called, with the label that its pictures may have."""
    return f"maybe-{label}-{number}" if label else f"cluster-{number:02d}"


def is_unlabelled(name: str) -> bool:
    """Whether a folder is still called so."""
    return NAME.fullmatch(name) is not None
