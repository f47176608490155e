"""Aarch64: whether a bundle computes on the nodes' processors what it computes here, bit for bit.

The node's own programs are run by qemu-user on test images, on each processor: one encoder, or all
parts of a team's, whose integers at each exchange are compared too. Writes
results/aarch64-NAME.json. Exit code 3: Debian or PyPI cannot be reached, so nothing was tested.
"""

import argparse
import hashlib
import os
import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from device.flash.__main__ import UNREACHABLE
from device.flash.tools import UnreachableError
from host_training.data import catalogue
from link.bundle.bundle import Bundle
from link.output.results import write_result
from tests.studies.command import MistakeError, add_data_dir, add_results, command
from tests.worlds.aarch64 import PROCESSORS, Aarch64
from tests.worlds.node_work import work

TIMEOUT_S_PER_IMAGE, START_S = 20.0, 120.0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser()
    top.add_argument("--bundle", type=Path, default=Path("models/cifar10"))
    top.add_argument("--name", help="of the results; default: the bundle's folder")
    top.add_argument("--images", type=int, default=200, help="of the test split (default 200)")
    top.add_argument("--processor", choices=PROCESSORS, nargs="+", default=PROCESSORS)
    add_data_dir(top)
    add_results(top)
    return top


def main(options: argparse.Namespace) -> int:
    qemu = shutil.which("qemu-aarch64")
    if qemu is None:
        raise MistakeError("qemu-aarch64 is not there: apt install qemu-user")
    bundle = Bundle.load(options.bundle, "node")
    data_set = bundle.provenance.data_set
    if data_set is None:
        raise MistakeError(f"bundle {options.bundle} does not say what data it learnt from")
    images = catalogue.load(data_set, options.data_dir).test.images[: options.images]
    here = work(bundle, images)
    figures: dict[str, float] = {"images": len(images), "integers_compared": here.integers.size}
    with TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        root.mkdir()
        try:
            aarch64 = Aarch64(root, qemu, shutil.which("fakeroot") if os.geteuid() else None)
        except UnreachableError as error:
            print(f"NOT TESTED: {error}", file=sys.stderr)
            return UNREACHABLE
        n_differ = 0
        for processor in options.processor:
            began_s = time.monotonic()
            limit_s = START_S + TIMEOUT_S_PER_IMAGE * len(images)
            there = aarch64.work(options.bundle.resolve(), images, processor, Path(folder), limit_s)
            assert there.machine == "aarch64"
            n_bytes = sum(a != b for a, b in zip(there.bitstreams, here.bitstreams, strict=True))
            n_integers = int((there.integers != here.integers).sum())
            n_differ += n_integers + n_bytes
            name = processor.replace("-", "_")
            figures |= {
                f"{name}_integers_differ": n_integers,
                f"{name}_bitstreams_differ": n_bytes,
                f"{name}_s": round(time.monotonic() - began_s, 1),
            }
            print(figures, flush=True)
    figures["differ"] = n_differ
    integers = np.ascontiguousarray(here.integers)
    extra = {
        "bundle": bundle.id.hex(),
        "processors": list(options.processor),
        "integers_sha256": hashlib.sha256(integers.tobytes()).hexdigest(),
    }
    study = f"aarch64-{options.name or bundle.path.name}"
    print(write_result(study, figures, command=command(), extra=extra, folder=options.results))
    return int(n_differ > 0)
