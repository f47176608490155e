"""This machine: its Python, what is installed for it, its disks, and who may look into a folder."""

import os
import pwd
import shutil
import stat
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from link.base import extras
from link.checkup.finding import Finding

OLDEST = (3, 11)
LEAST_FREE_BYTES, FEW_FREE_BYTES = 20_000_000, 500_000_000
"Below the first nothing is written any more, below the second it soon will not be."


def account(number: int) -> str:
    """By its name where it has one here, as it may not have in a container."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def check_python(version: Sequence[int] = sys.version_info[:2]) -> Iterator[Finding]:
    if tuple(version[:2]) < OLDEST:
        yield Finding(
            f"this is Python {version[0]}.{version[1]}; install 3.11 or later, and take that"
        )


def check_libraries(modules: Sequence[str], extra: str = "") -> Iterator[Finding]:
    """Those that are not installed; `extra` brings them."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        yield Finding(f"{', '.join(missing)} {verb} not installed: {extras.install(extra)}")


def check_disk(folder: Path) -> Iterator[Finding]:
    """Room for what is to be kept there."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < FEW_FREE_BYTES:
        yield Finding(
            f"{free_bytes / 1e6:.0f} MB are free in {folder}; make room",
            is_hint=free_bytes >= LEAST_FREE_BYTES,
        )


def check_private(path: Path) -> Iterator[Finding]:
    """A folder or file of secrets that is there: its owner's alone, and this account its owner."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return
    if state.st_uid != os.geteuid() != 0:
        yield Finding(
            f"{path} belongs to {account(state.st_uid)}; run this as that account", is_hint=True
        )
    if state.st_mode & 0o077:
        mode = 700 if stat.S_ISDIR(state.st_mode) else 600
        yield Finding(
            f"other accounts of this computer may use {path}: chmod {mode} {path}", is_hint=True
        )
