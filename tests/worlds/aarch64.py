"""aarch64: the nodes' own Python, LiteRT and our two packages in a folder, run by qemu-user.

Python comes from the packages of our image, LiteRT from the wheels of a release; both are kept in
runs/flash. A Pi 3 and a Zero 2 W have a Cortex-A53; a Pi 5 has a Cortex-A76, for which XNNPACK has
other kernels.
"""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np

from device.flash.release import download_wheels, program_files
from device.flash.rootfs import Debian
from device.flash.tools import UnreachableError
from tests.worlds.guest import ROOT
from tests.worlds.node_work import NodeWork

PROCESSORS = ("cortex-a53", "cortex-a76")
DEBIAN = Debian("bookworm")
WORK = ROOT / "runs/flash"
FETCH = f"""
from pathlib import Path
from device.flash.rootfs import Debian, fetch
print(fetch(Debian("{DEBIAN.suite}"), Path("{WORK}")))
"""
TAKEN = (
    "usr/bin/python3",
    "usr/lib/python3",
    "usr/lib/aarch64-linux-gnu/",
    "usr/lib/ld-linux-aarch64",
)
LINKS = ("lib", "usr/lib", "usr/bin")
PYTHON = """#!/bin/sh
exec {qemu} -cpu {processor} -L {root} -E PYTHONHOME={root}/usr \\
    -E PYTHONPATH={root}/opt:{root}/opt/lib {root}/usr/bin/python{version} -P "$@"
"""


class Aarch64:
    """A node's programs, to be run by qemu-user."""

    def __init__(self, root: Path, qemu: str, fakeroot: str | None) -> None:
        """Fill the folder `root`; UnreachableError says what cannot be had. Without fakeroot only
        the superuser can do it.
        """
        self._root, self._qemu = root, qemu
        WORK.mkdir(parents=True, exist_ok=True)
        owner = [] if fakeroot is None else [fakeroot, "--"]
        fetched = subprocess.run(
            [*owner, sys.executable, "-c", FETCH], cwd=ROOT, capture_output=True, text=True
        )
        if "UnreachableError" in fetched.stderr:
            raise UnreachableError(fetched.stderr.strip().splitlines()[-1])
        assert fetched.returncode == 0, fetched.stderr
        with tarfile.open(fetched.stdout.strip()) as archive:
            for entry in archive:
                name = entry.name.removeprefix("./")
                if name.startswith(TAKEN) or name in LINKS:
                    archive.extract(entry, root, filter="tar")
        for wheel in download_wheels(DEBIAN.python, WORK, ""):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(root / "opt/lib")
        for name, content in program_files(ROOT).items():
            (root / "opt" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "opt" / name).write_bytes(content)

    def work(
        self, bundle: Path, images: np.ndarray, processor: str, folder: Path, timeout_s: float
    ) -> NodeWork:
        """What a bundle's node makes of images, uint8 (N, H, W, C), there; leaves its files in
        `folder`.
        """
        python = folder / "python3"
        python.write_text(
            PYTHON.format(
                qemu=self._qemu, processor=processor, root=self._root, version=DEBIAN.python
            )
        )
        python.chmod(0o755)
        np.save(folder / "images.npy", images)
        program = ROOT / "tests/worlds/node_work.py"
        words = [python, program, python, bundle, folder / "images.npy", folder / "work.npz"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s)
        assert done.returncode == 0, done.stderr
        return NodeWork.read(folder / "work.npz")
