"""Rivals: honest rivals on CIFAR-10's test images, per image and through real bytes.

Parts: `coders`, the bundle's symbols by other coders, Huffman codes as in PNC among them; `prior`,
those symbols by CompressAI's factorised prior; `label`, the bundle's encoder and decoder both on
the node, which sends the label; `codecs`, JPEG, WebP, JPEG 2000 and AVIF without their headers,
classified by a network trained on such images; `learned`, a bottleneck trained with the factorised
prior's rate on a frozen backbone; `classifier`, a network of the node's size trained for the label
alone. Networks start from the checkpoint of PRESET, which `make train DATASET=cifar10 PRESET=…`
trains. What a part measured is kept in runs/study/rivals, so parts may be run one by one; the
results say which are missing.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import torch

from host_training.data.catalogue import load
from tests.studies.command import bundle_of_one
from tests.studies.common import Table, finish, training_parser
from tests.studies.rivals.codecs import codec_bytes
from tests.studies.rivals.inputs import Study
from tests.studies.rivals.kept import PARTS, kept_part, measure
from tests.studies.rivals.picture import plot

JPEG_COPIES = (
    "170 of the 60,000 CIFAR-10 images measured here, 32 of them in the test split, are JPEG "
    "copies of the originals"
)
LABEL_WINS = (
    "A label takes at most a byte and is as accurate as the bundle: on a node that can afford the "
    "decoder, and for a task that never changes, it wins this picture. Latents are for what the "
    "host wants to learn later."
)
BUNDLES = [Path("models/cifar10"), Path("models/cifar10-wide")]


def slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name.lower())


def parser() -> argparse.ArgumentParser:
    top = training_parser()
    top.add_argument("--bundles", type=Path, nargs="+", default=BUNDLES)
    top.add_argument(
        "--preset", default="plain-20-long", help="the rivals' networks begin with its weights"
    )
    top.add_argument(
        "--checkpoint", type=Path, help="default: the cross-entropy stage of runs/cifar10-PRESET"
    )
    top.add_argument(
        "--epochs", type=int, default=2, help="of the codecs' network, each on other settings"
    )
    top.add_argument(
        "--images", type=int, default=10_000, help="how many of the test split the codecs code"
    )
    top.add_argument(
        "--parts",
        nargs="*",
        choices=PARTS,
        default=list(PARTS),
        help="none: only put together what is kept",
    )
    return top


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    started = time.monotonic()
    seed = (options.seeds or [0])[0]
    checkpoint = options.checkpoint or Path(f"runs/cifar10-{options.preset}/ce.pt")
    data = load("cifar10", options.data_dir)
    studies = [
        Study(
            bundle_of_one(path),
            data,
            options.preset,
            checkpoint,
            options.epochs,
            options.images,
            seed,
        )
        for path in options.bundles
    ]
    for part in options.parts:
        for study in studies:
            measure(study, part)
        write(studies, time.monotonic() - started)
    if not options.parts:
        write(studies, time.monotonic() - started)


def write(studies: list[Study], wall_s: float) -> None:
    """Results and plot of all that is kept."""
    points: list[dict[str, Any]] = []
    notes = [JPEG_COPIES, LABEL_WINS]
    figures: dict[str, float] = {}
    processor_s: dict[str, float] = {}
    for part, (_, names) in PARTS.items():
        for study in studies if "bundle" in names else studies[:1]:
            bundle = study.bundle.path.name if "bundle" in names else ""
            kept = kept_part(study, part) or {
                "points": [],
                "missing": "not measured",
                "processor_s": 0.0,
            }
            points += [{"bundle": bundle} | point for point in kept["points"]]
            title = f"{part} {bundle}".strip()
            notes += [f"{title}: {kept['missing']}"] if kept["missing"] else []
            processor_s[title] = kept["processor_s"]
    for point in points:
        name = slug(f"{point['bundle']} {point['name']}".strip())
        figures |= {
            f"{name}_bytes": point["bytes_per_image"],
            f"{name}_accuracy": point["accuracy"],
        }
    first = studies[0]
    extra = {
        "inputs": first.inputs | {"preset": first.preset},
        "bundles": {study.bundle.path.name: study.bundle.id.hex() for study in studies},
        "notes": notes,
        "points": points,
        "codec_bytes": codec_bytes(first.n_images),
        "codec_images": first.n_images,
        "wall_s": wall_s,
        "processor_s": processor_s,
    }
    finish("rivals", figures, [first.seed], extra, plot, n_axes=2)


def tables(result: dict[str, Any]) -> list[Table]:
    """Every rival, what the codecs' bodies take, and what there is to say about them."""
    points = [
        [
            f"{point['name']}{', ' * bool(point['bundle'])}{point['bundle']}",
            f"{point['bytes_per_image']:.2f}",
            f"{100 * point['accuracy']:.2f}",
            f"{point['node_macs'] / 1e6:.1f}",
            point["note"],
        ]
        for point in result["points"]
    ]
    sizes = [[name, f"{n_bytes:.1f}"] for name, n_bytes in result["codec_bytes"].items()]
    return [
        Table(["rival", "bytes", "accuracy, %", "node, million MACs", "how"], points),
        Table(
            ["image codec without headers", f"bytes, first {result['codec_images']:,} test images"],
            sizes,
        ),
        Table(["note"], [[note] for note in result["notes"]]),
    ]
