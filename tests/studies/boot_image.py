"""Boot image: from nothing to labels. An image is made, given a key, booted in QEMU; its node
encodes photographs on an aarch64 processor and sends them through a throttled line to the host's
decoder.

What the host stored is compared with what this machine's encoder makes of the same photographs.
Writes results/boot-SUITE.json. Exit code 3: Debian or PyPI cannot be reached, so nothing was
tested.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_sample_images

from device.encoder.encoder import Encoder
from device.flash.__main__ import UNREACHABLE
from device.flash.boot import MACHINES
from device.flash.card import CardOptions, flash_card
from device.flash.rootfs import PYTHON_OF, Debian
from host_decoder.store.store import Store
from link.bundle.bundle import Bundle
from link.coder import latent_coder
from link.output.results import write_result
from tests.studies.command import add_results, command
from tests.worlds.guest import ROOT, Guest, Host, Line

BUNDLE = ROOT / "models/cifar10"
PROFILE = "serial-9600"
N_IMAGES = 24
SHRINK, LARGEST_SHRUNK = 4, 32
NODE_TOML = """node = 1
bundle = "{bundle}"
key_dir = "keys"
[source]
kind = "replay"
path = "replay.npz"
loop = true
interval_s = 0.3
[link]
port = "{port}"
profile = "{profile}"
"""
HOST_TOML = """store = "host.sqlite"
[link]
port = "{port}"
profile = "{profile}"
"""


def photographs(size: int, n_images: int) -> np.ndarray:
    """uint8 (n_images, size, size, 3): squares of scikit-learn's two photographs, SHRINK times
    smaller, or large ones as they are.
    """
    shrink = SHRINK if size <= LARGEST_SHRUNK else 1
    squares, cut = [], size * shrink
    for image in load_sample_images().images:
        n_rows, n_columns = image.shape[0] // cut, image.shape[1] // cut
        blocks = image[: n_rows * cut, : n_columns * cut].reshape(
            n_rows, size, shrink, n_columns, size, shrink, 3
        )
        squares.append(blocks.mean((2, 5)).swapaxes(1, 2).reshape(-1, size, size, 3))
    return np.concatenate(squares)[:n_images].round().astype(np.uint8)


def make_image(debian: Debian, work: Path, image: Path) -> None:
    """As a person makes it: in a process of its own, under fakeroot where that is needed."""
    command = [
        sys.executable,
        "-m",
        "device.flash",
        "image",
        "--suite",
        debian.suite,
        "--mirror",
        debian.mirror,
    ]
    subprocess.run([*command, "--work", str(work), "--out", str(image)], cwd=ROOT, check=True)


def prepare(
    folder: Path, work: Path, debian: Debian, port: str, host_port: Path, bundle: Path = BUNDLE
) -> tuple[Path, np.ndarray]:
    """A flashed image in `folder` with its host.toml beside it, and the images that its node will
    see.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    images = photographs(Bundle.load(bundle, side="node").image.height, N_IMAGES)
    np.savez(folder / "replay.npz", images=images)
    image = folder / "card.img"
    make_image(debian, work, image)
    (folder / "node.toml").write_text(
        NODE_TOML.format(bundle=bundle.resolve(), port=port, profile=PROFILE)
    )
    (folder / "host.toml").write_text(HOST_TOML.format(port=host_port, profile=PROFILE))
    options = CardOptions(
        image, folder / "node.toml", folder / "host.toml", work, is_confirmed=True
    )
    flash_card(options, lambda text: None, lambda share: None)
    return image, images


def symbols_here(images: np.ndarray, bundle: Path = BUNDLE) -> np.ndarray:
    """int8 (N, D): what this machine's encoder makes of the images."""
    encoder = Encoder(Bundle.load(bundle, side="node"))
    return np.stack([encoder(image) for image in images])


