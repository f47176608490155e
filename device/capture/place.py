"""Place: where in a folder of images a node is, for its next start if it is ended on the way.

The name of an image is written before it is read: one that kills the node, by taking all its
memory, is not met again. A source that comes to its end forgets its place, and the next start
begins with the first image.
"""

import json
from contextlib import suppress
from pathlib import Path

from link.base import durable

PLACE_FILE = "folder.json"
DAMAGED = (ValueError, KeyError, TypeError, RecursionError)
"What reading JSON raises that is not what was written."


class Place:
    """In one folder; kept in a file of `state_dir`, in memory only without one."""

    def __init__(self, folder: Path, state_dir: Path | None) -> None:
        self._folder = folder
        self._file = None if state_dir is None else state_dir / PLACE_FILE
        self.last: Path | None = None
        "The image that was taken last; None: none was."
        if self._file is not None:
            with suppress(OSError, *DAMAGED):  # a place that is lost costs images sent twice
                kept = json.loads(durable.read_small(self._file))
                if kept["folder"] == str(folder):
                    self.last = folder / kept["last"]

    def take(self, path: Path) -> None:
        """This image is read next."""
        self.last = path
        if self._file is None:
            return
        kept = {"folder": str(self._folder), "last": str(path.relative_to(self._folder))}
        with suppress(OSError), durable.whole(self._file) as unfinished:  # a full card: as above
            unfinished.write_text(json.dumps(kept), encoding="utf-8")

    def forget(self) -> None:
        self.last = None
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)
