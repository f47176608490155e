"""The programs that flashing calls, and the Debian package that holds each: a missing one is named
with its remedy.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

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


LAST_LINES = 4
"Lines of what a program said that a sentence repeats."
DEADLINE_S = 600.0
"For one call: whatever is slower hangs on a device or a network that is gone."
DOWNLOAD_DEADLINE_S = 3600.0
PIPES: dict[str, Any] = {
    "stdin": subprocess.PIPE,
    "stdout": subprocess.PIPE,
    "stderr": subprocess.PIPE,
}


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


def run(
    *command: str | Path, input: bytes = b"", environment: dict[str, str] | None = None
) -> bytes:
    """Standard output of a program; FlashError with its last words when it fails or hangs."""
    words = [find(str(command[0])), *map(str, command[1:])]
    done = run_within(DEADLINE_S, words, input, environment)
    if done.returncode:
        raise FlashError(
            f"{' '.join(words[:4])} … failed: {last_words(done.stderr or done.stdout)}"
        )
    return done.stdout


def run_within(
    deadline_s: float,
    words: Sequence[str],
    input: bytes = b"",
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end, whatever that is; FlashError when there is none in time, or it
    cannot begin.

    All that it started ends with it: a helper of ssh that stays behind would keep our pipes open
    for ever.
    """
    try:
        process = subprocess.Popen(words, env=environment, start_new_session=True, **PIPES)
    except OSError as error:
        raise FlashError(f"{words[0]} cannot be started ({error.strerror})") from None
    try:
        output, said = process.communicate(input, deadline_s)
    except subprocess.TimeoutExpired:
        raise FlashError(
            f"{' '.join(words[:4])} … has not ended in {deadline_s:.0f} s and was stopped"
        ) from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return subprocess.CompletedProcess(list(words), process.returncode, output, said)


def last_words(output: bytes) -> str:
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    return " | ".join(lines[-LAST_LINES:]) or "it said nothing"


def require(tools: Sequence[str]) -> None:
    """All missing programs in one sentence."""
    missing = {
        PACKAGES.get(tool, tool)
        for tool in tools
        if not (shutil.which(tool) or shutil.which(tool, path=SYSTEM_PATH))
    }
    if missing:
        raise FlashError(
            f"programs are missing; install them: apt install {' '.join(sorted(missing))}"
        )
