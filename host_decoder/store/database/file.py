"""The store's file: opened by one host that writes it, or by whoever only reads; and a sentence for
every failure.

    Lock(path)                               one host, until it ends, however it ends
    open_for_writing(path, resources)        made when it is not there, for its owner alone (0600)
    open_for_reading(path, resources)        nothing is written, also where nothing can be

A reader of a store that no host holds sees one file and leaves it alone. Beside a host that writes
it goes by that host's log; and what a crash left in a folder that cannot be written is read from a
copy.
"""

import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from host_decoder.errors import HostError

BUSY_WAIT_S = 0.1
"For another program's lock while a host writes; its gateways wait meanwhile."
READ_WAIT_S = 5.0
MODE = 0o600
"Labels, pictures' bitstreams and places are their owner's alone."
MAGIC = b"SQLite format 3\0"


class StoreError(HostError):
    """The store cannot be read or written; the message names the file and says what to do."""

    def __init__(self, message: str, is_passing: bool = False) -> None:
        super().__init__(message)
        self.is_passing = is_passing
        "It may be over by itself, or by what a person does beside the program: worth another try."


class StoreHeldError(StoreError):
    """Another host writes it."""


REMEDIES = {
    sqlite3.SQLITE_BUSY: "is locked by another program; end that, or its transaction",
    sqlite3.SQLITE_LOCKED: "is locked by another program; end that, or its transaction",
    sqlite3.SQLITE_FULL: "has no room on its disk; free some space",
    sqlite3.SQLITE_READONLY: (
        "may only be read; let the file and its folder be written by whoever runs this"
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened; see to the owner and mode of the file and its folder"
    ),
    sqlite3.SQLITE_PERM: "cannot be opened; see to the owner and mode of the file and its folder",
    sqlite3.SQLITE_IOERR: (
        "cannot be read or written by its disk; see to the disk, and to the space on it"
    ),
}
"By SQLite's primary result code: what may pass, and what to do."
LASTING = {
    sqlite3.SQLITE_CORRUPT: "is damaged; put a copy in its place, or save what is whole with "
    "SQLite's `.recover` "
    "and begin a new one under another name",
    sqlite3.SQLITE_NOTADB: "is no SQLite database, or its beginning is damaged; name another file",
}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """What SQLite raises inside becomes a StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        what = REMEDIES.get(code) or LASTING.get(code) or "cannot be used; name another file"
        raise StoreError(f"store {path} {what} ({error})", is_passing=code in REMEDIES) from error


class Lock:
    """The one writer of a store; held until it is closed or its process ends."""

    def __init__(self, path: Path) -> None:
        """Raises StoreError: lasting when another host holds it, passing when it is being read or
        cannot be made.
        """
        real = path.resolve()
        self._path = real.with_name(real.name + ".lock")
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, MODE)
        except OSError as error:
            raise StoreError(
                f"store {path} cannot be locked ({error.strerror}: {self._path}); let its folder "
                "be written by whoever runs this, and free some space",
                is_passing=True,
            ) from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            refusal = self._refusal(path)
            self.close()
            raise refusal from None
        except OSError as error:
            self.close()
            raise StoreError(
                f"store {path} cannot be locked ({error.strerror}); name a file on a disk of this "
                "computer"
            ) from None
        with suppress(OSError):  # a full disk: the lock is what counts, the number is a help
            os.truncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        os.close(self._descriptor)

    def _refusal(self, path: Path) -> StoreError:
        if _is_shared(self._descriptor):
            return StoreError(
                f"store {path} is being read; end the program that reads it", is_passing=True
            )
        holder = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
        return StoreHeldError(
            f"store {path} is in use by another host (process {holder}); end that one, or give "
            "this one a store of its own"
        )


def _is_shared(descriptor: int) -> bool:
    """Whether nobody writes; if so the lock is then held with all who read."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def open_for_writing(path: Path, resources: ExitStack) -> sqlite3.Connection:
    """A new file is its owner's alone, and so are SQLite's files beside it. `resources` then hold
    its lock.
    """
    if not path.parent.is_dir():
        raise StoreError(f"store {path} cannot be made: there is no folder {path.parent}; make it")
    if file_of(path) is not None:
        _check_kind(path, may_be_empty=True)
    resources.callback(Lock(path).close)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, MODE))
    except OSError as error:
        raise StoreError(
            f"store {path} cannot be written ({error.strerror}); let the file and its folder be "
            "written by whoever runs this, and free some space",
            is_passing=True,
        ) from None
    with explained(path):
        return sqlite3.connect(path, timeout=BUSY_WAIT_S, check_same_thread=False)


def open_for_reading(path: Path, resources: ExitStack) -> sqlite3.Connection:
    """`resources` then hold what is to be let go of after the connection: a lock, a copy."""
    if file_of(path) is None:
        raise StoreError(f"there is no store at {path}; `python -m host_decoder listen` writes one")
    _check_kind(path)
    log = path.with_name(path.name + "-wal")
    is_quiet = _share(path, resources)
    if is_quiet and not (log.exists() and log.stat().st_size):
        return _connect(path, "mode=ro&immutable=1")
    try:
        return _connect(path, "mode=ro")
    except StoreError:
        if not is_quiet:
            raise
    folder = Path(resources.enter_context(tempfile.TemporaryDirectory()))
    try:
        for source in (path, log):
            shutil.copy(source, folder / source.name)
    except OSError as error:
        raise StoreError(
            f"store {path} has a log that only a folder with room can hold, and a copy of both "
            f"cannot be made ({error.strerror}); copy them to such a folder yourself"
        ) from None
    return _connect(folder / path.name, "mode=rw")


def _share(path: Path, resources: ExitStack) -> bool:
    """True when no host writes this store; none will before `resources` are let go of."""
    real = path.resolve()
    try:
        descriptor = os.open(real.with_name(real.name + ".lock"), os.O_RDONLY)
    except FileNotFoundError:
        return True  # an earlier version's, or a copy
    except OSError:
        return False
    resources.callback(os.close, descriptor)
    return _is_shared(descriptor)


def _connect(path: Path, how: str) -> sqlite3.Connection:
    with explained(path):
        database = sqlite3.connect(
            f"{path.absolute().as_uri()}?{how}",
            timeout=READ_WAIT_S,
            uri=True,
            check_same_thread=False,
        )
        try:
            database.execute("SELECT 1 FROM sqlite_master").fetchone()
        except BaseException:
            database.close()
            raise
    return database


def _check_kind(path: Path, may_be_empty: bool = False) -> None:
    """What SQLite would call a database without tables, or no database at all."""
    if not path.is_file():
        raise StoreError(
            f"store {path} is {'a folder' if path.is_dir() else 'no file'}; name a file"
        )
    try:
        with path.open("rb") as file:
            beginning = file.read(len(MAGIC))
    except OSError as error:
        raise StoreError(
            f"store {path} cannot be read ({error.strerror}); see to its owner and mode"
        ) from None
    if not beginning and not may_be_empty:
        raise StoreError(
            f"store {path} is empty: nothing was ever stored there, or a full disk or a copy cut "
            "it off"
        )
    if beginning not in (b"", MAGIC):
        raise StoreError(
            f"{path} is no store: it does not begin as an SQLite database does; name another file"
        )


def file_of(path: Path) -> tuple[int, int] | None:
    """Which file a path leads to; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