def compare(store: Path, bundle: Bundle, expected: np.ndarray) -> dict[str, float]:
    """How the symbols that arrived differ from these, image by image in the order of capture."""
    with Store(store, must_exist=True) as opened:
        bitstreams = [
            image.bitstream for image in opened.images(bundle.id.hex()) if image.is_complete
        ]
    arrived = np.stack(
        [latent_coder.decode(bitstream, bundle.tables).symbols for bitstream in bitstreams]
    )
    difference = np.abs(arrived.astype(int) - expected[np.arange(len(arrived)) % len(expected)])
    return {
        "images_compared": len(arrived),
        "symbols_compared": difference.size,
        "symbols_that_differ": int((difference > 0).sum()),
        "largest_difference": int(difference.max()),
    }


def main(options: argparse.Namespace) -> int:
    debian, work = Debian(options.suite, options.mirror), options.work.resolve()
    folder, port = work / f"boot-{options.suite}", MACHINES[options.machine].port
    begun_s = time.monotonic()
    try:
        image, images = prepare(folder, work, debian, port, folder / "line/b", options.bundle)
    except subprocess.CalledProcessError as error:
        what = (
            "NOT TESTED: packages cannot be had"
            if error.returncode == UNREACHABLE
            else "FAILED: no image was made"
        )
        print(f"{what}; the reason is above", file=sys.stderr)
        return error.returncode
    made_s = time.monotonic()
    answers, first_label_s = [], 0.0
    with Line(PROFILE, folder / "line") as line, Host(folder / "host.toml") as host:
        started_s = time.monotonic()
        with Guest(image, folder, line.a, options.machine) as guest:
            try:
                for event in host.events(options.limit):
                    if event["event"] != "answer" or not event["is_complete"]:
                        continue
                    first_label_s = first_label_s or time.monotonic() - started_s
                    print(
                        (
                            f"image {event['image']}: {event['label']}, "
                            f"{event['bitstream_bytes']} bytes"
                        ),
                        flush=True,
                    )
                    answers.append(event)
                    if len(answers) == len(images):
                        break
            except TimeoutError:
                print(guest.log.read_text(errors="replace")[-6000:], file=sys.stderr)
                print(
                    f"FAILED: {len(answers)} labels in {options.limit:.0f} s; its console is above",
                    file=sys.stderr,
                )
                return 1
            memory = guest.ask(
                "grep -E 'VmHWM|VmRSS' /proc/$(systemctl show -P MainPID latentlink)/status"
            )
            root_mb = int(guest.ask("df -m / | tail -1 | tr -s ' ' | cut -d' ' -f2"))
            cpu_s = guest.cpu_s
    figures = {
        "image_s": made_s - begun_s,
        "first_label_s": first_label_s,
        "qemu_cpu_s": cpu_s,
        "image_mb": 512 * image.stat().st_blocks / 1e6,
        "root_partition_mb": root_mb,
        "node_peak_mb": int(memory.split("VmHWM:")[1].split()[0]) / 1024,
        "node_resident_mb": int(memory.split("VmRSS:")[1].split()[0]) / 1024,
        "labels": len(answers),
        **compare(
            folder / "host.sqlite",
            Bundle.load(options.bundle, side="node"),
            symbols_here(images, options.bundle),
        ),
    }
    print(json.dumps(figures, indent=1))
    names = [options.suite, options.machine, options.bundle.name]
    usual = ["", "virt", BUNDLE.name]
    others = [name for name, each in zip(names, usual, strict=True) if name != each]
    study = "-".join(["boot", *others])
    print(write_result(study, figures, command=command(), folder=options.results))
    return 0 if figures["largest_difference"] <= 1 else 1


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser()
    top.add_argument("--suite", choices=PYTHON_OF, default="bookworm")
    top.add_argument("--mirror", default="")
    top.add_argument("--bundle", type=Path, default=BUNDLE, help="its node's (%(default)s)")
    top.add_argument("--machine", choices=MACHINES, default="virt")
    top.add_argument(
        "--limit", type=float, default=240, metavar="S", help="for the labels (default %(default)s)"
    )
    top.add_argument("--work", type=Path, default=Path("runs/flash"))
    add_results(top)
    return top
