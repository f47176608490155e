"""Programs that tests call and a machine may lack: asked for here, and nowhere else, by the program
that is called.

A test whose program is not there is skipped, and the skip names the program and the Debian package
that holds it. `python -m tests.programs` lists the packages that are missing; `python -m
tests.programs FOLDER` fills a folder with links to all programs in PATH but these: with PATH set to
it, this machine is a bare one.
"""

import glob
import os
import shutil
import sys
from pathlib import Path

import pytest

from device.flash import tools

PACKAGES = tools.PACKAGES | {
    "cc": "gcc",
    "chromium": "chromium",
    "cpio": "cpio",
    "dtc": "device-tree-compiler",
    "git": "git",
    "initdb": "postgresql",
    "make": "make",
    "losetup": "mount",
    "mosquitto": "mosquitto",
    "mosquitto_passwd": "mosquitto",
    "node": "nodejs",
    "qemu-aarch64": "qemu-user",
    "sh": "dash",
    "strace": "strace",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "systemd-analyze": "systemd",
    "yamllint": "yamllint",
}
"Program: its Debian package."
BASIC = {"git", "make", "sh"}
"Part of any machine on which a checkout is tested."


POSTGRESQL = "/usr/lib/postgresql/*/bin"
"Where Debian puts what a person calls by a wrapper."


def find(name: str) -> str | None:
    """Full path of a program, also where a user's PATH does not lead."""
    places = [tools.SYSTEM_PATH, *sorted(glob.glob(POSTGRESQL), reverse=True)]
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(places))


def program(name: str) -> str:
    """Full path of a program that the running test calls; without it the test is skipped."""
    path = find(name)
    if path is None:
        pytest.skip(_reason([name]))
    return path


def needs(*names: str) -> pytest.MarkDecorator:
    """Skips what it marks unless all of these programs are there."""
    missing = [name for name in names if find(name) is None]
    return pytest.mark.skipif(bool(missing), reason=_reason(missing))


def _reason(missing: list[str]) -> str:
    packages = sorted({PACKAGES[name] for name in missing})
    return (
        f"{', '.join(missing)} not installed: apt install {' '.join(packages)}, and this is "
        "tested too"
    )


def link_all_but_these(folder: Path) -> None:
    """Links to every program of PATH except the listed ones that are not part of any machine."""
    folder.mkdir(parents=True, exist_ok=True)
    for place in map(Path, os.get_exec_path()):
        for path in place.iterdir() if place.is_dir() else ():
            if path.name not in PACKAGES.keys() - BASIC and not (folder / path.name).is_symlink():
                (folder / path.name).symlink_to(path)


def main() -> None:
    if len(sys.argv) > 1:
        link_all_but_these(Path(sys.argv[1]))
    else:
        print(*sorted({PACKAGES[name] for name in PACKAGES if find(name) is None}))


if __name__ == "__main__":
    main()
