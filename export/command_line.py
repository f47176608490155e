"""Turn a run, or a checkpoint, into a bundle, and measure it on the test split.

`python -m export calibrate --bundle DIR` fits the confidence of a bundle that is there, on the
validation split. `python -m export decoder --bundle DIR --task NAME` adds another decoder to its
host side. `python -m export report RUN` writes what a person reads of their photos.
`python -m export rotate --bundle DIR --out NEW` rotates its latents by importance: the
same accuracy from fewer bytes. `python -m export plan DIR` places a team's parts on its nodes.

What lies in the folder of a run is of that run: its data set need not be said. A bundle that came
with the programs is never written into; a copy of it is.
"""

import argparse
import os
from pathlib import Path
from typing import Any

from export.decoders.add import Request
from export.decoders.questions import TASKS
from export.partition.planner import KINDS
from export.rotate import Rotating
from export.settings import Settings
from export.universal.build import Building
from host_training.presets.preset import N_VIEWS, ORDERS, STAGES
from link.bundle import copies
from link.output import program, results


def parser() -> argparse.ArgumentParser:
    top = program.Parser(
        prog="python -m export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = top.add_argument
    said = top.add_mutually_exclusive_group(required=True).add_argument
    said(
        "--run", type=Path, default=argparse.SUPPRESS, metavar="DIR", help="a finished run, runs/…"
    )
    said("--checkpoint", type=Path, default=argparse.SUPPRESS, help="runs/…/duphil.pt or ce.pt")
    add(
        "--stage",
        choices=STAGES,
        default=argparse.SUPPRESS,
        help="of the run (default: the stage that its preset is exported from)",
    )
    add(
        "--out",
        type=Path,
        default=argparse.SUPPRESS,
        help=(
            "folder of the bundle; a bundle that is there is replaced at the end, and kept beside "
            "it (default: `bundle` in the run's folder)"
        ),
    )
    add(
        "--latents",
        type=int,
        metavar="N",
        help="send only the N most useful latents (default: all)",
    )
    add(
        "--order",
        choices=ORDERS,
        default=argparse.SUPPRESS,
        help=f"what useful means (default: the preset's; of a checkpoint {ORDERS[0]})",
    )
    add(
        "--coarseness",
        type=float,
        default=argparse.SUPPRESS,
        metavar="C",
        help="with --order importance: above 1 for fewer bits (default: the preset's; 1)",
    )
    add(
        "--views",
        type=int,
        choices=N_VIEWS,
        default=argparse.SUPPRESS,
        help="also look at mirrored and moved images, and send the mean (default: the preset's; 1)",
    )
    add_data_options(top, "the run's, or the name in the checkpoint")
    add(
        "--components",
        type=numbers,
        default=Settings.components,
        metavar="K,K,…",
        help="numbers of latent classes to try in the entropy model (default: %(default)s)",
    )
    add(
        "--max-drop",
        dest="max_drop_points",
        type=float,
        default=Settings.max_drop_points,
        metavar="POINTS",
        help="percentage points that int8 may cost on the test split (default: %(default)s)",
    )
    add_results(top)
    return top


def bundle_parser(step: str, description: str, fate: str) -> argparse.ArgumentParser:
    """For a step with a bundle that is there; `fate`: what becomes of that."""
    top = program.Parser(prog=f"python -m export {step}", description=description)
    top.add_argument("--bundle", type=Path, required=True, help=f"folder of the bundle; {fate}")
    return top


def calibration_parser() -> argparse.ArgumentParser:
    top = bundle_parser(
        "calibrate",
        "Fit the confidence of a bundle's decoder on the validation split and write it into its "
        "manifest.",
        "it keeps its id",
    )
    add_out(top)
    add_data_options(top, "the run's, or the name in the bundle")
    return top


def report_parser() -> argparse.ArgumentParser:
    top = program.Parser(
        prog="python -m export report",
        description="Write report.html and report.json into a run's folder: what its bundle "
        "confuses, the worst photos, what to photograph next, airtime. The export of a folder of "
        "photos does it by itself.",
    )
    top.add_argument("run", type=Path, help="folder of the run, runs/…")
    top.add_argument(
        "--bundle", type=Path, metavar="DIR", help="default: `bundle` in the run's folder"
    )
    add_data_options(top, "the run's")
    return top


def decoder_parser() -> argparse.ArgumentParser:
    top = bundle_parser(
        "decoder",
        "Train another decoder on the symbols of a bundle's encoder and add it to the bundle's "
        "host side.",
        "it keeps its id",
    )
    add = top.add_argument
    add("--task", required=True, help=", ".join(TASKS))
    add(
        "--task-name",
        dest="name",
        default="",
        metavar="NAME",
        help="what the bundle calls it (default: after the task)",
    )
    add(
        "--task-loss",
        dest="loss",
        default=Request.loss,
        metavar="LOSS",
        help="of a task with classes: ce, kl (as the bundle's own decoder says), svm",
    )
    add(
        "--examples",
        default="",
        help="of a new class: a folder of images, or DATASET:CLASS such as cifar100:bicycle",
    )
    add(
        "--shots",
        type=int,
        default=Request.shots,
        metavar="K",
        help="how many of them (default: %(default)s)",
    )
    add("--seed", type=int, default=Request.seed, help="of weights, batches and drawn examples")
    add_out(top)
    add_data_options(top, "the run's, or the name in the bundle")
    return top


def rotation_parser() -> argparse.ArgumentParser:
    top = bundle_parser(
        "rotate",
        "Rotate the latents of a finished bundle by importance; its encoder is not trained again.",
        "it stays as it is",
    )
    add = top.add_argument
    add(
        "--out",
        type=Path,
        required=True,
        help="folder of the rotated bundle, which has an id of its own",
    )
    add(
        "--coarseness",
        type=float,
        default=Rotating.coarseness,
        metavar="C",
        help="above 1 for fewer bits",
    )
    add(
        "--components",
        type=numbers,
        default=Rotating.components,
        metavar="K,K,…",
        help="numbers of latent classes to try in the entropy model",
    )
    add("--seed", type=int, default=Rotating.seed, help="of the decoder's training")
    add_results(top)
    add_data_options(top, "the run's, or the name in the bundle")
    return top


def universal_parser() -> argparse.ArgumentParser:
    top = program.Parser(
        prog="python -m export universal",
        description="Write a universal bundle: a pretrained backbone and one code of its features, "
        "fitted to images of none of the questions that `latentlink teach` is asked later.",
    )
    add = top.add_argument
    add("--sets", nargs="+", required=True, help="names or folders of images to fit to")
    add("--asked", nargs="+", required=True, help="those whose classes are the first question")
    add("--out", type=Path, required=True, help="folder of the bundle")
    add(
        "--backbone",
        type=Path,
        metavar="DIR",
        help="with an int8 backbone from before, encoder.tflite (default: one is made)",
    )
    add("--images", dest="n_images", type=int, default=Building.n_images, help="from each set")
    add(
        "--varied",
        dest="n_varied",
        type=int,
        default=Building.n_varied,
        help="variations of each set's images, and as many that are drawn",
    )
    add("--seed", type=int, default=Building.seed, help="of drawn images, tables and head")
    add(
        "--data-dir",
        type=Path,
        default=Path(os.environ.get("DATA_DIR", "data")),
        help="where data sets lie (default: DATA_DIR, else data)",
    )
    add("--threads", type=int, default=os.cpu_count(), help="that run the encoder (default: all)")
    return top


def plan_parser() -> argparse.ArgumentParser:
    top = program.Parser(
        prog="python -m export plan",
        description="Place the parts of a cut encoder on nodes of these speeds and links, and say "
        "whether cutting pays. Node 0 has the modem.",
    )
    add = top.add_argument
    add("bundle", type=Path, help="folder of a team's bundle; it stays as it is")
    add("--nodes", type=int, default=7, metavar="N", help="how many (default: 7)")
    each: dict[str, Any] = dict(type=decimals, metavar="X,X,…")
    add("--gmacs", required=True, help="10⁹ multiply-accumulates a second; one, or each's", **each)
    add("--mbps", default=(10.0,), help="link, Mbit/s (default: 10)", **each)
    add("--delay-ms", default=(2.0,), help="of a frame (default: 2)", **each)
    add("--multicast", action="store_true", help="one frame reaches all")
    add(
        "--camera",
        choices=("shared", "each"),
        default="shared",
        help="one image for all (default), or each its own",
    )
    add("--kind", choices=KINDS, help="which to write (default: the fastest)")
    add("--out", type=Path, metavar="FILE", help="write the placement there")
    return top


def add_out(top: argparse.ArgumentParser) -> None:
    help_text = (
        "write into a copy there (default: the bundle, or of one that came with the programs "
        f"{copies.COPIES}/NAME)"
    )
    top.add_argument("--out", type=Path, metavar="DIR", help=help_text)


def add_results(top: argparse.ArgumentParser) -> None:
    top.add_argument(
        "--results",
        type=Path,
        default=results.OWN,
        metavar="DIR",
        help="where the figures go (default: %(default)s)",
    )


def add_data_options(top: argparse.ArgumentParser, default_name: str) -> None:
    top.add_argument("--dataset", help=f"name or folder of the data set (default: {default_name})")
    top.add_argument("--data-dir", type=Path, help="default: DATA_DIR, else the run's, or data")
    top.add_argument(
        "--threads",
        type=int,
        default=os.cpu_count(),
        help="threads that run the int8 encoder (default: all)",
    )


def decimals(text: str) -> tuple[float, ...]:
    return tuple(float(word) for word in text.split(","))


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))
