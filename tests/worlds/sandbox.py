"""A sandbox: what a unit lets its process do, tried without systemd as far as a process can bind
itself.

python -m tests.worlds.sandbox UNIT        becomes the command of the unit's ExecStart

Its system calls, memory that is written and run, capabilities' gain, umask, folder and environment
are the unit's; mounts, devices, accounts and the network stay this machine's.
"""

import ctypes
import os
import platform
import re
import shlex
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.programs import program

HEADERS = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
NO_NEW_PRIVILEGES, SECCOMP, MDWE = 38, 22, 65
"Numbers of prctl(2)."
FILTER, REFUSE_EXEC_GAIN = 2, 1
ALLOW, REFUSE_WITH_EPERM = 0x7FFF0000, 0x00050001
X86_64 = 0xC000003E
LOAD, IS_EQUAL, RETURN = 0x20, 0x15, 0x06


def skip_unless_possible() -> None:
    program("systemd-analyze")
    if platform.machine() != "x86_64" or not HEADERS.is_file():
        pytest.skip(f"{HEADERS} not there: apt install linux-libc-dev, and this is tested too")


def settings(unit: Path) -> list[tuple[str, str]]:
    lines = re.findall(r"^(\w+)=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)
    return [(name, value.replace("%%", "%")) for name, value in lines]


def allowed(unit: Path) -> set[str]:
    """Names of the system calls that the unit's filters leave."""
    names: set[str] = set()
    for setting, value in settings(unit):
        if setting == "SystemCallFilter":
            listed = {call for word in value.lstrip("~").split() for call in _expanded(word)}
            names = names - listed if value.startswith("~") else names | listed
    return names


@cache
def _expanded(word: str) -> frozenset[str]:
    if not word.startswith("@"):
        return frozenset({word})
    told = subprocess.run(
        [program("systemd-analyze"), "syscall-filter", word],
        capture_output=True,
        text=True,
        check=True,
    )
    words = [line.strip() for line in told.stdout.splitlines()[1:]]
    return frozenset(
        call for one in words if one and not one.startswith("#") for call in _expanded(one)
    )


def _filter(names: set[str]) -> bytes:
    """A program of the kernel that lets these calls pass, and gives every other one EPERM."""
    numbers = dict(re.findall(r"__NR_(\w+) (\d+)", HEADERS.read_text()))
    code = [(LOAD, 0, 0, 4), (IS_EQUAL, 1, 0, X86_64), (RETURN, 0, 0, REFUSE_WITH_EPERM)]
    code.append((LOAD, 0, 0, 0))
    for name in sorted(names & numbers.keys()):
        code += [(IS_EQUAL, 0, 1, int(numbers[name])), (RETURN, 0, 0, ALLOW)]
    code.append((RETURN, 0, 0, REFUSE_WITH_EPERM))
    return b"".join(struct.pack("HBBI", *line) for line in code)


def main(unit: Path) -> None:
    said = dict(settings(unit))
    environment = dict(os.environ)
    for name, value in settings(unit):
        if name == "Environment":
            environment |= dict(word.partition("=")[::2] for word in shlex.split(value))
    program_of = _filter(allowed(unit))
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(program_of, len(program_of))
    rules = ctypes.create_string_buffer(
        struct.pack("HxxxxxxP", len(program_of) // 8, ctypes.addressof(code)), 16
    )
    os.umask(int(said["UMask"], 8))
    os.chdir(said["WorkingDirectory"])
    command = [word.replace("$$", "$") for word in shlex.split(said["ExecStart"])]
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if said["MemoryDenyWriteExecute"] == "yes":
        libc.prctl(MDWE, REFUSE_EXEC_GAIN, 0, 0, 0)  # a kernel before 6.3 has it not
    if libc.prctl(SECCOMP, FILTER, ctypes.byref(rules), 0, 0):
        raise OSError(ctypes.get_errno(), "the filter was not taken")
    os.execve(command[0], command, environment)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
