"""The node's own encoder on its own processors, without a boot: aarch64 Python and LiteRT, run by
qemu-user.

Python comes from the packages of our image, LiteRT from the wheels of a release; both are kept in
runs/flash. A Pi 3 and a Zero 2 W have a Cortex-A53; a Pi 5 has a Cortex-A76, for which XNNPACK has
other kernels.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest

from device.encoder.encoder import Encoder
from device.encoder.interpreter import working_runtime
from device.flash.release import download_wheels, program_files
from device.flash.rootfs import Debian
from device.flash.tools import UnreachableError
from link.bundle.bundle import Bundle
from link.coder import latent_coder
from tests.device.flash.conftest import BUNDLE, ROOT
from tests.programs import program
from tests.studies.boot_image import photographs

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
ENCODE = """
import platform, sys
import numpy as np
python, bundle_path, images_path, symbols_path = sys.argv[1:]
# The runtime is tried in a process of its own, which has to be emulated too.
sys.executable = python
from device.encoder.encoder import Encoder
from device.encoder.interpreter import working_runtime
from link.coder import latent_coder
from link.bundle.bundle import Bundle
bundle = Bundle.load(bundle_path, side="node")
encoder = Encoder(bundle)
symbols = np.stack([encoder(image) for image in np.load(images_path)])
np.save(symbols_path, symbols)
print(platform.machine(), working_runtime())
for each in symbols:
    print(latent_coder.encode(each, bundle.tables).hex())
"""
N_IMAGES = 48


@pytest.fixture(scope="module")
def aarch64_root(tmp_path_factory):
    """A folder with Debian's aarch64 Python, our two packages and their wheels."""
    program("qemu-aarch64")
    program("mmdebstrap")
    WORK.mkdir(parents=True, exist_ok=True)
    owner = [] if os.geteuid() == 0 else [program("fakeroot"), "--"]
    fetched = subprocess.run(
        [*owner, sys.executable, "-c", FETCH], cwd=ROOT, capture_output=True, text=True
    )
    if "UnreachableError" in fetched.stderr:
        pytest.skip(f"aarch64 is NOT TESTED: {fetched.stderr.strip().splitlines()[-1]}")
    assert fetched.returncode == 0, fetched.stderr
    root = tmp_path_factory.mktemp("aarch64")
    with tarfile.open(fetched.stdout.strip()) as archive:
        for entry in archive:
            name = entry.name.removeprefix("./")
            if name.startswith(TAKEN) or name in LINKS:
                archive.extract(entry, root, filter="tar")
    try:
        wheels = download_wheels(DEBIAN.python, WORK, "")
    except UnreachableError as error:
        pytest.skip(f"aarch64 is NOT TESTED: {error}")
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(root / "opt/lib")
    for name, content in program_files(ROOT).items():
        (root / "opt" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "opt" / name).write_bytes(content)
    yield root
    shutil.rmtree(root)


@pytest.mark.parametrize("processor", ["cortex-a53", "cortex-a76"])
def test_a_node_makes_the_symbols_and_bytes_that_this_machine_makes(
    aarch64_root, tmp_path, processor
):
    assert working_runtime() == "ai_edge_litert"
    bundle = Bundle.load(BUNDLE, side="node")
    encoder, images = Encoder(bundle), photographs(bundle.image.height, N_IMAGES)
    expected = np.stack([encoder(image) for image in images])
    np.save(tmp_path / "images.npy", images)
    python = tmp_path / "python3"
    python.write_text(
        PYTHON.format(
            qemu=program("qemu-aarch64"),
            processor=processor,
            root=aarch64_root,
            version=DEBIAN.python,
        )
    )
    python.chmod(0o755)
    arguments = [python, BUNDLE, tmp_path / "images.npy", tmp_path / "symbols.npy"]
    done = subprocess.run(
        [python, "-c", ENCODE, *arguments], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    machine, *bitstreams = done.stdout.splitlines()
    assert machine == "aarch64 ai_edge_litert"
    assert len(np.unique(expected, axis=0)) > N_IMAGES // 2
    np.testing.assert_array_equal(np.load(tmp_path / "symbols.npy"), expected)
    assert bitstreams == [latent_coder.encode(symbols, bundle.tables).hex() for symbols in expected]
