"""Folders of pictures: which files below one are meant, and which ones programs have put there for
themselves.
"""

import os
from pathlib import Path

from link.picture.reader import extensions

PRIVATE = frozenset(
    {
        # of network storages
        "@eadir",
        "@recycle",
        "@recently-snapshot",
        "#recycle",
        "#snapshot",
        "@tmp",
        "__macosx",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "__pycache__",
    }
)
"""Names, in lower case, of what systems keep beside a person's files; so is whatever begins with a
dot.
"""


def is_private(name: str) -> bool:
    """Whether a file or folder of that name is a program's own: hidden, a thumbnail, a bin."""
    return name.startswith(".") or name.lower() in PRIVATE


def files_below(folder: Path) -> list[Path]:
    """Every file below a folder that is a person's own, by name; links are followed, each folder is
    entered once.
    """
    found: list[Path] = []
    seen: set[str] = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not is_private(name))
        found += (Path(parent, name) for name in files if not is_private(name))
    return sorted(found)


def pictures_below(folder: Path) -> list[Path]:
    """Those of its files that Pillow knows by their extension."""
    known = extensions()
    return [path for path in files_below(folder) if path.suffix.lower() in known]
