"""Durable: small files that a power cut cannot tear, and what to do with one that is damaged all
the same; and `whole`, for large ones that a fault or a kill must not leave half written.
"""

import errno
import json
import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

MAX_SMALL_BYTES = 16 << 20
"The longest key or state that is read; what is longer was not written by us."
MAX_SET_ASIDE = 5
"Damaged files that are kept; a failing card must not fill itself with them."


def write(path: Path, content: str | bytes, mode: int | None = None) -> None:
    """Replace a file so that after a power cut either the old or the new one is there, whole.

    A link stays one, and the file behind it keeps its owner and, without `mode`, its rights; one
    made by root belongs to the account that called sudo, else to whom its folder belongs. It takes
    the old one's place only when it reads back as it was written, else OSError.
    """
    StagedFile(path, content, mode).commit()


class StagedFile:
    """A file that is written, on the disk and read back, beside the one whose place it takes at
    `commit`.
    """

    def __init__(self, path: Path, content: str | bytes, mode: int | None = None) -> None:
        """As write."""
        written = content.encode() if isinstance(content, str) else content
        self._path = Path(os.path.realpath(path))
        self._unfinished = _beside(self._path)
        self._unfinished.unlink(missing_ok=True)
        try:
            self._write(written, mode)
            if self._unfinished.read_bytes() != written:
                raise OSError(
                    errno.EIO, "it does not read back as it was written", str(self._unfinished)
                )
        except BaseException:
            self.drop()
            raise

    def commit(self) -> None:
        """After a power cut either file is there, whole."""
        os.replace(self._unfinished, self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def drop(self) -> None:
        """The old file stays as it is."""
        self._unfinished.unlink(missing_ok=True)

    def _write(self, content: bytes, mode: int | None) -> None:
        before = self._path.stat() if self._path.exists() else None
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        descriptor = os.open(self._unfinished, flags, 0o644 if mode is None else mode)
        with open(descriptor, "wb") as file:
            if before is not None and mode is None:
                os.fchmod(descriptor, before.st_mode & 0o777)
            if os.geteuid() == 0:
                os.fchown(
                    descriptor,
                    *((before.st_uid, before.st_gid) if before else _owner_in(self._path.parent)),
                )
            file.write(content)
            file.flush()
            os.fsync(descriptor)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """The path under which the block writes what then takes the place of `path`, in a folder that
    is made. A fault leaves the old file, and nothing beside it.

    Nothing waits for the disk: after a power cut the new file may be torn, unless the block synced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = _beside(path)
    try:
        yield unfinished
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def make_folder(path: Path, mode: int = 0o777) -> None:
    """Make a folder, and those on the way to it; root's belong to whom a new file there would."""
    if path.is_dir():
        return
    make_folder(path.parent)
    with suppress(FileExistsError):
        path.mkdir(mode)
        if os.geteuid() == 0:
            os.chown(path, *_owner_in(path.parent))


def sudo_caller() -> tuple[int, int] | None:
    """User and group of the account that called sudo, to whom what is made then belongs."""
    caller = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    is_sudo = os.geteuid() == 0 and all(part.isdigit() for part in caller)
    return (int(caller[0]), int(caller[1])) if is_sudo else None


def _owner_in(folder: Path) -> tuple[int, int]:
    """User and group of what root makes in a folder."""
    state = folder.stat()
    return sudo_caller() or (state.st_uid, state.st_gid)


def read_small(path: Path) -> bytes:
    """All of a file that one of us wrote; OSError also for what is no file, and might never end."""
    found = path.stat()
    # a folder is refused below
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise OSError(errno.EINVAL, "it is no file", str(path))
    if found.st_size > MAX_SMALL_BYTES:
        raise OSError(errno.EFBIG, f"it has more than {MAX_SMALL_BYTES} bytes", str(path))
    with path.open("rb") as file:
        return file.read(found.st_size)


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Durably, as JSON with a checksum: a card that changes one digit must not change what a node
    believes.
    """
    write(path, json.dumps({**state, "checksum": _checksum(state)}) + "\n")


def read_state(path: Path, state_format: int) -> dict[str, Any]:
    """What write_state wrote, with this "format". Raises FileNotFoundError, or ValueError for
    anything else.
    """
    try:
        state = json.loads(read_small(path).decode("ascii"))
        checksum = state.pop("checksum", None)
    except (AttributeError, TypeError, RecursionError) as error:
        raise ValueError(f"unexpected content: {error}") from None
    if state.get("format") != state_format:
        raise ValueError(f"it has format {state.get('format')}, this program has {state_format}")
    if checksum != _checksum(state):
        raise ValueError("its checksum is wrong")
    return state


def _checksum(state: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(state, sort_keys=True).encode("ascii"))


def set_aside(path: Path, companions: tuple[str, ...] = ()) -> Path:
    """Rename a damaged file to `name`.damaged-1, -2, …, with the files whose names go on after its;
    the new path.
    """
    names = [path.with_name(f"{path.name}.damaged-{n}") for n in range(1, MAX_SET_ASIDE + 1)]
    aside = next((name for name in names if not name.exists()), names[-1])
    for suffix in (*companions, ""):
        source, target = path.with_name(path.name + suffix), aside.with_name(aside.name + suffix)
        target.unlink(missing_ok=True)
        if source.exists():
            source.replace(target)
    return aside
