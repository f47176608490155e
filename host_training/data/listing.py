"""Listing: the pictures of a folder, file by file, so that a change to them is seen without reading
them all again.
"""

import hashlib
import json
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from link.base import durable


class Picture(NamedTuple):
    """One file; a stamp that is another one says that it should be read again, the hash whether it
    changed.
    """

    n_bytes: int
    modified_ns: int
    changed_ns: int
    sha256: str

    @property
    def stamp(self) -> tuple[int, int, int]:
        return self.n_bytes, self.modified_ns, self.changed_ns


@dataclass(frozen=True)
class Listing:
    """Pictures by their path relative to the folder."""

    pictures: Mapping[str, Picture]

    @classmethod
    def of(cls, folder: Path, known: "Listing | None" = None) -> "Listing":
        """Lists what is there now; a file with the stamp that `known` says is not read again."""
        before = {} if known is None else known.pictures
        found = {name: _picture(folder / name, before.get(name)) for name in _names(folder)}
        return cls({name: picture for name, picture in found.items() if picture is not None})

    @classmethod
    def read(cls, path: Path) -> "Listing":
        """What `write` wrote. Raises OSError, or ValueError for anything else."""
        try:
            return cls(
                {name: Picture(*entry) for name, entry in json.loads(path.read_bytes()).items()}
            )
        except (TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"unexpected content: {error}") from None

    def write(self, path: Path) -> None:
        durable.write(path, json.dumps(self.pictures, indent=0) + "\n")

    def __len__(self) -> int:
        return len(self.pictures)

    def changes_to(self, now: "Listing") -> str:
        """What became of these pictures, as a phrase; "" when the same pictures are there under the
        same names.
        """
        before, after = self.pictures, now.pictures
        kinds = {
            "new": after.keys() - before.keys(),
            "gone": before.keys() - after.keys(),
            "changed": {
                name
                for name in before.keys() & after.keys()
                if before[name].sha256 != after[name].sha256
            },
        }
        return ", ".join(
            f"{len(names)} {kind} (such as {min(names)})" for kind, names in kinds.items() if names
        )


def _names(folder: Path) -> Iterator[str]:
    """Files that training would read; what lies beside the class folders is none."""
    # needs Pillow, which is not there before anything is installed
    from link.album import is_unlabelled
    from link.picture import files_below

    for path in files_below(folder):
        own = path.relative_to(folder)
        if len(own.parts) > 1 and not is_unlabelled(own.parts[0]):
            yield own.as_posix()


def _picture(path: Path, known: Picture | None) -> Picture | None:
    """None for what cannot be read, and of which training says so: a link to nothing, another's
    file, a pipe.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return None
        stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if known is not None and known.stamp == stamp:
            return known
        with path.open("rb") as file:
            return Picture(*stamp, hashlib.file_digest(file, "sha256").hexdigest()[:32])
    except OSError:
        return None
