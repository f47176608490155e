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
import json
import math
import os
import shlex
import shutil
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from export import ExportError
from export.decoders.add import Request, add_decoder
from export.decoders.calibration import calibrate
from export.decoders.questions import TASKS
from export.partition.planner import KINDS, Machine, Work, plan, verdict
from export.partition.worth import costs
from export.photo_report import write_photo_report
from export.pipeline import export
from export.rotate import Rotating, rotate
from export.settings import Settings
from export.universal.build import Building
from export.universal.build import build as build_universal
from host_training.data.catalogue import load
from host_training.data.dataset import DataSetError
from host_training.data.photo_choices import PhotoChoices
from host_training.memory import keep_freed
from host_training.presets import PRESETS
from host_training.presets.preset import N_VIEWS, ORDERS, STAGES
from host_training.run import RUNS, RunError, origin, read_run
from host_training.training.checkpoint import CheckpointError
from link.bundle import Bundle, BundleError
from link.output import EXIT_CODE, program, results

RELEASED = Path(__file__).resolve().parent.parent / "models"
"Bundles that came with the programs."
COPIES = RUNS / "bundles"


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    name, *rest = (
        arguments if arguments[:1] and arguments[0] in COMMANDS else ["export", *arguments]
    )
    parser_of, run = COMMANDS[name]
    # small layers gain nothing from more, and the bytes must not depend on the machine
    torch.set_num_threads(1)
    keep_freed()
    try:
        run(vars(parser_of().parse_args(rest)))
    except KeyboardInterrupt:
        print(
            "interrupted; nothing was written, and what was there before is as it was",
            file=sys.stderr,
        )
        return EXIT_CODE
    except (
        ExportError,
        BundleError,
        CheckpointError,
        DataSetError,
        RunError,
        ValueError,
        OSError,
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def run_calibration(options: dict[str, Any]) -> None:
    bundle = Bundle.load(options["bundle"], "host")
    folder = options["bundle"].resolve().parent
    dataset, data_dir = origin(folder, options["dataset"], options["data_dir"])
    data = load(
        dataset or bundle.data_set, data_dir, bundle.image.height, PhotoChoices.of_bundle(bundle)
    )
    place = written_into(bundle, options["out"])
    calibrated, fitted = calibrate(place, data, options["threads"])
    print(
        f"calibrate {fitted.describe()}\nbundle    {calibrated.id.hex()} in {place}, the same id "
        "as before"
    )


def run_decoder(options: dict[str, Any]) -> None:
    out = options.pop("out")
    request = with_origin(
        Request(**options), options["bundle"].resolve().parent, options["data_dir"]
    )
    place = written_into(Bundle.load(request.bundle, "host"), out)
    bundle, name, figures = add_decoder(replace(request, bundle=place))
    measured = ", ".join(f"{figure} {value:.4g}" for figure, value in figures.items())
    print(f"decoder   {name}: {measured} on the test split")
    print(f"bundle    {bundle.id.hex()} in {bundle.path}, the same id as before; no node need know")
    print(
        f"ask       python -m host_decoder decode STORE --bundle {shlex.quote(str(bundle.path))} "
        f"--task {name}"
    )


def with_origin(settings: Any, folder: Path, data_dir: Path | None) -> Any:
    """The settings of a step, its data set where the run in that folder has it if nobody says
    another.
    """
    dataset, data_dir = origin(folder, settings.dataset, data_dir)
    return replace(settings, dataset=dataset, data_dir=data_dir)


def written_into(bundle: Bundle, out: Path | None) -> Path:
    """The folder that a bundle's host side is added to: its own, or a copy if it came with the
    programs.
    """
    is_released = bundle.path.resolve().parent == RELEASED
    place = out or (COPIES / bundle.path.resolve().name if is_released else bundle.path)
    if place.resolve() == bundle.path.resolve():
        return place
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as scratch:
            shutil.copytree(bundle.path, Path(scratch) / "copy").rename(place)
    if Bundle.load(place, "host").id != bundle.id:
        raise ExportError(
            f"{place} holds another bundle than {bundle.path}; give --out another name, or move it "
            "away"
        )
    print(f"copy      {bundle.path} stays as it came; {place} is a copy of it, and is added to")
    return place


def run_plan(options: dict[str, Any]) -> None:
    bundle = Bundle.load(options["bundle"], "node")
    if bundle.team is None:
        raise ExportError(
            f"bundle {bundle.path} is for one node; a cut one is exported from a run with "
            "PRESET=branch-7"
        )
    macs = [[cost.macs for cost in row] for row in costs(bundle.path, bundle.team)]
    pixel_bytes = 0.0 if options["camera"] == "each" else math.prod(bundle.image.shape)
    plans = plan(
        Work.of(bundle.team, macs, pixel_bytes, options["multicast"]),
        machines(options["nodes"], options["gmacs"], options["mbps"], options["delay_ms"]),
    )
    for each in plans:
        n_nodes = len({node for row in each.placement for held in row for node in held})
        print(f"{each.kind:9} {1000 * each.latency_s:9.3f} ms an image, {n_nodes} nodes")
    print(f"{verdict(plans)}.")
    if options["out"] is not None:
        wanted = [each for each in plans if options["kind"] in (None, each.kind)]
        if not wanted:
            raise ExportError(
                "replicas take at least two nodes and an encoder with an exchange: give more "
                "--nodes, or another --kind"
            )
        best = wanted[0]
        options["out"].write_text(json.dumps(best.placement) + "\n", encoding="utf-8")
        print(f"{best.kind} in {options['out']}: [team] placement of every member's node.toml")


def machines(n_nodes: int, *lists: tuple[float, ...]) -> list[Machine]:
    """Nodes of those speeds in GMAC/s, rates in Mbit/s and delays in ms, one each or one for
    all.
    """
    for each in lists:
        if len(each) not in (1, n_nodes):
            raise ExportError(f"{len(each)} numbers for {n_nodes} nodes: give one for all, or each")
    gmacs, mbps, delay_ms = (each * (n_nodes // len(each)) for each in lists)
    return [
        Machine(1e9 * speed, 1e6 * rate, delay / 1000)
        for speed, rate, delay in zip(gmacs, mbps, delay_ms, strict=True)
    ]


def run_rotation(options: dict[str, Any]) -> None:
    results_folder = options.pop("results")
    settings = with_origin(
        Rotating(**options), options["bundle"].resolve().parent, options["data_dir"]
    )
    written, figures = rotate(settings, partial(print, flush=True))
    study = f"turn-{written.data_set}-{written.provenance.preset}-{settings.coarseness:g}"
    extra = {"bundle_id": written.id.hex()}
    path = results.write_result(
        study,
        figures,
        command=settings.command,
        seeds=[settings.seed],
        extra=extra,
        folder=results_folder,
    )
    print(f"report    {settings.out / 'report.md'}, {path}")


def run_export(options: dict[str, Any]) -> None:
    results_folder = options.pop("results")
    settings = Settings(**as_run_says(options))
    settings = with_origin(settings, settings.checkpoint.resolve().parent, options["data_dir"])
    say = partial(print, flush=True)
    written, report = export(settings, say)
    figures = report.figures()
    run_dir, photos = settings.checkpoint.parent, Path(settings.dataset or "")
    if settings.dataset and photos.is_dir() and written.team is None:
        figures |= write_photo_report(
            written, report.deployed.data, run_dir, photos, say, settings.threads
        )
    path = results.write_result(
        report.study,
        figures,
        command=settings.command,
        seeds=[report.provenance.seed or 0],
        extra={
            "bundle_id": written.id.hex(),
            "tables": [candidate.to_dict() for candidate in report.deployed.tables.candidates],
        },
        folder=results_folder,
    )
    print(f"report    {settings.out / 'report.md'}, {path}")


def run_report(options: dict[str, Any]) -> None:
    folder, place = options["run"], options["bundle"] or options["run"] / "bundle"
    if read_run(folder) is None:
        raise RunError(f"{folder} is no run; `make export DATASET=…` makes one with its report")
    bundle = Bundle.load(place, "host")
    dataset, data_dir = origin(folder, options["dataset"], options["data_dir"])
    name = dataset or bundle.data_set
    data = load(name, data_dir, bundle.image.height, PhotoChoices.of_bundle(bundle))
    photos = Path(name) if Path(name).is_dir() else None
    say = partial(print, flush=True)
    write_photo_report(bundle, data, folder, photos, say, options["threads"])


def as_run_says(options: dict[str, Any]) -> dict[str, Any]:
    """The fields of Settings; of a run that is named, what is not said is as its preset has it."""
    folder, stage = options.pop("run", None), options.pop("stage", None)
    if folder is None:
        if stage is not None:
            raise RunError("--stage is one of a run's: name the run, --run DIR")
        return {"out": options["checkpoint"].parent / "bundle"} | options
    run = read_run(folder)
    if run is None or not (run.is_finished or stage):
        raise RunError(
            f"{folder} is {'no run' if run is None else 'not finished'}; `make train RUN={folder}` "
            "trains it to the end, --checkpoint exports a stage of it that is there"
        )
    preset, checkpoint = PRESETS[run.preset], folder / f"{stage or run.stage}.pt"
    views = 1 if run.changes.get("flip") is False else preset.views
    usual = {"out": folder / "bundle", "order": preset.order, "views": views}
    if options.get("order") in (None, preset.order):
        usual["coarseness"] = preset.coarseness
    return usual | options | {"checkpoint": checkpoint}


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
    add("--seed", type=int, default=Building.seed, help="of drawn images, tables and head")
    add("--data-dir", type=Path, default=Path(os.environ.get("DATA_DIR", "data")))
    add("--threads", type=int, default=os.cpu_count(), help="that run the encoder (default: all)")
    return top


def run_universal(options: dict[str, Any]) -> None:
    sets, asked = (tuple(options.pop(name)) for name in ("sets", "asked"))
    build_universal(Building(sets=sets, asked=asked, **options), partial(print, flush=True))


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
        f"{COPIES}/NAME)"
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


COMMANDS = {
    "export": (parser, run_export),
    "calibrate": (calibration_parser, run_calibration),
    "decoder": (decoder_parser, run_decoder),
    "report": (report_parser, run_report),
    "rotate": (rotation_parser, run_rotation),
    "plan": (plan_parser, run_plan),
    "universal": (universal_parser, run_universal),
}
"What is typed first, or `export` where it is left out."
