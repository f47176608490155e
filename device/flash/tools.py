"""The programs that flashing calls, and the Debian package that holds each: a missing one is named with its remedy."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

PACKAGES = {
    "mmdebstrap": "mmdebstrap",
    "fakeroot": "fakeroot",
    "depmod": "kmod",
    "mkfs.vfat": "dosfstools",
    "mke2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "mcopy": "mtools",
    "mdir": "mtools",
    "mdel": "mtools",
    "mmd": "mtools",
    "fdtput": "device-tree-compiler",
    "qemu-system-aarch64": "qemu-system-arm",
}
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
"Where programs lie that a user's PATH often leaves out."


class FlashError(Exception):
    """Flashing cannot go on; the message says why and what to do."""


class UnreachableError(FlashError):
    """Packages of Debian or Python cannot be had now."""


def find(tool: str) -> str:
    """Full path of a program."""
    path = shutil.which(tool) or shutil.which(tool, path=SYSTEM_PATH)
    if path is None:
        raise FlashError(f"{tool} is missing; install it: apt install {PACKAGES.get(tool, tool)}")
    return path


def run(*command: str | Path, input: bytes = b"", environment: dict[str, str] | None = None) -> bytes:
    """Standard output of a program; FlashError with its last words when it fails."""
    words = [find(str(command[0])), *map(str, command[1:])]
    done = subprocess.run(words, input=input, capture_output=True, env=environment)
    if done.returncode:
        raise FlashError(f"{' '.join(words[:4])} … failed: {last_words(done.stderr or done.stdout)}")
    return done.stdout


def last_words(output: bytes, n_lines: int = 4) -> str:
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    return " | ".join(lines[-n_lines:]) or "it said nothing"


def require(tools: Sequence[str]) -> None:
    """All missing programs in one sentence."""
    missing = {
        PACKAGES.get(tool, tool) for tool in tools if not (shutil.which(tool) or shutil.which(tool, path=SYSTEM_PATH))
    }
    if missing:
        raise FlashError(f"programs are missing; install them: apt install {' '.join(sorted(missing))}")
